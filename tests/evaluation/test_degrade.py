"""A picture is spoilt by just what its level says."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from appliance.evaluation.dataset import Dataset, Picture
from appliance.evaluation.degrade import (
    LEVELS,
    MOST_PEOPLE,
    SMALLER,
    Spoilt,
    one_each,
    spoil,
    streak,
)
from appliance.perception import Perception, Stages
from appliance.types import Frame
from appliance.vision.alignment import FIVE_POINT_112
from tests.fakes import FakeClock
from tests.portraits import LIMITS, acquisition, embedder, face, mesh, picture


@cache
def spoilt() -> tuple[Spoilt, ...]:
    stages = Stages(acquisition(), mesh(), FIVE_POINT_112, embedder("mobilefacenet"), LIMITS)
    by = Perception(stages, FakeClock())
    return spoil(by, Frame(picture("obama.jpg"), 0.0, "obama.jpg"), face("obama.jpg"))


def test_a_large_face_is_seen_at_every_level() -> None:
    assert [it.level for it in spoilt()] == list(LEVELS)
    for it in spoilt():
        assert np.linalg.norm(it.vector) == pytest.approx(1, abs=1e-5)


def test_shrinking_brings_the_eyes_to_the_distance_asked_for() -> None:
    found = [it.quality.eye_distance for it in spoilt() if it.level.kind == "smaller"]
    assert found == pytest.approx(SMALLER, rel=0.08)


@pytest.mark.parametrize("kind", ["out of focus", "moving"])
def test_more_of_it_is_less_sharp_and_less_like_the_face(kind: str) -> None:
    plain, *worse = [it for it in spoilt() if it.level.kind in ("as it is", kind)]
    sharpness = [it.quality.sharpness for it in (plain, *worse)]
    alike = [float(it.vector @ plain.vector) for it in (plain, *worse)]
    assert sharpness == sorted(sharpness, reverse=True)
    assert alike == sorted(alike, reverse=True)
    assert alike[0] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("angle", [0.0, 0.7, np.pi / 2, 3.0])
def test_a_streak_spreads_light_along_one_direction_and_keeps_its_amount(angle: float) -> None:
    kernel = streak(9, angle)
    assert kernel.sum() == pytest.approx(1)
    row, column = np.nonzero(kernel)
    middle = len(kernel) // 2
    across = -np.sin(angle) * (column - middle) + np.cos(angle) * (row - middle)
    along = np.cos(angle) * (column - middle) + np.sin(angle) * (row - middle)
    assert np.abs(across).max() <= 1
    assert np.ptp(along) == pytest.approx(8, abs=1)
    assert streak(1, angle).tolist() == [[1]]


def test_one_picture_of_each_is_spoilt_and_of_very_many_people_an_even_choice() -> None:
    def crowd(people: int) -> Dataset:
        pictures = [
            Picture(Path(f"{person}/{number}.jpg"), person)
            for person in range(people)
            for number in range(2)
        ]
        return Dataset([str(person) for person in range(people)], pictures)

    assert one_each(crowd(3)) == [Path("0/0.jpg"), Path("1/0.jpg"), Path("2/0.jpg")]
    chosen = one_each(crowd(2 * MOST_PEOPLE))
    assert len(set(chosen)) == MOST_PEOPLE
    assert (chosen[0], chosen[-1]) == (Path("0/0.jpg"), Path(f"{2 * MOST_PEOPLE - 1}/0.jpg"))
