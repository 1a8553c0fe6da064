"""What a flat or bent picture can do between two frames, and following a face's corners beyond it.

A flat picture moves by a homography, a sheet of paper by something as smooth. Both are taken for
a cubic polynomial in the two coordinates of the picture: it holds a homography to the third order
and a cylinder of any direction to the third as well. What a corner does beyond that is measured
after the present frame was laid over the reference frame by that polynomial: for a sheet there is
then nothing left to follow, so that the tracker's own bias under tilt and scale, which is larger
than the parallax looked for, does not arise.

Plane and parallax: Irani and Anandan, "A unified approach to moving object detection in 2D and 3D
scenes", PAMI 1998. Corners: Shi and Tomasi, CVPR 1994. Tracker: Bouguet's pyramidal Lucas-Kanade.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.types import Floats, Pixels

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

# The side of the patch in which all is measured, pixels; the face fills it.
SIDE = 160
_MIDDLE = (SIDE - 1) / 2
_HALF = SIDE / 2
# Powers of x and y, 1 first, then the affine ones.
_POWERS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
TERMS = len(_POWERS)
# Lucas-Kanade's window, pixels: wide enough for skin, narrow enough for the sides of a nose.
_WINDOW = (13, 13)
_ROUGH = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 8, 0.05)
_FINE = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 0.01)
# The neighbourhood whose brightness and contrast are levelled, pixels; detail weaker than so many
# grey levels is noise; the grey levels that one standard deviation becomes.
_LEVEL = (19, 19)
_LEAST_DETAIL = 3.0
_GAIN = 40.0
# A corner that does not come back to where it began, or jumps, was lost; pixels.
_RETURN = 0.4
_JUMP = 6.0
# Corners this close to the frame's edge see what is outside; frame pixels.
_EDGE = 4.0
# Tukey's biweight: residuals beyond so many of their median scale count for nothing.
_TUKEY = 4.7
# From squared residuals in two dimensions, median to variance per axis: 2 ln 2.
_MEDIAN_OF_TWO = 1.3863
# No picture is followed better than this, pixels.
_FLOOR = 0.01


def powers(points: NDArray[np.floating]) -> Doubles:
    """(n, TERMS) polynomial terms of (n, 2) patch points, scaled to -1..1."""
    x, y = ((np.asarray(points, np.float64) - _MIDDLE) / _HALF).T
    return np.stack([x**i * y**j for i, j in _POWERS], axis=1)


@cache
def _grid() -> Floats:
    """(TERMS, SIDE * SIDE): the terms of each pixel of the patch, in rows."""
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    points = np.stack([across.ravel(), down.ravel()], axis=1)
    return np.ascontiguousarray(powers(points).T, dtype=np.float32)


def levelled(grey: Pixels) -> Pixels:
    """The same without light and shade: each pixel in local standard deviations from local mean.

    Light that falls differently on a tilted or bent sheet, an exposure that adapts and the haze
    of a lamp's reflection change brightness; to Lucas-Kanade that is motion.
    """
    light = grey.astype(np.float32)
    detail = cv2.subtract(light, cv2.blur(light, _LEVEL), dst=light)
    # Running sums round: the mean of squares may come out just below 0.
    strength = np.maximum(cv2.sqrBoxFilter(detail, cv2.CV_32F, _LEVEL), 0)
    np.sqrt(strength, out=strength)
    strength += _LEAST_DETAIL
    cv2.divide(detail, strength, dst=detail, scale=_GAIN)
    detail += 128
    return np.asarray(np.clip(detail, 0, 255, out=detail), dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class Fit:
    """A robust least-squares fit.

    coefficients: (k, 2). residuals: (n, 2). weights: (n,) 0..1. sigma: of one residual on one axis.
    spread: (k,) standard errors of the coefficients on one axis.
    """

    coefficients: Doubles
    residuals: Doubles
    weights: Doubles
    sigma: float
    spread: Doubles


def robust(design: Doubles, values: Doubles, rounds: int = 4) -> Fit | None:
    """Fit (n, 2) values by a (n, k) design, outliers left out; None where n does not suffice."""
    count, terms = design.shape
    if count < 2 * terms:
        return None
    freedom = count / (count - terms)
    weights = np.ones(count)
    for _ in range(rounds):
        weighed = (design.T * weights).T
        # Normal equations: symmetric, and positive as long as the corners are apart.
        regular, cofactor = cv2.invert(design.T @ weighed, flags=cv2.DECOMP_CHOLESKY)
        if not regular:
            return None
        coefficients = cofactor @ (weighed.T @ values)
        residuals = values - design @ coefficients
        square = np.einsum("ij,ij->i", residuals, residuals)
        scale = median(square) / _MEDIAN_OF_TWO * freedom + _FLOOR**2
        used = weights
        weights = np.maximum(1 - square / (_TUKEY**2 * 2 * scale), 0)
        weights *= weights
    left = max(float(used.sum()) - terms, 1.0)
    sigma = math.sqrt(float(used @ square) / (2 * left)) + _FLOOR
    spread = sigma * np.sqrt(np.maximum(np.diag(cofactor), 0))
    return Fit(coefficients, residuals, weights, sigma, spread)


def median(values: Doubles) -> float:
    """Of (n,) numbers. numpy's own looks for what is no number, which takes longer than this."""
    middle = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, middle)[middle])
    low, high = np.partition(values, (middle - 1, middle))[middle - 1 : middle + 1]
    return float(low + high) / 2


