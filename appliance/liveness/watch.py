"""All that looks for life in the frames of one attempt, brought to one verdict per frame.

The rules, before the code:

1. A frame that its own appearance calls an attack is an attack, whatever was seen before it, and
   one that cannot be judged by it is not live.
2. What all passive cues found so far is one score (see `fusion`). Below the lower of two thresholds
   it is an attack, from the upper one on it may be live; the upper one is stated as the share of
   living people that it costs, below the lower one an attack is the likelier. Nothing is live
   before it was watched for `SETTLE_S`, for most cues need to see some motion before they can say
   anything against it.
3. Where motion is asked for, nothing is live before a motion in depth was seen. A photograph held
   still is never called an attack for that; it is just never let in.
4. Where a challenge is set, nothing is live before it was answered; a wrong or early answer is an
   attack.
5. A picture by itself has no motion and answers nothing: it is judged by rule 1 alone, and says
   so. What that is worth is for the caller to decide (see `decision`, rule 3).
6. Where there is an infrared camera, a frame is live only when its face is in the infrared picture
   of that moment too; a face that is missing there again and again is an attack (see `infrared`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from appliance.liveness.appearance import CUE
from appliance.liveness.cue import Cue, View
from appliance.liveness.fusion import Fusion, Opinion
from appliance.liveness.infrared import Sighting
from appliance.types import Ask, Frame, Landmarks, Liveness, LivenessState, Suspicion

# The measure of motion in depth; see `geometry`.
RELIEF = "relief"
# How many frames the network looks at while something else is missing still. When nothing is, it
# looks at each, for only frames that it was shown itself are used.
LOOKS = 3
_NOT_LOOKED_AT = Liveness(LivenessState.NOT_CHECKED)
# Seconds for which a face is watched at least.
SETTLE_S = 0.7
# Seconds without a motion in depth after which the person is asked to move.
PATIENCE_S = 1.2


class Appearance(Protocol):
    """What judges one frame by itself."""

    def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        """Live, spoof or undetermined, with the score 0 to 1 of a live face."""
        ...


class Challenge(Protocol):
    """What asks for movements and sees whether they are made."""

    @property
    def ask(self) -> Ask | None:
        """What is asked for at this moment."""
        ...

    @property
    def outcome(self) -> Literal["running", "passed", "failed"]:
        """How it stands."""
        ...

    @property
    def reason(self) -> Suspicion | None:
        """Why it failed."""
        ...

    @property
    def unanswered(self) -> bool:
        """Whether it runs on without hope, and without suspicion."""
        ...

    def see(self, view: View) -> None:
        """The next frame of the same face."""
        ...

    def forget(self) -> None:
        """Begin anew with a new choice."""
        ...


class Infrared(Protocol):
    """What looks for the face in the picture of an infrared camera; see `infrared`."""

    @property
    def accuses(self) -> bool:
        """Whether the face was missing there for so often that it is an attack."""
        ...

    @property
    def enough(self) -> bool:
        """Whether a frame that is not live needs no look any more."""
        ...

    def expect(self, at: float) -> None:
        """A face is followed, and will be looked for."""
        ...

    def look(self, frame: Frame, face: Landmarks) -> Sighting:
        """Whether this frame's face is there."""
        ...

    def measures(self) -> Mapping[str, float]:
        """What was found so far."""
        ...

    def forget(self) -> None:
        """Another person may stand there."""
        ...


@dataclass(frozen=True)
class Thresholds:
    """Of the fused score: an attack below `attack`, perhaps live from `live` on."""

    attack: float
    live: float


