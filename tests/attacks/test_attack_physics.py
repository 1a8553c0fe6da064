"""The physics of the synthetic attacks, each part against what can be worked out another way."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tests.attacks.hold import Grip, Hold, posed
from tests.attacks.media import Display, Layout, Paper, Sampling, fine_pattern
from tests.attacks.optics import Array, Bend, Pinhole, Pose, apply, plane_homography
from tests.attacks.room import Lighting
from tests.attacks.sensor import Capture, Light, Sensor, banding, drawn_sensor
from tests.attacks.sheet import Sheet

CAMERA = Pinhole.with_view(640, 360, 66)
DAYLIGHT = Lighting((0.0, 0.0, -1.0), diffuse=1.0, lamp_light=0.0, lamp_degrees=5.0, haze=0.0)
PAPER = Paper(200, 200, 0, 0.9, 0.03, 1.0, (1, 1, 1), 0.0, 0.2, 0.0, 30)
SENSOR = Sensor(1e-4, 0.02, 1.0, 0.4, 1e5, 1e-4, 0.0, (1, 1, 1), 0.0, 0.0, 0, 1.0)
LAYOUT = Layout((-100, -60, 100, 60), (-100, -60, 100, 60), 0.0, 1.0, 0.5)
SPOTS = np.array([[x, y] for x in (-80.0, -30, 20, 70) for y in (-45.0, 0, 45)])
TREMBLING = Hold(Grip(4.0, 3.0, 0.1, 0.1), np.random.default_rng(3))


def spotted(_: float) -> Light:
    """White spots at SPOTS on grey paper."""
    width, height = LAYOUT.texels
    x = LAYOUT.matrix[0, 2] + 0.5 * np.arange(width)[np.newaxis, :]
    y = LAYOUT.matrix[1, 2] + 0.5 * np.arange(height)[:, np.newaxis]
    spots = sum(np.exp(-((x - sx) ** 2 + (y - sy) ** 2) / (2 * 2.0**2)) for sx, sy in SPOTS)
    light = (0.1 + 0.8 * np.asarray(spots))[..., np.newaxis].repeat(3, axis=2)
    return np.dstack([light, np.ones((height, width))]).astype(np.float32)


def held(bend: Callable[[float], Bend] | None = None) -> Sheet:
    return Sheet(
        spotted,
        LAYOUT,
        PAPER,
        lambda at: posed(Pose(6.0, -9.0, 4.0, 10.0, 5.0, 420.0), TREMBLING.at(at)).place(
            np.array([0.0, 90.0, 0.0])
        ),
        camera=CAMERA,
        sensor=SENSOR,
        lighting=DAYLIGHT,
        blur_px=0.4,
        bend=bend,
    )


def found(sheet: Sheet, at: float, expected: Array) -> Array:
    """Where the spots are in the picture: centres of their light."""
    seen = sheet.see(at)
    assert seen is not None
    light = np.zeros((CAMERA.height, CAMERA.width, 3), np.float32)
    seen.over(light)
    places = []
    for x, y in np.round(expected).astype(int):
        part = np.maximum(light[y - 6 : y + 7, x - 6 : x + 7, 1] - 0.2, 0)
        down, across = np.mgrid[-6:7, -6:7]
        aside = np.array([(part * across).sum(), (part * down).sum()]) / part.sum()
        places.append(np.array([x, y]) + aside)
    return np.array(places)


@pytest.mark.parametrize("at", [0.0, 0.7, 1.9])
def test_a_flat_print_moves_by_a_homography(at: float) -> None:
    sheet = held()
    expected = apply(sheet.homography(at), SPOTS)
    seen = found(sheet, at, expected)
    assert np.abs(seen - expected).max() < 0.1
    fitted, _ = cv2.findHomography(SPOTS, seen)
    assert np.abs(apply(np.asarray(fitted, np.float64), SPOTS) - seen).max() < 0.1


def test_a_bent_print_does_not_move_by_a_homography() -> None:
    bend = Bend(110.0)
    sheet = held(lambda _: bend)
    rotation, shift = sheet._place(0.7)
    expected = CAMERA.project(bend.lifted(SPOTS) @ rotation.T + shift)
    seen = found(sheet, 0.7, expected)
    assert np.abs(seen - expected).max() < 0.25
    fitted, _ = cv2.findHomography(SPOTS, seen)
    assert np.abs(apply(np.asarray(fitted, np.float64), SPOTS) - seen).max() > 1.0


@pytest.mark.parametrize("radius", [120.0, -150.0])
def test_a_ray_meets_bent_paper_where_the_paper_is(radius: float) -> None:
    bend = Bend(radius, lean=20.0)
    rotation, shift = Pose(5, -12, 3, 10, -20, 400).place(np.zeros(3))
    pixels = CAMERA.project(bend.lifted(SPOTS) @ rotation.T + shift)
    x, y, _, within = bend.hit(
        CAMERA, rotation, shift, pixels[:, 0].astype(np.float64), pixels[:, 1].astype(np.float64)
    )
    assert np.abs(np.column_stack([x, y]) - SPOTS).max() < 1e-6
    assert within.min() > 0


def screen(pitch: float) -> Display:
    return Display(150, 100, 5, pitch, False, 1.0, 0.001, 2.2, 1.0, (1, 1, 1), 0, 0.5, 0.03, 1.0)


def sampled(pitch: float, mm_per_px: float, aperture: float = 0.5) -> Light | None:
    across = (np.arange(256) * mm_per_px).astype(np.float32)
    place = across[np.newaxis, :].repeat(4, axis=0), np.zeros((4, 256), np.float32)
    per_pixel = np.eye(2) * mm_per_px
    return fine_pattern(screen(pitch), place, Sampling(per_pixel, aperture, 0.0))


@pytest.mark.parametrize("pitch", [0.210, 0.190, 0.170, 0.145])
def test_the_moires_frequency_follows_the_pitch(pitch: float) -> None:
    mm_per_px = 0.2
    pattern = sampled(pitch, mm_per_px)
    assert pattern is not None
    stripes = pattern[0, :, 1] - pattern[0, :, 1].mean()
    peak = int(np.abs(np.fft.rfft(stripes * np.hanning(256))).argmax()) / 256
    turns = mm_per_px / pitch
    assert peak == pytest.approx(abs(turns - round(turns)), abs=1.5 / 256)


def test_the_pattern_is_what_sampling_the_stripes_themselves_gives() -> None:
    """The green stripe, drawn at 0.2 um and averaged over each pixel's aperture."""
    pitch, mm_per_px, aperture = 0.19, 0.2, 0.6
    pattern = sampled(pitch, mm_per_px, aperture)
    assert pattern is not None
    measured = []
    for pixel in range(64):
        inside = mm_per_px * (pixel + aperture * np.linspace(-0.5, 0.5, 601))
        lit = np.abs(inside / pitch - np.round(inside / pitch)) < 0.27 / 2
        measured.append(lit.mean() / 0.27 - 1)
    shown = pattern[0, :64, 1] - pattern[0, :, 1].mean()
    # Harmonics above the second are left out.
    assert np.abs(shown - np.array(measured)).max() < 0.12
    assert np.corrcoef(shown, measured)[0, 1] > 0.99


