"""Stirring: the eyes of a living face change, those of a picture cannot.

A picture of a face, however it is held, turned or bent, changes over a small part of it only by
shift, stretch, shear and light; what is left after these are fitted is noise and small errors, as
much in the eyes as on the nose and the brows. Lids, gaze and the glint on the eyeball leave more in
the eyes than in the rest. So the measure is the one over the other; it needs no blink and
knows no camera. A recording shows living eyes, and so do holes cut into a picture: a high measure
speaks against a still picture, and against nothing else.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache

import cv2
import numpy as np

from appliance.types import Floats, Landmarks, Pixels, Region
from appliance.vision.mesh import eye_centres
from appliance.vision.warp import region_matrix, warp

# The face is brought to this size: pixels of the crop, and between the eyes in it.
SIZE, EYES = 96, 40
# How far the crop's centre lies below the eyes, in distances of the eyes.
_DROP = 0.35
# Left, top, width, height in the crop: each eye, and what only moves with the head (the bridge
# of the nose down to its wings, and the brows; also brows are raised, but one part in three).
_BOTH_EYES = ((16, 26, 24, 16), (56, 26, 24, 16))
_REST = ((36, 34, 24, 28), (14, 12, 28, 14), (54, 12, 28, 14))
# Pictures are compared over at least this time, in which a lid or a glance has moved, and over at
# most this. Seconds.
SPAN_S, MOST_S = 0.25, 0.7
# Comparisons that are remembered, and without which nothing is said.
REMEMBERED, LEAST = 40, 6
# The share of the comparisons that may be calmer: a blink is short.
_QUIETER = 0.9
# Grey levels per pixel that are added to the edges, and the least unrest of the rest, in pixels of
# the crop: pictures without edges or noise would divide by nothing.
_EDGE, _LEAST_REST = 0.5, 0.05

_Patch = tuple[int, int, int, int]


class Stirring:
    """Compares each picture of a face with one a little earlier."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, Floats]] = deque()
        self._ratios: deque[float] = deque(maxlen=REMEMBERED)

    def see(self, grey: Pixels, face: Landmarks, at: float) -> None:
        """The next frame's luma, (height, width) uint8, of the same face; at: its seconds."""
        now = _levelled(grey, face)
        past = self._past
        # The latest one that is old enough comes first.
        while len(past) > 1 and at - past[1][0] >= SPAN_S:
            past.popleft()
        if past and SPAN_S <= at - past[0][0] <= MOST_S:
            self._ratios.append(_ratio(past[0][1], now))
        past.append((at, now))

    def measure(self) -> float | None:
        """How often the unrest of the rest the eyes' own is, at the liveliest tenth; None: unseen.

        1 is a picture.
        """
        if len(self._ratios) < LEAST:
            return None
        return float(np.quantile(np.array(self._ratios), _QUIETER))

    def forget(self) -> None:
        """What comes next may be another face."""
        self._past.clear()
        self._ratios.clear()


def _levelled(grey: Pixels, face: Landmarks) -> Floats:
    """(SIZE, SIZE) grey levels, the eyes level and EYES apart."""
    left, right = (np.asarray(eye, np.float64) for eye in eye_centres(face.points))
    across = right - left
    x, y = (left + right) / 2 + _DROP * np.array([-across[1], across[0]])
    side = max(float(np.hypot(*across)), 1.0) * SIZE / EYES
    region = Region(float(x), float(y), side, float(np.arctan2(across[1], across[0])))
    crop = warp(grey, region_matrix(region, SIZE), SIZE)
    return np.asarray(cv2.GaussianBlur(crop, (3, 3), 0.8).astype(np.float32), np.float32)


def _ratio(before: Floats, now: Floats) -> float:
    """The calmer eye's unrest over that of the rest."""
    layers = _layers(before, now)
    unrest = [_unrest(layers, patch) for patch in (*_BOTH_EYES, *_REST)]
    # One eye alone may be behind a lock of hair that moves, or a reflection in glasses.
    return min(unrest[:2]) / max(float(np.median(unrest[2:])), _LEAST_REST)


def _layers(before: Floats, now: Floats) -> Floats:
    """(9, SIZE, SIZE): what shift, stretch, shear, gain and offset do to a picture; its change."""
    x, y = _grid()
    layers = np.empty((9, SIZE, SIZE), np.float32)
    layers[0] = cv2.Sobel(before, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)
    layers[1] = cv2.Sobel(before, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)
    np.multiply(layers[:2], x, out=layers[2:4])
    np.multiply(layers[:2], y, out=layers[4:6])
    layers[6], layers[7] = before - before.mean(), 1
    np.subtract(now, before, out=layers[8])
    return layers


def _unrest(layers: Floats, patch: _Patch) -> float:
    """What is left of the change when the rest is fitted, as pixels that an edge would move."""
    left, top, width, height = patch
    part = layers[:, top : top + height, left : left + width].reshape(9, -1).astype(np.float64)
    products = part @ part.T
    known, wanted = products[:8, :8], products[:8, 8]
    # A little of the identity: a patch without edges has no one solution.
    fitted = np.linalg.solve(known + 1e-3 * np.eye(8), wanted)
    count = part.shape[1]
    left_over = max(float(products[8, 8] - wanted @ fitted), 0.0) / count
    edges = float(np.sqrt((known[0, 0] + known[1, 1]) / count)) + _EDGE
    return float(np.sqrt(left_over)) / edges


@lru_cache(maxsize=1)
def _grid() -> tuple[Floats, Floats]:
    """Columns and rows, from -1/2 to 1/2."""
    line = (np.arange(SIZE) / SIZE - 0.5).astype(np.float32)
    return line[np.newaxis, :], line[:, np.newaxis]
