"""Error rates against textbook values, brute force, and worlds whose rate is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance.evaluation.rates import Trials, exact_interval, folded_accuracy


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [
        # Clopper and Pearson's own kind of table; 0 of n is 1 - 0.025^(1/n).
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (2, 100, 0.0024, 0.0704),
        (0, 1000, 0.0, 0.00368),
    ],
)
def test_exact_interval_is_the_textbooks(hits: int, trials: int, low: float, high: float) -> None:
    assert exact_interval(hits, trials) == pytest.approx((low, high), abs=5e-5)


def test_without_trials_everything_is_possible() -> None:
    assert exact_interval(0, 0) == (0.0, 1.0)


# --- the bootstrap ------------------------------------------------------------------------


def strangers(people: int, rate: float, seed: int) -> Trials:
    """All pairs of people, each accepted with a probability of its two people."""
    random = np.random.default_rng(seed)
    # Some people are easily mistaken: what makes trials depend on each other.
    lamb = random.lognormal(0, 0.5, people)
    one, other = np.triu_indices(people, 1)
    chance = np.clip(rate * lamb[one] * lamb[other] / np.exp(0.25), 0, 1)
    scores = (random.random(len(one)) < chance).astype(np.float32)
    return Trials(scores, one.astype(np.int32), other.astype(np.int32), people)


def test_the_interval_covers_the_true_rate_about_as_often_as_it_says() -> None:
    truth, worlds = 0.1, 40
    intervals = [strangers(40, truth, seed).accepted(0.5).interval for seed in range(worlds)]
    covered = sum(low <= truth <= high for low, high in intervals)
    assert covered >= 0.8 * worlds


def test_fewer_people_mean_a_wider_interval() -> None:
    def width(people: int) -> float:
        found = [strangers(people, 0.1, seed).accepted(0.5).interval for seed in range(5)]
        return float(np.mean([high - low for low, high in found]))

    assert width(15) > 1.5 * width(60)


def test_people_and_not_trials_make_an_interval_narrow() -> None:
    # One of ten people is never recognised; a hundred pictures each do not make more people.
    person = np.repeat(np.arange(10, dtype=np.int32), 100)
    trials = Trials(np.where(person == 0, 0.0, 1.0).astype(np.float32), person, person, 10)
    rate = trials.rejected(0.5)
    assert rate.value == pytest.approx(0.1)
    assert rate.trials == 1000
    low, high = rate.interval
    assert low == 0
    assert high >= 0.3


def test_the_same_trials_give_the_same_interval() -> None:
    first, second = (strangers(20, 0.1, 3).accepted(0.5) for _ in range(2))
    assert first == second


def three(scores: list[float]) -> Trials:
    person = np.arange(len(scores), dtype=np.int32)
    return Trials(np.array(scores, np.float32), person, person, len(scores))


def test_no_error_seen_is_not_none() -> None:
    assert three([0.9] * 100).rejected(0.5).interval == pytest.approx((0.0, 0.03))


def test_nothing_but_errors_is_not_certainty_either() -> None:
    assert three([0.1] * 100).rejected(0.5).interval == pytest.approx((0.97, 1.0))


def goats(people: int, share: float, seed: int) -> Trials:
    """Genuine trials, 45 a person, of whom some are never recognised (Doddington's goats)."""
    goat = np.random.default_rng(seed).random(people) < share
    person = np.repeat(np.arange(people, dtype=np.int32), 45)
    return Trials(np.where(goat[person], 0.1, 0.9).astype(np.float32), person, person, people)


def look_alikes(people: int, share: float, seed: int) -> Trials:
    """Impostor trials, 50 a pair of people, of whom some are always taken for each other."""
    one, other = (np.repeat(side, 25) for side in np.triu_indices(people, 1))
    alike = np.random.default_rng(seed).random((people, people)) < share
    scores = np.where(alike[one, other], 0.9, 0.1).astype(np.float32)
    there, back = one.astype(np.int32), other.astype(np.int32)
    # Each is also the other's template.
    return Trials(np.tile(scores, 2), np.append(there, back), np.append(back, there), people)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.07])
def test_where_no_goat_was_met_the_bound_allows_for_those_who_were_not(share: float) -> None:
    worlds = [goats(40, share, seed).rejected(0.5) for seed in range(100)]
    lucky = [rate for rate in worlds if rate.value == 0]
    assert lucky
    assert all(rate.interval[1] >= share for rate in lucky)
    # Were the trials independent, as they are not, the bound would be far below the truth.
    assert 3 / worlds[0].trials < 0.1 * share


