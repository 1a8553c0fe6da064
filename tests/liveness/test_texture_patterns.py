"""Moiré and bands: what a display adds to a picture is seen, what cameras and rooms do is not."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.liveness.bands import Bands
from appliance.liveness.moire import moire, patch_side
from appliance.liveness.texture import CALM_BANDS, CALM_MOIRE
from appliance.types import Box, Floats, Landmarks, Pixels
from tests.portraits import face, picture
from tests.toys import mesh_in

FACE = mesh_in(Box(190, 60, 130, 160))
WIDTH, HEIGHT = 512, 288


def grey(light: Floats) -> Pixels:
    return np.asarray(np.clip(np.round(light), 0, 255), np.uint8)


def scene(seed: int = 0, noise: float = 2.0) -> Floats:
    """Slopes, a few edges and a sensor's noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    light = 110 + 30 * np.sin(x / 41) + 20 * np.cos(y / 53)
    light[100:112, 220:250] -= 60
    light[100:112, 265:295] -= 60
    return np.asarray(light + noise * rng.standard_normal(light.shape), np.float32)


def wave(across: float, down: float, share: float) -> Floats:
    """Factors of a wave; across, down: cycles per pixel."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.asarray(1 + share * np.sin(2 * np.pi * (across * x + down * y)), np.float32)


def measured(light: Floats, where: Landmarks = FACE) -> float:
    found = moire(grey(light), where)
    assert found is not None
    return found


@pytest.mark.parametrize("mirrored", [1, -1])
@pytest.mark.parametrize(("length", "degrees"), [(2.6, 50), (3.1, 35), (4.3, 63), (5.3, 30)])
def test_a_slanted_wave_of_a_few_pixels_stands_out(
    length: float, degrees: float, mirrored: int
) -> None:
    across, down = np.cos(np.radians(degrees)) / length, np.sin(np.radians(degrees)) / length
    assert measured(scene() * wave(mirrored * across, down, 0.04)) > CALM_MOIRE + 3


@settings(max_examples=8, deadline=None)
@given(gain=st.floats(0.4, 1.6), offset=st.floats(0, 30), seed=st.integers(0, 50))
def test_neither_brightness_nor_noise_is_moire(gain: float, offset: float, seed: int) -> None:
    assert measured(scene(seed) * gain + offset) < CALM_MOIRE


@pytest.mark.parametrize("quality", [40, 70, 90])
def test_the_blocks_of_jpeg_are_not_moire(quality: int) -> None:
    _, packed = cv2.imencode(".jpg", grey(scene()), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    assert measured(np.asarray(decoded, np.float32)) < CALM_MOIRE


@pytest.mark.parametrize("enlarged", [0.7, 2.0])
def test_a_camera_that_resizes_makes_no_moire(enlarged: float) -> None:
    resized = cv2.resize(scene(), None, fx=enlarged, fy=enlarged)
    box = FACE.box
    where = mesh_in(Box(*(enlarged * side for side in (box.left, box.top, box.width, box.height))))
    assert measured(np.asarray(resized, np.float32), where) < CALM_MOIRE


def test_edges_and_rows_are_no_points() -> None:
    light = scene()
    light[:, 200:204] = 20
    cv2.line(light, (190, 60), (320, 220), (20.0,), 3)
    light[::2] += 4
    assert measured(light) < CALM_MOIRE


@pytest.mark.parametrize("name", ["obama.jpg", "biden.jpg"])
def test_real_faces_are_calm(name: str) -> None:
    luma = np.asarray(cv2.cvtColor(picture(name), cv2.COLOR_BGR2GRAY), np.uint8)
    found = moire(luma, face(name))
    assert found is not None
    assert found < CALM_MOIRE


def test_a_face_that_is_too_small_or_outside_is_not_judged() -> None:
    light = grey(scene())
    assert moire(light, mesh_in(Box(100, 100, 30, 36))) is None
    assert moire(light, mesh_in(Box(-125, 60, 130, 160))) is None
    assert moire(light, mesh_in(Box(600, 400, 130, 160))) is None
    assert patch_side(39) is None


Light = Callable[[int], Floats]


def seen(factor: Light, frames: int = 16) -> float | None:
    """Bands of a scene that is multiplied with factor(frame number)."""
    bands = Bands()
    for number in range(frames):
        bands.see(grey(scene(number) * factor(number)), FACE)
    return bands.measure()


def pulsed(number: int, *, cycles: float = 21.0, turns: float = 0.31) -> Floats:
    """(HEIGHT, 1): a lamp's or display's light on the rows of a rolling shutter."""
    rows = np.arange(HEIGHT, dtype=np.float32)[:, np.newaxis] / HEIGHT
    light = 1 + 0.03 * np.cos(2 * np.pi * (cycles * rows + turns * number))
    return np.asarray(light, np.float32)


def on_display(number: int) -> Floats:
    factor = np.ones((HEIGHT, WIDTH), np.float32)
    factor[:, 160:350] = pulsed(number)
    return factor


def test_bands_that_travel_down_the_face_alone_are_seen() -> None:
    found = seen(on_display)
    assert found is not None
    assert found > CALM_BANDS + 3


@settings(max_examples=3, deadline=None)
@given(cycles=st.floats(3, 40), turns=st.floats(-0.5, 0.5))
def test_a_lamp_bands_the_whole_scene_and_is_no_display(cycles: float, turns: float) -> None:
    found = seen(lambda number: pulsed(number, cycles=cycles, turns=turns))
    assert found is not None
    assert found < CALM_BANDS


def test_exposure_and_motion_are_no_bands() -> None:
    rng = np.random.default_rng(3)

    def nodding(number: int) -> Floats:
        factor = np.full((HEIGHT, WIDTH), 1 + 0.1 * rng.random(), np.float32)
        top = 100 + int(10 * np.sin(number))
        factor[top : top + 30, 200:310] = 0.7
        return factor

    found = seen(nodding)
    assert found is not None
    assert found < CALM_BANDS


def test_nothing_is_said_of_bands_too_early_or_without_a_scene_beside_the_face() -> None:
    assert seen(on_display, frames=5) is None
    bands = Bands()
    for number in range(12):
        bands.see(grey(scene(number)[:, 190:320]), mesh_in(Box(0, 60, 130, 160)))
    assert bands.measure() is None


def test_a_new_size_of_picture_begins_anew() -> None:
    bands = Bands()
    for number in range(12):
        bands.see(grey(scene(number) * on_display(number)), FACE)
    bands.see(grey(scene()[:200, :400]), FACE)
    assert bands.measure() is None
