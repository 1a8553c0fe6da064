"""When a camera's automatic exposure has settled, so that its pictures can be used."""

from __future__ import annotations

from collections import deque

from appliance.types import Pixels

# Grey levels by which the mean brightness may differ among so many pictures in a row.
SETTLED, IN_A_ROW = 2.0, 3
# A scene that flickers or moves never settles: after so many seconds the pictures are used.
LONGEST_S = 2.0
# Of the shorter side, so many pixels are enough to tell the brightness.
_SAMPLES = 64


class WarmUp:
    """Drops the first pictures of a camera, and more until their brightness is steady.

    frames: how many are dropped at least; 0: none at all, steady or not.
    """

    def __init__(self, frames: int) -> None:
        self._left = frames
        self._over = frames == 0
        self._began: float | None = None
        self._brightness: deque[float] = deque(maxlen=min(IN_A_ROW, frames + 1))

    @property
    def over(self) -> bool:
        """True when nothing is dropped any more."""
        return self._over

    def drops(self, bgr: Pixels, at: float) -> bool:
        """Whether this picture is dropped. bgr: (height, width, 3) uint8. at: seconds."""
        if self._over:
            return False
        self._began = at if self._began is None else self._began
        step = max(min(bgr.shape[:2]) // _SAMPLES, 1)
        self._brightness.append(float(bgr[::step, ::step].mean()))
        self._left -= 1
        full = len(self._brightness) == self._brightness.maxlen
        settled = full and max(self._brightness) - min(self._brightness) <= SETTLED
        self._over = self._left < 0 and (settled or at - self._began >= LONGEST_S)
        return not self._over