class LivenessWatch:
    """Port LivenessCheck. motion: whether nothing is live without a motion in depth."""

    def __init__(  # noqa: PLR0913 - one argument per part
        self,
        appearance: Appearance,
        cues: Sequence[Cue],
        fusion: Fusion,
        thresholds: Thresholds,
        *,
        motion: bool,
        challenge: Challenge | None = None,
        infrared: Infrared | None = None,
    ) -> None:
        self._appearance = appearance
        self._cues = tuple(cues)
        self._fusion = fusion
        self._thresholds = thresholds
        self._motion = motion
        self._challenge = challenge
        self.infrared = infrared
        self._scores: list[float] = []
        self._frames = 0
        self._began = self._at = 0.0
        self._solid = False

    @property
    def ask(self) -> Ask | None:
        """What the person is to do now: the challenge's, or to move where nothing moved yet."""
        challenge = self._challenge
        if challenge is not None and challenge.outcome == "running":
            return challenge.ask
        waited = self._frames > 0 and self._at - self._began >= PATIENCE_S
        return Ask.MOVE if self._motion and waited and not self._solid else None

    def see(self, frame: Frame, landmarks: Landmarks) -> None:
        """A frame in which one face is followed, in order."""
        if self._frames == 0:
            self._began = frame.at
        self._at = frame.at
        self._frames += 1
        view = View(frame, landmarks)
        for cue in self._cues:
            cue.see(view)
        if self._challenge is not None and not frame.still:
            self._challenge.see(view)
        if self.infrared is not None:
            self.infrared.expect(frame.at)

    def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        """Judge one frame that `see` was shown, with all that was seen before it."""
        if frame.still:
            return self._of_a_picture(frame, landmarks)
        challenge = self._challenge
        found = self._cues_found()
        self._solid = found.get(RELIEF, 0.0) >= self._fusion.relief
        own = self._own(frame, landmarks)
        measures = {CUE: sum(self._scores) / len(self._scores), **found}
        opinion = self._fusion.judge(measures)
        state, reasons = self._verdict(own, opinion)
        if self.infrared is not None:
            state, reasons = _in_both(self.infrared, frame, landmarks, state, reasons)
            measures |= self.infrared.measures()
        return Liveness(
            state,
            opinion.score,
            measures,
            reasons,
            frames=max(self._frames, 1),
            motion=self._solid,
            answered=challenge is not None and challenge.outcome == "passed",
            unanswered=challenge is not None and challenge.unanswered,
            waits=state is LivenessState.UNDETERMINED and not reasons,
            looked=own is not _NOT_LOOKED_AT,
        )

    def _of_a_picture(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        own = self._appearance.check(frame, landmarks)
        state, measures = own.state, dict(own.cues)
        live = state is LivenessState.LIVE
        reasons: tuple[Suspicion, ...] = () if live else (Suspicion.APPEARANCE,)
        if self.infrared is not None:
            state, reasons = _in_both(self.infrared, frame, landmarks, state, reasons)
            measures |= self.infrared.measures()
        return Liveness(state, own.score, measures, reasons, frames=1)

    def forget(self) -> None:
        """Another person may stand there from the next frame on."""
        self._scores.clear()
        self._frames = 0
        self._solid = False
        for cue in self._cues:
            cue.forget()
        if self._challenge is not None:
            self._challenge.forget()
        if self.infrared is not None:
            self.infrared.forget()

    def _own(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        """What the frame by itself looks like; the network runs on few that cannot count anyway."""
        if len(self._scores) >= LOOKS and self._is_open():
            return _NOT_LOOKED_AT
        own = self._appearance.check(frame, landmarks)
        # What cannot be judged, or is not a number, is no life.
        self._scores.append(own.score if own.score is not None and own.score >= 0 else 0.0)
        return own

    def _cues_found(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for cue in self._cues:
            found |= cue.measures()
        return found

    def _is_open(self) -> bool:
        """Whether time, motion or an answer is still missing."""
        challenge = self._challenge
        unanswered = challenge is not None and challenge.outcome != "passed"
        unsettled = not self._at - self._began >= SETTLE_S
        return unsettled or unanswered or (self._motion and not self._solid)

    def _verdict(
        self, own: Liveness, opinion: Opinion
    ) -> tuple[LivenessState, tuple[Suspicion, ...]]:
        attack = self._attack(own, opinion)
        if attack is not None:
            return LivenessState.SPOOF, attack
        if own is not _NOT_LOOKED_AT and own.state is not LivenessState.LIVE:
            return LivenessState.UNDETERMINED, opinion.reasons or (Suspicion.APPEARANCE,)
        if opinion.score < self._thresholds.live:
            return LivenessState.UNDETERMINED, opinion.reasons
        live = own.state is LivenessState.LIVE and not self._is_open()
        return (LivenessState.LIVE if live else LivenessState.UNDETERMINED), ()

    def _attack(self, own: Liveness, opinion: Opinion) -> tuple[Suspicion, ...] | None:
        """Why it is an attack; None where it is none."""
        challenge = self._challenge
        if challenge is not None and challenge.outcome == "failed":
            return challenge.reason or Suspicion.WRONG_MOVEMENT, *opinion.reasons
        if own.state is LivenessState.SPOOF:
            others = (why for why in opinion.reasons if why is not Suspicion.APPEARANCE)
            return Suspicion.APPEARANCE, *others
        # Written so that a score that is not a number is an attack.
        return None if opinion.score >= self._thresholds.attack else opinion.reasons


def _in_both(
    infrared: Infrared,
    frame: Frame,
    landmarks: Landmarks,
    state: LivenessState,
    reasons: tuple[Suspicion, ...],
) -> tuple[LivenessState, tuple[Suspicion, ...]]:
    """The verdict, with what the infrared shows: of few frames that cannot count anyway."""
    could_count = state is LivenessState.LIVE
    looked = could_count or not infrared.enough
    found = infrared.look(frame, landmarks) if looked else Sighting.UNKNOWN
    if infrared.accuses:
        return LivenessState.SPOOF, (Suspicion.INFRARED, *reasons)
    if could_count and found is not Sighting.PRESENT:
        return LivenessState.UNDETERMINED, (Suspicion.INFRARED,)
    return state, reasons
