"""From frames to a template: only good frames, of one person, each counted once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from appliance import advice
from appliance.decision import ROUNDING_S
from appliance.errors import InputError
from appliance.matching import make_template
from appliance.perception import Observation, Perception
from appliance.types import Embedding, Frame, Template

# A template keeps at most this many frames; a longer recording is thinned out evenly.
MOST_FRAMES = 50
# Two vectors nearer than this are one frame given twice.
SAME_FRAME = 0.99999

DUPLICATE = "duplicate"
ANOTHER_FACE = "another_face"


@dataclass(frozen=True)
class Policy:
    """How frames are chosen.

    frames: stop after so many good ones; None takes all there are (pictures and recordings).
    interval_s: least time between two frames used. agreement: least cosine to the others.
    timeout_s: stop after so long; None for what ends by itself.
    """

    frames: int | None
    interval_s: float
    agreement: float
    timeout_s: float | None = None


@dataclass(frozen=True)
class Rejected:
    """A frame that was not used, and why (a Fault's value, or a word of this module)."""

    source: str
    reason: str


@dataclass(frozen=True, eq=False)
class Enrolled:
    """A template, the frames that made it, and those that did not."""

    template: Template
    used: Sequence[str]
    rejected: Sequence[Rejected]


@dataclass(frozen=True, eq=False)
class _Candidate:
    at: float
    source: str
    embedding: Embedding


def enrol(
    frames: Iterable[Frame],
    perception: Perception,
    policy: Policy,
    *,
    seen: Callable[[Observation], None] = lambda _: None,
    skipped: Callable[[], Sequence[tuple[str, str]]] = tuple,
) -> Enrolled:
    """Make a template. InputError when no frame is usable, or the frames show two people.

    seen: told of every frame, for progress and advice. skipped: asked at the end for files that
    could not be read, as (source, reason).
    """
    chosen, rejected = _collect(frames, perception, policy, seen)
    rejected += [Rejected(source, reason) for source, reason in skipped()]
    unique, twice = _without_duplicates(chosen)
    if not unique:
        raise _nothing_usable(rejected)
    kept, strangers = _one_person(unique, policy.agreement)
    template = make_template([item.embedding for item in kept], perception.stages.embedder.name)
    return Enrolled(template, [item.source for item in kept], [*rejected, *twice, *strangers])


def _collect(
    frames: Iterable[Frame],
    perception: Perception,
    policy: Policy,
    seen: Callable[[Observation], None],
) -> tuple[list[_Candidate], list[Rejected]]:
    chosen: list[_Candidate] = []
    rejected: list[Rejected] = []
    interval = policy.interval_s
    start: float | None = None
    perception.forget()
    for frame in frames:
        start = frame.at if start is None else start
        if policy.timeout_s is not None and frame.at - start >= policy.timeout_s:
            break
        due = not chosen or frame.at - chosen[-1].at >= interval - ROUNDING_S
        observation = perception.look(frame, embed=due)
        seen(observation)
        if observation.faults:
            rejected.append(Rejected(frame.source, observation.faults[0].value))
        elif observation.embedding is not None:
            chosen.append(_Candidate(frame.at, frame.source, observation.embedding))
        if policy.frames is not None and len(chosen) >= policy.frames:
            break
        if len(chosen) > 2 * MOST_FRAMES:
            # Half of them, and what follows as far apart as they are: all stays evenly covered.
            chosen = chosen[::2]
            interval = (chosen[-1].at - chosen[0].at) / (len(chosen) - 1)
    return chosen[:: -(-len(chosen) // MOST_FRAMES) or 1], rejected


def _without_duplicates(
    chosen: Sequence[_Candidate],
) -> tuple[list[_Candidate], list[Rejected]]:
    unique: list[_Candidate] = []
    twice: list[Rejected] = []
    for item in chosen:
        vector = item.embedding.vector
        if any(float(vector @ other.embedding.vector) > SAME_FRAME for other in unique):
            twice.append(Rejected(item.source, DUPLICATE))
        else:
            unique.append(item)
    return unique, twice


def _one_person(
    unique: Sequence[_Candidate], agreement: float
) -> tuple[list[_Candidate], list[Rejected]]:
    """Keep the frames that agree with the most central one; refuse when too few do."""
    vectors = np.stack([item.embedding.vector for item in unique])
    alike = vectors @ vectors.T
    centre = int(np.argmax(alike.sum(axis=1)))
    agrees = alike[centre] >= agreement
    agrees[centre] = True
    kept = [item for item, good in zip(unique, agrees, strict=True) if good]
    if 2 * len(kept) <= len(unique):
        raise InputError(
            f"The {len(unique)} usable pictures do not show one and the same person.",
            hint="Give pictures of one person only; `appliance verify` compares single ones.",
            code="several_people",
        )
    strangers = [
        Rejected(item.source, ANOTHER_FACE)
        for item, good in zip(unique, agrees, strict=True)
        if not good
    ]
    return kept, strangers


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
