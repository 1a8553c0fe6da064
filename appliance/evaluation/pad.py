"""One presentation before the appliance: is it taken for a living person, by its own rules?

An attempt runs as at a door, with the same pipeline and the same table of decisions, but whoever
is seen is taken for the one who was claimed. What is left is presentation attack detection, and
how it ends is counted in the terms of ISO/IEC 30107-3: a presentation that gets no response (no
face found, or none that the quality gate lets through) is neither a caught attack nor a refused
person.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import chain
from random import Random

from appliance.attempt import Attempt, Rules
from appliance.perception import Observation, Perception
from appliance.ports import Clock
from appliance.types import (
    Ask,
    Claim,
    Decision,
    Embedding,
    Fault,
    Frame,
    Liveness,
    LivenessState,
    Match,
    Suspicion,
    Verdict,
)
from appliance.vision.manifest import Calibration


class Outcome(str, Enum):
    """How a presentation ends; the value is the word in reports.

    The last three are non-responses: nothing was there that could be judged, or most of it was too
    poor.
    """

    LIVE = "live"
    SPOOF = "spoof"
    UNDETERMINED = "undetermined"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    POOR_QUALITY = "poor_quality"

    @property
    def is_response(self) -> bool:
        """Whether it was judged, and not mostly refused for its quality."""
        return self in RESPONSES


RESPONSES = (Outcome.LIVE, Outcome.SPOOF, Outcome.UNDETERMINED)
NON_RESPONSES = (Outcome.NO_FACE, Outcome.SEVERAL_FACES, Outcome.POOR_QUALITY)
_UNJUDGED = {
    Decision.NO_FACE: Outcome.NO_FACE,
    Decision.SEVERAL_FACES: Outcome.SEVERAL_FACES,
    Decision.POOR_QUALITY: Outcome.POOR_QUALITY,
}


class Lack(str, Enum):
    """What an undetermined presentation was short of, though nothing spoke against it."""

    MOTION = "motion"  # no motion in depth was seen
    ANSWER = "answer"  # the movement that was asked for was not made
    CERTAINTY = "certainty"  # what was found lies between the two thresholds
    LIVE_FRAMES = "live_frames"  # too few that follow each other were judged live


@dataclass(frozen=True)
class Presented:
    """What became of one attempt.

    score: 0 (attack) to 1 (live) of what decided: the least live of the frames used, the frame
    that was judged an attack, or else the last one judged. cues: of the same frame.
    reasons: what spoke against a living person. lack: see Lack.
    still: judged from a single picture, in which nothing moves.
    looked, judged: how many frames were looked at, and judged live or not.
    faults: how many frames were refused, by reason.
    after_s: seconds of the recording until it was decided or over. seconds: that it took here.
    cut_off: whether the recording ended before it was decided or its time was over.
    """

    outcome: Outcome
    score: float | None = None
    cues: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[Suspicion, ...] = ()
    lack: Lack | None = None
    still: bool = False
    looked: int = 0
    judged: int = 0
    faults: Mapping[Fault, int] = field(default_factory=dict)
    after_s: float = 0.0
    seconds: float = 0.0
    cut_off: bool = False


class Judge:
    """The appliance's liveness detection, as an attempt at a door uses it.

    fresh: makes the pipeline with the liveness check that is to be measured, anew for each attempt,
    for what happened in one must not reach into the next; it is handed what draws a challenge.
    clips, stills: how an attempt on a recording is decided, and one on a single picture.
    clock: for the time that it takes.
    """

    def __init__(
        self, fresh: Callable[[Random], Perception], clips: Rules, stills: Rules, clock: Clock
    ) -> None:
        self._fresh = fresh
        self._clips = clips
        self._stills = stills
        self._clock = clock

    def judge(
        self, frames: Iterable[Frame], attempts: int | None = 1, *, seed: str = ""
    ) -> list[Presented]:
        """Judge one presentation, from frames in order, each with its time.

        attempts: how many are made one after the other in a long recording, each from where the
        last one was decided; None: as many as it holds. Those that the end of the recording cuts
        off are left out, unless it is the first. Without a frame there is none.
        seed: the same one draws the same challenges; let it differ between presentations.
        Frames are drawn one by one and none is kept. A single one is judged as a picture.
        """
        random = Random(seed)  # noqa: S311 - to measure anew what was measured, not to guard a door
        stream = iter(frames)
        first, second = next(stream, None), next(stream, None)
        if first is None:
            return []
        if second is None:
            still = _Recording(iter([replace(first, still=True)]))
            return [replace(self._attempt(still, self._stills, random), still=True, cut_off=False)]
        found: list[Presented] = []
        rest = chain((first, second), stream)
        while attempts is None or len(found) < attempts:
            recording = _Recording(rest)
            presented = self._attempt(recording, self._clips, random)
            if recording.ended and found:
                break  # it had not its full time
            found.append(presented)
        return found

    def _attempt(self, recording: _Recording, rules: Rules, random: Random) -> Presented:
        notes = _Notes()
        attempt = Attempt(self._fresh(random), rules, self._clock)
        began = self._clock.monotonic()
        verdict = attempt.run(_CLAIM, Whoever(), recording, seen=notes.see)
        return replace(
            notes.presented(verdict, rules),
            after_s=recording.at,
            cut_off=recording.ended,
            seconds=self._clock.monotonic() - began,
        )


_CLAIM = Claim("whoever is seen", "evaluation")


class Whoever:
    """Stands for the template of whoever is seen: identity has no say in this measurement."""

    count = 1

    def require(self, fingerprint: str, model: str) -> None:
        """Every model will do."""

    def match(
        self,
        probes: Sequence[Embedding],  # noqa: ARG002 - the port's signature
        calibration: Calibration,  # noqa: ARG002 - likewise
        target_far: float,
    ) -> Match:
        """Accepts."""
        return Match(1.0, 0.0, target_far, math.nan)


class _Recording:
    """The frames of one attempt, their times counted from its first; a camera to `Attempt`.

    ended: whether they were used up. at: the time of the last one.
    """

    live = False
    length = None

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self.ended = False
        self.at = 0.0

    def frames(self) -> Iterator[Frame]:
        """Until the attempt is decided, or there are no more."""
        began = None
        for frame in self._frames:
            began = frame.at if began is None else began
            self.at = frame.at - began
            yield replace(frame, at=self.at)
        self.ended = True

    def pace(self, fps: float | None) -> None:
        """All frames are given."""

    def close(self) -> None:
        """Whoever handed the frames in closes their source."""


class _Notes:
    """What is seen in one attempt besides its verdict."""

    def __init__(self) -> None:
        self._looked = self._judged = 0
        self._faults: Counter[Fault] = Counter()
        self._last: Liveness | None = None
        self._challenged = False

    def see(self, observation: Observation) -> None:
        """One frame."""
        self._looked += 1
        self._faults.update(observation.faults[:1])
        self._challenged |= observation.ask not in {None, Ask.MOVE}
        if observation.liveness.state is not LivenessState.NOT_CHECKED:
            self._judged += 1
            self._last = observation.liveness

    def presented(self, verdict: Verdict, rules: Rules) -> Presented:
        """The attempt has ended."""
        outcome = self._outcome(verdict.decision)
        decided = outcome in {Outcome.LIVE, Outcome.SPOOF}
        found = verdict.liveness if decided else self._last
        lack = None
        if outcome is Outcome.UNDETERMINED and found is not None and not found.reasons:
            lack = self._lack(found, rules)
        return Presented(
            outcome,
            score=found.score if found else None,
            cues=dict(found.cues) if found else {},
            reasons=found.reasons if found else (),
            lack=lack,
            looked=self._looked,
            judged=self._judged,
            faults=dict(self._faults),
        )

    def _outcome(self, decision: Decision) -> Outcome:
        if decision is Decision.ACCEPT:
            return Outcome.LIVE
        if decision is Decision.SPOOF:
            return Outcome.SPOOF
        if not self._judged:
            return _UNJUDGED.get(decision, Outcome.UNDETERMINED)
        # Who is refused for quality in most frames is told so, and not judged by the few others.
        absent = self._faults[Fault.NO_FACE] + self._faults[Fault.SEVERAL_FACES]
        refused = self._faults.total() - absent
        clear = self._looked - self._faults.total()
        return Outcome.POOR_QUALITY if refused > clear else Outcome.UNDETERMINED

    def _lack(self, found: Liveness, rules: Rules) -> Lack:
        if rules.policy.motion_required and not found.motion:
            return Lack.MOTION
        if self._challenged and not found.answered:
            return Lack.ANSWER
        return Lack.LIVE_FRAMES if found.state is LivenessState.LIVE else Lack.CERTAINTY
