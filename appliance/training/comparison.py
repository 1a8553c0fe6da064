"""Whether a network rejects fewer genuine pairs than another one, on the same people.

False reject rate at a given false accept rate, one picture against one, the threshold taken from
the very strangers of those people, before and after. Counted in two ways: over all pairs, as
`appliance evaluate` does, and over people, each of whom counts once. They are not the same where a
few people have most of the pictures: in LFW's development half one person has 47 % of the pairs.

Intervals: people drawn anew (see evaluation.rates), the threshold found anew in every draw, and
both networks judged by the same draws, so that the difference has an interval of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

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
# Rows that are compared with all others at a time.
_BLOCK = 512

People = NDArray[np.int64]
Counted = Literal["pairs", "people"]


class Rejected(NamedTuple):
    """FRR over all genuine pairs, and the mean of every person's own."""

    pairs: float
    people: float


@dataclass(frozen=True)
class Share:
    """A rate, or the difference of two, and its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Change:
    """FRR at one FAR before and after. difference: after less before; above 0 is worse.

    counted: whether every pair counts once, or every person.
    """

    far: float
    before: Share
    after: Share
    difference: Share
    counted: Counted = "pairs"

    @property
    def worse(self) -> bool:
        """Whether more genuine pairs were rejected than before, or none can say so."""
        return not self.difference.value <= 0


def frr(vectors: Floats, person: People, far: float) -> Rejected:
    """FRR at a FAR, of all pairs. NaN without pairs, or where a vector is no number.

    vectors: (n, dimensions) unit; person: (n,). Takes memory for `_BLOCK` rows of similarities.
    """
    count = np.bincount(np.unique(person, return_inverse=True)[1])
    strangers = (len(person) ** 2 - int((count**2).sum())) // 2
    if not strangers or count.max() < 2 or not np.isfinite(vectors).all():
        return Rejected(float("nan"), float("nan"))
    above = max(int(far * strangers), 1)
    highest = np.zeros(0, np.float32)
    genuine, whose = [], []
    for first in range(0, len(person), _BLOCK):
        scores = vectors[first : first + _BLOCK] @ vectors[first:].T
        later = np.triu(np.ones(scores.shape, bool), 1)
        mine, all_others = person[first : first + _BLOCK], person[first:]
        same = mine[:, np.newaxis] == all_others
        highest = np.concatenate([highest, scores[later & ~same]])
        # One more than may pass, which tells whether others are as near as the last of those.
        if len(highest) > above + 1:
            highest = np.partition(highest, -above - 1)[-above - 1 :]
        own = later & same
        genuine.append(scores[own])
        whose.append(mine[np.nonzero(own)[0]])
    threshold = _threshold(np.sort(highest)[::-1], above)
    return _rejected(np.concatenate(genuine), np.concatenate(whose), threshold)


def _rejected(genuine: Floats, person: People, threshold: float) -> Rejected:
    rejected = genuine < threshold
    own = np.unique(person, return_inverse=True)[1]
    return Rejected(
        float(rejected.mean()),
        float((np.bincount(own, weights=rejected) / np.bincount(own)).mean()),
    )


def compared(
    before: Floats, after: Floats, person: People, rates: Sequence[float] = RATES
) -> list[Change]:
    """Every rate that the strangers support. before, after: (n, dimensions) of the same faces."""
    one, other = _Judged(before, person), _Judged(after, person)
    return [
        change
        for far in rates
        if one.strangers.scores.size * far >= LEAST_ABOVE
        for change in _changes(one.frr(far), other.frr(far), far, one.people)
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
        """(1 + rounds, 2): the rates as they are, and with people drawn anew; see Rejected."""
        strangers, genuine = self.strangers, self.genuine
        size = strangers.scores.size
        above = max(int(far * size), 1)
        count = min(_RESERVE * above + 1, size)
        highest = np.argpartition(-strangers.scores, count - 1)[:count]
        highest = highest[np.argsort(-strangers.scores[highest], kind="stable")]
        ranked = strangers.scores[highest]
        threshold = _threshold(ranked, above)
        found: list[Sequence[float]] = [
            _rejected(genuine.scores, genuine.one.astype(np.int64), threshold)
        ]
        pairs_of = np.bincount(genuine.one, minlength=len(strangers.weights[0]))
        for weight, total in zip(strangers.weights, strangers.totals, strict=True):
            pairs = weight[strangers.one[highest]] * weight[strangers.other[highest]]
            reached = np.cumsum(pairs, dtype=np.float64)
            place = int(np.searchsorted(reached, far * total, side="right"))
            # Whether others are as near is not known of the last that is at hand.
            least = _threshold(ranked, min(max(place, 1), count if count == size else count - 1))
            below = genuine.one[genuine.scores < least]
            rejected = np.bincount(below, minlength=len(weight))
            found.append(_drawn(weight, rejected, pairs_of))
        return np.asarray(found)


def _drawn(weight: Floats, rejected: People, pairs: People) -> tuple[float, float]:
    """Both rates where each person was drawn `weight` times."""
    drawn = (pairs > 0) & (weight > 0)
    if not drawn.any():
        return float("nan"), float("nan")
    times, rejected, pairs = weight[drawn].astype(np.float64), rejected[drawn], pairs[drawn]
    return (
        float((times * rejected).sum() / (times * pairs).sum()),
        float((times * rejected / pairs).sum() / times.sum()),
    )


def _threshold(ranked: NDArray[np.float32], above: int) -> float:
    """The lowest similarity that no more than `above` strangers reach.

    ranked: the strangers' similarities, falling; `above` and one more, where there are so many.
    Where more share the last one that may pass, none of those does: a network that has let all
    faces fall into one point would else reject nobody, and accept everybody.
    """
    last = ranked[above - 1]
    if above < len(ranked) and ranked[above] == last:
        return float(np.nextafter(last, np.float32(np.inf)))
    return float(last)


def _changes(
    before: NDArray[np.float64], after: NDArray[np.float64], far: float, people: int
) -> list[Change]:
    hidden = RULE_OF_THREE / people
    counted: tuple[Counted, ...] = ("pairs", "people")
    return [
        Change(
            far,
            _share(one, 0.0, hidden),
            _share(other, 0.0, hidden),
            _share(other - one),
            counted=of,
        )
        for of, one, other in zip(counted, before.T, after.T, strict=True)
    ]


def _share(rounds: NDArray[np.float64], least: float | None = None, hidden: float = 0.0) -> Share:
    """hidden: what may stay unseen where nothing was seen (evaluation.rates)."""
    drawn = rounds[1:][np.isfinite(rounds[1:])]
    low, high = (float(edge) for edge in np.quantile(drawn, _EDGES))
    value = float(rounds[0])
    if least is not None and value == least:
        high = max(high, min(hidden, 1.0))
    return Share(value, (low, high))
