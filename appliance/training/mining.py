"""Triplets of faces and what they cost, as FaceNet trains: plain numpy, without any network.

Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR 2015
(arXiv:1503.03832), section 3: an anchor a, a positive p of the same person and a negative n of
another one cost max(0, |a-p|^2 - |a-n|^2 + margin), on unit vectors, with a margin of 0.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.types import Floats

# FaceNet's, in squared Euclidean distance on the unit sphere.
MARGIN = 0.2

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Triplets:
    """Rows of a batch, (n,) each: the anchor's, the positive's, the negative's."""

    anchor: Indices
    positive: Indices
    negative: Indices

    def __len__(self) -> int:
        """How many there are."""
        return len(self.anchor)


def squared_distances(vectors: Floats) -> Floats:
    """(n, n) squared Euclidean distances of (n, dimensions) unit vectors: 2 - 2 cosine, never < 0.

    A vector's distance to itself is exactly 0.
    """
    distances = np.maximum(2 - 2 * (vectors @ vectors.T), 0)
    np.fill_diagonal(distances, 0)
    return np.asarray(distances, np.float32)


def semi_hard(distances: Floats, person: Indices, margin: float = MARGIN) -> Triplets:
    """The semi-hard triplets of a batch: d(a,p) < d(a,n) < d(a,p) + margin.

    Of every pair of two pictures of one person, in both orders, with the nearest such negative. A
    pair without one is left out: where all strangers are farther away it costs nothing, and where
    the nearest are nearer than the positive, training on them early lets all faces fall into one
    point (section 3.2 of the paper).

    distances: (n, n), as of `squared_distances`; person: (n,) whose picture each row is.
    """
    found: list[NDArray[np.int64]] = []
    for anchor in range(len(person)):
        mine = person == person[anchor]
        strangers = np.flatnonzero(~mine)
        mine[anchor] = False
        positives = np.flatnonzero(mine)
        if not positives.size or not strangers.size:
            continue
        strangers = strangers[np.argsort(distances[anchor, strangers], kind="stable")]
        away = distances[anchor, strangers]
        own = distances[anchor, positives]
        place = np.searchsorted(away, own, side="right")
        near = np.minimum(place, strangers.size - 1)
        kept = (place < strangers.size) & (away[near] < own + margin)
        rows = np.stack([positives[kept], strangers[near[kept]]])
        found.append(np.vstack([np.full(rows.shape[1], anchor), rows]))
    anchors, same, other = np.concatenate(found, axis=1) if found else np.zeros((3, 0), np.int64)
    return Triplets(anchors, same, other)


def costs(distances: Floats, triplets: Triplets, margin: float = MARGIN) -> Floats:
    """(n,) what each triplet costs: max(0, d(a,p) - d(a,n) + margin)."""
    near = distances[triplets.anchor, triplets.positive]
    far = distances[triplets.anchor, triplets.negative]
    return np.asarray(np.maximum(near - far + margin, 0), np.float32)
