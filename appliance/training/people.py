"""Which people train, which steer, and which judge: nobody takes two parts.

Those who steer say when training has gone far enough; those who judge have had no say in it. Split
by people and never by pictures: a network knows the faces that it was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.dataset import Dataset, Picture

Indices = NDArray[np.int64]

# People with so many usable pictures are dealt out among themselves, so that every part gets its
# share of those who can be enrolled.
STRATA = (1, 2, 5, 8, 13)
# A part with fewer people who have two pictures says nothing, nor is there anything to train on.
LEAST_PEOPLE = 10


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


def split(pictures: Sequence[int], train: float, steer: float, seed: int) -> Split:
    """Deal people out. pictures: of each person; train, steer: shares, the rest judges.

    The same numbers and seed give the same split. InputError `too_few_people`.
    """
    each = np.asarray(pictures)
    generator = np.random.default_rng(seed)
    parts: tuple[list[Indices], list[Indices], list[Indices]] = ([], [], [])
    stratum = np.searchsorted(STRATA, each, side="right")
    for number in np.unique(stratum):
        people = generator.permutation(np.flatnonzero(stratum == number))
        ends = np.rint(np.array([train, train + steer]) * len(people)).astype(int)
        for part, some in zip(parts, np.split(people, ends), strict=True):
            part.append(some)
    groups = [np.sort(np.concatenate(part)).astype(np.int64) for part in parts]
    for name, group in zip(("train on", "steer training by", "judge by"), groups, strict=True):
        several = int((each[group] >= 2).sum())
        if several < LEAST_PEOPLE:
            raise InputError(
                f"There are {several} people with two usable pictures to {name}; "
                f"{LEAST_PEOPLE} are needed.",
                hint="A folder a person with several pictures each: a hundred such people give "
                "every part its share, and a calibration asks for hundreds.",
                code="too_few_people",
            )
    return Split(*groups)


def only(dataset: Dataset, people: Indices) -> Dataset:
    """The data set of some people, numbered anew, without its pairs."""
    numbers = {int(person): number for number, person in enumerate(people)}
    pictures = [
        Picture(picture.path, numbers[picture.person])
        for picture in dataset.pictures
        if picture.person in numbers
    ]
    return Dataset([dataset.people[person] for person in people], pictures)
