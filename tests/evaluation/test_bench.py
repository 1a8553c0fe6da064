"""What is timed, with a clock that only the parts themselves move."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.errors import InputError
from appliance.evaluation.bench import (
    STAGES,
    Turns,
    as_from_a_camera,
    quantiles,
    time_pipeline,
    usable,
)
from appliance.perception import Perception
from appliance.types import Box, Embedding, FaceCrop, Frame, Landmarks, Liveness, Pixels
from tests.fakes import FakeClock
from tests.toys import (
    ALICE,
    BOB,
    Toy,
    ToyDetector,
    ToyEmbedder,
    ToyLiveness,
    scene,
    toy_perception,
)


class SlowDetector(ToyDetector):
    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.calls = 0

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        self.calls += 1
        self._clock.advance(0.1)
        return super().detect(bgr, smallest)


class SlowLiveness(ToyLiveness):
    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        self._clock.advance(0.02)
        return super().check(frame, landmarks)


class SlowEmbedder(ToyEmbedder):
    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def embed(self, crop: FaceCrop) -> Embedding:
        self._clock.advance(0.003)
        return super().embed(crop)


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.detector = SlowDetector(self.clock)
        self.perception: Perception = toy_perception(
            self.clock,
            detector=self.detector,
            liveness=SlowLiveness(self.clock),
            embedder=SlowEmbedder(self.clock),
        )
        self.matched: list[Embedding] = []
        self.rounds_told = 0

    def match(self, embedding: Embedding) -> None:
        self.clock.advance(0.0005)
        self.matched.append(embedding)

    def told(self) -> None:
        self.rounds_told += 1

    def turns(self, rounds: int) -> Turns:
        return Turns(rounds, self.told, self.clock.monotonic)


def test_each_round_acquires_a_face_and_then_tracks_it() -> None:
    world = World()
    frames = [scene(0.0, Toy(ALICE)), scene(5.0, Toy(BOB))]
    times = time_pipeline(world.perception, world.match, frames, world.turns(4))
    passes = world.detector.calls // 4
    assert times.stages["detect"] == pytest.approx([100.0 * passes] * 4)
    assert times.stages["landmarks"] == pytest.approx([0.0] * 4)
    assert times.stages["align"] == pytest.approx([0.0] * 8)
    assert times.stages["liveness"] == pytest.approx([20.0] * 8)
    assert times.stages["embed"] == pytest.approx([3.0] * 8)
    assert times.stages["match"] == pytest.approx([0.5] * 8)
    assert times.tracked == pytest.approx([23.0] * 4)
    assert times.acquired == pytest.approx([100.0 * passes + 23.0] * 4)
    assert world.rounds_told == 4
    # The frames take turns, and each is matched twice a round.
    assert [int(np.argmax(it.vector)) for it in world.matched] == [*[ALICE] * 2, *[BOB] * 2] * 2


def test_a_look_that_shows_no_good_face_is_not_counted() -> None:
    world = World()
    times = time_pipeline(world.perception, world.match, [scene(0.0)], world.turns(2))
    assert times.acquired == times.tracked == []
    assert all(times.stages[stage] == [] for stage in STAGES)


def test_only_frames_with_one_good_face_are_used() -> None:
    frames = [
        scene(0.0),
        scene(1.0, Toy(ALICE)),
        scene(2.0, Toy(ALICE, x=80), Toy(BOB, x=230)),
        scene(3.0, Toy(BOB, sharp=False)),
    ]
    assert usable(World().perception, frames) == [frames[1]]
    with pytest.raises(InputError, match="None of the pictures shows one good face"):
        usable(World().perception, [frames[0], frames[3]])


def test_quantiles() -> None:
    assert quantiles([float(ms) for ms in range(101)]) == {"p50_ms": 50.0, "p95_ms": 95.0}
    assert quantiles([1.23456]) == {"p50_ms": 1.235, "p95_ms": 1.235}
    assert quantiles([]) is None


@pytest.mark.parametrize("shape", [(300, 100, 3), (100, 900, 3), (1, 1, 3), (72, 128, 3)])
def test_a_portrait_stands_whole_before_a_camera(shape: tuple[int, int, int]) -> None:
    frame = as_from_a_camera(np.full(shape, 200, np.uint8), 128, 72)
    assert frame.shape == (72, 128, 3)
    bright = np.argwhere((frame == 200).all(axis=2))
    (top, left), (bottom, right) = bright.min(axis=0), bright.max(axis=0)
    height, width = bottom - top + 1, right - left + 1
    assert height == 72 or width == 128
    assert width / height == pytest.approx(shape[1] / shape[0], rel=0.1)
