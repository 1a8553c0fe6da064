"""The cue that holds what shows a display, and for how long it remembers."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from appliance.liveness.cue import Cue, View
from appliance.liveness.moire import moire
from appliance.liveness.texture import BANDS, CALM_BANDS, CALM_MOIRE, MOIRE, TextureCue
from appliance.types import Frame, Landmarks, Pixels
from tests.portraits import face, picture

NAME = "obama.jpg"


def portrait() -> tuple[Pixels, Landmarks]:
    """A real face, small enough to be quick."""
    whole, mesh = picture(NAME), face(NAME)
    scale = 60 / float(np.linalg.norm(mesh.points[33, :2] - mesh.points[263, :2]))
    small = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    return grey, replace(mesh, points=mesh.points * np.float32(scale))


def noisy(grey: Pixels, rng: np.random.Generator) -> Pixels:
    light = grey.astype(np.float32) + 1.5 * rng.standard_normal(grey.shape)
    return np.asarray(np.clip(light, 0, 255), np.uint8)


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


def test_moire_is_told_from_the_first_frame_and_bands_are_not() -> None:
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
