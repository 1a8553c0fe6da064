"""Events for whoever listens: nobody who listens slowly holds up what happens."""

from __future__ import annotations

from collections import deque
from contextlib import AbstractContextManager
from threading import Condition
from types import TracebackType

from appliance.control.words import Event, Missed

# What a listener may be behind before the oldest events are dropped for it.
MOST_WAITING = 256


class Listener(AbstractContextManager["Listener"]):
    """One who listens, from `Hub.listen` until the block is left."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: deque[Event] = deque()
        self._missed = 0
        self._changed = Condition()
        self._ended = False

    @property
    def ended(self) -> bool:
        """True when nothing will come any more."""
        return self._ended

    def next(self, timeout: float) -> Event | None:
        """The next event; None when none comes within `timeout` seconds, or at the end."""
        with self._changed:
            if not (self._waiting or self._missed or self._ended):
                self._changed.wait(timeout)
            if self._missed:
                missed, self._missed = self._missed, 0
                return Missed(count=missed)
            return self._waiting.popleft() if self._waiting else None

    def tell(self, event: Event) -> None:
        """Never waits: what is too much drops the oldest."""
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self._missed += 1
            self._waiting.append(event)
            self._changed.notify()

    def end(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._hub.leave(self)


class Hub:
    """Where events come in and listeners hang on. Threads may share it."""

    def __init__(self) -> None:
        self._guard = Condition()
        self._listeners: tuple[Listener, ...] = ()

    def listen(self) -> Listener:
        """Hear what happens from now on."""
        listener = Listener(self)
        with self._guard:
            self._listeners = (*self._listeners, listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Hear no more; may be called twice."""
        with self._guard:
            self._listeners = tuple(it for it in self._listeners if it is not listener)

    def publish(self, event: Event) -> None:
        """Tell everybody who listens."""
        for listener in self._listeners:
            listener.tell(event)

    def end(self) -> None:
        """The service stops; every listener hears that."""
        for listener in self._listeners:
            listener.end()
