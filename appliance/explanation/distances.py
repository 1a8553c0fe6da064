"""Cosine, Euclidean and squared Euclidean distance: three ways to say how alike two faces are.

For unit vectors a and b, |a - b|^2 = |a|^2 + |b|^2 - 2 a.b = 2 - 2 cos: each of the three follows
from the others, and a threshold on one is a threshold on all. OpenFace states the squared distance
(0 to 4); `numpy.linalg.norm(a - b)`, as many walk-throughs have it, is its root (0 to 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CONVERSION = "for unit vectors d^2 = 2 - 2 cos, so cos = 1 - d^2 / 2"


@dataclass(frozen=True)
class Alike:
    """How alike two unit vectors are. cosine: -1 to 1. squared: 0 to 4. distance: 0 to 2."""

    cosine: float
    squared: float
    distance: float


@dataclass(frozen=True)
class Known:
    """A threshold that people come with."""

    who: str
    of: str
    alike: Alike


def fixed(value: float, digits: int = 3) -> str:
    """A number with so many decimals. What is rounded to nought has no sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def of_cosine(cosine: float) -> Alike:
    """The three of a cosine; what rounding puts beyond 1 counts as 1."""
    inside = min(max(cosine, -1.0), 1.0)
    squared = 2.0 - 2.0 * inside
    return Alike(inside, squared, math.sqrt(squared))


def of_threshold(threshold: float) -> Alike | None:
    """The three of a threshold on the cosine; None where it lies beyond 1 and nothing reaches it.

    What a poor picture pays, or a rate far below what was measured, can put it there.
    """
    return of_cosine(threshold) if threshold <= 1.0 else None


def of_squared(squared: float) -> Alike:
    """The three of a squared Euclidean distance in 0..4."""
    return Alike(1.0 - squared / 2.0, squared, math.sqrt(squared))


def of_distance(distance: float) -> Alike:
    """The three of a Euclidean distance in 0..2."""
    return Alike(1.0 - distance * distance / 2.0, distance * distance, distance)


# What the conversion makes of the two thresholds of the tutorials. A number belongs to its network:
# none of them means anything for another one.
KNOWN = (
    Known(
        "OpenFace nn4.small2, mean threshold over the folds of LFW",
        "squared distance 0.99",
        of_squared(0.99),
    ),
    Known(
        "FaceNet by `numpy.linalg.norm`, one picture a person, found by trial",
        "distance 0.52",
        of_distance(0.52),
    ),
)
