"""Whether every task of the service makes progress: what the watchdog is fed by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock as Guard

from appliance.ports import Clock


@dataclass(frozen=True)
class Beat:
    """What is known of one task.

    within_s: it says that it lives at least this often. at: monotonic seconds when it last did.
    sentence: why it serves only in part, such as without a camera; empty while all is well.
    """

    within_s: float
    at: float
    sentence: str = ""


class Beats:
    """The tasks that must live, and when each was last heard. Threads may share it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._guard = Guard()
        self._beats: dict[str, Beat] = {}

    def expect(self, task: str, within_s: float) -> None:
        """From now on the task must be heard every `within_s` seconds."""
        with self._guard:
            self._beats[task] = Beat(within_s, self._clock.monotonic())

    def beat(self, task: str, sentence: str = "") -> None:
        """The task lives. sentence: its declared degraded state.

        One that is not expected has been dismissed, and is not heard any more.
        """
        with self._guard:
            known = self._beats.get(task)
            if known is not None:
                self._beats[task] = replace(known, at=self._clock.monotonic(), sentence=sentence)

    def dismiss(self, task: str) -> None:
        """The task has ended as it should."""
        with self._guard:
            self._beats.pop(task, None)

    def late(self) -> tuple[str, ...]:
        """The tasks that were not heard in time, by name."""
        now = self._clock.monotonic()
        return tuple(task for task, beat in self.all().items() if now - beat.at > beat.within_s)

    def all(self) -> dict[str, Beat]:
        """What is known of each task, in the order in which they began."""
        with self._guard:
            return dict(self._beats)
