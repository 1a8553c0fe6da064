"""Do the frames come from a sensor at all, or does somebody feed them in?

A sensor never takes the same picture twice: its noise differs, and nobody comes back to where they
were to a fraction of a pixel. So a picture that is far nearer to one of half a second ago or more
than to its own neighbours was shown before: a loop, also one that was coded anew. And a sensor has
a clock, which goes on, never leaps and is never exact.

What this cannot see: a recording that is shown once, in real time, by something that imitates a
camera's clock; and a loop that is filmed from a screen, for the camera's own noise and the hand's
trembling are new each time (see `surroundings` and `geometry`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.liveness.cue import View
from appliance.types import Floats, Frame

# The picture is compared by the means of so many cells; of a large one, about so many rows and
# columns of pixels are looked at for each.
WIDTH, HEIGHT, PIXELS_OF_A_CELL = 40, 24, 4
# Seconds between two pictures of which the second can be the first once more. A person who keeps
# still looks the same for longer, but does not look more alike then than from frame to frame.
AGO_S = 0.5
# Pictures that are remembered: an attempt's worth, and the latest that a repetition is judged by.
REMEMBERED, LATEST = 256, 8
# Grey levels (root mean square) that rounding alone may make between two pictures.
ROUNDING = 0.05
# Seconds between frames: a camera that is silent for longer is reported as lost, and no camera is
# faster than the second in the mean of so many frames.
LONGEST_S, SHORTEST_S, STEPS = 5.0, 1 / 500, 12
# A live camera's steps that differ by less than this (seconds) were never measured by a clock.
EXACT_S = 1e-7


class Injected:
    """The cue; see `measures`. live: the frames are said to come from a sensor as they are taken.

    A file's times are exact, and its pictures may come twice: that is held against live ones only.
    """

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._frame: Frame | None = None
        self._steps: list[float] = []
        self._cells = np.empty((REMEMBERED, WIDTH * HEIGHT), dtype=np.float32)
        self._squares = np.empty(REMEMBERED, dtype=np.float32)
        self._at = np.empty(REMEMBERED)
        self._first = np.zeros(WIDTH * HEIGHT, dtype=np.float32)
        self._count = 0
        self._again: deque[float] = deque(maxlen=LATEST)
        self._same = 0
        self._cut = 0.0

    def see(self, view: View) -> None:
        """Compare a frame with all that came before it."""
        frame, before = view.frame, self._frame
        if frame.still:
            return
        self._frame = frame
        cells = _cells_of(frame)
        if self._count == 0:
            self._first = cells
        cells = cells - self._first  # what stands still is 0, which keeps the products exact
        if before is not None:
            self._steps.append(frame.at - before.at)
            if before.bgr.shape != frame.bgr.shape:
                self._cut = 1.0
            elif frame.repeats(before):
                self._same += 1
                return  # it says nothing new
            else:
                self._compare(frame.at, cells)
        place = self._count % REMEMBERED
        self._cells[place], self._squares[place] = cells, cells @ cells
        self._at[place] = frame.at
        self._count += 1

    def measures(self) -> Mapping[str, float]:
        """What speaks for frames that no sensor took.

        injected_again: by how much the latest pictures differ from the most similar one of at
            least half a second ago, as a ratio to how much neighbours differ. About 1 or more for
            a living person; 0 for a loop.
        injected_times: the share of steps in time that no camera's clock makes, 0 to 1.
        injected_cut: by how much the picture changed from one frame to the next, in any light: 1
            less the correlation of its cells, at most; 1 for another size as well.
        injected_same: of live frames, the share that is the frame before once more, 0 to 1.
        """
        found: dict[str, float] = {}
        if len(self._again) >= LATEST:
            found["injected_again"] = float(np.median(self._again))
        if self._steps:
            found["injected_times"] = self._impossible()
            found["injected_cut"] = self._cut
            if self._live:
                found["injected_same"] = self._same / len(self._steps)
        return found

    def forget(self) -> None:
        """What comes next may be another person, or another scene."""
        self._frame = None
        self._steps.clear()
        self._count = self._same = 0
        self._again.clear()
        self._cut = 0.0

    def _compare(self, at: float, cells: Floats) -> None:
        last = self._cells[(self._count - 1) % REMEMBERED]
        self._cut = max(self._cut, 1 - _correlation(last + self._first, cells + self._first))
        known = min(self._count, REMEMBERED)
        old = self._at[:known] <= at - AGO_S
        if old.any():
            # |a - b|^2 = |a|^2 - 2ab + |b|^2: one product with all that is remembered.
            apart = self._squares[:known] - 2 * (self._cells[:known] @ cells) + cells @ cells
            nearest = (max(float(apart[old].min()), 0.0) / cells.size) ** 0.5
            beside = float(np.square(last - cells).mean()) ** 0.5
            self._again.append((nearest + ROUNDING) / (beside + ROUNDING))

    def _impossible(self) -> float:
        steps = np.array(self._steps)
        wrong = (steps <= 0) | (steps > LONGEST_S)
        if len(steps) >= STEPS:
            # A few frames that waited in a buffer come at once; all of them never do.
            hurried = float(np.mean(steps)) < SHORTEST_S
            exact = self._live and float(np.ptp(steps)) < EXACT_S
            if hurried or exact:
                return 1.0
        return float(wrong.mean())


def _cells_of(frame: Frame) -> Floats:
    """(WIDTH * HEIGHT,) mean grey levels of green, the channel with the least noise."""
    rows = max(frame.height // (HEIGHT * PIXELS_OF_A_CELL), 1)
    columns = max(frame.width // (WIDTH * PIXELS_OF_A_CELL), 1)
    some = np.ascontiguousarray(frame.bgr[::rows, ::columns, 1], dtype=np.float32)
    cells = cv2.resize(some, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(cells, dtype=np.float32).reshape(-1)


def _correlation(one: Floats, other: Floats) -> float:
    """Pearson's; 1 where one of them is plain."""
    first: NDArray[np.float32] = one - one.mean()
    second: NDArray[np.float32] = other - other.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size > 0 else 1.0
