"""`python -m tests.board.sabotage`: each promise of the board is broken once, and must show.

    python -m tests.board.sabotage [NAME]... [--list] [--together] [--jobs 1] [--json]
                                   [--installed DISK] [--out FOLDER] [--keep]

A sabotage edits the board's disk as a mistake in the project or an intruder would: a drop-in of the
unit, a line of the configuration or of the installed code. The scene that runs then is the one that
always runs, and knows nothing of it; exactly the rows of that promise must be broken. A row that
stays green was never measured.

--together: sabotages of a scene that break different rows share a run, where time is short: exactly
their rows must be red.
Prints one table; exits with 1 when a row stayed green, or another one turned red.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.board import __main__ as suite
from tests.board import image, installed
from tests.board.board import Board
from tests.board.host import BoardError
from tests.board.jobs import side_by_side
from tests.board.machine import Machine
from tests.board.table import Result

# It is done to a disk once, however often a machine starts from it.
_DONE = "/etc/sabotaged"
# What every edit finds: small tools, in the guest's own Python.
_TOOLS = f"""
import pathlib, re, subprocess, sys, yaml
if pathlib.Path({_DONE!r}).exists():
    sys.exit()

def drop_in(*lines):
    path = pathlib.Path("/etc/systemd/system/appliance.service.d/zz-sabotage.conf")
    path.parent.mkdir(exist_ok=True)
    earlier = path.read_text() if path.exists() else "[Service]\\n"
    path.write_text(earlier + "\\n".join(lines) + "\\n")

def configured(section, **values):
    path = pathlib.Path("/etc/appliance/config.yaml")
    told = yaml.safe_load(path.read_text()) or {{}}
    told.setdefault(section, {{}}).update(values)
    path.write_text(yaml.safe_dump(told))

def patched(module, old, new):
    import appliance
    path = pathlib.Path(appliance.__file__).parent / module
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"{{module}} does not hold {{old!r}} exactly once: mend this sabotage.")
    path.write_text(text.replace(old, new))
    for compiled in path.parent.glob(f"__pycache__/{{path.stem}}.*.pyc"):
        compiled.unlink()

def installer(script, old, new):
    checkout = pathlib.Path("/root/face-access-appliance")
    path = checkout / "systemd/install" / script
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"{{script}} does not hold {{old!r}} exactly once: mend this sabotage.")
    path.write_text(text.replace(old, new))
    # The checkout is still what is installed, or a second installation would be refused.
    words = ". ./install.sh; . systemd/install/main.sh; detect; choose_packages; fingerprint"
    told = subprocess.run(["bash", "-c", words], cwd=checkout, capture_output=True, text=True)
    release = pathlib.Path("/opt/appliance/release.txt")
    print_of = f"fingerprint {{told.stdout.split()[-1]}}"
    release.write_text(re.sub(r"(?m)^fingerprint .*$", print_of, release.read_text()))

def film(name, shown):
    folder = pathlib.Path("/var/lib/board")
    # The player reads a film when it begins.
    (folder / f"{{name}}.yuyv").write_bytes((folder / f"{{shown}}.yuyv").read_bytes())

def ran(*words):
    subprocess.run(words, check=True)

def unit(name, program):
    path = pathlib.Path("/usr/local/sbin") / name
    path.write_text(program)
    path.chmod(0o755)
    service = pathlib.Path("/etc/systemd/system") / f"{{name}}.service"
    service.write_text(
        f"[Service]\\nExecStart={{path}}\\nRestart=always\\nRestartSec=1\\n"
        "[Install]\\nWantedBy=multi-user.target\\n"
    )
    subprocess.run(["systemctl", "enable", "--now", name], check=True)
