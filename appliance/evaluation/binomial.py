"""The binomial distribution's tail, and what share of successes gives it: no library needed."""

from __future__ import annotations

import math

# Halvings of the unit interval: beyond the precision of a float.
_HALVINGS = 80
_TERMS = 10_000
_TINY = 1e-300


def at_least(hits: int, trials: int, share: float) -> float:
    """P(X >= hits) for `trials` independent trials that each succeed with probability `share`.

    The regularised incomplete beta function, by its continued fraction (DLMF 8.17.22).
    """
    if hits <= 0 or share >= 1:
        return 1.0
    if hits > trials or share <= 0:
        return 0.0
    one, other = float(hits), float(trials - hits + 1)
    # The fraction converges fast on one side of the mean; the other side is the mirror image.
    if share <= (one + 1) / (one + other + 2):
        return _incomplete_beta(one, other, share)
    return 1.0 - _incomplete_beta(other, one, 1.0 - share)


def share_with_tail(hits: int, trials: int, probability: float) -> float:
    """The share for which `at_least(hits, trials, share)` is `probability`; 1 <= hits <= trials."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if at_least(hits, trials, middle) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _incomplete_beta(one: float, other: float, x: float) -> float:
    log_front = (
        math.lgamma(one + other)
        - math.lgamma(one)
        - math.lgamma(other)
        + one * math.log(x)
        + other * math.log1p(-x)
    )
    return math.exp(log_front) / (one * _fraction(one, other, x))


def _fraction(one: float, other: float, x: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)) by Lentz's algorithm."""
    value, above, below = 1.0, 1.0, 0.0
    for number in range(1, _TERMS):
        half = number // 2
        if number % 2:
            term = -(one + half) * (one + other + half) / (one + 2 * half) / (one + 2 * half + 1)
        else:
            term = half * (other - half) / (one + 2 * half - 1) / (one + 2 * half)
        below = 1 / _not_zero(1 + term * x * below)
        above = _not_zero(1 + term * x / above)
        step = above * below
        value *= step
        if abs(step - 1) < 1e-14:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