def test_a_grid_far_finer_than_a_binned_pixel_leaves_no_trace() -> None:
    per_pixel = np.eye(2) * 0.6
    place = np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32)
    assert fine_pattern(screen(0.06), place, Sampling(per_pixel, 1.0, 0.45)) is None


def test_pulsed_light_bands_unless_the_exposure_holds_whole_pulses() -> None:
    whole = Sensor(1 / 120, 0.02, 1.0, 0.4, 1e4, 1e-3, 0.0, (1, 1, 1), 0.0, 0.0, 0, 1.0)
    assert np.abs(banding(whole, (240.0, 0.5), 0.0, 360) - 1).max() < 1e-6
    bands = banding(SENSOR, (240.0, 0.5), 0.0, 360)[:, 0, 0]
    # 240 Hz times 20 ms of read-out.
    assert int(np.abs(np.fft.rfft(bands - bands.mean())).argmax()) in {4, 5}


def test_a_hand_trembles_by_what_was_asked_for() -> None:
    hold = Hold(Grip(2.0, 1.0, 0.0, 0.0), np.random.default_rng(1))
    moved = np.array([hold.at(at) for at in np.arange(0, 400, 0.1)])
    assert np.sqrt((moved**2).mean(axis=0)) == pytest.approx([1, 1, 0.6, 2, 1.6, 2.6], rel=0.1)


def test_noise_is_fresh_in_each_frame_and_larger_in_bright_parts() -> None:
    rng = np.random.default_rng(5)
    sensor = Sensor(0.01, 0.02, 1.0, 0.4, 3000, 0.002, 0.0, (1, 1, 1), 0.0, 0.0, 0, 1.0)
    capture = Capture(sensor, 160, 120, rng)
    light = np.full((120, 160, 3), 0.3, np.float32)
    light[:, 80:] = 0.02
    one, other = (capture.expose(light).astype(np.float64) for _ in range(2))
    moved = one - other
    assert moved.std() > 0.5
    assert abs(np.corrcoef(moved.ravel(), one.ravel())[0, 1]) < 0.9
    linear_spread = [((part / 255) ** 2.2).std() for part in (one[:, :80], one[:, 80:])]
    assert linear_spread[0] > 1.5 * linear_spread[1]


def test_a_lamp_in_the_mirror_direction_glares_and_elsewhere_does_not() -> None:
    ray, normal = np.array([[0.0, 0.0, 1.0]]), np.array([0.0, 0.0, -1.0])
    towards = Lighting((0.0, 0.0, -1.0), 0.7, 40.0, 5.0, 0.0)
    aside = Lighting((0.0, -0.9, -np.sqrt(1 - 0.81)), 0.7, 40.0, 5.0, 0.0)
    assert towards.mirrored(ray, normal, 0.04, 2.0)[0] > 1.0
    assert aside.mirrored(ray, normal, 0.04, 2.0)[0] < 0.001


def test_what_the_camera_is_does_not_depend_on_the_attack() -> None:
    one, other = (drawn_sensor(np.random.default_rng(9), 640) for _ in range(2))
    assert one == other


def test_a_homography_takes_the_origin_to_where_the_pose_puts_it() -> None:
    rotation, shift = Pose(z=500.0, x=30.0).place(np.zeros(3))
    seen = apply(plane_homography(CAMERA, rotation, shift), np.zeros((1, 2)))
    assert seen[0] == pytest.approx([319.5 + CAMERA.focal * 30 / 500, 179.5])
