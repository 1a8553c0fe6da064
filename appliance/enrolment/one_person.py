"""Whether frames show one person: who is kept, who is dropped, and when the set is refused.

The rules, before the code:

1. The most central frame is the one most similar to all others. Whoever does not agree with it
   is dropped, so nobody gets in through a frame between two people: agreement is never passed on
   from one frame to the next.
2. Each frame left must resemble the mean of the others, as a stranger does once in ten thousand
   (`BELONGING_FAR`). The least alike is dropped until all do: a mean of several tells strangers
   from the person far better than a single picture does.
3. Half or more dropped: it cannot be said whose template this would be; refused.
4. Two dropped frames that agree with each other are somebody: refused. A lone one may be a bad
   crop, and is dropped. (Of 196 albums of half of Labeled Faces in the Wild this refuses two:
   sunglasses twice, and a false nose twice.)
5. What is left is parted into the two groups that differ most. Of one person, their means resemble
   each other as one stranger in a hundred thousand does (`HALVES_FAR`); otherwise two look-alikes
   hold each other's frames together, which no single comparison shows, and the set is refused.

What this cannot see is a set that is consistent and wrong: all of it somebody else's, or all of it
morphs of two people (Scherhag et al., "Face recognition systems under morphing attacks: a survey",
IEEE Access 2019). Somebody has to look at who is enrolled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.matching import applicable, fused, threshold
from appliance.types import Floats
from appliance.vision.manifest import Calibration

# A frame belongs to the others where a stranger's would once in this many. On half of Labeled
# Faces in the Wild, six pictures of one person and one of her nearest look-alikes, the look-alike
# stayed in 1 of 70 sets, after rule 1 alone in 1 of 11; 1.3 % of her own pictures were dropped.
BELONGING_FAR = 1e-4
# The two halves of a set know each other where strangers' would once in this many. Of six pictures
# and three of a look-alike that had passed the rules before, nine in ten sets were found by it; of
# six of one person 1.1 % were refused, of ten 0.1 %.
HALVES_FAR = 1e-5
# A template of this many frames is what the rest of a set is judged as.
_REST = 5
# 2-means settles in a few rounds.
_ROUNDS = 10


@dataclass(frozen=True)
class Sorted:
    """Indices of frames. kept: one person's. strangers: dropped by rule 1; odd: by rule 2.

    somebody: those of the dropped that agree with another dropped one, and where the kept ones are
    of two people the smaller group of these. majority: rule 3.
    """

    kept: tuple[int, ...]
    strangers: tuple[int, ...]
    odd: tuple[int, ...]
    somebody: tuple[int, ...]
    majority: bool


def belonging(calibration: Calibration) -> float:
    """The cosine to the mean of the others that each frame of one person must reach."""
    curves = applicable(calibration, _REST, 1)
    return max(threshold(curve, BELONGING_FAR) for curve in curves)


def halves(calibration: Calibration) -> float:
    """The cosine that the means of two groups of one person's frames must reach."""
    return max(threshold(curve, HALVES_FAR) for curve in applicable(calibration, _REST, 1))


def sort_out(vectors: Floats, agreement: float, belonging: float, halves: float) -> Sorted:
    """Apply the rules. vectors: (n, dimensions) float32 unit vectors, n of 1 or more.

    agreement: least cosine to another frame; belonging: least cosine to the mean of the others;
    halves: least cosine of two groups' means.
    """
    alike = vectors @ vectors.T
    centre = int(np.argmax(alike.sum(axis=1)))
    agrees = alike[centre] >= agreement
    agrees[centre] = True
    kept = [int(index) for index in np.flatnonzero(agrees)]
    odd: list[int] = []
    while len(kept) > 2:
        similarity = against_the_rest(vectors[kept])
        worst = int(np.argmin(similarity))
        if similarity[worst] >= belonging:
            break
        odd.append(kept.pop(worst))
    strangers = [int(index) for index in np.flatnonzero(~agrees)]
    company = _in_company(alike, sorted([*strangers, *odd]), agreement)
    second = [kept[index] for index in second_group(vectors[kept], halves)]
    return Sorted(
        kept=tuple(kept),
        strangers=tuple(strangers),
        odd=tuple(sorted(odd)),
        somebody=tuple(sorted([*company, *second])),
        majority=len(vectors) == 1 or 2 * len(kept) > len(vectors),
    )


def against_the_rest(vectors: Floats) -> NDArray[np.float32]:
    """(n,) cosine of each of n unit vectors, two or more, with the mean of the others."""
    rest = vectors.sum(axis=0) - vectors
    norms = np.maximum(np.linalg.norm(rest, axis=1), 1e-6)
    return np.asarray((vectors * rest).sum(axis=1) / norms, np.float32)


def second_group(vectors: Floats, halves: float) -> tuple[int, ...]:
    """Indices of the smaller of two groups that are too unlike for one person; or none.

    The groups are those of 2-means, begun along the direction in which the frames differ most.
    A group of one is no group.
    """
    centred = vectors - vectors.mean(axis=0)
    first = np.asarray(centred @ np.linalg.svd(centred, full_matrices=False)[2][0] > 0)
    for _ in range(_ROUNDS):
        if min(first.sum(), (~first).sum()) < 2:
            return ()
        one, other = fused(list(vectors[first])), fused(list(vectors[~first]))
        nearer = np.asarray(vectors @ one > vectors @ other)
        if (nearer == first).all():
            break
        first = nearer
    if min(first.sum(), (~first).sum()) < 2 or float(one @ other) >= halves:
        return ()
    smaller = first if 2 * first.sum() <= len(first) else ~first
    return tuple(int(index) for index in np.flatnonzero(smaller))


def _in_company(
    alike: NDArray[np.float32], dropped: Sequence[int], agreement: float
) -> tuple[int, ...]:
    return tuple(
        index
        for index in dropped
        if any(alike[index, other] >= agreement for other in dropped if other != index)
    )
