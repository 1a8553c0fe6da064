"""A good picture has no fault; each way of spoiling it is called by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from appliance.types import Box, Fault, Landmarks, Pixels, Quality
from appliance.vision.alignment import FIVE_POINT_112
from appliance.vision.mesh import region_of_box, region_of_landmarks
from appliance.vision.quality import assess, foreshortening, head_pose, share_outside, sharpness
from tests.portraits import LIMITS, NAMES, face, mesh, picture
from tests.toys import mesh_in

NAME = "obama.jpg"


def judged(bgr: Pixels, landmarks: Landmarks) -> Quality:
    return assess(bgr, landmarks, FIVE_POINT_112.crop(bgr, landmarks), LIMITS)


def seen_again(bgr: Pixels, near: Landmarks) -> Quality:
    """Judged with the landmarks that the mesh really finds in the spoilt picture."""
    return judged(bgr, mesh().locate(bgr, region_of_landmarks(near)))


@pytest.mark.parametrize("name", NAMES)
def test_a_portrait_has_no_fault(name: str) -> None:
    found = judged(picture(name), face(name))
    assert found.faults == ()
    assert found.good
    assert found.eye_distance > 90
    assert 80 < found.brightness < 180
    assert found.clipped < 0.05
    assert abs(found.yaw) < 25
    assert abs(found.roll) < 20


# --- spoilt pictures ----------------------------------------------------------------------

Spoil = Callable[[Pixels], Pixels]


def blurred(bgr: Pixels) -> Pixels:
    return np.asarray(cv2.GaussianBlur(bgr, (0, 0), 9), np.uint8)


def dark(bgr: Pixels) -> Pixels:
    return np.asarray(bgr * 0.12, np.uint8)


def burnt(bgr: Pixels) -> Pixels:
    return np.asarray(np.clip(bgr * 3.0, 0, 255), np.uint8)


def half_burnt(bgr: Pixels) -> Pixels:
    """A lamp from the side: on average there is not too much light."""
    lit = (bgr * 0.6).astype(np.uint8)
    lit[:, round(face(NAME).box.centre[0]) :] = 254
    return lit


def pale(bgr: Pixels) -> Pixels:
    return np.asarray(np.clip(bgr * 0.2 + 200, 0, 255), np.uint8)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (blurred, Fault.BLURRED),
        (dark, Fault.TOO_DARK),
        (burnt, Fault.OVEREXPOSED),
        (half_burnt, Fault.OVEREXPOSED),
        (pale, Fault.OVEREXPOSED),
    ],
)
def test_a_spoilt_picture_is_told_by_its_fault(spoil: Spoil, fault: Fault) -> None:
    found = judged(spoil(picture(NAME)), face(NAME))
    assert found.faults[0] is fault
    assert not found.good


def test_a_far_face_is_too_small_and_nothing_else() -> None:
    far = np.asarray(cv2.resize(picture(NAME), None, fx=0.2, fy=0.2), np.uint8)
    known = face(NAME)
    found = seen_again(far, Landmarks(known.points * np.float32(0.2), 1.0))
    assert found.faults == (Fault.TOO_SMALL,)
    assert found.eye_distance == pytest.approx(
        0.2 * judged(picture(NAME), known).eye_distance, rel=0.1
    )


def test_turning_the_head_brings_the_eyes_no_nearer_to_each_other() -> None:
    bgr = np.full((400, 400, 3), 128, np.uint8)
    ahead = judged(bgr, posed()).eye_distance
    for yaw in (-50, -25, 25, 50):
        assert judged(bgr, posed(yaw=yaw)).eye_distance == pytest.approx(ahead, rel=0.02)
    # A profile shows too little of the eyes for more than a doubling.
    assert foreshortening(85) == 0.5


def test_a_face_half_beyond_the_edge_is_cut_off() -> None:
    known = face(NAME)
    middle = round(known.box.centre[0])
    cut = np.ascontiguousarray(picture(NAME)[:, middle:])
    points = known.points - np.array([middle, 0, 0], np.float32)
    found = judged(cut, Landmarks(points, 1.0))
    assert found.faults[0] is Fault.CUT_OFF


def test_a_head_on_its_side_is_turned_away() -> None:
    bgr = np.ascontiguousarray(np.rot90(picture(NAME)))
    known = face(NAME).points
    turned = np.stack([known[:, 1], picture(NAME).shape[1] - 1 - known[:, 0], known[:, 2]], axis=1)
    found = seen_again(bgr, Landmarks(turned.astype(np.float32), 1.0))
    assert Fault.TURNED_AWAY in found.faults
    assert found.roll == pytest.approx(-90, abs=5)


def test_what_a_person_should_mend_first_is_named_first() -> None:
    far = blurred(dark(np.asarray(cv2.resize(picture(NAME), None, fx=0.2, fy=0.2), np.uint8)))
    found = judged(far, Landmarks(face(NAME).points * np.float32(0.2), 1.0))
    assert found.faults == (Fault.TOO_SMALL, Fault.TOO_DARK, Fault.BLURRED)


def test_limits_are_the_installers() -> None:
    bgr, known = picture(NAME), face(NAME)
    crop = FIVE_POINT_112.crop(bgr, known)
    strict = replace(LIMITS, min_eye_distance=500, max_yaw=0.1)
    assert assess(bgr, known, crop, strict).faults == (Fault.TOO_SMALL, Fault.TURNED_AWAY)


# --- sharpness ----------------------------------------------------------------------------


def test_more_blur_is_less_sharp_and_light_does_not_matter() -> None:
    def measured(bgr: Pixels) -> float:
        return judged(bgr, face(NAME)).sharpness

    bgr = picture(NAME)
    steps = [
        measured(np.asarray(cv2.GaussianBlur(bgr, (0, 0), sigma), np.uint8))
        for sigma in (0.5, 2, 4, 8)
    ]
    assert steps == sorted(steps, reverse=True)
    dimmed = measured((bgr * 0.5).astype(np.uint8))
    assert dimmed == pytest.approx(measured(bgr), rel=0.1)


def shaken(bgr: Pixels) -> Pixels:
    streak = np.zeros((41, 41), np.float32)
    np.fill_diagonal(streak, 1 / 41)
    return np.asarray(cv2.filter2D(bgr, -1, streak), np.uint8)


def test_a_streak_in_any_direction_takes_sharpness_away() -> None:
    sharp = judged(picture(NAME), face(NAME)).sharpness
    assert judged(shaken(picture(NAME)), face(NAME)).sharpness < 0.5 * sharp


def test_a_flat_patch_is_not_sharp() -> None:
    assert sharpness(np.full((64, 56), 90, np.uint8)) == 0


# --- pose ---------------------------------------------------------------------------------


def posed(yaw: float = 0, pitch: float = 0, roll: float = 0) -> Landmarks:
    """A flat face turned in space by so many degrees."""
    points = mesh_in(Box(80, 60, 240, 288)).points.astype(float)
    middle = points.mean(axis=0)
    for degrees, (one, other) in ((yaw, (2, 0)), (pitch, (2, 1)), (roll, (0, 1))):
        turn = np.eye(3)
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn[one, one] = turn[other, other] = cos
        turn[one, other], turn[other, one] = -sin, sin
        points = (points - middle) @ turn.T + middle
    return Landmarks(points.astype(np.float32), 1.0)


@pytest.mark.parametrize("degrees", [-60, -20, 0, 20, 60])
def test_each_turn_of_the_head_is_measured_alone(degrees: float) -> None:
    neutral = head_pose(posed())
    assert abs(head_pose(posed(yaw=degrees))[0]) == pytest.approx(abs(degrees), abs=0.5)
    pitched = head_pose(posed(pitch=degrees))[1] - neutral[1]
    assert abs(pitched) == pytest.approx(abs(degrees), abs=0.5)
    assert head_pose(posed(roll=degrees))[2] == pytest.approx(degrees, abs=0.5)
    assert head_pose(posed(yaw=degrees))[2] == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize(
    "landmarks",
    [posed(yaw=60), posed(yaw=-60), posed(pitch=50), posed(pitch=-50), posed(roll=50)],
    ids=["left", "right", "up", "down", "leaning"],
)
def test_a_turned_head_is_turned_away(landmarks: Landmarks) -> None:
    texture = np.random.default_rng(0).integers(60, 200, (400, 400, 1), np.uint8)
    bgr = np.repeat(texture, 3, axis=2)
    assert judged(bgr, landmarks).faults == (Fault.TURNED_AWAY,)


def test_mirrored_pictures_turn_the_other_way() -> None:
    name = "obama2.jpg"
    bgr = np.ascontiguousarray(picture(name)[:, ::-1])
    here = judged(picture(name), face(name))
    points = face(name).points * (-1, 1, 1) + (bgr.shape[1] - 1, 0, 0)
    near = Landmarks(points.astype(np.float32), 1.0)
    # The mirror swaps left and right points, so the mesh looks anew.
    x, y = near.box.centre
    side = near.box.width
    there = judged(
        bgr, mesh().locate(bgr, region_of_box(Box(x - side / 2, y - side / 2, side, side)))
    )
    assert here.yaw < -10
    assert there.yaw == pytest.approx(-here.yaw, abs=5)
    assert there.roll == pytest.approx(-here.roll, abs=5)


def test_the_share_outside_counts_points() -> None:
    inside = mesh_in(Box(10, 10, 50, 60))
    assert share_outside(inside, 100, 100) == 0
    assert share_outside(inside, 100, 0) == 1
    half = share_outside(mesh_in(Box(-50, 10, 100, 60)), 100, 100)
    assert half == pytest.approx(0.5, abs=0.05)
