"""The detection error trade-off as a picture: FAR against FRR on the normal deviate's scale.

Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997: where
both kinds of scores are normal the curve is a straight line, and the corner that matters is wide.
"""

from __future__ import annotations

import secrets
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.place import require_writable
from appliance.evaluation.rates import Trials
from appliance.evaluation.sheet import BLUE, FAINT, GREEN, INK, LINE, RED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
# What the axes show, and where they are marked.
_FAR_TICKS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
_FRR_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
_FAR_RANGE = (1e-6, 0.2)
_LEAST_FRR = 0.001
_COLOURS = (BLUE, RED, GREEN)
_POINTS = 400
# Characters in a line of the caption, and its height as a share of the picture's.
_CAPTION_WIDTH = 128
_CAPTION_LINE = 0.0205

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """One protocol. rows: as `evaluate lfw` reports them, by target."""

    title: str
    genuine: Trials
    impostor: Trials
    rows: Mapping[str, Mapping[str, Any]]


def check(path: Path) -> None:
    """InputError where no picture could be made there; to be asked before long work."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{path} is no name of a picture that can be drawn.",
            hint=f"Let it end in one of: {', '.join(SUFFIXES)}.",
        )
    require_writable(path, "picture", _not_written)
    if find_spec("matplotlib") is None:
        raise InputError(
            "A plot needs matplotlib, which is not installed.",
            hint="pip install 'face-access-appliance[plot]', or leave --plot out.",
            code="missing_library",
        )


def trade_off(genuine: Trials, impostor: Trials) -> tuple[_Floats, _Floats]:
    """(points,) FAR, falling, and the FRR at the same thresholds; both are steps' ends."""
    strangers, same = np.sort(impostor.scores)[::-1], np.sort(genuine.scores)
    if not len(strangers) or not len(same):
        return np.zeros(0), np.zeros(0)
    ranks = np.unique(np.geomspace(1, len(strangers), _POINTS).astype(np.int64))[::-1]
    thresholds = strangers[ranks - 1]
    # Equal scores are accepted together: count them all.
    far = np.searchsorted(-strangers, -thresholds, side="right") / len(strangers)
    frr = np.searchsorted(same, thresholds, side="left") / len(same)
    return far, frr


def probit(share: float) -> float:
    """The normal deviate of a share, kept finite."""
    return NormalDist().inv_cdf(min(max(share, 1e-9), 1 - 1e-9))


def draw(path: Path, lines: Sequence[Line], heading: str, caption: str) -> None:
    """Write the picture. InputError where that fails. check(path) has passed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 7.4), dpi=150, facecolor="white")
    told = textwrap.wrap(caption, _CAPTION_WIDTH)
    # The caption stands at the foot, and the axes get what it leaves.
    foot = 0.03 + _CAPTION_LINE * len(told)
    axes = figure.add_axes((0.1, foot + 0.08, 0.87, 0.835 - foot))
    highest = _scale(axes, lines)
    for target in lines[0].rows:
        _mark_target(axes, target)
    for line, colour in zip(lines, _COLOURS, strict=False):
        _draw_line(axes, line, colour, highest)
    axes.set_title(heading, loc="left", fontsize=12.5, color=INK, pad=22, fontweight="bold")
    axes.legend(loc="upper right", frameon=True, framealpha=0.95, edgecolor=LINE, fontsize=9)
    figure.text(
        0.1,
        foot,
        "\n".join(told),
        va="top",
        fontsize=8,
        color=FAINT,
        linespacing=1.35,
    )
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Put the picture at `path`, whole or not at all. InputError where that fails."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}{path.suffix}")
    try:
        figure.savefig(draft)
        draft.replace(path)
    except (OSError, ValueError) as error:  # ValueError: more rows than a picture can hold
        with suppress(OSError):
            draft.unlink()
        raise _not_written(path, (getattr(error, "strerror", "") or str(error)).lower()) from error


def _scale(axes: Axes, lines: Sequence[Line]) -> float:
    """Probit axes; the largest FRR that they show."""
    seen = [_LEAST_FRR * 10]
    for line in lines:
        far, frr = trade_off(line.genuine, line.impostor)
        seen += [float(rate) for rate in frr[far >= _FAR_RANGE[0]]]
        seen += [row["frr_ci"][1] for row in line.rows.values() if row["frr"] is not None]
    highest = min(next((tick for tick in _FRR_TICKS if tick > 1.15 * max(seen)), 0.99), 0.99)
    axes.set_xlim(*(probit(rate) for rate in _FAR_RANGE))
    axes.set_ylim(probit(_LEAST_FRR), probit(highest))
    axes.set_xticks([probit(tick) for tick in _FAR_TICKS])
    axes.set_xticklabels([f"$10^{{{round(np.log10(tick))}}}$" for tick in _FAR_TICKS])
    shown = [tick for tick in _FRR_TICKS if tick <= highest]
    axes.set_yticks([probit(tick) for tick in shown])
    axes.set_yticklabels([f"{100 * tick:g} %" for tick in shown])
    axes.set_xlabel("False accept rate (impostors let in)", color=INK, fontsize=10)
    axes.set_ylabel("False reject rate (genuine refused)", color=INK, fontsize=10)
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=9, length=0)
    for side in axes.spines.values():
        side.set_color(LINE)
    return highest


def _mark_target(axes: Axes, target: str) -> None:
    place = probit(float(target))
    axes.axvline(place, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        f"target {target}",
        (place, 1.0),
        (0, 4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="center",
        fontsize=8.5,
        color=FAINT,
    )


def _draw_line(axes: Axes, line: Line, colour: str, highest: float) -> None:
    far, frr = trade_off(line.genuine, line.impostor)
    kept = (far > 0) & (far < 1)
    x = [probit(rate) for rate in far[kept]]
    y = [probit(rate) for rate in np.clip(frr[kept], _LEAST_FRR, highest)]
    axes.plot(x, y, color=colour, linewidth=1.8, label=_label(line), zorder=3)
    for row in line.rows.values():
        if row["far"] is not None and row["frr"] is not None:
            _draw_threshold(axes, row, colour, highest)


def _draw_threshold(axes: Axes, row: Mapping[str, Any], colour: str, highest: float) -> None:
    """A shipped threshold: what it gave, and its intervals; hollow where no impostor passed."""
    x, (left, right) = _placed(row["far"], row["far_ci"], _FAR_RANGE)
    y, (low, high) = _placed(row["frr"], row["frr_ci"], (_LEAST_FRR, highest))
    axes.errorbar(
        x,
        y,
        xerr=[[x - left], [right - x]],
        yerr=[[y - low], [high - y]],
        fmt="o",
        color=colour,
        markersize=7,
        markerfacecolor=colour if row["far"] > _FAR_RANGE[0] else "white",
        markeredgecolor="white" if row["far"] > _FAR_RANGE[0] else colour,
        markeredgewidth=1.2,
        elinewidth=1.3,
        capsize=3,
        zorder=4,
    )


def _placed(
    rate: float, interval: Sequence[float], limits: tuple[float, float]
) -> tuple[float, tuple[float, float]]:
    place, low, high = (probit(float(np.clip(it, *limits))) for it in (rate, *interval))
    return place, (min(low, place), max(high, place))


def _label(line: Line) -> str:
    return (
        f"{line.title}\n{line.genuine.scores.size:,} genuine, "
        f"{line.impostor.scores.size:,} impostor comparisons"
    )


def _not_written(path: Path, why: str) -> InputError:
    return InputError(
        f"The plot {path} cannot be written: {why}.",
        hint="Name a file in a folder of yours.",
        code="plot_not_written",
    )
