"""The picture of `evaluate detectors`: what each finds, what it imagines, and how long it takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.evaluation import det
from appliance.evaluation.sheet import BLUE, GREEN, RED, dot, in_percent, named, said, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Where milliseconds are marked, on a logarithmic scale.
_MS_TICKS = tuple(step * 10**power for power in range(-2, 5) for step in (1, 2, 5))
_MOST_TICKS = 8

check = det.check


def draw(
    path: Path, report: Mapping[str, Any], titles: Mapping[str, str], heading: str, caption: str
) -> None:
    """Write the picture. titles: by detector. check(path) has passed. InputError where it fails."""
    rows = report["detectors"]
    figure, (found, alarms, times) = sheet([titles[name] for name in rows], heading, caption)
    _shares(found, [row["recall"] for row in rows.values()], BLUE, "faces found, 95 % interval")
    label = "pictures with a false alarm, 95 % interval"
    _shares(alarms, [row["false_alarms"] for row in rows.values()], RED, label)
    _times(times, [row["ms"] for row in rows.values()])
    det.save(figure, path)


def _shares(axes: Axes, shares: list[Mapping[str, Any]], colour: str, label: str) -> None:
    """A dot with its interval for each detector; words where nothing was counted."""
    counted = [share for share in shares if share["n"]]
    low = min((share["ci"][0] for share in counted), default=0.0)
    high = max((share["ci"][1] for share in counted), default=1.0)
    margin = 0.08 * max(high - low, 0.02)
    axes.set_xlim(max(low - margin, -0.02), min(high + margin, 1.02))
    in_percent(axes)
    named(axes, label)
    for number, share in enumerate(shares):
        if share["n"]:
            dot(axes, number, share, colour)
        else:
            said(axes, number, "not counted")


def _times(axes: Axes, times: list[Mapping[str, Any]]) -> None:
    """From the median to the time that one picture in twenty exceeds, on a logarithmic scale."""
    axes.set_xscale("log")
    named(axes, "processor ms a picture: median, p95")
    values = [time[key] for time in times for key in ("p50", "p95") if time[key]]
    if values:
        low, high = min(values) / 2, max(values) * 2
        axes.set_xlim(low, high)
        ticks = [tick for tick in _MS_TICKS if low <= tick <= high]
        if len(ticks) > _MOST_TICKS:  # their numbers would touch
            ticks = [tick for tick in ticks if math.log10(tick).is_integer()]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    for number, time in enumerate(times):
        if time["p50"] is None:
            continue
        ends = max(time["p50"], 0.01), max(time["p95"], 0.01)
        axes.plot(ends, [number, number], color=GREEN, linewidth=1.8, zorder=3)
        axes.plot(ends[0], number, "o", color=GREEN, markersize=7, zorder=4)
        axes.plot(ends[1], number, "|", color=GREEN, markersize=9, zorder=4)
