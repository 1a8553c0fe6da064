"""Which people train, which steer, and which judge: nobody takes two parts.

Those who steer say when training has gone far enough; those who judge have had no say in it. Split
by people and never by pictures: a network knows the faces that it was trained on. Two folders whose
names are spelt alike, or that share a photograph, may be one person, so they get the same part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.dataset import Dataset, Picture, words
from appliance.types import Floats

Indices = NDArray[np.int64]

# People with so many usable pictures are dealt out among themselves, so that every part gets its
# share of those who can be enrolled.
STRATA = (1, 2, 5, 8, 13)
# A part with fewer people who have two pictures says nothing, nor is there anything to train on.
LEAST_PEOPLE = 10
# Pictures that are so alike are one photograph, cut or saved anew: neither two photographs of one
# person nor strangers commonly come so near, and where they do, to be dealt out together costs
# nothing.
ONE_PHOTOGRAPH = 0.95
# Rows that are compared with all others at a time.
_BLOCK = 512


@dataclass(frozen=True, eq=False)
class Split:
    """Three groups of people: rising indices, disjoint."""

    train: Indices
    steer: Indices
    judge: Indices

    @property
    def held_back(self) -> Indices:
        """Everybody who was not trained on."""
        return np.sort(np.concatenate([self.steer, self.judge]))


def split(
    pictures: Sequence[int],
    train: float,
    steer: float,
    seed: int,
    together: Indices | None = None,
) -> Split:
    """Deal people out. pictures: of each person; train, steer: shares, the rest judges.

    together: (people,) one number for those who must get the same part, as of `alike`; None:
    everybody is dealt out alone. The same numbers and seed give the same split. InputError
    `too_few_people`.
    """
    each = np.asarray(pictures)
    group = (
        np.arange(len(each)) if together is None else np.unique(together, return_inverse=True)[1]
    )
    generator = np.random.default_rng(seed)
    part_of = np.zeros(int(group.max(initial=-1)) + 1, np.int64)
    stratum = np.searchsorted(STRATA, np.bincount(group, weights=each), side="right")
    for number in np.unique(stratum):
        dealt = generator.permutation(np.flatnonzero(stratum == number))
        ends = np.rint(np.array([train, train + steer]) * len(dealt)).astype(int)
        for part, some in enumerate(np.split(dealt, ends)):
            part_of[some] = part
    groups = [np.flatnonzero(part_of[group] == part) for part in range(3)]
    for name, people in zip(("train on", "steer training by", "judge by"), groups, strict=True):
        several = int((each[people] >= 2).sum())
        if several < LEAST_PEOPLE:
            raise InputError(
                f"There are {several} people with two usable pictures to {name}; "
                f"{LEAST_PEOPLE} are needed.",
                hint="A folder a person with several pictures each: a hundred such people give "
                "every part its share, and a calibration asks for hundreds.",
                code="too_few_people",
            )
    return Split(*groups)


def alike(names: Sequence[str], vectors: Floats, person: Indices) -> Indices:
    """(people,) the lowest number of those who may be one person, by name or photograph.

    names: of all people, compared by their words in any order, without case, accents and signs.
    vectors: (n, dimensions) unit, of pictures whose person is `person` (n,).
    """
    root = list(range(len(names)))

    def first(one: int) -> int:
        while root[one] != one:
            one = root[one]
        return one

    def join(one: int, other: int) -> None:
        low, high = sorted((first(one), first(other)))
        root[high] = low

    known: dict[tuple[str, ...], int] = {}
    for one, name in enumerate(names):
        if spelt := words(name):
            join(known.setdefault(spelt, one), one)
    for start in range(0, len(vectors), _BLOCK):
        near = vectors[start : start + _BLOCK] @ vectors[start:].T >= ONE_PHOTOGRAPH
        for row, column in np.argwhere(np.triu(near, 1)).tolist():
            join(int(person[start + row]), int(person[start + column]))
    return np.array([first(one) for one in range(len(names))], np.int64)


def only(dataset: Dataset, people: Indices) -> Dataset:
    """The data set of some people, numbered anew, without its pairs."""
    numbers = {int(person): number for number, person in enumerate(people)}
    pictures = [
        Picture(picture.path, numbers[picture.person])
        for picture in dataset.pictures
        if picture.person in numbers
    ]
    return Dataset([dataset.people[person] for person in people], pictures)
