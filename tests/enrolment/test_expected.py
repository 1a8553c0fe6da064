"""The estimate of a person's own rejections: as unsure as its few frames make it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from appliance.enrolment.expected import LEAST_FRAMES, below, expected_frr
from appliance.enrolment.one_person import against_the_rest
from appliance.matching import make_template
from appliance.types import Embedding, Template
from tests.toys import ALICE, CALIBRATION, FINGERPRINT, MODEL, vector_of


def template(count: int, spread: float = 0.33, seed: int = 0) -> Template:
    vectors = [vector_of(ALICE, seed=seed + at, spread=spread) for at in range(count)]
    return make_template([Embedding(vector, FINGERPRINT) for vector in vectors], MODEL)


@pytest.mark.parametrize("count", [3, 5, 10, 50])
def test_the_estimate_is_student_s_t(count: int) -> None:
    similarities = np.random.default_rng(count).normal(0.7, 0.08, count)
    mean, deviation = similarities.mean(), similarities.std(ddof=1)
    for asked in (0.5, 0.6, 0.7):
        away = (asked - mean) / (deviation * np.sqrt(1 + 1 / count))
        value, low, high = below(similarities, asked)
        assert value == pytest.approx(stats.t.cdf(away, count - 1), rel=0.05, abs=1e-3)
        assert low <= value <= high


def test_over_many_people_it_is_right_on_average() -> None:
    """Predicted and true rejections of people whose similarities are drawn, five frames each."""
    random = np.random.default_rng(1)
    predicted, true = [], []
    for _ in range(200):
        mean, deviation = random.uniform(0.65, 0.8), random.uniform(0.03, 0.1)
        drawn = random.normal(mean, deviation, 5)
        predicted.append(below(drawn, 0.6)[0])
        true.append(stats.norm.cdf((0.6 - mean) / deviation))
    # The t of five frames has long tails: it errs towards caution, and by less than double.
    assert np.mean(true) <= np.mean(predicted) <= 2 * np.mean(true)


def test_the_truth_lies_within_the_interval_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    inside = []
    for _ in range(200):
        _, low, high = below(random.normal(0.7, 0.07, 6), 0.6)
        inside.append(low <= stats.norm.cdf((0.6 - 0.7) / 0.07) <= high)
    assert 0.88 <= np.mean(inside) <= 0.99


def test_fewer_frames_know_less() -> None:
    widths = []
    for count in (3, 6, 24):
        similarities = 0.7 + 0.05 * np.sqrt(1 - 1 / count) * stats.zscore(np.arange(count))
        _, low, high = below(similarities, 0.6)
        widths.append(high - low)
    assert widths == sorted(widths, reverse=True)


def test_two_frames_say_nothing() -> None:
    assert LEAST_FRAMES == 3
    assert expected_frr(template(2), CALIBRATION, 1e-4) is None


def test_whose_pictures_differ_more_is_rejected_more_often() -> None:
    found = [
        expected_frr(template(6, spread), CALIBRATION, 1e-5) for spread in (0.3, 0.8, 1.3, 2.0)
    ]
    values = [item.value for item in found if item is not None]
    assert len(values) == 4
    assert values == sorted(values)
    assert values[0] < 0.01
    assert values[-1] > 0.2


def test_a_stricter_door_rejects_more_often() -> None:
    strict, lax = (expected_frr(template(6, 1.0), CALIBRATION, far) for far in (1e-5, 1e-2))
    assert strict is not None
    assert lax is not None
    assert strict.value > lax.value
    assert (strict.frames, strict.target_far) == (6, 1e-5)


def test_a_mean_of_one_frame_more_is_allowed_for() -> None:
    """Each frame is compared with two others, a later picture with all three."""
    mine = template(3, 1.1)
    asked = expected_frr(mine, CALIBRATION, 1e-5)
    assert asked is not None
    similarities = np.asarray(against_the_rest(mine.vectors), np.float64)
    assert asked.value < below(similarities, 0.55)[0]


def test_a_poor_face_is_expected_to_be_rejected_more_often() -> None:
    """The door takes the handicap of a small or unsharp face off its similarity."""
    good, poor = (
        expected_frr(template(6, 0.8), CALIBRATION, 1e-5, [off] * 6) for off in (0.0, 0.2)
    )
    assert good is not None
    assert poor is not None
    assert good == expected_frr(template(6, 0.8), CALIBRATION, 1e-5)
    assert poor.value > good.value


def test_it_expects_what_then_happens() -> None:
    """Further pictures of the same people against the same templates."""
    asked = 0.55  # what CALIBRATION asks of a template of five at 1e-5
    predicted, happened = [], []
    for person in range(100):
        mine = template(5, 1.1, seed=1000 * person)
        found = expected_frr(mine, CALIBRATION, 1e-5)
        assert found is not None
        predicted.append(found.value)
        later = template(40, 1.1, seed=1000 * person + 500).vectors
        happened.append(float((later @ mine.mean < asked).mean()))
    assert 0.5 < np.mean(predicted) / np.mean(happened) < 2
    assert np.mean(happened) > 0.01


def test_frames_exactly_as_alike_promise_nothing_impossible() -> None:
    value, low, high = below(np.full(5, 0.9), 0.6)
    assert 0 <= low <= value <= 1e-6
    # Nor that nothing unforeseen will happen.
    assert high == pytest.approx(0.005)
