"""Histograms of oriented gradients: what a HOG detector sees of a picture.

Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005, with the cells'
normalisation by Felzenszwalb et al., "Object Detection with Discriminatively Trained Part-Based
Models", PAMI 2010, which dlib's frontal face detector uses too. That detector also keeps dark-to-
light apart from light-to-dark (18 directions beside these 9) and four measures of texture; the 9
without sign are the part that can be drawn.
"""

from __future__ import annotations

import cv2
import numpy as np

from appliance.types import Floats, Pixels

# dlib's frontal detector has cells of 8 pixels.
CELL = 8
BINS = 9
# No direction of a cell counts for more than this share of its neighbourhood.
CLIP = 0.2
# The contrast below which a neighbourhood is taken for even, as the norm of a cell's histogram:
# that of gradients of 1.5 grey levels. A detector has no such limit; here noise is not to be drawn
# as loudly as edges.
_EVEN = CELL * CELL * 1.5


def gradients(grey: Pixels) -> tuple[Floats, Floats]:
    """Strength and direction of each pixel's gradient, both (height, width) float32.

    grey: (height, width) uint8. Strength: grey levels per pixel. Direction: radians in 0..pi, that
    in which the picture grows lighter or darker, 0 across and pi/2 down; an edge runs at a right
    angle to it. The picture's rim is continued as it ends.
    """
    plane = grey.astype(np.float32)
    kernel = np.array([-0.5, 0.0, 0.5], np.float32)
    one = np.ones(1, np.float32)
    across = cv2.sepFilter2D(plane, cv2.CV_32F, kernel, one, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(plane, cv2.CV_32F, one, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.hypot(across, down), np.arctan2(down, across) % np.float32(np.pi)


def histograms(grey: Pixels, cell: int = CELL) -> Floats:
    """(rows, columns, BINS) float32: how strong the gradients of each cell are, by direction.

    grey: (height, width) uint8, at least a cell each way; what is left over at the right and at the
    bottom is part of no cell. Bin b stands for directions around (b + 0.5) * pi / BINS. Each pixel
    is shared between the two nearest bins and the four nearest cells, in proportion.
    """
    strength, direction = gradients(grey)
    place = direction * np.float32(BINS / np.pi) - np.float32(0.5)
    lower = np.floor(place)
    share = place - lower
    first = lower.astype(np.int64) % BINS
    down = _shares(grey.shape[0], cell)
    across = _shares(grey.shape[1], cell).T
    planes = []
    for number in range(BINS):
        here = np.where(first == number, 1 - share, 0)
        here += np.where((first + 1) % BINS == number, share, 0)
        planes.append(down @ (strength * here) @ across)
    return np.asarray(np.stack(planes, axis=2), np.float32)


def normalised(found: Floats) -> Floats:
    """The histograms in 0..CLIP, nearly the same under any light.

    found: (rows, columns, BINS), from `histograms`. A cell is divided by the contrast of each of
    the four squares of two by two cells that it is part of, clipped, and the four are averaged.
    At the rim, cells are repeated.
    """
    energy = np.pad((found**2).sum(axis=2), 1, mode="edge")
    squares = energy[:-1, :-1] + energy[1:, :-1] + energy[:-1, 1:] + energy[1:, 1:]
    contrast = np.sqrt(squares + _EVEN**2)[:, :, np.newaxis]
    four = (contrast[:-1, :-1], contrast[1:, :-1], contrast[:-1, 1:], contrast[1:, 1:])
    parts = [np.minimum(found / each, CLIP) for each in four]
    return np.asarray(sum(parts) / np.float32(4), np.float32)


def _shares(length: int, cell: int) -> Floats:
    """(cells, length): how much each pixel of a line counts in each cell, by its distance."""
    centres = np.arange(length // cell) * cell + (cell - 1) / 2
    distance = np.abs(np.arange(length) - centres[:, np.newaxis])
    return np.asarray(np.maximum(1 - distance / cell, 0), np.float32)
