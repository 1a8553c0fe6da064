"""A poor picture asks for more similarity, by as much as strangers gain from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance.matching import compare, handicap, make_template
from appliance.types import Embedding, Quality
from appliance.vision.manifest import Calibration, Handicap
from tests.toys import ALICE, BOB, CALIBRATION, vector_of

GOOD = Quality(80.0, 0.3, 120.0, 0.0, 0.0, 0.0, 0.0)
HANDICAPPED = CALIBRATION.model_copy(
    update={
        "handicaps": {
            "eye_distance": Handicap(value=(40, 30, 20), similarity=(0, 0.01, 0.03)),
            "sharpness": Handicap(value=(0.2, 0.1), similarity=(0, 0.1)),
        }
    }
)


def probe(quality: Quality | None, who: int = ALICE, seed: int = 10) -> Embedding:
    return Embedding(vector_of(who, seed), "this", quality)


TEMPLATE = make_template([probe(GOOD, seed=seed) for seed in range(5)], "toy")


@pytest.mark.parametrize(
    ("quality", "taken_off"),
    [
        (GOOD, 0),
        (replace(GOOD, eye_distance=40.0), 0),
        (replace(GOOD, eye_distance=35.0), 0.005),
        (replace(GOOD, eye_distance=20.0), 0.03),
        (replace(GOOD, sharpness=0.15), 0.05),
        # The worse of the two counts, not both.
        (replace(GOOD, eye_distance=25.0, sharpness=0.19), 0.02),
        (replace(GOOD, eye_distance=25.0, sharpness=0.15), 0.05),
        # Below the poorest that was measured it goes on as steeply.
        (replace(GOOD, eye_distance=10.0), 0.05),
        (replace(GOOD, sharpness=0.05), 0.15),
        # Whose quality is not known pays the most that was measured.
        (None, 0.1),
    ],
)
def test_what_is_taken_off_follows_the_poorer_measure(
    quality: Quality | None, taken_off: float
) -> None:
    assert handicap(HANDICAPPED, quality) == pytest.approx(taken_off)


def test_a_calibration_without_handicaps_takes_nothing_off() -> None:
    assert handicap(CALIBRATION, replace(GOOD, sharpness=0.01)) == 0


@given(st.floats(1, 100), st.floats(0, 50), st.floats(0.01, 1), st.floats(0, 0.5))
def test_worse_quality_never_pays_less(eyes: float, less: float, sharp: float, dull: float) -> None:
    better = replace(GOOD, eye_distance=eyes, sharpness=sharp)
    worse = replace(GOOD, eye_distance=eyes - less, sharpness=sharp - dull)
    assert handicap(HANDICAPPED, worse) >= handicap(HANDICAPPED, better) - 1e-12


def test_a_poor_probe_raises_the_threshold_and_what_its_similarity_is_worth_falls() -> None:
    def seen(quality: Quality) -> tuple[float, float, float]:
        match = compare(TEMPLATE, [probe(quality, BOB)], HANDICAPPED, 1e-3)
        return match.similarity, match.threshold - match.handicap, match.far

    similarity, asked, far = seen(GOOD)
    poor_similarity, poor_asked, poor_far = seen(replace(GOOD, sharpness=0.12))
    assert (poor_similarity, poor_asked) == pytest.approx((similarity, asked))
    assert poor_far >= far


def test_a_rate_beyond_what_was_measured_is_told_as_a_bound() -> None:
    near = compare(TEMPLATE, [probe(GOOD)], HANDICAPPED, 1e-3)
    far = compare(TEMPLATE, [probe(GOOD, BOB)], HANDICAPPED, 1e-3)
    assert near.far == pytest.approx(1e-5)
    assert near.far_is_bound
    assert not far.far_is_bound


def test_the_worst_of_several_probes_decides() -> None:
    probes = [probe(GOOD, seed=10), probe(replace(GOOD, sharpness=0.1), seed=11)]
    match = compare(TEMPLATE, probes, HANDICAPPED, 1e-3)
    alone = compare(TEMPLATE, probes, CALIBRATION, 1e-3)
    assert match.handicap == pytest.approx(0.1)
    assert match.threshold == pytest.approx(alone.threshold + 0.1)


def test_who_only_just_passed_with_a_good_picture_does_not_with_a_poor_one() -> None:
    good = compare(TEMPLATE, [probe(GOOD)], HANDICAPPED, 1e-3)
    room = good.similarity - good.threshold
    steep = Handicap(value=(0.2, 0.1), similarity=(0, room + 0.01))
    strict = Calibration(**{**dict(HANDICAPPED), "handicaps": {"sharpness": steep}})
    assert compare(TEMPLATE, [probe(GOOD)], strict, 1e-3).accepted
    assert not compare(TEMPLATE, [probe(replace(GOOD, sharpness=0.1))], strict, 1e-3).accepted


@pytest.mark.parametrize(
    ("value", "similarity", "said"),
    [
        ((0.2, 0.1), (0.0,), "same length|at least 2"),
        ((0.1, 0.2), (0.0, 0.1), "value must fall"),
        ((0.3, 0.2, 0.1), (0.0, 0.1, 0.0), "not fall"),
        ((0.2, 0.1), (0.1, 0.2), "begin at 0"),
        ((0.2, 0.1), (0.0, float("nan")), "finite"),
    ],
)
def test_a_twisted_handicap_is_refused_when_it_is_read(
    value: tuple[float, ...], similarity: tuple[float, ...], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        Handicap(value=value, similarity=similarity)
