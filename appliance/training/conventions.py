"""The ways in which `dataset align` can make faces sit, at any size.

OpenFace (Amos et al., CMU-CS-16-118) lays three of dlib's 68 points onto a mean face by the one
affine map that does so: 36, 45 and 33, the outer eye corners and the nose's base, or 39, 42 and
57, the inner eye corners and the lower edge of the lower lip. Its networks are trained on the
first. Here the face mesh finds the points, so that nobody needs dlib's file of 68, whose training
data excludes commercial use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from appliance.training.aligned import LandmarkSet, Settings
from appliance.types import Floats, Landmarks
from appliance.vision.alignment import (
    FIVE_POINT_112,
    OUTER_EYES_AND_NOSE_96,
    Alignment,
    affine,
)

LEFT_EYE_INNER, RIGHT_EYE_INNER, LOWER_LIP = 133, 362, 17


def inner_eyes_and_bottom_lip(landmarks: Landmarks) -> Floats:
    """(3, 2): both inner eye corners and the lower lip's lower edge."""
    return landmarks.points[[LEFT_EYE_INNER, RIGHT_EYE_INNER, LOWER_LIP], :2]


# OpenFace's mean face has its points 39, 42 and 57 at (34.92, 17.08), (59.42, 16.59) and (48.02,
# 72.06) of 96 pixels. The mesh puts the inner corners of the eyes nearer together than dlib does:
# by (1.17, -0.07) and (-0.60, 0.05) against the five-point predictor that comes along, the median
# over 399 pictures of LFW. The lip's edge is the same in both. Where the mesh's points lie when
# those of the predictor of 68 are in place differs from these by 0.6 pixels at most.
INNER_EYES_AND_BOTTOM_LIP_96 = Alignment(
    name="inner_eyes_and_bottom_lip_96",
    size=96,
    target=np.array([(36.09, 17.01), (58.82, 16.64), (48.02, 72.06)], np.float32),
    points=inner_eyes_and_bottom_lip,
    matrix=affine,
)

_BASES: Mapping[LandmarkSet, Alignment] = {
    "outer_eyes_and_nose": OUTER_EYES_AND_NOSE_96,
    "inner_eyes_and_bottom_lip": INNER_EYES_AND_BOTTOM_LIP_96,
    "five_point": FIVE_POINT_112,
}


def usual_size(landmarks: LandmarkSet) -> int:
    """The size that this way of aligning was made for."""
    return _BASES[landmarks].size


def convention(settings: Settings) -> Alignment:
    """How the mesh's points lay a face into a crop of the wanted size.

    At the size that a model of the manifest is fed, this is the very alignment that the appliance
    itself uses. Else the target is scaled, as OpenFace scales its own.
    """
    base = _BASES[settings.landmarks]
    if settings.size == base.size:
        return base
    target = (base.target * (settings.size / base.size)).astype(np.float32)
    return replace(base, name=settings.name, size=settings.size, target=target)
