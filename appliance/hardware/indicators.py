"""Lamps and a buzzer on GPIO lines, and their simulated twin with the same contract.

One thread plays all of them, so that nobody who says what is to be shown ever waits for a line.
A line that fails is told once and costs nothing but itself.
"""

from __future__ import annotations

import json
import logging
import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Final

from appliance.errors import ApplianceError
from appliance.ports import Clock
from appliance.signals import Output, Patterns, Score

log = logging.getLogger(__name__)

# Changes of level kept in memory.
HISTORY: Final = 1000
# Bytes of the twin's journal, after which it begins anew.
LONGEST_JOURNAL: Final = 1_000_000
# Seconds that the end waits for the thread: a line that hangs must not keep the service.
_STOPS_IN: Final = 1.0
# Seconds between two tries to drive a line that does not obey.
_TRIES_AGAIN: Final = 1.0
_DARK: Final = dict.fromkeys(Output, False)


@dataclass(frozen=True)
class Note:
    """What was asked for. what: show, play or close. wall: aware, UTC."""

    wall: datetime
    what: str
    patterns: Patterns


class _Indicators(ABC):
    """What both kinds share: the score, and the thread that follows it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._score = Score()
        self._levels = dict(_DARK)
        self._faults: dict[str, str] = {}
        self._disobeys = False
        self._notes: deque[Note] = deque(maxlen=HISTORY)
        self._changed = Condition()
        self._used = False
        self._stopped = False
        self._thread: Thread | None = None

    @abstractmethod
    def _drive(self, output: Output, *, on: bool) -> None:
        """Bring one output to a level. May raise anything."""

    @abstractmethod
    def _release(self) -> None:
        """Give everything back; all outputs are off already. May raise anything."""

    @abstractmethod
    def _write_down(self, note: Note) -> None:
        """Keep what was asked for; in the thread, or at the end."""

    @property
    def faults(self) -> tuple[str, ...]:
        """One sentence about each output that does not obey; empty when all is well."""
        return tuple(self._faults.values())

    def show(self, base: Patterns) -> None:
        """Show this at rest from now on; outputs that are not named are off."""
        with self._changed:
            self._score = self._score.shown(base, self._clock.monotonic())
            self._begin("show", base)

    def play(self, once: Patterns) -> None:
        """Play these once, above what is shown at rest."""
        with self._changed:
            self._score = self._score.played(once, self._clock.monotonic())
            self._begin("play", once)

    def close(self) -> None:
        """Turn all off and give the lines back; may be called twice."""
        with self._changed:
            if self._stopped:
                return
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_STOPS_IN)
        self._notes.append(Note(self._clock.now(), "close", {}))
        self._bring(_DARK, closing=True)
        try:
            self._release()
        except Exception as error:  # noqa: BLE001 - a lamp never stops the door, whatever it raises
            self._fails("lines", f"The lines of the lamps could not be given back: {error}.")

    def _begin(self, what: str, patterns: Patterns) -> None:
        """Let the thread know; with the condition held. After `close` nothing is shown."""
        if self._stopped:
            return
        self._used = True
        self._notes.append(Note(self._clock.now(), what, patterns))
        if self._thread is None:
            self._start()
        self._changed.notify_all()

    def _start(self) -> None:
        thread = Thread(target=self._follow, name="indicators", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads; the next one who shows something tries
            self._fails("thread", f"The lamps cannot be played: {error}.")
        else:
            self._thread = thread
            self._faults.pop("thread", None)

    def _follow(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                score, now = self._score, self._clock.monotonic()
            # Without the condition: whoever shows something does not wait for a line.
            self._bring(score.levels(now))
            with self._changed:
                if self._score is score and not self._stopped:
                    # A buzzer that did not fall silent is told so again.
                    wait = min(score.wait(now), _TRIES_AGAIN if self._disobeys else math.inf)
                    spent = self._clock.monotonic() - now
                    self._changed.wait(None if wait == math.inf else max(wait - spent, 0.0))

    def _bring(self, levels: Mapping[Output, bool], *, closing: bool = False) -> None:
        self._disobeys = False
        while self._notes:
            self._write_down(self._notes.popleft())
        for output, on in levels.items():
            # A thread that hung in a line must not light a lamp after the end.
            if self._levels[output] is not on and (closing or not self._stopped):
                self._bring_one(output, on=on)

    def _bring_one(self, output: Output, *, on: bool) -> None:
        try:
            self._drive(output, on=on)
        except Exception as error:  # noqa: BLE001 - a lamp never stops the door, whatever it raises
            text = error.message if isinstance(error, ApplianceError) else str(error)
            self._fails(output.value, f"feedback.{output.value}_pin does not obey: {text}")
            self._disobeys = True
        else:
            self._faults.pop(output.value, None)
            self._levels[output] = on

    def _fails(self, what: str, sentence: str) -> None:
        # What is missing from the beginning is asked for, see `faults`; what fails later is not.
        if self._used and what not in self._faults:
            log.warning("%s", sentence)
        self._faults = {**self._faults, what: sentence}


class GpioIndicators(_Indicators):
    """Lamps and an active buzzer, each between its line and ground.

    pins: the lines' numbers. open_factory: opens what their pins come from, when there are any;
    it is owned, and closed with them. What cannot be claimed is told in `faults`, and the others
    work.
    """

    def __init__(
        self, pins: Mapping[Output, int], open_factory: Callable[[], Any], clock: Clock
    ) -> None:
        super().__init__(clock)
        self._open_factory = open_factory
        self._factory: Any = None
        self._devices: dict[Output, Any] = {}
        for output, pin in pins.items():
            self._claim(output, pin)

    def _claim(self, output: Output, pin: int) -> None:
        try:
            from gpiozero import OutputDevice  # only who drives a line pays for it

            if self._factory is None:
                self._factory = self._open_factory()
            self._devices[output] = OutputDevice(pin, pin_factory=self._factory)
        except Exception as error:  # noqa: BLE001 - a lamp never stops the door, whatever it raises
            text = error.message if isinstance(error, ApplianceError) else f"{error}."
            self._fails(output.value, f"feedback.{output.value}_pin cannot be used: {text}")

    def _drive(self, output: Output, *, on: bool) -> None:
        if (device := self._devices.get(output)) is not None:
            device.value = on

    def _release(self) -> None:
        try:
            for device in self._devices.values():
                device.close()
        finally:
            if self._factory is not None:
                self._factory.close()

    def _write_down(self, note: Note) -> None:
        """Lamps are seen."""


class SimulatedIndicators(_Indicators):
    """Lamps that nobody sees.

    journal: a file that gets one JSON line for each thing that is to be shown or played: wall
    (ISO 8601, UTC), what, patterns as [on_s, off_s, times] by output. `history` holds the levels.
    """

    def __init__(self, clock: Clock, *, journal: Path | None = None) -> None:
        super().__init__(clock)
        self._journal = journal
        self._events: deque[tuple[Output, bool]] = deque(maxlen=HISTORY)

    @property
    def history(self) -> Sequence[tuple[Output, bool]]:
        """Every change of a level, oldest first; the last `HISTORY` of them."""
        return tuple(self._events)

    def _drive(self, output: Output, *, on: bool) -> None:
        self._events.append((output, on))

    def _release(self) -> None:
        """Nothing is held."""

    def _write_down(self, note: Note) -> None:
        if self._journal is None:
            return
        try:
            _append(self._journal, json.dumps(_told(note)))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self._fails("journal", f"The journal {self._journal} cannot be written: {reason}.")
        else:
            self._faults.pop("journal", None)


def open_gpio_indicators(
    chip: int | str, pins: Mapping[Output, int], clock: Clock
) -> GpioIndicators:
    """Lamps on lines of that chip, by number or label; never raises, `faults` tells."""

    def factory() -> Any:
        from appliance.hardware import pins as lines  # only who drives a line pays for it

        return lines.ChipFactory(chip, lines.import_lgpio())

    return GpioIndicators(pins, factory, clock)


def _told(note: Note) -> dict[str, object]:
    # JSON knows no infinity: null is for good, in a length and in a count.
    patterns = {
        output.value: [None if it.on_s == math.inf else it.on_s, it.off_s, it.times]
        for output, it in note.patterns.items()
    }
    return {"wall": note.wall.isoformat(), "what": note.what, "patterns": patterns}


def _append(journal: Path, line: str) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    # The twin at a desk runs for days as well.
    mode = "w" if journal.is_file() and journal.stat().st_size > LONGEST_JOURNAL else "a"
    with journal.open(mode, encoding="utf-8") as file:
        file.write(line + "\n")
