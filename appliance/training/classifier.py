"""Whose face an embedding is, as a classifier says that was trained on a folder's embeddings.

It knows the people it was trained on and nobody else. What a classifier is sure of among those
says nothing about a stranger: one of LFW's other people is given to somebody of ten with a
confidence near 1. So two numbers decide. The confidence says which of the people, and a
similarity says whether it is one of them at all: the cosine to the template of whoever is named,
as at the door. It is for a desk; no door asks a classifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError, ModelError
from appliance.matching import fused
from appliance.training.classifier_kinds import scores
from appliance.types import Floats

Kind = Literal["svm", "knn", "mlp"]
KINDS: tuple[Kind, ...] = ("svm", "knn", "mlp")


@dataclass(frozen=True)
class Origin:
    """What made the embeddings that a classifier was trained on; None: nobody knows.

    fingerprint: of everything that decides what a vector means, as a template carries it.
    """

    model: str | None
    fingerprint: str | None
    dimensions: int


@dataclass(frozen=True)
class Prediction:
    """One embedding's answer.

    name: None for somebody unknown. likest: whom the classifier takes it for, known or not.
    confidence: the probability, among the people of the classifier, that it is `likest`, 0..1.
    similarity: the cosine to the template of `likest`.
    """

    name: str | None
    likest: str
    confidence: float
    similarity: float


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained classifier.

    people: n names. estimator: scikit-learn's, fitted on the classes 0..n-1. templates: (n, d)
    float32 unit vectors. temperature: what its scores are divided by before softmax makes
    probabilities of them. least_similarity: the cosine from which on somebody is known.
    """

    kind: Kind
    people: tuple[str, ...]
    estimator: Any
    templates: Floats
    temperature: float
    least_similarity: float
    origin: Origin

    def predict(self, vectors: Floats) -> list[Prediction]:
        """Name (rows, d) vectors of the classifier's own model. ModelError for another width."""
        if vectors.ndim != 2 or vectors.shape[1] != self.origin.dimensions:
            raise ModelError(
                f"The classifier takes {self.origin.dimensions} numbers a face, and the picture's "
                f"embedding has {vectors.shape[-1]}: they are of different models.",
                hint="Use the model that the classifier was trained with.",
                code="other_model",
            )
        probe = unit(vectors)
        shares = probabilities(scores(self.estimator, self.kind, probe), self.temperature)
        best = np.argmax(shares, axis=1)
        cosines = np.einsum("rd,rd->r", probe, self.templates[best])
        return [
            Prediction(
                self.people[who] if cosine >= self.least_similarity else None,
                self.people[who],
                float(share[who]),
                float(cosine),
            )
            for who, share, cosine in zip(best.tolist(), shares, cosines, strict=True)
        ]


def unit(vectors: Floats) -> Floats:
    """(rows, d) vectors at length 1. InputError where one has none."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths < 1e-6).any():
        row = int(np.flatnonzero(~(lengths[:, 0] >= 1e-6))[0]) + 1
        raise InputError(
            f"The embedding in row {row} has no direction: all its numbers are 0, or too large.",
            hint="Embed the pictures again.",
        )
    return np.asarray(vectors / lengths, np.float32)


def templates(vectors: Floats, classes: NDArray[np.int64], count: int) -> Floats:
    """(count, d) the template of each class, as the door makes one of several pictures."""
    return np.stack([fused(list(vectors[classes == who])) for who in range(count)])


def probabilities(values: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """(rows, n) softmax of scores at a temperature."""
    scaled = values / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)
