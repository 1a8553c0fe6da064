"""A face's corners that can be followed, and how deep each of them lies."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.liveness.sheet import SIDE, Doubles
from appliance.types import Floats, Landmarks, Pixels, Region
from appliance.vision.mesh import eye_centres, region_of_landmarks
from appliance.vision.warp import apply, region_matrix

# The face's outline and the openings in it, as rings of mesh points.
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
EYE_RINGS = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39),
    *(40, 185),
)
_UNDER_NOSE = 2
# How much of the patch's side is beyond the face.
_MARGIN = 1.15
# Corners keep this far from the outline, where the background shows beside the face: the share of
# the way from the middle to the outline within which they lie.
_INSIDE = 0.92
# The openings are left out with a margin: lids blink, lips talk, and holes may be cut there.
_AROUND_EYES = (1.4, 1.9)
_AROUND_LIPS = (1.15, 1.3)
_MOST_CORNERS = 72
_CORNER_QUALITY = 0.01
_CORNER_DISTANCE = 5
_CORNER_BLOCK = 5
# The mesh points nearest to a corner tell its depth.
_NEAREST = 4


@dataclass(frozen=True, eq=False)
class Relief:
    """One face, cut out, with its corners.

    grey: (SIDE, SIDE) uint8. corners: (n, 2) float32 in its pixels. depth: (n,) in its pixels,
    growing away from the camera. rigid: the mesh points that neither talk nor
    smile. eyes: the distance between the eyes in its pixels.
    """

    grey: Pixels
    corners: Floats
    depth: Doubles
    rigid: NDArray[np.int64]
    eyes: float


def patch_matrix(face: Landmarks) -> Doubles:
    """(2, 3) from frame pixels to the patch's: the face level, and filling it."""
    region = region_of_landmarks(face)
    low, high = _extent(face.points[:, :2], region.angle)
    side = _MARGIN * float((high - low).max())
    return region_matrix(Region(region.x, region.y, side, region.angle), SIDE)


def _extent(points: Floats, angle: float) -> tuple[Floats, Floats]:
    level = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = points @ level.T
    return turned.min(axis=0), turned.max(axis=0)


def in_patch(points: Floats, matrix: Doubles) -> Doubles:
    """(468, 3) mesh points of the frame in patch pixels, depth on the same scale."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    return np.column_stack([apply(matrix, points[:, :2]), points[:, 2] * scale]).astype(np.float64)


def relief_of(grey: Pixels, mesh: Doubles, window: Doubles) -> Relief:
    """Find corners. window: (4, 2) patch pixels, the corners of the frame."""
    mask = _mask(mesh[:, :2], window)
    found = cv2.goodFeaturesToTrack(
        grey, _MOST_CORNERS, _CORNER_QUALITY, _CORNER_DISTANCE, mask=mask, blockSize=_CORNER_BLOCK
    )
    # OpenCV says None for no corner at all.
    listed = np.zeros((0, 2)) if found is None else found
    corners = np.asarray(listed, dtype=np.float32).reshape(-1, 2)
    left, right = eye_centres(mesh.astype(np.float32))
    return Relief(
        grey,
        corners,
        depth_at(corners, mesh),
        np.flatnonzero(mesh[:, 1] < mesh[_UNDER_NOSE, 1]),
        float(np.linalg.norm(right - left)),
    )


def depth_at(corners: Floats, mesh: Doubles) -> Doubles:
    """(n,) depth of the mesh at (n, 2) points, from the nearest of its points."""
    if len(corners) == 0:
        return np.zeros(0)
    square = ((corners[:, None].astype(np.float64) - mesh[None, :, :2]) ** 2).sum(axis=2)
    nearest = np.argpartition(square, _NEAREST, axis=1)[:, :_NEAREST]
    closeness = 1 / (np.take_along_axis(square, nearest, axis=1) + 4.0)
    return np.asarray((mesh[nearest, 2] * closeness).sum(axis=1) / closeness.sum(axis=1))


def _mask(points: Doubles, window: Doubles) -> Pixels:
    """(SIDE, SIDE): 255 where corners may lie."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    _fill(mask, _grown(points[list(OVAL)], (_INSIDE, _INSIDE)), 255)
    for ring in EYE_RINGS:
        _fill(mask, _grown(points[list(ring)], _AROUND_EYES), 0)
    _fill(mask, _grown(points[list(LIPS)], _AROUND_LIPS), 0)
    inside = np.zeros_like(mask)
    _fill(inside, _grown(window, (1.0, 1.0)), 255)
    return np.asarray(cv2.bitwise_and(mask, inside), dtype=np.uint8)


def _grown(ring: Doubles, by: tuple[float, float]) -> Doubles:
    middle = ring.mean(axis=0)
    return np.asarray(middle + (ring - middle) * by)


def _fill(mask: Pixels, ring: Doubles, value: int) -> None:
    cv2.fillPoly(mask, [np.round(ring).astype(np.int32)], value)
