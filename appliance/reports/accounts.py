"""What is told of an enrolment: as JSON, and as warnings about what somebody should look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from appliance.enrolment.alike import Likeness
from appliance.enrolment.enrol import Enrolled
from appliance.enrolment.expected import ExpectedFrr
from appliance.enrolment.register import Findings
from appliance.reports.rates import percent
from appliance.types import Pose


@dataclass(frozen=True, eq=False)
class Account:
    """One enrolment. found: how it stands to who is enrolled already."""

    name: str
    enrolled: Enrolled
    expected: ExpectedFrr | None
    found: Findings = field(default_factory=Findings)

    @property
    def handicap(self) -> float:
        """Of its frames, the median."""
        return median(self.enrolled.handicaps)


def warnings(account: Account, min_frames: int) -> list[str]:
    """Sentences about what somebody should look at. min_frames: what a door asks for."""
    few = _few(account.enrolled, min_frames)
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
    if not account.found.replaces:
        return []
    name, before = account.name, account.found.before
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
    found = [_alike_one(item) for item in account.found.look_alikes]
    if account.found.not_compared is not None:
        found.append(
            "it could not be checked whether this face is enrolled under another name. "
            f"{account.found.not_compared}"
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


def account_json(account: Account, told: Sequence[str]) -> dict[str, object]:
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
        "looks_like": [_likeness_json(item) for item in account.found.look_alikes],
        "before": _likeness_json(account.found.before) if account.found.before else None,
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
