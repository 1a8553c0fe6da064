"""The binomial's tail against sums, a library, and tables."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.evaluation.binomial import at_least, share_with_tail


def summed(hits: int, trials: int, share: float) -> float:
    terms = range(hits, trials + 1)
    return math.fsum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in terms)


@settings(max_examples=200, deadline=None)
@given(
    trials=st.integers(1, 60),
    hits=st.integers(0, 60),
    share=st.floats(0, 1, allow_subnormal=False),
)
def test_the_tail_is_the_sum_of_its_terms(trials: int, hits: int, share: float) -> None:
    hits = min(hits, trials)
    assert at_least(hits, trials, share) == pytest.approx(summed(hits, trials, share), abs=1e-12)


def test_more_hits_than_trials_never_happen() -> None:
    assert at_least(4, 3, 0.9) == 0.0


@pytest.mark.parametrize("trials", [1, 10, 6165, 20_000_000])
def test_a_library_finds_the_same_bounds_however_many_trials(trials: int) -> None:
    special = pytest.importorskip("scipy.special", reason="scipy is not installed")
    for hits in sorted({1, trials // 100 + 1, trials // 2 + 1, trials}):
        for probability in (0.025, 0.975):
            expected = float(special.betaincinv(hits, trials - hits + 1, probability))
            assert share_with_tail(hits, trials, probability) == pytest.approx(expected, rel=1e-6)
