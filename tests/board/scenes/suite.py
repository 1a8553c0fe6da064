"""Suite: the default tests pass on ARM64 (by user emulation; hours, so only when named)."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from tests.board import suite
from tests.board.board import Board
from tests.board.table import Row

NAME = "suite"
# `tests/board/run` without names leaves it out.
ONLY_WHEN_NAMED = True


def run(board: Board) -> list[Row]:
    """Run what has not run yet; then judge the outcomes."""
    folder = board.folder / NAME
    folder.mkdir(parents=True, exist_ok=True)
    suite.main(["--out", str(folder)], Console(width=120, stderr=True))
    return judge(folder)


def judge(folder: Path) -> list[Row]:
    """The rows, from the outcomes in a folder: one for each slice of the tests."""
    found = {item.name: item for item in suite.outcomes(folder)}
    rows = []
    for name in [suite.EMBEDDINGS, *(part.name for part in suite.slices(suite.PROJECT))]:
        item = found.get(name)
        if item is None:
            rows.append(Row(f"{name} passes on ARM64", "did not run", ok=False))
            continue
        told = (
            f"{item.passed} passed, {len(item.failed)} failed, "
            f"{sum(item.skipped.values())} skipped in {item.seconds:.0f} s"
        )
        ending = "" if item.ok else f", {item.verdict}"
        rows.append(Row(f"{name} passes on ARM64", told + ending, item.ok))
    kinds = sorted({f"{item.commit[:7]} on {item.cpu}" for item in found.values()})
    whole = suite.one_run(list(found.values()))
    rows.append(Row("all of it is one commit", ", ".join(kinds) or "nothing ran", whole))
    return rows
