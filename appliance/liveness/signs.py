"""What the mesh of one frame shows of head, eyes and mouth, in degrees and ratios.

The head's pose comes from the image points of what is bone (eye corners, bridge of the nose,
forehead, temples), fitted to a mean head by solvePnP: the mesh's own depth and the chin move when
somebody smiles or speaks. Eyes and mouth are measured in the mesh's three dimensions, so that
a turned head does not look like closed eyes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.liveness.cue import View
from appliance.types import Floats
from appliance.vision.mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER

# A mean head: the median of the mesh over 500 people's press photographs, turned straight and made
# symmetric. The unit is the distance between the outer eye corners; x to the picture's right,
# y down, z away from the camera, the origin between the outer eye corners.
_HALF = {
    LEFT_EYE_OUTER: (-0.50, 0.00, 0.00),
    133: (-0.19, 0.02, -0.06),  # inner eye corner
    127: (-0.78, 0.00, 0.55),  # temple
    234: (-0.77, 0.15, 0.61),  # before the ear
}
_TWINS = {LEFT_EYE_OUTER: RIGHT_EYE_OUTER, 133: 362, 127: 356, 234: 454}
_MIDDLE = {
    10: (0.0, -0.57, -0.25),  # hairline
    151: (0.0, -0.38, -0.28),
    9: (0.0, -0.18, -0.29),  # between the brows
    168: (0.0, -0.02, -0.25),  # bridge of the nose
    6: (0.0, 0.07, -0.29),
    197: (0.0, 0.15, -0.34),
    195: (0.0, 0.23, -0.39),
    4: (0.0, 0.41, -0.46),  # tip of the nose
}
_HEAD = {**_HALF, **{_TWINS[at]: (-x, y, z) for at, (x, y, z) in _HALF.items()}, **_MIDDLE}
BONE = tuple(_HEAD)
_MODEL: NDArray[np.float64] = np.array(list(_HEAD.values()), np.float64)
_WIDTH = float(np.ptp(_MODEL[:, 0]))
_SOLVER = cv2.SOLVEPNP_ITERATIVE
# Focal length over the picture's larger side; that of a lens which sees 53 degrees. Only how much
# a near face is distorted depends on it.
_FOCAL = 1.0
# Outer corner, two points of the upper lid, inner corner, the two of the lower lid below them.
_LEFT_LIDS = (33, 160, 158, 133, 153, 144)
_RIGHT_LIDS = (263, 387, 385, 362, 380, 373)
_MOUTH_CORNERS = (61, 291)
_INNER_LIPS = (13, 14)


@dataclass(frozen=True)
class Signs:
    """One frame of a face.

    at: seconds of the source. yaw, pitch, roll: degrees relative to the line of sight to the face;
    positive yaw turns to the person's own left, positive pitch bows, positive roll leans to the
    person's own left shoulder. left_eye, right_eye (the picture's): eye aspect ratio, about 0.3
    open (Soukupová & Čech, "Real-Time Eye Blink Detection using Facial Landmarks", CVWW 2016).
    gap: between the inner lips, over the mouth's width. width: of the mouth, over the distance
    of the outer eye corners. size: pixels between the outer eye corners.
    """

    at: float
    yaw: float
    pitch: float
    roll: float
    left_eye: float
    right_eye: float
    gap: float
    width: float
    size: float


def read(view: View) -> Signs:
    """The signs of one frame; cv2.error or a NaN is impossible for finite landmarks."""
    points = view.face.points
    yaw, pitch, roll = head_pose(points, max(view.frame.width, view.frame.height))
    mouth = _apart(points, *_MOUTH_CORNERS)
    eyes = _apart(points, LEFT_EYE_OUTER, RIGHT_EYE_OUTER)
    corners = points[RIGHT_EYE_OUTER, :2] - points[LEFT_EYE_OUTER, :2]
    return Signs(
        at=view.frame.at,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        left_eye=eye_aspect_ratio(points, _LEFT_LIDS),
        right_eye=eye_aspect_ratio(points, _RIGHT_LIDS),
        gap=_apart(points, *_INNER_LIPS) / max(mouth, 1e-6),
        width=mouth / max(eyes, 1e-6),
        size=float(np.linalg.norm(corners)),
    )


def median(window: Sequence[Signs]) -> Signs:
    """Each sign's median over at least one frame."""
    middle = np.median(np.array([astuple(one) for one in window], np.float64), axis=0)
    return Signs(*(float(value) for value in middle))


def head_pose(points: Floats, picture: int) -> tuple[float, float, float]:
    """Yaw, pitch and roll as in `Signs`, of (468, 3) landmarks in a picture so many pixels wide.

    Relative to the line of sight: whoever steps aside and keeps looking into the camera has not
    turned the head.
    """
    seen = points[list(BONE), :2].astype(np.float64)
    focal = _FOCAL * picture
    camera = np.array([[focal, 0, 0], [0, focal, 0], [0, 0, 1]], np.float64)
    seen -= seen.mean(axis=0)
    # From a head that looks into the camera: without a guess, a small face is sometimes found to
    # look away from it, hollow side first.
    far = focal / max(float(np.ptp(seen[:, 0])) / _WIDTH, 1.0)
    turn, shift = np.zeros(3), np.array([0.0, 0.0, far])
    _, found, _ = cv2.solvePnP(
        _MODEL, seen, camera, None, turn, shift, useExtrinsicGuess=True, flags=_SOLVER
    )
    axes = cv2.Rodrigues(found)[0]
    across, ahead = axes[:, 0], -axes[:, 2]
    yaw = np.arctan2(ahead[0], -ahead[2])
    pitch = np.arctan2(ahead[1], np.hypot(ahead[0], ahead[2]))
    roll = np.arctan2(across[1], across[0])
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def eye_aspect_ratio(points: Floats, lids: Sequence[int]) -> float:
    """How far an eye is open, over its width."""
    outer, upper, upper_inner, inner, lower_inner, lower = lids
    open_by = _apart(points, upper, lower) + _apart(points, upper_inner, lower_inner)
    return open_by / (2 * max(_apart(points, outer, inner), 1e-6))


def _apart(points: Floats, one: int, other: int) -> float:
    return float(np.linalg.norm(points[one] - points[other]))
