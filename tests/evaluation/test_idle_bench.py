"""What an idle door costs, by a watch that only the look itself moves."""

from __future__ import annotations

from itertools import count

import cv2
import numpy as np
import pytest

from appliance.evaluation.idle_bench import Stopwatch, film, time_idle
from appliance.types import Frame
from appliance.vision.motion import MotionGate
from appliance.vision.scene import SceneWatch


def test_each_picture_is_decoded_and_looked_at_in_the_time_of_the_film() -> None:
    wall = {"now": 0.0, "worked": 0.0}
    seen: list[Frame] = []

    def look(frame: Frame) -> None:
        seen.append(frame)
        wall["now"] += 0.004
        wall["worked"] += 0.008  # two threads

    watch = Stopwatch(lambda: wall["now"], lambda: wall["worked"])
    idle = time_idle(film(320, 240, moves=False), look, fps=5, seconds=3, stopwatch=watch)
    assert [frame.at for frame in seen] == pytest.approx([number / 5 for number in range(15)])
    assert {frame.bgr.shape for frame in seen} == {(240, 320, 3)}
    assert idle.told() == {
        "decode": {"p50_ms": 0, "p95_ms": 0},
        "look": {"p50_ms": 4, "p95_ms": 4},
        "share_of_core": 0.04,
    }


def test_at_least_one_picture_is_looked_at() -> None:
    seen = count()
    time_idle(film(160, 120, moves=False), lambda _: next(seen), fps=0.1, seconds=1)
    assert next(seen) == 1


@pytest.mark.parametrize("moves", [False, True])
def test_the_hall_is_a_scene_in_which_things_move_or_not(*, moves: bool) -> None:
    gate, scene = MotionGate(), SceneWatch()
    moved = []
    for number, encoded in enumerate(film(1280, 720, moves=moves) * 2):
        bgr = np.asarray(cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        moved.append(gate.moved(bgr))
        assert scene.see(Frame(bgr, float(number), "hall")) is None
    assert moved[0]
    assert all(moved[1:]) is moves
    assert any(moved[1:]) is moves
