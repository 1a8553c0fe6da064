"""Moiré: a wave in the picture that no skin has.

A display is a lattice of pixels, and so is the sensor; where the two meet, the camera's picture
carries beats of a few pixels' length, everywhere on the face with the same direction and length.
In the amplitude spectrum that is a point far above its surroundings. Skin, hair, glasses and
wrinkles give slopes and ridges, noise a plain with random peaks that averaging over patches
lowers; blocks of compression, rows of the sensor and enlarging repeat along the picture's axes,
which are left out. What lens and pixel have blurred away before it was sampled cannot beat: a fine
display far off shows nothing, so a low measure says nothing. The idea is that of Patel et al.,
"Live face video vs. spoof face video: use of moiré patterns to detect replay video attacks"
(ICB 2015).
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.types import Floats, Landmarks, Pixels

# Patches per side of the face, and the sides they may have, with the least side of a face for each.
PATCHES = 3
SIZES = ((128, 192.0), (64, 96.0), (32, 40.0))
# Cycles per pixel: below it, faces have features of their own.
LOWEST = 0.12
# Cycles per pixel beside an axis that are left out: enlarging repeats the spectrum's middle there.
_AXIS = 0.05
# Lines of the spectrum that are left out around the harmonics of the 8 pixel blocks of compression.
_BESIDE, _BLOCK = 1.5, 8
# How far around a point its surroundings are taken, in lines of the spectrum.
_NEAR, _FAR = 3, 4
_DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (1, 2), (2, -1), (1, -2))
# Amplitude that the rounding to whole grey levels leaves: nothing below it is a wave.
_ROUNDING = 0.5
_DECIBELS = 20 / float(np.log(10))


def moire(grey: Pixels, face: Landmarks) -> float | None:
    """How far the face's sharpest spectral point stands above its surroundings, in decibels.

    grey: (height, width) uint8 luma, not resampled. None where the face is too small, or too much
    of it outside the picture.
    """
    part = _inside(grey, face)
    side = patch_side(min(part.shape))
    return None if side is None else peak(mean_spectrum(part, side))


def patch_side(extent: float) -> int | None:
    """Pixels: the largest patch of which the face's shorter side holds enough."""
    return next((side for side, least in SIZES if extent >= least), None)


def mean_spectrum(part: Pixels, side: int) -> Floats:
    """(side, side / 2 - 1) natural logarithm of the amplitude, mean over patches.

    Rows are vertical frequencies from -1/2, columns horizontal ones from 1/side.
    """
    window, floor = _window(side)
    total = np.zeros((side, side // 2 - 1), np.float32)
    for top in _places(part.shape[0], side):
        for left in _places(part.shape[1], side):
            patch = part[top : top + side, left : left + side].astype(np.float32)
            spectrum = cv2.dft((patch - np.float32(patch.mean())) * window)
            # OpenCV packs a real signal's spectrum: real and imaginary columns take turns.
            real, imaginary = spectrum[:, 1:-1:2], spectrum[:, 2::2]
            total += np.sqrt(real * real + imaginary * imaginary + floor)
    return np.asarray(np.roll(np.log(total / PATCHES**2), side // 2, axis=0), np.float32)


def peak(spectrum: Floats) -> float:
    """Decibels between the sharpest point of a log spectrum and what lies on either side of it.

    Of all directions through the point the one with the highest surroundings counts, so that the
    ridge of an edge is no point.
    """
    blurred = cv2.GaussianBlur(spectrum, (3, 3), 0.6, borderType=cv2.BORDER_REFLECT_101)
    soft = np.asarray(blurred, np.float32)
    bordered = cv2.copyMakeBorder(soft, _FAR, _FAR, _FAR, _FAR, cv2.BORDER_REFLECT_101)
    wide = np.asarray(bordered, np.float32)
    height, width = soft.shape
    around = np.full_like(soft, -np.inf)
    for dx, dy in _DIRECTIONS:
        total = np.zeros_like(soft)
        for step in (-_FAR, -_NEAR, _NEAR, _FAR):
            length = float(np.hypot(dx, dy))
            down, across = round(step * dy / length), round(step * dx / length)
            rows = slice(_FAR + down, _FAR + down + height)
            total += wide[rows, _FAR + across : _FAR + across + width]
        np.maximum(around, total / 4, out=around)
    return float(_DECIBELS * (soft - around)[_looked_at(height)].max())


def _inside(grey: Pixels, face: Landmarks) -> Pixels:
    """The part of the picture that the mesh covers."""
    box = face.box
    left, top = max(int(box.left), 0), max(int(box.top), 0)
    return grey[top : max(int(box.top + box.height), 0), left : max(int(box.left + box.width), 0)]


def _places(length: int, side: int) -> list[int]:
    return [(length - side) * place // (PATCHES - 1) for place in range(PATCHES)]


@lru_cache(maxsize=len(SIZES))
def _window(side: int) -> tuple[Floats, np.float32]:
    """A Hann window, and the power that rounding leaves under it."""
    line = np.hanning(side + 1)[:side]
    window = np.outer(line, line).astype(np.float32)
    return window, np.float32(_ROUNDING**2 * float((window**2).sum()))


@lru_cache(maxsize=len(SIZES))
def _looked_at(side: int) -> NDArray[np.bool_]:
    """(side, side / 2 - 1): which points of a spectrum count."""
    down, across = np.mgrid[-side // 2 : side // 2, 1 : side // 2]
    beside = max(_AXIS * side, _BESIDE)
    off_axes = [(abs(line) > beside) & (abs(line) < side / 2 - beside) for line in (down, across)]
    harmonic = side / _BLOCK
    on_blocks = [
        abs(line - harmonic * np.round(line / harmonic)) < _BESIDE for line in (down, across)
    ]
    high = np.hypot(down, across) >= LOWEST * side
    return np.asarray(off_axes[0] & off_axes[1] & ~(on_blocks[0] & on_blocks[1]) & high)
