"""The picture of `evaluate pad`: each species' APCER, how attempts ended, and their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.evaluation import det
from appliance.evaluation.pad import NON_RESPONSES, RESPONSES, Outcome
from appliance.evaluation.pad_files import LIVE
from appliance.evaluation.pad_report import Judged
from appliance.evaluation.sheet import (
    BLUE,
    FAINT,
    INK,
    LINE,
    RED,
    dot,
    in_percent,
    named,
    said,
    sheet,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Told apart also without colours, by lightness and by their order.
WRONG, UNSURE, RIGHT, SILENT = RED, "#e3b341", BLUE, "#c9d1d9"
_LEGEND = {
    WRONG: "an attack taken for live, a person called an attack",
    UNSURE: "undetermined",
    RIGHT: "judged rightly",
    SILENT: "no response",
}
# A name longer than this is cut: it is told in full by the report.
_LONGEST_NAME = 26
# So many dots of a class are drawn at most: more are a smear.
_MOST_DOTS = 500


@dataclass(frozen=True)
class _Row:
    """One class of the report. rate: its APCER, or the BPCER. scores: by outcome."""

    label: str
    rate: Mapping[str, Any]
    account: Mapping[str, Any]
    scores: Mapping[Outcome, Sequence[float]]

    @property
    def title(self) -> str:
        """Two lines."""
        kind = "BPCER" if self.label == LIVE else "APCER"
        return f"{_short(self.label)}\n{kind}, n = {self.rate['n']}"

    @property
    def colours(self) -> Mapping[Outcome, str]:
        """What each outcome means for this class, errors first."""
        right, wrong = Outcome.SPOOF, Outcome.LIVE
        if self.label == LIVE:
            right, wrong = wrong, right
        return {wrong: WRONG, Outcome.UNDETERMINED: UNSURE, right: RIGHT}


check = det.check


def draw(
    path: Path, report: Mapping[str, Any], judged: Sequence[Judged], heading: str, caption: str
) -> None:
    """Write the picture. InputError where that fails. check(path) has passed."""
    rows = _rows(report, judged)
    figure, columns = sheet([row.title for row in rows], heading, caption)
    for axes in columns if len(rows) > 1 else ():
        axes.axhline(0.5, color=LINE, linewidth=1.0)  # living people above, attacks below
    rates, ends, scores = columns
    _draw_rates(rates, rows)
    _draw_ends(ends, rows)
    _draw_scores(scores, rows)
    _legend(ends)
    det.save(figure, path)


def _rows(report: Mapping[str, Any], judged: Sequence[Judged]) -> list[_Row]:
    """Living people first, then the species, the worst on top."""
    apcer = report["apcer"]
    worst = sorted(apcer, key=lambda name: (-(apcer[name]["rate"] or 0.0), name))
    rates = {LIVE: report["bpcer"], **{name: apcer[name] for name in worst}}
    return [
        _Row(
            label,
            rate,
            report["classes"][label],
            _scores(judged, label),
        )
        for label, rate in rates.items()
    ]


def _short(name: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in name)
    cut = shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 3]}..."
    return cut.replace("$", r"\$")  # which would begin a formula


def _scores(judged: Sequence[Judged], label: str) -> dict[Outcome, list[float]]:
    found: dict[Outcome, list[float]] = {outcome: [] for outcome in RESPONSES}
    for item in judged:
        for attempt in item.attempts if item.label == label else ():
            if attempt.score is not None:
                found[attempt.outcome].append(attempt.score)
    return found


def _draw_rates(axes: Axes, rows: Sequence[_Row]) -> None:
    """Each error rate with its interval; words where there was no response to count."""
    highest = max((row.rate["ci"][1] for row in rows if row.rate["n"]), default=1.0)
    end = min(1.0, max(0.05, 1.08 * highest))
    axes.set_xlim(-0.02 * end, 1.02 * end)
    in_percent(axes)
    named(axes, "error rate, 95 % interval")
    for number, row in enumerate(rows):
        if row.rate["n"]:
            dot(axes, number, row.rate, FAINT if row.label == LIVE else WRONG)
        else:
            said(axes, number, "no response")


def _draw_ends(axes: Axes, rows: Sequence[_Row]) -> None:
    """The shares of all attempts, non-responses too."""
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    named(axes, "how attempts ended")
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    for number, row in enumerate(rows):
        attempts = row.account["attempts"]
        if not attempts:
            continue
        left = 0.0
        silent = sum(row.account["non_response"][outcome.value] for outcome in NON_RESPONSES)
        parts = [(row.account[outcome.value], colour) for outcome, colour in row.colours.items()]
        for count, colour in (*parts, (silent, SILENT)):
            share = count / attempts
            axes.barh(number, share, left=left, height=0.52, color=colour, zorder=3)
            if share > 0.06:
                ink = INK if colour in {SILENT, UNSURE} else "white"
                middle = left + share / 2
                axes.text(
                    middle, number, str(count), ha="center", va="center", fontsize=8, color=ink,
                    zorder=4,
                )  # fmt: skip
            left += share


def _draw_scores(axes: Axes, rows: Sequence[_Row]) -> None:
    """A dot for each attempt that was judged, moved up and down a little so that none hides."""
    axes.set_xlim(-0.02, 1.02)
    named(axes, "score: 0 attack, 1 live")
    random = np.random.default_rng(0)
    for number, row in enumerate(rows):
        for outcome, colour in row.colours.items():
            values = row.scores[outcome][:_MOST_DOTS]
            heights = number + random.uniform(-0.22, 0.22, len(values))
            axes.plot(
                values, heights, "o", color=colour, markersize=4, alpha=0.6, markeredgewidth=0,
                zorder=3,
            )  # fmt: skip


def _legend(axes: Axes) -> None:
    from matplotlib.patches import Patch

    axes.legend(
        handles=[Patch(color=colour, label=label) for colour, label in _LEGEND.items()],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=4,
        frameon=False,
        fontsize=8.5,
        handlelength=1.0,
        columnspacing=1.6,
    )