@pytest.mark.parametrize("share", [0.005, 0.015])
def test_where_no_look_alikes_were_met_the_bound_allows_for_them(share: float) -> None:
    worlds = [look_alikes(20, share, seed).accepted(0.5) for seed in range(60)]
    lucky = [rate for rate in worlds if rate.value == 0]
    assert lucky
    assert all(rate.interval == pytest.approx((0, 3 / 190)) for rate in lucky)
    assert share <= 3 / 190
    assert 3 / worlds[0].trials < 0.1 * share


def test_nobody_recognised_is_no_proof_that_nobody_ever_is() -> None:
    assert goats(40, 1.0, 0).rejected(0.5).interval == pytest.approx((1 - 3 / 40, 1.0))


def test_independent_trials_are_of_people_and_of_pairs_of_people() -> None:
    one, other = np.array([[0, 1, 0, 0, 2], [1, 0, 1, 2, 0]], np.int32)
    assert Trials(np.zeros(5, np.float32), one, other, 4).independent == 2
    assert Trials(np.zeros(5, np.float32), one, one, 4).independent == 3


@pytest.mark.parametrize("score", [0.1, 0.9])
def test_an_interval_is_one_of_shares(score: float) -> None:
    low, high = three([score]).rejected(0.5).interval
    assert (low, high) == (0.0, 1.0)


def test_a_missed_picture_is_rejected_at_any_threshold() -> None:
    trials = three([-math.inf, 0.2, 0.8])
    assert trials.rejected(-1).value == pytest.approx(1 / 3)
    assert trials.accepted(0.8).value == pytest.approx(1 / 3)


def test_without_trials_there_is_no_rate() -> None:
    rate = three([]).rejected(0.5)
    assert math.isnan(rate.value)
    assert (rate.interval, rate.trials) == ((0.0, 1.0), 0)


# --- folds --------------------------------------------------------------------------------

_SCORES = st.one_of(st.just(-math.inf), st.integers(-4, 4).map(lambda step: step / 4))
_PAIRS = st.lists(
    st.tuples(_SCORES, st.booleans(), st.integers(0, 2)), min_size=6, max_size=24
).filter(lambda pairs: len({fold for _, _, fold in pairs}) >= 2)
_Pairs = list[tuple[float, bool, int]]


def accuracy(scores: NDArray[Any], same: NDArray[Any], at: float) -> float:
    return float(((scores >= at) == same).mean())


def possible(scores: NDArray[Any]) -> list[float]:
    """A threshold below, above and between all finite scores: more make no difference."""
    finite = np.unique(scores[np.isfinite(scores)])
    if not len(finite):
        return [0.0]
    between = ((finite[1:] + finite[:-1]) / 2).tolist()
    return [float(finite[0]), *between, float(finite[-1]) + 1e-3]


@settings(max_examples=200, deadline=None)
@example([(0.5, True, 0), (0.5, False, 0), (0.5, True, 0), (0.5, False, 1), (0.5, True, 1)] * 2)
@example([(0.0, False, 0), (0.25, False, 0), (0.5, False, 1), (0.25, True, 1)] * 2)
@example([(-math.inf, False, 0), (-math.inf, True, 0), (-math.inf, True, 0), (0.5, False, 1)] * 2)
@given(_PAIRS)
def test_each_fold_is_judged_at_a_threshold_that_is_best_on_the_others(pairs: _Pairs) -> None:
    scores = np.array([score for score, _, _ in pairs], np.float32)
    same = np.array([truth for _, truth, _ in pairs])
    folds = np.array([fold for _, _, fold in pairs])
    mean, _, each = folded_accuracy(scores, same, folds)
    assert mean == pytest.approx(np.mean(each))
    for fold, found in zip(np.unique(folds), each, strict=True):
        train, test = folds != fold, folds == fold
        rated = {at: accuracy(scores[train], same[train], at) for at in possible(scores[train])}
        best = max(rated.values())
        allowed = {
            accuracy(scores[test], same[test], at) for at, value in rated.items() if value == best
        }
        assert any(found == pytest.approx(value) for value in allowed)


def test_faces_that_can_be_told_apart_are() -> None:
    random = np.random.default_rng(0)
    same = np.tile([True, False], 300)
    scores = np.where(same, 0.7, 0.1) + random.uniform(-0.1, 0.1, 600)
    mean, error, each = folded_accuracy(scores.astype(np.float32), same, np.arange(600) // 60)
    assert (mean, error, list(each)) == (1.0, 0.0, [1.0] * 10)


def test_scores_that_say_nothing_are_right_half_of_the_time() -> None:
    random = np.random.default_rng(0)
    same = np.tile([True, False], 1000)
    scores = random.normal(size=2000).astype(np.float32)
    mean, error, _ = folded_accuracy(scores, same, np.arange(2000) // 200)
    assert mean == pytest.approx(0.5, abs=4 * error + 0.02)
    # The standard error of ten folds of 200 coin tosses.
    assert 0.2 < error / math.sqrt(0.25 / 2000) < 2
