"""kill -9 in the middle of a pulse: the next start commands *locked* before anything else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.patience import patient

_SIMULATED = """
import sys
from pathlib import Path
from appliance.hardware.clock import SystemClock
from appliance.hardware.lock import SimulatedLock

lock = SimulatedLock(SystemClock(), journal=Path(sys.argv[1]))
"""

# gpiozero's mock pins, with every level that reaches the pin on record.
_MOCK_PINS = """
import json, os, sys
from gpiozero.pins.mock import MockFactory, MockPin
from appliance.hardware.clock import SystemClock
from appliance.hardware.lock import GpioLock

journal = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

class Recording(MockPin):
    def _set_state(self, value):
        state = "locked" if value else "unlocked"  # the relay is active-low
        line = {"pid": os.getpid(), "state": state, "cause": ""}
        os.write(journal, json.dumps(line).encode() + b"\\n")
        super()._set_state(value)

lock = GpioLock(17, MockFactory(pin_class=Recording), SystemClock(), active_high=False)
"""

_PULSE = """
lock.unlock("alice")
print("unlocked", flush=True)
sys.stdin.read()
lock.lock("end of pulse")
lock.close()
"""


@pytest.fixture(params=[_SIMULATED, _MOCK_PINS], ids=["simulated", "mock-pins"])
def program(request: pytest.FixtureRequest) -> str:
    return f"{request.param}{_PULSE}"


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def _start(program: str, journal: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(journal)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "unlocked\n"
    return process


def _entries(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def test_after_a_kill_the_first_command_is_locked(
    program: str, tmp_path: Path, running: list[subprocess.Popen[str]]
) -> None:
    journal = tmp_path / "journal"
    killed = _start(program, journal)
    running.append(killed)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(timeout=patient(10)) == -signal.SIGKILL

    restarted = _start(program, journal)
    running.append(restarted)
    restarted.communicate("", timeout=patient(10))
    assert restarted.returncode == 0

    assert [(entry["pid"], entry["state"]) for entry in _entries(journal)] == [
        (killed.pid, "locked"),
        (killed.pid, "unlocked"),
        # The kill: nothing could be commanded any more. The first thing a restart does is to lock.
        (restarted.pid, "locked"),
        (restarted.pid, "unlocked"),
        (restarted.pid, "locked"),
        (restarted.pid, "locked"),
    ]


def test_the_causes_survive_the_kill(tmp_path: Path, running: list[subprocess.Popen[str]]) -> None:
    journal = tmp_path / "journal"
    killed = _start(f"{_SIMULATED}{_PULSE}", journal)
    running.append(killed)
    killed.kill()
    killed.wait(timeout=patient(10))
    assert [entry["cause"] for entry in _entries(journal)] == ["start", "alice"]
