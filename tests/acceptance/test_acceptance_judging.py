"""What measured facts are worth: each judge with what it lets pass and what it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appliance.acceptance.plan import BY_KEY
from appliance.acceptance.values import Expected
from tests.acceptance.parts import BY_STEP, GOOD, WHOLE

CASES: list[tuple[str, dict[str, Any], str]] = [
    ("system_service", {"installed": False}, "not installed"),
    ("system_service", {"enabled": False}, "not enabled"),
    ("system_service", {"enabled": None}, "not enabled"),
    ("system_service", {"shortcomings": ["the unit lacks a drop-in"]}, "lacks a drop-in"),
    ("backup", {"people": 1}, "1 people of 2"),
    ("service_stopped", {"running": True}, "The service is running."),
    ("service_running", {"running": False}, "The service is not running."),
    ("doctor", {"checks": {"camera": "fail", "lock": "fail"}}, "fails: camera, lock."),
    ("camera", {"width": 640, "height": 480}, "gives 640 x 480, not 1280 x 720"),
    ("camera", {"fps": 7.4}, "gives 7.4 pictures a second, not 15"),
    ("camera", {"fps": None}, "one picture and no more"),
    ("camera", {"scene": "all dark"}, "Its picture is all dark."),
    ("person", {"frames": 0}, "No face was seen."),
    ("person", {"eye_distance": 31.0}, "31 pixels apart, and 32 are needed"),
    ("person", {"sharpness": 0.01}, "not sharp"),
    ("person", {"brightness": 20.0}, "brightness is 20, not 25 to 225"),
    ("person", {"brightness": 230.0}, "brightness is 230, not 25 to 225"),
    ("person", {"clipped": 0.3}, "burnt out (30 %)"),
    ("pulse", {"measured_s": None}, "not released"),
    ("pulse", {"measured_s": 3.4}, "lasted 3.4 s, and 3 s are set"),
    ("pulse", {"measured_s": 1.0}, "lasted 1 s, and 3 s are set"),
    ("pulse", {"read_back": False}, "read with no current"),
    ("contact", {"seen": ["closed"]}, "The contact read closed;"),
    ("contact", {"seen": ["open", "closed", "open"]}, "open, then closed, then open"),
    ("contact", {"seen": []}, "read nothing"),
    ("lamps", {"faults": ["feedback.buzzer_pin does not obey."]}, "does not obey"),
    ("known_person", {"decision": "reject"}, "The decision is reject."),
    ("stranger", {"decision": "accept"}, "the door would have opened"),
    ("stranger", {"decision": "no_face"}, "does not say that it is somebody else"),
    ("stranger", {"decision": "timeout"}, "does not say that it is somebody else"),
    ("photo", {"decision": "accept", "liveness": {"state": "live"}}, "would have opened"),
    ("photo", {"decision": "reject", "liveness": {"state": "live"}}, "for a living person"),
    ("photo", {"decision": "reject", "liveness": {"state": "undetermined"}}, "nothing of life"),
    ("photo", {"decision": "poor_quality", "liveness": {"state": "not_checked"}}, "nothing of"),
    ("screen", {"decision": "unknown_person"}, "says nothing"),
    ("exit_button", {"missing": ["request_to_exit"]}, "no record: request_to_exit"),
    ("kill", {"off_after_s": 1.2}, "at rest 1.2 s after the kill, not within 1 s"),
    ("kill", {"off_after_s": None, "helper": False}, "Nothing tells that the helper"),
    ("kill", {"back_after_s": None}, "did not come back"),
    ("watchdog", {"watchdog_s": 0.0}, "does not watch the service"),
    ("watchdog", {"back_after_s": None}, "was not started again"),
    ("watchdog", {"back_after_s": 51.0}, "back after 51 s"),
    ("boot", {"running": False}, "did not start by itself"),
    ("boot", {"door": "unlocked"}, "the door is unlocked"),
    ("boot", {"door": "fault"}, "the door is fault"),
    ("boot", {"released": [12]}, "1 releases since the power was cut"),
    ("boot", {"chain_breaks_at": 9}, "at record 9"),
    ("clock", {"trusted": True}, "without a network"),
]


@pytest.mark.parametrize(("key", "changed", "fault"), CASES)
def test_a_fault_is_found(key: str, changed: dict[str, Any], fault: str) -> None:
    step = BY_KEY[key]
    good = {**GOOD[step.probe], **BY_STEP.get(key, {})}
    assert list(step.judge(good, WHOLE)) == []
    told = " ".join(step.judge({**good, **changed}, WHOLE))
    assert fault in told
    assert told.endswith(".")


def test_who_goes_through_ends_the_pulse_early() -> None:
    facts = {**GOOD["pulse"], "measured_s": 1.0, "opened": True}
    assert list(BY_KEY["strike"].judge(facts, WHOLE)) == []


def test_a_fail_safe_lock_is_released_without_current() -> None:
    safe = replace(WHOLE, fail="safe")
    assert list(BY_KEY["pulse"].judge({**GOOD["pulse"], "read_back": False}, safe)) == []
    assert list(BY_KEY["pulse"].judge(GOOD["pulse"], safe)) != []


def test_a_camera_that_is_not_asked_gives_what_it_likes() -> None:
    any_size = replace(WHOLE, width=0, height=0, fps=0.0)
    facts = {**GOOD["camera"], "width": 640, "height": 480, "fps": 3.0}
    assert list(BY_KEY["camera"].judge(facts, any_size)) == []


def test_a_camera_that_is_turned_gives_the_sides_the_other_way_round() -> None:
    facts = {**GOOD["camera"], "width": 720, "height": 1280}
    assert list(BY_KEY["camera"].judge(facts, WHOLE)) == []


def test_unit_files_without_systemd_keep_nothing_running() -> None:
    judge = BY_KEY["system_service"].judge
    faults = list(judge(GOOD["system_service"], replace(WHOLE, installed=False)))
    assert faults == ["systemd does not run this machine, or does not know the unit."]


def test_a_record_is_known_by_its_event_and_detail() -> None:
    wanted = Expected("alarm", {"kind": "forced"})
    assert wanted.fits("alarm", {"kind": "forced", "at": "now"})
    assert not wanted.fits("alarm", {"kind": "tamper"})
    assert not wanted.fits("alarm_over", {"kind": "forced"})
    assert not wanted.fits("alarm", {})
