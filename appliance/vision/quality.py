"""Is this face good enough to be compared? Cheap measures on the landmarks and an aligned crop.

The measures follow ISO/IEC 29794-5 in kind: size between the eyes, sharpness, exposure, pose,
and whether all of the face is in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from appliance.types import FaceCrop, Fault, Landmarks, Pixels, Quality
from appliance.vision.mesh import CHIN, FOREHEAD, LEFT_EYE_OUTER, RIGHT_EYE_OUTER, eye_centres

# Rows and columns of an aligned 112-pixel crop that hold skin of any face: brows to mouth.
SKIN = (slice(36, 100), slice(28, 84))
BURNT_OUT = 250
# Across, down, and both diagonals; those reach farther and are weighted down for it.
_DIAGONAL = 1 / np.sqrt(2)
SECOND_DIFFERENCES = tuple(
    np.array(kernel, np.float32) * np.float32(weight)
    for kernel, weight in (
        ([[0, 0, 0], [-1, 2, -1], [0, 0, 0]], 1.0),
        ([[0, -1, 0], [0, 2, 0], [0, -1, 0]], 1.0),
        ([[-1, 0, 0], [0, 2, 0], [0, 0, -1]], _DIAGONAL),
        ([[0, 0, -1], [0, 2, 0], [-1, 0, 0]], _DIAGONAL),
    )
)
# Share of the mesh that may lie outside the picture; a little of the chin or forehead is no harm.
MAX_OUTSIDE = 0.1
# The line from forehead to chin leans by this much in a face that looks into the camera.
NEUTRAL_PITCH = 6.0


@dataclass(frozen=True)
class QualityLimits:
    """What a face must show; names and units as in types.Quality."""

    min_eye_distance: float
    min_sharpness: float
    min_brightness: float
    max_brightness: float
    max_clipped: float
    max_yaw: float
    max_pitch: float
    max_roll: float


def assess(bgr: Pixels, landmarks: Landmarks, crop: FaceCrop, limits: QualityLimits) -> Quality:
    """Measure one face. crop: its five-point 112-pixel crop; bgr: the frame it came from."""
    skin = cv2.cvtColor(crop.bgr[SKIN], cv2.COLOR_BGR2GRAY)
    yaw, pitch, roll = head_pose(landmarks)
    measured = Quality(
        eye_distance=eye_distance(landmarks),
        sharpness=sharpness(np.asarray(skin, dtype=np.uint8)),
        brightness=float(skin.mean()),
        clipped=float((skin >= BURNT_OUT).mean()),
        yaw=yaw,
        pitch=pitch,
        roll=roll,
    )
    outside = share_outside(landmarks, bgr.shape[1], bgr.shape[0])
    return Quality(
        **{name: getattr(measured, name) for name in _MEASURES},
        faults=_faults(measured, outside, limits),
    )


_MEASURES = ("eye_distance", "sharpness", "brightness", "clipped", "yaw", "pitch", "roll")


def sharpness(grey: Pixels) -> float:
    """Fine detail relative to all contrast, in the direction that shows the least of it.

    The deviation of second differences over that of the luma. A shaken picture keeps its detail
    across the motion and loses it along, so the least of four directions counts.
    """
    contrast = float(grey.std())
    if contrast < 1.0:
        return 0.0
    deviations = [
        float(cv2.filter2D(grey, cv2.CV_32F, kernel).std()) for kernel in SECOND_DIFFERENCES
    ]
    return min(deviations) / contrast


def head_pose(landmarks: Landmarks) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees, from the mesh's own depth.

    Positive yaw looks to the picture's right, positive pitch down, positive roll leans the head
    to the picture's right (clockwise).
    """
    points = landmarks.points
    across = points[RIGHT_EYE_OUTER] - points[LEFT_EYE_OUTER]
    down = points[CHIN] - points[FOREHEAD]
    away = np.cross(across, down)
    yaw = np.degrees(np.arctan2(-away[0], away[2]))
    pitch = np.degrees(np.arctan2(-away[1], np.hypot(away[0], away[2])))
    roll = np.degrees(np.arctan2(across[1], across[0]))
    return float(yaw), float(pitch) - NEUTRAL_PITCH, float(roll)


def eye_distance(landmarks: Landmarks) -> float:
    """Pixels between the eye centres, as far apart as they would be in a face seen from ahead."""
    left, right = eye_centres(landmarks.points)
    return float(np.linalg.norm(right - left)) / foreshortening(head_pose(landmarks)[0])


def foreshortening(yaw: float) -> float:
    """How much narrower the eyes stand for a head turned by `yaw` degrees; 0.5 at the least.

    ISO/IEC 29794-5 corrects the inter-eye distance in the same way.
    """
    return max(float(np.cos(np.radians(yaw))), 0.5)


def share_outside(landmarks: Landmarks, width: int, height: int) -> float:
    """The share of mesh points beyond the picture's edge."""
    x, y = landmarks.points[:, 0], landmarks.points[:, 1]
    return float(((x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)).mean())


def _faults(found: Quality, outside: float, limits: QualityLimits) -> tuple[Fault, ...]:
    # In the order in which a person should mend them: what comes first is what is said. Written
    # so that a NaN is a fault.
    checks = (
        (Fault.CUT_OFF, outside > MAX_OUTSIDE),
        (Fault.TOO_SMALL, not found.eye_distance >= limits.min_eye_distance),
        (
            Fault.TURNED_AWAY,
            not abs(found.yaw) <= limits.max_yaw
            or not abs(found.pitch) <= limits.max_pitch
            or not abs(found.roll) <= limits.max_roll,
        ),
        (Fault.TOO_DARK, found.brightness < limits.min_brightness),
        (
            Fault.OVEREXPOSED,
            found.brightness > limits.max_brightness or found.clipped > limits.max_clipped,
        ),
        (Fault.BLURRED, not found.sharpness >= limits.min_sharpness),
    )
    return tuple(fault for fault, wrong in checks if wrong)
