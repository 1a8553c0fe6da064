"""Stirring eyes, and the cue that holds the three measures."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.liveness.cue import Cue, View
from appliance.liveness.moire import moire
from appliance.liveness.stirring import Stirring
from appliance.liveness.texture import (
    BANDS,
    CALM_BANDS,
    CALM_MOIRE,
    MOIRE,
    STIRRING,
    TextureCue,
)
from appliance.types import Floats, Frame, Landmarks, Pixels
from appliance.vision.mesh import LEFT_EYE, RIGHT_EYE
from tests.portraits import face, picture

NAME = "obama.jpg"
APART_S = 2 / 15


def portrait() -> tuple[Pixels, Landmarks]:
    """A real face, small enough to be quick."""
    whole, mesh = picture(NAME), face(NAME)
    scale = 60 / float(np.linalg.norm(mesh.points[33, :2] - mesh.points[263, :2]))
    small = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    return grey, replace(mesh, points=mesh.points * np.float32(scale))


def closed(grey: Pixels, mesh: Landmarks) -> Pixels:
    """Both eyes covered by what is above them, as by lids."""
    done = grey.copy()
    for eye in (LEFT_EYE, RIGHT_EYE):
        points = mesh.points[list(eye), :2]
        (left, top), (right, bottom) = (
            points.min(axis=0).astype(int),
            points.max(axis=0).astype(int),
        )
        done[top - 1 : bottom + 2, left : right + 1] = grey[top - 5, left : right + 1]
    return done


def moved(grey: Pixels, mesh: Landmarks, matrix: Floats) -> tuple[Pixels, Landmarks]:
    """Seen from elsewhere: picture and mesh by the same (2, 3) matrix."""
    size = grey.shape[1], grey.shape[0]
    points = mesh.points.copy()
    points[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    shown = cv2.warpAffine(grey, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(shown, np.uint8), replace(mesh, points=points)


def noisy(grey: Pixels, rng: np.random.Generator, gain: float = 1.0) -> Pixels:
    light = gain * grey.astype(np.float32) + 1.5 * rng.standard_normal(grey.shape)
    return np.asarray(np.clip(light, 0, 255), np.uint8)


def held(rng: np.random.Generator, number: int, sway: float) -> Floats:
    """A hand's shake, and a slow turn that narrows the picture."""
    narrow = 1 - 0.05 * np.sin(number / 4) ** 2
    shift = sway * rng.standard_normal(2)
    return np.array([[narrow, 0.01 * np.sin(number / 5), shift[0]], [0, 1, shift[1]]], np.float32)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1000), sway=st.floats(0, 3), dim=st.floats(0.5, 1.0))
def test_a_picture_does_not_stir_however_it_is_held(seed: int, sway: float, dim: float) -> None:
    grey, mesh = portrait()
    rng = np.random.default_rng(seed)
    stirring = Stirring()
    for number in range(14):
        shown, there = moved(grey, mesh, held(rng, number, sway))
        stirring.see(noisy(shown, rng, dim * (1 - 0.01 * number)), there, APART_S * number)
    found = stirring.measure()
    assert found is not None
    assert found < 1.6


@pytest.mark.parametrize("gain", [0.5, 1.0])
def test_a_blink_stirs(gain: float) -> None:
    grey, mesh = portrait()
    blink = closed(grey, mesh)
    rng = np.random.default_rng(1)
    stirring = Stirring()
    for number in range(14):
        shown, there = moved(blink if number in {6, 7} else grey, mesh, held(rng, number, sway=0.5))
        stirring.see(noisy(shown, rng, gain), there, APART_S * number)
    found = stirring.measure()
    assert found is not None
    assert found > 3


def test_one_eye_alone_is_a_reflection_and_no_blink() -> None:
    grey, mesh = portrait()
    half = grey.copy()
    middle = int(mesh.points[168, 0])
    half[:, :middle] = closed(grey, mesh)[:, :middle]
    rng = np.random.default_rng(2)
    stirring = Stirring()
    for number in range(14):
        stirring.see(noisy(half if number in {6, 7} else grey, rng), mesh, APART_S * number)
    found = stirring.measure()
    assert found is not None
    assert found < 1.6


def test_a_picture_without_noise_or_edges_is_calm_and_finite() -> None:
    _, mesh = portrait()
    flat = np.full((400, 400), 90, np.uint8)
    stirring = Stirring()
    for number in range(14):
        stirring.see(flat, mesh, APART_S * number)
    assert stirring.measure() == pytest.approx(0.0, abs=0.1)


def test_frames_after_a_pause_are_not_compared() -> None:
    grey, mesh = portrait()
    stirring = Stirring()
    for number in range(20):
        stirring.see(grey, mesh, 1.0 * number)
    assert stirring.measure() is None


def shown_to(cue: Cue, frames: int) -> None:
    grey, mesh = portrait()
    rng = np.random.default_rng(4)
    for number in range(frames):
        bgr = np.repeat(noisy(grey, rng)[..., np.newaxis], 3, axis=2)
        cue.see(View(Frame(bgr, number / 15, "still"), mesh))


def test_a_calm_pattern_is_no_sign_of_life() -> None:
    cue = TextureCue()
    shown_to(cue, 24)
    found = cue.measures()
    assert found[MOIRE] == CALM_MOIRE
    assert found.get(BANDS, CALM_BANDS) == CALM_BANDS
    assert found[STIRRING] < 1.6


def test_moire_is_told_from_the_first_frame_and_motion_is_not() -> None:
    cue = TextureCue()
    assert not cue.measures()
    shown_to(cue, 1)
    assert set(cue.measures()) == {MOIRE}


def test_what_is_forgotten_is_not_told() -> None:
    cue = TextureCue()
    shown_to(cue, 24)
    cue.forget()
    assert not cue.measures()


def test_a_weave_in_a_few_frames_does_not_count() -> None:
    """One of six samples has a wave: the median does not follow it."""
    grey, mesh = portrait()
    y, x = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]]
    woven = np.clip(grey * (1 + 0.3 * np.sin(x + 1.3 * y)), 0, 255).astype(np.uint8)
    told = moire(np.asarray(woven, np.uint8), mesh)
    assert told is not None
    assert told > CALM_MOIRE
    cue = TextureCue()
    for number in range(32):
        bgr = np.repeat((woven if number == 6 else grey)[..., np.newaxis], 3, axis=2)
        cue.see(View(Frame(bgr, number / 15, "still"), mesh))
    assert cue.measures()[MOIRE] == CALM_MOIRE
