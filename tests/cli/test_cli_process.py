"""The program among others: its streams, its signals, its environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.runs import BIDEN, OBAMA3, PROGRAM, Appliance, environment
from tests.patience import patient


def shell(appliance: Appliance, line: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which $A is the program."""
    program = " ".join([*PROGRAM, "--config", str(appliance.config)])
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line.replace('$A', program)}"],
        cwd=appliance.folder,
        env=environment(**more),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=patient(60),
        check=False,
    )


def test_standard_output_is_one_object_and_nothing_else(enrolled: Appliance) -> None:
    told = enrolled.program("verify", "--name", "alice", "--from", OBAMA3, "--json")
    assert told.code == 0
    assert told.data["decision"] == "accept"
    assert told.err == ""


def test_codecs_do_not_chatter(enrolled: Appliance, spoilt: Path) -> None:
    words = ("verify", "--name", "alice", "--from", spoilt / "bomb.gif")
    told = enrolled.program("--json", *words)
    assert (told.code, told.err) == (3, "")
    assert told.error["code"] == "bad_input"


@pytest.mark.parametrize(
    "line",
    [
        "--json people list >&-",
        "config show >&-",
        "--json people list 2>&-",
        "config show <&- >&- 2>&-",
        "--json people list | true",
        "config show | true",
    ],
)
def test_a_closed_stream_is_no_error(line: str, appliance: Appliance) -> None:
    done = shell(appliance, f"$A {line}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("picture", "code", "option"), [(OBAMA3, 0, ""), (BIDEN, 1, "--json")])
def test_a_reader_who_has_gone_does_not_change_the_verdict(
    picture: Path, code: int, option: str, enrolled: Appliance
) -> None:
    done = shell(enrolled, f"$A verify --name alice {option} --from {picture} | true")
    assert (done.returncode, done.stderr) == (code, "")


def test_an_impatient_reader(appliance: Appliance) -> None:
    done = shell(appliance, "$A config show | head -c1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "c", "")


@pytest.mark.parametrize("option", ["--json", ""])
def test_an_output_that_takes_nothing(option: str, enrolled: Appliance) -> None:
    done = shell(enrolled, f"$A people list {option} >/dev/full")
    assert done.returncode == 3
    assert done.stderr.startswith(
        "Error: The command has run, but its result could not be written: "
        "no space left on device.\n"
    )
    assert "Traceback" not in done.stderr
    assert shell(enrolled, "$A people show nobody --json >/dev/full").returncode == 3


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("option", ["--json", ""])
def test_a_narrow_encoding(encoding: str, option: str, appliance: Appliance) -> None:
    appliance.configure(store={"key": "/Zoë 😀.key"})
    line = f"$A config show {option}"
    done = shell(appliance, line, PYTHONIOENCODING=encoding, LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")
    if option:
        assert json.loads(done.stdout)["store"]["key"] == "/Zoë 😀.key"


def test_a_working_folder_that_is_gone(appliance: Appliance) -> None:
    line = "mkdir gone; cd gone; rmdir ../gone; $A verify --name alice --from x.jpg"
    done = shell(appliance, line)
    assert done.returncode == 3
    assert "Error: x.jpg does not exist." in done.stderr


def test_no_home_at_all(appliance: Appliance) -> None:
    """A user without an entry in the system's list, as containers run them."""
    code = (
        "import pwd, sys, os\n"
        "def unknown(uid): raise KeyError(uid)\n"
        "pwd.getpwuid = unknown; os.getuid = lambda: 4711\n"
        "from appliance.cli.main import run\n"
        "sys.exit(run(['people', 'list']))"
    )
    surroundings = {k: v for k, v in environment().items() if k not in {"HOME", "XDG_STATE_HOME"}}
    done = subprocess.run(
        [PROGRAM[0], "-c", code],
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: This user has no home folder")


def test_the_store_is_found_without_a_home(enrolled: Appliance) -> None:
    line = "env -u HOME -u XDG_STATE_HOME $A people list"
    assert "alice" in shell(enrolled, line).stdout


def test_the_config_may_come_from_a_pipe(appliance: Appliance) -> None:
    line = " ".join(PROGRAM) + " --config <(echo 'door: {driver: simulated}') config show --json"
    assert json.loads(shell(appliance, line).stdout)["door"]["driver"] == "simulated"


def test_the_environment_names_the_config(appliance: Appliance) -> None:
    appliance.configure(door={"pulse_s": 7})
    line = " ".join(PROGRAM) + " config show --json"
    done = shell(appliance, line, APPLIANCE_CONFIG=str(appliance.config))
    assert json.loads(done.stdout)["door"]["pulse_s"] == 7
    done = shell(appliance, line, APPLIANCE_CONFIG="/nowhere.yaml")
    assert done.returncode == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_ends_without_a_traceback(
    number: int, code: int, enrolled: Appliance, films: dict[str, Path]
) -> None:
    """In the middle of an endless recording."""
    source = {"driver": "files", "source": str(films["nobody"]), "loop": True}
    enrolled.configure(camera={**source, "pacing": "real_time"}, enrolment={"timeout_s": 600})
    before = enrolled.snapshot()
    process = enrolled.start("--json", "enroll", "--name", "bob")
    deadline = time.monotonic() + patient(60)
    # The devices' lock names its holder once the work begins.
    holder = enrolled.state / "devices.lock"
    while not (holder.exists() and holder.read_text(encoding="utf-8")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(number)
    out, err = process.communicate(timeout=patient(60))
    assert process.returncode == code
    assert "Traceback" not in err
    if number == signal.SIGINT:
        assert json.loads(out) == {
            "error": {"code": "interrupted", "message": "Interrupted.", "hint": ""}
        }
    assert enrolled.snapshot() == before
    assert enrolled.json("people", "list").code == 0


def test_nohup_is_heeded(appliance: Appliance) -> None:
    process = appliance.start(
        "door", "test", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGHUP)
    process.communicate(timeout=patient(20))
    assert process.returncode == 0
    assert [state for state, _ in appliance.journal].count("unlocked") == 1
