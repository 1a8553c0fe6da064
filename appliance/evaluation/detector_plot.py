"""The picture of `evaluate detectors`: what each finds, what it imagines, and how long it takes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.evaluation import det

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _FAINT, _LINE = "#1f2933", "#52606d", "#d5dbe1"
_BLUE, _RED, _GREEN = "#0b5fa5", "#c2410c", "#3f7d20"
# Inches for a detector, for the heading, and for a line of the caption.
_ROW, _HEAD, _FOOT_LINE = 0.5, 0.75, 0.155
_WIDTH, _CAPTION_WIDTH = 11.0, 170
# Where milliseconds are marked, on a logarithmic scale.
_MS_TICKS = tuple(step * 10**power for power in range(-2, 5) for step in (1, 2, 5))

check = det.check


def draw(
    path: Path, report: Mapping[str, Any], titles: Mapping[str, str], heading: str, caption: str
) -> None:
    """Write the picture. titles: by detector. check(path) has passed. InputError where it fails."""
    from matplotlib.figure import Figure

    rows = report["detectors"]
    told = textwrap.wrap(caption, _CAPTION_WIDTH)
    foot = 0.8 + _FOOT_LINE * len(told)
    height = _HEAD + _ROW * len(rows) + foot
    figure = Figure(figsize=(_WIDTH, height), dpi=150, facecolor="white")
    bottom, tall = foot / height, _ROW * len(rows) / height
    found = figure.add_axes((0.15, bottom, 0.25, tall))
    alarms = figure.add_axes((0.43, bottom, 0.25, tall))
    times = figure.add_axes((0.71, bottom, 0.25, tall))
    for axes in (found, alarms, times):
        _bare(axes, len(rows))
    found.set_yticks(range(len(rows)), [titles[name] for name in rows])
    found.tick_params(axis="y", colors=_INK, labelsize=9, length=0, pad=8)
    _shares(found, [row["recall"] for row in rows.values()], _BLUE, "faces found, 95 % interval")
    label = "pictures with a false alarm, 95 % interval"
    _shares(alarms, [row["false_alarms"] for row in rows.values()], _RED, label)
    _times(times, [row["ms"] for row in rows.values()])
    figure.text(
        0.02, 1 - 0.12 / height, heading, va="top", fontsize=12.5, color=_INK, fontweight="bold"
    )
    figure.text(
        0.02,
        (foot - 0.62) / height,
        "\n".join(told),
        va="top",
        fontsize=8,
        color=_FAINT,
        linespacing=1.35,
    )
    det.save(figure, path)


def _bare(axes: Axes, count: int) -> None:
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(axis="x", color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_FAINT, labelsize=8.5, length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def _shares(axes: Axes, shares: list[Mapping[str, Any]], colour: str, label: str) -> None:
    """A dot with its interval for each detector; words where nothing was counted."""
    counted = [share for share in shares if share["n"]]
    low = min((share["ci"][0] for share in counted), default=0.0)
    high = max((share["ci"][1] for share in counted), default=1.0)
    margin = 0.08 * max(high - low, 0.02)
    axes.set_xlim(max(low - margin, -0.02), min(high + margin, 1.02))
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")
    axes.set_xlabel(label, color=_INK, fontsize=9)
    for number, share in enumerate(shares):
        if not share["n"]:
            start = axes.get_xlim()[0]
            axes.text(start, number, "  not counted", va="center", fontsize=8.5, color=_FAINT)
            continue
        axes.plot(share["ci"], [number, number], color=colour, linewidth=1.8, zorder=3)
        axes.plot(share["rate"], number, "o", color=colour, markersize=7, zorder=4)


def _times(axes: Axes, times: list[Mapping[str, Any]]) -> None:
    """From the median to the time that one picture in twenty exceeds, on a logarithmic scale."""
    axes.set_xscale("log")
    axes.set_xlabel("processor ms a picture: median, p95", color=_INK, fontsize=9)
    values = [time[key] for time in times for key in ("p50", "p95") if time[key]]
    if values:
        low, high = min(values) / 2, max(values) * 2
        axes.set_xlim(low, high)
        ticks = [tick for tick in _MS_TICKS if low <= tick <= high]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    for number, time in enumerate(times):
        if time["p50"] is None:
            continue
        ends = max(time["p50"], 0.01), max(time["p95"], 0.01)
        axes.plot(ends, [number, number], color=_GREEN, linewidth=1.8, zorder=3)
        axes.plot(ends[0], number, "o", color=_GREEN, markersize=7, zorder=4)
        axes.plot(ends[1], number, "|", color=_GREEN, markersize=9, zorder=4)
