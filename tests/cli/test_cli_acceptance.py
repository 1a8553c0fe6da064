"""`appliance acceptance` through the command line, with the simulated lock and a recording."""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest

from appliance.acceptance.progress import Progress
from appliance.cli import acceptance_begun, acceptance_probes
from appliance.errors import InputError, StoreError
from appliance.inspection import devices
from appliance.inspection.systemd import Systemd
from appliance.store import exports, files
from tests.cli.runs import OBAMA3, Appliance, Outcome
from tests.patience import patient

# All that is asked for before the service is to be started, and nobody is there to start it.
ANSWERS: Mapping[str, object] = {
    "network": True,
    "doctor": True,
    "service_stopped": {"consent": True},
    "pulse": {"consent": True, "answer": True},
    "strike": {"consent": True, "answer": True},
}
# What takes long and is tried by one test.
NOT_NOW: Mapping[str, object] = {
    step: {"skip": "not now"} for step in ("identity", "backup", "doctor", "camera", "person")
}
SKIPPED = {
    step: {"skip": "no service on this bench"}
    for step in ("stays_shut", "known_person", "stranger", "photo", "screen", "service_running")
}
REST: Mapping[str, object] = {
    **SKIPPED,
    "shut_without_power": True,
    "way_out_without_power": {"answer": False, "note": "the handle sticks"},
}


