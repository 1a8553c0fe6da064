"""What happened on the lines of the board's GPIO chip, read from QEMU's trace of it.

The trace is written by the emulated chip and not by the guest, so nothing that runs there can
forget to mention a pulse. `pl061_set_output` is what a meter at the pin would show, the pull
resistors included; `pl061_update` says besides which lines the guest drives, and how.

Stamps are the host's time. To the guest, time is what its processor's counter says, which runs
slower while the host is slow (see `machine`): lengths are told by that counter. The trace shows it
each time when the kernel asks for its next timer interrupt (`arm_gt_cval_write`), which a kernel
that has something to do does every 4 ms (HZ=250).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(r"^\d+@(?P<at>\d+\.\d+):pl061_(?P<event>\w+)\s+\S+(?P<rest>.*)$")
_OUTPUT = re.compile(r"setting output (\d+) to (\d)")
_INPUT = re.compile(r"input (\d+) changed to (\d)")
_TIMER = re.compile(r"^\d+@(\d+\.\d+):arm_gt_cval_write .*timer 1 value 0x([0-9a-f]+)")
# Of the virtual machine's counter, in hertz.
_COUNTER_HZ = 62.5e6
_UPDATE = re.compile(r"GPIODIR 0x([0-9a-f]+) GPIODATA 0x([0-9a-f]+)")


@dataclass(frozen=True)
class Change:
    """A line took a level (0 or 1) at a host's time, seconds since 1970."""

    at: float
    level: int


@dataclass(frozen=True)
class Drive:
    """How the guest uses a line from then on: level None is an input, else what it drives."""

    at: float
    level: int | None


@dataclass(frozen=True)
class Pulse:
    """A line was high from `start` to `end`; None where the trace ends before the pulse.

    guest_s: how long that was by the guest's counter; None where the trace does not show it.
    """

    start: float
    end: float | None
    guest_s: float | None = None

    @property
    def length_s(self) -> float | None:
        """The guest's seconds, else the host's; None for one that did not end."""
        if self.end is None:
            return None
        return self.end - self.start if self.guest_s is None else self.guest_s


@dataclass(frozen=True)
class Trace:
    """The history of all lines of one chip, from the machine's reset on."""

    resets: tuple[float, ...]
    outputs: tuple[tuple[int, Change], ...]
    inputs: tuple[tuple[int, Change], ...]
    updates: tuple[tuple[float, int, int], ...]
    counted: tuple[tuple[float, float], ...] = ()

    def guest_seconds(self, at: float) -> float | None:
        """The guest's counter at a host's time, in seconds, 4 ms late at most; None if unknown."""
        place = bisect_right(self.counted, (at, float("inf")))
        return self.counted[place - 1][1] if place else None

    def between(self, start: float, end: float) -> float | None:
        """The guest's seconds from one of the host's times to another."""
        begun, ended = self.guest_seconds(start), self.guest_seconds(end)
        return None if begun is None or ended is None or ended < begun else ended - begun

    def lasted(self, start: float, end: float) -> float:
        """The same, and the host's seconds where the trace does not show the guest's."""
        guest = self.between(start, end)
        return end - start if guest is None else guest

    def levels(self, line: int) -> list[Change]:
        """What a meter would have shown, changes only; the first is the level at reset."""
        found: list[Change] = []
        for number, change in self.outputs:
            if number == line and (not found or found[-1].level != change.level):
                found.append(change)
        return found

    def pulses(self, line: int) -> list[Pulse]:
        """Each time that the line was high."""
        found: list[Pulse] = []
        start: float | None = None
        for change in self.levels(line):
            if change.level and start is None:
                start = change.at
            elif not change.level and start is not None:
                found.append(Pulse(start, change.at, self.between(start, change.at)))
                start = None
        if start is not None:
            found.append(Pulse(start, None))
        return found

    def drives(self, line: int) -> list[Drive]:
        """How the guest used the line, changes only."""
        found: list[Drive] = []
        for at, direction, data in self.updates:
            driven = data >> line & 1 if direction >> line & 1 else None
            if not found or found[-1].level != driven:
                found.append(Drive(at, driven))
        return found

    def pressed(self, line: int) -> list[Change]:
        """What came in on an input line from outside."""
        return [change for number, change in self.inputs if number == line]


def read_trace(path: Path) -> Trace:
    """The trace that QEMU has written so far. ValueError for what is no such trace."""
    return parse_trace(path.read_text(errors="replace").splitlines())


def parse_trace(lines: Sequence[str]) -> Trace:
    """The same from its lines; those of other events are passed over."""
    resets: list[float] = []
    outputs: list[tuple[int, Change]] = []
    inputs: list[tuple[int, Change]] = []
    updates: list[tuple[float, int, int]] = []
    counted: list[tuple[float, float]] = []
    for line in lines:
        if timer := _TIMER.match(line):
            counted.append((float(timer[1]), int(timer[2], 16) / _COUNTER_HZ))
            continue
        parts = _LINE.match(line)
        if parts is None:
            continue
        at, event, rest = float(parts["at"]), parts["event"], parts["rest"]
        if event == "reset":
            resets.append(at)
        elif event == "set_output" and (said := _OUTPUT.search(rest)):
            outputs.append((int(said[1]), Change(at, int(said[2]))))
        elif event == "input_change" and (said := _INPUT.search(rest)):
            inputs.append((int(said[1]), Change(at, int(said[2]))))
        elif event == "update" and (said := _UPDATE.search(rest)):
            updates.append((at, int(said[1], 16), int(said[2], 16)))
    if not resets:
        raise ValueError("This is no trace of a chip: it does not begin with a reset.")
    return Trace(tuple(resets), tuple(outputs), tuple(inputs), tuple(updates), tuple(counted))
