"""Which pose a person is asked for next: a pure step over what was seen, and when.

The rules, before the code:

1. Poses are asked for in the plan's order, and each wants its share of the frames. A good frame
   of any pose that still lacks some is taken, whatever is asked for at that moment.
2. A pose that gains nothing for `patience_s` is passed over and not asked for again; its frames
   are still welcome. Time without a face does not count: nobody was there to be asked.
3. Once every pose has its share or was passed over, frames of any pose are taken until there
   are enough.
4. A fault is told instead of the pose when it has lasted for `TROUBLE_S`; a shorter one is a
   blink or a step, and a sentence that flickers is not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from appliance.types import Fault, Pose

# Degrees of yaw from which a face counts as turned, and of pitch, relative to the other frames of
# the set since cameras hang high or low, from which it counts as raised or lowered.
TURNED_DEG = 10.0
TILTED_DEG = 12.0
ASKED = (Pose.STRAIGHT, Pose.LEFT, Pose.RIGHT)
PATIENCE_S = 8.0
TROUBLE_S = 1.0


@dataclass(frozen=True)
class Plan:
    """How many frames of each pose are asked for, in this order."""

    shares: Mapping[Pose, int]
    patience_s: float = PATIENCE_S

    @property
    def frames(self) -> int:
        """How many in all."""
        return sum(self.shares.values())


@dataclass(frozen=True)
class Guide:
    """Where the asking stands.

    taken: the pose of each frame taken. asked: None while any pose will do. since: when `asked`
    was first asked for or last gained a frame; None before the first face. trouble: the fault
    that is going on and since when.
    """

    plan: Plan
    asked: Pose | None
    taken: tuple[Pose, ...] = ()
    passed_over: frozenset[Pose] = frozenset()
    since: float | None = None
    trouble: tuple[Fault, float] | None = None

    @property
    def done(self) -> bool:
        """Nothing more is wanted."""
        return len(self.taken) >= self.plan.frames

    @property
    def missing(self) -> tuple[Pose, ...]:
        """Poses asked for of which no frame was taken."""
        return tuple(pose for pose in self.plan.shares if pose not in self.taken)


@dataclass(frozen=True)
class Prompt:
    """What to say. say: a pose to take or a fault to mend; take: keep the frame just seen."""

    say: Pose | Fault
    take: bool = field(default=False)


def plan(frames: int, poses: Sequence[Pose] = ASKED) -> Plan:
    """Share `frames` out evenly; what is left over goes to the first pose."""
    each = frames // len(poses)
    return Plan(dict.fromkeys(poses, each) | {poses[0]: frames - each * (len(poses) - 1)})


def begin(of: Plan) -> Guide:
    """Nothing seen yet."""
    return Guide(of, next(iter(of.shares)))


def step(guide: Guide, seen: Pose | Fault | None, now: float) -> tuple[Guide, Prompt]:
    """One frame later.

    seen: the pose of a frame that could be taken, the fault of one that cannot, or None for a
    good frame that adds nothing (too soon, or like one taken before). now: seconds.
    """
    if seen is Fault.NO_FACE or guide.since is None:
        guide = replace(guide, since=now)
    before = len(guide.taken)
    if isinstance(seen, Pose) and not guide.done and _wanted(guide, seen):
        since = now if seen is guide.asked else guide.since
        guide = replace(guide, taken=(*guide.taken, seen), since=since)
    guide = _moved_on(guide, now)
    guide = replace(guide, trouble=_trouble(guide, seen, now))
    return guide, Prompt(_sentence(guide, now), take=len(guide.taken) > before)


def pose_of(yaw: float, pitch: float = 0.0) -> Pose:
    """The pose of a face; left and right are the person's own.

    yaw, pitch: degrees, positive towards the picture's right and down; pitch is relative to that
    of a face that looks straight ahead.
    """
    if abs(yaw) >= TURNED_DEG:
        return Pose.LEFT if yaw > 0 else Pose.RIGHT
    if abs(pitch) >= TILTED_DEG:
        return Pose.DOWN if pitch > 0 else Pose.UP
    return Pose.STRAIGHT


def spread(angles: Sequence[tuple[float, float]]) -> dict[Pose, int]:
    """How many frames show each pose. angles: (yaw, pitch) in degrees of each frame."""
    level = float(np.median([pitch for _, pitch in angles])) if angles else 0.0
    poses = [pose_of(yaw, pitch - level) for yaw, pitch in angles]
    return {pose: poses.count(pose) for pose in Pose}


def _wanted(guide: Guide, pose: Pose) -> bool:
    return guide.asked is None or _lacking(guide, pose) > 0


def _lacking(guide: Guide, pose: Pose) -> int:
    return guide.plan.shares.get(pose, 0) - guide.taken.count(pose)


def _moved_on(guide: Guide, now: float) -> Guide:
    if guide.asked is None or guide.since is None:
        return guide
    asked = guide.asked
    if now - guide.since >= guide.plan.patience_s:
        guide = replace(guide, passed_over=guide.passed_over | {asked})
    elif _lacking(guide, asked) > 0:
        return guide
    open_ = [
        pose
        for pose in guide.plan.shares
        if pose not in guide.passed_over and _lacking(guide, pose) > 0
    ]
    return replace(guide, asked=open_[0] if open_ else None, since=now)


def _trouble(guide: Guide, seen: Pose | Fault | None, now: float) -> tuple[Fault, float] | None:
    if not isinstance(seen, Fault):
        return None
    if guide.trouble is not None and guide.trouble[0] is seen:
        return guide.trouble
    return seen, now


def _sentence(guide: Guide, now: float) -> Pose | Fault:
    if guide.trouble is not None and now - guide.trouble[1] >= TROUBLE_S:
        return guide.trouble[0]
    return guide.asked or Pose.STRAIGHT
