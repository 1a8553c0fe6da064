"""The geometry cue: sheets, however they move, show no relief; solid heads and living faces do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance.hardware.videos import Video
from appliance.liveness.cue import View
from appliance.liveness.geometry import EVERY_S, FEWEST_SAMPLES, WINDOW_S, GeometryCue
from appliance.liveness.sheet import SIDE, SheetTracker, levelled, powers, robust
from appliance.types import Floats, Frame, Landmarks, Pixels
from appliance.vision.tracker import follow
from tests.portraits import acquisition, face, mesh, picture

Doubles = NDArray[np.float64]
Heights = Callable[[Doubles, Doubles], Doubles]

# What a living head must reach, and a picture must stay below; see docs/liveness.md.
TELLING = 3.0
WIDTH, HEIGHT, STEP = 320, 300, 4
MIDDLE = np.array([WIDTH / 2, HEIGHT / 2])
# Pixels between the outer corners of the eyes, and from the lens to the face.
EYES, AWAY = 84.0, 600.0
FPS, FRAMES = 15, 14


@cache
def scene() -> tuple[Pixels, Floats]:
    """A real face in the middle of a small picture, and its mesh."""
    points = face("obama.jpg").points
    scale = EYES / float(np.linalg.norm(points[33, :2] - points[263, :2]))
    place = MIDDLE - scale * points[:, :2].mean(axis=0)
    to_scene = np.column_stack([scale * np.eye(2), place])
    bgr = cv2.warpAffine(picture("obama.jpg"), to_scene, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
    moved = points * scale
    moved[:, :2] += place
    return np.asarray(bgr, np.uint8), moved.astype(np.float32)


@cache
def head_heights() -> Doubles:
    """The mesh's depth, carried on beyond the face; one value in STEP by STEP pixels."""
    points = scene()[1].astype(np.float64)
    down, across = np.mgrid[0:HEIGHT:STEP, 0:WIDTH:STEP]
    square = (across[..., None] - points[:, 0]) ** 2 + (down[..., None] - points[:, 1]) ** 2
    near = np.exp(-(square - square.min(axis=2, keepdims=True)) / 40)
    heights = (near * points[:, 2]).sum(axis=2) / near.sum(axis=2)
    return np.asarray(cv2.GaussianBlur(heights, (0, 0), 1.0), np.float64)


def head(x: Doubles, y: Doubles) -> Doubles:
    """A solid head."""
    return sampled(head_heights(), (x + MIDDLE[0]) / STEP, (y + MIDDLE[1]) / STEP)


