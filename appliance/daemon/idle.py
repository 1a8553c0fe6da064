"""The cheap question of an idle door: is somebody there, and may a claim be made for them?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.types import Frame
from appliance.vision.motion import MotionGate

# While something moves the picture is searched this often, and otherwise this often, in case a
# person was missed who now stands still. Seconds of the source's own time.
MOVING_S = 0.3
STILL_S = 5.0
# Whoever is out of sight for so long has gone: the next face is another visit.
GONE_S = 2.0
# After a refusal the same visit is given another try so much later; the lock-out counts them all.
AGAIN_S = 5.0


class Lookout:
    """Searches a picture only where that may tell something new.

    search: how many faces a frame shows.
    """

    def __init__(self, search: Callable[[Frame], int]) -> None:
        self._search = search
        self._gate = MotionGate()
        self._moved = True
        self._at: float | None = None
        self._faces = 0

    def faces(self, frame: Frame) -> int:
        """How many faces there are, as far as is known."""
        self._moved |= self._gate.moved(frame.bgr)
        since = None if self._at is None else frame.at - self._at
        patience = MOVING_S if self._moved else STILL_S
        if since is None or not 0 <= since < patience:
            self._at, self._moved = frame.at, False
            self._faces = self._search(frame)
        return self._faces

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


def attempted(*, accepted: bool, now: float) -> Visit:
    """The visit after its attempt: who was let in must leave first, who was not may try again."""
    return Visit(now, None if accepted else now + AGAIN_S)