@pytest.fixture
def door(enrolled: Appliance, films: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Appliance:
    """Alice is enrolled, and a recording of her is before the camera. No systemd."""
    camera = {"driver": "files", "source": str(films["alice"])}
    enrolled.configure(camera=camera, control={"socket": str(enrolled.folder / "control.sock")})
    nowhere = partial(Systemd, enrolled.folder / "no systemd")
    monkeypatch.setattr(acceptance_probes, "Systemd", nowhere)
    return enrolled


def carried_out(
    door: Appliance, answers: Mapping[str, object], *words: str, name: str = "alice"
) -> Outcome:
    file = door.folder / "answers.yaml"
    file.write_text(json.dumps(answers), encoding="utf-8")
    out = str(door.folder / "report")
    given = ("--answers", str(file), "--name", name, "--out", out, "--wait", "0", *words)
    return door.json("acceptance", *given)


def kept(door: Appliance) -> dict[str, str]:
    data = json.loads((door.state / "acceptance.json").read_text(encoding="utf-8"))
    return {key: it["status"] for key, it in data["results"].items()}


def test_from_the_first_step_to_a_signed_report(door: Appliance) -> None:
    before = carried_out(door, ANSWERS, "--by", "J. Doe")
    assert (before.code, before.data["outcome"]) == (1, "unfinished")
    assert before.data["open"][0] == "service_running"
    assert before.data["report"] is None
    statuses = {it["key"]: it["status"] for it in before.data["steps"]}
    measured = ("identity", "config", "backup", "doctor", "camera", "person", "pulse", "strike")
    assert {key: statuses[key] for key in measured} == dict.fromkeys(measured, "passed"), before.err
    pulses = [state for state, cause in door.journal if cause.startswith("door_test")]
    assert pulses == ["unlocked", "unlocked"]
    after = carried_out(door, {**ANSWERS, **REST}, "--resume", "--by", "R. Roe")
    assert (after.code, after.data["outcome"]) == (1, "failed")
    assert [state for state, _ in door.journal].count("unlocked") == 2
    assert not (door.state / "acceptance.json").exists()
    written = json.loads(Path(after.data["report"]).read_text(encoding="utf-8"))["report"]
    assert (written["by"], written["operator"]["role"]) == ("J. Doe; R. Roe", "owner")
    hands = {it["key"]: it["hand"] for it in written["steps"]}
    assert [hands[key]["by"] for key in ("pulse", "shut_without_power")] == ["J. Doe", "R. Roe"]
    answers = (door.folder / "answers.yaml").read_bytes()
    assert hands["stays_shut"]["answers"] == f"file sha256:{hashlib.sha256(answers).hexdigest()}"
    assert hands["stays_shut"]["answers"] != hands["pulse"]["answers"]
    assert hands["tamper"]["by"] == ""  # it is not at this door
    assert hands["stays_shut"]["answers"] in Path(after.data["page"]).read_text(encoding="utf-8")
    assert written["simulated"] == ["lock", "camera"]
    _the_report_pins_the_log(door, written)
    _the_report_can_be_checked(door, after)


def _the_report_pins_the_log(door: Appliance, written: dict[str, dict[str, object]]) -> None:
    records = door.json("audit", "tail").data["records"]
    *_, last = records
    pinned = written["audit"]
    assert (pinned["number"], last["event"]) == (last["number"], "acceptance")
    assert last["detail"]["outcome"] == "failed"
    (resumed,) = (it for it in records if it["event"] == "acceptance_resumed")
    assert resumed["detail"]["role"] == "owner"
    tests = [it for it in records if it["event"] == "door_test"]
    assert [it["detail"]["step"] for it in tests] == ["pulse", "strike"]
    assert {it["detail"]["role"] for it in tests} == {"owner"}
    assert door.json("audit", "verify").data["ok"]


def _the_report_can_be_checked(door: Appliance, after: Outcome) -> None:
    mark = door.json("acceptance", "key").data["fingerprint"]
    assert mark == after.data["fingerprint"]
    assert door("acceptance", "verify", after.data["report"], "--key", "12").code == 3
    for file in (after.data["report"], after.data["page"]):
        told = door.json("acceptance", "verify", file, "--key", mark)
        assert (told.code, told.data["genuine"], told.data["outcome"]) == (0, True, "failed")
        other = door.json("acceptance", "verify", file, "--key", "0" * 40)
        assert (other.code, other.data["genuine"]) == (1, False)
        changed = Path(file)
        changed.write_bytes(changed.read_bytes().replace(b"J. Doe", b"J. Dee"))
        told = door.json("acceptance", "verify", file)
        assert (told.code, told.data["reason"]) == (1, "It was changed after it was signed.")
    junk = door("acceptance", "verify", door.config)
    assert (junk.code, "is no report of an acceptance" in junk.sentence) == (3, True)
    assert door("acceptance", "verify", door.folder / "none").code == 3


def test_what_is_left_is_neither_forgotten_nor_begun_twice(door: Appliance) -> None:
    assert carried_out(door, NOT_NOW).code == 1
    told = carried_out(door, NOT_NOW)
    assert (told.code, told.error["code"]) == (2, "usage")
    assert "--resume goes on with it" in told.error["hint"]
    assert carried_out(door, {}, "--resume", "--anew").code == 2
    door.configure(door={"pulse_s": 0.2})
    assert carried_out(door, {}, "--resume").error["code"] == "config_changed"
    assert carried_out(door, NOT_NOW, "--anew").code == 1
    records = door.json("audit", "tail").data["records"]
    begun, forgotten, anew = (it for it in records if it["event"].startswith("acceptance"))
    assert forgotten["event"] == "acceptance_abandoned"
    assert forgotten["detail"]["failed"] == []
    assert begun["detail"]["run"] == forgotten["detail"]["run"] != anew["detail"]["run"]
    (door.state / "acceptance.json").write_text("{}")
    assert carried_out(door, {}, "--resume").error["code"] == "bad_progress"


@pytest.mark.parametrize(("database", "device"), [("another", "this"), ("this", "another")])
def test_what_was_tried_at_another_door_is_not_signed_for_here(database: str, device: str) -> None:
    left = Progress("run", "2026-03-01T11:00:00+00:00", "", database=database, device=device)
    with pytest.raises(InputError) as told:
        acceptance_begun._of_this_door(left, "", "this", "this")
    assert told.value.code == "another_device"
    assert acceptance_begun._of_this_door(left, "", database, device) == left


def test_two_do_not_carry_out_one_acceptance_at_once(door: Appliance) -> None:
    with acceptance_begun.alone(door.state):
        told = carried_out(door, ANSWERS)
    assert (told.code, told.error["code"]) == (4, "acceptance_busy")
    assert not (door.state / "acceptance.json").exists()


def test_there_must_be_something_to_go_on_with(door: Appliance) -> None:
    told = carried_out(door, {}, "--resume")
    assert (told.code, told.error["code"]) == (3, "nothing_to_resume")


def test_without_a_terminal_somebody_must_have_written_the_answers(door: Appliance) -> None:
    assert door("acceptance", "--wait", "nan").code == 2
    told = door("acceptance")
    assert told.code == 2
    assert told.sentence == "There is no terminal to ask somebody at, and no answers are given."
    assert not (door.state / "acceptance.json").exists()


@pytest.mark.parametrize(
    ("answers", "words", "code", "meant"),
    [
        ({"stirke": True}, (), "bad_answers", "did you mean strike?"),
        ({}, ("--again", "stirke"), "unknown_step", "did you mean strike?"),
        ({"pulse": True}, (), "bad_answers", "needs `consent: yes`"),
    ],
)
def test_a_step_that_is_none(
    answers: dict[str, object], words: tuple[str, ...], code: str, meant: str, door: Appliance
) -> None:
    told = carried_out(door, answers, *words)
    assert (told.code, told.error["code"]) == (3, code)
    assert meant in told.error["message"]


def test_a_report_is_never_overwritten(door: Appliance) -> None:
    (door.folder / "report.html").write_text("mine")
    told = carried_out(door, ANSWERS)
    assert (told.code, told.error["code"]) == (3, "file_exists")
    assert door.entries == [] if (door.state / "simulated-lock.jsonl").exists() else True


def test_a_camera_that_is_missing_fails_its_steps_and_the_lock_is_tried_all_the_same(
    door: Appliance,
) -> None:
    door.configure(
        camera={"driver": "v4l2", "source": "/dev/video63"},
        control={"socket": str(door.folder / "control.sock")},
    )
    answers = {**ANSWERS, **NOT_NOW}
    del answers["camera"], answers["person"]
    told = carried_out(door, answers)
    statuses = {it["key"]: (it["status"], it["reason"]) for it in told.data["steps"]}
    assert statuses["camera"][0] == statuses["person"][0] == "failed"
    assert "/dev/video63" in statuses["camera"][1]
    assert statuses["pulse"][0] == "passed"


def test_a_disk_that_is_full_keeps_what_was_kept(
    door: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, writes = files.replace, [0]

    def full(path: Path, content: bytes) -> None:
        writes[0] += 1
        if writes[0] > 4:
            raise OSError(28, "No space left on device")
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr("appliance.cli.acceptance.put", full)
        told = carried_out(door, {**ANSWERS, **NOT_NOW})
    assert (told.code, told.error["code"]) == (3, "disk_full")
    assert "--resume" in told.err
    done = kept(door)
    assert done["config"] == "passed"
    assert "pulse" not in done
    resumed = carried_out(door, {**ANSWERS, **NOT_NOW}, "--resume")
    assert resumed.data["open"][0] == "service_running"


def test_a_report_that_cannot_be_written_is_written_later(
    door: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = {**ANSWERS, **NOT_NOW, **REST}

    @contextmanager
    def on_a_full_disk(path: Path) -> Iterator[BinaryIO]:
        with exports.new_file(path) as file:
            yield file
            if path.suffix == ".html":
                raise StoreError("The disk is full.", code="disk_full")

    with monkeypatch.context() as patch:
        patch.setattr("appliance.cli.acceptance.new_file", on_a_full_disk)
        told = carried_out(door, everything)
    assert (told.code, told.error["code"]) == (3, "disk_full")
    assert not list(door.folder.glob("report*"))
    pulses = len(door.journal)
    after = carried_out(door, everything, "--resume")
    assert (after.data["outcome"], len(door.journal)) == ("failed", pulses)
    assert door.json("acceptance", "verify", after.data["page"]).data["genuine"]


def test_only_owners_and_installers_may(door: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 54_321)
    told = carried_out(door, ANSWERS)
    assert (told.code, told.error["code"]) == (1, "not_permitted")
    assert "is nobody here" in told.error["message"]
    assert not (door.state / "simulated-lock.jsonl").exists()


@pytest.mark.slow
def test_a_signal_in_the_pulse_locks_first_and_the_rest_goes_on(door: Appliance) -> None:
    pulse_s = 30
    door.configure(
        camera={"driver": "files", "source": str(OBAMA3)},
        control={"socket": str(door.folder / "control.sock")},
        door={"pulse_s": pulse_s},
    )
    file = door.folder / "answers.yaml"
    file.write_text(json.dumps({**ANSWERS, **NOT_NOW}), encoding="utf-8")
    process = door.start("acceptance", "--answers", str(file), start_new_session=True)
    deadline = time.monotonic() + patient(60)
    while not _is_open(door):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the pulse never began"
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=patient(30))
    assert process.returncode == 130
    assert "--resume` goes on" in said
    assert door.journal[-1][0] == "locked"
    assert ("locked", "KeyboardInterrupt in a pulse") in door.journal
    assert "pulse" not in kept(door)


def _is_open(door: Appliance) -> bool:
    try:
        return door.journal[-1][0] == "unlocked"
    except (FileNotFoundError, IndexError, json.JSONDecodeError):
        return False


def test_the_plan_says_why_a_step_is_left_out(door: Appliance) -> None:
    told = door.json("acceptance", "plan")
    steps = {it["key"]: it for it in told.data["steps"]}
    assert told.code == 0
    assert steps["pulse"]["applies"]
    assert steps["tamper"]["reason"] == "No tamper contact is connected."
    assert "tamper" in door("acceptance", "plan").out


def test_the_contact_is_read_as_somebody_moves_the_door(
    door: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance import assemble
    from appliance.config import load
    from appliance.door_values import DoorReadings

    door.configure(door={"contact_pin": 4})
    positions = [False] * 5 + [True] * 9 + [False, True] * 2 + [False] * 9

    class Moved:
        def read(self) -> DoorReadings:
            return DoorReadings(open=positions.pop(0) if positions else False)

        def close(self) -> None:
            """Nothing is held."""

    monkeypatch.setattr(assemble, "door_inputs", lambda _config: Moved())
    monkeypatch.setattr(devices, "SETTLED_S", 0.03)
    assert devices.contact(load(door.config), 20) == {"seen": ["closed", "open", "closed"]}
    # A door that stays shut is told as it was read.
    monkeypatch.setattr(devices, "SETTLED_S", 0.0)
    assert devices.contact(load(door.config), 0.2) == {"seen": ["closed"]}
