"""Bands: a display's light is pulsed, and a rolling shutter reads one row after another.

Dimmed displays switch their light some hundred times a second. Rows that are exposed a little
later catch more or less of it, so dark and bright bands lie across the display's part of the
picture, and travel from frame to frame unless the two clocks agree. They multiply whatever is
shown, with one frequency down the rows and the same phase on both halves of the face: that is what
is looked for in the ratio of two frames. Lamps on the mains, and dimmed ones, do the same to living
faces, but to the whole scene: what is seen beside the face, too, is taken off. Motion changes
single rows of single places, so it has no such frequency.

A display that is bright or steady has no bands, nor has one that fills the whole picture: a low
measure says nothing.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.types import Floats, Landmarks, Pixels

# Of the face's width, to either side of its middle: what is taken for the face's part of the
# picture, and where the rest of the scene begins. Of its height, how many rows are looked at.
_FACE, _SCENE, _ROWS = 0.6, 1.25, 1.8
# The least rows, and the least columns of a half or a side.
_LEAST_ROWS, _LEAST_COLUMNS = 64, 16
# Columns that are looked at, of each half and of each side.
_COLUMNS = 16
# Ratios beyond this (natural logarithm) are not light but something that moved.
_MOST = 0.1
# Periods over the rows looked at; below, motion and shading; above, the noise of single rows.
_LOWEST, _HIGHEST = 4, 48
# How far around a line its surroundings are taken; and -20 dB is low enough for "no band at all".
_NEAR, _FAR, _LEAST_RATIO = 2, 8, 0.01
# A pair of frames counts for so much less when the next has come. Pairs before anything is said.
_KEEP, _PAIRS = 0.95, 6
# Variance of a profile's noise below which no camera is: rounding.
_FLOOR = 1e-9

Spectrum = NDArray[np.complex128]


class Bands:
    """Looks for travelling bands in the frames that it is shown, which may be every second one."""

    def __init__(self) -> None:
        self._before: Pixels | None = None
        self._rows = 0
        self._pairs = 0
        self._shared: NDArray[np.float64] = np.zeros(0)
        self._each: NDArray[np.float64] = np.zeros(0)

    def see(self, grey: Pixels, face: Landmarks) -> None:
        """The next frame's luma, (height, width) uint8, of the same face."""
        before, self._before = self._before, grey
        if before is None or before.shape != grey.shape:
            self._begin(grey, face)
            return
        halves = self._halves(before, grey, face)
        if halves is None:
            return
        left, right = (_spectrum(profile) for profile in halves)
        # Where much moved in a frame, it tells little.
        weight = 1 / (float(np.mean(np.abs(left) ** 2 + np.abs(right) ** 2)) + _FLOOR)
        self._shared = _KEEP * self._shared + weight * (left * right.conj()).real
        each = np.stack([np.abs(left) ** 2, np.abs(right) ** 2])
        self._each = _KEEP * self._each + weight * each
        self._pairs += 1

    def measure(self) -> float | None:
        """How far the strongest band stands above what surrounds it, in decibels; None: unseen."""
        if self._pairs < _PAIRS:
            return None
        power = np.sqrt(self._each[0] * self._each[1]) + _FLOOR
        # The window spreads one frequency over three lines.
        shared = np.convolve(self._shared, (0.25, 0.5, 0.25), "same")
        lines = np.arange(_LOWEST, min(_HIGHEST, power.size - _FAR))
        total = np.concatenate([[0.0], np.cumsum(power)])
        low, high = np.maximum(lines - _FAR + 1, 2), np.maximum(lines - _NEAR + 1, 3)
        below = (total[high] - total[low]) / (high - low)
        above = (total[lines + _FAR] - total[lines + _NEAR]) / (_FAR - _NEAR)
        best = float((shared[lines] / np.maximum(below, above)).max())
        return float(10 * np.log10(max(best, _LEAST_RATIO)))

    def forget(self) -> None:
        """What comes next has nothing to do with what was seen."""
        self._before = None
        self._pairs = 0

    def _begin(self, grey: Pixels, face: Landmarks) -> None:
        self._rows = min(int(_ROWS * face.box.height), grey.shape[0])
        lines = self._rows // 2 + 1
        self._pairs = 0
        self._shared, self._each = np.zeros(lines), np.zeros((2, lines))

    def _halves(self, before: Pixels, now: Pixels, face: Landmarks) -> list[Floats] | None:
        """The two halves' change of light down the rows, less that of the scene on their side."""
        height, width = now.shape
        x, y = face.box.centre
        wide = face.box.width
        top = int(min(max(y - self._rows / 2, 0), height - self._rows))
        edges = [x - _SCENE * wide, x - _FACE * wide, x, x + _FACE * wide, x + _SCENE * wide]
        at = [0, *(int(min(max(edge, 0), width)) for edge in edges), width]
        spans = {name: (at[name], at[name + 1]) for name in (0, 2, 3, 5)}
        seen = [name for name, (begin, end) in spans.items() if end - begin >= _LEAST_COLUMNS]
        if self._rows < _LEAST_ROWS or not {2, 3} < set(seen):
            return None
        columns = np.concatenate([_spread(*spans[name]) for name in seen])
        rows = slice(top, top + self._rows)
        change = _logarithm(now[rows, columns]) - _logarithm(before[rows, columns])
        np.clip(change, -_MOST, _MOST, out=change)
        profiles = change.reshape(self._rows, len(seen), _COLUMNS).mean(axis=2)
        profile = dict(zip(seen, profiles.T, strict=True))
        return [
            profile[2] - profile[0 if 0 in profile else 5],
            profile[3] - profile[5 if 5 in profile else 0],
        ]


def _spread(begin: int, end: int) -> NDArray[np.intp]:
    """Columns, evenly over a span."""
    return np.linspace(begin, end - 1, _COLUMNS).astype(np.intp)


def _logarithm(pixels: Pixels) -> Floats:
    return np.asarray(cv2.LUT(pixels, _LOGARITHM), np.float32)


def _spectrum(profile: Floats) -> Spectrum:
    window = _window(profile.size)
    return np.asarray(np.fft.rfft((profile - profile.mean()) * window), np.complex128)


@lru_cache(maxsize=8)
def _window(rows: int) -> NDArray[np.float64]:
    return np.hanning(rows) / rows


# Dark pixels are mostly noise: their logarithm is held.
_LOGARITHM: Floats = np.log(np.arange(256) + 8.0).astype(np.float32)