"""
_AT_THE_END = f"""
pathlib.Path({_DONE!r}).touch()
subprocess.run(["systemctl", "daemon-reload"], check=True)
subprocess.run(["systemctl", "restart", "appliance"], check=True)
"""


@dataclass(frozen=True)
class Sabotage:
    """edit: Python for the guest, with the tools above. rows: a part of each promise that falls.

    The first is the promise that is broken; others are those that rest on it.
    """

    name: str
    scene: str
    what: str
    edit: str
    rows: tuple[str, ...]


_FORGER = """#!/bin/sh
while sleep 1; do
    sqlite3 /var/lib/appliance/appliance.db "DROP TRIGGER IF EXISTS audit_no_update;
        UPDATE audit SET at = '2001' || substr(at, 5) WHERE number = 2;"
done
"""
_DOORMAN = """#!/usr/bin/python3
import http.client, json, socket

def ask(method, path, body=None):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/run/appliance/control.sock")
    connection.request(method, path, body, {"content-type": "application/json"})
    return connection.getresponse()

for line in ask("GET", "/v1/events"):
    told = json.loads(line)
    if told["kind"] == "alarm" and told["active"]:
        ask("POST", "/v1/unlock", json.dumps({"reason": "sabotage"})).read()
"""
_COMPASSION = _DOORMAN.replace(
    'told["kind"] == "alarm" and told["active"]',
    'told["kind"] == "attempt" and told["decision"] != "accept"',
)
_OPENER = (
    _DOORMAN[: _DOORMAN.index("for line")]
    + """
import time
while True:
    time.sleep(40)
    ask("POST", "/v1/unlock", json.dumps({"reason": "sabotage"})).read()
"""
)
_LATE_START = """pathlib.Path("/run/tried").touch()
drop_in("ExecStartPre=+/bin/sh -c 'test -e /run/tried || { touch /run/tried; exit 1; }'")"""
_NO_RUNTIME_WATCHDOG = """pathlib.Path("/etc/systemd/system.conf.d/zz-sabotage.conf").write_text(
    "[Manager]\\nRuntimeWatchdogSec=0\\n"
)
ran("systemctl", "daemon-reexec")"""
_ANY_TIME = """patched("doctor.py", "if now < EARLIEST:", "if now.year < 1:")
patched("hardware/clock.py", "if self.now().year < EARLIEST_YEAR:\\n            return False",
    "if self.now().year < EARLIEST_YEAR:\\n            return True")"""
_EVERYBODY = "patched('matching.py', 'max(threshold(curve, target_far) for curve in curves) + off'"
_EVERYBODY += ", '-1.0')"
_RECORD_FIRST = """        record = self._audit.append(event, subject, detail)
        try:
            self.grant(record, pulse_s, asked=asked)
"""
_RELEASE_ANYWAY = """        try:
            record = self._audit.append(event, subject, detail)
        except StoreError:
            (record,) = self._audit.tail(1)
        try:
            self.grant(record, pulse_s, asked=asked)
