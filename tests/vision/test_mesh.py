"""Where a landmark model is told to look."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from appliance.types import Box, Landmarks
from appliance.vision.mesh import eye_centres, region_of_box, region_of_landmarks
from appliance.vision.warp import apply, region_matrix
from tests.portraits import NAMES, face, mesh, picture
from tests.toys import mesh_in


def turned(landmarks: Landmarks, degrees: float) -> Landmarks:
    """The same face, leaning."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    middle = np.array(landmarks.box.centre)
    points = landmarks.points.copy()
    points[:, :2] = (points[:, :2] - middle) @ turn.T + middle
    return Landmarks(points, landmarks.presence)


def test_a_detectors_box_gets_room_for_chin_and_forehead() -> None:
    region = region_of_box(Box(100, 50, 80, 90))
    assert (region.x, region.y, region.angle) == (140, 95, 0)
    assert region.side == pytest.approx(1.6 * 90)


@pytest.mark.parametrize("degrees", [0, 15, -40, 80])
def test_the_region_of_landmarks_levels_the_eyes_and_holds_every_point(degrees: float) -> None:
    face = turned(mesh_in(Box(60, 60, 100, 120)), degrees)
    region = region_of_landmarks(face)
    assert math.degrees(region.angle) == pytest.approx(degrees, abs=0.01)
    assert region.side == pytest.approx(1.5 * 119, rel=0.01)
    inside = apply(region_matrix(region, 192), face.points[:, :2])
    left, right = apply(region_matrix(region, 192), eye_centres(face.points))
    assert left[1] == pytest.approx(right[1], abs=1e-3)
    assert left[0] < right[0]
    # A sixth of the side is margin on either side of the longer extent.
    assert inside[:, 1].min() == pytest.approx(192 / 6, abs=1.5)
    assert inside[:, 1].max() == pytest.approx(192 * 5 / 6, abs=1.5)


@pytest.mark.parametrize("name", NAMES)
def test_a_look_at_its_own_landmarks_finds_the_face_where_it_is(name: str) -> None:
    known = face(name)
    again = mesh().locate(picture(name), region_of_landmarks(known))
    width = known.box.width
    assert again.presence > 0.9
    off = np.linalg.norm(again.points[:, :2] - known.points[:, :2], axis=1)
    assert np.median(off) < 0.02 * width


@pytest.mark.parametrize("degrees", [-30, 30])
def test_a_region_that_leans_with_the_head_gives_the_same_points(degrees: float) -> None:
    name = "obama.jpg"
    known = face(name)
    x, y = known.box.centre
    matrix = np.asarray(cv2.getRotationMatrix2D((x, y), degrees, 1), np.float64)
    bgr = picture(name)
    leaning = np.asarray(cv2.warpAffine(bgr, matrix, bgr.shape[1::-1]), np.uint8)
    points = known.points.copy()
    points[:, :2] = apply(matrix, known.points[:, :2])
    region = region_of_landmarks(Landmarks(points, 1.0))
    found = mesh().locate(leaning, region)
    off = np.linalg.norm(found.points[:, :2] - points[:, :2], axis=1)
    assert found.presence > 0.9
    assert np.median(off) < 0.03 * known.box.width


def test_where_there_is_no_face_the_presence_says_so() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    for bgr in (noise, np.full((300, 300, 3), 128, np.uint8)):
        assert mesh().locate(bgr, region_of_box(Box(80, 80, 120, 120))).presence < 0.5
