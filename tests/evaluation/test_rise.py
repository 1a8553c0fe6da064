"""How far spoiling lifts the strangers' tail: on made-up vectors whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.errors import InputError
from appliance.evaluation.degrade import SMALLER, Level, Spoilt
from appliance.evaluation.handicap import LARGE, LEAST_FACES, SHARPNESS, Group, measured, rise
from appliance.types import Floats, Quality

PEOPLE = 400


def unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def strangers(pull: float, seed: int = 0) -> Floats:
    """(PEOPLE, 64) directions, all pulled towards one: the more, the more alike."""
    own = np.random.default_rng(seed).normal(size=(PEOPLE, 64))
    own[:, 0] += pull
    return unit(own.astype(np.float32))


def group(pull: float) -> Group:
    return Group(strangers(pull), np.arange(PEOPLE))


def test_what_is_not_spoilt_does_not_rise() -> None:
    found = rise(group(0), group(0))
    assert (found.similarity, found.low, found.high) == (0, 0, 0)


def test_the_rise_is_that_of_the_one_in_a_thousand_and_its_interval_holds_it() -> None:
    def tail(vectors: Floats) -> float:
        return float(np.quantile((vectors @ vectors.T)[np.triu_indices(PEOPLE, 1)], 0.999))

    found = rise(group(0), group(3))
    assert found.similarity == pytest.approx(tail(strangers(3)) - tail(strangers(0)), abs=0.005)
    assert found.low < found.similarity < found.high
    assert rise(group(0), group(5)).similarity > found.similarity


def test_pairs_of_one_person_are_no_strangers() -> None:
    # Each person twice, with the very same vector: these pairs must not make the tail.
    twice = Group(np.repeat(strangers(0), 2, axis=0), np.repeat(np.arange(PEOPLE), 2))
    assert rise(group(0), twice).similarity == pytest.approx(0, abs=0.005)


def spoilt(level: Level, sharpness: float, vector: Floats) -> Spoilt:
    return Spoilt(level, Quality(40.0, sharpness, 120.0, 0.0, 0.0, 0.0, 0.0), vector)


def people(blur_pull: float = 3.0) -> list[list[Spoilt]]:
    """Everybody as they are, at every size a little more alike, and blurred much more alike."""
    plain, blurred = strangers(0), strangers(blur_pull)
    smaller = [strangers(0.3 * number) for number in range(1, len(SMALLER) + 1)]
    return [
        [
            spoilt(Level("as it is"), 0.3, plain[person]),
            spoilt(Level("out of focus", 2.0), 0.085, blurred[person]),
            *(
                spoilt(Level("smaller", degree), 0.17, vectors[person])
                for degree, vectors in zip(SMALLER, smaller, strict=True)
            ),
        ]
        for person in range(PEOPLE)
    ]


def test_each_measure_gets_a_curve_that_rises_as_quality_falls() -> None:
    found = measured(people())
    size, sharpness = found["eye_distance"].table(), found["sharpness"].table()
    assert size["value"] == [LARGE, *SMALLER]
    assert size["similarity"] == sorted(size["similarity"])
    assert size["similarity"][-1] > 0.02
    # Only one group of sharpness was large enough; what is sharper pays nothing. What is charged
    # is the upper end of what was measured, from the group's sharpest face on.
    assert sharpness["value"] == [SHARPNESS[0], 0.09]
    expected = rise(group(0), group(3))
    assert sharpness["measured"] == pytest.approx([0, expected.similarity], abs=1e-4)
    assert sharpness["similarity"] == pytest.approx([0, expected.high], abs=1e-4)


def test_a_fall_of_the_tail_is_no_bonus() -> None:
    found = measured(people(blur_pull=0.0))
    assert min(found["sharpness"].table()["similarity"]) == 0


def test_too_few_people_are_refused() -> None:
    with pytest.raises(InputError, match="299 people are too few") as caught:
        measured(people()[: LEAST_FACES - 1])
    assert caught.value.code == "too_few_trials"


def test_faces_that_are_small_already_tell_nothing_of_size() -> None:
    alone = [levels[:1] for levels in people()]
    with pytest.raises(InputError, match="too few or too small"):
        measured(alone)
