"""What the scenes boot and unlock make of their logs: kept where it was kept, broken elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.board.evidence import read, transcript
from tests.board.installed import PULSE_S
from tests.board.logs import Logs
from tests.board.machine import RELAY
from tests.board.scenes import boot, unlock
from tests.board.table import Row

STATE = "ActiveState=active\nSubState=running\nNRestarts=0\nWatchdogUSec=20s\n"
STARTED = "systemd[1]: Started appliance.service - Face-access appliance."


def checked(door: str) -> dict[str, object]:
    return {
        "checks": [
            {"name": name, "status": door if name == "door" else "ok"}
            for name in sorted(boot.LOOKED_AT)
        ]
    }


def booted(folder: Path, *, state: str = STATE, doctor: str = "ok") -> Logs:
    logs = Logs(folder)
    logs.reset(0)
    logs.drive(50, RELAY, 0)
    logs.say(60, STARTED)
    logs.ask(70, boot._SHOW, STATE)
    logs.ask(75, boot._SYSTEM, "RuntimeWatchdogUSec=1min\nSoftware Watchdog\nactive\n")
    logs.ask(80, boot._DOCTOR, checked(doctor))
    logs.ask(150, boot._SHOW, state)
    logs.reset(170)
    logs.drive(220, RELAY, 0)
    logs.say(230, STARTED)
    logs.ask(240, boot._SHOW, STATE)
    return logs


def outcome(rows: list[Row]) -> list[bool]:
    return [row.ok for row in rows]


def test_a_good_boot_keeps_all(tmp_path: Path) -> None:
    rows = boot.judge(booted(tmp_path).write())
    assert all(outcome(rows)), rows
    assert (
        "0 times high in 240 s of the host with 2 resets; first driven, at level 0, "
        in rows[0].measured
    )


def test_a_line_that_rises_during_a_boot_is_seen(tmp_path: Path) -> None:
    logs = booted(tmp_path)
    logs.pulse(225, RELAY, 0.001)
    assert outcome(boot.judge(logs.write())) == [False, True, True, True, True]


def test_a_line_that_nobody_drove_shows_nothing(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.reset(0)
    logs.reset(170)
    logs.say(60, STARTED)
    logs.ask(70, boot._SHOW, STATE)
    logs.ask(75, boot._SYSTEM, "RuntimeWatchdogUSec=1min\nactive\n")
    logs.ask(80, boot._DOCTOR, {"checks": []})
    logs.ask(150, boot._SHOW, STATE)
    assert not boot.judge(logs.write())[0].ok


def test_a_restart_breaks_ready_and_watchdog(tmp_path: Path) -> None:
    logs = booted(tmp_path, state=STATE.replace("NRestarts=0", "NRestarts=1"))
    assert outcome(boot.judge(logs.write())) == [True, False, False, True, True]


def test_a_boot_that_ends_in_no_service_is_seen(tmp_path: Path) -> None:
    logs = booted(tmp_path)
    logs.reset(300)
    logs.say(20, STARTED)
    rows = boot.judge(logs.write())
    assert not rows[1].ok
    assert "and never" in rows[1].measured


def test_a_watchdog_that_is_off_is_seen(tmp_path: Path) -> None:
    logs = booted(tmp_path, state=STATE.replace("20s", "0"))
    assert outcome(boot.judge(logs.write())) == [True, True, False, True, True]


def test_a_warning_that_nobody_expects_is_told(tmp_path: Path) -> None:
    rows = boot.judge(booted(tmp_path, doctor="warn").write())
    assert outcome(rows) == [True, True, True, True, False]
    assert "1 warn (door)" in rows[4].measured


def test_a_doctor_that_looked_at_nothing_is_no_good_sign(tmp_path: Path) -> None:
    logs = booted(tmp_path)
    logs.ask(245, boot._DOCTOR, {"checks": []})
    rows = boot.judge(logs.write())
    assert outcome(rows) == [True, True, True, True, False]
    assert "not looked at: camera, door, models, service, store" in rows[4].measured


def test_a_doctor_that_ends_with_another_code_is_no_good_sign(tmp_path: Path) -> None:
    logs = booted(tmp_path)
    logs.ask(245, boot._DOCTOR, checked("ok"), code=70)
    assert outcome(boot.judge(logs.write())) == [True, True, True, True, False]


def record(decision: str) -> dict[str, object]:
    return {"event": "access", "detail": {"by": "root", "decision": decision}}


FACE = {"state": "live", "cues": {"appearance": 0.99}}
NOBODY = {"decision": "no_face", "liveness": {"state": "not_checked", "cues": {}}}
SEEN = {"decision": "poor_quality", "liveness": FACE}
UNLIKE = {"decision": "reject", "liveness": FACE, "similarity": -0.2, "threshold": 0.6}


def visited(
    folder: Path,
    *,
    decision: str = "accept",
    length_s: float = PULSE_S,
    hall: object = NOBODY,
    photograph: object = SEEN,
    stranger: object = UNLIKE,
) -> Logs:
    config = {"enrolment": {"frames": 10}, "liveness": {"profile": "standard"}}
    logs = Logs(folder)
    logs.reset(0)
    logs.drive(50, RELAY, 0)
    logs.ask(60, unlock._CONFIG, config)
    logs.ask(70, unlock._ENROL, {"frames_used": 10, "frames_rejected": []})
    refused = ((unlock._HALL, hall), (unlock._PHOTOGRAPH, photograph), (unlock._STRANGER, stranger))
    for at, (who, told) in zip((100, 140, 260), refused, strict=True):
        logs.ask(at, unlock._command(*who), told, code=1, took_s=10)
    logs.ask(200, unlock._command("alice", "alice"), {"decision": decision}, took_s=8)
    if decision == "accept":
        logs.pulse(207, RELAY, length_s)
    logs.ask(300, unlock._AUDIT, {"records": [record(decision), record("no_face")]})
    return logs


def test_a_good_visit_keeps_all(tmp_path: Path) -> None:
    rows = unlock.judge(visited(tmp_path).write())
    assert all(outcome(rows)), rows
    assert "1 pulses: 3.000 s" in rows[1].measured


def test_who_is_not_let_in_breaks_the_row_of_the_pulse(tmp_path: Path) -> None:
    rows = unlock.judge(visited(tmp_path, decision="poor_quality").write())
    assert outcome(rows) == [True, False, True, True, True, False]


def test_a_pulse_of_the_wrong_length_is_seen(tmp_path: Path) -> None:
    assert not unlock.judge(visited(tmp_path, length_s=PULSE_S / 2).write())[1].ok


def test_a_stranger_for_whom_the_line_moves_is_seen(tmp_path: Path) -> None:
    logs = visited(tmp_path)
    logs.pulse(145, RELAY, PULSE_S)
    assert outcome(unlock.judge(logs.write())) == [True, True, True, False, True, False]


@pytest.mark.parametrize(
    ("who", "told", "row"),
    [
        ("hall", SEEN, 2),
        ("photograph", NOBODY, 3),
        ("photograph", NOBODY | {"decision": "poor_quality"}, 3),
        ("stranger", NOBODY, 4),
        ("stranger", SEEN, 4),
        ("stranger", UNLIKE | {"similarity": None}, 4),
        ("stranger", UNLIKE | {"similarity": 0.7}, 4),
        ("stranger", UNLIKE | {"liveness": {"state": "undetermined"}}, 4),
    ],
)
def test_a_camera_that_shows_nothing_is_no_refusal(
    who: str, told: object, row: int, tmp_path: Path
) -> None:
    changed: dict[str, Any] = {who: told}
    rows = unlock.judge(visited(tmp_path, **changed).write())
    assert outcome(rows) == [number != row for number in range(6)]


def test_the_transcript_holds_console_commands_and_line_in_one_order(tmp_path: Path) -> None:
    logs = visited(tmp_path)
    logs.say(10, "Linux starts")
    text = transcript(read(logs.write()), RELAY, until=1_700_000_000.0 + 211)
    order = ["a meter shows 0", "Linux starts", "driven, level 0", "enroll", "a meter shows 1"]
    assert [text.index(it) for it in order] == sorted(text.index(it) for it in order)
    assert "audit tail" not in text
