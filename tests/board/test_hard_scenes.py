"""What the hard scenes make of their logs: each row is red for its own reason, and for no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.board.asking import AUDIT, STATUS, UNLOCK
from tests.board.machine import CONTACT, EXIT_BUTTON, RELAY
from tests.board.scenes import clock, faults, inputs, power
from tests.board.scenes import torn as torn_scene
from tests.board.table import Row
from tests.board.torn import Tally, of_each_kind

BEGIN = 1_000_000.0


class Logs:
    """The logs of a machine as they would lie in its folder; times are seconds since its reset."""

    def __init__(self) -> None:
        self.commands: list[dict[str, object]] = []
        self.lines = [(0.0, "reset", "reset")]
        self.console: list[tuple[float, str]] = []

    def asked(self, at: float, command: str, out: object = "", *, code: int = 0) -> None:
        text = out if isinstance(out, str) else json.dumps(out)
        told = {"at": BEGIN + at, "took_s": 0.5, "command": command, "code": code}
        self.commands.append({**told, "out": text, "err": ""})

    def put(self, at: float, line: int, level: int) -> None:
        self.lines.append((at, "input_change", f"input {line} changed to {level}"))

    def level(self, at: float, line: int, level: int) -> None:
        self.lines.append((at, "set_output", f"setting output {line} to {level}"))

    def pulse(self, begin: float, end: float) -> None:
        self.level(begin, RELAY, 1)
        self.level(end, RELAY, 0)

    def count(self, at: float, guest_s: float) -> None:
        """The guest's own clock at a host's time."""
        self.lines.append((at, "timer", f"timer 1 value 0x{int(guest_s * 62.5e6):x}"))

    def drive(self, at: float) -> None:
        self.lines.append((at, "update", f"GPIODIR 0x{1 << RELAY:x} GPIODATA 0x0"))

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        names = {"timer": "arm_gt_cval_write"}
        trace = [
            f"1@{BEGIN + at:.6f}:{names.get(event, f'pl061_{event}')} /m/d {rest}"
            for at, event, rest in self.lines
        ]
        (folder / "lines.log").write_text("\n".join(trace) + "\n")
        (folder / "commands.log").write_text("".join(f"{json.dumps(it)}\n" for it in self.commands))
        console = [f"{BEGIN + at:.6f} {text}\n" for at, text in self.console]
        (folder / "serial.log").write_text("".join(console))
        return folder


def record(number: int, event: str, **detail: object) -> dict[str, object]:
    at = datetime.fromtimestamp(BEGIN, timezone.utc).isoformat()
    return {"number": number, "at": at, "event": event, "subject": "door", "detail": detail}


def audit(*records: dict[str, object]) -> dict[str, object]:
    return {"records": list(records)}


def told(alarms: Sequence[str] = (), **more: object) -> dict[str, object]:
    return {"door": {"alarms": list(alarms), "state": "locked"}, **more}


def red(rows: Sequence[Row]) -> list[str]:
    return [row.promise for row in rows if not row.ok]


def only(rows: Sequence[Row], part: str) -> bool:
    """Exactly one row is red, and it is this one."""
    (broken,) = red(rows)
    return part in broken


# --- inputs -------------------------------------------------------------------------------------


def inputs_logs(
    *,
    end: float = 14.1,
    records: int = 2,
    alarms: Sequence[str] = ("held_open", "forced", "tamper"),
) -> Logs:
    logs = Logs()
    for at in (11.0, 30.0):
        logs.put(at, EXIT_BUTTON, 0)
        logs.put(at + 1, EXIT_BUTTON, 1)
    logs.pulse(11.1, end)
    logs.pulse(30.1, 33.1)
    logs.put(31.0, CONTACT, 1)
    kept = [record(number, "request_to_exit", released=True) for number in range(records)]
    for kind in alarms:
        logs.asked(50.0, f"python3 # {STATUS}", told([kind]))
        kept += [record(9, "alarm", kind=kind), record(9, "alarm_over", kind=kind)]
    logs.asked(90.0, f"python3 # {AUDIT}", audit(*kept))
    return logs


def test_a_button_that_releases_and_alarms_that_are_told_are_well(tmp_path: Path) -> None:
    assert red(inputs.judge(inputs_logs().write(tmp_path))) == []


@pytest.mark.parametrize(
    ("logs", "part"),
    [
        (inputs_logs(end=12.0), "the button inside releases"),
        (inputs_logs(end=20.0), "the button inside releases"),
        (inputs_logs(records=1), "each press"),
        (inputs_logs(alarms=["forced", "tamper"]), "held open"),
        (inputs_logs(alarms=["held_open", "tamper"]), "opened without"),
        (inputs_logs(alarms=["held_open", "forced"]), "somebody at the case"),
    ],
)
def test_what_went_wrong_at_an_input_is_its_own_row(logs: Logs, part: str, tmp_path: Path) -> None:
    assert only(inputs.judge(logs.write(tmp_path)), part)


def test_a_slow_host_is_no_slow_door(tmp_path: Path) -> None:
    """What took the host 40 s was 3 s to the guest, whose time is the one that counts."""
    logs = inputs_logs(end=29.0)
    for at, guest_s in ((0.0, 0.0), (10.9, 10.0), (28.9, 13.05), (29.9, 20.0), (33.05, 23.0)):
        logs.count(at, guest_s)
    rows = inputs.judge(logs.write(tmp_path))
    assert red(rows) == []
    assert "for 3.05 s" in rows[0].measured


def test_a_relay_that_moves_by_itself_is_seen(tmp_path: Path) -> None:
    logs = inputs_logs()
    logs.pulse(60.0, 63.0)
    assert only(inputs.judge(logs.write(tmp_path)), "no contact, and no alarm")


def test_a_button_that_does_nothing_is_seen(tmp_path: Path) -> None:
    logs = inputs_logs()
    logs.lines = [it for it in logs.lines if "output" not in it[2] or it[0] > 20]
    assert only(inputs.judge(logs.write(tmp_path)), "the button inside releases")


# --- faults -------------------------------------------------------------------------------------


class Faults:
    """A run in which all went well, to be changed before it is judged."""

    def __init__(self) -> None:
        self.rest = {"SIGKILL": 10.6, "SIGSTOP": 122.5}
        self.restarts = {"SIGKILL": 1, "SIGSTOP": 1}
        self.trouble: str | None = "The camera was unplugged."
        self.sentence = "The camera was unplugged."
        self.pid_back = 5
        self.released_when_full = False
        self.kept = [7, 8]
        self.exits = 1
        self.pressed_releases = True
        self.refused, self.refused_at = True, 408.0

    def judge(self, folder: Path) -> list[Row]:
        logs = Logs()
        for number, (name, at) in enumerate((("SIGKILL", 10.0), ("SIGSTOP", 100.0))):
            logs.level(at - 1, faults.MARK, 0)
            logs.level(at - 0.5, RELAY, 1)
            logs.level(at, faults.MARK, 1)
            logs.level(self.rest[name], RELAY, 0)
            logs.console.append((at + 25.0, "systemd[1]: Starting appliance.service"))
            logs.asked(at - 5, f"show # before {name}", f"NRestarts={number}\nActiveState=active")
            after = f"NRestarts={number + self.restarts[name]}\nActiveState=active"
            logs.asked(at + 60, f"show # after {name}", after)
        self._camera(logs)
        self._disk(logs)
        return faults.judge(logs.write(folder))

    def _camera(self, logs: Logs) -> None:
        state = "degraded" if self.trouble else "ok"
        gone = told(camera={"trouble": self.trouble}, state=state, pid=5)
        logs.asked(300, f"python3 # {STATUS} # camera away", gone)
        logs.asked(301, f"{faults._SHOW} # camera away", f"StatusText={self.sentence}")
        back = told(camera={"trouble": None}, state="ok", pid=self.pid_back)
        logs.asked(320, f"python3 # {STATUS} # camera back", back)
        logs.asked(321, "echo 5 # camera back", "5\n")

    def _disk(self, logs: Logs) -> None:
        logs.asked(400, "dd # disk full")
        logs.asked(402, f"python3 # {UNLOCK}", {"record": 7})
        logs.pulse(402.1, 405.1)
        if self.refused:
            refusal = {"error": {"code": "disk_full"}}
            logs.asked(self.refused_at, f"python3 # {UNLOCK}", refusal, code=1)
        if self.released_when_full:
            logs.pulse(408.2, 411.2)
        logs.put(420, EXIT_BUTTON, 0)
        if self.pressed_releases:
            logs.pulse(420.1, 423.1)
        logs.asked(440, "rm # disk free")
        logs.asked(450, f"python3 # {UNLOCK}", {"record": 8})
        logs.pulse(450.1, 453.1)
        records = [record(number, "unlock") for number in self.kept]
        records += [record(9, "request_to_exit", released=True)] * self.exits
        logs.asked(470, f"python3 # {AUDIT}", audit(*records))


def changed(**values: object) -> Callable[[], Faults]:
    def made() -> Faults:
        run = Faults()
        for name, value in values.items():
            setattr(run, name, value)
        return run

    return made


def test_a_service_that_survives_everything_is_well(tmp_path: Path) -> None:
    assert red(Faults().judge(tmp_path)) == []


@pytest.mark.parametrize(
    ("run", "part"),
    [
        (changed(rest={"SIGKILL": 11.2, "SIGSTOP": 122.5}), "kill -9"),
        (changed(rest={"SIGKILL": 10.6, "SIGSTOP": 123.2}), "a hang"),
        (changed(restarts={"SIGKILL": 0, "SIGSTOP": 1}), "after either"),
        (changed(restarts={"SIGKILL": 1, "SIGSTOP": 2}), "after either"),
        (changed(trouble=None), "a camera whose driver goes"),
        (changed(sentence="serving"), "a camera whose driver goes"),
        (changed(pid_back=6), "a camera whose driver goes"),
        (changed(released_when_full=True), "nothing is released unrecorded"),
        (changed(kept=[8]), "nothing is released unrecorded"),
        (changed(refused=False), "nothing is released unrecorded"),
        (changed(exits=0), "the button inside releases"),
        (changed(pressed_releases=False), "the button inside releases"),
    ],
)
def test_what_a_fault_did_is_its_own_row(
    run: Callable[[], Faults], part: str, tmp_path: Path
) -> None:
    assert only(run().judge(tmp_path), part)


def test_what_is_asked_at_once_is_asked_of_a_full_disk(tmp_path: Path) -> None:
    """The log rounds: begun and taken may add up to more than when the next thing began."""
    assert red(changed(refused_at=400.4999)().judge(tmp_path)) == []


def test_a_line_that_only_the_next_start_brings_to_rest_was_not_brought_there_in_time(
    tmp_path: Path,
) -> None:
    rows = changed(rest={"SIGKILL": 35.5, "SIGSTOP": 122.5})().judge(tmp_path)
    assert only(rows, "kill -9")
    assert "only the next start" in rows[0].measured


# --- power, torn writes -------------------------------------------------------------------------


def power_folder(
    folder: Path, *, wrong: Sequence[str] = (), high: bool = False, verify: int = 0
) -> Path:
    logs = Logs()
    logs.drive(50.0)
    if high:
        logs.pulse(51.0, 52.0)
    logs.console.append((60.0, "systemd[1]: Started appliance.service - Face-access appliance."))
    logs.asked(70, "appliance audit verify", "whole", code=verify)
    logs.asked(80, "sqlite3 'PRAGMA integrity_check'", "ok\n")
    logs.write(folder / "boot-1")
    cuts = [power.Cut(1.0, 9, 2, []), power.Cut(2.0, 12, 5, list(wrong), "boot-1")]
    (folder / "cuts.json").write_text(json.dumps([asdict(cut) for cut in cuts]))
    return folder


def test_cuts_that_cost_nothing_are_well(tmp_path: Path) -> None:
    rows = power.judge(power_folder(tmp_path))
    assert red(rows) == []
    assert "9 to 12 answers before each of 2 cuts, 7 of them" in rows[1].measured


def test_what_a_cut_cost_is_its_own_row(tmp_path: Path) -> None:
    lost = power_folder(tmp_path / "lost", wrong=["'a' was enrolled and is missing"])
    assert only(power.judge(lost), "what had been answered")
    damaged = power_folder(tmp_path / "damaged", wrong=["the audit chain breaks at record 2"])
    assert only(power.judge(damaged), "the database is whole")
    refused = power_folder(tmp_path / "refused", verify=1)
    assert only(power.judge(refused), "the database is whole")
    high = power_folder(tmp_path / "high", high=True)
    assert only(power.judge(high), "the boot after a power cut")


def torn_folder(folder: Path, *, wrong: Sequence[str] = ()) -> Path:
    tally = Tally(flushes=100, promises=torn_scene.ASKED)
    tally.cuts["nothing lost"] = torn_scene.CUTS
    tally.wrong = list(wrong)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "torn.json").write_text(json.dumps(vars(tally)))
    return folder


def test_what_tearing_cost_is_its_own_row(tmp_path: Path) -> None:
    lost, damaged = "before entry 3: 'a' was enrolled and is missing", "before entry 3: damage"
    assert red(torn_scene.judge(torn_folder(tmp_path))) == []
    assert only(torn_scene.judge(torn_folder(tmp_path, wrong=[lost])), "anything gone")
    assert only(torn_scene.judge(torn_folder(tmp_path, wrong=[damaged])), "damaged")


def test_a_cut_that_damages_and_loses_tells_of_both() -> None:
    damage, loss = "the audit chain breaks at record 2", "'a' was enrolled and is missing"
    assert of_each_kind([damage, damage, loss]) == [f"{damage} (and 1 more)", loss]
    assert of_each_kind([loss, damage]) == [damage, loss]
    assert of_each_kind([]) == []


# --- the clock ----------------------------------------------------------------------------------


def clock_logs(
    *,
    bound: str = "not_permitted",
    doctor: str = "warn",
    verify: int = 0,
    pulses: int = 2,
    today: str = "1970-01-01",
) -> Logs:
    logs = Logs()
    logs.asked(10, f"{clock._DATE}; timedatectl", f"{today}\nno\n")
    for name, decision in (("office-hours", bound), ("always", "no_face")):
        out = f'{{"kind":"alive"}}\n{{"kind":"result","data":{{"decision":"{decision}"}}}}\n'
        logs.asked(20, f"python3 # POST /v1/attempts # {name}", out)
    logs.asked(30, f"python3 # {UNLOCK}", {"record": 4})
    logs.put(40, EXIT_BUTTON, 0)
    for at in (30.2, 40.2, 60.0)[:pulses]:
        logs.pulse(at, at + 3)
    checks = [{"name": "clock", "status": doctor, "detail": "nothing shows that"}]
    logs.asked(50, clock._DOCTOR, {"checks": checks})
    logs.asked(60, clock._VERIFY, "whole", code=verify)
    events = ("enrolled", "access_denied", "unlock", "request_to_exit")
    logs.asked(70, f"python3 # {AUDIT}", audit(*(record(1, event) for event in events)))
    return logs


def test_a_door_that_knows_no_time_is_well(tmp_path: Path) -> None:
    assert red(clock.judge(clock_logs().write(tmp_path))) == []


@pytest.mark.parametrize(
    ("logs", "part"),
    [
        (clock_logs(bound="no_face"), "who may enter at times only"),
        (clock_logs(doctor="ok"), "doctor tells"),
        (clock_logs(today="2026-05-12"), "doctor tells"),
        (clock_logs(verify=1), "the chain verifies"),
        (clock_logs(pulses=1), "an opening by command"),
        (clock_logs(pulses=3), "an opening by command"),
    ],
)
def test_what_the_clock_cost_is_its_own_row(logs: Logs, part: str, tmp_path: Path) -> None:
    assert only(clock.judge(logs.write(tmp_path)), part)
