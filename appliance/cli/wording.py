"""How results are worded for people, where several commands show the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from appliance.explanation.distances import of_cosine, of_threshold
from appliance.reports.rates import percent
from appliance.types import DoorEvent, Match

if TYPE_CHECKING:
    from rich.console import Console

# The upper end of the calibration curves: beyond it a rate is a bound, not a measurement.
HALF = 0.5
# A smaller handicap would be told as 0.
TOLD = 0.0005


def print_verdict(console: Console, data: Mapping[str, Any]) -> None:
    """What `verify` found, from its JSON."""
    style = "bold green" if data["decision"] == "accept" else "bold red"
    name = escape(data["name"])
    console.print(f"[{style}]{data['decision']}[/]  {name}: {escape(data['reason'])}")
    if data["similarity"] is not None:
        parts = ("similarity", "threshold", "target_far", "far", "handicap", "far_is_bound")
        match = Match(**{part: data[part] for part in parts})
        console.print(f"  {describe_match(match)}")
    if data["frames_used"]:
        console.print(f"  {_frames_used(data)}")
    console.print(f"  {data['timings_ms']['total']:.0f} ms in all")


def _frames_used(data: Mapping[str, Any]) -> str:
    frames = "1 frame" if data["frames_used"] == 1 else f"{data['frames_used']} frames"
    live = data["liveness"]
    score = "" if live["score"] is None else f" {live['score']:.2f}"
    return f"{frames} used, liveness {live['state']}{score} ({live['basis']})"


def describe_match(match: Match) -> str:
    """Similarity against threshold, and what both are worth."""
    poor = f" and a poor picture (+{match.handicap:.3f})" if match.handicap >= TOLD else ""
    return (
        f"similarity {match.similarity:.3f}, threshold {match.threshold:.3f} for a false-accept "
        f"rate of {percent(match.target_far)}{poor}; {_worth(match)} of strangers come this "
        "close"
    )


def distances_json(similarity: float) -> dict[str, float]:
    """What a cosine is as the Euclidean distance of the two unit vectors, and as its square."""
    alike = of_cosine(similarity)
    return {"distance": round(alike.distance, 5), "squared_distance": round(alike.squared, 5)}


def threshold_json(threshold: float) -> dict[str, float | None]:
    """The same of a threshold, which may lie beyond 1: then no distance reaches it."""
    if of_threshold(threshold) is None:
        return {"distance": None, "squared_distance": None}
    return {**distances_json(threshold)}


def threshold_told(threshold: float) -> str:
    """The same for people."""
    limit = of_threshold(threshold)
    if limit is None:
        return "none, for no two faces are so alike"
    return f"at most {limit.distance:.3f}, squared {limit.squared:.3f}"


def _worth(match: Match) -> str:
    """A rate for people; the curve says nothing beyond its ends."""
    if match.far >= HALF:
        return "half or more"
    return f"{percent(match.far)} or fewer" if match.far_is_bound else percent(match.far)


def history_json(events: list[DoorEvent]) -> list[dict[str, object]]:
    """The lock's commands, times relative to the first."""
    start = events[0].at if events else 0.0
    return [
        {"at_s": round(event.at - start, 3), "state": event.state.value, "cause": event.cause}
        for event in events
    ]


def print_history(console: Console, events: list[DoorEvent], *, simulated: bool) -> None:
    """The lock's commands, one a line."""
    console.print("Simulated lock:" if simulated else "Lock:")
    for item in history_json(events):
        console.print(f"  {item['at_s']:8.3f} s  {item['state']:<9} {item['cause']}", markup=False)