def sampled(values: Doubles, x: Doubles, y: Doubles) -> Doubles:
    """Between the pixels of an array, and beyond its edges as at them."""
    maps = [np.asarray(np.atleast_2d(part), np.float32) for part in (x, y)]
    between = cv2.remap(values, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(between, np.float64).reshape(x.shape)


def flat(x: Doubles, _: Doubles) -> Doubles:
    """A picture on a board."""
    return np.zeros_like(x)


def bent(radius: float) -> Heights:
    """A picture on a cylinder that stands upright, radius in distances of the eyes."""
    return lambda x, _: x**2 / (2 * radius * EYES)


def projected(x: Doubles, y: Doubles, z: Doubles, pose: Doubles) -> tuple[Doubles, Doubles]:
    """Where points about the middle are seen. pose: pitch, yaw, roll in degrees; x, y, z moved."""
    rotation = np.asarray(cv2.Rodrigues(np.radians(pose[:3]))[0])
    across, down, deep = np.tensordot(rotation, np.stack([x, y, z]), axes=1)
    depth = AWAY + deep + pose[5]
    return (
        (across + pose[3]) * AWAY / depth + MIDDLE[0],
        (down + pose[4]) * AWAY / depth + MIDDLE[1],
    )


def looked_at(surface: Heights, pose: Doubles) -> Pixels:
    """The scene's picture on a surface: which of its points is seen where, found by iteration."""
    bgr, _ = scene()
    down, across = np.mgrid[0:HEIGHT:STEP, 0:WIDTH:STEP].astype(np.float64)
    x, y = across - MIDDLE[0], down - MIDDLE[1]
    for _ in range(12):
        seen_x, seen_y = projected(x, y, surface(x, y), pose)
        x, y = x + (across - seen_x), y + (down - seen_y)
    wide, high = np.meshgrid(np.arange(WIDTH) / STEP, np.arange(HEIGHT) / STEP)
    maps = [np.asarray(sampled(part, wide, high), np.float32) for part in (x, y)]
    maps = [part + np.float32(middle) for part, middle in zip(maps, MIDDLE, strict=True)]
    seen = cv2.remap(bgr, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.uint8)


def views(
    surface: Heights,
    amounts: Doubles,
    *,
    flexed: Callable[[int], Heights] | None = None,
    light: Callable[[int], Doubles] | None = None,
    frames: int = FRAMES,
) -> Iterator[View]:
    """A surface that swings by `amounts` (pitch, yaw, roll, x, y, z) once in a second and a half.

    The mesh is where its points are seen on the surface, with the depth that it sees in any
    picture, turned.
    """
    _, points = scene()
    x, y = points[:, 0] - MIDDLE[0], points[:, 1] - MIDDLE[1]
    noise = np.random.default_rng(1)
    for number in range(frames):
        pose = amounts * np.sin(2 * np.pi * number / FPS / 1.5 + np.arange(6) * 0.4)
        shape = surface if flexed is None else flexed(number)
        lit = looked_at(shape, pose).astype(np.float32)
        if light is not None:
            lit *= np.float32(light(number)[..., None])
        lit += 1.5 * noise.standard_normal((HEIGHT, WIDTH, 1), np.float32)
        bgr = np.clip(lit, 0, 255).astype(np.uint8)
        seen = projected(x, y, shape(x.astype(np.float64), y.astype(np.float64)), pose)
        turned = cv2.Rodrigues(np.radians(pose[:3]))[0][2] @ np.stack([x, y, points[:, 2]])
        found = np.column_stack([*seen, turned]).astype(np.float32)
        yield View(Frame(bgr, number / FPS, f"scene#{number}", number), Landmarks(found, 1.0))


def measured(shown: Iterator[View]) -> dict[str, float]:
    cue = GeometryCue()
    for view in shown:
        cue.see(view)
    return dict(cue.measures())


STILL = np.zeros(6)
NOD = np.array([7.0, 0, 0, 0, 0, 0])
SHAKE = np.array([0, 7.0, 0, 0, 0, 0])
ALL = np.array([15.0, 20.0, 8.0, 12.0, 8.0, 60.0])


@settings(max_examples=5, deadline=None)
@given(
    swing=st.tuples(*(st.floats(-most, most) for most in (25, 25, 10, 20, 20, 80))),
    radius=st.floats(1.5, 50),
)
def test_no_sheet_shows_relief_however_it_is_held(swing: tuple[float, ...], radius: float) -> None:
    assert measured(views(bent(radius), np.array(swing))).get("relief", 0.0) < TELLING


def test_a_board_that_is_tilted_far_shows_that_it_has_no_depth() -> None:
    found = measured(views(flat, ALL))
    assert found["relief"] < TELLING
    assert found["turn"] > 1
    assert abs(found["parallax"]) < 0.1


@pytest.mark.parametrize("swing", [NOD, SHAKE])
def test_a_head_that_nods_or_turns_a_little_shows_relief(swing: Doubles) -> None:
    assert measured(views(head, swing))["relief"] > TELLING


def test_a_head_that_does_not_move_shows_none() -> None:
    assert measured(views(head, STILL))["relief"] < TELLING


def test_paper_that_is_flexed_while_it_is_tilted_shows_none() -> None:
    def flexed(number: int) -> Heights:
        return bent(2.0 + 1.5 * float(np.sin(number / 3)))

    assert measured(views(flat, ALL / 2, flexed=flexed))["relief"] < TELLING


def test_light_that_wanders_over_a_still_picture_is_no_motion() -> None:
    across = np.linspace(-1, 1, WIDTH)[None, :] * np.ones((HEIGHT, 1))

    def light(number: int) -> Doubles:
        return np.asarray(0.75 + 0.25 * np.sin(3 * across + number / 3))

    found = measured(views(flat, STILL, light=light))
    assert found["relief"] < TELLING


def test_a_few_frames_tell_nothing() -> None:
    assert measured(views(head, NOD, frames=FEWEST_SAMPLES)) == {}


def test_nothing_is_told_of_a_face_without_detail() -> None:
    def grey(view: View) -> View:
        frame = Frame(np.full_like(view.frame.bgr, 127), view.frame.at, "grey")
        return View(frame, view.face)

    assert measured(grey(view) for view in views(head, NOD)) == {}


def test_what_was_seen_is_forgotten_on_request_and_when_time_runs_backwards() -> None:
    shown = list(views(head, NOD))
    cue = GeometryCue()
    for view in shown:
        cue.see(view)
    assert cue.measures()["relief"] > TELLING
    cue.see(shown[0])
    assert cue.measures() == {}
    for view in shown[1:]:
        cue.see(view)
    cue.forget()
    assert cue.measures() == {}


def test_what_was_seen_long_ago_does_not_count() -> None:
    shown = list(views(head, NOD))
    cue = GeometryCue()
    for view in shown:
        cue.see(view)
    last = shown[-1]
    later = Frame(last.frame.bgr, last.frame.at + WINDOW_S + 0.1, "later")
    cue.see(View(later, last.face))
    assert cue.measures() == {}


def test_more_frames_a_second_show_the_same_for_less() -> None:
    shown = list(views(head, NOD))
    twice = [
        View(Frame(view.frame.bgr, view.frame.at + late, "scene"), view.face)
        for view in shown
        for late in (0.0, EVERY_S / 2)
    ]
    assert measured(iter(twice)) == measured(iter(shown))


def test_a_face_that_is_half_outside_the_picture_is_no_mishap() -> None:
    aside = np.array([WIDTH * 0.6, 0], np.float32)

    def moved(view: View) -> View:
        points = view.face.points.copy()
        points[:, :2] += aside
        return View(view.frame, Landmarks(points, 1.0))

    assert measured(moved(view) for view in views(flat, ALL)).get("relief", 0.0) < TELLING


def test_a_robust_fit_leaves_outliers_out() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, SIDE, (60, 2))
    truth = rng.normal(0, 1, (10, 2))
    values = powers(points) @ truth
    values[:6] += 20
    fit = robust(powers(points), values)
    assert fit is not None
    assert np.allclose(fit.coefficients, truth, atol=0.01)
    assert (fit.weights[:6] == 0).all()


