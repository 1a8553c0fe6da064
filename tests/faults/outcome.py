"""What came of a fault, and the table of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """One line of the table. detail: what was seen, or what was not survived."""

    fault: str
    trials: int
    survived: bool
    detail: str


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as a Markdown table."""
    rows = [("fault", "trials", "outcome", "what was seen")]
    rows += [
        (it.fault, str(it.trials), "survived" if it.survived else "NOT SURVIVED", it.detail)
        for it in outcomes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "| "
        + " | ".join([*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True))])
        + f" | {row[3]} |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|---|")
    return "\n".join(lines) + "\n"
