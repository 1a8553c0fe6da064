"""Semi-hard triplets and what they cost: as in the paper, and the same as by trying everything."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray

from appliance.training.mining import MARGIN, Triplets, costs, semi_hard, squared_distances

Floats = NDArray[np.float32]
People = NDArray[np.int64]


def by_trying_everything(distances: Floats, person: People, margin: float) -> set[tuple[int, ...]]:
    """Every pair of one person's pictures with the nearest semi-hard negative."""
    found: set[tuple[int, ...]] = set()
    rows = range(len(person))
    for anchor, positive in product(rows, rows):
        if anchor == positive or person[anchor] != person[positive]:
            continue
        own = distances[anchor, positive]
        semi = [
            (distances[anchor, it], it)
            for it in rows
            if person[it] != person[anchor] and own < distances[anchor, it] < own + margin
        ]
        if semi:
            found.add((anchor, positive, min(semi)[1]))
    return found


def as_set(found: Triplets) -> set[tuple[int, ...]]:
    columns = zip(found.anchor, found.positive, found.negative, strict=True)
    return {tuple(int(it) for it in row) for row in columns}


def batch_of(seed: int) -> tuple[Floats, People]:
    """One to nine unit vectors of up to four people, on a grid, so that some distances are equal.

    From a seed rather than drawn value by value: quick where the machine is slow.
    """
    generator = np.random.default_rng(seed)
    size = int(generator.integers(1, 10))
    raw = generator.integers(-3, 4, (size, 3)) + 0.125
    vectors = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return vectors.astype(np.float32), generator.integers(0, 4, size)


some_batch = some.integers(0, 2**32 - 1).map(batch_of)
patient = settings(deadline=None, max_examples=60)


@patient
@given(some_batch, some.sampled_from([0.05, MARGIN, 1.0]))
def test_the_same_triplets_as_by_trying_everything(
    batch: tuple[Floats, People], margin: float
) -> None:
    vectors, person = batch
    distances = squared_distances(vectors)
    found = semi_hard(distances, person, margin)
    assert as_set(found) == by_trying_everything(distances, person, margin)
    assert len(as_set(found)) == len(found)


@patient
@given(some_batch)
def test_every_semi_hard_triplet_costs_something_and_less_than_the_margin(
    batch: tuple[Floats, People],
) -> None:
    vectors, person = batch
    distances = squared_distances(vectors)
    found = semi_hard(distances, person)
    paid = costs(distances, found)
    assert (paid >= 0).all()
    assert (paid <= MARGIN).all()
    for cost, (anchor, positive, negative) in zip(
        paid, zip(found.anchor, found.positive, found.negative, strict=True), strict=True
    ):
        near = float(((vectors[anchor] - vectors[positive]) ** 2).sum())
        far = float(((vectors[anchor] - vectors[negative]) ** 2).sum())
        assert abs(float(cost) - max(0.0, near - far + MARGIN)) < 1e-5


@patient
@given(some_batch)
def test_distances_are_squared_euclidean(batch: tuple[Floats, People]) -> None:
    vectors, _ = batch
    plain = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    distances = squared_distances(vectors)
    assert np.allclose(distances, plain, atol=1e-5)
    assert (np.diag(distances) == 0).all()


def test_a_stranger_nearer_than_the_positive_is_passed_over() -> None:
    distances = np.array([[0, 0.5, 0.4, 0.6], [0.5, 0, 9, 9], [0.4, 9, 0, 9], [0.6, 9, 9, 0]])
    found = semi_hard(distances.astype(np.float32), np.array([0, 0, 1, 2]))
    assert as_set(found) == {(0, 1, 3)}


def test_without_strangers_or_pairs_there_is_no_triplet() -> None:
    distances = np.zeros((3, 3), np.float32)
    assert len(semi_hard(distances, np.array([0, 0, 0]))) == 0
    assert len(semi_hard(distances, np.array([0, 1, 2]))) == 0
