"""Attempts at a simulated door, and everything that must not open one."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.runs import OBAMA3, Appliance, environment
from tests.patience import patient

REAL = {"driver": "gpiozero", "chip": 63, "pin": 17}


def attempt(appliance: Appliance, film: Path, name: str = "alice") -> dict[str, Any]:
    told = appliance.json("verify", "--name", name, "--unlock", "--from", film)
    assert told.code == (0 if told.data["decision"] == "accept" else 1)
    return told.data


def audit(appliance: Appliance) -> list[tuple[str, str]]:
    records = appliance.json("audit", "tail").data["records"]
    return [(item["event"], item["detail"].get("decision", "")) for item in records]


def test_an_accepted_attempt_opens_the_door(enrolled: Appliance, films: dict[str, Path]) -> None:
    told = attempt(enrolled, films["alice"])
    assert told["decision"] == "accept"
    assert told["frames_used"] >= 3
    assert told["liveness"]["state"] == "live"
    assert audit(enrolled)[-1] == ("access_granted", "accept")
    number = enrolled.json("audit", "tail").data["records"][-1]["number"]
    assert enrolled.journal == [
        ("locked", "start"),
        ("locked", "door start"),
        ("unlocked", f"access_granted #{number}"),
        ("locked", "pulse over"),
        ("locked", "close"),
    ]


def test_the_record_is_written_before_the_door_opens(
    enrolled: Appliance, films: dict[str, Path]
) -> None:
    attempt(enrolled, films["alice"])
    record = enrolled.json("audit", "tail").data["records"][-1]
    opened = next(entry for entry in enrolled.entries if entry["state"] == "unlocked")
    assert record["at"] <= opened["wall"]


@pytest.mark.parametrize(("film", "decision"), [("bob", "reject"), ("nobody", "no_face")])
def test_a_denied_attempt_never_unlocks(
    film: str, decision: str, enrolled: Appliance, films: dict[str, Path]
) -> None:
    assert attempt(enrolled, films[film])["decision"] == decision
    assert audit(enrolled)[-1] == ("access_denied", decision)
    assert {state for state, _ in enrolled.journal} == {"locked"}


def test_one_picture_is_not_enough_for_a_door(enrolled: Appliance) -> None:
    assert attempt(enrolled, OBAMA3)["decision"] in {"timeout", "poor_quality"}
    assert {state for state, _ in enrolled.journal} == {"locked"}


def test_one_picture_given_three_times_is_still_one(enrolled: Appliance) -> None:
    thrice = [word for _ in range(3) for word in ("--from", OBAMA3)]
    told = enrolled.json("verify", "--name", "alice", "--unlock", *thrice)
    assert (told.code, told.data["decision"], told.data["frames_used"]) == (1, "timeout", 1)
    assert [state for state, _ in enrolled.journal] == ["locked"] * len(enrolled.journal)
    # Only told, it is judged for what it is: a single picture.
    told = enrolled.json("verify", "--name", "alice", *thrice)
    assert (told.code, told.data["frames_used"]) == (0, 1)


def test_nobody_of_that_name_opens_nothing(enrolled: Appliance, films: dict[str, Path]) -> None:
    assert attempt(enrolled, films["alice"], name="mallory")["decision"] == "unknown_person"
    assert {state for state, _ in enrolled.journal} == {"locked"}


def test_too_few_pictures_are_not_permitted(enrolled: Appliance, films: dict[str, Path]) -> None:
    enrolled.configure(enrolment={"min_frames_for_door": 3})
    told = attempt(enrolled, films["alice"])
    assert told["decision"] == "not_permitted"
    assert told["reason"] == (
        "This person is enrolled with too few pictures for a door; at least 3 are needed."
    )
    assert {state for state, _ in enrolled.journal} == {"locked"}


def test_the_lock_out_outlives_each_call(enrolled: Appliance, films: dict[str, Path]) -> None:
    enrolled.configure(verification={"lockout_failures": 2, "lockout_s": 600})
    assert [attempt(enrolled, films["bob"])["decision"] for _ in range(2)] == ["reject"] * 2
    told = attempt(enrolled, films["alice"])
    assert told["decision"] == "locked_out"
    assert told["reason"].startswith("Too many failed attempts. Wait ")
    assert {state for state, _ in enrolled.journal} == {"locked"}
    # And it is Alice's alone: somebody else is not kept waiting.
    assert attempt(enrolled, films["bob"], name="mallory")["decision"] == "unknown_person"


def test_a_success_clears_the_failures(enrolled: Appliance, films: dict[str, Path]) -> None:
    enrolled.configure(verification={"lockout_failures": 2, "lockout_s": 600})
    people = ("bob", "alice", "bob", "alice")
    assert [attempt(enrolled, films[who])["decision"] for who in people] == [
        "reject",
        "accept",
        "reject",
        "accept",
    ]


def test_the_cool_down_is_kept_by_the_next_call(
    enrolled: Appliance, films: dict[str, Path]
) -> None:
    enrolled.configure(verification={"cool_down_s": 60})
    attempt(enrolled, films["bob"])
    told = attempt(enrolled, films["alice"])
    assert told["decision"] != "accept"
    assert "Wait " in told["reason"]
    assert {state for state, _ in enrolled.journal} == {"locked"}


@pytest.mark.parametrize("words", [["--from", str(OBAMA3)], []], ids=["--from", "files driver"])
def test_files_never_open_a_real_door(words: list[str], enrolled: Appliance) -> None:
    enrolled.configure(door=REAL, camera={"driver": "files", "source": str(OBAMA3)})
    before = enrolled.snapshot()
    told = enrolled("verify", "--name", "alice", "--unlock", *words)
    assert told.code == 2
    assert told.sentence == "Pictures and recordings never open a real door."
    told = enrolled.json("verify", "--name", "alice", "--unlock", *words)
    assert told.error["code"] == "file_at_a_real_door"
    assert enrolled.snapshot() == before


@pytest.mark.parametrize("words", [["test"], ["status"]])
def test_an_unconfigured_door_is_not_driven(words: list[str], appliance: Appliance) -> None:
    appliance.configure(door={"driver": None})
    told = appliance("door", *words)
    assert told.code == 3
    assert told.sentence == "The door is not configured, so there is nothing to drive."
    assert appliance.json("door", *words).error["code"] == "door_unconfigured"


def test_an_attempt_at_an_unconfigured_door(enrolled: Appliance, films: dict[str, Path]) -> None:
    enrolled.configure(door={"driver": None})
    told = enrolled.json("verify", "--name", "alice", "--unlock", "--from", films["alice"])
    assert (told.code, told.error["code"]) == (3, "door_unconfigured")


CONNECTED = {"contact_pin": 4, "request_to_exit_pin": 5, "tamper_pin": 6}


def stand(appliance: Appliance, **readings: object) -> None:
    """Bring the simulated contacts into this position, all at once."""
    new = appliance.state / "new"
    new.write_text(json.dumps(readings), encoding="utf-8")
    new.replace(appliance.state / "simulated-inputs.json")


def test_the_status_tells_line_contact_and_button(appliance: Appliance) -> None:
    told = appliance.json("door", "status")
    assert told.code == 0
    shown = {key: told.data[key] for key in ("contact", "request_to_exit", "tamper", "energised")}
    assert shown == {"contact": None, "request_to_exit": None, "tamper": None, "energised": False}
    appliance.configure(door=CONNECTED)
    stand(appliance, contact="open", request_to_exit=True)
    told = appliance.json("door", "status")
    shown = {key: told.data[key] for key in ("state", "contact", "request_to_exit", "tamper")}
    assert shown == {
        "state": "locked",
        "contact": "open",
        "request_to_exit": True,
        "tamper": False,
    }
    assert appliance("door", "status").out == (
        "locked, without current (simulated lock, fail-secure); door open, button pressed, "
        "tamper contact quiet.\n"
    )


def test_inputs_that_make_no_sense_are_told(appliance: Appliance) -> None:
    appliance.configure(door=CONNECTED)
    appliance.json("door", "status")
    stand(appliance, contact="ajar")
    told = appliance("door", "status")
    assert told.code == 4
    assert 'contact is "open" or "closed", not "ajar"' in told.sentence


def test_a_fail_safe_door_is_locked_by_current_and_released_at_the_end(
    appliance: Appliance,
) -> None:
    appliance.configure(door={"fail": "safe"})
    assert appliance.json("door", "status").data["energised"] is True
    assert appliance.journal == [("locked", "start"), ("unlocked", "close")]


def test_the_test_pulse_ends_when_somebody_has_gone_through(appliance: Appliance) -> None:
    appliance.configure(door={"pulse_s": 30, **CONNECTED})

    def go_through() -> None:
        deadline = time.monotonic() + patient(20)
        for position in ("open", "closed"):
            while not _is_open(appliance) and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.2)  # longer than contacts bounce
            stand(appliance, contact=position)

    person = threading.Thread(target=go_through)
    person.start()
    told = appliance.json("door", "test")
    person.join(patient(30))
    assert told.code == 0
    assert (told.data["opened"], told.data["contact"]) == (True, "closed")
    assert [(it["state"], it["cause"]) for it in told.data["history"]][2:] == [
        ("unlocked", "door_test #1"),
        ("locked", "door closed"),
    ]


def test_a_button_pressed_in_the_test_pulse_is_recorded(appliance: Appliance) -> None:
    appliance.configure(door={"pulse_s": 0.5, **CONNECTED})

    def press() -> None:
        deadline = time.monotonic() + patient(20)
        while not _is_open(appliance) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        stand(appliance, request_to_exit=True)

    person = threading.Thread(target=press)
    person.start()
    assert appliance.json("door", "test").code == 0
    person.join(patient(30))
    assert [event for event, _ in audit(appliance)] == ["door_test", "request_to_exit"]
    assert appliance.json("audit", "verify").data["ok"]


@pytest.mark.parametrize("words", [["test"], ["status"]])
def test_a_mock_never_stands_in_for_a_real_lock(words: list[str], appliance: Appliance) -> None:
    appliance.configure(door=REAL)
    told = appliance.program("door", *words, env=environment(GPIOZERO_PIN_FACTORY="mock"))
    assert told.code == 4
    # On Python 3.13 lgpio comes from the system, and where it is missing that is told first.
    missing = importlib.util.find_spec("lgpio") is None
    because = "lgpio is not installed" if missing else "/dev/gpiochip63 does not exist"
    assert because in told.sentence


def test_a_template_of_another_model_opens_nothing(
    enrolled: Appliance, films: dict[str, Path]
) -> None:
    enrolled.configure(model={"name": "openface"})
    told = enrolled.json("verify", "--name", "alice", "--unlock", "--from", films["alice"])
    assert (told.code, told.error["code"]) == (3, "other_model")
    assert {state for state, _ in enrolled.journal} == {"locked"}


def test_no_audit_no_door(enrolled: Appliance, films: dict[str, Path]) -> None:
    """The store that cannot be written keeps the door shut (its table is gone, say)."""
    import sqlite3

    with closing(sqlite3.connect(enrolled.state / "appliance.db")) as connection, connection:
        connection.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    connection.close()
    for words in (
        ("verify", "--name", "alice", "--unlock", "--from", films["alice"]),
        ("door", "test"),
    ):
        told = enrolled(*words)
        assert told.code == 3, told
        assert {state for state, _ in enrolled.journal} == {"locked"}


@pytest.fixture
def pulse(appliance: Appliance) -> Iterator[subprocess.Popen[str]]:
    """A door test in the middle of its pulse."""
    appliance.configure(door={"pulse_s": 30})
    process = appliance.start("door", "test", start_new_session=True)
    deadline = time.monotonic() + patient(20)
    while not _is_open(appliance):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the pulse never began"
        time.sleep(0.01)
    yield process
    process.kill()
    process.communicate()


def _is_open(appliance: Appliance) -> bool:
    try:
        return appliance.journal[-1][0] == "unlocked"
    except (FileNotFoundError, IndexError, json.JSONDecodeError):
        return False


PULSE = [("locked", "start"), ("locked", "door start"), ("unlocked", "door_test #1")]


def test_after_a_kill_the_first_command_is_locked(
    pulse: subprocess.Popen[str], appliance: Appliance
) -> None:
    pulse.kill()
    assert pulse.wait(patient(10)) == -signal.SIGKILL
    status = appliance.json("door", "status")
    assert (status.code, status.data["state"]) == (0, "locked")
    assert appliance.journal == [*PULSE, ("locked", "start"), ("locked", "close")]
    assert [entry["pid"] for entry in appliance.entries] == [pulse.pid] * 3 + [os.getpid()] * 2
    assert appliance.json("audit", "verify").data["ok"]


@pytest.mark.parametrize(
    ("number", "code", "cause"),
    [
        (signal.SIGTERM, 143, "SystemExit in a pulse"),
        (signal.SIGINT, 130, "KeyboardInterrupt in a pulse"),
        # An installer's connection that breaks must not leave the door open.
        (signal.SIGHUP, 129, "SystemExit in a pulse"),
    ],
)
def test_a_signal_in_the_pulse_locks_first(
    number: int, code: int, cause: str, pulse: subprocess.Popen[str], appliance: Appliance
) -> None:
    pulse.send_signal(number)
    _, said = pulse.communicate(timeout=patient(10))
    assert pulse.returncode == code
    assert "Traceback" not in said
    assert appliance.journal[:4] == [*PULSE, ("locked", cause)]
    assert {state for state, _ in appliance.journal[3:]} == {"locked"}


def test_two_processes_never_share_the_devices(
    pulse: subprocess.Popen[str], appliance: Appliance
) -> None:
    before = appliance.journal
    for words in (["door", "status"], ["door", "test"], ["verify", "--name", "a", "--unlock"]):
        told = appliance.json(*words)
        assert (told.code, told.error["code"]) == (4, "device_busy")
        assert f"process {pulse.pid}" in told.error["message"]
    assert appliance.journal == before
    # Neither does what only needs the camera, and the doctor says whose it is.
    assert appliance.json("verify", "--name", "alice").error["code"] == "device_busy"
    checks = {it["name"]: it for it in appliance.json("doctor").data["checks"]}
    assert f"process {pulse.pid}" in checks["camera"]["detail"]
