"""Pictures that show nothing, and pictures that only look as if they did."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance import assemble
from appliance.config import CameraConfig, Config
from appliance.hardware.latest import Handling
from appliance.types import Frame, Pixels, TroubleKind
from appliance.vision.scene import SceneLimits, SceneWatch, fault_of, measure, shows_something

LIMITS = SceneLimits()


def plain(level: float, noise: float = 0.0, seed: int = 0) -> Pixels:
    """One grey level, with a sensor's noise."""
    random = np.random.default_rng(seed).normal(level, noise, (360, 640, 3))
    return np.clip(random, 0, 255).round().astype(np.uint8)


def hall(seed: int = 0, light: float = 1.0) -> Pixels:
    """A picture of something: a bright door in a dim wall, and noise."""
    picture = plain(60, 3, seed)
    picture[60:, 200:400] = plain(150, 3, seed)[60:, 200:400]
    return (picture * light).astype(np.uint8)


def fault(picture: Pixels, *, was_bad: bool = False) -> TroubleKind | None:
    return fault_of(measure(picture, LIMITS.burnt), LIMITS, was_bad=was_bad)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (plain(0), TroubleKind.DARK),
        (plain(8, noise=8), TroubleKind.DARK),  # a sensor at its highest gain
        (hall(light=0.15), TroubleKind.DARK),
        (hall(light=0.3), None),
        (plain(255), TroubleKind.OVEREXPOSED),
        (plain(253, noise=1), TroubleKind.OVEREXPOSED),
        (plain(120), TroubleKind.COVERED),
        (plain(120, noise=10), TroubleKind.COVERED),
        (hall(), None),
    ],
)
def test_a_picture_by_itself(picture: Pixels, expected: TroubleKind | None) -> None:
    assert fault(picture) is expected


def test_a_small_light_in_the_dark_is_something() -> None:
    night = plain(5, noise=3)
    night[100:160, 300:360] = 90
    assert fault(night) is None


def test_a_window_behind_somebody_is_not_over_exposure() -> None:
    backlit = plain(255)
    backlit[100:, 250:390] = 70
    assert fault(backlit) is None


def test_a_bad_picture_must_become_clearly_better() -> None:
    dusk = plain(5, noise=2)
    dusk[60:, 200:400] = 36
    assert fault(dusk) is None
    assert fault(dusk, was_bad=True) is TroubleKind.DARK


def test_what_people_photograph_is_never_taken_for_nothing(data: Path) -> None:
    pictures = sorted((data / "stills").glob("*.*"))
    assert len(pictures) > 5
    for path in pictures:
        picture = cv2.imread(str(path))
        assert picture is not None
        assert fault(np.asarray(picture, np.uint8), was_bad=True) is None, path.name


def watch(frames: Iterable[tuple[float, Pixels]]) -> list[tuple[float, TroubleKind | None]]:
    """At which moments the verdict changed, and to what."""
    scene, changes = SceneWatch(), list[tuple[float, TroubleKind | None]]()
    for at, picture in frames:
        found = scene.see(Frame(picture, at, "camera"))
        if not changes or changes[-1][1] is not found:
            changes.append((at, found))
    return changes


def test_a_moment_of_darkness_is_none() -> None:
    assert watch(
        [(0.0, hall(0)), (0.5, plain(0)), (2.4, plain(1)), (2.5, hall(1)), (4.6, plain(0))]
    ) == [(0.0, None)]


def test_darkness_that_lasts_is_told_and_so_is_its_end() -> None:
    dark = [(number / 4, plain(0)) for number in range(1, 17)]
    light = [(4.25 + number / 4, hall(number)) for number in range(4)]
    assert watch([(0.0, hall()), *dark, *light]) == [
        (0.0, None),
        (2.25, TroubleKind.DARK),
        (4.75, None),
    ]


def test_a_flash_does_not_end_darkness() -> None:
    dark = [(float(number), plain(0)) for number in range(4)]
    frames = [*dark, (3.2, hall()), (3.4, plain(0)), (3.8, hall(1)), (4.2, hall(2))]
    assert watch(frames) == [(0.0, None), (2.0, TroubleKind.DARK)]


def test_from_dark_to_covered_nothing_is_seen_in_between() -> None:
    frames = [(0.0, plain(0)), (2.0, plain(0)), (2.1, plain(120, 2)), (2.2, plain(255))]
    assert [kind for _, kind in watch(frames)] == [
        None,
        TroubleKind.DARK,
        TroubleKind.COVERED,
        TroubleKind.OVEREXPOSED,
    ]


def test_the_same_picture_for_long_is_a_frozen_camera() -> None:
    still = [(float(number), hall()) for number in range(12)]
    assert watch([*still, (12.0, hall(1))]) == [
        (0.0, None),
        (10.0, TroubleKind.FROZEN),
        (12.0, None),
    ]


def test_one_pixel_that_differs_is_a_living_sensor() -> None:
    frames = []
    for number in range(20):
        picture = hall()
        picture[7, 11, 0] = number
        frames.append((float(number), picture))
    assert watch(frames) == [(0.0, None)]


def test_plain_black_is_dark_and_not_frozen() -> None:
    frames = [(float(number), plain(0)) for number in range(30)]
    assert watch(frames) == [(0.0, None), (2.0, TroubleKind.DARK)]


@pytest.mark.parametrize("level", [0, 20, 35, 120, 235, 255])
@pytest.mark.parametrize("size", [(8, 60), (30, 380)])
def test_a_hand_over_the_lens_is_never_frozen_whatever_the_camera_writes_into_the_picture(
    level: int, size: tuple[int, int]
) -> None:
    covered = plain(level)
    covered[20 : 20 + size[0], 20 : 20 + size[1]] = 255 - level  # a name, a date
    covered[7, 11] = 255  # a stuck pixel
    kinds = {kind for _, kind in watch((number / 4, covered) for number in range(200))}
    assert TroubleKind.FROZEN not in kinds
    assert kinds & {TroubleKind.DARK, TroubleKind.COVERED, TroubleKind.OVEREXPOSED}


@pytest.mark.parametrize("shape", [(1, 1), (119, 640), (360, 119)])
def test_a_picture_can_be_too_small(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert watch([(0.0, picture), (0.1, hall())]) == [
        (0.0, TroubleKind.WRONG_SIZE),
        (0.1, None),
    ]


def test_a_recording_that_begins_anew_is_judged_anew() -> None:
    frames = [(0.0, plain(0)), (3.0, plain(0)), (0.5, hall()), (0.6, hall(1))]
    assert watch(frames) == [(0.0, None), (3.0, TroubleKind.DARK), (0.5, None)]


def test_the_configured_camera_is_frozen_only_where_its_picture_shows_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handed: list[Handling] = []
    monkeypatch.setattr(assemble, "V4l2Camera", lambda *_, handling, **__: handed.append(handling))
    assemble.camera(Config(camera=CameraConfig(driver="v4l2", source="/dev/video0")))
    assert handed[0].shows is shows_something
    assert shows_something(hall())
    named = plain(0)
    named[20:50, 20:400] = 235
    assert not shows_something(named)


@pytest.mark.parametrize("size", [(120, 120), (720, 1280), (1920, 1080), (4320, 7680)])
def test_pictures_of_every_size_are_measured_alike(size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 40, np.uint8)
    picture[: size[0] // 2] = 200
    light = measure(picture, LIMITS.burnt)
    assert (light.darkest, light.brightest, light.burnt) == (40, 200, 0)
