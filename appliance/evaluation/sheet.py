"""A sheet of three columns, with a row for each thing that was measured: the plots share it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, LINE = "#1f2933", "#52606d", "#d5dbe1"
BLUE, RED, GREEN = "#0b5fa5", "#c2410c", "#3f7d20"
# Inches: a row, what is above the rows, what is below them, and a line of the caption.
_ROW, _HEAD, _FOOT, _FOOT_LINE = 0.5, 0.78, 0.8, 0.155
_WIDTH, _CAPTION_WIDTH = 11.0, 170
# Where the columns begin, and how wide they are, as shares of the sheet.
_LEFTS, _COLUMN = (0.17, 0.45, 0.73), 0.25


def sheet(titles: Sequence[str], heading: str, caption: str) -> tuple[Figure, tuple[Axes, ...]]:
    """An empty sheet and its columns. titles: of the rows, from the top; two lines at most."""
    from matplotlib.figure import Figure

    told = textwrap.wrap(caption, _CAPTION_WIDTH)
    rows, foot = _ROW * len(titles), _FOOT + _FOOT_LINE * len(told)
    height = _HEAD + rows + foot
    figure = Figure(figsize=(_WIDTH, height), dpi=150, facecolor="white")
    columns = tuple(
        figure.add_axes((left, foot / height, _COLUMN, rows / height)) for left in _LEFTS
    )
    for axes in columns:
        _bare(axes, len(titles))
    columns[0].set_yticks(range(len(titles)), titles)
    columns[0].tick_params(axis="y", colors=INK, labelsize=8.5, length=0, pad=8)
    top = 1 - 0.12 / height
    figure.text(0.02, top, heading, va="top", fontsize=12.5, color=INK, fontweight="bold")
    lines, bottom = "\n".join(told), (foot - 0.62) / height
    figure.text(0.02, bottom, lines, va="top", fontsize=8, color=FAINT, linespacing=1.35)
    return figure, columns


def dot(axes: Axes, row: int, share: Mapping[str, Any], colour: str) -> None:
    """A rate with its interval. share: with `rate` and `ci`."""
    axes.plot(share["ci"], [row, row], color=colour, linewidth=1.8, zorder=3)
    axes.plot(share["rate"], row, "o", color=colour, markersize=7, zorder=4)


def in_percent(axes: Axes) -> None:
    """Let the axis run in percent, with few marks."""
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")


def named(axes: Axes, label: str) -> None:
    """What the column shows."""
    axes.set_xlabel(label, color=INK, fontsize=9)


def said(axes: Axes, row: int, words: str) -> None:
    """Words at the beginning of a row that has no figure."""
    start = axes.get_xlim()[0]
    axes.text(start, row, f"  {words}", va="center", fontsize=8.5, color=FAINT)


def _bare(axes: Axes, count: int) -> None:
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=8.5, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
