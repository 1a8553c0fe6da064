"""USB keypads and card readers that type: key events of a Linux input device.

The device is grabbed (EVIOCGRAB), so that what is typed at the door reaches no terminal of the
machine. When it is unplugged it is looked for again, ever more slowly, until it is back: a path
under /dev/input/by-id stays the same. Only the pressing of a key counts, neither its release nor
its repetition, and of modifiers only Shift.
"""

from __future__ import annotations

import errno
import select
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from appliance.errors import HardwareError
from appliance.ports import Clock

# Seconds between two looks for a device that is away: the first, and the longest.
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 10.0

_PRESSED: Final = 1
_RELEASED: Final = 0
# As `claims.typed` names them.
_ENTER, _BACK, _CLEAR = "\n", "\b", "\x1b"


class KeyEvent(Protocol):
    """One event of the kernel (linux/input.h). value of a key: 0 up, 1 down, 2 repeated."""

    @property
    def type(self) -> int:
        """EV_KEY, EV_SYN, ..."""
        ...

    @property
    def code(self) -> int:
        """Which key."""
        ...

    @property
    def value(self) -> int:
        """What happened to it."""
        ...


class Device(Protocol):
    """An input device; all of it raises OSError when the device is gone."""

    def grab(self) -> None:
        """Keep its events from everybody else."""
        ...

    def wait(self, timeout: float) -> bool:
        """Whether events can be read, after `timeout` seconds at the latest."""
        ...

    def read(self) -> Sequence[KeyEvent]:
        """The events that are there."""
        ...

    def close(self) -> None:
        """Give it back, which ends the grab."""
        ...


class EvdevKeys:
    """The keys of one device, grabbed. What it is called in sentences: `what`.

    open_device: opens a path; raises OSError. Building raises nothing: a device that is not
    there yet is one that is away.
    """

    def __init__(
        self, path: Path, clock: Clock, *, what: str, open_device: Callable[[Path], Device]
    ) -> None:
        self._path = path
        self._clock = clock
        self._what = what
        self._open_device = open_device
        self._device: Device | None = None
        self._typed: deque[str] = deque()
        self._shifted: set[int] = set()
        self._lossy = False
        self._wait_s = _FIRST_WAIT_S
        self._next_look = float("-inf")
        self._closed = False
        self.trouble = ""
        self._connect()

    def next_key(self, timeout: float) -> str | None:
        """The next key, or None after `timeout` seconds; never raises for a device that is away."""
        if not self._typed and not self._closed:
            self._look(timeout)
        return self._typed.popleft() if self._typed else None

    def close(self) -> None:
        """Give the device back; may be called twice."""
        self._closed = True
        self._drop()

    def _look(self, timeout: float) -> None:
        if self._device is None:
            self._clock.sleep(min(max(self._next_look - self._clock.monotonic(), 0.0), timeout))
            if self._clock.monotonic() >= self._next_look:
                self._connect()
            return
        try:
            if self._device.wait(timeout):
                for event in self._device.read():
                    self._take(event)
        except OSError as error:
            self._lose(error)

    def _connect(self) -> None:
        device = None
        try:
            device = self._open_device(self._path)
            device.grab()
        except OSError as error:
            if device is not None:
                _close(device)
            self._lose(error)
            return
        self._device = device
        self._wait_s = _FIRST_WAIT_S
        self.trouble = ""

    def _lose(self, error: OSError) -> None:
        """The device is away: what was half typed with it is worth nothing."""
        had_it = self._device is not None
        self._drop()
        if had_it:
            self._typed.append(_CLEAR)
        self._next_look = self._clock.monotonic() + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
        self.trouble = f"The {self._what} {self._path} {_reason(error)}."

    def _drop(self) -> None:
        device, self._device = self._device, None
        self._shifted.clear()
        self._typed.clear()
        self._lossy = False
        if device is not None:
            _close(device)

    def _take(self, event: KeyEvent) -> None:
        codes = _codes()
        if (event.type, event.code) == codes.dropped:
            # The kernel had no room: which keys are missing is not known, up to the next report.
            self._lossy = True
            self._shifted.clear()
            self._typed.append(_CLEAR)
        elif (event.type, event.code) == codes.report:
            self._lossy = False
        elif self._lossy:
            return
        elif event.type == codes.key and event.code in codes.shifts:
            change = self._shifted.discard if event.value == _RELEASED else self._shifted.add
            change(event.code)
        elif event.type == codes.key and event.value == _PRESSED:
            plain, shifted = codes.characters.get(event.code, ("", ""))
            self._typed.extend(shifted if self._shifted else plain)


