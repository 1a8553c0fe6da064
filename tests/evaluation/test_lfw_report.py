"""The report of `evaluate lfw` on a world whose rates are known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from appliance.errors import InputError
from appliance.evaluation.dataset import Dataset, Pair, name_hashes, people_sha256
from appliance.evaluation.embed import Embedded
from appliance.evaluation.lfw import report
from tests.evaluation.worlds import MISSED, at, crowd, dataset, flat, refused_at
from tests.toys import CALIBRATION


def told(people: list[list[Embedded]], pairs: list[Pair] | None = None) -> dict[str, Any]:
    found = report(dataset(people, pairs or []), flat(people), "toy", CALIBRATION)
    # What cannot be written as JSON is no report.
    again: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return again


def test_rates_at_the_shipped_thresholds_are_those_of_the_world() -> None:
    # Single thresholds are 0.3, 0.4, 0.5. Pictures of one person: 0, 40 and 70 degrees, so
    # cosines 0.766, 0.342 and 0.866. The others stand at 72.5 degrees (0.301) and beyond.
    people = [[at(0), at(40), at(70)], [at(142.5)], [at(250)]]
    found = told(people)
    assert {name: row["threshold"] for name, row in found["single"].items()} == {
        "1e-3": 0.3,
        "1e-4": 0.4,
        "1e-5": 0.5,
    }
    assert {name: row["frr"] for name, row in found["single"].items()} == {
        "1e-3": 0.0,
        "1e-4": 0.3333,
        "1e-5": 0.3333,
    }
    # Seven strangers' trials; only 70 against 142.5 degrees comes near.
    assert [row["far"] for row in found["single"].values()] == [0.1429, 0.0, 0.0]
    assert found["single"]["1e-3"]["impostor_trials"] == 7
    assert found["single"]["1e-3"]["genuine_trials"] == 3


def test_missed_and_refused_pictures_are_told_apart_and_both_reject() -> None:
    found = told([[at(0), at(0), MISSED, refused_at(0)], [at(90), at(90)]])
    assert (found["images"], found["people"]) == (6, 2)
    assert (found["missed"], found["refused"]) == (1, 1)
    assert found["refused_for"] == {"no_face": 1, "blurred": 1}
    # Of alice's six pairs one can be compared, and bob has his one.
    assert found["single"]["1e-4"]["frr"] == pytest.approx(5 / 7, abs=1e-4)


def test_unreadable_files_reject_like_the_others_and_are_counted_apart() -> None:
    broken = Embedded(None, "bad_input")
    found = told([[at(0), at(0), broken, Embedded(None, "empty")], [at(90), at(90), MISSED]])
    assert (found["missed"], found["refused"], found["unreadable"]) == (1, 0, 2)
    assert found["unreadable_files"] == ["0_2.jpg", "0_3.jpg"]
    # One of alice's six pairs can be compared, and one of bob's three.
    assert found["single"]["1e-4"]["frr"] == pytest.approx(7 / 9, abs=1e-4)


def test_a_set_of_which_nothing_can_be_read_is_no_result() -> None:
    with pytest.raises(InputError, match="No face was found") as caught:
        told([[MISSED], [Embedded(None, "bad_input")]])
    assert "1 of the files cannot be read" in caught.value.hint


def test_a_crowd_that_can_be_told_apart_is() -> None:
    people = crowd(people=25, pictures=7, spread=0.5)
    pairs = [
        pair
        for fold in range(5)
        for first in (7 * (5 * fold + i) for i in range(5))
        for pair in (
            Pair(first, first + 1, same=True, fold=fold),
            Pair(first, (first + 7) % 175, same=False, fold=fold),
        )
    ]
    found = told(people, pairs)
    assert found["accuracy"] == {
        "mean": 1.0,
        "standard_error": 0.0,
        "folds": [1.0] * 5,
        "pairs": 50,
    }
    assert found["missing_pairs"] == 0
    row = found["template_5_1"]["1e-5"]
    assert (row["threshold"], row["far"], row["frr"]) == (0.55, 0.0, 0.0)
    assert (row["genuine_trials"], row["impostor_trials"]) == (50, 25 * 24 * 7)
    # Nothing went wrong with 25 people and 300 pairs of them: that bounds the rate, and does not
    # prove it to be 0.
    assert row["frr_ci"] == [0.0, 0.12]
    assert row["far_ci"][1] == pytest.approx(3 / 300, rel=1e-3)


def test_faces_at_random_are_recognised_at_random() -> None:
    random = np.random.default_rng(1)
    people = [[at(float(turn)) for turn in random.uniform(0, 360, 4)] for _ in range(40)]
    row = told(people)["single"]["1e-5"]
    # Two directions at random are within 60 degrees of each other a third of the time.
    assert row["far"] == pytest.approx(1 / 3, abs=0.04)
    assert row["far_ci"][0] < 1 / 3 < row["far_ci"][1]
    assert row["frr"] == pytest.approx(2 / 3, abs=0.1)
    assert row["frr_ci"][0] < 2 / 3 < row["frr_ci"][1]


def test_where_nobody_has_enough_pictures_the_template_rates_are_empty_and_not_zero() -> None:
    row = told([[at(0), at(0)], [at(90), at(90)]])["template_5_1"]["1e-4"]
    assert (row["far"], row["frr"], row["genuine_trials"]) == (None, None, 0)
    assert (row["far_ci"], row["frr_ci"]) == ([0.0, 1.0], [0.0, 1.0])


def test_a_set_without_any_face_is_no_result() -> None:
    with pytest.raises(InputError, match="No face was found in any picture"):
        told([[MISSED, MISSED], [MISSED]])


def test_one_fold_leaves_none_to_choose_the_threshold_on() -> None:
    pairs = [Pair(0, 1, same=True, fold=0), Pair(0, 2, same=False, fold=0)]
    with pytest.raises(InputError, match="single fold"):
        told([[at(0), at(0)], [at(90)]], pairs)


def test_a_listing_of_which_no_picture_is_there_says_so() -> None:
    people = [[at(0), at(0)], [at(90)]]
    plain = dataset(people)
    listed = Dataset(plain.people, plain.pictures, [], missing_pairs=600)
    found = report(listed, flat(people), "toy", CALIBRATION)
    assert found["missing_pairs"] == 600
    assert "accuracy" not in found


@pytest.mark.parametrize(
    ("names", "same"),
    [
        (["Ann", "Ben"], True),
        (["Ben", "Ann"], True),  # in whatever order
        # Without a hash for each of them nothing is known of others.
        (["Ann", "Cid"], None),
        (["Ann"], None),
        (["Ann", "Ben", "Cid"], None),
        (["AnnBen"], None),
    ],
)
def test_the_report_says_when_the_calibration_was_measured_on_the_same_people(
    names: list[str], *, same: bool | None
) -> None:
    known = people_sha256(Dataset(["Ann", "Ben"], []))
    calibration = CALIBRATION.model_copy(update={"people_sha256": known})
    people = [[at(0), at(0)] for _ in names]
    world = replace(dataset(people), people=names)
    assert report(world, flat(people), "toy", calibration)["in_sample"] is same


def test_a_calibration_that_does_not_say_of_whom_leaves_it_open() -> None:
    assert CALIBRATION.people_sha256 == ""
    found = told([[at(0), at(0)], [at(90)]])
    assert (found["in_sample"], found["people_in_calibration"]) == (None, None)


def test_from_half_of_the_people_on_the_report_is_in_sample_and_always_says_of_how_many() -> None:
    known = Dataset(["Ann", "Ben", "Cid"], [])
    calibration = CALIBRATION.model_copy(
        update={"people_sha256": people_sha256(known), "people_hashes": name_hashes(known)}
    )
    people = [[at(0), at(0)], [at(90), at(90)], [at(180)]]
    for names, count, same in (
        (["Ann", "Dan", "Eve"], 1, False),
        (["Ann", "Ben", "Eve"], 2, True),
        (["Cid", "Ben", "Ann"], 3, True),
    ):
        found = report(replace(dataset(people), people=names), flat(people), "toy", calibration)
        assert (found["people_in_calibration"], found["in_sample"]) == (count, same)


def test_missed_and_refused_have_exact_intervals_where_nobody_has_two_pictures() -> None:
    people = [
        [MISSED if i < 3 else refused_at(9.0 * i) if i < 5 else at(9.0 * i)] for i in range(40)
    ]
    found = told(people)
    assert found["ci_method"] == "clopper_pearson"
    # The textbook's 3 of 40 and 2 of 40.
    assert found["missed_ci"] == pytest.approx([0.0157, 0.2039], abs=1e-4)
    assert found["refused_ci"] == pytest.approx([0.0061, 0.1692], abs=1e-4)


def test_pictures_of_the_same_people_are_told_to_be_no_independent_trials() -> None:
    found = told([[at(0), at(0)], [at(90)]])
    assert found["ci_method"] == "bootstrap_over_people"
    # None of three: nothing is proved.
    assert found["missed_ci"] == [0.0, 1.0]
