"""Who stays in a template: the person, and nobody who came along."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from appliance.enrolment.one_person import (
    against_the_rest,
    belonging,
    halves,
    second_group,
    sort_out,
)
from appliance.matching import agreement, fused
from appliance.types import Floats
from tests.toys import ALICE, BOB, CALIBRATION, CAROL, vector_of

AGREEMENT, BELONGING, HALVES = 0.3, 0.45, 0.55


def faces(*people: int) -> Floats:
    """One vector a picture, each of another moment."""
    return np.stack([vector_of(who, seed=seed) for seed, who in enumerate(people)])


def between(one: int, other: int, share: float = 0.5) -> Floats:
    """A morph of two people."""
    return fused([(1 - share) * vector_of(one, spread=0), share * vector_of(other, spread=0)])


def test_one_person_is_kept_whole() -> None:
    found = sort_out(faces(*[ALICE] * 6), AGREEMENT, BELONGING, HALVES)
    assert (found.kept, found.strangers, found.odd, found.somebody) == (
        (0, 1, 2, 3, 4, 5),
        (),
        (),
        (),
    )
    assert found.majority


def test_a_lone_stranger_is_dropped() -> None:
    found = sort_out(faces(ALICE, ALICE, BOB, ALICE), AGREEMENT, BELONGING, HALVES)
    assert (found.kept, found.strangers, found.somebody) == ((0, 1, 3), (2,), ())


def test_two_pictures_of_a_stranger_are_somebody() -> None:
    found = sort_out(faces(*[ALICE] * 6, BOB, BOB), AGREEMENT, BELONGING, HALVES)
    assert (found.kept, found.somebody) == ((0, 1, 2, 3, 4, 5), (6, 7))
    assert found.majority


def test_two_strangers_who_do_not_know_each_other_are_two_bad_pictures() -> None:
    found = sort_out(faces(*[ALICE] * 5, BOB, CAROL), AGREEMENT, BELONGING, HALVES)
    assert (found.strangers, found.somebody) == ((5, 6), ())


@pytest.mark.parametrize("people", [(ALICE, BOB), (ALICE, ALICE, BOB, CAROL)])
def test_half_is_no_majority(people: Sequence[int]) -> None:
    assert not sort_out(faces(*people), AGREEMENT, BELONGING, HALVES).majority


def test_one_picture_is_its_own_majority() -> None:
    assert sort_out(faces(ALICE), AGREEMENT, BELONGING, HALVES).majority


def test_nobody_gets_in_through_a_picture_between_two_people() -> None:
    """Alice agrees with the morph and the morph with Bob, which makes Bob no Alice."""
    morph = between(ALICE, BOB)
    vectors = np.stack([*faces(*[ALICE] * 4), morph, vector_of(BOB, seed=9)])
    alike = vectors @ vectors.T
    assert (alike[:4, 4] > AGREEMENT).all()
    assert alike[4, 5] > AGREEMENT
    found = sort_out(vectors, AGREEMENT, BELONGING, HALVES)
    assert 5 not in found.kept
    assert set(found.kept) >= {0, 1, 2, 3}


def test_who_agrees_with_one_picture_must_still_belong_to_all() -> None:
    """A look-alike passes against a single picture, and not against the mean of the others."""
    alike = between(ALICE, BOB, share=0.7)
    vectors = np.stack([*faces(*[ALICE] * 5), alike])
    assert (vectors[:5] @ alike).max() > AGREEMENT
    found = sort_out(vectors, AGREEMENT, BELONGING, HALVES)
    assert (found.kept, found.odd) == ((0, 1, 2, 3, 4), (5,))


@pytest.mark.parametrize("hers", [2, 5])
def test_a_look_alike_must_belong_to_a_small_set_as_well(hers: int) -> None:
    vectors = np.stack([*faces(*[ALICE] * hers), between(ALICE, BOB, share=0.7)])
    assert sort_out(vectors, AGREEMENT, BELONGING, HALVES).kept == tuple(range(hers))


def test_two_pictures_of_a_look_alike_are_somebody_too() -> None:
    """Neither is a stranger to the person, and both are the same somebody else."""
    noise = 0.3 * (vector_of(CAROL, seed=1) - vector_of(CAROL, spread=0))
    twins = [fused([between(ALICE, BOB, share=0.7), between(ALICE, BOB, share=0.7) + noise])]
    vectors = np.stack([*faces(*[ALICE] * 6), between(ALICE, BOB, share=0.7), *twins])
    found = sort_out(vectors, AGREEMENT, 0.6, HALVES)
    assert (found.strangers, found.odd, found.somebody) == ((), (6, 7), (6, 7))


def test_look_alikes_who_hold_each_other_together_are_two_people() -> None:
    """Each of Bob's belongs to a mean that is half of his own, but the two halves differ."""
    features = vector_of(CAROL, spread=0)  # what the two of them share
    one, other = ([fused([row, features]) for row in faces(*[who] * 3)] for who in (ALICE, BOB))
    vectors = np.stack([*one, *one[:1], *other]) + 0.1 * faces(*range(20, 27))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    # Alike enough for every comparison of one with another, or with all others.
    assert (vectors @ vectors.T).min() > AGREEMENT
    assert against_the_rest(vectors).min() > BELONGING
    found = sort_out(vectors, AGREEMENT, BELONGING, 0.7)
    assert found.kept == tuple(range(7))
    assert found.somebody == (4, 5, 6)


@pytest.mark.parametrize("count", range(1, 12))
def test_one_person_has_no_second_group(count: int) -> None:
    assert second_group(faces(*[ALICE] * count), HALVES) == ()


def test_a_group_of_one_is_no_group() -> None:
    assert second_group(faces(ALICE, ALICE, ALICE, BOB), 0.99) == ()
    assert second_group(faces(ALICE, ALICE, ALICE, BOB, BOB), 0.99) == (3, 4)
    assert second_group(faces(ALICE, BOB), 0.99) == ()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_kept_belongs_together(seed: int) -> None:
    random = np.random.default_rng(seed)
    people = random.choice([ALICE, ALICE, BOB, CAROL], 8)
    vectors = np.stack([vector_of(int(who), seed=seed * 8 + at) for at, who in enumerate(people)])
    found = sort_out(vectors, AGREEMENT, BELONGING, HALVES)
    assert sorted([*found.kept, *found.strangers, *found.odd]) == list(range(8))
    assert len({people[index] for index in found.kept}) == 1
    if len(found.kept) > 2:
        assert against_the_rest(vectors[list(found.kept)]).min() >= BELONGING


def test_the_rest_is_everybody_but_oneself() -> None:
    vectors = faces(ALICE, ALICE, BOB)
    expected = [
        float(vectors[index] @ fused([row for at, row in enumerate(vectors) if at != index]))
        for index in range(3)
    ]
    assert against_the_rest(vectors) == pytest.approx(expected, abs=1e-6)


def test_belonging_asks_for_more_than_agreement() -> None:
    assert belonging(CALIBRATION) == pytest.approx(0.45)
    assert halves(CALIBRATION) == pytest.approx(0.55)
    assert halves(CALIBRATION) > belonging(CALIBRATION) > agreement(CALIBRATION)
