"""Chips by label: a number may mean another chip after the next start, a label may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance import lockdown
from appliance.config import parse
from appliance.errors import ConfigError, LockError
from appliance.hardware import chips
from appliance.hardware.chips import chip_number
from appliance.hardware.pins import ChipFactory
from tests.emulation import need_ioctl
from tests.hardware.fake_lgpio import FakeLgpio

LABELS = {"gpiochip0": "tegra234-gpio", "gpiochip1": "tegra234-gpio-aon", "gpiochip10": "usb"}


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    for name in LABELS:
        (tmp_path / name).touch()
    (tmp_path / "gpiochip4").symlink_to("gpiochip0")  # as Raspberry Pi OS keeps a former name
    (tmp_path / "gpiochip-of-nobody").touch()
    return tmp_path


def ask(path: Path) -> str:
    return LABELS[path.name]


@pytest.mark.parametrize(
    ("chip", "number"), [(7, 7), ("tegra234-gpio-aon", 1), ("tegra234-gpio", 0), ("usb", 10)]
)
def test_a_label_is_looked_up_and_a_number_is_taken_as_it_is(
    chip: int | str, number: int, devices: Path
) -> None:
    assert chip_number(chip, devices, ask) == number


def test_an_unknown_label_tells_which_there_are(devices: Path) -> None:
    with pytest.raises(LockError, match="No GPIO chip bears the label 'tegra194-gpio'") as caught:
        chip_number("tegra194-gpio", devices, ask)
    assert caught.value.hint == (
        "Set door.chip to one of: tegra234-gpio (gpiochip0), tegra234-gpio-aon (gpiochip1), "
        "usb (gpiochip10)."
    )


def test_two_chips_of_one_label_are_told_apart_by_number(devices: Path) -> None:
    with pytest.raises(LockError, match="3 GPIO chips bear the label 'same'") as caught:
        chip_number("same", devices, lambda _: "same")
    assert "a number tells chips of one label apart" in caught.value.hint


def test_a_chip_that_may_not_be_asked_is_told(devices: Path) -> None:
    def refuse(_: Path) -> str:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(LockError) as caught:
        chip_number("tegra234-gpio", devices, refuse)
    assert "gpiochip0 cannot be asked: Permission denied" in caught.value.hint


def test_a_label_is_not_sure_while_another_chip_cannot_be_asked(devices: Path) -> None:
    """The one that does not answer may bear it too, and its line would be another door's."""

    def one_is_closed(path: Path) -> str:
        if path.name == "gpiochip10":
            raise PermissionError(13, "Permission denied")
        return LABELS[path.name]

    with pytest.raises(LockError, match="Whether one GPIO chip alone bears") as caught:
        chip_number("tegra234-gpio", devices, one_is_closed)
    assert caught.value.message.endswith("gpiochip10 cannot be asked: Permission denied.")
    assert "0" in caught.value.hint
    assert chip_number(0, devices, one_is_closed) == 0


def test_a_chip_that_has_just_gone_bears_no_label(devices: Path) -> None:
    def gone(path: Path) -> str:
        if path.name == "gpiochip10":
            raise FileNotFoundError(2, "No such file or directory")
        return LABELS[path.name]

    assert chip_number("tegra234-gpio", devices, gone) == 0


def test_what_is_no_chip_is_refused_by_the_kernel(tmp_path: Path) -> None:
    need_ioctl(chips._GET_CHIPINFO, "GPIO chips")
    (tmp_path / "gpiochip0").touch()
    with pytest.raises(LockError) as caught:
        chip_number("any", tmp_path)
    assert "gpiochip0 cannot be asked: Inappropriate ioctl for device" in caught.value.hint


def test_the_chip_is_opened_by_its_number(devices: Path) -> None:
    lgpio = FakeLgpio()
    labels = {**LABELS, "gpiochip1": "pinctrl-test"}
    ChipFactory("pinctrl-test", lgpio, devices=devices, ask=lambda it: labels[it.name]).close()
    assert lgpio.calls[0] == ("gpiochip_open", 1)


def test_one_that_is_another_once_it_is_open_is_given_back(devices: Path) -> None:
    lgpio = FakeLgpio()
    with pytest.raises(LockError, match="was 'usb' and is 'pinctrl-test' now"):
        ChipFactory("usb", lgpio, devices=devices, ask=ask)
    assert lgpio.calls[-1][0] == "gpiochip_close"


def test_after_a_crash_the_chip_is_known_by_its_number(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chips, "chip_number", lambda label: {"tegra234-gpio-aon": 1}[label])
    config = parse("door: {driver: gpiozero, chip: tegra234-gpio-aon, pin: 5}")
    assert lockdown.configured(config, {"HOME": str(devices)}).chip == 1


@pytest.mark.parametrize(
    ("written", "meant"), [("3", 3), ("'3'", 3), ("tegra234-gpio", "tegra234-gpio"), ("63", 63)]
)
def test_the_config_takes_both(written: str, meant: int | str) -> None:
    assert parse(f"door: {{chip: {written}}}").door.chip == meant


@pytest.mark.parametrize(
    ("written", "number"),
    [("gpiochip0", 0), ("/dev/gpiochip4", 4), ("'0x1'", 1), ("' 2'", 2), ("gpiochip07", 7)],
)
def test_a_number_in_another_spelling_is_told_how_it_is_written(written: str, number: int) -> None:
    """None of them is a label that a chip bears: found only at the door, it would stay shut."""
    with pytest.raises(ConfigError) as caught:
        parse(f"door: {{chip: {written}}}")
    assert f"write {number}" in str(caught.value)


@pytest.mark.parametrize("written", ["/dev/gpiochip64", "/dev/ttyS0", "/dev/gpiochip", "0x40"])
def test_what_no_chip_could_be_called(written: str) -> None:
    with pytest.raises(ConfigError, match=r"door\.chip"):
        parse(f"door: {{chip: '{written}'}}")


@pytest.mark.parametrize(
    "written", ["64", "-1", "yes", "2.5", "''", "' a'", "[1]", "null", f"'{'x' * 32}'"]
)
def test_the_config_refuses_what_is_neither(written: str) -> None:
    with pytest.raises(ConfigError, match=r"door\.chip"):
        parse(f"door: {{chip: {written}}}")
