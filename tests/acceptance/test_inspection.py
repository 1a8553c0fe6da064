"""What the acceptance measures of machine, service and log, on files and programs of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from appliance.acceptance.values import Expected
from appliance.config import StoreConfig, parse
from appliance.control.authority import MAY_ACCEPT, Role
from appliance.control.client import Client
from appliance.errors import HardwareError
from appliance.hardware.clock import SystemClock
from appliance.inspection import devices, failures, log, machine
from appliance.inspection.systemd import Systemd
from appliance.store.location import locate
from appliance.store.store import Store

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue\n"
TCP = """   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   1: 00000000:0016 00000000:0000 0A 00000000:00000000
   2: 3B01A8C0:0016 0101A8C0:C001 01 00000000:00000000
"""
TCP6 = """   0: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A
   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A
   2: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A
   3: 0000000000000000FFFF00003B01A8C0:0052 00000000000000000000000000000000:0000 0A
"""
UDP = "   0: 00000000:14E9 00000000:0000 07 00000000:00000000\n"


def test_what_waits_for_the_network_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    for name, rows in (("tcp", TCP), ("tcp6", TCP6), ("udp", UDP)):
        (tmp_path / "proc/net" / name).write_text(HEAD + rows)
    assert machine.network(tmp_path) == {
        "exposed": [
            "tcp 0.0.0.0:22",
            "tcp 192.168.1.59:82",
            "tcp [::]:80",
            "udp 0.0.0.0:5353",
        ]
    }
    assert machine.network(tmp_path / "nowhere") == {"exposed": []}


def test_the_identity_names_models_by_their_content(tmp_path: Path) -> None:
    told = machine.identity(parse("camera: {source: /dev/video3}"), Systemd(tmp_path / "none"))
    assert told["camera"] == "v4l2, /dev/video3"
    assert told["lock"] == "not configured"
    assert {len(digest) for digest in told["models"].values()} == {64}
    assert told["models"].keys() >= {"mobilefacenet_dynamic", "face_mesh"}
    assert "numpy" in told["libraries"]


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """Programs of the system's names that answer as they do, and write down what they were told."""
    (programs := tmp_path / "bin").mkdir()
    (tmp_path / "running").mkdir()
    told = tmp_path / "told"
    answers = f"""
echo "$@" >> {told}
case "$*" in
  --version) echo "systemd 252 (252.39)"; echo "+PAM" ;;
  "show --property=LoadState"*) echo loaded ;;
  "show --property=WatchdogUSec"*) echo "1min 20s" ;;
  "show --property=RuntimeWatchdogUSec"*) echo 15s ;;
  is-enabled*) echo disabled; exit 1 ;;
  "--no-ask-password stop "*) exit 0 ;;
  *) exit 5 ;;
esac"""
    program(programs, "systemctl", answers)
    lines = [
        '{"__MONOTONIC_TIMESTAMP": "4000000", "MESSAGE": "lockdown: an earlier one"}',
        '{"__MONOTONIC_TIMESTAMP": "5100000", "MESSAGE": "Main process exited"}',
        '{"__MONOTONIC_TIMESTAMP": "5100000", "MESSAGE": [1, 2]}',
        "no JSON",
        '{"__MONOTONIC_TIMESTAMP": "5250000", "MESSAGE": "lockdown: locked (58 ms)"}',
    ]
    (tmp_path / "journal").write_text("\n".join(lines))
    program(programs, "journalctl", f"cat {tmp_path / 'journal'}")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return Systemd(tmp_path / "running")


def test_systemd_is_asked_through_its_programs(systemd: Systemd, tmp_path: Path) -> None:
    assert systemd.there
    assert systemd.version() == "systemd 252 (252.39)"
    assert systemd.watchdog_s() == 80.0
    assert systemd.machine_watchdog() == "15s"
    assert systemd.is_enabled() is False
    assert (systemd.stop(), systemd.start()) == (True, False)
    assert "stop appliance.service" in (tmp_path / "told").read_text()


def test_the_helper_is_found_in_the_journal(systemd: Systemd) -> None:
    assert systemd.helper_said(5.0) == (5.25, "lockdown: locked (58 ms)")
    assert systemd.helper_said(5.3) is None


