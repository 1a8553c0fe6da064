"""Geometry of the 468-point face mesh: which point is what, and where to look for it.

"Left" and "right" are as seen in the picture.
"""

from __future__ import annotations

import numpy as np

from appliance.types import Box, Floats, Landmarks, Region

LEFT_EYE = (33, 133, 160, 159, 158, 144, 145, 153)
RIGHT_EYE = (362, 263, 387, 386, 385, 373, 374, 380)
LEFT_EYE_OUTER, RIGHT_EYE_OUTER = 33, 263
FOREHEAD, CHIN = 10, 152

# A first look needs margin, for the detector's box cuts the chin; a second one little.
BOX_MARGIN = 1.6
EXTENT_MARGIN = 1.5


def eye_centres(points: Floats) -> Floats:
    """(2, 2): the picture's left and right eye centre."""
    return np.stack([points[list(LEFT_EYE), :2].mean(0), points[list(RIGHT_EYE), :2].mean(0)])


def region_of_box(box: Box) -> Region:
    """Where to look first for a face that a detector found."""
    x, y = box.centre
    return Region(x, y, BOX_MARGIN * max(box.width, box.height))


def region_of_landmarks(landmarks: Landmarks) -> Region:
    """Where to look for a face whose landmarks are known, the eyes level."""
    points = landmarks.points[:, :2]
    left, right = eye_centres(points)
    angle = float(np.arctan2(right[1] - left[1], right[0] - left[0]))
    level = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = points @ level.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    x, y = level.T @ ((low + high) / 2)
    return Region(float(x), float(y), EXTENT_MARGIN * float((high - low).max()), angle)
