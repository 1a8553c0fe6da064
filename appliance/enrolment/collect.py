"""Which frames are gathered for a template: good ones, apart in time, none of them twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from appliance.decision import ROUNDING_S
from appliance.enrolment.poses import Plan, Prompt, begin, pose_of, step
from appliance.perception import Observation, Perception
from appliance.types import Embedding, Fault, Frame, Pose, Quality

# A template keeps at most this many frames; a longer recording is thinned out evenly.
MOST_FRAMES = 50
# Two vectors nearer than this are one picture, saved or scaled anew, or a person who did not move.
# Of 58,637 pairs of different photographs of one person none came this near (Labeled Faces in the
# Wild, half of its people); of pictures scaled by 0.8 nine in ten did.
SAME_FRAME = 0.99

DUPLICATE = "duplicate"


@dataclass(frozen=True)
class Policy:
    """How frames are chosen.

    frames: stop after so many good ones; None takes all there are (pictures and recordings).
    interval_s: least time between two frames that are compared. agreement: least cosine to
    another frame; belonging: to the mean of the others; halves: of the means of two groups of
    frames (`one_person` has the rules). timeout_s: stop after so long; None for what ends by
    itself. plan: the poses to ask for; None asks for none. handicap: how much more alike strangers
    look when their faces are as poor as this one.
    """

    frames: int | None
    interval_s: float
    agreement: float
    belonging: float
    halves: float
    timeout_s: float | None = None
    plan: Plan | None = None
    handicap: Callable[[Quality], float] = lambda _: 0.0


@dataclass(frozen=True)
class Rejected:
    """A frame that was not used, and why (a Fault's value, or a word of this room)."""

    source: str
    reason: str


@dataclass(frozen=True, eq=False)
class Look:
    """One frame was looked at.

    taken: how many frames there are now. prompt: what the person should do next, where poses are
    asked for.
    """

    observation: Observation
    taken: int
    prompt: Prompt | None


@dataclass(frozen=True, eq=False)
class Candidate:
    """A good frame. at: seconds. scene: its recording or picture."""

    at: float
    source: str
    scene: str
    embedding: Embedding
    quality: Quality


@dataclass(eq=False)
class Gathered:
    """What came of looking at the frames. missing: poses asked for and not seen."""

    chosen: list[Candidate] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    missing: tuple[Pose, ...] = ()

    def full(self, policy: Policy) -> bool:
        """Enough frames."""
        return policy.frames is not None and len(self.chosen) >= policy.frames


def collect(
    frames: Iterable[Frame],
    perception: Perception,
    policy: Policy,
    seen: Callable[[Look], None],
) -> Gathered:
    """Look at frames until there are enough, the time is over, or there are no more."""
    gathered = Gathered()
    guide, prompt = begin(policy.plan) if policy.plan else None, None
    interval, start, looked = policy.interval_s, None, None
    perception.forget()
    for frame in frames:
        start = frame.at if start is None else start
        if policy.timeout_s is not None and frame.at - start >= policy.timeout_s:
            break
        due = looked is None or frame.at - looked >= interval - ROUNDING_S
        observation = perception.look(frame, embed=due)
        candidate = _candidate(observation, gathered)
        looked = frame.at if observation.embedding is not None else looked
        if guide is not None:
            guide, prompt = step(guide, _told(observation, candidate), frame.at)
            candidate = candidate if prompt.take else None
            gathered.missing = guide.missing
        if candidate is not None:
            gathered.chosen.append(candidate)
        seen(Look(observation, len(gathered.chosen), prompt))
        if gathered.full(policy):
            break
        if len(gathered.chosen) > 2 * MOST_FRAMES:
            # Half of them, and what follows as far apart as they are: all stays evenly covered.
            gathered.chosen = gathered.chosen[::2]
            first, last = gathered.chosen[0], gathered.chosen[-1]
            interval = (last.at - first.at) / (len(gathered.chosen) - 1)
    gathered.chosen = gathered.chosen[:: -(-len(gathered.chosen) // MOST_FRAMES) or 1]
    return gathered


def _candidate(observation: Observation, gathered: Gathered) -> Candidate | None:
    """The frame if it is good and new; what is wrong with it goes to `rejected`."""
    frame, quality = observation.frame, observation.quality
    if observation.faults:
        gathered.rejected.append(Rejected(frame.source, observation.faults[0].value))
    if observation.embedding is None or quality is None:
        return None
    vector = observation.embedding.vector
    if any(float(vector @ it.embedding.vector) > SAME_FRAME for it in gathered.chosen):
        gathered.rejected.append(Rejected(frame.source, DUPLICATE))
        return None
    return Candidate(frame.at, frame.source, frame.scene, observation.embedding, quality)


def _told(observation: Observation, candidate: Candidate | None) -> Pose | Fault | None:
    """What the guide is told of a frame. Cameras hang high or low, so only yaw counts there."""
    if observation.faults:
        return observation.faults[0]
    return None if candidate is None else pose_of(candidate.quality.yaw)
