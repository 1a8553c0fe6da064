"""Injected frames: loops, impossible times, another scene; and nothing of a sensor's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.liveness.cue import View
from appliance.liveness.injected import LATEST, STEPS, Injected
from appliance.types import Box, Frame, Pixels
from tests.attacks.injected import (
    backward_time,
    doubled,
    frozen,
    leaping_time,
    looped,
    rushed,
    standing_time,
)
from tests.toys import mesh_in

WIDTH, HEIGHT, FPS = 160, 96, 15.0
FACE = mesh_in(Box(65, 30, 25, 30))
# A loop is far below, a living person, even one who keeps still, above.
AGAIN = 0.6


def sensor(seconds: float, sway: float = 4.0, seed: int = 1) -> Iterator[Frame]:
    """Somebody who sways before a wall, a sensor with noise, a clock that jitters."""
    random = np.random.default_rng(seed)
    noise = random.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32)
    blobs = 128 + 400 * cv2.GaussianBlur(noise, (0, 0), 5.0)
    for number in range(round(seconds * FPS)):
        at = number / FPS
        # No two of these waves fit: the person never comes back to where they were.
        x = sway * (np.sin(2.1 * at) + 0.5 * np.sin(5.3 * at))
        picture = blobs.copy()
        moved = cv2.warpAffine(blobs, np.array([[1, 0, x], [0, 1, x / 2]]), (WIDTH, HEIGHT))
        picture[20:, 55:100] = moved[20:, 55:100]
        grey = np.clip(picture + random.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
        bgr = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
        yield Frame(bgr, at + random.uniform(0, 0.002), f"camera#{number}", number)


def coded(frames: Iterable[Frame]) -> Iterator[Frame]:
    """As JPEG, each in another quality."""
    for number, frame in enumerate(frames):
        _, data = cv2.imencode(".jpg", frame.bgr, [cv2.IMWRITE_JPEG_QUALITY, 70 + number % 20])
        yield replace(frame, bgr=np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8))


def seen(frames: Iterable[Frame], *, live: bool = True) -> Mapping[str, float]:
    cue = Injected(live=live)
    for frame in frames:
        cue.see(View(frame, FACE))
    return cue.measures()


@pytest.mark.parametrize("sway", [4.0, 0.5, 0.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_sensor_never_shows_the_same_again(sway: float, seed: int) -> None:
    found = seen(sensor(3.0, sway, seed))
    assert found["injected_again"] > AGAIN
    assert found["injected_times"] == 0
    assert found["injected_same"] == 0
    assert found["injected_cut"] < 0.2


def test_a_loop_shows_the_same_again() -> None:
    assert seen(looped(sensor(3.0), 12))["injected_again"] < 0.1


def test_a_loop_that_is_coded_anew_does_too() -> None:
    assert seen(coded(looped(sensor(3.0), 15)))["injected_again"] < AGAIN


def test_a_loop_is_told_once_it_has_begun_anew() -> None:
    length = 15
    frames = looped(sensor(3.0), length)
    cue = Injected(live=True)
    told = []
    for frame in frames:
        cue.see(View(frame, FACE))
        told.append(cue.measures().get("injected_again", 9.0))
    assert min(told[:length]) > AGAIN
    assert told[length + LATEST] < 0.1


@pytest.mark.parametrize("wrong", [standing_time, backward_time, rushed])
def test_times_that_no_clock_makes(wrong: object) -> None:
    assert callable(wrong)
    assert seen(wrong(sensor(2.0)))["injected_times"] > 0.1


def test_a_leap_in_time_within_an_attempt() -> None:
    found = seen(leaping_time(sensor(2.0)))
    assert found["injected_times"] > 0.1


def test_only_a_live_camera_must_have_a_clock_that_jitters() -> None:
    exact = [replace(frame, at=number / FPS) for number, frame in enumerate(sensor(2.0))]
    assert seen(exact)["injected_times"] == 1
    assert seen(exact, live=False)["injected_times"] == 0
    assert seen(exact[:STEPS])["injected_times"] == 0


def test_frames_that_come_twice_count_for_live_ones() -> None:
    assert seen(doubled(sensor(2.0)))["injected_same"] == pytest.approx(0.5, abs=0.05)
    assert seen(frozen(sensor(2.0)))["injected_same"] == 1
    assert "injected_same" not in seen(doubled(sensor(2.0)), live=False)
    assert seen(doubled(sensor(3.0)))["injected_again"] > AGAIN


def test_another_scene_from_one_frame_to_the_next() -> None:
    others = (replace(frame, at=frame.at + 1) for frame in sensor(1.0, seed=9))
    assert seen([*sensor(1.0), *others])["injected_cut"] > 0.5


def test_light_that_is_switched_on_is_no_other_scene() -> None:
    def lit(bgr: Pixels, number: int) -> Pixels:
        return bgr if number < 15 else np.asarray(np.clip(bgr * 1.3 + 10, 0, 255), np.uint8)

    frames = [replace(f, bgr=lit(f.bgr, n)) for n, f in enumerate(sensor(2.0))]
    assert seen(frames)["injected_cut"] < 0.2


def test_another_size_is_another_scene() -> None:
    small = (replace(f, bgr=np.ascontiguousarray(f.bgr[::2, ::2])) for f in sensor(0.5))
    late = (replace(frame, at=frame.at + 1) for frame in small)
    assert seen([*sensor(1.0), *late])["injected_cut"] == 1


def test_forgetting_begins_anew() -> None:
    cue = Injected(live=True)
    for frame in looped(sensor(3.0), 12):
        cue.see(View(frame, FACE))
    cue.forget()
    assert cue.measures() == {}
    for frame in sensor(2.0):
        cue.see(View(frame, FACE))
    assert cue.measures()["injected_again"] > AGAIN


def test_pictures_by_themselves_are_not_compared() -> None:
    assert seen(replace(frame, still=True) for frame in frozen(sensor(1.0))) == {}


def test_people_who_were_filmed_are_new_in_each_frame(data: Path) -> None:
    video = cv2.VideoCapture(str(data / "clips" / "single_face.mp4"))
    frames: list[Frame] = []
    while True:
        read, bgr = video.read()
        if not read:
            break
        number = len(frames)
        frames.append(Frame(np.asarray(bgr, np.uint8), number / 30, f"clip#{number}", number))
    found = seen(frames, live=False)
    assert found["injected_again"] > AGAIN
    assert found["injected_times"] == 0
