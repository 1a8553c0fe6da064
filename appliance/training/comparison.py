"""Whether a network rejects fewer genuine pairs than another one, on the same people.

False reject rate at a given false accept rate, one picture against one, the threshold taken from
the very strangers of those people, before and after. Intervals: people drawn anew (see
evaluation.rates), the threshold found anew in every draw, and both networks judged by the same
draws, so that the difference has an interval of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.evaluation.protocols import Embeddings, single
from appliance.evaluation.rates import LEVEL, RULE_OF_THREE, Interval
from appliance.types import Floats

# The rates that are looked at. One is left out where fewer pairs of strangers lie above it.
RATES = (1e-3, 1e-4)
LEAST_ABOVE = 30
# Drawn anew, the strangers' tail may be heavier: this many times its pairs are at hand.
_RESERVE = 8
_EDGES = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)

People = NDArray[np.int64]


@dataclass(frozen=True)
class Share:
    """A rate, or the difference of two, and its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Change:
    """FRR at one FAR before and after. difference: after less before; above 0 is worse."""

    far: float
    before: Share
    after: Share
    difference: Share

    @property
    def worse(self) -> bool:
        """Whether more genuine pairs were rejected than before."""
        return self.difference.value > 0

    @property
    def certain(self) -> bool:
        """Whether the interval of the difference leaves zero out."""
        low, high = self.difference.interval
        return not low <= 0 <= high


def frr(vectors: Floats, person: People, far: float) -> float:
    """FRR at a FAR, all pairs. vectors: (n, dimensions) unit; person: (n,). NaN without pairs."""
    row, column = np.triu_indices(len(vectors), 1)
    scores = (vectors @ vectors.T)[row, column]
    same = person[row] == person[column]
    genuine, strangers = scores[same], scores[~same]
    if not genuine.size or not strangers.size:
        return float("nan")
    return float((genuine < _threshold(strangers, far)).mean())


def compared(
    before: Floats, after: Floats, person: People, rates: Sequence[float] = RATES
) -> list[Change]:
    """Every rate that the strangers support. before, after: (n, dimensions) of the same faces."""
    one, other = _Judged(before, person), _Judged(after, person)
    return [
        _change(one.frr(far), other.frr(far), far, one.people)
        for far in rates
        if one.strangers.scores.size * far >= LEAST_ABOVE
    ]


class _Judged:
    """All pairs of one network's vectors."""

    def __init__(self, vectors: Floats, person: People) -> None:
        people, own = np.unique(person, return_inverse=True)
        all_of = np.ones(len(vectors), bool)
        data = Embeddings(
            vectors,
            all_of,
            all_of,
            own.astype(np.int32),
            len(people),
            np.zeros(len(vectors), np.float32),
        )
        self.genuine, self.strangers = single(data)
        self.people = self.genuine.independent

    def frr(self, far: float) -> NDArray[np.float64]:
        """(1 + rounds,): the rate as it is, and with people drawn anew."""
        strangers, genuine = self.strangers, self.genuine
        threshold = _threshold(strangers.scores, far)
        found = [float((genuine.scores < threshold).mean())]
        size = strangers.scores.size
        count = min(_RESERVE * max(int(far * size), 1), size)
        highest = np.argpartition(-strangers.scores, count - 1)[:count]
        highest = highest[np.argsort(-strangers.scores[highest], kind="stable")]
        for weight, total in zip(strangers.weights, strangers.totals, strict=True):
            pairs = weight[strangers.one[highest]] * weight[strangers.other[highest]]
            reached = np.cumsum(pairs, dtype=np.float64)
            place = int(np.searchsorted(reached, far * total, side="right"))
            least = strangers.scores[highest[max(place, 1) - 1]]
            each = weight[genuine.one]
            drawn = float(each.sum(dtype=np.float64))
            rejected = float(each[genuine.scores < least].sum(dtype=np.float64))
            found.append(rejected / drawn if drawn else float("nan"))
        return np.asarray(found)


def _threshold(strangers: NDArray[np.float32], far: float) -> float:
    """The lowest similarity that no more strangers reach than the share `far`, or one."""
    above = max(int(far * strangers.size), 1)
    return float(np.partition(strangers, strangers.size - above)[strangers.size - above])


def _change(
    before: NDArray[np.float64], after: NDArray[np.float64], far: float, people: int
) -> Change:
    hidden = RULE_OF_THREE / people
    return Change(
        far, _share(before, 0.0, hidden), _share(after, 0.0, hidden), _share(after - before)
    )


def _share(rounds: NDArray[np.float64], least: float | None = None, hidden: float = 0.0) -> Share:
    """hidden: what may stay unseen where nothing was seen (evaluation.rates)."""
    drawn = rounds[1:][np.isfinite(rounds[1:])]
    low, high = (float(edge) for edge in np.quantile(drawn, _EDGES))
    value = float(rounds[0])
    if least is not None and value == least:
        high = max(high, min(hidden, 1.0))
    return Share(value, (low, high))
