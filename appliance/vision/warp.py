"""Cutting a turned square out of a picture, without aliasing when it shrinks a lot."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.types import Pixels, Region

Matrix = NDArray[np.float64]


def region_matrix(region: Region, size: int) -> Matrix:
    """(2, 3) affine matrix from frame pixels to the pixels of a size by size crop."""
    scale = size / region.side
    cos, sin = scale * np.cos(region.angle), scale * np.sin(region.angle)
    middle = (size - 1) / 2
    return np.array(
        [
            [cos, sin, middle - cos * region.x - sin * region.y],
            [-sin, cos, middle + sin * region.x - cos * region.y],
        ]
    )


def inverse(matrix: Matrix) -> Matrix:
    """The matrix that leads back."""
    return np.asarray(cv2.invertAffineTransform(matrix), dtype=np.float64)


def apply(matrix: Matrix, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map (n, 2) points."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], dtype=np.float32)


def warp(bgr: Pixels, matrix: Matrix, size: int) -> Pixels:
    """Cut a (size, size, 3) crop; what lies outside the picture is black.

    Bilinear sampling looks at four neighbours only, so a large face is first averaged down by a
    whole factor over the part of the picture that is needed.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    factor = int(1 / scale) if scale > 0 else 1
    if factor < 2:
        return _sampled(bgr, matrix, size)
    left, top, right, bottom = _needed(matrix, size, factor, bgr.shape[1], bgr.shape[0])
    if right - left < factor or bottom - top < factor:
        return np.zeros((size, size, 3), np.uint8)
    part = bgr[top:bottom, left:right]
    small = cv2.resize(
        part, (part.shape[1] // factor, part.shape[0] // factor), interpolation=cv2.INTER_AREA
    )
    # Pixel i of the small picture covers [i*f, i*f + f): its centre is at i*f + (f-1)/2.
    across, down = part.shape[1] / small.shape[1], part.shape[0] / small.shape[0]
    to_frame = np.array(
        [[across, 0, left + (across - 1) / 2], [0, down, top + (down - 1) / 2], [0, 0, 1]]
    )
    return _sampled(small, matrix @ to_frame, size)


def _sampled(bgr: NDArray[Any], matrix: Matrix, size: int) -> Pixels:
    crop = cv2.warpAffine(bgr, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, dtype=np.uint8)


def _needed(
    matrix: Matrix, size: int, factor: int, width: int, height: int
) -> tuple[int, int, int, int]:
    """The part of the frame that the crop samples: left, top, right, bottom, clipped."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float32)
    there = apply(inverse(matrix), corners)
    # One pixel of the averaged picture beyond: without it the rim would fade into black.
    low = np.floor(there.min(axis=0)).astype(int) - factor
    high = np.ceil(there.max(axis=0)).astype(int) + factor + 1
    return max(low[0], 0), max(low[1], 0), min(high[0], width), min(high[1], height)
