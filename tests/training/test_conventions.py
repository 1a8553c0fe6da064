"""Where an aligned face's eyes and lips come to lie."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.training.aligned import Settings
from appliance.training.conventions import (
    INNER_EYES_AND_BOTTOM_LIP_96,
    convention,
    inner_eyes_and_bottom_lip,
    usual_size,
)
from appliance.vision import manifest
from appliance.vision.alignment import ALIGNMENTS, affine
from appliance.vision.predictor import ShapePredictor
from appliance.vision.warp import apply
from tests import portraits

# OpenFace's mean face (align_dlib.py, scaled to its extent) at dlib's 39 and 42, in 96 pixels.
PUBLISHED_INNER_CORNERS = np.array([(34.92, 17.08), (59.42, 16.59)])


def way(landmarks: str, size: int) -> Settings:
    return Settings.model_validate(
        {"landmarks": landmarks, "size": size, "detector": "hog", "landmark_model": "face_mesh"}
    )


@pytest.mark.parametrize(("landmarks", "size"), [("outer_eyes_and_nose", 96), ("five_point", 112)])
def test_at_a_models_size_it_is_the_appliances_own_alignment(landmarks: str, size: int) -> None:
    settings = way(landmarks, size)
    assert convention(settings) is ALIGNMENTS[settings.name]
    assert usual_size(settings.landmarks) == size


def test_at_another_size_the_target_is_scaled_and_called_otherwise() -> None:
    twice = convention(way("inner_eyes_and_bottom_lip", 192))
    assert (twice.name, twice.size) == ("inner_eyes_and_bottom_lip_192", 192)
    np.testing.assert_allclose(twice.target, 2 * INNER_EYES_AND_BOTTOM_LIP_96.target, atol=1e-4)
    face, bgr = portraits.face("obama2.jpg"), portraits.picture("obama2.jpg")
    assert twice.crop(bgr, face).bgr.shape == (192, 192, 3)


def test_dlibs_own_inner_corners_come_to_lie_where_openface_puts_them() -> None:
    shipped = manifest.load(manifest.shipped_folder())
    inner_and_nose = (3, 1, 4)
    predictor = ShapePredictor(shipped.read(shipped.entry("landmarks5")), inner_and_nose)
    off = []
    for name in portraits.NAMES[:2]:
        bgr, face = portraits.picture(name), portraits.face(name)
        by_dlib = predictor.outer_eyes_and_nose(bgr, face)[:2]
        matrix = affine(inner_eyes_and_bottom_lip(face), INNER_EYES_AND_BOTTOM_LIP_96.target)
        off.append(apply(matrix, by_dlib) - PUBLISHED_INNER_CORNERS)
    assert np.abs(np.mean(off, axis=0)).max() < 1.5
