"""Eyes, nose and mouth land where the networks were trained to find them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ModelError
from appliance.types import Box, Floats, Landmarks, Pixels, Region
from appliance.vision.alignment import (
    FIVE_POINT_112,
    OUTER_EYES_AND_NOSE_96,
    Alignment,
    affine,
    similarity,
)
from appliance.vision.mesh import LEFT_EYE, RIGHT_EYE
from appliance.vision.warp import apply
from tests.portraits import NAMES, face, mesh, picture
from tests.toys import mesh_in

BOTH = pytest.mark.parametrize(
    "alignment", [FIVE_POINT_112, OUTER_EYES_AND_NOSE_96], ids=lambda it: it.name
)


def moved(points: Floats, scale: float, degrees: float, x: float, y: float) -> Floats:
    """Turned, scaled and shifted, as a face in a picture is against its target."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.asarray(scale * points @ turn.T + (x, y), dtype=np.float32)


@BOTH
@given(
    scale=st.floats(0.3, 12),
    degrees=st.floats(-170, 170),
    x=st.floats(-200, 2000),
    y=st.floats(-200, 2000),
)
def test_a_face_that_differs_by_a_similarity_lands_on_its_targets(
    alignment: Alignment, scale: float, degrees: float, x: float, y: float
) -> None:
    there = moved(alignment.target, scale, degrees, x, y)
    landed = apply(alignment.matrix(there, alignment.target), there)
    assert landed == pytest.approx(alignment.target, abs=0.05)


def test_one_slipped_landmark_does_not_pull_the_others_along() -> None:
    target = FIVE_POINT_112.target
    there = moved(target, 2, 10, 300, 200)
    there[4] += (60, -40)
    landed = apply(similarity(there, target), there)
    assert landed[:4] == pytest.approx(target[:4], abs=0.1)


def test_a_similarity_never_mirrors_and_never_shears() -> None:
    target = FIVE_POINT_112.target
    crooked = moved(target, 1, 0, 0, 0) * (1.3, 0.8)
    matrix = similarity(np.asarray(crooked, np.float32), target)[:, :2]
    assert np.linalg.det(matrix) > 0
    assert matrix @ matrix.T == pytest.approx(np.eye(2) * np.linalg.det(matrix), abs=1e-6)


def test_landmarks_that_fall_into_one_point_are_an_error() -> None:
    with pytest.raises(ModelError, match="one point"):
        similarity(np.zeros((5, 2), np.float32), FIVE_POINT_112.target)


def test_three_points_fix_the_affine_map() -> None:
    target = OUTER_EYES_AND_NOSE_96.target
    there = np.array([(310, 200), (420, 190), (370, 275)], np.float32)
    assert apply(affine(there, target), there) == pytest.approx(target, abs=1e-3)


def marked(box: Box) -> tuple[Pixels, Landmarks]:
    """A black picture with a white dot on each of the five points."""
    points = mesh_in(box)
    bgr = np.zeros((900, 1200, 3), np.uint8)
    radius = round(box.width / 40)
    for place in FIVE_POINT_112.points(points):
        centre = [round(float(side)) for side in place]
        cv2.circle(bgr, centre, radius, (255, 255, 255), -1, cv2.LINE_AA)
    return bgr, points


@pytest.mark.parametrize("width", [90.0, 150.0, 290.0, 600.0])
def test_dots_on_a_face_are_found_on_the_targets_of_the_crop(width: float) -> None:
    bgr, points = marked(Box(300, 80, width, 1.2 * width))
    crop = FIVE_POINT_112.crop(bgr, points)
    assert (crop.alignment, crop.bgr.shape) == ("five_point_112", (112, 112, 3))
    _, _, _, centres = cv2.connectedComponentsWithStats((crop.bgr[..., 0] > 60).astype(np.uint8))
    targets = apply(
        similarity(FIVE_POINT_112.points(points), FIVE_POINT_112.target),
        FIVE_POINT_112.points(points),
    )
    assert len(centres) == 1 + 5
    for place in targets:
        nearest = np.linalg.norm(centres[1:] - place, axis=1).min()
        # Dots are drawn on whole pixels of the picture.
        assert nearest < 0.3 + 0.5 * 88 / width


@pytest.mark.parametrize("name", NAMES)
def test_the_mesh_sees_a_real_faces_eyes_level_and_in_place_in_its_crop(name: str) -> None:
    crop = FIVE_POINT_112.crop(picture(name), face(name))
    again = mesh().locate(crop.bgr, Region(55.5, 63, 150))
    eyes = [again.points[list(eye), :2].mean(axis=0) for eye in (LEFT_EYE, RIGHT_EYE)]
    assert again.presence > 0.9
    assert np.stack(eyes) == pytest.approx(FIVE_POINT_112.target[:2], abs=4)


@pytest.mark.parametrize("name", NAMES)
def test_openfaces_crop_holds_outer_eyes_and_nose_where_it_wants_them(name: str) -> None:
    alignment = OUTER_EYES_AND_NOSE_96
    landmarks = face(name)
    crop = alignment.crop(picture(name), landmarks)
    assert (crop.alignment, crop.bgr.shape) == ("outer_eyes_and_nose_96", (96, 96, 3))
    points = alignment.points(landmarks)
    landed = apply(alignment.matrix(points, alignment.target), points)
    assert landed == pytest.approx(alignment.target, abs=0.01)
    # A face fills the crop: none of it is the black beyond the picture.
    assert (crop.bgr.max(axis=2) > 0).mean() > 0.98
