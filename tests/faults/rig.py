"""One appliance that runs as it does at a door, in a folder of its own, to be broken.

The program is the real one, started as the system starts it. Here stands for systemd what hears
its notifications, kills it, and runs the helper after it; the lock is simulated and keeps its
journal, and a recording plays before the camera.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from appliance import assemble
from appliance import config as configuration
from appliance.control.client import Client
from appliance.store.store import Store
from tests.cli.runs import OBAMA, OBAMA2, OBAMA3, film, read
from tests.conftest import ROOT
from tests.patience import patient
from tests.patient_service import WORDS, stretch

# A machine that does much else is given time; nothing is measured by these.
START_S = 60.0
END_S = patient(30.0)
POLL_S = 0.01

# Of prctl, which Python does not offer.
_PR_SET_PDEATHSIG = 1

SETTINGS: Mapping[str, Mapping[str, object]] = {
    "camera": {"driver": "files", "source": "door.avi", "pacing": "real_time", "loop": True},
    "door": {"driver": "simulated", "pulse_s": 0.2},
    "store": {"path": "state"},
    "control": {"socket": "control.sock"},
    "verification": {"cool_down_s": 0, "frame_interval_s": 0},
    "enrolment": {"min_frames_for_door": 2},
    "claims": {"sources": ["sole_user"]},
    "model": {"threads": 1},
    # One picture, moved about: it does not move as a head does.
    "liveness": {"profile": "passive", "spoof_cool_down_s": 0},
}


@dataclass(frozen=True)
class Command:
    """A line of the lock's journal."""

    at: float
    wall: datetime
    pid: int
    state: str
    cause: str


