"""How much more alike strangers become in small and in blurred pictures.

At each degree of spoiling, the similarity that one stranger in a thousand (and in ten thousand)
reaches is compared with the one that the same people's unspoilt faces reach; the larger rise
counts, with its interval over people. The interval's upper end is the handicap: a door adds it to
its threshold, so that a poor picture is no better a chance for a stranger than a good one. The
upper end, because one picture is compared with one here, while a door averages several frames,
which brings out what spoils them all. Both faces of a pair are spoilt, as those of one camera are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.degrade import SMALLER, Spoilt
from appliance.types import Floats

# Sharpness is not set but measured, and differs from face to face at one degree of blur: faces are
# sorted into what their pictures measure. What is sharper than the first value pays nothing.
SHARPNESS = (0.24, 0.20, 0.16, 0.14, 0.12, 0.11, 0.10, 0.09, 0.08, 0.07, 0.06)
# Pixels between the eyes from which on nobody pays for size.
LARGE = 36.0
# The false-accept rates at which a rise is looked at, the larger rise counts; a rate is left out
# where fewer trials than this lie above it.
AT = (1e-3, 1e-4)
LEAST_ABOVE = 30
# A group of fewer faces than this is not measured.
LEAST_FACES = 300
# Of all trials the best are kept, for the rest are below every threshold.
_KEPT = 0.01
ROUNDS = 100
_EDGES = (0.025, 0.975)


@dataclass(frozen=True, eq=False)
class Group:
    """Faces of one quality. vectors: (n, dimensions); person: (n,) whose, indices."""

    vectors: Floats
    person: NDArray[np.int64]


@dataclass(frozen=True)
class Rise:
    """How far the strangers' tail has risen, with its 95 % interval over people."""

    similarity: float
    low: float
    high: float


@dataclass(frozen=True)
class Risen:
    """One measure's curve, as measured: value falls, rises belong to it."""

    value: tuple[float, ...]
    rises: tuple[Rise, ...]

    def table(self) -> dict[str, list[float]]:
        """The manifest's: never negative, and never falling as quality falls."""
        charged = accumulate((max(rise.similarity, rise.high, 0.0) for rise in self.rises), max)
        return {
            "value": list(self.value),
            "similarity": [round(item, 4) for item in charged],
            "measured": [round(rise.similarity, 4) for rise in self.rises],
            "low": [round(rise.low, 4) for rise in self.rises],
            "high": [round(rise.high, 4) for rise in self.rises],
        }


def measured(spoilt: Sequence[Sequence[Spoilt]]) -> dict[str, Risen]:
    """The curves of both measures. spoilt: by person, one picture's face at all its levels.

    InputError where there are too few people.
    """
    if len(spoilt) < LEAST_FACES:
        raise InputError(
            f"{len(spoilt)} people are too few to tell how quality moves similarities.",
            hint=f"At least {LEAST_FACES} are needed, with one face each.",
            code="too_few_trials",
        )
    faces = [(person, face) for person, levels in enumerate(spoilt) for face in levels]
    return {"eye_distance": _by_size(faces), "sharpness": _by_sharpness(faces)}


_Face = tuple[int, Spoilt]


def _by_size(faces: Sequence[_Face]) -> Risen:
    plain = {person: face for person, face in faces if face.level.kind == "as it is"}
    values, rises = [LARGE], [Rise(0.0, 0.0, 0.0)]
    for degree in SMALLER:
        small = [
            it for it in faces if it[1].level.kind == "smaller" and it[1].level.degree == degree
        ]
        if len(small) < LEAST_FACES:
            continue
        # The same people's own faces, so that nothing but the size differs.
        before = [(person, plain[person]) for person, _ in small]
        values.append(degree)
        rises.append(rise(_group(before), _group(small)))
    return _curve(values, rises)


def _by_sharpness(faces: Sequence[_Face]) -> Risen:
    plain = _group([it for it in faces if it[1].level.kind == "as it is"])
    others = [it for it in faces if it[1].level.kind != "smaller"]
    values, rises = [SHARPNESS[0]], [Rise(0.0, 0.0, 0.0)]
    for value, duller in pairwise(SHARPNESS[1:]):
        # At a value stands what the faces just below it paid: between two values nobody pays less
        # than was measured there.
        here = [it for it in others if duller <= it[1].quality.sharpness < value]
        if len(here) >= LEAST_FACES:
            values.append(value)
            rises.append(rise(plain, _group(here)))
    return _curve(values, rises)


def _curve(values: Sequence[float], rises: Sequence[Rise]) -> Risen:
    if len(values) < 2:
        raise InputError(
            "The pictures are too few or too small to tell how quality moves similarities.",
            hint=f"Faces with more than {SMALLER[0]:g} pixels between the eyes are needed.",
            code="too_few_trials",
        )
    return Risen(tuple(values), tuple(rises))


def _group(faces: Sequence[_Face]) -> Group:
    vectors = np.stack([face.vector for _, face in faces])
    return Group(vectors, np.array([person for person, _ in faces]))


def rise(before: Group, after: Group) -> Rise:
    """How far the strangers' tail of `after` lies above that of `before`.

    The interval is a bootstrap over people, the same draw for both groups.
    """
    one, other = _Tail(before), _Tail(after)
    rates = [far for far in AT if min(one.trials, other.trials) * far >= LEAST_ABOVE] or [AT[0]]
    people = int(max(before.person.max(), after.person.max())) + 1
    generator = np.random.default_rng(0)
    drawn = [
        np.bincount(generator.integers(0, people, people), minlength=people) for _ in range(ROUNDS)
    ]
    shifts = [
        max(other.similarity(far, weight) - one.similarity(far, weight) for far in rates)
        for weight in [np.ones(people, np.int64), *drawn]
    ]
    low, high = np.quantile(shifts[1:], _EDGES)
    return Rise(float(shifts[0]), float(low), float(high))


class _Tail:
    """The most similar pairs of strangers of a group."""

    def __init__(self, group: Group) -> None:
        scores = group.vectors @ group.vectors.T
        row, column = np.triu_indices(len(scores), 1)
        strangers = group.person[row] != group.person[column]
        row, column = row[strangers], column[strangers]
        similar = scores[row, column]
        self.trials = similar.size
        best = np.argpartition(-similar, int(_KEPT * self.trials))[: int(_KEPT * self.trials)]
        best = best[np.argsort(-similar[best])]
        self._similar = similar[best]
        self._one, self._other = group.person[row[best]], group.person[column[best]]
        self._person = group.person

    def similarity(self, far: float, weight: NDArray[np.int64]) -> float:
        """What the share `far` of pairs reaches, where people count `weight` times."""
        each = weight[self._person].astype(np.float64)
        by_person = np.bincount(self._person, each)
        pairs = (each.sum() ** 2 - (by_person**2).sum()) / 2
        above = np.cumsum(weight[self._one] * weight[self._other], dtype=np.float64)
        place = int(np.searchsorted(above, far * pairs))
        return float(self._similar[min(place, self._similar.size - 1)])