"""
_NO_FSYNC = "patched('store/database.py', 'synchronous = FULL', 'synchronous = OFF')"
_NO_PRESS = """patched('door_records.py', 'self._add("request_to_exit"', 'str(("request_to_exit"')
patched('door_records.py', '"released": not failed})', '"released": not failed}))')"""
_NO_CAMERA = "'DeviceAllow=', 'DeviceAllow=char-gpiochip rw', 'DeviceAllow=char-input rw'"

ALL: Sequence[Sabotage] = (
    Sabotage(
        "relay-inverted",
        "boot",
        "door.active_high: false, so the relay rests at level 1",
        "configured('door', active_high=False)",
        ("from reset on, the relay's line",),
    ),
    Sabotage(
        "no-watchdog",
        "boot",
        "a drop-in with WatchdogSec=0",
        "drop_in('WatchdogSec=0')",
        ("systemd's watchdog is armed",),
    ),
    Sabotage(
        "starts-late",
        "boot",
        "from the second boot on, the service's first start fails",
        _LATE_START,
        ("the service says READY at each boot",),
    ),
    Sabotage(
        "no-system-watchdog",
        "boot",
        "RuntimeWatchdogSec=0",
        _NO_RUNTIME_WATCHDOG,
        ("a system watchdog that the image sets",),
    ),
    Sabotage(
        "login-offered",
        "boot",
        "a login on the serial line again",
        "ran('systemctl', 'unmask', 'serial-getty@ttyAMA0.service')\n"
        "ran('systemctl', 'start', 'serial-getty@ttyAMA0.service')",
        ("doctor: all ok",),
    ),
    Sabotage(
        "no-time-to-enrol",
        "unlock",
        "enrolment.timeout_s: 1, so that nobody is enrolled who is not there in pictures",
        "configured('enrolment', timeout_s=1)",
        (
            "a person is enrolled through",
            "who is recognised gets one pulse",
            "an empty hall, alice claimed",
            "another's photograph, alice claimed",
            "every pulse has its audit record",
        ),
    ),
    Sabotage(
        "longer-pulse",
        "unlock",
        "door.pulse_s: 4",
        "configured('door', pulse_s=4)",
        ("who is recognised gets one pulse",),
    ),
    Sabotage(
        "compassion",
        "unlock",
        "a program of root's that opens to whoever was refused",
        f"unit('doorman', {_COMPASSION!r})",
        (
            "an empty hall, alice claimed",
            "another's photograph, alice claimed",
            "a living stranger, bob claimed",
            "every pulse has its audit record",
        ),
    ),
    Sabotage(
        "blind",
        "unlock",
        "the camera shows the hall where the photograph should be",
        "film('stranger', 'hall')",
        ("another's photograph, alice claimed",),
    ),
    Sabotage(
        "everybody",
        "unlock",
        "a threshold of -1: whoever lives is recognised",
        _EVERYBODY,
        ("a living stranger, bob claimed", "every pulse has its audit record"),
    ),
    Sabotage(
        "long-pulse",
        "inputs",
        "door.pulse_s three times as long",
        "configured('door', pulse_s=9)",
        ("the button inside releases",),
    ),
    Sabotage(
        "press-unrecorded",
        "inputs",
        "a press of the button is not recorded",
        _NO_PRESS,
        ("each press of the button is recorded",),
    ),
    Sabotage(
        "wedge-unnoticed",
        "inputs",
        "door.held_open_s: 3600",
        "configured('door', held_open_s=3600)",
        ("held open for too long",),
    ),
    Sabotage(
        "burglar-unnoticed",
        "inputs",
        "the alarm for a forced door is not recorded",
        "patched('door_records.py', '        unsaid = self._unsaid_before(kind, on=on)\\n',"
        " '        if kind.value == \"forced\":\\n            return\\n'"
        " '        unsaid = self._unsaid_before(kind, on=on)\\n')",
        ("opened without a release",),
    ),
    Sabotage(
        "tamper-unwired",
        "inputs",
        "door.tamper_pin: null",
        "configured('door', tamper_pin=None)",
        ("somebody at the case",),
    ),
    Sabotage(
        "alarm-opens",
        "inputs",
        "a program of root's that answers each alarm with an opening",
        f"unit('doorman', {_DOORMAN!r})",
        ("no contact, and no alarm, moves the relay",),
    ),
    Sabotage(
        "no-helper",
        "faults",
        "a drop-in without ExecStopPost, whose watchdog kills outright",
        # An abort wakes what was stopped, and for a moment its threads may still end the pulse.
        "drop_in('ExecStopPost=', 'WatchdogSignal=SIGKILL')",
        ("kill -9 inside a pulse", "a hang inside a pulse"),
    ),
    Sabotage(
        "hang-unnoticed",
        "faults",
        "a drop-in with WatchdogSec=0",
        "drop_in('WatchdogSec=0')",
        ("a hang inside a pulse", "after either the service is started again"),
    ),
    Sabotage(
        "no-restart",
        "faults",
        "a drop-in with Restart=no",
        "drop_in('Restart=no')",
        ("after either the service is started again",),
    ),
    Sabotage(
        "camera-forbidden",
        "faults",
        "a drop-in that takes the camera's devices away",
        f"drop_in({_NO_CAMERA})",
        ("a camera whose driver goes",),
    ),
    Sabotage(
        "release-unrecorded",
        "faults",
        "an opening whose record cannot be written opens all the same",
        f"patched('door_controller.py', {_RECORD_FIRST!r}, {_RELEASE_ANYWAY!r})",
        ("with a full disk nothing is released unrecorded",),
    ),
    Sabotage(
        "press-forgotten",
        "faults",
        "a press of the button is not recorded",
        _NO_PRESS,
        ("with a full disk the button inside releases",),
    ),
    Sabotage(
        "records-forged",
        "power",
        "a program of root's that alters a record of the audit log",
        f"unit('forger', {_FORGER!r})",
        ("after a power cut the database is whole",),
    ),
    Sabotage(
        "no-fsync",
        "power",
        "PRAGMA synchronous = OFF",
        _NO_FSYNC,
        ("what had been answered before a power cut",),
    ),
    Sabotage(
        "relay-inverted-again",
        "power",
        "door.active_high: false",
        "configured('door', active_high=False)",
        ("the boot after a power cut",),
    ),
    Sabotage(
        "records-torn",
        "torn",
        "a program of root's that alters a record of the audit log",
        f"unit('forger', {_FORGER!r})",
        ("after no power cut is the file system",),
    ),
    Sabotage(
        "no-fsync-torn",
        "torn",
        "PRAGMA synchronous = OFF",
        _NO_FSYNC,
        ("after no power cut is anything gone",),
    ),
    Sabotage(
        "any-time",
        "clock",
        "access.untrusted_clock: allow",
        "configured('access', untrusted_clock='allow')",
        ("who may enter at times only",),
    ),
    Sabotage(
        "time-vouched-for",
        "clock",
        "whatever the clock says is believed, by the service and by doctor",
        _ANY_TIME,
        ("doctor tells of a clock", "who may enter at times only"),
    ),
    Sabotage(
        "opener",
        "clock",
        "a program of root's that opens every 40 s",
        f"unit('opener', {_OPENER!r})",
        ("an opening by command and the button inside work",),
    ),
    Sabotage(
        "records-forged-in-1970",
        "clock",
        "a program of root's that alters a record of the audit log",
        f"unit('forger', {_FORGER!r})",
        ("everything is recorded, and the chain verifies",),
    ),
    Sabotage(
        "crooked",
        "embeddings",
        "the mesh lies three pixels beside the face",
        "patched('vision/landmarks.py', 'mesh.reshape(-1, 3)', 'mesh.reshape(-1, 3) + 3')",
        (
            "every stage of vision gives what it gives here",
            "from the picture's file to the crop",
            "from the picture's file to the embedding",
        ),
    ),
    Sabotage(
        "unlike",
        "embeddings",
        "a hundredth is added to each number of an embedding",
        "patched('vision/embedding.py', 'vector / norm', 'vector / norm + 0.01')",
        (
            "float embeddings of the same crops",
            "integer embeddings of the same crops",
            "from the picture's file to the embedding",
        ),
    ),
    Sabotage(
        "restarted-by-the-second",
        "upgrade",
        "install.sh starts the service anew each time",
        r"installer('main.sh', '    tell_udev\n', '    tell_udev\n    changed=yes\n')",
        ("install.sh a second time",),
    ),
    Sabotage(
        "refused-with-0",
        "upgrade",
        "an upgrade that was rolled back ends with 0",
        "installer('upgrade.sh', 'fail 1 \"${new##*/} was not kept ($why), and',"
        " 'fail 0 \"${new##*/} was not kept ($why), and')",
        ("--upgrade to a version with a damaged network",),
    ),
    Sabotage(
        "broken-one-kept",
        "upgrade",
        "the broken version's files stay after going back",
        "installer('upgrade.sh', '    discard \"$new\" \"$(value made \"$upgrading\")\"', '    :')",
        ("after that the former release serves again",),
    ),
    Sabotage(
        "newer-one-refused",
        "upgrade",
        "the new version's doctor is not heard",
        "installer('upgrade.sh', '    after=$(findings \"$new\")', '    after=')",
        ("--upgrade to a newer version",),
    ),
    Sabotage(
        "people-dropped",
        "upgrade",
        "whoever is enrolled is deleted while the database is copied",
        r"installer('upgrade.sh', '    copy.close()\n', '    copy.close()\n"
        r"    with sqlite3.connect(database) as it: it.execute(\"DELETE FROM person\")\n')",
        ("after both the same person is enrolled",),
    ),
    Sabotage(
        "config-removed",
        "upgrade",
        "--uninstall takes the config along",
        r"installer('remove.sh', '    take_away_service\n    take_away_files\n',"
        r" '    take_away_service\n    take_away_files\n    rm -f -- \"$config\"\n')",
        ("--uninstall keeps config, key, people and user",),
    ),
    Sabotage(
        "log-left",
        "upgrade",
        "--purge leaves the installation's log",
        r"installer('remove.sh', '    rm -f -- \"$log\"\n', '    :\n')",
        ("--uninstall --purge leaves nothing",),
    ),
    Sabotage(
        "relay-inverted-and-upgraded",
        "upgrade",
        "door.active_high: false, so the relay rests at level 1",
        "configured('door', active_high=False)",
        ("through all of it the relay's line",),
    ),
)


@dataclass(frozen=True)
class SabotagedBoard(Board):
    """A board to whose disks something is done when its service is first ready."""

    edits: tuple[str, ...] = ()

    def wait_until_ready(self, machine: Machine) -> None:
        """Besides: sabotage, and wait for the service that has been started anew."""
        super().wait_until_ready(machine)
        program = "\n".join([_TOOLS, *self.edits, _AT_THE_END])
        machine.ssh(
            "/opt/appliance/bin/python - # sabotage", feed=program, timeout_s=1800, check=True
        )
        super().wait_until_ready(machine)


@dataclass(frozen=True)
class Outcome:
    """What a run came to. green: of the wanted rows; red: others, with what was measured."""

    names: tuple[str, ...]
    scene: str
    wanted: int
    green: tuple[str, ...]
    red: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """True when exactly the wanted rows were red."""
        return not self.green and not self.red


def outcome(sabotages: Sequence[Sabotage], result: Result) -> Outcome:
    """Compare the rows of a scene that ran sabotaged with what was to be red."""
    wanted = {part for it in sabotages for part in it.rows}
    broken = [row for row in result.rows if not row.ok]
    green = [part for part in wanted if not any(part in row.promise for row in broken)]
    red = [row for row in broken if not any(part in row.promise for part in wanted)]
    names = tuple(it.name for it in sabotages)
    others = tuple(f"{row.promise}: {row.measured}" for row in red)
    return Outcome(names, result.scene, len(wanted), tuple(sorted(green)), others, result.seconds)


def table(outcomes: Sequence[Outcome]) -> str:
    """All runs as a Markdown table."""
    lines = ["| sabotage | scene | its rows | besides |", "|---|---|---|---|"]
    for it in outcomes:
        rows = f"{it.wanted} red" if not it.green else f"STAYED GREEN: {'; '.join(it.green)}"
        besides = "none red" if not it.red else f"ALSO RED: {'; '.join(it.red)}".replace("|", "\\|")
        lines.append(f"| {', '.join(it.names)} | {it.scene} | {rows} | {besides} |")
    noticed = sum(it.ok for it in outcomes)
    lines += ["", f"{noticed} of {len(outcomes)} runs had exactly the red rows that they had to."]
    return "\n".join(lines) + "\n"


def batches(sabotages: Sequence[Sabotage], *, together: bool) -> list[list[Sabotage]]:
    """One run each; together: those of a scene that break different rows share one.

    So whichever row is red, one sabotage was to break it.
    """
    if not together:
        return [[it] for it in sabotages]
    found: list[list[Sabotage]] = []
    for it in sabotages:
        for batch in found:
            taken = {row for other in batch for row in other.rows}
            if batch[0].scene == it.scene and not taken & set(it.rows):
                batch.append(it)
                break
        else:
            found.append([it])
    return found


def main(words: Sequence[str]) -> int:
    """0: each showed; 1: one did not; 4: no board to be had."""
    asked = _asked(words)
    if asked.list:
        for it in ALL:
            sys.stdout.write(f"{it.name:22} {it.scene:8} {it.what}\n")
        return 0
    chosen = [it for it in ALL if not asked.names or it.name in asked.names]
    try:
        board = _board(asked)
        outcomes = _all(board, batches(chosen, together=asked.together), asked.jobs)
    except BoardError as error:
        sys.stderr.write(f"{error}\n")
        return 4
    told = json.dumps([asdict(it) for it in outcomes]) if asked.json else table(outcomes)
    sys.stdout.write(told)
    (board.folder / "sabotage.md").write_text(table(outcomes))
    return 0 if all(it.ok for it in outcomes) else 1


def _all(board: Board, found: Sequence[Sequence[Sabotage]], jobs: int) -> list[Outcome]:
    if jobs == 1:
        return [_run(board, batch) for batch in found]
    own = [sys.executable, "-m", "tests.board", "--sabotage", "--together", "--json"]
    own += ["--installed", str(board.image.disk), "--out", str(board.folder)]
    own += ["--keep"] if board.keep else []
    told = side_by_side([[*own, *(it.name for it in batch)] for batch in found], jobs)
    return [_outcome(batch, text) for batch, text in zip(found, told, strict=True)]


def _outcome(batch: Sequence[Sabotage], text: str) -> Outcome:
    """What a process of its own told of a run; one that told nothing noticed nothing."""
    if not text:
        return outcome(batch, Result(batch[0].scene, (), 0))
    (told,) = json.loads(text)
    many = {name: tuple(told[name]) for name in ("names", "green", "red")}
    return Outcome(**{**told, **many})


def _run(board: Board, batch: Sequence[Sabotage]) -> Outcome:
    name = "-".join(it.name for it in batch)[:80]
    folder = board.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    # Saved once, before anything was done to it.
    warm = board.folder / "warm"
    warm.mkdir(exist_ok=True)
    if not (folder / "warm").exists():
        (folder / "warm").symlink_to(warm.resolve())
    board.say(f"sabotage: {', '.join(it.what for it in batch)}")
    edits = tuple(it.edit for it in batch)
    sabotaged = SabotagedBoard(board.image, folder, board.say, keep=board.keep, edits=edits)
    found = outcome(batch, suite.play(suite.all_scenes()[batch[0].scene], sabotaged))
    board.say(f"  {'as it should be' if found.ok else 'NOT AS IT SHOULD BE'}")
    return found


def _board(asked: argparse.Namespace) -> Board:
    def say(text: str) -> None:
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        sys.stderr.flush()

    cache = image.cache_folder()
    base = image.base(cache, say)
    if asked.installed:
        ready = installed.at(asked.installed, base)
    else:
        ready = installed.installed(cache, base, say)
    folder = asked.out or Path(tempfile.mkdtemp(prefix="board-sabotage-"))
    folder.mkdir(parents=True, exist_ok=True)
    say(f"the logs go to {folder}")
    return replace(Board(ready, folder, say), keep=asked.keep)


def _asked(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.board.sabotage")
    known = [it.name for it in ALL]
    parser.add_argument("names", nargs="*", metavar="NAME", help="all of them where none is named")
    parser.add_argument("--list", action="store_true", help="name them")
    parser.add_argument(
        "--together", action="store_true", help="those that break different rows share a run"
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="so many at a time")
    parser.add_argument("--json", action="store_true", help="the outcomes as JSON")
    parser.add_argument("--keep", action="store_true", help="keep the disks of the machines")
    parser.add_argument("--installed", type=Path, metavar="DISK", help="as tests/board/run has it")
    parser.add_argument("--out", type=Path, help="the folder for the logs")
    asked = parser.parse_args(words)
    if asked.jobs < 1:
        parser.error("--jobs wants a number from 1 on")
    unknown = [name for name in asked.names if name not in known]
    if unknown:
        parser.error(f"there is no sabotage {', '.join(unknown)}; --list names them")
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
