"""Our pin factory: what reaches lgpio, and how its failures are told."""

from __future__ import annotations

import errno
import importlib.util
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gpiozero import InputDevice, OutputDevice
from gpiozero.exc import (
    GPIOPinInUse,
    PinFixedPull,
    PinInvalidFunction,
    PinInvalidPull,
    PinSetInput,
)

from appliance.errors import LockError
from appliance.hardware import pins
from appliance.hardware.lock import GpioLock, open_gpio_lock
from appliance.hardware.pins import ChipFactory
from tests.fakes import FakeClock
from tests.hardware.fake_lgpio import PULL_DOWN, PULL_NONE, PULL_UP, FakeLgpio
from tests.patience import patient

HANDLE = 0x10


def _refuse(path: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let opening `path` fail as the kernel would; root is refused nothing by modes."""
    real = os.open

    def refusing(name: object, *arguments: object) -> int:
        if str(name) == str(path):
            raise OSError(code, os.strerror(code), str(path))
        return real(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refusing)


@pytest.mark.parametrize(("active_high", "locked", "unlocked"), [(True, 0, 1), (False, 1, 0)])
def test_the_very_calls_that_reach_lgpio(active_high: bool, locked: int, unlocked: int) -> None:  # noqa: FBT001
    lgpio = FakeLgpio()
    lock = GpioLock(5, ChipFactory(3, lgpio), FakeClock(), active_high=active_high)
    lock.unlock("alice")
    lock.close()
    assert lgpio.calls == [
        ("gpiochip_open", 3),
        ("gpio_get_chip_info", HANDLE),
        # The line becomes an output at the locked level in one request, and was nothing before.
        ("gpio_claim_output", HANDLE, 5, locked, 0),
        ("gpio_read", HANDLE, 5),
        ("gpio_write", HANDLE, 5, unlocked),
        ("gpio_read", HANDLE, 5),
        ("gpio_write", HANDLE, 5, locked),
        ("gpio_read", HANDLE, 5),
        ("gpio_write", HANDLE, 5, locked),
        ("gpio_free", HANDLE, 5),
        ("gpiochip_close", HANDLE),
    ]


def test_a_device_that_is_dropped_unlocked_frees_its_line_locked() -> None:
    lgpio = FakeLgpio()
    device = OutputDevice(5, active_high=False, pin_factory=ChipFactory(0, lgpio))
    device.on()
    assert lgpio.levels == {5: 0}
    device.close()
    assert lgpio.levels == {5: 1}
    assert lgpio.calls[-1] == ("gpio_free", HANDLE, 5)


@pytest.mark.parametrize("name", [5, "5", "GPIO5"])
def test_a_line_has_one_pin_whatever_it_is_called(name: object) -> None:
    factory = ChipFactory(0, FakeLgpio())
    assert factory.pin(name) is factory.pin(5)
    assert repr(factory.pin(name)) == "GPIO5"


@pytest.mark.parametrize("name", [8, -1, "GPIO", "J8:11", "²", ""])
def test_a_line_that_the_chip_lacks_is_refused(name: object) -> None:
    with pytest.raises(LockError, match=r"\(pinctrl-test\) has 8 lines, so there is no line"):
        GpioLock(name, ChipFactory(0, FakeLgpio()), FakeClock())  # type: ignore[arg-type]


def test_a_refused_line_gives_the_chip_back() -> None:
    lgpio = FakeLgpio()
    with pytest.raises(LockError):
        GpioLock(8, ChipFactory(0, lgpio), FakeClock())
    assert lgpio.calls[-1] == ("gpiochip_close", HANDLE)


def test_two_devices_do_not_share_a_line() -> None:
    factory = ChipFactory(0, FakeLgpio())
    first = OutputDevice(5, pin_factory=factory)
    with pytest.raises(GPIOPinInUse):
        OutputDevice(5, pin_factory=factory)
    first.close()
    OutputDevice(5, pin_factory=factory).close()


def test_a_pin_does_nothing_without_a_level() -> None:
    lgpio = FakeLgpio()
    pin = ChipFactory(0, lgpio).pin(5)
    with pytest.raises(PinInvalidFunction, match="output_with_state"):
        pin.function = "output"
    with pytest.raises(PinSetInput):
        pin.state = 1
    assert pin.function == "input"
    assert lgpio.commands() == []


@pytest.mark.parametrize(("pull_up", "flags"), [(True, PULL_UP), (False, PULL_DOWN)])
def test_the_very_calls_of_an_input(pull_up: bool, flags: int) -> None:  # noqa: FBT001
    lgpio = FakeLgpio()
    factory = ChipFactory(3, lgpio)
    device = InputDevice(5, pull_up=pull_up, pin_factory=factory)
    assert device.pin.state == pull_up
    assert device.pull_up is pull_up
    device.close()
    factory.close()
    assert lgpio.calls == [
        ("gpiochip_open", 3),
        ("gpio_get_chip_info", HANDLE),
        # A line keeps the resistor that it was claimed with, so it is claimed anew with its own.
        ("gpio_claim_input", HANDLE, 5, PULL_NONE),
        ("gpio_free", HANDLE, 5),
        ("gpio_claim_input", HANDLE, 5, flags),
        ("gpio_read", HANDLE, 5),
        ("gpio_free", HANDLE, 5),
        ("gpiochip_close", HANDLE),
    ]


def test_an_input_does_not_become_an_output_nor_the_other_way() -> None:
    lgpio = FakeLgpio()
    factory = ChipFactory(0, lgpio)
    output, reads = factory.pin(5), factory.pin(6)
    output.output_with_state(1)
    reads.function = "input"
    with pytest.raises(PinInvalidFunction, match="as an output"):
        output.function = "input"
    with pytest.raises(PinInvalidFunction, match="as an input"):
        reads.output_with_state(1)
    with pytest.raises(PinSetInput):
        reads.state = 1
    with pytest.raises(PinFixedPull):
        output.pull = "up"
    with pytest.raises(PinInvalidPull, match="one of up, down, floating"):
        reads.pull = "sideways"
    assert [call[0] for call in lgpio.commands()] == ["gpio_claim_output"]
    factory.close()
    assert lgpio.levels == {5: 1, 6: 0}


@pytest.mark.parametrize(
    ("user", "told"),
    [("fan-control", "in use by 'fan-control'"), (b"lg", "in use by 'lg'"), ("", "is in use.")],
)
def test_a_busy_line_names_its_holder(user: str | bytes, told: str) -> None:
    lgpio = FakeLgpio()
    lgpio.broken["gpio_claim_output"] = "GPIO busy"
    lgpio.user = user
    with pytest.raises(LockError) as caught:
        GpioLock(5, ChipFactory(0, lgpio), FakeClock())
    assert told in caught.value.message
    assert "gpioinfo" in caught.value.hint
    assert caught.value.exit_code == 4


def test_a_busy_line_is_told_also_where_the_holder_is_not() -> None:
    lgpio = FakeLgpio()
    lgpio.broken = {"gpio_claim_output": "GPIO busy", "gpio_get_line_info": "bad lineinfo IOCTL"}
    with pytest.raises(LockError, match=r"Line 5 of /dev/gpiochip0 is in use\."):
        GpioLock(5, ChipFactory(0, lgpio), FakeClock())


@pytest.mark.parametrize(
    ("function", "told"),
    [("gpio_claim_output", "claimed: no way"), ("gpio_read", "read: no way")],
)
def test_other_failures_are_passed_on_in_a_sentence(function: str, told: str) -> None:
    lgpio = FakeLgpio()
    lgpio.broken[function] = "no way"
    with pytest.raises(LockError, match=f"Line 5 of /dev/gpiochip0 could not be {told}"):
        GpioLock(5, ChipFactory(0, lgpio), FakeClock())


def _needs_lgpio() -> None:
    """Skip where it is not installed; without importing it, which has effects."""
    if importlib.util.find_spec("lgpio") is None:
        pytest.skip("lgpio is not installed")


def _no_chip(devices: Path) -> LockError:
    lgpio = FakeLgpio()
    lgpio.broken["gpiochip_open"] = "can not open gpiochip"
    with pytest.raises(LockError) as caught:
        ChipFactory(4, lgpio, devices=devices)
    assert caught.value.exit_code == 4
    return caught.value


def test_an_absent_chip_names_those_that_exist(tmp_path: Path) -> None:
    (tmp_path / "gpiochip0").touch()
    error = _no_chip(tmp_path)
    assert error.message == f"The GPIO chip {tmp_path}/gpiochip4 does not exist."
    assert error.hint == "Set door.chip to one that does: gpiochip0."


def test_a_forbidden_chip_names_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refuse(tmp_path / "gpiochip4", errno.EACCES, monkeypatch)
    error = _no_chip(tmp_path)
    assert "This user may not use the GPIO chip" in error.message
    assert "group gpio" in error.hint


def test_other_reasons_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpiochip4").touch()
    assert "cannot be opened: can not open gpiochip" in _no_chip(tmp_path).message
    _refuse(tmp_path / "gpiochip4", errno.EBUSY, monkeypatch)
    assert "Device or resource busy" in _no_chip(tmp_path).message


def test_a_device_that_is_no_chip_is_closed_again() -> None:
    lgpio = FakeLgpio()
    lgpio.broken["gpio_get_chip_info"] = "bad chipinfo IOCTL"
    with pytest.raises(LockError):
        ChipFactory(0, lgpio)
    assert lgpio.calls[-1] == ("gpiochip_close", HANDLE)


def test_the_twin_is_called_as_lgpio_is() -> None:
    _needs_lgpio()
    real = pins.import_lgpio()
    assert issubclass(real.error, Exception)
    names = [name for name in vars(pins.Lgpio) if name.startswith("gpio")]
    assert len(names) == 9
    pulls = (real.SET_PULL_UP, real.SET_PULL_DOWN, real.SET_PULL_NONE)  # type: ignore[attr-defined]
    assert pulls == (PULL_UP, PULL_DOWN, PULL_NONE)
    for name in names:
        ours = list(inspect.signature(getattr(FakeLgpio(), name)).parameters)
        assert list(inspect.signature(getattr(real, name)).parameters) == ours


def test_without_lgpio_the_hint_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lgpio", None)
    before = Path.cwd()
    with pytest.raises(LockError, match="lgpio is not installed") as caught:
        pins.import_lgpio()
    assert "python3-lgpio" in caught.value.hint
    assert Path.cwd() == before


def test_without_gpiozero_the_hint_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "appliance.hardware.pins")
    monkeypatch.delattr("appliance.hardware.pins")
    for name in [name for name in sys.modules if name.split(".")[0] == "gpiozero"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LockError, match="gpiozero is not installed"):
        open_gpio_lock(0, 5, FakeClock())


_OPEN_AN_ABSENT_CHIP = """
import os
from appliance.errors import LockError
from appliance.hardware.clock import SystemClock
from appliance.hardware.lock import open_gpio_lock
try:
    open_gpio_lock(63, 5, SystemClock())
except LockError as error:
    print(error.message)
print(os.getcwd(), os.listdir("."))
"""


@pytest.mark.parametrize("variable", ["mock", "native", "nonsense"])
def test_no_environment_variable_can_put_a_mock_at_the_door(variable: str, tmp_path: Path) -> None:
    _needs_lgpio()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {
        **os.environ,
        "GPIOZERO_PIN_FACTORY": variable,
        "GPIOZERO_MOCK_PIN_CLASS": "mockpin",
        "LG_WD": str(elsewhere),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    here = tmp_path / "here"
    here.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _OPEN_AN_ABSENT_CHIP],
        capture_output=True,
        text=True,
        cwd=here,
        env=environment,
        check=True,
        timeout=patient(60),
    )
    # lgpio, when imported, leaves a FIFO where it stands and may change the folder for good.
    assert done.stdout == f"The GPIO chip /dev/gpiochip63 does not exist.\n{here} []\n"
    assert done.stderr == ""
