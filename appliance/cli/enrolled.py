"""What `appliance enroll` tells of a template: to scripts, to people, and as warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.cli.session import counted, percent, printable
from appliance.enrolment.alike import Likeness
from appliance.enrolment.enrol import Enrolled
from appliance.enrolment.expected import LEAST_FRAMES, ExpectedFrr
from appliance.types import Pose

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.config import Config
    from appliance.enrolment.collect import Rejected

# More than this are told by number.
MOST_LISTED = 10
# Rates below this are not told to people as figures: so few frames cannot know them.
LEAST_TOLD = 1e-4


@dataclass(frozen=True, eq=False)
class Account:
    """One enrolment.

    replaces: somebody of this name was enrolled before; before: how alike the two are, None where
    their models differ. look_alikes: others; not_compared: why they could not be looked at.
    """

    name: str
    enrolled: Enrolled
    expected: ExpectedFrr | None
    replaces: bool = False
    before: Likeness | None = None
    look_alikes: tuple[Likeness, ...] = ()
    not_compared: str | None = None


def warnings(account: Account, config: Config) -> list[str]:
    """Sentences about what somebody should look at."""
    few = _few(account.enrolled, config.enrolment.min_frames_for_door)
    return [*few, *_poses(account.enrolled), *_before(account), *_alike(account)]


def _few(enrolled: Enrolled, least: int) -> list[str]:
    count = enrolled.template.count
    if count >= least:
        return []
    pictures = "one picture" if count == 1 else f"{count} pictures"
    told = (
        f"only {pictures} could be used. A template of {least} or more errs far less, and a door "
        "asks for it (enrolment.min_frames_for_door)."
    )
    return [told]


_SEEN = {
    Pose.STRAIGHT: "looking straight",
    Pose.LEFT: "turned to the left",
    Pose.RIGHT: "turned to the right",
    Pose.UP: "with the chin raised",
    Pose.DOWN: "with the chin lowered",
}


def _poses(enrolled: Enrolled) -> list[str]:
    shown = [pose for pose, count in enrolled.poses.items() if count]
    if enrolled.missing:
        missing = " and ".join(_SEEN[pose] for pose in enrolled.missing)
        return [f"the face was not seen {missing}; how it is recognised that way is not known."]
    if len(shown) == 1 and enrolled.template.count > 1:
        told = (
            f"all frames show the face {_SEEN[shown[0]]}; how it is recognised otherwise is not "
            "known."
        )
        return [told]
    return []


def _before(account: Account) -> list[str]:
    if not account.replaces:
        return []
    name, before = account.name, account.before
    if before is None:
        told = (
            f"the {name!r} enrolled before was of another model, so it could not be checked that "
            "this is the same person."
        )
        return [told]
    if before.accepted:
        return []
    told = (
        f"this does not look like the {name!r} enrolled before (similarity "
        f"{before.similarity:.3f}). Find out whose face it is, and remove {name!r} if in doubt."
    )
    return [told]


def _alike(account: Account) -> list[str]:
    found = [_alike_one(item) for item in account.look_alikes]
    if account.not_compared is not None:
        found.append(
            "it could not be checked whether this face is enrolled under another name. "
            f"{account.not_compared}"
        )
    return found


def _alike_one(item: Likeness) -> str:
    worth = f"similarity {item.similarity:.3f}; {_strangers(item)} of strangers come this close"
    if item.accepted:
        return (
            f"this looks like {item.name!r}, already enrolled ({worth}). Either it is the same "
            "person, or two so alike, as twins are, that a door cannot tell them apart: each opens "
            "where the other may."
        )
    return f"this resembles {item.name!r}, already enrolled ({worth})."


def _strangers(item: Likeness) -> str:
    return f"{percent(float(f'{item.far:.1g}'))}{' or fewer' if item.far_is_bound else ''}"


def as_json(account: Account, told: Sequence[str]) -> dict[str, object]:
    """The contract's fields, and what was found besides."""
    enrolled, template = account.enrolled, account.enrolled.template
    return {
        "name": account.name,
        "frames_used": template.count,
        "frames_rejected": [
            {"source": item.source, "reason": item.reason} for item in enrolled.rejected
        ],
        "template": {
            "model": template.model,
            "fingerprint": template.fingerprint,
            "count": template.count,
        },
        "poses": {pose.value: count for pose, count in enrolled.poses.items()},
        "expected_frr": _expected_json(account),
        "looks_like": [_likeness_json(item) for item in account.look_alikes],
        "before": _likeness_json(account.before) if account.before else None,
        "warnings": list(told),
    }


def _likeness_json(item: Likeness) -> dict[str, object]:
    return {
        "name": item.name,
        "similarity": round(item.similarity, 4),
        "far": float(f"{item.far:.2g}"),
        "accepted": item.accepted,
    }


def _expected_json(account: Account) -> dict[str, object] | None:
    expected = account.expected
    if expected is None:
        return None
    return {
        "value": round(expected.value, 4),
        "low": round(expected.low, 4),
        "high": round(expected.high, 4),
        "frames": expected.frames,
        "target_far": expected.target_far,
        "flatters": account.enrolled.one_recording,
    }


def for_people(console: Console, account: Account) -> None:
    """The template, what to expect of it, and what was not used."""
    enrolled, template = account.enrolled, account.enrolled.template
    used = "1 frame" if template.count == 1 else f"{template.count} frames"
    console.print(f"Enrolled {account.name!r} from {used} with {template.model}.", markup=False)
    shown = ", ".join(f"{count} {pose.value}" for pose, count in enrolled.poses.items() if count)
    console.print(f"Poses: {shown}.", markup=False)
    console.print(_expectation(account), markup=False)
    if enrolled.rejected:
        console.print("Not used:")
    for line in left_out(enrolled.rejected):
        console.print(f"  {printable(line)}", markup=False)


def _expectation(account: Account) -> str:
    expected = account.expected
    if expected is None:
        return (
            f"Expected to be rejected: not estimated; it takes {LEAST_FRAMES} frames to see how "
            "much they differ."
        )
    flatters = (
        " Frames of one recording look alike, so other days will be worse."
        if account.enrolled.one_recording
        else ""
    )
    low, high = _rate(expected.low), _rate(expected.high)
    interval = f"{low} to {high}, " if low != high else ""
    return (
        f"Expected to be rejected: {_rate(expected.value)} of this person's single good pictures "
        f"({interval}from {expected.frames} frames) at a false-accept rate of "
        f"{percent(expected.target_far)}.{flatters}"
    )


def _rate(share: float) -> str:
    return f"below {percent(LEAST_TOLD)}" if share < LEAST_TOLD else f"{100 * share:.2g} %"


def left_out(rejected: Sequence[Rejected]) -> list[str]:
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
