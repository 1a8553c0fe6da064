"""`appliance run` as systemd runs it: a process with a real socket to notify and real signals."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.runs import PICTURES, PROGRAM, environment, film, read, write_config
from tests.patience import patient
from tests.patient_service import WORDS

# Seconds. A busy machine is given time; nothing here says how long it takes.
PATIENCE = patient(60.0)


# For a script that stands for the program.
STRETCHED = "from tests.patient_service import stretch\nstretch()\n"
# What a start tells, so that a slow one is not taken for one that hangs.
STEPS = (
    "the libraries are loaded.",
    "the store is open.",
    "the door is tended.",
    "the detectors are loaded.",
    "the embedder is loaded.",
    "the liveness check is loaded.",
    "the camera is watched.",
    "the socket answers.",
)


class Running:
    """The service in a folder of its own, and what it told the service manager."""

    def __init__(
        self, folder: Path, process: subprocess.Popen[str], manager: socket.socket
    ) -> None:
        self.folder = folder
        self.process = process
        self._manager = manager
        self.told: list[str] = []

    def hears(self, word: str) -> str:
        """Wait until the manager is told something with this word; that message."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self._manager.settimeout(max(deadline - time.monotonic(), 0.01))
            message = self._manager.recv(4096).decode()
            self.told.append(message)
            if word in message:
                return message
        raise AssertionError(f"the manager was not told {word}: {self.told}")

    def forget(self) -> None:
        """What the manager was told until now, and nobody heard."""
        self._manager.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self._manager.recv(4096)

    def ask(self, method: str, path: str, **body: object) -> httpx.Response:
        transport = httpx.HTTPTransport(uds=str(self.folder / "control.sock"))
        with httpx.Client(transport=transport, base_url="http://appliance", timeout=PATIENCE) as it:
            return it.request(method, path, json=body or None)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", "/v1/status").json()
        return found

    def ends(self) -> tuple[int, str]:
        """The exit code and the log."""
        _, log = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, log

    @property
    def lock_history(self) -> list[tuple[str, str]]:
        lines = (self.folder / "state" / "simulated-lock.jsonl").read_text().splitlines()
        return [(it["state"], it["cause"]) for it in map(json.loads, lines)]


def configure(folder: Path, **sections: Mapping[str, object]) -> Path:
    film(folder / "hall.avi", read(PICTURES / "obama.jpg"))
    camera: Mapping[str, object] = {
        "driver": "files",
        "source": "hall.avi",
        "pacing": "real_time",
        "loop": True,
    }
    path = folder / "config.yaml"
    merged: dict[str, Mapping[str, object]] = {
        "camera": camera,
        "control": {"socket": "control.sock"},
        **sections,
    }
    write_config(path, folder / "state", **merged)
    return path


