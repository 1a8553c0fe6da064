"""The course of a training as a picture: what a triplet costs, and whom people at a door lose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from appliance.evaluation.det import save
from appliance.evaluation.sheet import BLUE, FAINT, INK, LINE, RED
from appliance.training.comparison import Change
from appliance.training.fit import STEERED_AT, Fitted

_LOSS, _RATE = BLUE, RED


def draw(path: Path, fitted: Fitted, judged: Sequence[Change], heading: str) -> None:
    """Write the picture. InputError where that fails. evaluation.det.check(path) has passed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 5.4), dpi=150, facecolor="white")
    axes = figure.add_axes((0.09, 0.2, 0.82, 0.66))
    told = [(epoch.number, epoch.loss) for epoch in fitted.epochs if epoch.loss is not None]
    axes.plot(
        [number for number, _ in told],
        [loss for _, loss in told],
        color=_LOSS,
        linewidth=1.6,
        label="Mean cost of a semi-hard triplet",
    )
    axes.set_xlabel("Epoch", color=INK, fontsize=10)
    axes.set_ylabel("Triplet loss", color=_LOSS, fontsize=10)
    axes.grid(color=LINE, linewidth=0.6)
    rates = axes.twinx()
    rates.plot(
        [epoch.number for epoch in fitted.epochs],
        [100 * epoch.frr for epoch in fitted.epochs],
        color=_RATE,
        linewidth=1.8,
        label=f"FRR at FAR {STEERED_AT:g}, people who steer",
    )
    rates.plot(fitted.best.number, 100 * fitted.best.frr, "o", color=_RATE, markersize=8)
    rates.set_ylabel("False rejects, %", color=_RATE, fontsize=10)
    # Room for the legend above the line, whose last epochs are often its highest.
    rates.set_ylim(0, 1.35 * max(rates.get_ylim()[1], 1.0))
    for pair in (axes, rates):
        pair.tick_params(colors=FAINT, labelsize=9, length=0)
        for side in pair.spines.values():
            side.set_color(LINE)
    lines = [*axes.get_lines(), rates.get_lines()[0]]
    names = [str(line.get_label()) for line in lines]
    rates.legend(lines, names, loc="upper right", fontsize=9, edgecolor=LINE)
    axes.set_title(heading, loc="left", fontsize=12, color=INK, fontweight="bold", pad=12)
    figure.text(0.09, 0.04, _caption(fitted, judged), fontsize=8, color=FAINT, linespacing=1.4)
    save(figure, path)


def _caption(fitted: Fitted, judged: Sequence[Change]) -> str:
    lines = [f"Dot: the epoch that was kept, {fitted.best.number} of {fitted.epochs[-1].number}."]
    lines += [
        f"Judged on people who had no say, FAR {change.far:g}, each counting once: FRR "
        f"{change.before.value:.1%} before, {change.after.value:.1%} after "
        f"(95 %: {change.after.interval[0]:.1%} to {change.after.interval[1]:.1%})."
        for change in judged
        if change.counted == "people"
    ]
    return "\n".join(lines)
