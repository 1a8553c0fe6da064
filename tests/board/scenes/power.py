"""Power cuts: the machine is killed at random moments while people are enrolled and let in.

The machine is saved once while it works, and every cut goes on from there: an emulated boot takes
minutes, and twenty of them would leave no time for the work that is to be cut. After the last cuts
it is started from its reset on, which shows that the appliance comes back and what its relay does.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.board import statedisk
from tests.board.board import Board
from tests.board.evidence import Evidence, read
from tests.board.host import BoardError
from tests.board.machine import RELAY, Machine, Options
from tests.board.promise import Promise, from_line
from tests.board.table import Row
from tests.board.warm import again, save

NAME = "power"
# So many cuts, and after so many of them a start from the reset on. A machine that is shared has
# less time: the environment may say less.
CUTS = int(os.environ.get("APPLIANCE_BOARD_CUTS", "20"))
REBOOTS = int(os.environ.get("APPLIANCE_BOARD_REBOOTS", "2"))
# After the machine goes on; an emulated one answers a request in a second or so.
_EARLIEST_S, _LATEST_S = 1.0, 60.0
_SAVED = "at-work"
_FIRST_ANSWERS, _WARM_S = 6, 900.0
_VERIFY, _INTEGRITY = "appliance audit verify", "PRAGMA integrity_check"


@dataclass(frozen=True)
class Cut:
    """What a power cut left. after_s: since the machine had gone on. wrong: sentences.

    answers: all that must be there; fresh: those of them that came after the machine had gone on.
    rebooted: the folder of the logs of the start after it; empty where there was none.
    """

    after_s: float
    answers: int
    fresh: int
    wrong: list[str]
    rebooted: str = ""


def run(board: Board) -> list[Row]:
    """Work, save the machine at work, then go on from there and cut, again and again."""
    options = again(board, NAME)
    state = options.folder / statedisk.STATE
    cuts: list[Cut] = []
    with _thrown_away(board, options.disk, state):
        key, before = _at_work(board, options)
        for turn in range(CUTS):
            after_s, answers = _cut(options, before, turn)
            wrong = statedisk.look(state, answers, options.folder, key)
            cut = Cut(after_s, len(answers), len(answers) - len(before), wrong)
            if turn >= CUTS - REBOOTS:
                cut = _reboot(board, options, cut)
                more = statedisk.look(state, answers, options.folder, key)
                cut = replace(cut, wrong=[*cut.wrong, *more])
            cuts.append(cut)
            board.say(f"  cut {turn + 1} of {CUTS}: {cut.answers} answers; {cut.wrong or 'well'}")
    (options.folder / "cuts.json").write_text(json.dumps([asdict(cut) for cut in cuts]))
    return judge(options.folder)


def judge(folder: Path) -> list[Row]:
    """The rows, from what was found after each cut and the logs of the starts after some."""
    cuts = [Cut(**it) for it in json.loads((folder / "cuts.json").read_text())]
    reboots = [read(folder / cut.rebooted) for cut in cuts if cut.rebooted]
    found = [sentence for cut in cuts for sentence in cut.wrong]
    lost = [it for it in found if "missing" in it or "is there" in it]
    damaged = [it for it in found if it not in lost] + _told_by_the_guest(reboots)
    answers, fresh = [cut.answers for cut in cuts], [cut.fresh for cut in cuts]
    return [
        Row(
            "after a power cut the database is whole and the audit chain verifies",
            f"{len(cuts)} cuts, {len(reboots)} of them booted: "
            + (f"{len(damaged)} complaints; {damaged[0]}" if damaged else "no complaint"),
            ok=bool(cuts) and not damaged,
        ),
        Row(
            "what had been answered before a power cut is there after it",
            f"{min(answers)} to {max(answers)} answers before each of {len(cuts)} cuts, "
            f"{sum(fresh)} of them since the machine had gone on: "
            + (f"{len(lost)} lost; {lost[0]}" if lost else "none lost"),
            ok=min(answers) > 0 and sum(fresh) > 0 and not lost,
        ),
        _relay(reboots),
    ]


def _told_by_the_guest(reboots: Sequence[Evidence]) -> list[str]:
    """What the appliance and SQLite themselves found after a boot."""
    verified = [it.last(_VERIFY) for it in reboots]
    integrity = [it.last(_INTEGRITY) for it in reboots]
    found = [f"audit verify: {it.out}" for it in verified if it.code]
    return found + [f"integrity_check: {it.out}" for it in integrity if it.out.strip() != "ok"]


def _relay(reboots: Sequence[Evidence]) -> Row:
    high = sum(len(it.trace.pulses(RELAY)) for it in reboots)
    first = [drive for it in reboots for drive in it.trace.drives(RELAY) if drive.level is not None]
    ready = sum(bool(it.heard("Started appliance.service")) for it in reboots)
    return Row(
        "the boot after a power cut never makes the relay's line high, and ends in a ready service",
        f"{len(reboots)} boots: {high} times high, {ready} ready",
        ok=bool(reboots) and not high and bool(first) and ready == len(reboots),
    )


@contextmanager
def _thrown_away(board: Board, *disks: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for disk in disks if not board.keep else ():
            disk.unlink(missing_ok=True)


def _at_work(board: Board, options: Options) -> tuple[bytes, list[Promise]]:
    """Have the machine work and save it; the templates' key, and what was answered so far."""
    folder = options.folder
    machine = Machine.start(options)
    try:
        board.wait_until_ready(machine)
        key = statedisk.key(machine)
        command = f"{statedisk.WORKLOAD} > {statedisk.PORT}"
        machine.ssh(f"systemd-run --quiet --unit=workload sh -c {_quoted(command)}", check=True)
        latest = time.monotonic() + _WARM_S
        while len(_answers(folder)) < _FIRST_ANSWERS:
            if time.monotonic() > latest:
                machine.ssh("systemctl status workload; journalctl -n 30 --no-pager")
                raise BoardError("The appliance answers nothing; see commands.log.")
            time.sleep(1)
        save(machine, _SAVED)
    finally:
        machine.kill()
    # Whoever was answered before the machine was saved was answered before each cut.
    return key, _answers(folder)