def test_without_systemd_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    nowhere = Systemd(tmp_path / "none")
    assert (nowhere.there, nowhere.version(), nowhere.is_enabled()) == (False, None, None)
    assert (nowhere.watchdog_s(), nowhere.helper_said(0.0)) == (None, None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(locate(StoreConfig(path=tmp_path), {}, uid=1), SystemClock())


ALARM = (Expected("alarm", {"kind": "forced"}), Expected("alarm_over", {"kind": "forced"}))


def test_the_log_is_waited_for_in_order(store: Store) -> None:
    with store:
        store.audit.append("alarm", "door", {"kind": "forced"})
        began = log.newest(store)
        for event, kind in (
            ("alarm_over", "forced"),
            ("alarm", "tamper"),
            ("alarm", "forced"),
            ("alarm_over", "forced"),
        ):
            store.audit.append(event, "door", {"kind": kind})
        found = log.awaited(store, ALARM, 0.0, began=began)
        assert [it["number"] for it in found["records"]] == [began + 3, began + 4]
        assert found["missing"] == []
        late = log.awaited(store, ALARM, 0.0)
        assert (late["records"], late["missing"]) == ([], [str(it) for it in ALARM])


def test_no_subject_leaves_the_log(store: Store) -> None:
    with store:
        store.audit.append("access_granted", "alice", {"via": "card"})
        found = log.awaited(store, [Expected("access_granted", {"via": "card"})], 0.0, began=0)
    assert "alice" not in str(found)
    assert datetime.fromisoformat(found["records"][0]["at"]).tzinfo == timezone.utc


def commands(folder: Path) -> list[tuple[str, float]]:
    """What the simulated lock was told, and when."""
    lines = (folder / "simulated-lock.jsonl").read_text().splitlines()
    return [(it["state"], it["at"]) for it in map(json.loads, lines)]


def test_a_fail_safe_lock_is_felt_to_hold_before_and_after_the_pulse(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "HELD_S", 0.15)
    door = f"{{driver: simulated, fail: safe, pulse_s: 0.1}}\nstore: {{path: {tmp_path}}}"
    with store:
        facts = devices.pulse(parse(f"door: {door}"), store, {})
    assert facts["read_back"] is False
    told = commands(tmp_path)
    released = [at for state, at in told if state == "unlocked"]
    assert (len(released), told[0][0], told[-1][0]) == (2, "locked", "unlocked")
    assert released[0] - told[0][1] >= 0.15
    assert released[1] - next(at for state, at in told if at > released[0]) >= 0.15


def test_a_killed_lock_is_at_rest_without_current(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    lines = [{"at": at, "state": state} for at, state in ((1.0, "locked"), (2.0, "unlocked"))]
    journal.write_text("\n".join(map(json.dumps, [*lines, {"at": 9.0, "state": "locked"}])))
    assert failures._simulated_rest(journal, 1.5, "unlocked") == 2.0
    assert failures._simulated_rest(journal, 1.5, "locked") == 9.0


def test_a_service_that_was_halted_goes_on_whatever_happens() -> None:
    idle = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with pytest.raises(KeyboardInterrupt):
            broken_off(idle.pid)
        stat = Path(f"/proc/{idle.pid}/stat").read_text().rpartition(")")[2].split()
        assert stat[0] != "T"
    finally:
        idle.kill()
        idle.wait()


def broken_off(pid: int) -> None:
    with failures._halted(pid):
        os.waitpid(pid, os.WUNTRACED)
        raise KeyboardInterrupt


def test_a_process_that_is_gone_is_a_sentence() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with pytest.raises(HardwareError) as told:
        failures._signal(gone.pid, signal.SIGKILL)
    assert told.value.code == "no_signal"


@pytest.mark.parametrize("named", [-1, 0, 1, 999_999])
def test_only_who_listens_on_the_socket_is_signalled(named: int, tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(path))
        service.listen()
        asked = SimpleNamespace(path=path, status=lambda: SimpleNamespace(pid=named))
        with pytest.raises(HardwareError) as told:
            failures.process(cast("Client", asked))
        assert told.value.code == "strange_process"
        asked.status = lambda: SimpleNamespace(pid=os.getpid())
        assert failures.process(cast("Client", asked)) == os.getpid()


@pytest.mark.parametrize("pid", [-1, 0, 1])
def test_no_group_of_processes_is_signalled(pid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _number: sent.append(pid))
    with pytest.raises(HardwareError):
        failures._signal(pid, signal.SIGKILL)
    assert sent == []


def test_who_may_carry_an_acceptance_out() -> None:
    assert {Role.OWNER, Role.INSTALLER} == MAY_ACCEPT
