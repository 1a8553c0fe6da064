"""Nobody takes two parts, and every part gets its share of those with many pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.dataset import Dataset, Picture, name_hashes, people_sha256
from appliance.training.people import alike, only, split

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


def test_those_who_may_be_one_person_get_one_part() -> None:
    together = np.arange(len(ENOUGH))
    together[300] = together[5] = together[210] = 5
    for seed in range(5):
        parts = split(ENOUGH, 0.35, 0.3, seed, together)
        holders = [set(part.tolist()) for part in (parts.train, parts.steer, parts.judge)]
        assert sum(map(len, holders)) == len(ENOUGH)
        assert any({5, 210, 300} <= people for people in holders)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Chyung_Dai-chul", "Dai_Chul_Chyung"),
        ("Zoe\u0308", "zoë"),
        ("ALICE", "alice"),
        ("Noer_Moeis", "x"),
    ],
)
def test_one_name_in_two_spellings_and_one_photograph_under_two_names(one: str, other: str) -> None:
    same = unit_rows([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0.1]])
    person = np.array([0, 1, 2, 3])
    found = alike([one, "bob", other, "bobby"], same, person)
    assert found.tolist() == [0, 1, 2 if other == "x" else 0, 1]


def test_names_without_a_letter_are_not_one_name() -> None:
    assert alike(["😀", "😎"], unit_rows([[1, 0], [0, 1]]), np.arange(2)).tolist() == [0, 1]


def unit_rows(rows: list[list[float]]) -> NDArray[np.float32]:
    raw = np.array(rows, np.float32)
    return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("pictures", [[1] * 1000, [5] * 9, [1] * 500 + [2] * 12])
def test_too_few_people_with_two_pictures_are_refused(pictures: list[int]) -> None:
    with pytest.raises(InputError, match="people with two usable pictures") as refused:
        split(pictures, 0.35, 0.3, 0)
    assert refused.value.code == "too_few_people"


@pytest.mark.parametrize(("one", "other"), [("Zoe\u0308", "Zo\u00eb"), ("\udcff", "\udcff")])
def test_a_name_is_known_again_however_its_folder_is_encoded(one: str, other: str) -> None:
    first, second = (Dataset([name, "bob"], []) for name in (one, other))
    assert people_sha256(first) == people_sha256(second)
    assert name_hashes(first) == name_hashes(second)


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
