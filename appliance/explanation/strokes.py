"""Histograms of oriented gradients drawn as strokes: the edges that run through each cell."""

from __future__ import annotations

import numpy as np

from appliance.explanation.gradients import BINS
from appliance.types import Floats, Pixels

# Half the width of a stroke as a share of its cell.
_HALF_WIDTH = 0.045
# Light strokes on dark ground: (blue, green, red) of both.
_GROUND = np.array([32, 24, 20], np.float32)
_LIGHT = np.array([205, 240, 255], np.float32)
# The strongest strokes of a picture are full light; this share of all cells may be beyond it.
_BEYOND = 0.01
# Keeps weak strokes back: the eye adds up a star of them to more than one strong edge.
_GAMMA = 1.6


def glyphs(side: int) -> Floats:
    """(BINS, side, side) float32 in 0..1: the stroke of each bin, anti-aliased.

    A stroke runs along the edge, at a right angle to the bin's gradient, through the middle of its
    cell and from rim to rim of the circle in it.
    """
    half = (side - 1) / 2
    y, x = np.mgrid[:side, :side] - half
    shapes = []
    for number in range(BINS):
        gradient = (number + 0.5) * np.pi / BINS
        across = x * np.cos(gradient) + y * np.sin(gradient)
        along = -x * np.sin(gradient) + y * np.cos(gradient)
        width = max(_HALF_WIDTH * side, 0.5)
        body = np.clip(width + 0.5 - np.abs(across), 0, 1)
        shapes.append(body * np.clip(half + 0.5 - np.abs(along), 0, 1))
    return np.asarray(np.stack(shapes), np.float32)


def draw(found: Floats, side: int) -> Pixels:
    """(rows * side, columns * side, 3) uint8 BGR: each cell's strokes, lighter where stronger.

    found: (rows, columns, BINS), from `gradients.normalised`. side: pixels of a cell.
    """
    rows, columns, _ = found.shape
    shapes = glyphs(side)
    # One bin after the other, the strongest stroke on top: sums would blur crossings into stars.
    canvas = np.zeros((rows, side, columns, side), np.float32)
    for number in range(BINS):
        weights = found[:, np.newaxis, :, np.newaxis, number]
        np.maximum(canvas, weights * shapes[number][np.newaxis, :, np.newaxis, :], out=canvas)
    light = canvas.reshape(rows * side, columns * side)
    full = float(np.quantile(found.max(axis=2), 1 - _BEYOND)) if found.size else 0.0
    shown = np.clip(light / max(full, 1e-6), 0, 1)[:, :, np.newaxis] ** _GAMMA
    return np.asarray(np.rint(_GROUND + (_LIGHT - _GROUND) * shown), np.uint8)