@contextmanager
def service(folder: Path, script: Path | None = None) -> Iterator[Running]:
    program = [PROGRAM[0], *(WORDS if script is None else (str(script),))]
    address = str(folder / "notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        told = environment(NOTIFY_SOCKET=address, WATCHDOG_USEC="3000000")
        told.pop("WATCHDOG_PID", None)
        process = subprocess.Popen(
            [*program, "--config", str(folder / "config.yaml"), "run"],
            env=told,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Running(folder, process, manager)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    configure(folder)
    with service(folder) as it:
        it.hears("READY=1")
        yield it


def test_one_life_from_start_to_end(tmp_path: Path) -> None:
    configure(tmp_path)
    with service(tmp_path) as running:
        assert "STATUS=" in running.hears("READY=1")
        steps = [it for it in running.told if it.startswith("EXTEND_TIMEOUT_USEC=60000000\n")]
        assert steps == running.told[:-1] == list(dict.fromkeys(steps))
        assert [it.partition("STATUS=Starting: ")[2] for it in steps] == list(STEPS)
        running.hears("WATCHDOG=1")
        status = running.status()
        assert (status["pid"], status["state"]) == (running.process.pid, "ok")
        assert {"api", "board", "door", "records", "vision"} <= {
            it["name"] for it in status["parts"]
        }
        done = running.ask("POST", "/v1/unlock", reason="parcel").json()
        assert done["done"] is True
        running.process.send_signal(signal.SIGTERM)
        running.hears("STOPPING=1")
        code, log = running.ends()
    assert (code, "Traceback" in log) == (0, False)
    causes = [cause for _, cause in running.lock_history]
    assert causes[:3] == ["start", "door start", f"unlock #{done['record']}"]
    assert running.lock_history[-1] == ("locked", "close")
    assert not (tmp_path / "control.sock").exists()


def test_the_devices_have_one_owner(running: Running) -> None:
    second = subprocess.run(
        [*PROGRAM, "--json", "--config", str(running.folder / "config.yaml"), "run"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    told = json.loads(second.stdout)["error"]
    assert (second.returncode, told["code"]) == (4, "device_busy")
    assert str(running.process.pid) in told["message"]


def test_a_faulty_config_is_refused_and_the_old_one_stays(running: Running) -> None:
    path = running.folder / "config.yaml"
    good = path.read_text()
    path.write_text("door: {pulse_s: [}\n")
    running.process.send_signal(signal.SIGHUP)
    running.hears("RELOADING=1")
    running.hears("READY=1")
    refused = running.ask("POST", "/v1/reload")
    assert refused.json()["error"]["code"] == "bad_config"
    assert running.status()["state"] == "ok"
    path.write_text(good)
    assert running.ask("POST", "/v1/reload").json()["changed"] == []


def test_a_new_config_is_taken_over_and_the_lock_locked_first(running: Running) -> None:
    before = len(running.lock_history)
    pulse = running.ask("POST", "/v1/unlock", reason="before").json()["pulse_s"]
    configure(running.folder, door={"driver": "simulated", "pulse_s": 0.7})
    running.forget()
    changed = running.ask("POST", "/v1/reload").json()
    assert changed["changed"] == ["door.pulse_s"]
    running.hears("RELOADING=1")
    before_it = len(running.told)
    running.hears("READY=1")
    # Before the new parts are prepared, which a GPU may take long for, and after each slow step.
    assert running.told[before_it:].count("WATCHDOG=1") == 3
    records = running.ask("GET", "/v1/audit?count=5").json()["records"]
    assert ("config_changed", ["door.pulse_s"]) in [
        (it["event"], it["detail"].get("changed")) for it in records
    ]
    assert running.ask("POST", "/v1/unlock", reason="after").json()["pulse_s"] == 0.7 != pulse
    causes = [cause for _, cause in running.lock_history[before:]]
    assert causes.index("close") < causes.index("start")


def test_what_only_a_restart_changes_is_said(running: Running) -> None:
    configure(running.folder, control={"socket": "elsewhere.sock"})
    told = running.ask("POST", "/v1/reload").json()
    assert "control.socket" in told["restart"]
    assert running.status()["state"] == "ok"
    configure(running.folder)
    running.ask("POST", "/v1/reload")


def test_a_camera_that_is_not_there_degrades_and_ends_nothing(tmp_path: Path) -> None:
    path = configure(tmp_path)
    write_config(
        path,
        tmp_path / "state",
        camera={"driver": "v4l2", "source": str(tmp_path / "video9")},
        control={"socket": "control.sock"},
    )
    with service(tmp_path) as running:
        running.hears("READY=1")
        deadline = time.monotonic() + PATIENCE
        while running.status()["camera"]["trouble"] is None and time.monotonic() < deadline:
            time.sleep(0.05)
        status = running.status()
        assert status["state"] == "degraded"
        assert "video9" in status["camera"]["trouble"]
        assert running.hears("STATUS=The camera").endswith(status["camera"]["trouble"])
        assert running.ask("POST", "/v1/unlock", reason="the keeper").json()["done"] is True
        running.process.send_signal(signal.SIGTERM)
        assert running.ends()[0] == 0


@contextmanager
def altered(folder: Path, *changes: str) -> Iterator[Running]:
    """The very program, with something in it that goes wrong."""
    configure(folder)
    script = folder / "altered.py"
    begin = "import sys, time\nfrom pathlib import Path\n" + STRETCHED
    end = "from appliance.cli.main import run\nsys.exit(run(sys.argv[1:]))\n"
    script.write_text(begin + "\n".join(changes) + "\n" + end)
    with service(folder, script) as running:
        running.hears("READY=1")
        yield running


def test_a_task_that_hangs_ends_the_service_with_the_door_locked(tmp_path: Path) -> None:
    hangs = (
        "from appliance.daemon import house",
        "from appliance.perception import Perception",
        "house.VISION_WITHIN_S = 1.5",
        "Perception.look = lambda *_, **__: time.sleep(3600)",
    )
    with altered(tmp_path, *hangs) as running:
        running.ask("POST", "/v1/unlock", reason="a pulse that must end")
        with pytest.raises(httpx.HTTPError):
            running.ask("POST", "/v1/enrolments", name="alice", replace=False)
        code, log = running.ends()
    assert code == 70
    assert "nothing was heard of vision" in log
    assert running.lock_history[-1][0] == "locked"


def test_a_new_lock_that_cannot_be_had_leaves_the_old_one_in_force(running: Running) -> None:
    configure(running.folder, door={"driver": "gpiozero", "chip": 63, "pin": 1})
    refused = running.ask("POST", "/v1/reload").json()["error"]
    assert refused["code"] == "bad_config"
    # Where the driver of lines is not installed, that is told instead of the chip.
    assert "gpiochip63" in refused["message"] or "lgpio is not installed" in refused["message"]
    assert running.ask("POST", "/v1/unlock", reason="still there").json()["done"] is True
    configure(running.folder)
    running.ask("POST", "/v1/reload")


def test_a_reload_that_leaves_no_door_ends_the_service(tmp_path: Path) -> None:
    fails = (
        "from appliance.daemon.house import House",
        "from appliance.errors import LockError",
        "opens, made = House.open, []",
        "def once(house):",
        "    if made: raise LockError('The line is gone.')",
        "    made.append(house)",
        "    return opens(house)",
        "House.open = once",
    )
    with altered(tmp_path, *fails) as running:
        configure(tmp_path, door={"driver": "simulated", "pulse_s": 0.7})
        with pytest.raises(httpx.HTTPError):
            running.ask("POST", "/v1/reload")
        code, log = running.ends()
    assert code == 70
    assert "there is no door after a reload: The line is gone." in log


def test_the_end_locks_before_it_waits_for_anything(tmp_path: Path) -> None:
    slow = (
        "from appliance.daemon import supervisor",
        "from appliance.store.store import Store",
        "supervisor.UPKEEP_TURN_S = 0.01",
        "keeps = Store.keep_house",
        "def keep_house(store, policy):",
        f"    Path({str(tmp_path / 'busy')!r}).touch()",
        "    time.sleep(2)",
        f"    Path({str(tmp_path / 'done')!r}).touch()",
        "    return keeps(store, policy)",
        "Store.keep_house = keep_house",
    )
    with altered(tmp_path, *slow) as running:
        while not (tmp_path / "busy").exists():
            time.sleep(0.01)
        running.process.send_signal(signal.SIGTERM)
        while ("locked", "shutdown") not in running.lock_history:
            time.sleep(0.01)
        assert not (tmp_path / "done").exists()
        assert running.ends()[0] == 0


def test_an_end_is_not_put_off_and_not_waited_for(tmp_path: Path) -> None:
    configure(tmp_path)
    script = tmp_path / "altered.py"
    script.write_text(
        "import signal, sys, time\n"
        "from appliance.control.server import ControlServer\n"
        "from appliance.daemon import supervisor\n"
        f"supervisor.STOP_WITHIN_S = {patient(1.5)}\n"
        "prepare = supervisor.House.prepare\n"
        "def prepared(house):\n"
        "    while not signal.sigpending() & {signal.SIGTERM}: time.sleep(0.01)\n"
        "    return prepare(house)\n"
        "supervisor.House.prepare = prepared\n"
        "ControlServer.stop = lambda _: time.sleep(3600)\n"
        "from appliance.cli.main import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    with service(tmp_path, script) as running:
        running.hears("the door is tended")
        running.process.send_signal(signal.SIGTERM)
        running.hears("STOPPING=1")
        code, log = running.ends()
    # Asked to end while it starts, it asks for no time more, and then it hangs.
    assert [it for it in running.told if "EXTEND" in it][-1].endswith("the door is tended.")
    assert (code, running.lock_history[-1][0]) == (-signal.SIGALRM, "locked")
    assert f'File "{script}", line 10 in <lambda>' in log
