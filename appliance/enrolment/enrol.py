"""Frames in, a template out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from appliance import advice
from appliance.enrolment.collect import Candidate, Look, Policy, Rejected, collect
from appliance.enrolment.one_person import Sorted, sort_out
from appliance.enrolment.poses import spread
from appliance.errors import InputError
from appliance.matching import make_template
from appliance.perception import Perception
from appliance.types import Frame, Pose, Template

ANOTHER_FACE = "another_face"
OUTLIER = "outlier"
# A message names so many pictures; more are told by number.
MOST_NAMED = 3


@dataclass(frozen=True, eq=False)
class Enrolled:
    """A template, the frames that made it, and those that did not.

    poses: how many of the frames used show each. missing: poses asked for and not seen.
    one_recording: frames of one recording are among those used; they look alike. handicaps: of
    each frame used, by the policy.
    """

    template: Template
    used: Sequence[str]
    rejected: Sequence[Rejected]
    poses: Mapping[Pose, int]
    missing: Sequence[Pose]
    one_recording: bool
    handicaps: Sequence[float]


def enrol(
    frames: Iterable[Frame],
    perception: Perception,
    policy: Policy,
    *,
    seen: Callable[[Look], None] = lambda _: None,
    skipped: Callable[[], Sequence[tuple[str, str]]] = tuple,
) -> Enrolled:
    """Make a template. InputError when no frame is usable, or the frames show two people.

    seen: told of every frame, for progress and advice. skipped: asked at the end for files that
    could not be read, as (source, reason).
    """
    gathered = collect(frames, perception, policy, seen)
    rejected = [*gathered.rejected, *(Rejected(*item) for item in skipped())]
    chosen = gathered.chosen
    if not chosen:
        raise _nothing_usable(rejected)
    vectors = np.stack([item.embedding.vector for item in chosen])
    # Where most faces are poor, strangers' are as poor, and then they look more alike.
    off = float(np.median([policy.handicap(item.quality) for item in chosen]))
    found = sort_out(vectors, policy.agreement + off, policy.belonging + off, policy.halves + off)
    _refuse_several_people(found, chosen)
    kept = [chosen[index] for index in found.kept]
    rejected += [Rejected(chosen[index].source, ANOTHER_FACE) for index in found.strangers]
    rejected += [Rejected(chosen[index].source, OUTLIER) for index in found.odd]
    return Enrolled(
        make_template([item.embedding for item in kept], perception.stages.embedder.name),
        [item.source for item in kept],
        rejected,
        spread([(item.quality.yaw, item.quality.pitch) for item in kept]),
        gathered.missing,
        one_recording=len({item.scene for item in kept}) < len(kept),
        handicaps=[policy.handicap(item.quality) for item in kept],
    )


def _refuse_several_people(found: Sorted, chosen: Sequence[Candidate]) -> None:
    hint = "Give pictures of one person only; `appliance verify` compares single ones."
    if not found.majority:
        raise InputError(
            f"The {len(chosen)} usable pictures do not show one and the same person.",
            hint=hint,
            code="several_people",
        )
    if found.somebody:
        named = _named([chosen[index].source for index in found.somebody])
        others = len(set(found.kept) - set(found.somebody))
        raise InputError(
            f"{named} show somebody else than the other {others} usable pictures.",
            hint=f"{hint} Leave out those with sunglasses or a disguise.",
            code="several_people",
        )


def _named(sources: Sequence[str]) -> str:
    """Two or more sources as the subject of a sentence."""
    distinct = list(dict.fromkeys(sources))
    if len(distinct) < len(sources):  # a camera calls all its frames by its own name
        return f"{len(sources)} frames"
    quoted = [f"“{source}”" for source in distinct[:MOST_NAMED]]
    more = len(distinct) - MOST_NAMED
    last = f"{more} more" if more > 0 else quoted.pop()
    return f"{', '.join(quoted)} and {last}"


def _nothing_usable(rejected: Sequence[Rejected]) -> InputError:
    # What a camera skipped is told in whole sentences.
    counts = Counter("unreadable" if " " in item.reason else item.reason for item in rejected)
    told = ", ".join(
        f"{count} {reason.replace('_', ' ')}" for reason, count in counts.most_common()
    )
    if not rejected:
        return InputError(
            "There was not a single frame to enrol from.",
            hint="Check that the camera or the recording shows pictures.",
            code="no_usable_frames",
        )
    worst = counts.most_common(1)[0][0]
    hints = {fault.value: sentence for fault, sentence in advice.FAULTS.items()}
    subject = (
        f"“{rejected[0].source}” cannot"
        if len(rejected) == 1
        else (f"None of the {len(rejected)} frames can")
    )
    return InputError(
        f"{subject} be used to enrol: {told}.",
        hint=hints.get(worst, "Give sharp, upright pictures of one face."),
        code="no_usable_frames",
    )
