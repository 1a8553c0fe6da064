"""The rates of a report: what is counted, in what, and how sure it is."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from appliance.errors import InputError
from appliance.evaluation.pad import Lack, Outcome
from appliance.evaluation.pad_report import Judged, quantiles, report
from appliance.evaluation.rates import exact_interval
from appliance.types import Fault, Suspicion
from tests.evaluation.pads import presented, shown

LIVE, SPOOF, UNSURE = Outcome.LIVE, Outcome.SPOOF, Outcome.UNDETERMINED
NOBODY, SEVERAL, POOR = Outcome.NO_FACE, Outcome.SEVERAL_FACES, Outcome.POOR_QUALITY


def told(*judged: list[Judged], species: tuple[str, ...] = ("print",)) -> dict[str, Any]:
    data = report([item for items in judged for item in items], species)
    json.dumps(data, allow_nan=False)
    return data


def test_bpcer_counts_every_living_person_who_is_not_taken_for_one() -> None:
    bpcer = told(shown("live", *[LIVE] * 7, SPOOF, UNSURE, UNSURE))["bpcer"]
    assert (bpcer["rate"], bpcer["n"], bpcer["errors"]) == (0.3, 10, 3)
    low, high = exact_interval(3, 10)
    assert bpcer["ci"] == [pytest.approx(low, rel=1e-3), pytest.approx(high, rel=1e-3)]
    assert bpcer["ci_method"] == "clopper_pearson"


def test_apcer_counts_the_attacks_of_each_species_that_are_taken_for_live() -> None:
    data = told(
        shown("live", LIVE),
        shown("print", SPOOF, UNSURE, SPOOF, SPOOF),
        shown("screen", LIVE, LIVE, SPOOF, UNSURE),
        species=("print", "screen"),
    )
    assert {name: (it["rate"], it["n"]) for name, it in data["apcer"].items()} == {
        "print": (0.0, 4),
        "screen": (0.5, 4),
    }
    assert data["worst_species"]["species"] == "screen"


def test_a_non_response_is_no_caught_attack_and_no_refused_person() -> None:
    data = told(
        shown("live", LIVE, SPOOF, NOBODY, POOR), shown("print", LIVE, NOBODY, SEVERAL, POOR)
    )
    assert (data["bpcer"]["rate"], data["bpcer"]["n"]) == (0.5, 2)
    assert (data["apcer"]["print"]["rate"], data["apcer"]["print"]["n"]) == (1.0, 1)
    assert (data["bpnrr"]["rate"], data["bpnrr"]["n"]) == (0.5, 4)
    assert (data["apnrr"]["print"]["rate"], data["apnrr"]["print"]["n"]) == (0.75, 4)
    silent = data["classes"]["print"]["non_response"]
    assert silent == {"no_face": 1, "several_faces": 1, "poor_quality": 1}


def test_without_a_response_there_is_no_rate() -> None:
    data = told(shown("live", NOBODY), shown("print", NOBODY))
    for rate in (data["bpcer"], data["apcer"]["print"]):
        assert (rate["rate"], rate["n"], rate["ci"]) == (None, 0, [0.0, 1.0])
    assert data["worst_species"] is None


def test_an_empty_species_is_reported_as_such() -> None:
    data = told(shown("live", LIVE))
    assert data["apcer"]["print"]["n"] == 0
    assert data["classes"]["print"]["presentations"] == 0
    assert data["apnrr"]["print"]["rate"] is None


def test_the_worst_of_equal_species_is_the_one_least_is_known_of() -> None:
    data = told(
        shown("live", LIVE),
        shown("many", *[SPOOF] * 20),
        shown("few", *[SPOOF] * 3),
        species=("many", "few"),
    )
    assert data["worst_species"]["species"] == "few"


def test_attempts_on_one_clip_are_tied_to_each_other() -> None:
    def clips(*attempts: list[Outcome]) -> list[Judged]:
        return [
            Judged("live", f"live/{number}", [presented(outcome) for outcome in outcomes])
            for number, outcomes in enumerate(attempts)
        ]

    apart = told(shown("live", *[LIVE] * 20, *[SPOOF] * 20))["bpcer"]
    tied = told(clips([LIVE] * 20, [SPOOF] * 20))["bpcer"]
    assert (tied["rate"], tied["n"]) == (apart["rate"], apart["n"]) == (0.5, 40)
    assert tied["ci_method"] == "bootstrap_over_clips"
    # Two clips, one of each: nothing is known.
    assert tied["ci"] == [0.0, 1.0]
    assert apart["ci"][1] - apart["ci"][0] < 0.35


def test_reasons_lacks_and_refusals_are_counted_the_commonest_first() -> None:
    flat, screen = Suspicion.FLAT_MOTION, Suspicion.SCREEN_PATTERN
    attempts = [
        presented(SPOOF, 0.1, reasons=(screen, flat), looked=3, judged=3),
        presented(SPOOF, 0.2, reasons=(flat,), looked=2, judged=1, faults={Fault.TOO_SMALL: 1}),
        presented(UNSURE, 0.5, lack=Lack.MOTION, looked=9, judged=4, faults={Fault.TOO_SMALL: 5}),
        presented(UNSURE, 0.5, reasons=(flat,), cut_off=True),
        presented(POOR, looked=4, faults={Fault.BLURRED: 4}),
        presented(LIVE, 0.9, still=True, looked=1, judged=1),
    ]
    data = told([Judged("print", str(number), [it]) for number, it in enumerate(attempts)])
    account = data["classes"]["print"]
    assert list(account["reasons"].items()) == [("flat_motion", 3), ("screen_pattern", 1)]
    assert account["lacks"] == {"motion": 1}
    assert account["frames"] == {
        "looked_at": 19,
        "judged": 9,
        "refused": {"too_small": 6, "blurred": 4},
    }
    assert (account["from_pictures"], account["from_clips"]) == (1, 5)
    assert (account["live"], account["spoof"], account["undetermined"]) == (1, 2, 2)
    assert account["undetermined_cut_off"] == 1
    assert account["score"]["n"] == 5


def test_the_cues_are_summed_up_where_they_could_tell() -> None:
    attempts = [presented(LIVE, 0.9, cues={"relief": 3.0 + n, "moire": 0.5}) for n in range(3)]
    attempts.append(presented(UNSURE, 0.5, cues={"moire": 1.5}))
    data = told([Judged("live", str(number), [it]) for number, it in enumerate(attempts)])
    cues = data["classes"]["live"]["cues"]
    assert {name: it["n"] for name, it in cues.items()} == {"moire": 4, "relief": 3}
    assert cues["relief"]["p50"] == 4.0


def test_files_that_cannot_be_read_are_named_and_count_in_no_rate() -> None:
    broken = [Judged("live", f"live/{n}.jpg", unreadable="It is empty.") for n in range(12)]
    cut = Judged("live", "live/cut.avi", [presented(LIVE)], damage="It breaks off.")
    data = told(broken, [cut])
    assert (data["bpcer"]["n"], data["unreadable"], data["damaged"]) == (1, 12, 1)
    assert len(data["unreadable_files"]) == 10
    assert data["unreadable_files"][0] == {"name": "live/0.jpg", "reason": "It is empty."}
    assert data["damaged_files"] == [{"name": "live/cut.avi", "reason": "It breaks off."}]
    assert data["classes"]["live"]["unreadable"] == 12


def test_where_nothing_can_be_read_there_is_no_report() -> None:
    with pytest.raises(InputError, match="nothing was measured") as caught:
        report([Judged("live", "live/1.jpg", unreadable="It is empty.")], ())
    assert "live/1.jpg: It is empty." in caught.value.hint


def test_quantiles_leave_out_what_is_no_number() -> None:
    assert quantiles([]) is None
    assert quantiles([math.nan]) is None
    assert quantiles([1.0, math.inf, 3.0]) == {"n": 2, "p5": 1.1, "p50": 2.0, "p95": 2.9}
