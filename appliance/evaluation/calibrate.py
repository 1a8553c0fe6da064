"""From impostor similarities to a curve similarity → false-accept rate.

Where many impostors reached a similarity, the rate is counted. In the tail, where few did, a
generalised Pareto distribution is fitted to the exceedances over a high similarity (Pickands,
Annals of Statistics 1975), by probability-weighted moments (Hosking and Wallis, Technometrics
1987). A rate that the number of trials cannot support is not stated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.protocols import ENROLLED, Embeddings, single, templates
from appliance.evaluation.rates import Trials

# The share of all impostor trials that makes the tail.
TAIL = 1e-3
# A tail of fewer exceedances says little.
LEAST_EXCEEDANCES = 100
# How many decades beyond "one trial in n" the fitted tail may be used.
BEYOND = 10.0
POINTS_A_DECADE = 8
LOWEST_FAR = 1e-6


@dataclass(frozen=True)
class Tail:
    """P(score > start + x) = share · (1 + shape·x/scale)^(-1/shape)."""

    start: float
    share: float
    shape: float
    scale: float

    def similarity(self, far: float) -> float:
        """The similarity that strangers reach with probability `far` (below `share`)."""
        ratio = far / self.share
        if abs(self.shape) < 1e-6:
            return self.start - self.scale * float(np.log(ratio))
        return self.start + self.scale / self.shape * float(ratio**-self.shape - 1)


def fit_tail(scores: NDArray[np.float32], share: float = TAIL) -> Tail:
    """Fit the upper tail. scores: at least LEAST_EXCEEDANCES / share impostor similarities."""
    count = int(scores.size * share)
    if count < LEAST_EXCEEDANCES:
        raise InputError(
            f"{scores.size} impostor comparisons are too few for a tail of {share:g}.",
            hint=f"At least {int(LEAST_EXCEEDANCES / share):,} are needed: give more pictures.",
            code="too_few_trials",
        )
    top = np.sort(np.partition(scores, -count - 1)[-count - 1 :].astype(np.float64))
    start, excess = float(top[0]), top[1:] - top[0]
    ranks = (np.arange(1, count + 1) - 0.35) / count
    first = float(excess.mean())
    second = float((excess * (1 - ranks)).mean())
    shape = 2 - first / (first - 2 * second)
    scale = 2 * first * second / (first - 2 * second)
    return Tail(start, count / scores.size, shape, scale)


def curve(impostor: Trials, *, enrolled: int, probes: int) -> dict[str, object]:
    """The manifest's table for one protocol."""
    scores = impostor.scores
    tail = fit_tail(scores)
    supported = max(1 / (scores.size * BEYOND), LOWEST_FAR)
    decades = -np.log10(supported)
    rates = np.linspace(0.3, decades, int((decades - 0.3) * POINTS_A_DECADE) + 1)
    ranked = np.sort(scores)
    return {
        "enrolled": enrolled,
        "probes": probes,
        "trials": int(scores.size),
        "tail": {"start": tail.start, "shape": tail.shape, "scale": tail.scale},
        "similarity": _rising([_at(ranked, tail, 10 ** -float(rate)) for rate in rates]),
        "log10_far": [round(-float(rate), 4) for rate in rates],
    }


def _at(ranked: NDArray[np.float32], tail: Tail, far: float) -> float:
    if far < tail.share:
        return tail.similarity(far)
    return float(ranked[ranked.size - max(round(far * ranked.size), 1)])


def _rising(values: list[float]) -> list[float]:
    """Round, and keep the curve strictly usable where counting and the fit meet."""
    return [round(float(value), 5) for value in np.maximum.accumulate(values)]


def calibration(data: Embeddings, description: str, people_sha256: str) -> dict[str, object]:
    """All curves of one model, as the manifest holds them."""
    several = {
        f"template_{ENROLLED}_{probes}": curve(
            templates(data, probes)[1], enrolled=ENROLLED, probes=probes
        )
        for probes in (1, 3)
    }
    alone = {"single": curve(single(data)[1], enrolled=1, probes=1)}
    people = {"people": data.people}
    return {
        "data": description,
        "people_sha256": people_sha256,
        "curves": {name: table | people for name, table in (alone | several).items()},
    }
