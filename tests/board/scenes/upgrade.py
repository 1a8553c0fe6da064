"""Upgrade: installed again, a broken version taken back, a newer one kept, and all removed.

Each is done by install.sh without a network, as docs/install.md says. The guest lists its files
before the installation (see `installed`), and after each step; the lists lie beside the logs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.board import filelist
from tests.board.asking import STATUS, ask
from tests.board.board import Board
from tests.board.evidence import Evidence, json_of, properties, read
from tests.board.host import BoardError
from tests.board.image import cache_folder
from tests.board.installed import (
    CHECKOUT,
    INSTALL_S,
    MOUNT,
    WHEELS,
    disk_of,
    fetch_wheels,
    second_disk,
)
from tests.board.machine import RELAY, Answer, Machine
from tests.board.releases import Release, without_builder
from tests.board.strangers import templates
from tests.board.table import Row

NAME = "upgrade"
BROKEN, NEWER = Release("9.9.8", damaged=True), Release("9.9.9")
PERSON = "resident"
# The steps, by which a judge finds what was asked at each.
FIRST, AGAIN, BACK = "at first", "installed again", "upgrade to a broken version"
TAKEN, REMOVED, PURGED = "upgrade to a newer version", "uninstalled", "purged"
# Where an installation puts things; the last list is one of everything.
ROOTS = ("/etc", "/opt", "/usr/local", "/var/lib")

_DATABASE = "/var/lib/appliance/appliance.db"
_CONFIG, _KEY = "/etc/appliance/config.yaml", "/etc/appliance/template.key.sealed"
# What a service that runs writes: its database, and who holds the devices.
_WRITTEN = frozenset(
    [_DATABASE, f"{_DATABASE}-wal", f"{_DATABASE}-shm", "/var/lib/appliance/devices.lock"]
)
# What --uninstall leaves: config and key, state and user, and the notes for --purge.
_KEPT = _WRITTEN | {
    *("/etc/appliance", _CONFIG, _KEY, "/var/lib/appliance"),
    *("/var/lib/appliance-install", "/var/lib/appliance-install/made"),
    *("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"),
}
_SERVICE = (
    "systemctl show appliance -p LoadState -p ActiveState -p SubState -p MainPID -p NRestarts; "
    "echo Release=$(readlink /opt/appliance)"
)
_QUERY = (
    "SELECT 'database', value FROM meta WHERE key = 'database_id'; "
    "SELECT id, name, hex(sha3(sealed)) FROM person ORDER BY id"
)
_PEOPLE = f'sqlite3 {_DATABASE} "{_QUERY}"'
_VERIFY = "appliance audit verify"
_PATIENCE_S = 1800.0


def run(board: Board) -> list[Row]:
    """Install again, upgrade twice, uninstall, purge; then judge the logs and lists."""
    options = board.options(NAME)
    brought = _brought(board, options.folder)
    options = replace(options, arguments=second_disk(brought))
    try:
        with board.machine(options) as machine:
            board.wait_until_ready(machine)
            _play(board, machine)
    finally:
        brought.unlink()
    return judge(options.folder)


def judge(folder: Path) -> list[Row]:
    """The rows, from the logs and lists in a folder."""
    evidence = read(folder)
    return [
        _again(evidence, folder),
        _refused(evidence),
        _back(evidence, folder),
        _taken(evidence),
        _people(evidence),
        _removed(evidence, folder),
        _purged(evidence, folder),
        _relay(evidence),
    ]


def list_of(folder: Path, step: str) -> Path:
    """Where the list of the board's files after a step lies."""
    return folder / f"files-{step.replace(' ', '-')}.txt"


# ---------------------------------------------------------------------- what is done


def _brought(board: Board, folder: Path) -> Path:
    """The disk that the board is given: wheels, those of two other versions among them."""
    content = folder / "brought"
    wheels = without_builder(fetch_wheels(cache_folder(), board.say), content / "wheels")
    for release in (BROKEN, NEWER):
        release.build(wheels)
    return disk_of(content, folder / "brought.img")


