"""An empty hall does not move, whatever its camera's noise; a person does."""

from __future__ import annotations

import numpy as np

from appliance.types import Pixels
from appliance.vision.motion import MotionGate


def hall(seed: int = 0, light: int = 0) -> Pixels:
    """A hall with a lamp, sensor noise of a few grey levels, and so much light."""
    random = np.random.default_rng(seed)
    picture = np.full((360, 640, 3), 90 + light, float)
    picture[:100, 300:340] = 220
    return np.clip(picture + random.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


def with_person(bgr: Pixels, x: int, width: int = 60) -> Pixels:
    there = bgr.copy()
    there[150 : 150 + width, x : x + width] = 170
    return there


def story(*pictures: Pixels) -> list[bool]:
    gate = MotionGate()
    return [gate.moved(picture) for picture in pictures]


def test_the_first_picture_is_always_looked_at() -> None:
    assert story(hall()) == [True]


def test_sensor_noise_is_no_motion() -> None:
    assert story(*(hall(seed) for seed in range(10))) == [True, *[False] * 9]


def test_whoever_comes_goes_or_walks_on_is_motion() -> None:
    assert story(
        hall(0),
        with_person(hall(1), 100),
        with_person(hall(2), 100),
        with_person(hall(3), 180),
        hall(4),
        hall(5),
    ) == [True, True, False, True, True, False]


def test_the_smallest_face_served_is_motion() -> None:
    # 0.12 of the shorter side, as config has it.
    assert story(hall(0), with_person(hall(1), 400, width=round(0.12 * 360))) == [True, True]


def test_dusk_that_no_single_step_shows_is_noticed_in_the_end() -> None:
    told = story(*(hall(seed, light=-2 * seed) for seed in range(12)))
    assert told[1:3] == [False, False]
    assert sum(told) in {3, 4}


def test_a_lamp_switched_on_is_motion() -> None:
    assert story(hall(0), hall(1, light=60), hall(2, light=60)) == [True, True, False]


def test_after_forgetting_any_picture_is_looked_at() -> None:
    gate = MotionGate()
    assert (gate.moved(hall()), gate.moved(hall())) == (True, False)
    gate.forget()
    assert gate.moved(hall())


def test_another_camera_with_another_size_is_no_error() -> None:
    assert story(hall(), hall()[::2, ::2]) == [True, False]
