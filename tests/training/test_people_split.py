"""Nobody takes two parts, and every part gets its share of those with many pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from appliance.errors import InputError
from appliance.evaluation.dataset import Dataset, Picture
from appliance.training.people import only, split

ENOUGH = [1] * 200 + [2] * 90 + [6] * 60 + [20] * 40


@settings(deadline=None, max_examples=25)
@given(
    some.floats(0.2, 0.5),
    some.floats(0.2, 0.4),
    some.integers(0, 2**32 - 1),
)
def test_everybody_has_one_part_and_strata_are_shared_out(
    train: float, steer: float, seed: int
) -> None:
    parts = split(ENOUGH, train, steer, seed)
    together = np.concatenate([parts.train, parts.steer, parts.judge])
    assert sorted(together.tolist()) == list(range(len(ENOUGH)))
    each = np.array(ENOUGH)
    for wanted, part in ((train, parts.train), (steer, parts.steer)):
        for count in (1, 2, 6, 20):
            those = (each == count).sum()
            assert abs((each[part] == count).sum() - wanted * those) <= 1
    assert sorted([*parts.steer, *parts.judge]) == parts.held_back.tolist()


def test_the_seed_decides() -> None:
    one, same, other = (split(ENOUGH, 0.4, 0.3, seed) for seed in (5, 5, 6))
    assert one.train.tolist() == same.train.tolist()
    assert one.train.tolist() != other.train.tolist()


@pytest.mark.parametrize("pictures", [[1] * 1000, [5] * 9, [1] * 500 + [2] * 12])
def test_too_few_people_with_two_pictures_are_refused(pictures: list[int]) -> None:
    with pytest.raises(InputError, match="people with two usable pictures") as refused:
        split(pictures, 0.35, 0.3, 0)
    assert refused.value.code == "too_few_people"


def test_a_part_of_a_data_set_is_numbered_anew() -> None:
    pictures = [Picture(Path(f"{number}.jpg"), number % 4) for number in range(8)]
    part = only(Dataset(["a", "b", "c", "d"], pictures), np.array([1, 3]))
    assert part.people == ["b", "d"]
    assert [(it.path.name, it.person) for it in part.pictures] == [
        ("1.jpg", 0),
        ("3.jpg", 1),
        ("5.jpg", 0),
        ("7.jpg", 1),
    ]
