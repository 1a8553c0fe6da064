"""What `appliance enroll` tells people of a template, from its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from appliance.cli.session import counted, printable
from appliance.reports.rates import percent

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.enrolment.collect import Rejected

# More than this are told by number.
MOST_LISTED = 10
# Rates below this are not told to people as figures: so few frames cannot know them.
LEAST_TOLD = 1e-4


class LeftOut(NamedTuple):
    """A frame that was not used; as enrolment.collect.Rejected."""

    source: str
    reason: str


def for_people(console: Console, data: Mapping[str, Any]) -> None:
    """The template, what to expect of it, and what was not used."""
    count, model = data["template"]["count"], data["template"]["model"]
    used = "1 frame" if count == 1 else f"{count} frames"
    console.print(f"Enrolled {data['name']!r} from {used} with {model}.", markup=False)
    shown = ", ".join(f"{count} {pose}" for pose, count in data["poses"].items() if count)
    console.print(f"Poses: {shown}.", markup=False)
    console.print(_expectation(data["expected_frr"]), markup=False)
    if data["frames_rejected"]:
        console.print("Not used:")
    for line in left_out([LeftOut(**item) for item in data["frames_rejected"]]):
        console.print(f"  {printable(line)}", markup=False)


def _expectation(expected: Mapping[str, Any] | None) -> str:
    if expected is None:
        from appliance.enrolment.expected import LEAST_FRAMES

        return (
            f"Expected to be rejected: not estimated; it takes {LEAST_FRAMES} frames to see how "
            "much they differ."
        )
    flatters = (
        " Frames of one recording look alike, so other days will be worse."
        if expected["flatters"]
        else ""
    )
    low, high = _rate(expected["low"]), _rate(expected["high"])
    interval = f"{low} to {high}, " if low != high else ""
    return (
        f"Expected to be rejected: {_rate(expected['value'])} of this person's single good "
        f"pictures ({interval}from {expected['frames']} frames) at a false-accept rate of "
        f"{percent(expected['target_far'])}.{flatters}"
    )


def _rate(share: float) -> str:
    return f"below {percent(LEAST_TOLD)}" if share < LEAST_TOLD else f"{100 * share:.2g} %"


def left_out(rejected: Sequence[Rejected | LeftOut]) -> list[str]:
    """What was not used and why: by name where that can be read, by number in a long recording."""
    sentences = [item for item in rejected if " " in item.reason]
    faults = [item for item in rejected if " " not in item.reason]
    if len(rejected) <= MOST_LISTED:
        lines = [f"{item.source}: {item.reason.replace('_', ' ')}" for item in faults]
    else:
        lines = [counted(item.reason for item in faults)] if faults else []
    lines += [item.reason.rstrip(".") for item in sentences[:MOST_LISTED]]
    more = len(sentences) - MOST_LISTED
    return [*lines, f"and {more} more files that cannot be read"] if more > 0 else lines
