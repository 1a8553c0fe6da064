"""Torn writes: the state's disk after every power cut that its log of writes allows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.board import statedisk, torn
from tests.board.board import Board
from tests.board.table import Row
from tests.board.writelog import read as read_log

NAME = "torn"
# What is asked of the appliance while its disk is logged, and how many cuts are looked at.
ASKED, CUTS, EACH, SEED = 60, 300, 3, 1
WORK_S = 1800.0


def run(board: Board) -> list[Row]:
    """Enrol, open, attempt and remove on a logged disk; pull the plug; replay."""
    options = board.options(NAME, append=statedisk.QUIETLY)
    words, birth, log = statedisk.logged(options.folder)
    with board.machine(replace(options, arguments=words)) as machine:
        statedisk.move_in(machine)
        board.wait_until_ready(machine)
        key = statedisk.key(machine)
        machine.ssh(
            f"{statedisk.WORKLOAD} --device /dev/vdb --count {ASKED} --seed {SEED}",
            timeout_s=WORK_S,
            check=True,
        )
    image, entries = birth.read_bytes(), read_log(log)
    tally = torn.replay(image, entries, each=EACH, seed=SEED, most=CUTS, key=key)
    (options.folder / "torn.json").write_text(json.dumps(vars(tally)))
    if not board.keep:
        for path in (birth, log, options.folder / "state.img"):
            path.unlink()
    return judge(options.folder)


def judge(folder: Path) -> list[Row]:
    """The rows, from what the replay found."""
    tally = torn.Tally(**json.loads((folder / "torn.json").read_text()))
    lost = [it for it in tally.wrong if torn.is_loss(it)]
    damaged = [it for it in tally.wrong if not torn.is_loss(it)]
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(tally.cuts.items()))
    return [
        Row(
            "after no power cut is the file system, the database or the audit chain damaged",
            f"{sum(tally.cuts.values())} cuts around {tally.flushes} flushes ({kinds}): "
            + (f"{len(damaged)} damaged; {damaged[0]}" if damaged else "none damaged"),
            ok=not damaged and sum(tally.cuts.values()) >= CUTS // 2,
        ),
        Row(
            "after no power cut is anything gone that somebody had been answered",
            f"up to {tally.promises} answers before a cut: "
            + (f"{len(lost)} cuts lost some; {lost[0]}" if lost else "none lost"),
            ok=not lost and tally.promises >= ASKED,
        ),
    ]
