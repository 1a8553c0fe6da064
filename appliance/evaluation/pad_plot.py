"""The picture of `evaluate pad`: each species' APCER, how attempts ended, and their scores."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.evaluation import det
from appliance.evaluation.pad import NON_RESPONSES, RESPONSES, Outcome
from appliance.evaluation.pad_files import LIVE
from appliance.evaluation.pad_report import Judged

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, FAINT, LINE = "#1f2933", "#52606d", "#d5dbe1"
# Told apart also without colours, by lightness and by their order.
WRONG, UNSURE, RIGHT, SILENT = "#c2410c", "#e3b341", "#0b5fa5", "#c9d1d9"
_LEGEND = {
    WRONG: "an attack taken for live, a person called an attack",
    UNSURE: "undetermined",
    RIGHT: "judged rightly",
    SILENT: "no response",
}
# Inches for a class, for the axes' titles with the legend, and for a line of the caption.
_ROW, _HEAD, _FOOT_LINE = 0.46, 0.78, 0.155
_WIDTH = 11.0
_CAPTION_WIDTH = 175
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
    from matplotlib.figure import Figure

    rows = _rows(report, judged)
    told = textwrap.wrap(caption, _CAPTION_WIDTH)
    foot = 0.75 + _FOOT_LINE * len(told)
    height = _HEAD + _ROW * len(rows) + foot
    figure = Figure(figsize=(_WIDTH, height), dpi=150, facecolor="white")
    bottom, tall = foot / height, _ROW * len(rows) / height
    rates = figure.add_axes((0.17, bottom, 0.25, tall))
    ends = figure.add_axes((0.45, bottom, 0.25, tall))
    scores = figure.add_axes((0.73, bottom, 0.25, tall))
    for axes in (rates, ends, scores):
        _bare(axes, len(rows))
    _draw_rates(rates, rows)
    _draw_ends(ends, rows)
    _draw_scores(scores, rows)
    top = 1 - 0.12 / height
    figure.text(0.02, top, heading, va="top", fontsize=12.5, color=INK, fontweight="bold")
    _legend(ends)
    figure.text(
        0.02,
        (foot - 0.62) / height,
        "\n".join(told),
        va="top",
        fontsize=8,
        color=FAINT,
        linespacing=1.35,
    )
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


def _bare(axes: Axes, count: int) -> None:
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=8.5, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    if count > 1:
        axes.axhline(0.5, color=LINE, linewidth=1.0)


def _draw_rates(axes: Axes, rows: Sequence[_Row]) -> None:
    """Each error rate with its interval; a cross where there was no response to count."""
    highest = max((row.rate["ci"][1] for row in rows if row.rate["n"]), default=1.0)
    end = min(1.0, max(0.05, 1.08 * highest))
    axes.set_xlim(-0.02 * end, end)
    axes.set_yticks(range(len(rows)), [row.title for row in rows])
    axes.tick_params(axis="y", colors=INK, labelsize=8.5, length=0, pad=8)
    axes.set_xlabel("error rate, 95 % interval", color=INK, fontsize=9)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    axes.locator_params(axis="x", nbins=5)
    for number, row in enumerate(rows):
        if not row.rate["n"]:
            axes.text(0, number, "no response", va="center", fontsize=8.5, color=FAINT)
            continue
        low, high = row.rate["ci"]
        colour = FAINT if row.label == LIVE else WRONG
        axes.plot([low, high], [number, number], color=colour, linewidth=1.8, zorder=3)
        axes.plot(row.rate["rate"], number, "o", color=colour, markersize=7, zorder=4)


def _draw_ends(axes: Axes, rows: Sequence[_Row]) -> None:
    """The shares of all attempts, non-responses too."""
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlabel("how attempts ended", color=INK, fontsize=9)
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
    axes.set_xlabel("score: 0 attack, 1 live", color=INK, fontsize=9)
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
