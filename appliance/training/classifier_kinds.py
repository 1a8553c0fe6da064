"""The three kinds of classifier: how each is fitted, and the scores that each gives.

All are scikit-learn's, also the small network once PyTorch has trained it (see `network`), so
that all are kept and asked in one way. None is asked for its own probability: a support vector
machine has none, three neighbours know only thirds, and a network's is too sure of itself (Guo et
al., "On calibration of modern neural networks", 2017). `classifier_confidence` makes one of each
kind's scores, from pictures that it was not trained on.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.training import network
from appliance.types import Floats

# As in OpenFace's own classifier.
_C = 1.0
_NEIGHBOURS = 5
# A person who is not among the nearest neighbours gets this share of a vote instead of none, and
# what a network gives to nobody is not the logarithm of 0.
_LEAST_VOTE, _LEAST_SHARE = 0.01, 1e-30


def check(kind: str) -> None:
    """InputError `missing_library` where this kind cannot be trained here."""
    require_sklearn()
    if kind == "mlp":
        network.check()


def require_sklearn() -> None:
    """InputError `missing_library` where scikit-learn or skops is not installed."""
    missing = [name for name in ("sklearn", "skops") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"Classifiers need scikit-learn and skops, and {missing[0]} is not installed.",
            hint="pip install 'face-access-appliance[train]', on a desk rather than on the door.",
            code="missing_library",
        )


def fit(kind: str, vectors: Floats, classes: NDArray[np.int64], seed: int) -> Any:
    """A fitted estimator. vectors: (rows, d) unit vectors; classes: (rows,), every one of 0..n-1.

    The same seed gives the same classifier on the same machine and versions.
    """
    if kind == "knn":
        return _neighbours(vectors, classes)
    if kind == "mlp":
        return network.fit(vectors, classes, seed)
    return _support_vectors(vectors, classes, seed)


def scores(estimator: Any, kind: str, vectors: Floats) -> NDArray[np.float64]:
    """(rows, n) one score for each class, the larger the likelier, on a scale of the kind's own."""
    if kind == "svm":
        margins = np.asarray(estimator.decision_function(vectors), np.float64)
        return np.stack([-margins, margins], axis=1) if margins.ndim == 1 else margins
    least = _LEAST_VOTE if kind == "knn" else _LEAST_SHARE
    shares = np.asarray(estimator.predict_proba(vectors), np.float64)
    return np.asarray(np.log(np.maximum(shares, least)), np.float64)


def _support_vectors(vectors: Floats, classes: NDArray[np.int64], seed: int) -> Any:
    """One linear machine for each person against all others.

    OpenFace's SVC fits one for each pair, which for 800 people are 320,000. Classes are weighted
    against their sizes, or somebody with two pictures would drown among those with a hundred.
    """
    from sklearn.svm import LinearSVC

    estimator = LinearSVC(
        C=_C, class_weight="balanced", dual="auto", max_iter=10_000, random_state=seed
    )
    return estimator.fit(vectors, classes)


def _neighbours(vectors: Floats, classes: NDArray[np.int64]) -> Any:
    """As many neighbours vote as the person with the fewest pictures has, five at most."""
    from sklearn.neighbors import KNeighborsClassifier

    count = min(_NEIGHBOURS, int(np.bincount(classes).min()))
    estimator = KNeighborsClassifier(count, weights="distance", algorithm="brute")
    return estimator.fit(vectors, classes)
