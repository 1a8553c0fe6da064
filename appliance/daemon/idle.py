"""The cheap question of an idle door: is somebody there, and may a claim be made for them?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.types import Decision, Frame
from appliance.vision.motion import MotionGate

# While something moves the whole picture is searched this often besides the glances, and otherwise
# this often, in case a person was missed who now stands still. Seconds of the source's own time.
MOVING_S = 1.0
STILL_S = 15.0
# Whoever is out of sight for so long has gone: the next face is another visit.
GONE_S = 2.0
# After a refusal the same visit is given another try so much later; the lock-out counts them all.
AGAIN_S = 5.0
# While the claim is locked out, trying is worth nothing and would only fill the log.
LOCKED_OUT_S = 60.0


class Lookout:
    """Looks where that may tell something new, and no closer than it must.

    glance: how many faces a frame shows, quickly, with far ones overlooked; it is asked for every
    frame in which something moved. search: the same, surely and slowly.
    """

    def __init__(self, glance: Callable[[Frame], int], search: Callable[[Frame], int]) -> None:
        self._glance = glance
        self._search = search
        self._gate = MotionGate()
        self._moved = True
        self._at: float | None = None
        self._faces = 0

    def faces(self, frame: Frame) -> int:
        """How many faces there are, as far as is known."""
        moves = self._gate.moved(frame.bgr)
        self._moved |= moves
        if moves and (seen := self._glance(frame)):
            self._found(seen, frame.at)
        elif self._is_due(frame.at):
            self._found(self._search(frame), frame.at)
        return self._faces

    def _is_due(self, at: float) -> bool:
        patience = MOVING_S if self._moved else STILL_S
        return self._at is None or not 0 <= at - self._at < patience

    def _found(self, faces: int, at: float) -> None:
        self._at, self._moved, self._faces = at, False, faces

    def forget(self) -> None:
        """The next frame is of another scene."""
        self._gate.forget()
        self._moved, self._at, self._faces = True, None, 0


@dataclass(frozen=True)
class Visit:
    """Whether a face that is seen makes a claim by itself.

    seen: when a single face was last seen; None while nobody is there. ready_at: when this visit
    may claim; None: not again before the person has left.
    """

    seen: float | None = None
    ready_at: float | None = 0.0


def look(visit: Visit, faces: int, now: float) -> tuple[Visit, bool]:
    """One look later: (visit, whether a claim is made now). now: seconds."""
    if faces == 0:
        gone = visit.seen is None or now - visit.seen >= GONE_S
        return (Visit() if gone else visit), False
    claims = faces == 1 and visit.ready_at is not None and now >= visit.ready_at
    return Visit(now, visit.ready_at), claims


def attempted(decision: Decision | None, now: float) -> Visit:
    """The visit after its attempt: who was let in must leave first, who was not may try again.

    decision: None where it came to none.
    """
    if decision is Decision.ACCEPT:
        return Visit(now, None)
    return Visit(now, now + (LOCKED_OUT_S if decision is Decision.LOCKED_OUT else AGAIN_S))