class Rig:
    """folder: empty. settings: sections and keys on top of SETTINGS.

    breakable: the program gets breakers before it starts, see `breakers`.
    forked: the program is not executed but forked from this process, which has loaded its
    libraries already and must have no other thread: a start takes a third of the time.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Mapping[str, object]] | None = None,
        *,
        breakable: bool = False,
        forked: bool = False,
    ) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "config.yaml"
        self.client = Client(folder / "control.sock")
        self.journal_file = self.state / "simulated-lock.jsonl"
        self.log_file = folder / "log"
        self._breakable = breakable
        self._forked = forked
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._manager: socket.socket | None = None
        self._told: list[str] = []
        self.configure(settings or {})

    def configure(self, settings: Mapping[str, Mapping[str, object]]) -> None:
        """Write config.yaml anew."""
        names = SETTINGS.keys() | settings.keys()
        merged = {name: {**SETTINGS.get(name, {}), **settings.get(name, {})} for name in names}
        self.config.write_text(json.dumps(merged), encoding="utf-8")

    # --- the program ----------------------------------------------------------------------

    def start(self, **environment: str) -> int:
        """Start the program without waiting for it; its process id."""
        self._listen()
        if self._forked:
            self._process = Forked(self, environment)
            return self._process.pid
        program = ["-c", _BREAKABLE] if self._breakable else WORDS
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *program, "--config", str(self.config), "run"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**self.environment(), **environment},
            )
        return self._process.pid

    def environment(self) -> dict[str, str]:
        """What systemd sets, and where the checkout is."""
        given = {name: value for name, value in os.environ.items() if name != "RUNTIME_DIRECTORY"}
        return {
            **given,
            "NOTIFY_SOCKET": str(self.folder / "notify"),
            "RUNTIME_DIRECTORY": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "OPENBLAS_NUM_THREADS": "1",
        }

    def wait_until_ready(self) -> None:
        """Until it has told that it serves. AssertionError when it ends instead."""
        self.wait_for(lambda: "READY=1" in self.heard(), "ready")

    def up(self, **environment: str) -> int:
        """Start and wait."""
        pid = self.start(**environment)
        self.wait_until_ready()
        return pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> float:
        """kill -9, and wait until it is gone. When: monotonic seconds."""
        self.signal(signal.SIGKILL)
        at = time.monotonic()
        self.wait_for_end()
        return at

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait_for_end()

    def wait_for_end(self) -> int:
        """The exit code of a program that ends by itself."""
        assert self._process is not None
        return self._process.wait(END_S)

    @property
    def runs(self) -> bool:
        """True while the program lives."""
        return self._process is not None and self._process.poll() is None

    def lockdown(self) -> subprocess.CompletedProcess[str]:
        """What the unit's ExecStopPost does."""
        return subprocess.run(
            [sys.executable, "-m", "appliance.lockdown", "--config", str(self.config)],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def close(self) -> None:
        """End what still runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._manager is not None:
            self._manager.close()

    def _listen(self) -> None:
        if self._manager is not None:
            self._manager.close()
        with suppress(FileNotFoundError):
            (self.folder / "notify").unlink()
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(self.folder / "notify"))
        self._manager.setblocking(False)

    def heard(self) -> list[str]:
        """Everything that was told to systemd since the last call."""
        assert self._manager is not None
        with suppress(BlockingIOError):
            while True:
                self._told += self._manager.recv(4096).decode().split("\n")
        told, self._told = self._told, []
        return told

    # --- what it did ----------------------------------------------------------------------

    def wait_for(self, done: Callable[[], object], what: str, within_s: float = START_S) -> None:
        """Until `done()` is true. AssertionError when that takes too long or the program ends."""
        end = time.monotonic() + patient(within_s)
        while not done():
            self._told = self.heard()  # or its queue would fill, and the program would wait
            assert self.runs, f"ended before: {what}\n{self.log()[-3000:]}"
            assert time.monotonic() < end, f"never: {what}\n{self.log()[-3000:]}"
            time.sleep(POLL_S)

    def commands(self) -> list[Command]:
        """The lock's journal. A line that a power cut tore would fail here."""
        if not self.journal_file.exists():
            return []
        lines = self.journal_file.read_text(encoding="utf-8").splitlines()
        return [_command(json.loads(line)) for line in lines]

    def log(self) -> str:
        """What the program wrote to standard error."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def store(self, *, write: bool = False) -> Store:
        """Its store, opened beside it or after it."""
        return assemble.store(configuration.load(self.config), create=write)

    def rss_mb(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024 / 1e6

    def descriptors(self) -> int:
        """Open files of the program."""
        assert self._process is not None
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))  # noqa: PTH208 - a count is enough


class Forked:
    """The program as a fork of this process: as much of Popen as a rig needs."""

    def __init__(self, rig: Rig, environment: Mapping[str, str]) -> None:
        self._code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            self._run(rig, environment)

    def poll(self) -> int | None:
        """The exit code, or None while it lives."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, timeout: float = END_S) -> int:
        """The exit code. AssertionError when it does not end in time."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            assert time.monotonic() < end, f"process {self.pid} does not end"
            time.sleep(POLL_S / 10)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended: its number may be another's by now."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)

    @staticmethod
    def _run(rig: Rig, environment: Mapping[str, str]) -> None:
        from appliance.cli.main import main

        code = 1
        try:
            die_with_parent()
            nothing = os.open(os.devnull, os.O_RDONLY)
            log = os.open(rig.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for target, source in ((0, nothing), (1, log), (2, log)):
                os.dup2(source, target)
            os.closerange(3, 256)
            os.chdir(rig.folder)
            os.environ.clear()
            os.environ.update({**rig.environment(), **environment})
            stretch()
            sys.argv = ["appliance", "--config", str(rig.config), "run"]
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        finally:
            os._exit(code)


def die_with_parent() -> None:
    """Be killed when the process that started this one ends, however that comes about."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def load_libraries() -> None:
    """What the program loads when it starts, before it is forked again and again."""
    import ai_edge_litert.interpreter
    import dlib
    import uvicorn

    from appliance.daemon import supervisor

    assert ai_edge_litert
    assert dlib
    assert uvicorn
    assert supervisor


_BREAKABLE = """
from tests.faults.breakers import break_in
break_in()
from tests.patient_service import stretch
stretch()
from appliance.cli.main import main
main()
"""


def _command(line: Mapping[str, Any]) -> Command:
    return Command(
        at=line["at"],
        wall=datetime.fromisoformat(line["wall"]),
        pid=line["pid"],
        state=line["state"],
        cause=line["cause"],
    )


def furnish(folder: Path) -> Path:
    """An installation in which Alice is enrolled and stands before the camera for ever."""
    folder.mkdir(parents=True, exist_ok=True)
    film(folder / "door.avi", read(OBAMA3), frames=20)
    rig = Rig(folder)
    words = ["enroll", "--name", "alice", "--from", str(OBAMA), "--from", str(OBAMA2)]
    subprocess.run(
        [sys.executable, "-m", "appliance", "--config", str(rig.config), *words],
        env=rig.environment(),
        capture_output=True,
        check=True,
    )
    return folder


def copied(furnished: Path, folder: Path) -> Path:
    """A copy of an installation that `furnish` made, for one rig."""
    shutil.copytree(furnished, folder, ignore=shutil.ignore_patterns("notify", "control.sock"))
    return folder
