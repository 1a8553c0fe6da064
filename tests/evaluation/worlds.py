"""Data sets of vectors whose every comparison is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.evaluation.dataset import Dataset, Pair, Picture
from appliance.evaluation.embed import Embedded
from appliance.types import Floats

MISSED = Embedded(None, "no_face")


def at(degrees: float) -> Embedded:
    """A vector in the plane: the cosine of two is that of the angle between them."""
    turn = np.radians(degrees)
    return Embedded(np.array([np.cos(turn), np.sin(turn)], np.float32))


def refused_at(degrees: float) -> Embedded:
    """A face that was found, and that a door would refuse."""
    return Embedded(at(degrees).vector, "blurred")


def cosine(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


def dataset(people: Sequence[Sequence[Embedded]], pairs: Sequence[Pair] = ()) -> Dataset:
    """One person a row."""
    pictures = [
        Picture(Path(f"{person}_{number}.jpg"), person)
        for person, row in enumerate(people)
        for number, _ in enumerate(row)
    ]
    return Dataset([f"person {index}" for index, _ in enumerate(people)], pictures, pairs)


def flat(people: Sequence[Sequence[Embedded]]) -> list[Embedded]:
    return [item for row in people for item in row]


def crowd(people: int, pictures: int, spread: float, seed: int = 0) -> list[list[Embedded]]:
    """Random people in 64 dimensions; one person's pictures lie `spread` around its axis."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(people):
        axis = _unit(random.normal(size=64))
        noise = [spread * _unit(random.normal(size=64)) for _ in range(pictures)]
        rows.append([Embedded(_unit(axis + item)) for item in noise])
    return rows


def _unit(vector: NDArray[Any]) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)
