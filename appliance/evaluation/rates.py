"""Error rates and their uncertainty.

FAR: share of impostor trials accepted. FRR: share of genuine trials rejected, a picture that was
missed or refused counting as a rejection (ISO/IEC 19795-1 calls this the generalised rate).
All-pairs trials share people, so their intervals come from a bootstrap over people: a person's
weight multiplies all of that person's trials (Bolle et al., "Error analysis of pattern
recognition systems: the subsets bootstrap", CVIU 2004).

Where no error was seen there is nothing to draw anew, and the rule of three (Hanley and
Lippman-Hand, JAMA 1983) bounds the rate by 3/n. Its n must be of independent trials, which those of
one person are not: somebody who is rejected once is likely to be rejected again. So n is the number
of people for genuine trials, and of pairs of people for impostor trials. Pairs that share a person
are not quite independent either: whoever is taken for many others, and is not in the sample, is not
covered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from appliance.evaluation.binomial import share_with_tail

Scores = NDArray[np.float32]
People = NDArray[np.int32]
Hits = NDArray[np.bool_]
Interval = tuple[float, float]

ROUNDS = 400
# Without a single error, n independent trials bound a rate by 3/n.
RULE_OF_THREE = 3
LEVEL = 0.95


@dataclass(frozen=True)
class Rate:
    """A share, its 95 % interval, and the trials it was counted in."""

    value: float
    interval: Interval
    trials: int


class Trials:
    """Comparisons of one kind, all genuine or all between different people.

    scores: (n,) similarities; -inf where a picture was missed or refused.
    one, other: (n,) indices below `people`; equal for genuine trials.
    """

    def __init__(self, scores: Scores, one: People, other: People, people: int) -> None:
        self.scores = scores
        self.one = one
        self.other = other
        self.people = people
        self._genuine = bool((one == other).all())

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """(rounds, people): how often each person was drawn in each round."""
        drawn = np.random.default_rng(0).integers(0, self.people, (ROUNDS, self.people))
        counts = [np.bincount(row, minlength=self.people) for row in drawn]
        return np.asarray(counts, np.float32)

    @cached_property
    def totals(self) -> NDArray[np.float64]:
        """(rounds,) what all trials weigh together in each round."""
        return self._weighted(self.one, self.other)

    @cached_property
    def independent(self) -> int:
        """How many people take part in genuine trials, or pairs of people in impostor trials."""
        if self._genuine:
            return int(np.unique(self.one).size)
        # A table rather than a sort: there are millions of trials.
        seen = np.zeros((self.people, self.people), bool)
        seen[np.minimum(self.one, self.other), np.maximum(self.one, self.other)] = True
        return int(np.count_nonzero(seen))

    def accepted(self, threshold: float) -> Rate:
        """The share whose score reaches the threshold: the FAR of impostor trials."""
        return self._share(self.scores >= threshold)

    def rejected(self, threshold: float) -> Rate:
        """The share whose score stays below the threshold: the FRR of genuine trials."""
        return self._share(self.scores < threshold)

    def _share(self, hit: Hits) -> Rate:
        count = int(self.scores.size)
        if count == 0:
            return Rate(float("nan"), (0.0, 1.0), 0)
        counted = self.totals > 0
        shares = self._weighted(self.one[hit], self.other[hit])[counted] / self.totals[counted]
        low, high = (float(edge) for edge in np.quantile(shares, _EDGES))
        # No error seen is no proof of none, nor nothing but errors of certainty: the rule of three
        # bounds what stayed hidden.
        if not hit.any():
            high = max(high, self._hidden())
        if hit.all():
            low = min(low, 1 - self._hidden())
        return Rate(float(hit.mean()), (low, high), count)

    def _hidden(self) -> float:
        """The largest share that may happen and not be seen, 95 %."""
        return min(RULE_OF_THREE / self.independent, 1.0)

    def _weighted(self, one: People, other: People) -> NDArray[np.float64]:
        """(rounds,) the trials' total weight in each round of the bootstrap."""
        people, weights = self.people, self.weights
        if self._genuine:
            counts = np.bincount(one, minlength=people).astype(np.float32)
            return np.asarray(weights @ counts, np.float64)
        # Millions of trials fall on fewer pairs of people: count those, then one matrix product.
        flat = np.bincount(one.astype(np.int64) * people + other, minlength=people * people)
        pairs = flat.reshape(people, people).astype(np.float32)
        return np.asarray(((weights @ pairs) * weights).sum(axis=1, dtype=np.float64))


_EDGES = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


def exact_interval(hits: int, trials: int) -> Interval:
    """Clopper-Pearson 95 % interval of a share of independent trials (Biometrika 1934)."""
    if trials == 0:
        return 0.0, 1.0
    tail = (1 - LEVEL) / 2
    low = 0.0 if hits == 0 else share_with_tail(hits, trials, tail)
    high = 1.0 if hits == trials else share_with_tail(hits + 1, trials, 1 - tail)
    return low, high


def folded_accuracy(
    scores: Scores, same: Hits, folds: NDArray[np.int64]
) -> tuple[float, float, Sequence[float]]:
    """LFW's protocol: each fold judged at the threshold that is best on the other folds.

    Returns the mean accuracy, its standard error, and each fold's own.
    """
    accuracies = []
    for fold in np.unique(folds):
        chosen = _best_threshold(scores[folds != fold], same[folds != fold])
        here = folds == fold
        accuracies.append(float(((scores[here] >= chosen) == same[here]).mean()))
    spread = float(np.std(accuracies, ddof=1)) / np.sqrt(len(accuracies))
    return float(np.mean(accuracies)), float(spread), accuracies


def _best_threshold(scores: Scores, same: Hits) -> float:
    """The threshold with most pairs right: sweep over all scores, sorted once.

    Pairs with a missed picture are rejected at every threshold and have no say.
    """
    seen = np.isfinite(scores)
    if not seen.any():
        return 0.0
    order = np.argsort(scores[seen], kind="stable")
    ranked, truth = scores[seen][order], same[seen][order]
    # Accepting from position i on: wrong are the genuine before i and the impostors from i on.
    wrong = np.concatenate([[0], np.cumsum(truth)]) + np.concatenate(
        [[(~truth).sum()], (~truth).sum() - np.cumsum(~truth)]
    )
    # No threshold parts equal scores.
    parts = np.concatenate([[True], ranked[1:] > ranked[:-1], [True]])
    best = np.flatnonzero(parts & (wrong == wrong[parts].min()))
    middle = int(best[len(best) // 2])
    if middle == 0:
        return float(ranked[0])
    if middle == len(ranked):
        return float(np.nextafter(ranked[-1], np.float32(np.inf)))
    return float((ranked[middle - 1] + ranked[middle]) / 2)
