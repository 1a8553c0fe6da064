"""Has the picture changed? So that a detector need not look twice at an empty hall."""

from __future__ import annotations

import cv2
import numpy as np

from appliance.types import Pixels

WIDTH, HEIGHT = 64, 36
# Of a large picture, so many rows of a cell are averaged: enough against noise, and quicker.
ROWS_OF_A_CELL = 4
# Grey levels by which a cell must change, beyond what sensor noise leaves after averaging.
CHANGE = 6.0
# Share of changed cells that counts as motion: about one face at the far end of the range.
SHARE = 0.01


class MotionGate:
    """Compares each frame with the last one that it let through."""

    def __init__(self) -> None:
        self._last: Pixels | None = None

    def moved(self, bgr: Pixels) -> bool:
        """True for the first frame and for every one that differs from the last that did."""
        step = max(bgr.shape[0] // (HEIGHT * ROWS_OF_A_CELL), 1)
        small = cv2.resize(bgr[::step], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        if self._last is not None:
            changed = cv2.absdiff(grey, self._last) > CHANGE
            if float(changed.mean()) < SHARE:
                return False
        self._last = grey
        return True

    def forget(self) -> None:
        """Let the next frame through whatever it shows."""
        self._last = None
