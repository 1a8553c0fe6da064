"""The share of pictures that something happened to, with an interval that suits how they are tied.

Pictures of one person look alike: where one is missed, the next one is likely to be. Only where
nobody has two pictures are they independent, and then the exact interval is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.evaluation.dataset import Dataset
from appliance.evaluation.embed import Embedded
from appliance.evaluation.rates import Interval, Trials, exact_interval

EXACT = "clopper_pearson"
BOOTSTRAP = "bootstrap_over_people"
# More files than this are told by their number alone.
MOST_NAMED = 10


@dataclass(frozen=True)
class Share:
    """A share of pictures and its 95 % interval. method: how the interval was made."""

    value: float
    interval: Interval
    pictures: int
    method: str


@dataclass(frozen=True)
class Unreadable:
    """Files that gave no picture: how many, and the first of them, as FOLDER/FILE."""

    count: int
    files: Sequence[str]


def unreadable(dataset: Dataset, embedded: Sequence[Embedded]) -> Unreadable:
    """The files of a data set that could not be read."""
    found = [
        "/".join(picture.path.parts[-2:])
        for picture, item in zip(dataset.pictures, embedded, strict=True)
        if item.unreadable
    ]
    return Unreadable(len(found), tuple(found[:MOST_NAMED]))


def share_of_pictures(happened: NDArray[np.bool_], person: NDArray[np.int32], people: int) -> Share:
    """The share of pictures where `happened`. happened, person: (n,); people: how many at most.

    Clopper-Pearson where no person has two pictures, else a bootstrap over people.
    """
    count = int(happened.size)
    hits = int(happened.sum())
    if count == np.unique(person).size:
        value = hits / count if count else float("nan")
        return Share(value, exact_interval(hits, count), count, EXACT)
    # As genuine trials: a picture to which it happened is one that a threshold rejects.
    scores = np.where(happened, 0, 1).astype(np.float32)
    rate = Trials(scores, person, person, people).rejected(0.5)
    return Share(rate.value, rate.interval, count, BOOTSTRAP)