@dataclass(frozen=True, eq=False)
class Followed:
    """Where the corners went beyond the sheet's motion.

    beyond: (n, 2) reference patch pixels, NaN where a corner was lost. found: (n,).
    """

    beyond: Doubles
    found: Flags


class SheetTracker:
    """Follows corners of one patch into later frames."""

    def __init__(self, grey: Pixels, corners: Floats) -> None:
        """grey: (SIDE, SIDE). corners: (n, 2) float32 patch pixels."""
        self._corners = corners
        self._level = levelled(grey)
        self.powers = powers(corners)
        self._terms = _grid()

    def follow(self, grey: Pixels, guess: Doubles) -> Followed | None:
        """Follow into `grey`, (h, w) uint8.

        guess: (2, 3) affine from patch pixels to those of `grey`. None where too little of the
        face is found to lay the sheet.
        """
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        rough = np.asarray(cv2.warpAffine(grey, guess, (SIDE, SIDE), flags=flags), dtype=np.uint8)
        moved, good = _flow(self._level, levelled(rough), self._corners, 2, _ROUGH)
        sheet = robust(self.powers[good], moved[good].astype(np.float64) - self._corners[good])
        if sheet is None:
            return None
        laid, there = self._lay(grey, guess, sheet.coefficients)
        laid = levelled(laid)
        moved, found = _flow(self._level, laid, self._corners, 1, _FINE)
        back, returned = _flow(laid, self._level, moved, 1, _FINE)
        beyond = moved.astype(np.float64) - self._corners
        strayed = np.linalg.norm(back - self._corners, axis=1)
        kept = found & returned & there & (strayed < _RETURN)
        kept &= np.linalg.norm(beyond, axis=1) < _JUMP
        beyond[~kept] = np.nan
        return Followed(beyond, kept)

    def _lay(self, grey: Pixels, guess: Doubles, sheet: Doubles) -> tuple[Pixels, Flags]:
        """The frame laid over the reference, and which corners lie inside the frame."""
        # A patch point p goes to guess(p + sheet(p)), all of it linear in the powers of p.
        whole = sheet.T.copy()
        whole[0, :2] += _MIDDLE, _HALF
        whole[1, [0, 2]] += _MIDDLE, _HALF
        whole = guess[:, :2] @ whole
        whole[:, 0] += guess[:, 2]
        maps = (whole.astype(np.float32) @ self._terms).reshape(2, SIDE, SIDE)
        laid = cv2.remap(grey, maps[0], maps[1], cv2.INTER_LINEAR)
        x, y = whole @ self.powers.T
        height, width = grey.shape
        there = (x > _EDGE) & (y > _EDGE) & (x < width - 1 - _EDGE) & (y < height - 1 - _EDGE)
        return np.asarray(laid, dtype=np.uint8), there


def _flow(
    before: Pixels,
    after: Pixels,
    points: Floats,
    levels: int,
    criteria: tuple[int, int, float],
) -> tuple[Floats, Flags]:
    """Where (n, 2) points went, and which were found; `levels` of the pyramid above the first."""
    start = np.ascontiguousarray(points.reshape(-1, 1, 2))
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        before, after, start, start.copy(), winSize=_WINDOW, maxLevel=levels, criteria=criteria
    )
    return np.asarray(moved, dtype=np.float32).reshape(-1, 2), np.asarray(found).ravel() > 0
