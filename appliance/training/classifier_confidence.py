"""What a classifier's score is worth as a probability.

Temperature scaling (Guo et al., "On calibration of modern neural networks", 2017): softmax of the
scores over one number, which makes the people who are right the likeliest on pictures that the
classifier was not trained on. One number cannot change who is named, and is known well from few
pictures, where Platt's two for each person are not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from appliance.training.classifier import probabilities

# Of the temperature's natural logarithm, relative to the scores' spread.
_RANGE = (-9.0, 5.0)
_BINS = 10

_Scores = NDArray[np.float64]
_Classes = NDArray[np.int64]


def temperature(scores: _Scores, classes: _Classes) -> float:
    """The temperature under which held-out (rows, n) scores make `classes` the likeliest.

    Where no picture is named wrongly every smaller temperature is likelier still, and the
    classifier would be certain. N pictures cannot show that: as in Platt's targets (1999) they
    count as one more that was wrong among N + 2.
    """
    from scipy.optimize import minimize_scalar

    rows, count = scores.shape
    wanted = np.full((rows, count), 1.0 / ((rows + 2) * max(count - 1, 1)))
    wanted[np.arange(rows), classes] = (rows + 1) / (rows + 2)
    spread = float(np.std(scores)) or 1.0

    def surprise(logarithm: float) -> float:
        shares = probabilities(scores, spread * float(np.exp(logarithm)))
        return float(-np.mean(np.sum(wanted * np.log(np.maximum(shares, 1e-300)), axis=1)))

    found = minimize_scalar(surprise, bounds=_RANGE, method="bounded")
    return spread * float(np.exp(found.x))


def held_out(scores: _Scores, classes: _Classes, fold: _Classes) -> _Scores:
    """(rows, n) probabilities of each picture, at the temperature that the other folds ask for.

    By these it is told how good the confidence is: at the temperature of all it would be judged
    by the pictures that it was chosen on.
    """
    shares = np.empty_like(scores)
    for number in np.unique(fold):
        held = fold == number
        shares[held] = probabilities(scores[held], temperature(scores[~held], classes[~held]))
    return shares


def calibration_error(shares: _Scores, classes: _Classes) -> float:
    """The expected calibration error of (rows, n) probabilities, over ten equal bins.

    By how much the confidence is off the accuracy, over all rows in the mean.
    """
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == classes
    bins = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    off = [
        abs(right[bins == it].mean() - confidence[bins == it].mean()) * np.mean(bins == it)
        for it in np.unique(bins)
    ]
    return float(np.sum(off))