def test_too_few_points_are_not_fitted() -> None:
    assert robust(powers(np.zeros((12, 2))), np.zeros((12, 2))) is None


def test_levelling_takes_off_light_and_contrast() -> None:
    grey = np.random.default_rng(0).integers(60, 120, (SIDE, SIDE)).astype(np.uint8)
    grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 2), np.uint8)
    wide = np.asarray((grey - 60.0) * 4 + 15, np.uint8)
    change = np.abs(levelled(wide).astype(int) - levelled(np.asarray(wide // 2 + 90, np.uint8)))
    assert np.median(change) < 6


def test_corners_that_are_not_found_again_are_not_followed() -> None:
    rng = np.random.default_rng(0)
    grey = np.asarray(rng.integers(0, 255, (SIDE, SIDE)), np.uint8)
    other = np.asarray(rng.integers(0, 255, (SIDE, SIDE)), np.uint8)
    tracker = SheetTracker(grey, rng.uniform(20, 140, (60, 2)).astype(np.float32))
    followed = tracker.follow(other, np.eye(2, 3))
    assert followed is None or followed.found.mean() < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["office/school.mkv", "office/book.mkv"])
def test_a_living_person_far_away_shows_relief_within_two_seconds(data: Path, name: str) -> None:
    cue, last = GeometryCue(), None
    video = Video(data / "clips" / name, name)
    for number in range(60):
        assert video.advance()
        bgr = video.picture()
        assert bgr is not None
        last = follow(mesh(), bgr, last) if last else acquisition().faces(bgr)[0]
        assert last is not None
        cue.see(View(Frame(bgr, number / video.fps, name), last))
    video.close()
    assert cue.measures()["relief"] > TELLING
