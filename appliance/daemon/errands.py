"""What the camera is wanted for by somebody who asked over the socket, and how he hears of it."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event as Flag

from appliance.control.authority import Caller
from appliance.control.words import (
    ALIVE_S,
    Alive,
    ErrorTold,
    Event,
    Failure,
    Guide,
    JsonObject,
    Result,
)
from appliance.errors import ApplianceError

# Sentences for a person at the camera are worth nothing later, so few are kept.
_MOST_WAITING = 16


@dataclass(frozen=True, eq=False)
class Errand:
    """One wish. The vision thread tells what happens; the thread that asked reads `events`."""

    name: str
    by: Caller
    _events: queue.Queue[Event] = field(
        default_factory=lambda: queue.Queue(_MOST_WAITING), init=False
    )
    _last: queue.Queue[Event] = field(default_factory=lambda: queue.Queue(1), init=False)
    _cancelled: Flag = field(default_factory=Flag, init=False)
    _told: list[Guide] = field(default_factory=list, init=False)

    @property
    def cancelled(self) -> bool:
        """True when nobody waits for it any more."""
        return self._cancelled.is_set()

    def guide(self, told: Guide) -> None:
        """Tell what the person should do now, once until that changes.

        Dropped where nobody reads fast enough.
        """
        if self._told == [told]:
            return
        with suppress(queue.Full):
            self._events.put_nowait(told)
            self._told[:] = [told]

    def succeed(self, data: JsonObject) -> None:
        """Tell the result; only the first end counts."""
        self._end(Result(data=data))

    def fail(self, error: ApplianceError) -> None:
        """Tell why it could not be done; only the first end counts."""
        told = ErrorTold(
            code=error.code,
            message=error.message,
            hint=error.hint,
            exit_code=int(error.exit_code),
        )
        self._end(Failure(error=told))

    def events(self) -> Iterator[Event]:
        """Everything until the end; `Alive` where nothing happens for ALIVE_S seconds."""
        try:
            while True:
                event = self._next()
                yield event
                if isinstance(event, Result | Failure):
                    return
        finally:
            self._cancelled.set()

    def _end(self, event: Event) -> None:
        with suppress(queue.Full):
            self._last.put_nowait(event)
        # Wakes whoever waits for the next sentence; one is waiting already where it is full.
        with suppress(queue.Full):
            self._events.put_nowait(Alive())

    def _next(self) -> Event:
        with suppress(queue.Empty):
            return self._last.get_nowait()
        try:
            event = self._events.get(timeout=ALIVE_S)
        except queue.Empty:
            return Alive()
        if isinstance(event, Alive):
            with suppress(queue.Empty):
                return self._last.get_nowait()
        return event


@dataclass(frozen=True, eq=False)
class Verification(Errand):
    """Is it `name`? unlock: as an attempt at the door."""

    unlock: bool = False


@dataclass(frozen=True, eq=False)
class Enrolment(Errand):
    """Keep the face before the camera as `name`."""

    replace: bool = False
