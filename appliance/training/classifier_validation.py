"""How often each kind of classifier is right about pictures that it was not trained on.

Stratified k-fold cross-validation: the pictures of each person are spread over the folds, and each
fold is named by a classifier that was trained on the others. The nearest template is measured on
the same folds: the person's pictures made into one template and compared by the cosine, which is
what the door does.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.training import classifier_kinds
from appliance.training.classifier import templates
from appliance.types import Floats

NEAREST = "nearest_template"

_Classes = NDArray[np.int64]
_Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Held:
    """What was said of every picture by one that was not trained on it.

    scores: (rows, n), of the kind's own scale. cosines: (rows,) to the template of whoever was
    named. fold: (rows,) in which fold the picture was held out.
    """

    scores: NDArray[np.float64]
    cosines: NDArray[np.float64]
    fold: _Classes

    @property
    def said(self) -> _Classes:
        """(rows,) who was named."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)


@dataclass(frozen=True)
class Accuracy:
    """pictures: the share named rightly. people: the mean over people of their own share.

    folds: the share in each.
    """

    pictures: float
    people: float
    folds: tuple[float, ...]

    @property
    def standard_error(self) -> float:
        """Of the mean over folds."""
        return float(np.std(self.folds, ddof=1) / np.sqrt(len(self.folds)))


@dataclass(frozen=True)
class Known:
    """What becomes of pictures of known people under a limit; the three shares add up to 1."""

    right: float
    wrong: float
    unknown: float


def count_of(classes: _Classes, wanted: int) -> int:
    """How many folds there can be: no more than the person with the most pictures has."""
    return min(wanted, int(np.bincount(classes).max()))


def validate(  # noqa: PLR0913, PLR0917 - what is held out, of whom, and how often
    kinds: Sequence[str],
    vectors: Floats,
    classes: _Classes,
    folds: int,
    seed: int,
    advance: Callable[[], None],
) -> dict[str, Held]:
    """Hold every picture out once, for each kind and for the nearest template.

    vectors: (rows, d) unit vectors. classes: two pictures at least of each, so that nobody is
    asked for who was not trained on. `advance` is called after each kind in each fold.
    """
    rows, count = len(classes), int(classes.max()) + 1
    found = {
        kind: Held(np.zeros((rows, count)), np.zeros(rows), np.zeros(rows, np.int64))
        for kind in (*kinds, NEAREST)
    }
    for number, (trained, held) in enumerate(_splits(classes, folds, seed)):
        known = templates(vectors[trained], classes[trained], count)
        cosines = np.asarray(vectors[held] @ known.T, np.float64)
        for kind, result in found.items():
            if kind == NEAREST:
                scores = cosines
            else:
                estimator = classifier_kinds.fit(kind, vectors[trained], classes[trained], seed)
                scores = classifier_kinds.scores(estimator, kind, vectors[held])
                advance()
            result.scores[held] = scores
            result.cosines[held] = cosines[np.arange(len(held)), scores.argmax(axis=1)]
            result.fold[held] = number
    return found


def accuracy(held: Held, classes: _Classes) -> Accuracy:
    """How often the right one was named."""
    right = held.said == classes
    folds = [float(right[held.fold == it].mean()) for it in np.unique(held.fold)]
    people = np.bincount(classes, weights=right) / np.bincount(classes)
    return Accuracy(float(right.mean()), float(people.mean()), tuple(folds))


def known(held: Held, classes: _Classes, least: float | NDArray[np.float64]) -> Known:
    """What a limit on the similarity makes of these pictures: one for all, or (n,) by whose."""
    limits = np.broadcast_to(least, int(classes.max()) + 1)[classes]
    passed, right = held.cosines >= limits, held.said == classes
    return Known(
        float(np.mean(passed & right)), float(np.mean(passed & ~right)), float(np.mean(~passed))
    )


def confused(held: Held, classes: _Classes) -> list[tuple[int, int, int]]:
    """(whose picture, who was named, how often), the most frequent mistake first."""
    wrong = held.said != classes
    pairs = Counter(zip(classes[wrong].tolist(), held.said[wrong].tolist(), strict=True))
    return [(who, said, often) for (who, said), often in pairs.most_common()]


def _splits(classes: _Classes, folds: int, seed: int) -> Iterator[tuple[_Rows, _Rows]]:
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # It warns of people with fewer pictures than folds: those are held out less often.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        yield from list(splitter.split(np.zeros(len(classes)), classes))