def _play(board: Board, machine: Machine) -> None:
    machine.ssh(MOUNT, check=True)
    if machine.ssh(f"test -s {filelist.BEFORE} # before the installation").code == 0:
        filelist.fetch(machine, filelist.BEFORE, list_of(machine.folder, "before"))
    (sent,) = templates(1)
    ask(machine, f"PUT /v1/people/{PERSON}/template", json.loads(sent))
    _look(machine, FIRST)
    _install(board, machine, CHECKOUT, f"--offline {WHEELS}", AGAIN)
    _look(machine, AGAIN)
    for release, step in ((BROKEN, BACK), (NEWER, TAKEN)):
        machine.ssh(release.making(), check=True)
        _install(board, machine, release.checkout, f"--upgrade --offline {WHEELS}", step)
        _look(machine, step)
        machine.ssh(f"{_VERIFY} # {step}", timeout_s=_PATIENCE_S)
    ask(machine, STATUS, note=TAKEN)
    _install(board, machine, NEWER.checkout, "--uninstall", REMOVED)
    _list(machine, REMOVED)
    machine.ssh(f"{_SERVICE} # {REMOVED}")
    _install(board, machine, NEWER.checkout, "--uninstall --purge", PURGED)
    filelist.take(machine, ["/"], list_of(machine.folder, PURGED))


def _install(board: Board, machine: Machine, checkout: str, words: str, step: str) -> None:
    board.say(f"  {step} ...")
    done = machine.ssh(_command(checkout, words, step), timeout_s=2 * INSTALL_S)
    board.say(f"    {done.took_s:.0f} s, {done.code}")


def _command(checkout: str, words: str, step: str) -> str:
    return f"cd {checkout} && ./install.sh {words} 2>&1 # install.sh: {step}"


def _look(machine: Machine, step: str) -> None:
    """How things are after a step."""
    machine.ssh(f"{_SERVICE} # {step}")
    machine.ssh(f"{_PEOPLE} # {step}")
    if step != TAKEN:
        _list(machine, step)


def _list(machine: Machine, step: str) -> None:
    filelist.take(machine, ROOTS, list_of(machine.folder, step))


# ---------------------------------------------------------------------- what is judged


def _said(evidence: Evidence, step: str) -> Answer:
    return evidence.last(f"# install.sh: {step}")


def _at(evidence: Evidence, step: str) -> dict[str, str]:
    """How the service was after a step, and where the program's link led."""
    return properties(evidence.last(f"/opt/appliance) # {step}"))


def _serves(state: Mapping[str, str]) -> bool:
    return (state["ActiveState"], state["SubState"]) == ("active", "running")


def _changed(folder: Path, before: str, after: str) -> list[str]:
    """What is other after a step, but for what a service that runs writes."""
    lists = [filelist.read(list_of(folder, step)) for step in (before, after)]
    return filelist.differences(
        *({path: what for path, what in it.items() if path not in _WRITTEN} for it in lists)
    )


def _told(changed: list[str]) -> str:
    return f"{len(changed)} differences" + (f" ({', '.join(changed[:6])})" if changed else "")


def _again(evidence: Evidence, folder: Path) -> Row:
    done = _said(evidence, AGAIN)
    before, after = _at(evidence, FIRST), _at(evidence, AGAIN)
    changed = _changed(folder, FIRST, AGAIN)
    count = len(filelist.read(list_of(folder, AGAIN)))
    same = before == after
    return Row(
        "install.sh a second time ends with 0, changes no file and leaves the service as it runs",
        f"code {done.code}; {count} files, {_told(changed)}; process {before['MainPID']}, then "
        f"{after['MainPID']}, {after['ActiveState']}",
        ok=done.code == 0 and not changed and count > 0 and same and _serves(after),
    )


def _refused(evidence: Evidence) -> Row:
    done = _said(evidence, BACK)
    last = (done.out.strip().splitlines() or [""])[-1]
    words = "was not kept" in last and last.endswith("is in place again.")
    return Row(
        "--upgrade to a version with a damaged network ends with 1 and says why it went back",
        f"code {done.code}; {last}",
        ok=done.code == 1 and words and f"install.sh: {BROKEN.version}" in last,
    )