class _Codes:
    """The kernel's numbers, from the library: (plain, with Shift) for each key that counts."""

    def __init__(self, ecodes: Any) -> None:
        self.key = int(ecodes.EV_KEY)
        self.dropped = (int(ecodes.EV_SYN), int(ecodes.SYN_DROPPED))
        self.report = (int(ecodes.EV_SYN), int(ecodes.SYN_REPORT))
        self.shifts = frozenset({int(ecodes.KEY_LEFTSHIFT), int(ecodes.KEY_RIGHTSHIFT)})
        named: dict[str, tuple[str, str]] = {
            "KEY_ENTER": (_ENTER, _ENTER),
            "KEY_KPENTER": (_ENTER, _ENTER),
            "KEY_NUMERIC_POUND": (_ENTER, _ENTER),
            "KEY_BACKSPACE": (_BACK, _BACK),
            "KEY_ESC": (_CLEAR, _CLEAR),
            "KEY_DELETE": (_CLEAR, _CLEAR),
            "KEY_KPDOT": (_CLEAR, _CLEAR),
            "KEY_KPASTERISK": (_CLEAR, _CLEAR),
            "KEY_NUMERIC_STAR": (_CLEAR, _CLEAR),
            "KEY_SEMICOLON": (";", ":"),
            "KEY_MINUS": ("-", "_"),
            "KEY_EQUAL": ("=", "+"),
            "KEY_SLASH": ("/", "?"),
            "KEY_DOT": (".", ">"),
            "KEY_SPACE": (" ", " "),
        }
        for digit, above in zip("0123456789", ")!@#$%^&*(", strict=True):
            # What stands above a digit is no key of a keypad: # and * would mean Enter and Clear.
            named[f"KEY_{digit}"] = (digit, above if above == "%" else "")
            named[f"KEY_KP{digit}"] = named[f"KEY_NUMERIC_{digit}"] = (digit, digit)
        for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
            named[f"KEY_{letter}"] = (letter.lower(), letter)
        self.characters: Mapping[int, tuple[str, str]] = {
            int(getattr(ecodes, name)): typed
            for name, typed in named.items()
            if hasattr(ecodes, name)
        }


@cache
def _codes() -> _Codes:
    from evdev import ecodes

    return _Codes(ecodes)


class _InputDevice:
    """evdev's device, with a wait that ends."""

    def __init__(self, path: Path) -> None:
        from evdev import InputDevice

        self._device = InputDevice(path)

    def grab(self) -> None:
        self._device.grab()

    def wait(self, timeout: float) -> bool:
        return bool(select.select([self._device.fd], [], [], max(timeout, 0.0))[0])

    def read(self) -> Sequence[KeyEvent]:
        try:
            return list(self._device.read())
        except BlockingIOError:
            return []

    def close(self) -> None:
        self._device.close()


def open_evdev_keys(path: Path, clock: Clock, *, what: str) -> EvdevKeys:
    """The real device. HardwareError when the library that reads it is not installed."""
    try:
        import evdev  # noqa: F401 - asked for here, so that its lack is told at once
    except ImportError as error:
        raise HardwareError(
            f"The library evdev, which reads the {what}, is not installed: {error}.",
            hint="`apt install python3-evdev` and a virtual environment made with "
            "--system-site-packages; on a PC `pip install evdev-binary` does as well.",
            code="no_evdev",
        ) from error
    return EvdevKeys(path, clock, what=what, open_device=_InputDevice)


def _close(device: Device) -> None:
    try:
        device.close()
    except OSError:
        # It is gone, and so is its grab.
        return


_REASONS: Mapping[int, str] = {
    errno.ENOENT: "is not there",
    errno.ENODEV: "was unplugged",
    errno.ENXIO: "was unplugged",
    errno.EACCES: "may not be used by this user (the group input may)",
    errno.EPERM: "may not be used by this user (the group input may)",
    errno.EBUSY: "is in use by another program",
    errno.ENOTTY: "is no input device",
    errno.EINVAL: "is no input device",
    errno.EISDIR: "is no input device",
}


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0) or f"cannot be read: {error.strerror or error}"
