"""From which similarity on somebody is known: chosen on people whom the templates do not know.

Each person in turn is a stranger to all others: no picture of theirs has a part in the others'
templates, so the sets are disjoint in people. How alike a stranger is to the likest of the others
is what must not count as known. The rate of that is the false-positive identification rate (FPIR
of ISO/IEC 19795-1); every person counts alike, however many pictures there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.matching import applicable, threshold
from appliance.types import Floats
from appliance.vision.manifest import Calibration

# Strangers of whom none was named bound the rate by three in their number, with 95 %.
_RULE_OF_THREE = 3


@dataclass(frozen=True)
class Limit:
    """The similarity from which on somebody is known, and where it is from.

    own: what the strangers among the training people ask for. shipped: what the model's own
    calibration asks for, None where it was not needed or is not known. strangers: how many
    people `own` was measured with.
    """

    own: float
    shipped: float | None
    strangers: int

    @property
    def similarity(self) -> float:
        """The stricter of both."""
        return self.own if self.shipped is None else max(self.own, self.shipped)


def limit(
    vectors: Floats,
    classes: NDArray[np.int64],
    templates: Floats,
    target_fpir: float,
    calibration: Calibration | None,
) -> Limit:
    """Choose the limit. vectors: (rows, d) unit vectors; templates: (n, d), of the same rows.

    n people can show a rate of 3 / n at best. Where the target is smaller, the model's shipped
    calibration speaks as well: its threshold for a picture against one of n people.
    """
    own = at_rate(*strangers(vectors, classes, templates), target_fpir)
    return Limit(own, _shipped(classes, target_fpir, calibration), len(templates))


def without_each(
    vectors: Floats,
    classes: NDArray[np.int64],
    templates: Floats,
    target_fpir: float,
    calibration: Calibration | None,
) -> NDArray[np.float64]:
    """(n,) the limit that would be chosen if one of the people were not there, for each of them.

    By that it is told how often a picture of theirs passes under another's name. By the limit
    itself it would look too good: of few people none passes, for the highest of these very
    pictures sets it. With two people nobody is left to be a stranger, so it is the limit itself.
    """
    count = len(templates)
    if count < 3:
        chosen = limit(vectors, classes, templates, target_fpir, calibration)
        return np.full(count, chosen.similarity)
    cosines = _to_others(vectors, classes, templates)
    likest = cosines.argmax(axis=1)
    highest = cosines.max(axis=1)
    cosines[np.arange(len(classes)), likest] = -np.inf
    second = cosines.max(axis=1)
    weights = _weights(classes)
    own = np.empty(count)
    for who in range(count):
        left = classes != who
        alike = np.where(likest == who, second, highest)
        own[who] = at_rate(alike[left], weights[left], target_fpir)
    shipped = _shipped(classes, target_fpir, calibration)
    return own if shipped is None else np.maximum(own, shipped)


def _shipped(
    classes: NDArray[np.int64], target_fpir: float, calibration: Calibration | None
) -> float | None:
    """What the model's calibration asks for; None where it is not needed or not known."""
    pictures = np.bincount(classes)
    if calibration is None or len(pictures) * target_fpir >= _RULE_OF_THREE:
        return None
    curves = applicable(calibration, int(pictures.min()), 1)
    return max(threshold(curve, target_fpir / len(pictures)) for curve in curves)


def strangers(
    vectors: Floats, classes: NDArray[np.int64], templates: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(rows,) the cosine of each picture to the likest of the *others*, and its weight.

    The weights of a person's pictures add up to 1.
    """
    return _to_others(vectors, classes, templates).max(axis=1), _weights(classes)


def _to_others(
    vectors: Floats, classes: NDArray[np.int64], templates: Floats
) -> NDArray[np.float64]:
    """(rows, n) the cosine of each picture to each template, -inf to its own."""
    cosines = np.asarray(vectors @ templates.T, np.float64)
    cosines[np.arange(len(classes)), classes] = -np.inf
    return cosines


def _weights(classes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / np.bincount(classes)[classes], np.float64)


def at_rate(cosines: NDArray[np.float64], weights: NDArray[np.float64], target: float) -> float:
    """The least similarity that at most the share `target` of the weight reaches."""
    order = np.argsort(-cosines)
    reached = np.cumsum(weights[order]) / weights.sum()
    passing = int(np.searchsorted(reached, target, side="right"))
    if passing == len(cosines):
        return -1.0
    return float(np.nextafter(cosines[order[passing]], np.inf))