def _quoted(command: str) -> str:
    return "'" + command.replace("'", "'\\''") + "'"


def _answers(folder: Path) -> list[Promise]:
    lines = (folder / statedisk.ANSWERS).read_text(errors="replace").split("\n")
    # The last one has no end yet.
    return [from_line(line) for line in lines[:-1]]


def _cut(options: Options, before: Sequence[Promise], turn: int) -> tuple[float, list[Promise]]:
    """Go on from the saved machine for a random time; that time, and all that was answered."""
    after_s = random.Random(turn).uniform(_EARLIEST_S, _LATEST_S)  # noqa: S311 - a moment
    arguments = [*_bare(options), "-loadvm", _SAVED]
    folder = options.folder / f"cut-{turn + 1}"
    machine = Machine.start(replace(options, arguments=arguments, folder=folder))
    try:
        time.sleep(after_s)
    finally:
        machine.kill()
    return after_s, [*before, *_answers(options.folder)]


def _bare(options: Options) -> Sequence[str]:
    """The machine's disks and ports, from the reset on."""
    return statedisk.plain(options.folder)


def _reboot(board: Board, options: Options, cut: Cut) -> Cut:
    """Start the machine as the cut left it, from its reset on, and ask it how it is."""
    name = f"boot-after-{cut.after_s:.2f}-s"
    folder = options.folder / name
    machine = Machine.start(replace(options, folder=folder, arguments=_bare(options)))
    try:
        board.wait_until_ready(machine)
        machine.ssh(_VERIFY, timeout_s=1800)
        machine.ssh(f"sqlite3 /var/lib/appliance/appliance.db '{_INTEGRITY}'", timeout_s=1800)
    finally:
        machine.kill()
    return replace(cut, rebooted=name)
