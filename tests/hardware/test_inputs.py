"""The door's inputs: their resistors, their failures, and the file that stands in for them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from appliance.door_values import DoorReadings
from appliance.errors import LockError
from appliance.hardware.inputs import GpioInputs, SimulatedInputs, Wiring, open_gpio_inputs
from appliance.hardware.pins import ChipFactory
from tests.hardware.fake_lgpio import PULL_DOWN, PULL_UP, FakeLgpio

ALL = Wiring(contact=4, exit=5, tamper=6)
INVERTED = Wiring(4, 5, 6, contact_open_high=False, exit_pressed_high=True, tamper_high=False)


@pytest.mark.parametrize(
    ("wiring", "pulls"),
    [(ALL, {4: PULL_UP, 5: PULL_UP, 6: PULL_UP}), (INVERTED, dict.fromkeys((4, 5, 6), PULL_DOWN))],
)
def test_a_broken_wire_reads_open_tampered_and_not_pressed(
    wiring: Wiring, pulls: dict[int, int]
) -> None:
    lgpio = FakeLgpio()
    inputs = GpioInputs(wiring, ChipFactory(0, lgpio))
    claimed = {call[2]: call[3] for call in lgpio.calls if call[0] == "gpio_claim_input"}
    assert claimed == pulls
    # Nothing is connected to the lines: the resistors alone speak.
    assert inputs.read() == DoorReadings(open=True, exit_pressed=False, tampered=True)
    inputs.close()
    assert lgpio.commands() == []
    assert lgpio.calls[-1] == ("gpiochip_close", 0x10)


@pytest.mark.parametrize(
    ("wiring", "key"),
    [
        (Wiring(contact=8), "contact_pin"),
        (Wiring(contact=1, exit=8), "request_to_exit_pin"),
        (Wiring(contact=1, exit=2, tamper=8), "tamper_pin"),
    ],
)
def test_a_line_that_cannot_be_had_is_named_and_all_is_given_back(wiring: Wiring, key: str) -> None:
    lgpio = FakeLgpio()
    with pytest.raises(LockError, match=rf"^door\.{key}: .* so there is no line 8\.$"):
        GpioInputs(wiring, ChipFactory(0, lgpio))
    assert lgpio.calls[-1] == ("gpiochip_close", 0x10)


def test_a_line_for_two_things_is_refused() -> None:
    lgpio = FakeLgpio()
    with pytest.raises(
        LockError, match=r"door\.request_to_exit_pin could not be claimed: .*in use"
    ):
        GpioInputs(Wiring(contact=5, exit=5), ChipFactory(0, lgpio))
    assert lgpio.calls[-1] == ("gpiochip_close", 0x10)


def test_the_lock_s_own_line_is_refused_by_the_kernel() -> None:
    lgpio = FakeLgpio()
    lgpio.broken["gpio_claim_input"] = "GPIO busy"
    lgpio.user = "lg"
    with pytest.raises(LockError, match=r"door\.contact_pin: Line 4 .* in use by 'lg'") as caught:
        GpioInputs(Wiring(contact=4), ChipFactory(0, lgpio))
    assert "two settings cannot share one" in caught.value.hint


def test_without_gpiozero_the_hint_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "appliance.hardware.pins")
    monkeypatch.delattr("appliance.hardware.pins")
    for name in [name for name in sys.modules if name.split(".")[0] == "gpiozero"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LockError, match="gpiozero is not installed"):
        open_gpio_inputs(0, ALL)


# --- the twin -----------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inputs.json"


def test_without_a_file_the_door_is_closed_and_nobody_there(path: Path) -> None:
    inputs = SimulatedInputs(ALL, path)
    closed = DoorReadings(open=False, exit_pressed=False, tampered=False)
    assert inputs.read() == closed
    path.write_text('{"contact": "open"}')
    assert inputs.read() == DoorReadings(open=True, exit_pressed=False, tampered=False)
    path.unlink()
    assert inputs.read() == closed


def test_a_change_of_the_same_length_and_time_is_seen(path: Path) -> None:
    inputs = SimulatedInputs(ALL, path)
    for pressed in (True, False, True):
        new = path.with_suffix(".new")
        new.write_text(json.dumps({"request_to_exit": pressed}).ljust(40))
        os.utime(new, (1, 1))
        new.replace(path)
        assert inputs.read().exit_pressed is pressed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("\xff", "it is not JSON"),
        ("[" * 3000, "it is not JSON"),
        ("[]", "it may hold the keys contact, request_to_exit, tamper and nothing else"),
        ('"open"', "it may hold the keys"),
        ('{"door": "open"}', "it may hold the keys"),
        ('{"contact": true}', 'contact is "open" or "closed", not true'),
        ('{"contact": ["open"]}', 'contact is "open" or "closed", not \\["open"\\]'),
        ('{"tamper": 1}', "tamper is true or false, not 1"),
        ('{"request_to_exit": "yes"}', 'request_to_exit is true or false, not "yes"'),
        (" " * 5000 + "{}", "it is not JSON"),
    ],
)
def test_what_cannot_be_meant_is_refused(path: Path, text: str, told: str) -> None:
    path.write_text(text, encoding="latin-1")
    inputs = SimulatedInputs(ALL, path)
    for _ in range(2):  # it stays wrong until it is mended
        with pytest.raises(LockError, match=told):
            inputs.read()
    path.write_text("{}")
    assert inputs.read().open is False


def test_a_folder_in_its_place_is_told(path: Path) -> None:
    path.mkdir()
    with pytest.raises(LockError, match="cannot be read: it is no file"):
        SimulatedInputs(ALL, path).read()


def test_a_pipe_in_its_place_does_not_make_the_door_wait(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(LockError, match="cannot be read: it is no file"):
        SimulatedInputs(ALL, path).read()
