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
    count = len(templates)
    own = at_rate(*strangers(vectors, classes, templates), target_fpir)
    shipped = None
    if calibration is not None and count * target_fpir < _RULE_OF_THREE:
        least = int(np.bincount(classes).min())
        curves = applicable(calibration, least, 1)
        shipped = max(threshold(curve, target_fpir / count) for curve in curves)
    return Limit(own, shipped, count)


def strangers(
    vectors: Floats, classes: NDArray[np.int64], templates: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(rows,) the cosine of each picture to the likest of the *others*, and its weight.

    The weights of a person's pictures add up to 1.
    """
    cosines = np.asarray(vectors @ templates.T, np.float64)
    cosines[np.arange(len(classes)), classes] = -np.inf
    return cosines.max(axis=1), 1.0 / np.bincount(classes)[classes]


def at_rate(cosines: NDArray[np.float64], weights: NDArray[np.float64], target: float) -> float:
    """The least similarity that at most the share `target` of the weight reaches."""
    order = np.argsort(-cosines)
    reached = np.cumsum(weights[order]) / weights.sum()
    passing = int(np.searchsorted(reached, target, side="right"))
    if passing == len(cosines):
        return -1.0
    return float(np.nextafter(cosines[order[passing]], np.inf))
