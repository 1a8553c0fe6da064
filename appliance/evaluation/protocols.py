"""Which pictures are compared with which: one against one, and a template against a probe.

Both protocols take every comparison that the data set allows. A trial's score is the similarity
less the probe's handicap, as a door decides it (appliance.matching); of a pair, the later picture
is the probe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.evaluation.dataset import Dataset, Pair
from appliance.evaluation.embed import Embedded
from appliance.evaluation.rates import Trials
from appliance.matching import fused
from appliance.types import Quality

# What a template is made of in the second protocol; a person needs one picture more as a probe.
ENROLLED = 5
# What a camera's enrolment makes it of by default: the more are averaged, the higher strangers
# come, so this number has curves of its own.
ENROLLED_LIVE = 10
MISSED = -np.inf
# Rows of the matrix of all comparisons that are held at a time.
_BLOCK = 512

# scores, one person, the other person
_Part = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """A data set's vectors, rows of zeros where there is none.

    vectors: (n, dimensions) float32; person: (n,) int32; people: how many.
    found: (n,) bool, a face was found; usable: (n,) bool, and a door would take it.
    handicap: (n,) float32, what a probe of this quality has taken off.
    """

    vectors: NDArray[np.float32]
    found: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    person: NDArray[np.int32]
    people: int
    handicap: NDArray[np.float32]


def gather(
    dataset: Dataset,
    embedded: Sequence[Embedded],
    handicap: Callable[[Quality | None], float] = lambda _: 0.0,
) -> Embeddings:
    """Bring pictures' vectors into one array. handicap: of a face, from its quality."""
    size = next((item.vector.size for item in embedded if item.vector is not None), 1)
    nothing = np.zeros(size, np.float32)
    vectors = np.stack([nothing if item.vector is None else item.vector for item in embedded])
    found = np.array([item.vector is not None for item in embedded])
    usable = np.array([item.fault is None for item in embedded]) & found
    person = np.array([picture.person for picture in dataset.pictures], np.int32)
    off = np.array([handicap(item.quality) for item in embedded], np.float32)
    return Embeddings(vectors, found, usable, person, len(dataset.people), off)


def pair_scores(data: Embeddings, pairs: Sequence[Pair]) -> NDArray[np.float32]:
    """(pairs,) cosine of each pair of pairs.txt; -inf where a face was missed.

    The protocol measures the network on every face, so quality refuses nothing here.
    """
    one, other = np.array([(pair.one, pair.other) for pair in pairs]).T
    scores = (data.vectors[one] * data.vectors[other]).sum(axis=1)
    scores[~(data.found[one] & data.found[other])] = MISSED
    return np.asarray(scores, np.float32)


def single(data: Embeddings) -> tuple[Trials, Trials]:
    """(genuine, impostor) trials of every picture against every other.

    Genuine trials include missed pictures, as rejections; impostor trials are of usable ones.
    """
    genuine: list[_Part] = []
    impostors: list[_Part] = []
    for first in range(0, len(data.person), _BLOCK):
        block = slice(first, first + _BLOCK)
        scores = data.vectors[block] @ data.vectors.T - data.handicap
        # Each pair once: only what lies right of the diagonal.
        row, column = np.nonzero(np.triu(np.ones(scores.shape, bool), first + 1))
        one, other = data.person[block][row], data.person[column]
        both = data.usable[block][row] & data.usable[column]
        score = scores[row, column]
        same = one == other
        strangers = both & ~same
        genuine.append(
            (np.where(both, score, MISSED)[same].astype(np.float32), one[same], one[same])
        )
        impostors.append((score[strangers], one[strangers], other[strangers]))
    return _joined(genuine, data.people), _joined(impostors, data.people)


def templates(data: Embeddings, probes: int = 1, enrolled: int = ENROLLED) -> tuple[Trials, Trials]:
    """(genuine, impostor) trials of templates of `enrolled` pictures against `probes` averaged.

    A person's first `enrolled` usable pictures make the template, as an enrolment asks until it has
    enough; all later pictures, in groups of `probes`, are probes, missed ones as rejections.
    Impostors are all groups of all other people, also for a template whose owner has no more
    pictures.
    """
    groups, owner, off = _probe_groups(data, probes)
    genuine: list[_Part] = []
    impostors: list[_Part] = []
    for person in range(data.people):
        mine = np.flatnonzero(data.person == person)
        chosen = mine[data.usable[mine]][:enrolled]
        if len(chosen) < enrolled:
            continue
        template = fused(list(data.vectors[chosen]))
        later = _chunks(mine[mine > chosen[-1]], probes)
        same = np.full(len(later), person, np.int32)
        scores = np.array([_score(data, template, group) for group in later], np.float32)
        genuine.append((scores, same, same))
        others = owner != person
        scores_of_others = groups[others] @ template - off[others]
        impostors.append((scores_of_others, np.full_like(owner[others], person), owner[others]))
    return _joined(genuine, data.people), _joined(impostors, data.people)


def _probe_groups(
    data: Embeddings, probes: int
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """All usable probes of everybody: (groups, dimensions) fused vectors, people, handicaps."""
    vectors, owner, off = [], [], []
    for person in range(data.people):
        mine = np.flatnonzero((data.person == person) & data.usable)
        for group in _chunks(mine, probes):
            vectors.append(fused(list(data.vectors[group])))
            owner.append(person)
            off.append(data.handicap[group].max())
    size = data.vectors.shape[1]
    together = np.array(vectors, np.float32).reshape(-1, size)
    return together, np.array(owner, np.int32), np.array(off, np.float32)


def _chunks(indices: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    whole = len(indices) // size
    return [indices[size * i : size * (i + 1)] for i in range(whole)]


def _score(data: Embeddings, template: NDArray[np.float32], group: NDArray[np.int64]) -> float:
    if not data.usable[group].all():
        return MISSED
    similarity = float(template @ fused(list(data.vectors[group])))
    return similarity - float(data.handicap[group].max())


def _joined(parts: list[_Part], people: int) -> Trials:
    if not parts:
        none = np.zeros(0, np.int32)
        return Trials(np.zeros(0, np.float32), none, none, people)
    scores, one, other = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Trials(scores, one, other, people)
