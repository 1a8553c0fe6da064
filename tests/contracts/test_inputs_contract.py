"""One suite for the door's inputs: the simulated twin, gpiozero's mock pins and our own pins."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory

from appliance.door_values import DoorReadings
from appliance.errors import LockError
from appliance.hardware.inputs import GpioInputs, SimulatedInputs, Wiring
from appliance.hardware.pins import ChipFactory
from appliance.ports import DoorInputs
from tests.hardware.fake_lgpio import FakeLgpio

ALL = Wiring(contact=4, exit=5, tamper=6)
INVERTED = Wiring(
    contact=4,
    exit=5,
    tamper=6,
    contact_open_high=False,
    exit_pressed_high=True,
    tamper_high=False,
)
IDLE = DoorReadings(open=False, exit_pressed=False, tampered=False)


class Rig:
    """Inputs on a bench."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def build(self, wiring: Wiring) -> DoorInputs:
        raise NotImplementedError

    def bring(self, wiring: Wiring, readings: DoorReadings) -> None:
        """Bring contact, button and tamper contact into this position."""
        raise NotImplementedError

    def break_reads(self) -> None:
        raise NotImplementedError

    def mend_reads(self) -> None:
        raise NotImplementedError


class SimulatedRig(Rig):
    @property
    def path(self) -> Path:
        return self.folder / "inputs.json"

    def build(self, wiring: Wiring) -> SimulatedInputs:
        self.path.write_text("{}")
        return SimulatedInputs(wiring, self.path)

    def bring(self, wiring: Wiring, readings: DoorReadings) -> None:
        said = {
            "contact": "open" if readings.open else "closed",
            "request_to_exit": bool(readings.exit_pressed),
            "tamper": bool(readings.tampered),
        }
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(said))
        new.replace(self.path)

    def break_reads(self) -> None:
        self.path.write_text("{")

    def mend_reads(self) -> None:
        self.path.write_text("{}")


def electric(wiring: Wiring, readings: DoorReadings) -> dict[int, int]:
    """The levels that wires bring about."""
    levels = {
        wiring.contact: wiring.contact_open_high is bool(readings.open),
        wiring.exit: wiring.exit_pressed_high is bool(readings.exit_pressed),
        wiring.tamper: wiring.tamper_high is bool(readings.tampered),
    }
    return {pin: int(level) for pin, level in levels.items() if pin is not None}


class MockRig(Rig):
    def build(self, wiring: Wiring) -> GpioInputs:
        self.factory = MockFactory()
        inputs = GpioInputs(wiring, self.factory)
        self.bring(wiring, IDLE)
        return inputs

    def bring(self, wiring: Wiring, readings: DoorReadings) -> None:
        for pin, level in electric(wiring, readings).items():
            mock = self.factory.pin(pin)
            (mock.drive_high if level else mock.drive_low)()

    def break_reads(self) -> None:
        self.pins: list[tuple[Any, Any]] = []
        for pin in self.factory.pins.values():

            def failing() -> bool:
                raise RuntimeError("no current")

            self.pins.append((pin, pin._get_state))
            pin._get_state = failing

    def mend_reads(self) -> None:
        for pin, real in self.pins:
            pin._get_state = real


class ChipRig(Rig):
    def build(self, wiring: Wiring) -> GpioInputs:
        self.lgpio = FakeLgpio()
        inputs = GpioInputs(wiring, ChipFactory(0, self.lgpio))
        self.bring(wiring, IDLE)
        return inputs

    def bring(self, wiring: Wiring, readings: DoorReadings) -> None:
        self.lgpio.levels.update(electric(wiring, readings))

    def break_reads(self) -> None:
        self.lgpio.broken["gpio_read"] = "bad handle"

    def mend_reads(self) -> None:
        self.lgpio.broken.clear()


RIGS: dict[str, Callable[[Path], Rig]] = {
    "simulated": SimulatedRig,
    "mock": MockRig,
    "chip": ChipRig,
}


@pytest.fixture(params=list(RIGS))
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    return RIGS[request.param](tmp_path)


@pytest.mark.parametrize("wiring", [ALL, INVERTED], ids=["as by default", "inverted"])
def test_every_position_is_read_as_it_is(rig: Rig, wiring: Wiring) -> None:
    inputs = rig.build(wiring)
    assert inputs.read() == IDLE
    for position in product([False, True], repeat=3):
        rig.bring(wiring, DoorReadings(*position))
        assert inputs.read() == DoorReadings(*position)
    inputs.close()
    inputs.close()


def test_what_is_not_connected_reads_nothing(rig: Rig) -> None:
    inputs = rig.build(Wiring(exit=5))
    rig.bring(Wiring(exit=5), DoorReadings(open=True, exit_pressed=True, tampered=True))
    assert inputs.read() == DoorReadings(exit_pressed=True)
    inputs.close()


def test_inputs_that_cannot_be_read_say_so_and_recover(rig: Rig) -> None:
    inputs = rig.build(ALL)
    rig.break_reads()
    for _ in range(2):
        with pytest.raises(LockError) as caught:
            inputs.read()
        assert caught.value.exit_code == 4
        assert caught.value.hint
    rig.mend_reads()
    assert inputs.read() == IDLE
    inputs.close()