def _back(evidence: Evidence, folder: Path) -> Row:
    before, after = _at(evidence, AGAIN), _at(evidence, BACK)
    changed = _changed(folder, AGAIN, BACK)
    former = before["Release"] == after["Release"]
    return Row(
        "after that the former release serves again, and no file differs",
        f"{after['Release']} is {after['ActiveState']}, before it was {before['Release']}; "
        f"{_told(changed)}",
        ok=former and _serves(after) and not changed,
    )


def _taken(evidence: Evidence) -> Row:
    done, after = _said(evidence, TAKEN), _at(evidence, TAKEN)
    asked = evidence.last(f"# {STATUS} # {TAKEN}")
    version = str(json_of(asked)["version"]) if asked.code == 0 else "no answer"
    there = f"/{NEWER.version}-" in after["Release"]
    return Row(
        "--upgrade to a newer version ends with 0, and that one serves",
        f"code {done.code}; {after['Release']} is {after['ActiveState']}, and tells {version}",
        ok=done.code == 0 and there and _serves(after) and version == NEWER.version,
    )


def _people(evidence: Evidence) -> Row:
    first, *later = [evidence.last(f'id" # {step}') for step in (FIRST, BACK, TAKEN)]
    verified = [evidence.last(f"{_VERIFY} # {step}") for step in (BACK, TAKEN)]
    same = sum(it.code == 0 and it.out == first.out for it in later)
    told = "; ".join((it.out.strip() or it.err.strip()) for it in verified)
    return Row(
        "after both the same person is enrolled in the same database, and the audit chain verifies",
        f"{len(first.out.splitlines()) - 1} enrolled; the same after {same} of {len(later)}; "
        f"{told}",
        ok=f"|{PERSON}|" in first.out
        and same == len(later)
        and all(it.code == 0 for it in verified),
    )


def _removed(evidence: Evidence, folder: Path) -> Row:
    done, after = _said(evidence, REMOVED), _at(evidence, REMOVED)
    before = filelist.read(list_of(folder, BACK))
    left = filelist.read(list_of(folder, REMOVED))
    wanted = (_CONFIG, _KEY, _DATABASE)
    lost = [path for path in wanted if path not in left]
    lost += [path for path in (_CONFIG, _KEY) if left.get(path) not in {None, before.get(path)}]
    promise = "--uninstall keeps config, key, people and user, and takes program and service away"
    try:
        extra = [it for it in _since(folder, left) if it[2:] not in _KEPT]
    except BoardError as error:
        return Row(promise, str(error), ok=False)
    return Row(
        promise,
        f"code {done.code}; lost: {', '.join(lost) or 'nothing'}; besides: "
        f"{', '.join(extra[:6]) or 'nothing'}; the unit is {after['LoadState']}",
        ok=done.code == 0 and not lost and not extra and after["LoadState"] == "not-found",
    )


def _purged(evidence: Evidence, folder: Path) -> Row:
    done = _said(evidence, PURGED)
    after = filelist.read(list_of(folder, PURGED))
    promise = "--uninstall --purge leaves nothing: all files are as before the installation"
    try:
        changed = _since(folder, after, "")
    except BoardError as error:
        return Row(promise, str(error), ok=False)
    return Row(
        promise,
        f"code {done.code}; {len(after)} files, {_told(changed)}",
        ok=done.code == 0 and bool(after) and not changed,
    )


def _since(folder: Path, after: Mapping[str, str], *roots: str) -> list[str]:
    """What differs from before the installation. BoardError where nobody listed that."""
    path = list_of(folder, "before")
    if not path.exists():
        raise BoardError(
            f"this image holds no {filelist.BEFORE}, the list from before its installation: "
            "have it built anew (--fresh)"
        )
    return filelist.differences(filelist.below(filelist.read(path), roots or ROOTS), after)


def _relay(evidence: Evidence) -> Row:
    driven = [it for it in evidence.trace.drives(RELAY) if it.level is not None]
    high = evidence.trace.pulses(RELAY)
    end = evidence.commands[-1].at + evidence.commands[-1].took_s
    return Row(
        "through all of it the relay's line is never high, and the first that drives it drives low",
        f"{len(high)} times high in {end - evidence.trace.resets[0]:.0f} s of the host; "
        + (f"first driven at level {driven[0].level}" if driven else "not driven"),
        ok=not high and bool(driven) and driven[0].level == 0,
    )
