"""Whether a trained network may be used: on people who had no say in it, and only if none worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.training.comparison import Change, Share


def objections(fitted_gain: bool, changes: Mapping[str, Sequence[Change]]) -> list[str]:  # noqa: FBT001 - one of two things that decide
    """Why it may not be used, a sentence each; empty where it may.

    fitted_gain: whether any epoch was better than the network as it was, on the people who steer.
    changes: by file, on the people who judge. One rate that grew, however little, over pairs or
    over people, is enough: what is no more than chance is no gain either.
    """
    if not fitted_gain:
        return ["No epoch was better than the network as it was, on the people who steer training."]
    found = []
    for file, rates in changes.items():
        if not rates:
            found.append(f"{file}: too few strangers to state any false accept rate.")
        found += [
            f"{file} rejects more of the {change.counted} held back at a FAR of {change.far:g}: "
            f"{change.after.value:.2%} instead of {change.before.value:.2%}."
            for change in rates
            if change.worse
        ]
    return found


def told(changes: Sequence[Change]) -> dict[str, Any]:
    """The JSON of one file's rates, by FAR: over pairs, and under `people` over people."""
    found: dict[str, Any] = {}
    for change in changes:
        place = found.setdefault(f"{change.far:.0e}".replace("e-0", "e-"), {})
        place |= _rates(change) if change.counted == "pairs" else {"people": _rates(change)}
    return found


def tables(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The same for a manifest, see vision.manifest.JudgedRate."""
    return [
        {
            "far": change.far,
            "counted": change.counted,
            "before": _number(change.before),
            "after": _number(change.after),
        }
        for change in changes
    ]


def _rates(change: Change) -> dict[str, Any]:
    return {
        "frr_before": _number(change.before),
        "frr_before_ci": _interval(change.before),
        "frr_after": _number(change.after),
        "frr_after_ci": _interval(change.after),
        "difference": _number(change.difference),
        "difference_ci": _interval(change.difference),
    }


def _number(share: Share) -> float:
    return float(f"{share.value:.4g}")


def _interval(share: Share) -> list[float]:
    return [float(f"{edge:.4g}") for edge in share.interval]
