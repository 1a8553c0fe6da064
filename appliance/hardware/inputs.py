"""The door's inputs: contact, button to leave and tamper contact on GPIO lines, and their twin.

Every line has a resistor, chosen so that a wire that breaks is safe: the contact then reads open
and the tamper contact reads tampered, because the resistor pulls towards the alarm; the button
reads not pressed, because it pulls away from it.
"""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.door_values import DoorReadings
from appliance.errors import LockError

_LARGEST = 4096


@dataclass(frozen=True)
class Wiring:
    """Which line is what; None: not connected. *_high: the level that means it.

    contact_open_high: high while the door is open. exit_pressed_high: while the button is
    pressed. tamper_high: while somebody is at the case.
    """

    contact: int | None = None
    exit: int | None = None
    tamper: int | None = None
    contact_open_high: bool = True
    exit_pressed_high: bool = False
    tamper_high: bool = True


class GpioInputs:
    """The inputs on lines of a gpiozero pin factory, which it owns and closes.

    Raises LockError when a line cannot be claimed; then everything has been given back.
    """

    def __init__(self, wiring: Wiring, factory: Any) -> None:
        self._factory = factory
        self._devices: dict[str, Any] = {}
        self._wiring = wiring
        try:
            self._claim("contact_pin", wiring.contact, pull_up=wiring.contact_open_high)
            self._claim("request_to_exit_pin", wiring.exit, pull_up=not wiring.exit_pressed_high)
            self._claim("tamper_pin", wiring.tamper, pull_up=wiring.tamper_high)
        except BaseException:
            self.close()
            raise

    def read(self) -> DoorReadings:
        """The levels now. Raises LockError."""
        wiring = self._wiring
        return DoorReadings(
            open=self._is("contact_pin", high=wiring.contact_open_high),
            exit_pressed=self._is("request_to_exit_pin", high=wiring.exit_pressed_high),
            tampered=self._is("tamper_pin", high=wiring.tamper_high),
        )

    def close(self) -> None:
        """Give the lines and the chip back; may be called twice."""
        devices, self._devices = self._devices, {}
        with contextlib.ExitStack() as stack:
            stack.callback(self._factory.close)
            for device in devices.values():
                stack.callback(device.close)

    def _claim(self, key: str, pin: int | None, *, pull_up: bool) -> None:
        if pin is None:
            return
        from gpiozero import InputDevice  # only who reads a line pays for it

        try:
            self._devices[key] = InputDevice(pin, pull_up=pull_up, pin_factory=self._factory)
        except LockError as error:
            raise LockError(f"door.{key}: {error.message}", hint=error.hint) from error
        except Exception as error:
            raise _broken(key, "claimed", error) from error

    def _is(self, key: str, *, high: bool) -> bool | None:
        device = self._devices.get(key)
        if device is None:
            return None
        try:
            return bool(device.pin.state) is high
        except LockError:
            raise
        except Exception as error:
            raise _broken(key, "read", error) from error


class SimulatedInputs:
    """Inputs that somebody writes into a file, for a desk and for tests.

    path: a JSON object such as {"contact": "open", "request_to_exit": true, "tamper": false},
    read anew whenever it has changed. What is missing in it, or the whole file, means a closed
    door, a button not pressed and nobody at the case. wiring: which of them are connected, as of
    the real ones. Write a new file and move it over the old one: half a file is no JSON.
    """

    def __init__(self, wiring: Wiring, path: Path) -> None:
        self._wiring = wiring
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._levels = _NOTHING

    def read(self) -> DoorReadings:
        """What the file says now. Raises LockError when it cannot be understood."""
        try:
            told = self._path.stat()
        except FileNotFoundError:
            self._stamp, self._levels = None, _NOTHING
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from error
        else:
            if not stat.S_ISREG(told.st_mode):
                raise self._unreadable("it is no file")
            stamp = (told.st_mtime_ns, told.st_size, told.st_ino)
            if stamp != self._stamp:
                self._levels = self._parsed()
                self._stamp = stamp
        wiring, levels = self._wiring, self._levels
        return DoorReadings(
            open=None if wiring.contact is None else levels.open,
            exit_pressed=None if wiring.exit is None else levels.exit_pressed,
            tampered=None if wiring.tamper is None else levels.tampered,
        )

    def close(self) -> None:
        """Nothing is held."""

    def _parsed(self) -> DoorReadings:
        try:
            with self._path.open("rb") as file:
                said = json.loads(file.read(_LARGEST))
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from error
        except (ValueError, RecursionError) as error:
            raise self._unreadable(f"it is not JSON ({error})") from error
        if not isinstance(said, dict) or not _KEYS.keys() >= said.keys():
            raise self._unreadable(f"it may hold the keys {', '.join(_KEYS)} and nothing else")
        for key, value in said.items():
            if json.dumps(value) not in map(json.dumps, _KEYS[key]):  # in Python 1 is true
                words = " or ".join(json.dumps(word) for word in _KEYS[key])
                raise self._unreadable(f"{key} is {words}, not {json.dumps(value)}")
        return _translated(said)

    def _unreadable(self, why: str) -> LockError:
        return LockError(
            f"The simulated inputs {self._path} cannot be read: {why}.",
            hint='Write an object such as {"contact": "closed", "request_to_exit": false}, or '
            "delete the file.",
        )


_NOTHING = DoorReadings(open=False, exit_pressed=False, tampered=False)
_KEYS: Mapping[str, tuple[object, ...]] = {
    "contact": ("open", "closed"),
    "request_to_exit": (True, False),
    "tamper": (True, False),
}


def _translated(said: Mapping[str, object]) -> DoorReadings:
    return DoorReadings(
        open=said.get("contact") == "open",
        exit_pressed=said.get("request_to_exit") is True,
        tampered=said.get("tamper") is True,
    )


def open_gpio_inputs(chip: int | str, wiring: Wiring) -> GpioInputs:
    """The real inputs on lines of a chip, by number or label. Raises LockError."""
    try:
        from appliance.hardware import pins  # only who reads a line pays for it
    except ImportError as error:
        raise LockError(
            f"The library gpiozero is not installed: {error}.",
            hint="`pip install gpiozero`, or run install.sh again.",
        ) from error
    return GpioInputs(wiring, pins.ChipFactory(chip, pins.import_lgpio()))


def _broken(key: str, what: str, error: Exception) -> LockError:
    return LockError(
        f"The line of door.{key} could not be {what}: {error or type(error).__name__}.",
        hint=f"Check door.{key} and door.chip, and that nothing else uses the line.",
    )
