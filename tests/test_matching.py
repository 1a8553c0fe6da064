"""What a similarity is worth, and what a comparison asks for."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance.errors import ModelError, StoreError
from appliance.matching import (
    Anybody,
    Claimed,
    agreement,
    applicable,
    compare,
    false_accept_rate,
    fused,
    make_template,
    similarity,
    threshold,
)
from appliance.types import Embedding, Floats, Person, Template
from appliance.vision import manifest
from appliance.vision.manifest import Calibration, Curve
from tests.fakes import START
from tests.toys import ALICE, BOB, CALIBRATION, CAROL, vector_of

SIMPLE = Curve(
    enrolled=1,
    probes=1,
    similarity=(0.1, 0.3, 0.4),
    log10_far=(-1.0, -3.0, -4.0),
    trials=100_000,
    people=100,
)


def embedding(who: int, seed: int = 0, fingerprint: str = "this") -> Embedding:
    return Embedding(vector_of(who, seed), fingerprint)


def template(who: int, count: int = 5, fingerprint: str = "this") -> Template:
    return make_template([embedding(who, seed, fingerprint) for seed in range(count)], "toy")


def person(name: str, who: int, count: int = 5) -> Person:
    return Person(name, template(who, count), START, START)


PROBES = [embedding(ALICE, seed) for seed in (10, 11, 12)]


# --- vectors ------------------------------------------------------------------------------


def test_a_template_keeps_every_vector_and_their_normalised_mean() -> None:
    made = template(ALICE)
    assert (made.count, made.model, made.fingerprint) == (5, "toy", "this")
    assert np.linalg.norm(made.mean) == pytest.approx(1)
    total = made.vectors.sum(axis=0)
    assert made.mean == pytest.approx(total / np.linalg.norm(total))


def test_vectors_that_cancel_out_are_an_error_and_not_noise() -> None:
    one = vector_of(ALICE)
    with pytest.raises(ModelError, match="opposite directions"):
        fused([one, -one])


@pytest.mark.parametrize("prints", [(), ("this", "other")])
def test_a_template_is_of_one_model(prints: tuple[str, ...]) -> None:
    with pytest.raises(ModelError, match="all of one model"):
        make_template([embedding(ALICE, 0, item) for item in prints], "toy")


def test_one_probe_of_another_model_among_good_ones_is_never_compared() -> None:
    with pytest.raises(StoreError) as caught:
        similarity(template(ALICE), [*PROBES, embedding(ALICE, 3, "other")])
    assert caught.value.code == "other_model"
    assert "appliance enroll --replace" in caught.value.hint


def test_more_probes_of_one_person_come_nearer_to_the_template() -> None:
    one = similarity(template(ALICE), PROBES[:1])
    three = similarity(template(ALICE), PROBES)
    assert 0.9 < one < three <= 1
    assert similarity(template(BOB), PROBES) < 0.2


# --- curves -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("far", "asked"),
    [
        (1e-1, 0.1),
        (1e-2, 0.2),
        (1e-3, 0.3),
        (10**-3.5, 0.35),
        (1e-4, 0.4),
        # Beyond what was measured: as straight as the last decade.
        (1e-5, 0.5),
        (1e-6, 0.6),
    ],
)
def test_threshold_follows_the_curve_and_goes_on_below_it(far: float, asked: float) -> None:
    assert threshold(SIMPLE, far) == pytest.approx(asked)


@pytest.mark.parametrize(
    ("value", "far"), [(0.2, 1e-2), (0.3, 1e-3), (0.4, 1e-4), (0.9, 1e-4), (-1.0, 1e-1)]
)
def test_a_similarity_is_never_said_to_be_worth_more_than_was_measured(
    value: float, far: float
) -> None:
    assert false_accept_rate(SIMPLE, value) == pytest.approx(far)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    steps = draw(st.lists(st.floats(0.001, 0.2), min_size=2, max_size=8))
    falls = draw(st.lists(st.floats(0.05, 2), min_size=len(steps), max_size=len(steps)))
    return SIMPLE.model_copy(
        update={
            "similarity": tuple(np.cumsum(steps).tolist()),
            "log10_far": tuple((-np.cumsum(falls)).tolist()),
        }
    )


@given(curves(), st.floats(-8, -0.01), st.floats(0, 3))
def test_a_smaller_rate_never_asks_for_less(curve: Curve, log_far: float, less: float) -> None:
    assert threshold(curve, 10 ** (log_far - less)) >= threshold(curve, 10**log_far) - 1e-9


@given(curves(), st.floats(0.01, 4))
def test_below_the_last_point_more_is_asked_for(curve: Curve, decades: float) -> None:
    beyond = 10 ** (curve.log10_far[-1] - decades)
    assert threshold(curve, beyond) > curve.similarity[-1]


@given(curves(), st.floats(0, 1))
def test_threshold_and_rate_undo_each_other_where_it_was_measured(
    curve: Curve, share: float
) -> None:
    first, last = curve.log10_far[0], curve.log10_far[-1]
    wanted = first + share * (last - first)
    found = false_accept_rate(curve, threshold(curve, 10**wanted))
    assert math.log10(found) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    ("enrolled", "probes", "names"),
    [
        (1, 1, {"single"}),
        (1, 3, {"single"}),
        (3, 1, {"single", "template_5_1"}),
        (3, 3, {"single", "template_5_1", "template_5_3"}),
        (5, 1, {"single", "template_5_1"}),
        (5, 2, {"single", "template_5_1"}),
        (5, 3, {"single", "template_5_1", "template_5_3"}),
        (50, 9, {"single", "template_5_1", "template_5_3"}),
    ],
)
def test_the_curves_of_fewer_pictures_and_of_the_next_larger_number_apply(
    enrolled: int, probes: int, names: set[str]
) -> None:
    chosen = applicable(CALIBRATION, enrolled, probes)
    assert chosen == [it for name, it in CALIBRATION.curves.items() if name in names]


def test_the_strictest_applicable_curve_counts() -> None:
    match = compare(template(ALICE), PROBES, CALIBRATION, 1e-3)
    assert match.threshold == pytest.approx(0.4)  # 0.35 by the curve of a single probe
    assert match.target_far == 1e-3
    assert match.far == pytest.approx(1e-5)
    assert match.accepted
    stranger = compare(template(BOB), PROBES, CALIBRATION, 1e-3)
    assert (stranger.accepted, stranger.threshold) == (False, match.threshold)
    # By the curve that looks at it most severely.
    single = CALIBRATION.curves["template_5_3"]
    assert stranger.far == false_accept_rate(single, stranger.similarity)


def test_a_calibration_without_a_curve_for_the_comparison_is_refused() -> None:
    many = CALIBRATION.curves["template_5_3"]
    other = many.model_copy(update={"enrolled": 10, "probes": 1})
    with pytest.raises(ModelError, match="no curve"):
        applicable(Calibration(data="toys", curves={"a": many, "b": other}), 5, 1)


def test_frames_agree_where_two_strangers_would_once_in_a_thousand() -> None:
    assert agreement(CALIBRATION) == pytest.approx(0.3)


# --- a curve that cannot be one -----------------------------------------------------------


@pytest.mark.parametrize(
    "twist",
    [
        {"similarity": (0.1, 0.3)},  # one point fewer than rates
        {"similarity": (0.3, 0.1, 0.4)},
        {"similarity": (0.1, 0.3, float("nan"))},
        {"log10_far": (-1.0, -4.0, -3.0)},
        {"log10_far": (-1.0, -3.0, -3.0)},
        {"log10_far": (-1.0, -3.0, float("-inf"))},
    ],
)
def test_a_twisted_curve_is_refused_when_it_is_read_and_not_at_the_door(
    twist: dict[str, object],
) -> None:
    with pytest.raises(ValidationError):
        Curve(**(SIMPLE.model_dump() | twist))


# --- one and many -------------------------------------------------------------------------


def test_a_claim_is_compared_with_its_person_only() -> None:
    claimed = Claimed(person("alice", ALICE))
    assert claimed.count == 5
    assert claimed.match(PROBES, CALIBRATION, 1e-4).accepted
    assert not Claimed(person("bob", BOB)).match(PROBES, CALIBRATION, 1e-4).accepted


def test_whoever_was_removed_or_enrolled_anew_meanwhile_is_not_let_in() -> None:
    alice = person("alice", ALICE)
    anew = Person("alice", alice.template, START, START + timedelta(seconds=1))
    assert Claimed(alice, again=lambda: alice).match(PROBES, CALIBRATION, 1e-4).accepted
    for now in (None, anew):
        with pytest.raises(StoreError, match="during this attempt") as caught:
            Claimed(alice, again=lambda now=now: now).match(  # type: ignore[misc]
                PROBES, CALIBRATION, 1e-4
            )
        assert caught.value.code == "changed_meanwhile"


def test_a_template_of_another_model_is_refused_by_name_before_anything_is_seen() -> None:
    people = [person("alice", ALICE), person("bob", BOB)]
    for reference in (Claimed(people[1]), Anybody(people)):
        reference.require("this", "toy")
    for reference in (Claimed(people[1]), Anybody([people[1]])):
        with pytest.raises(StoreError, match=r"'bob'.*toy.*this.*newer.*other") as caught:
            reference.require("other", "newer")
        assert caught.value.code == "other_model"


def test_among_many_the_most_similar_is_named_and_each_gets_its_share_of_the_rate() -> None:
    people = [person("bob", BOB), person("alice", ALICE), *[person("carol", CAROL)] * 8]
    anybody = Anybody(people)
    match = anybody.match(PROBES, CALIBRATION, 1e-3)
    assert [name for name, _ in anybody.candidates][:1] == ["alice"]
    assert len(anybody.candidates) == 10
    falling = [found.similarity for _, found in anybody.candidates]
    assert falling == sorted(falling, reverse=True)
    assert match == anybody.candidates[0][1]
    # Ten people: a tenth of the rate for each, a decade up the curve.
    assert match.target_far == pytest.approx(1e-4)
    assert match.threshold == pytest.approx(0.5)
    alone = Claimed(people[1]).match(PROBES, CALIBRATION, 1e-3)
    assert alone.threshold == pytest.approx(0.4)
    assert match.similarity == alone.similarity


def test_the_least_enrolled_of_many_decides_whether_a_door_takes_them() -> None:
    assert Anybody([person("alice", ALICE), person("bob", BOB, count=2)]).count == 2
    assert Anybody([]).count == 0


# --- what is shipped ----------------------------------------------------------------------


def _calibrated() -> list[str]:
    shipped = manifest.load(manifest.shipped_folder())
    return sorted(name for name, entry in shipped.entries.items() if entry.calibration)


@pytest.mark.parametrize("name", _calibrated())
def test_shipped_curves_ask_for_a_similarity_that_a_face_can_reach(name: str) -> None:
    found = manifest.load(manifest.shipped_folder()).entry(name, "embedder").calibration
    assert found is not None
    rates: Floats = np.array([1e-2, 1e-3, 1e-4, 1e-5, 1e-6], np.float32)
    for enrolled, probes in ((1, 1), (5, 1), (5, 3)):
        chosen = applicable(found, enrolled, probes)
        asked = [max(threshold(curve, float(rate)) for curve in chosen) for rate in rates]
        assert asked == sorted(set(asked))
        assert 0 < asked[0] < asked[-1] < 1
    # Averages over several pictures make strangers look more alike, not less.
    assert agreement(found) > 0
