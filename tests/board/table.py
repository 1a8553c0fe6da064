"""What the board kept of each promise, as one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One promise. measured: what the logs say, with units; ok: that is what was promised."""

    promise: str
    measured: str
    ok: bool


@dataclass(frozen=True)
class Result:
    """What a scene came to, and how long it took in seconds of the host."""

    scene: str
    rows: Sequence[Row]
    seconds: float

    @property
    def ok(self) -> bool:
        """True when there is at least one row and none is broken."""
        return bool(self.rows) and all(row.ok for row in self.rows)


def all_kept(results: Sequence[Result]) -> bool:
    """True when something ran and nothing was broken."""
    return bool(results) and all(result.ok for result in results)


def table(results: Sequence[Result]) -> str:
    """A Markdown table, and below it how long everything took."""
    cells = [("scene", "promise", "", "what was measured")]
    for result in results:
        scene = f"{result.scene} ({result.seconds:.0f} s)"
        for row in result.rows or (Row("(no row)", "the scene told nothing", False),):
            kept = "kept" if row.ok else "BROKEN"
            cells.append((scene, _cell(row.promise), kept, _cell(row.measured)))
            scene = ""
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    lines = [_line(row, widths) for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|---|")
    rows = [row for result in results for row in result.rows]
    broken = sum(not row.ok for row in rows)
    seconds = sum(result.seconds for result in results)
    lines.append("")
    lines.append(f"{len(rows)} promises, {broken} broken, {minutes(seconds)}.")
    return "\n".join(lines) + "\n"


def as_json(results: Sequence[Result]) -> str:
    """The same for machines: one object."""
    told = [asdict(result) | {"ok": result.ok} for result in results]
    return json.dumps({"ok": all_kept(results), "scenes": told}, indent=1) + "\n"


def from_json(text: str) -> list[Result]:
    """What `as_json` wrote."""
    return [
        Result(it["scene"], [Row(**row) for row in it["rows"]], it["seconds"])
        for it in json.loads(text)["scenes"]
    ]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
    return f"| {' | '.join(padded)} | {row[3]} |"


def _cell(text: str) -> str:
    # What a command said may hold anything.
    return " ".join(text.split()).replace("|", "\\|")


def minutes(seconds: float) -> str:
    """A length of time for people."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
