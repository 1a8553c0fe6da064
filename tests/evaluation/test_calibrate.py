"""Curves from scores whose true quantiles are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.calibrate import (
    PROTOCOLS,
    _single_trials,
    _supported_by,
    _template_trials,
    curve,
    curves,
    left_out,
)
from appliance.evaluation.embed import Embedded
from appliance.evaluation.protocols import gather, single, templates
from appliance.evaluation.rates import Trials
from appliance.evaluation.tails import bounds, fit_tail
from appliance.matching import threshold
from appliance.vision.manifest import Calibration, Curve
from tests.evaluation.worlds import MISSED, crowd, dataset, flat

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
        fit_tail(exponential(74_999))
    assert caught.value.code == "too_few_trials"
    assert "74999 impostor comparisons" in caught.value.message
    assert "75,000" in caught.value.hint


def test_a_whole_calibration_is_what_the_manifest_holds() -> None:
    # As few people as the last hint of the test below asks for. Nobody has ten pictures, so the
    # protocols with templates of ten are left out.
    people = crowd(people=195, pictures=8, spread=0.6)
    tables = curves(gather(dataset(people), flat(people)))
    found = Calibration.model_validate({"data": "a crowd", "curves": tables})
    assert {name: (it.enrolled, it.probes, it.people) for name, it in found.curves.items()} == {
        "single": (1, 1, 195),
        "template_5_1": (5, 1, 195),
        "template_5_3": (5, 3, 195),
    }
    # Strangers in 64 dimensions: the cosine of two spreads by 1/8 around 0.
    assert threshold(found.curves["single"], 1e-3) == pytest.approx(3.09 / 8, abs=0.04)
    for it in found.curves.values():
        assert it.supported == pytest.approx(10 ** it.log10_far[-1], rel=0.01)


def test_who_is_enrolled_is_counted_apart_from_who_is_there() -> None:
    # Forty of 240 people have too few pictures for a template, and ten of them none that is usable.
    people = crowd(people=240, pictures=8, spread=0.6)
    few = [*people[:200], *(row[:3] for row in people[200:230]), *[[MISSED]] * 10]
    tables = curves(gather(dataset(few), flat(few)))
    counted = {name: (it["people"], it["people_enrolled"]) for name, it in tables.items()}
    assert counted == {
        "single": (240, 230),
        "template_5_1": (240, 200),
        "template_5_3": (240, 200),
    }
    assert left_out(tables) == ["template_10_1", "template_10_3"]


def test_templates_of_ten_get_curves_where_enough_people_have_so_many_pictures() -> None:
    def protocols(people: int) -> set[str]:
        world = crowd(people=people, pictures=13, spread=0.6)
        data = gather(dataset(world), flat(world))
        return {name for name, it in PROTOCOLS.items() if _supported_by(data, *it)}

    assert protocols(138) == set(PROTOCOLS)
    assert protocols(137) == set(PROTOCOLS) - {"template_10_3", "template_5_3"}


@pytest.mark.parametrize(
    ("people", "pictures", "protocol", "needed"),
    [
        # 20 pictures of strangers, then 388 people with a picture each, who make no template.
        (20, 1, "single", "388 people with 1 good picture each"),
        (460, 1, "template_5_1", "113 people with 6 good pictures each"),
        (135, 7, "template_5_3", "195 people with 8 good pictures each"),
    ],
)
def test_each_protocol_says_how_many_people_it_lacks(
    people: int, pictures: int, protocol: str, needed: str
) -> None:
    world = crowd(people=people, pictures=pictures, spread=0.6)
    with pytest.raises(InputError) as caught:
        curves(gather(dataset(world), flat(world)))
    assert caught.value.code == "too_few_trials"
    assert f"the protocol {protocol};" in caught.value.message
    assert needed in caught.value.hint


@pytest.mark.parametrize(("enrolled", "probes"), [(5, 1), (5, 3), (10, 1), (10, 3)])
def test_trials_are_counted_without_being_made(enrolled: int, probes: int) -> None:
    random = np.random.default_rng(probes)

    def met(item: Embedded) -> Embedded:
        fate = random.random()
        return MISSED if fate < 0.1 else Embedded(item.vector, "blurred" if fate < 0.2 else None)

    rows = crowd(people=40, pictures=12, spread=0.6)
    world = [[met(item) for item in row[: random.integers(1, 13)]] for row in rows]
    data = gather(dataset(world), flat(world))
    made = templates(data, probes, enrolled)[1].scores.size
    assert _template_trials(data, probes, enrolled) == made > 0
    assert _single_trials(data) == single(data)[1].scores.size


# --- how sure it is -----------------------------------------------------------------------


def town(people: int, seed: int) -> Trials:
    """All pairs of people; similarities are normal, and some people are more alike to everybody."""
    random = np.random.default_rng(seed)
    alike = random.normal(0, 0.3, people)
    one, other = (side.astype(np.int32) for side in np.triu_indices(people, 1))
    scores = random.normal(size=len(one)) + alike[one] + alike[other]
    return Trials((scores / 10).astype(np.float32), one, other, people)


def test_the_intervals_hold_the_true_rate_about_as_often_as_they_say() -> None:
    # The sum's deviation: one of the pair's own, and 0.3 for each of the two.
    deviation = math.sqrt(1 + 2 * 0.3**2) / 10
    truth = -NormalDist().inv_cdf(1e-4) * deviation
    worlds = [town(600, seed) for seed in range(12)]
    held = 0
    for world in worlds:
        tail = fit_tail(world.scores)
        (found,) = bounds(world, [(1e-4, tail.similarity(1e-4))])
        assert found.similarity[0] <= tail.similarity(1e-4) <= found.similarity[1]
        held += found.similarity[0] <= truth <= found.similarity[1]
    assert held >= 9


def test_rates_where_it_was_counted_have_intervals_too() -> None:
    world = town(600, 1)
    ranked = np.sort(world.scores)[::-1]
    at = float(ranked[round(0.002 * ranked.size)])
    (found,) = bounds(world, [(0.002, at)])
    assert found.similarity[0] < at < found.similarity[1]
    assert found.far_interval[0] < 0.002 < found.far_interval[1]


def test_fewer_people_are_less_sure_and_support_less() -> None:
    few, many = (
        curve(town(people, 3), enrolled=1, probes=1) | {"people": people} for people in (460, 1500)
    )
    widths = []
    for table in (few, many):
        columns = table["bounds"]
        assert isinstance(columns, dict)
        at = columns["far"].index(1e-4)
        widths.append(columns["similarity_high"][at] - columns["similarity_low"][at])
    assert widths[0] > 1.3 * widths[1]
    assert Curve.model_validate(few).supported > Curve.model_validate(many).supported


def test_a_tail_that_one_person_makes_supports_hardly_anything() -> None:
    # Somebody looks like many others; nobody else is ever taken for another.
    calm = town(500, 0)
    scores = calm.scores.copy()
    famous = np.flatnonzero(calm.one == 0)
    scores[famous[:200]] += 1.0
    found = Curve.model_validate(
        curve(Trials(scores, calm.one, calm.other, 500), enrolled=1, probes=1) | {"people": 500}
    )
    assert (
        found.supported
        > Curve.model_validate(curve(calm, enrolled=1, probes=1) | {"people": 500}).supported
    )


# --- monotone -----------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@example(seed=0, spread=0.125, bend=0.3125, step=0.05)  # the tail is a single number
@given(
    seed=st.integers(0, 10_000),
    spread=st.floats(0.01, 0.3),
    bend=st.floats(0.3, 3.0),
    step=st.sampled_from([0.0, 1e-3, 0.05]),
)
def test_whatever_the_scores_the_curve_never_falls(
    seed: int, spread: float, bend: float, step: float
) -> None:
    random = np.random.default_rng(seed)
    scores = spread * random.exponential(size=100_000) ** bend
    if step:  # scores in steps, as of a coarse network: many are equal
        scores = np.round(scores / step) * step
    found = made(scores.astype(np.float32))
    assert np.all(np.diff(found.similarity) >= 0)
    assert np.all(np.diff(found.log10_far) < 0)
    stated = [threshold(found, far) for far in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)]
    assert stated == sorted(stated)


def test_rate_and_similarity_are_each_others_inverse() -> None:
    for scores in (exponential(MANY), bounded(MANY)):
        tail = fit_tail(scores)
        for far in (5e-4, 1e-4, 1e-6):
            assert tail.far(tail.similarity(far)) == pytest.approx(far)
    assert fit_tail(bounded(MANY)).far(0.95) == 0.0
