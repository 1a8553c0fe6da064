"""Do a face and what moves along with it lie in one plane?

Corners of the face and of its surroundings are followed from one picture to the next
(Lucas and Kanade), and one homography is fitted to all of them. On a sheet or a screen it
explains both. Behind a living head the wall is farther off, and where the camera itself is moved
the two part company.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.types import Floats, Pixels

# Corners of the surroundings and of the face: at most, and at least to be worth a fit.
MOST, LEAST_AROUND, LEAST_OF_FACE = 40, 5, 8
# The smaller eigenvalue of a corner as OpenCV scales it: about one and a half grey levels a pixel.
LEAST_CORNER = 8e-5
# Pixels by which a corner may miss itself when it is followed there and back.
THERE_AND_BACK = 0.5
# A corner that moved less than this share of what was expected stands still; it is no part of it.
STILL = 0.3
# Pixels of motion below which a corner's own error would be taken for depth.
LEAST_MOTION = 1.0
_WINDOW, _LEVELS = (11, 11), 2
_CRITERIA = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 10, 0.03)

Corners = NDArray[np.float32]


class Parallax:
    """One picture, and the corners that later ones are asked for."""

    def __init__(self, pixels: Pixels, points: Floats, around: Pixels) -> None:
        """Look for corners.

        pixels: (h, w) uint8. points: (n, 2) of the face in it. around: (h, w) uint8, not 0 where
        the near surroundings are.
        """
        self._pixels = pixels
        face = np.zeros_like(pixels)
        cv2.fillConvexPoly(face, cv2.convexHull(np.round(points).astype(np.int32)), 255)
        strength = np.asarray(cv2.cornerMinEigenVal(pixels, 5, ksize=3), dtype=np.float32)
        outer, inner = _corners(pixels, around, strength, 4), _corners(pixels, face, strength, 3)
        self._from = np.concatenate([outer, inner])
        self._outer = np.arange(len(self._from)) < len(outer)

    def apart(self, pixels: Pixels, motion: NDArray[np.float64]) -> tuple[float, float] | None:
        """How far both moved and by how much they missed one plane, pixels; None: cannot be told.

        pixels: (h, w) uint8, a later picture. motion: (2, 3), how the face has moved.
        """
        if not self._enough(np.ones(len(self._from), bool)):
            return None
        begin = self._from
        hope = (begin @ motion[:, :2].T + motion[:, 2]).astype(np.float32)
        end, found = _follow(self._pixels, pixels, begin, hope)
        back, again = _follow(pixels, self._pixels, end, begin)
        way, hoped = _length(end - begin), _length(hope - begin)
        good = found & again & (_length(back - begin) < THERE_AND_BACK)
        good &= ~self._outer | (way >= STILL * hoped)
        if not self._enough(good):
            return None
        begin, end, way, outer = begin[good], end[good], way[good], self._outer[good]
        moved = np.hypot(np.median(way[outer]), np.median(way[~outer]))
        if moved < LEAST_MOTION:
            return None
        plane = _plane(begin, end)
        if plane is None:
            return None
        there = np.asarray(cv2.perspectiveTransform(begin[:, np.newaxis], plane), np.float32)
        missed = _length(there[:, 0] - end)
        apart = np.hypot(np.median(missed[outer]), np.median(missed[~outer]))
        return float(moved), float(apart)

    def _enough(self, good: NDArray[np.bool_]) -> bool:
        outer = good & self._outer
        return int(outer.sum()) >= LEAST_AROUND and int((good & ~outer).sum()) >= LEAST_OF_FACE


def _plane(begin: Corners, end: Corners) -> Floats | None:
    """The homography of the greater part (least median of squares); None: there is none."""
    found: object = cv2.findHomography(begin, end, cv2.LMEDS)[0]
    return None if found is None else np.asarray(found, dtype=np.float32)


def _corners(pixels: Pixels, where: Pixels, strength: Floats, distance: int) -> Corners:
    found: object = cv2.goodFeaturesToTrack(pixels, MOST, 0.003, distance, mask=where, blockSize=5)
    if found is None:  # the library's own types do not know that it may be
        return np.zeros((0, 2), dtype=np.float32)
    corners = np.asarray(found, dtype=np.float32)[:, 0]
    column, row = corners.astype(int).T
    strong: Corners = corners[strength[row, column] > LEAST_CORNER]
    return strong


def _follow(
    before: Pixels, after: Pixels, corners: Corners, hope: Corners
) -> tuple[Corners, NDArray[np.bool_]]:
    end, found, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        corners[:, np.newaxis],
        hope[:, np.newaxis].copy(),
        winSize=_WINDOW,
        maxLevel=_LEVELS,
        criteria=_CRITERIA,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return np.asarray(end, dtype=np.float32)[:, 0], np.asarray(found)[:, 0] == 1


def _length(vectors: Corners) -> NDArray[np.float64]:
    return np.asarray(np.hypot(vectors[:, 0], vectors[:, 1]), dtype=np.float64)
