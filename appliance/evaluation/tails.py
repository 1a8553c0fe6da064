"""The upper tail of strangers' similarities, fitted, and how far the fit can be trusted.

Where many impostors reached a similarity, the rate is counted. In the tail, where few did, a
generalised Pareto distribution is fitted to the exceedances over a high similarity (Pickands,
Annals of Statistics 1975), by probability-weighted moments (Hosking and Wallis, Technometrics
1987). Trials share people, so the fit is repeated on people drawn anew (see evaluation.rates):
every trial weighs as often as both of its people were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.rates import LEVEL, Interval, Trials

# The share of all impostor trials that makes the tail.
TAIL = 1e-3
# A tail of fewer exceedances says little.
LEAST_EXCEEDANCES = 75
# People drawn anew make the tail heavier in some rounds: this many times its trials are at hand.
_RESERVE = 8
# A round with fewer trials than this at hand says nothing.
_LEAST_DRAWN = 10
_NO_SPREAD = 1e-3
_EDGES = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)

_Weights = NDArray[np.float64]


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

    def far(self, similarity: float) -> float:
        """The probability with which strangers reach a similarity (from `start` on)."""
        excess = (similarity - self.start) / self.scale
        if abs(self.shape) < 1e-6:
            return self.share * float(np.exp(-excess))
        inner = 1 + self.shape * excess
        return self.share * float(inner ** (-1 / self.shape)) if inner > 0 else 0.0


@dataclass(frozen=True)
class Bounds:
    """95 % intervals for one rate: of its similarity, and of the rate at the fitted similarity."""

    far: float
    similarity: Interval
    far_interval: Interval


def fit_tail(scores: NDArray[np.float32], share: float = TAIL) -> Tail:
    """Fit the upper tail. InputError `too_few_trials` where it has too few exceedances."""
    count = int(scores.size * share)
    if count < LEAST_EXCEEDANCES:
        raise InputError(
            f"{scores.size} impostor comparisons are too few for a tail of {share:g}.",
            hint=f"At least {round(LEAST_EXCEEDANCES / share):,} are needed: give more pictures.",
            code="too_few_trials",
        )
    top = np.sort(np.partition(scores, -count - 1)[-count - 1 :].astype(np.float64))[::-1]
    return _fitted(top, np.ones(count + 1), float(scores.size), count)


def bounds(trials: Trials, fitted: Sequence[tuple[float, float]]) -> list[Bounds]:
    """How sure the fitted (far, similarity) pairs are, by refitting on people drawn anew."""
    size = trials.scores.size
    count = min(_RESERVE * int(size * TAIL), size)
    highest = np.argpartition(trials.scores, size - count)[size - count :]
    highest = highest[np.argsort(-trials.scores[highest], kind="stable")]
    scores = trials.scores[highest].astype(np.float64)
    one, other = trials.one[highest], trials.other[highest]
    similarity: list[list[float]] = []
    far: list[list[float]] = []
    for weight, total in zip(trials.weights, trials.totals, strict=True):
        weights = (weight[one] * weight[other]).astype(np.float64)
        if np.count_nonzero(weights) < _LEAST_DRAWN:
            continue  # hardly anybody of the tail was drawn: this round knows nothing of it
        drawn = _Round(scores, weights, float(total))
        similarity.append([drawn.similarity(rate) for rate, _ in fitted])
        far.append([drawn.far(value) for _, value in fitted])
    low_high = np.quantile(np.array(similarity), _EDGES, axis=0).T
    far_low_high = np.quantile(np.array(far), _EDGES, axis=0).T
    return [
        Bounds(rate, (float(low), float(high)), (float(least), float(most)))
        for (rate, _), (low, high), (least, most) in zip(
            fitted, low_high, far_low_high, strict=True
        )
    ]


class _Round:
    """One round of the bootstrap: the highest trials, falling, and what each weighs."""

    def __init__(self, scores: NDArray[np.float64], weights: _Weights, total: float) -> None:
        drawn = weights > 0
        self._scores = scores[drawn]
        self._reached = np.cumsum(weights[drawn])
        self._total = total
        count = int(np.searchsorted(self._reached, TAIL * total, side="right"))
        count = min(max(count, 2), len(self._scores) - 1)
        self._tail = _fitted(self._scores, weights[drawn], total, count)

    def similarity(self, far: float) -> float:
        if far < self._tail.share:
            return self._tail.similarity(far)
        place = int(np.searchsorted(self._reached, far * self._total))
        return float(self._scores[min(place, len(self._scores) - 1)])

    def far(self, similarity: float) -> float:
        if similarity >= self._tail.start:
            return self._tail.far(similarity)
        place = int(np.searchsorted(-self._scores, -similarity, side="right"))
        return float(self._reached[place - 1] / self._total)


def _fitted(scores: NDArray[np.float64], weights: _Weights, total: float, count: int) -> Tail:
    """Fit the first `count` scores, which fall; the next one is where the tail starts."""
    start, excess, weight = float(scores[count]), scores[:count] - scores[count], weights[:count]
    reached = np.cumsum(weight)
    # The share of the tail that lies above each exceedance, at its plotting position.
    above = (reached - 0.65 * weight) / reached[-1]
    first = float(np.average(excess, weights=weight))
    second = float(np.average(excess * above, weights=weight))
    share, spread = float(reached[-1]) / total, first - 2 * second
    if spread <= _NO_SPREAD * first:
        # All exceedances are one number, as a coarse network's may be: nothing lies beyond it.
        return Tail(start, share, -1.0, max(float(excess[0]), 1e-6))
    return Tail(start, share, 2 - first / spread, 2 * first * second / spread)
