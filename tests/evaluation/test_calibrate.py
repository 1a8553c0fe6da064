"""Curves from scores whose true quantiles are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.calibrate import calibration, curve, fit_tail
from appliance.evaluation.protocols import gather
from appliance.evaluation.rates import Trials
from appliance.matching import threshold
from appliance.vision.manifest import Calibration, Curve
from tests.evaluation.worlds import crowd, dataset, flat

MANY = 400_000


def exponential(count: int, seed: int = 0) -> NDArray[np.float32]:
    """P(score > x) = exp(-x / 0.05)."""
    return np.random.default_rng(seed).exponential(0.05, count).astype(np.float32)


def bounded(count: int, seed: int = 0) -> NDArray[np.float32]:
    """P(score > x) = (1 - x / 0.8)^4: nothing beyond 0.8."""
    return (0.8 * (1 - np.random.default_rng(seed).random(count) ** 0.25)).astype(np.float32)


def trials(scores: NDArray[np.float32]) -> Trials:
    nobody = np.zeros(len(scores), np.int32)
    return Trials(scores, nobody, nobody + 1, 2)


def made(scores: NDArray[np.float32]) -> Curve:
    return Curve.model_validate({**curve(trials(scores), enrolled=1, probes=1), "people": 2})


def test_an_exponential_tail_is_recovered_far_beyond_what_was_counted() -> None:
    tails = [fit_tail(exponential(MANY, seed)) for seed in range(5)]
    assert np.mean([tail.shape for tail in tails]) == pytest.approx(0, abs=0.06)
    assert np.mean([tail.scale for tail in tails]) == pytest.approx(0.05, rel=0.1)
    for far in (1e-4, 1e-5, 1e-6):
        truth = -0.05 * np.log(far)
        assert np.mean([tail.similarity(far) for tail in tails]) == pytest.approx(truth, rel=0.06)


def test_a_bounded_tail_is_recovered_and_stays_below_its_bound() -> None:
    tails = [fit_tail(bounded(MANY, seed)) for seed in range(5)]
    assert np.mean([tail.shape for tail in tails]) == pytest.approx(-0.25, abs=0.06)
    for far in (1e-4, 1e-5, 1e-6):
        truth = 0.8 * (1 - far**0.25)
        assert np.mean([tail.similarity(far) for tail in tails]) == pytest.approx(truth, abs=0.01)
    assert all(tail.similarity(1e-12) < 0.85 for tail in tails)


def test_the_tail_begins_where_it_says() -> None:
    tail = fit_tail(exponential(MANY))
    assert tail.share == pytest.approx(1e-3)
    assert tail.similarity(tail.share) == pytest.approx(tail.start)


@pytest.mark.parametrize("make", [exponential, bounded])
def test_the_curve_rises_is_fit_for_the_manifest_and_says_what_was_asked(
    make: Callable[[int, int], NDArray[np.float32]],
) -> None:
    scores = make(MANY, 0)
    found = made(scores)
    assert np.all(np.diff(found.similarity) > 0)
    assert found.trials == MANY
    # Where it was counted: the very share of scores.
    for far in (0.1, 0.01, 0.002):
        assert (scores >= threshold(found, far)).mean() == pytest.approx(far, rel=0.1)
    # Fresh strangers of the same world pass at about the asked rate.
    fresh = make(4_000_000, 9)
    assert 0.5e-4 < (fresh >= threshold(found, 1e-4)).mean() < 2e-4
    assert (fresh >= threshold(found, 1e-5)).mean() < 3e-5


def test_the_curve_goes_from_half_of_all_strangers_down_to_one_in_a_million() -> None:
    rates = made(exponential(100_000)).log10_far
    assert (rates[0], rates[-1]) == pytest.approx((-0.3, -6))


def test_too_few_trials_are_refused_with_the_number_needed() -> None:
    with pytest.raises(InputError) as caught:
        fit_tail(exponential(99_999))
    assert caught.value.code == "too_few_trials"
    assert "99999 impostor comparisons" in caught.value.message
    assert "100,000" in caught.value.hint


def test_a_whole_calibration_is_what_the_manifest_holds() -> None:
    people = crowd(people=70, pictures=8, spread=0.6)
    with pytest.raises(InputError, match="too few"):
        calibration(gather(dataset(people[:5]), flat(people[:5])), "a handful", "")

    people = crowd(people=230, pictures=8, spread=0.6)
    found = Calibration.model_validate(
        calibration(gather(dataset(people), flat(people)), "a crowd", "")
    )
    assert found.data == "a crowd"
    assert {name: (it.enrolled, it.probes, it.people) for name, it in found.curves.items()} == {
        "single": (1, 1, 230),
        "template_5_1": (5, 1, 230),
        "template_5_3": (5, 3, 230),
    }
    # Strangers in 64 dimensions: the cosine of two spreads by 1/8 around 0.
    assert threshold(found.curves["single"], 1e-3) == pytest.approx(3.09 / 8, abs=0.04)
