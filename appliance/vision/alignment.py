"""Warping a face so that eyes, nose and mouth sit where its network was trained to find them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from appliance.errors import ModelError
from appliance.types import FaceCrop, Floats, Landmarks, Pixels
from appliance.vision.mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER, eye_centres
from appliance.vision.warp import Matrix, warp

NOSE_TIP, NOSE_BASE = 1, 2
MOUTH_LEFT, MOUTH_RIGHT = 61, 291


@dataclass(frozen=True, eq=False)
class Alignment:
    """One convention. target: (n, 2) pixels in the size by size crop."""

    name: str
    size: int
    target: Floats
    points: Callable[[Landmarks], Floats]
    matrix: Callable[[Floats, Floats], Matrix]

    def crop(self, bgr: Pixels, landmarks: Landmarks) -> FaceCrop:
        """Align one face of a frame."""
        matrix = self.matrix(self.points(landmarks), self.target)
        return FaceCrop(warp(bgr, matrix, self.size), self.name)


def five_points(landmarks: Landmarks) -> Floats:
    """(5, 2): both eye centres, the nose's tip, both corners of the mouth."""
    rest = landmarks.points[[NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT], :2]
    return np.concatenate([eye_centres(landmarks.points), rest]).astype(np.float32)


def outer_eyes_and_nose(landmarks: Landmarks) -> Floats:
    """(3, 2): both outer eye corners and the nose's base, as OpenFace aligns."""
    return landmarks.points[[LEFT_EYE_OUTER, RIGHT_EYE_OUTER, NOSE_BASE], :2]


def similarity(source: Floats, target: Floats) -> Matrix:
    """Turn, scale and shift, by least median of squares: one slipped landmark does not pull."""
    matrix, _ = cv2.estimateAffinePartial2D(source, target, method=cv2.LMEDS)
    if matrix is None:  # all points fell into one: the mesh saw no face
        raise ModelError("The landmarks of a face fall into one point and cannot be aligned.")
    return np.asarray(matrix, dtype=np.float64)


def affine(source: Floats, target: Floats) -> Matrix:
    """The one affine map that three points fix."""
    return np.asarray(
        cv2.getAffineTransform(source.astype(np.float32), target.astype(np.float32)),
        dtype=np.float64,
    )


# The five points that ArcFace-style networks (MobileFaceNet among them) are trained on.
FIVE_POINT_112 = Alignment(
    name="five_point_112",
    size=112,
    target=np.array(
        [
            (38.2946, 51.6963),
            (73.5318, 51.5014),
            (56.0252, 71.7366),
            (41.5493, 92.3655),
            (70.7299, 92.2041),
        ],
        np.float32,
    ),
    points=five_points,
    matrix=similarity,
)

# OpenFace aligns the points 36, 45 and 33 of dlib's 68 to a mean face. The mesh puts the corners of
# the eyes farther out: these are the places where the mesh's points lie when dlib's are in place
# (`python -m models.build.openface_report targets`).
OUTER_EYES_AND_NOSE_96 = Alignment(
    name="outer_eyes_and_nose_96",
    size=96,
    target=np.array([(17.72, 15.57), (77.31, 14.76), (47.65, 48.65)], np.float32),
    points=outer_eyes_and_nose,
    matrix=affine,
)

ALIGNMENTS = {item.name: item for item in (FIVE_POINT_112, OUTER_EYES_AND_NOSE_96)}


# The same alignment by the points of one of dlib's predictors, which must be at hand.
BY_DLIB_5 = "outer_eyes_and_nose_96_dlib5"
BY_DLIB_68 = "outer_eyes_and_nose_96_dlib68"

# Points 36, 45 and 33 of OpenFace's mean face, in 96 pixels.
_PUBLISHED_TEMPLATE = np.array([(18.64, 16.25), (75.73, 15.18), (47.52, 49.39)], np.float32)


@dataclass(frozen=True, eq=False)
class PredictedAlignment:
    """OpenFace's alignment by the points of dlib's own predictors, on OpenFace's own template.

    name: `BY_DLIB_5` or `BY_DLIB_68`.
    points: from a frame and a face's mesh to (3, 2): both outer eye corners, the nose's base.
    """

    name: str
    points: Callable[[Pixels, Landmarks], Floats]
    size: int = 96

    def crop(self, bgr: Pixels, landmarks: Landmarks) -> FaceCrop:
        """Align one face of a frame."""
        matrix = affine(self.points(bgr, landmarks), _PUBLISHED_TEMPLATE)
        return FaceCrop(warp(bgr, matrix, self.size), self.name)
