"""USB keypads and card readers, played from recorded events: grabbed, unplugged, found again."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.errors import HardwareError
from appliance.hardware.evdev_keys import EvdevKeys, open_evdev_keys
from tests.emulation import need_ioctl
from tests.fakes import FakeClock

evdev = pytest.importorskip("evdev")
ecodes = evdev.ecodes
PATH = Path("/dev/input/by-id/usb-Keypad-event-kbd")
# What evdev asks first: _IOR('E', 0x02, struct input_id) of linux/input.h.
_EVIOCGID = 0x80084502


@dataclass
class Event:
    type: int
    code: int
    value: int


def key(name: str, value: int = 1) -> Event:
    return Event(ecodes.EV_KEY, getattr(ecodes, f"KEY_{name}"), value)


REPORT = Event(0, 0, 0)
DROPPED = Event(0, 3, 0)


def presses(*names: str) -> list[Event]:
    """What a keypad sends: scan code, press, report, release, report."""
    found = []
    for name in names:
        found += [Event(ecodes.EV_MSC, 4, 458_841), key(name), REPORT, key(name, 0), REPORT]
    return found


class Plug:
    """A socket with a device in it, or not; counts what is done to it."""

    def __init__(self, events: list[Event], clock: FakeClock) -> None:
        self.events = events
        self.clock = clock
        self.fault: OSError | None = None
        self.grab_fault: OSError | None = None
        self.opened = self.grabbed = self.closed = 0

    def open(self, path: Path) -> Plug:
        assert path == PATH
        self.opened += 1
        if self.fault:
            raise self.fault
        return self

    def grab(self) -> None:
        if self.grab_fault:
            raise self.grab_fault
        self.grabbed += 1

    def wait(self, timeout: float) -> bool:
        if self.fault:
            raise self.fault
        if not self.events:
            self.clock.sleep(max(timeout, 0.0))
        return bool(self.events)

    def read(self) -> list[Event]:
        if self.fault:
            raise self.fault
        found, self.events = self.events, []
        return found

    def close(self) -> None:
        self.closed += 1


def plugged(*events: Event, clock: FakeClock | None = None) -> tuple[EvdevKeys, Plug]:
    plug = Plug(list(events), clock or FakeClock())
    return EvdevKeys(PATH, plug.clock, what="keypad", open_device=plug.open), plug


def typed(keys: EvdevKeys) -> str:
    found = ""
    while (one := keys.next_key(0.1)) is not None:
        found += one
    return found


def fault(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def test_a_numeric_keypad_types_digits_enter_and_its_clearing_keys() -> None:
    names = [f"KP{digit}" for digit in "1234567890"]
    keys, plug = plugged(*presses(*names, "KPENTER", "BACKSPACE", "KPASTERISK", "KPDOT"))
    assert typed(keys) == "1234567890\n\b\x1b\x1b"
    assert (plug.grabbed, keys.trouble) == (1, "")


def test_a_card_reader_types_digits_letters_and_enter() -> None:
    shifted = [key("LEFTSHIFT"), *presses("A", "F"), key("LEFTSHIFT", 0)]
    keys, _ = plugged(*presses("0", "4"), *shifted, *presses("B", "9", "ENTER"))
    assert typed(keys) == "04AFb9\n"


def test_only_pressing_counts() -> None:
    held = [key("KP5"), *[key("KP5", 2)] * 30, key("KP5", 0)]
    keys, _ = plugged(*held, *presses("F1", "LEFTCTRL", "VOLUMEUP", "KP6"))
    assert typed(keys) == "56"


def test_what_stands_above_a_digit_is_no_enter_and_no_clear() -> None:
    keys, _ = plugged(key("RIGHTSHIFT"), *presses("3", "8", "5"), key("RIGHTSHIFT", 0))
    assert typed(keys) == "%"


def test_where_the_kernel_lost_keys_the_line_begins_anew() -> None:
    keys, _ = plugged(*presses("KP1"), DROPPED, key("KP2"), REPORT, *presses("KP3"))
    assert typed(keys) == "1\x1b3"


def test_unplugged_it_is_told_and_found_again() -> None:
    keys, plug = plugged(*presses("KP1"))
    assert typed(keys) == "1"
    plug.fault = fault(errno.ENODEV)
    assert keys.next_key(0.5) == "\x1b"  # what was half typed with it is worth nothing
    assert keys.trouble == f"The keypad {PATH} was unplugged."
    plug.fault = fault(errno.ENOENT)
    assert [keys.next_key(0.5) for _ in range(8)] == [None] * 8
    assert keys.trouble == f"The keypad {PATH} is not there."
    plug.fault, plug.events = None, presses("KP2")
    plug.clock.advance(20)
    assert [keys.next_key(0.5) for _ in range(2)] == [None, "2"]
    assert (keys.trouble, plug.grabbed, plug.closed) == ("", 2, 1)


def test_unplugged_a_hundred_times_it_is_found_a_hundred_times() -> None:
    keys, plug = plugged()
    for _ in range(100):
        plug.fault = fault(errno.ENODEV)
        assert keys.next_key(0.5) == "\x1b"
        plug.fault, plug.events = None, presses("KP7")
        plug.clock.advance(1)
        assert typed(keys) == ""
        assert typed(keys) == "7"
    assert (plug.opened, plug.grabbed, plug.closed) == (101, 101, 100)


def test_it_is_looked_for_ever_more_slowly_and_nobody_waits_longer_than_asked() -> None:
    clock = FakeClock()
    plug = Plug([], clock)
    plug.fault = fault(errno.ENOENT)
    keys = EvdevKeys(PATH, clock, what="keypad", open_device=plug.open)
    for _ in range(7200):
        before = clock.monotonic()
        assert keys.next_key(0.5) is None
        assert clock.monotonic() - before <= 0.5
    # An hour: seven looks until the longest pause, and then one in ten seconds.
    assert 355 <= plug.opened <= 370


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, "may not be used by this user (the group input may)"),
        (errno.ENOTTY, "is no input device"),
        (errno.EIO, "cannot be read: Input/output error"),
    ],
)
def test_why_it_cannot_be_had_is_told(number: int, sentence: str) -> None:
    plug = Plug([], FakeClock())
    plug.fault = fault(number)
    keys = EvdevKeys(PATH, plug.clock, what="card reader", open_device=plug.open)
    assert keys.trouble == f"The card reader {PATH} {sentence}."


def test_one_that_another_program_has_grabbed_is_given_back_and_told() -> None:
    plug = Plug(presses("KP1"), FakeClock())
    plug.grab_fault = fault(errno.EBUSY)
    keys = EvdevKeys(PATH, plug.clock, what="keypad", open_device=plug.open)
    assert keys.next_key(0.1) is None  # never read without the grab
    assert plug.closed == 1
    assert keys.trouble == f"The keypad {PATH} is in use by another program."


def test_closed_it_gives_the_device_back_and_nothing_more() -> None:
    keys, plug = plugged(*presses("KP1"))
    keys.close()
    keys.close()
    assert keys.next_key(0.1) is None
    assert (plug.closed, plug.opened) == (1, 1)


@pytest.mark.parametrize("kind", ["file", "folder", "fifo", "missing"])
def test_the_real_one_tells_what_is_no_input_device(tmp_path: Path, kind: str) -> None:
    if kind != "missing":
        need_ioctl(_EVIOCGID, "input devices")
    path = tmp_path / "event0"
    if kind == "file":
        path.write_text("12345\n")
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    keys = open_evdev_keys(path, FakeClock(), what="keypad")
    said = "is not there" if kind == "missing" else "is no input device"
    assert keys.trouble == f"The keypad {path} {said}."
    assert keys.next_key(0) is None
    keys.close()


def test_without_the_library_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "evdev", None)
    with pytest.raises(HardwareError) as caught:
        open_evdev_keys(PATH, FakeClock(), what="keypad")
    assert caught.value.code == "no_evdev"
