"""One attempt to get in, as a pure table: (state, event, now) -> (state, actions).

The rules, before the code:

1. An attempt begins with a claim. A claim that is locked out, unknown or not permitted is
   denied at once, without a look at the face. (That tells a stranger which names are enrolled;
   the alternative, letting him stand before the camera for a pretended comparison, would
   still tell by the time it takes, and annoys everybody who mistypes. Each answer costs him
   the cool-down, and the audit shows the asking.)
2. At least `frames` good frames, `frame_interval_s` apart, must *agree*: each one's cosine
   with every other reaches `agreement`. A frame that does not agree shows that somebody else
   stepped in: collecting starts again with it. It also starts again when several faces are
   seen, and when nobody was seen for longer than `gap_s`.
3. Only a frame judged live is used where `liveness_required`, one that cannot be judged starts
   the collecting again, and any frame judged a spoof ends the attempt, used or not. Where
   `motion_required`, a frame is live only when a motion in depth was seen up to it. A frame that
   nothing speaks against while more is waited for (`Liveness.waits`) may be used, but nothing is
   compared before a live one came. All frames must show one face, used or not: when one does not
   agree with the first, what was seen of life before belongs to somebody else and is forgotten
   (`Doubt`).
   Who does not do in time what was asked for (`Liveness.unanswered`) is not let in, and not
   suspected.
4. An attempt is decided once, before `timeout_s` is over: a comparison that comes later does
   not count. What was missing decides how it ends (see `_shortfall`).
5. Accepted: the ledger first, then the audit, then the door, then the greeting. The driver
   does the actions in their order and stops at the first that fails, so a door never moves
   without its audit record.
6. `Failed`, which any exception in any stage becomes, begins with `Lock` in every state. A pulse
   that passes is ended by the door's own table and not from here: by then the door may have been
   released to somebody else.
7. Only `reject` and `spoof` count towards the lock-out: whoever was not seen well enough has
   proved nothing. After an attempt no claim is heard for `cool_down_s`; such a claim is told
   to wait, and neither counted nor audited, so that it cannot fill the log. After a spoof that is
   `spoof_cool_down_s`.

`now` is monotonic seconds. States, events and actions are frozen values, equal when their
parts are (an `Embedding` equals only itself). An event that has no row raises
`IllegalEventError` and changes nothing. docs/attempt.md shows the table as a picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeAlias

import numpy as np

from appliance import advice
from appliance.table import Row, Table, mermaid, row
from appliance.types import (
    Claim,
    Decision,
    Embedding,
    Fault,
    Liveness,
    LivenessState,
    Match,
    Verdict,
)

DOOR_FRAMES = 3  # fewer agreeing frames never open a door
ROUNDING_S = 1e-6  # ten frames a second are 0.1 s apart, whatever the floats say
_NOT_ONE_FACE = (Fault.NO_FACE, Fault.SEVERAL_FACES)
COUNTED = frozenset({Decision.REJECT, Decision.SPOOF})


@dataclass(frozen=True)
class Policy:
    """What an attempt asks for. All times in seconds.

    agreement: least cosine between any two frames used, from the model's calibration.
    frames: how many are wanted. minimum: how many are enough when the source has ended.
    pulse_s: how long the door is released; None for an attempt that only tells.
    motion_required: a frame counts as live only where a motion in depth was seen.
    """

    agreement: float
    frames: int
    minimum: int
    frame_interval_s: float
    gap_s: float
    timeout_s: float
    cool_down_s: float
    liveness_required: bool
    pulse_s: float | None = None
    motion_required: bool = False
    spoof_cool_down_s: float = 0.0

    def __post_init__(self) -> None:
        sound = (
            -1 <= self.agreement <= 1
            and 1 <= self.minimum <= self.frames
            and self.frame_interval_s >= 0
            and self.gap_s > 0
            and self.timeout_s > 0
            and self.cool_down_s >= 0
            and self.spoof_cool_down_s >= 0
            and (self.liveness_required or not self.motion_required)
        )
        if not sound or (self.pulse_s is not None and not self._fit_for_a_door(self.pulse_s)):
            raise ValueError(f"not a policy for an attempt: {self}")

    def _fit_for_a_door(self, pulse_s: float) -> bool:
        return (
            self.agreement > 0
            and self.minimum == self.frames >= DOOR_FRAMES
            and 0 < pulse_s < math.inf
            and math.isfinite(self.gap_s + self.timeout_s)
        )


@dataclass(frozen=True)
class Standing:
    """What is known of a claim before a face is seen.

    permitted: the template has enough frames and this model's fingerprint; `obstacle` says
    what is wrong where it is not. locked_for_s: the lock-out that remains, 0 for none.
    cooling_for_s: what remains of the cool-down after an attempt that this state did not see,
    such as one before a restart; 0 for none.
    """

    known: bool
    permitted: bool = True
    locked_for_s: float = 0.0
    cooling_for_s: float = 0.0
    obstacle: str = ""


# --- events -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Begin:
    """Somebody says who they are."""

    claim: Claim
    standing: Standing


@dataclass(frozen=True)
class GoodFrame:
    """One face, good enough to compare. at: seconds on the source's own clock."""

    at: float
    embedding: Embedding
    liveness: Liveness


@dataclass(frozen=True)
class BadFrame:
    """A frame that cannot be used, with its gravest fault."""

    fault: Fault


@dataclass(frozen=True)
class EndOfSource:
    """The files have ended, or the camera has finished."""


@dataclass(frozen=True)
class Compared:
    """The answer to `Compare`."""

    match: Match


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class PulseDone:
    """The door says that its pulse is over."""


@dataclass(frozen=True)
class Failed:
    """A stage, the store or the door raised. error: one sentence."""

    error: str


Event: TypeAlias = Begin | GoodFrame | BadFrame | EndOfSource | Compared | Tick | PulseDone | Failed


# --- actions ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compare:
    """Compare the probes with the template of the claim; answer with `Compared`."""

    claim: Claim
    probes: tuple[Embedding, ...]


class AuditEvent(str, Enum):
    """The words that attempts write into the audit log."""

    GRANTED = "access_granted"
    DENIED = "access_denied"


@dataclass(frozen=True)
class Audit:
    """Append to the audit log: `append(event.value, subject, detail)`.

    restarts: how often collecting began anew because the face changed or was lost.
    """

    event: AuditEvent
    claim: Claim
    verdict: Verdict
    restarts: int = 0

    @property
    def subject(self) -> str:
        """Whom it is about."""
        return self.claim.name

    @property
    def detail(self) -> dict[str, object]:
        """What can be kept as JSON; nothing in it shows a face."""
        verdict = self.verdict
        detail: dict[str, object] = {
            "decision": verdict.decision.value,
            "via": self.claim.via,
            "frames_used": verdict.frames_used,
            "restarts": self.restarts,
            "liveness": verdict.liveness.state.value,
            "liveness_score": verdict.liveness.score,
            "faults": {fault.value: count for fault, count in verdict.faults.items()},
        }
        if verdict.liveness.reasons:
            detail["liveness_reasons"] = [why.value for why in verdict.liveness.reasons]
        if self.claim.by:
            detail["by"] = self.claim.by
        if verdict.match is not None:
            detail |= {
                "similarity": verdict.match.similarity,
                "threshold": verdict.match.threshold,
                "target_far": verdict.match.target_far,
                "far": verdict.match.far,
            }
        return detail


@dataclass(frozen=True)
class CountFailure:
    """One more failure for the claim's lock-out."""

    claim: Claim


@dataclass(frozen=True)
class ClearFailures:
    """The claim was proved; its failures no longer count."""

    claim: Claim


@dataclass(frozen=True)
class Unlock:
    """Release the door for `pulse_s` seconds."""

    pulse_s: float


@dataclass(frozen=True)
class Doubt:
    """Somebody else may stand there: what was seen of life so far no longer counts."""


@dataclass(frozen=True)
class Lock:
    """Command *locked*, whatever the door was told before."""


@dataclass(frozen=True)
class Tell:
    """Tell the person how it ended."""

    claim: Claim
    verdict: Verdict


@dataclass(frozen=True)
class Report:
    """Report a fault of the appliance to whoever keeps it."""

    error: str


Action: TypeAlias = (
    Compare | Audit | CountFailure | ClearFailures | Unlock | Doubt | Lock | Tell | Report
)


# --- states -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Idle:
    """Nobody claims anything."""


@dataclass(frozen=True)
class Collecting:
    """Frames are being gathered.

    started, seen: when the attempt began, and when a single face was last seen.
    used: the frames that agree so far. good, unjudged: how many could be used at all, and how
    many failed only because their liveness was not settled. first: the face that all others must
    agree with. doubtful: the latest liveness that was not settled. proved: the latest good frame
    was live.
    """

    claim: Claim
    started: float
    seen: float
    used: tuple[GoodFrame, ...] = ()
    good: int = 0
    unjudged: int = 0
    restarts: int = 0
    faults: Mapping[Fault, int] = field(default_factory=dict)
    first: Embedding | None = None
    doubtful: Liveness | None = None
    proved: bool = False


@dataclass(frozen=True)
class Comparing:
    """Enough frames agree; the comparison is awaited."""

    collected: Collecting


@dataclass(frozen=True)
class Granted:
    """The door is released until `until`."""

    verdict: Verdict
    until: float


@dataclass(frozen=True)
class Served:
    """Accepted, and the door is locked again (or never moved); claims wait for `ready_at`."""

    verdict: Verdict
    ready_at: float


@dataclass(frozen=True)
class Denied:
    """Refused; claims wait for `ready_at`."""

    verdict: Verdict
    ready_at: float


@dataclass(frozen=True)
class Broken:
    """Something raised; the door was commanded locked; claims wait for `ready_at`."""

    error: str
    ready_at: float


Ended: TypeAlias = Served | Denied | Broken
State: TypeAlias = Idle | Collecting | Comparing | Granted | Ended
Step: TypeAlias = tuple[State, tuple[Action, ...]]
_Restart: TypeAlias = tuple[Collecting, tuple[Action, ...]]


# --- what the events do -------------------------------------------------------------------


def _begin(_state: State, event: Begin, now: float, policy: Policy) -> Step:
    if not event.standing.cooling_for_s <= 0:
        verdict = Verdict(Decision.LOCKED_OUT, advice.wait(event.standing.cooling_for_s))
        return Denied(verdict, now), (Tell(event.claim, verdict),)
    refusal = _refusal(event.standing)
    if refusal is not None:
        return _denied(event.claim, refusal, 0, now, policy)
    return Collecting(event.claim, started=now, seen=now), ()


def _refusal(standing: Standing) -> Verdict | None:
    # Written so that a NaN refuses.
    if not standing.locked_for_s <= 0:
        return Verdict(Decision.LOCKED_OUT, advice.locked_out(standing.locked_for_s))
    if not standing.known:
        return _verdict(Decision.UNKNOWN_PERSON)
    if not standing.permitted:
        return _verdict(Decision.NOT_PERMITTED, standing.obstacle)
    return None


def _begin_again(state: Ended, event: Begin, now: float, policy: Policy) -> Step:
    if now < state.ready_at:
        verdict = Verdict(Decision.LOCKED_OUT, advice.wait(state.ready_at - now))
        return state, (Tell(event.claim, verdict),)
    return _begin(state, event, now, policy)


def _good_frame(state: Collecting, event: GoodFrame, now: float, policy: Policy) -> Step:
    if _is_late(state, now, policy):
        return _give_up(state, now, policy)
    if event.liveness.state is LivenessState.SPOOF:
        verdict = replace(_told(state, Decision.SPOOF), liveness=event.liveness)
        return _denied(state.claim, verdict, state.restarts, now, policy)
    if event.liveness.unanswered:
        state = replace(state, doubtful=event.liveness)
        verdict = _told(state, Decision.TIMEOUT, advice.UNANSWERED)
        return _denied(state.claim, verdict, state.restarts, now, policy)
    state, doubts = _after_a_gap(state, now, policy)
    if not _agrees(event, state, policy):
        state, doubts = _restarted(state)
    # What was seen of life before a doubt was seen of somebody else.
    live = _is_live(event.liveness, policy, stale=bool(doubts))
    state = replace(_with(state, event, policy, live=live), seen=now)
    if not (live and state.proved and len(state.used) >= policy.frames):
        return state, doubts
    state_after, actions = _compare(state)
    return state_after, (*doubts, *actions)


def _bad_frame(state: Collecting, event: BadFrame, now: float, policy: Policy) -> Step:
    if _is_late(state, now, policy):
        return _give_up(state, now, policy)
    state, doubts = _after_a_gap(state, now, policy)
    if event.fault is Fault.SEVERAL_FACES:
        state, doubts = _restarted(state)
    seen = state.seen if event.fault is Fault.NO_FACE else now
    faults = {**state.faults, event.fault: state.faults.get(event.fault, 0) + 1}
    return replace(state, seen=seen, faults=faults), doubts


def _end_of_source(state: Collecting, _event: EndOfSource, now: float, policy: Policy) -> Step:
    enough = state.proved and len(state.used) >= policy.minimum
    if enough and not _is_late(state, now, policy):
        return _compare(state)
    return _give_up(state, now, policy, advice.TOO_FEW)


def _time_passes(state: Collecting, _event: Tick, now: float, policy: Policy) -> Step:
    return _give_up(state, now, policy) if _is_late(state, now, policy) else (state, ())


def _await(state: Comparing, _event: Tick, now: float, policy: Policy) -> Step:
    late = _is_late(state.collected, now, policy)
    return _give_up(state.collected, now, policy) if late else (state, ())


def _compared(state: Comparing, event: Compared, now: float, policy: Policy) -> Step:
    collected = state.collected
    # A comparison that hung, or slept with the board, must not open for an empty doorstep.
    if _is_late(collected, now, policy):
        return _give_up(collected, now, policy)
    decision = Decision.ACCEPT if event.match.accepted else Decision.REJECT
    verdict = replace(_told(collected, decision), match=event.match)
    if decision is Decision.REJECT:
        return _denied(collected.claim, verdict, collected.restarts, now, policy)
    return _accepted(collected, verdict, now, policy)


def _accepted(collected: Collecting, verdict: Verdict, now: float, policy: Policy) -> Step:
    claim = collected.claim
    if policy.pulse_s is None:
        return Served(verdict, now + policy.cool_down_s), (Tell(claim, verdict),)
    return Granted(verdict, until=now + policy.pulse_s), (
        ClearFailures(claim),
        Audit(AuditEvent.GRANTED, claim, verdict, collected.restarts),
        Unlock(policy.pulse_s),
        Tell(claim, verdict),
    )


def _pulse_over(state: Granted, _event: PulseDone, now: float, policy: Policy) -> Step:
    # The door's own table ends the pulse; a command from here could cut one that somebody else,
    # such as the button inside, was granted meanwhile.
    return Served(state.verdict, now + policy.cool_down_s), ()


def _pulse_passes(state: Granted, _event: Tick, now: float, policy: Policy) -> Step:
    if now < state.until:
        return state, ()
    return Served(state.verdict, now + policy.cool_down_s), ()


def _cool_down(state: Ended, _event: Tick, now: float, _policy: Policy) -> Step:
    return (state if now < state.ready_at else Idle()), ()


def _rest(state: Idle, _event: Tick, _now: float, _policy: Policy) -> Step:
    return state, ()


def _broken(_state: State, event: Failed, now: float, policy: Policy) -> Step:
    return Broken(event.error, now + policy.cool_down_s), (Lock(), Report(event.error))


# --- what the handlers share --------------------------------------------------------------


def _denied(claim: Claim, verdict: Verdict, restarts: int, now: float, policy: Policy) -> Step:
    actions: tuple[Action, ...] = (Tell(claim, verdict),)
    if policy.pulse_s is not None:  # what only tells changes and records nothing
        actions = (Audit(AuditEvent.DENIED, claim, verdict, restarts), *actions)
        if verdict.decision in COUNTED:
            actions = (CountFailure(claim), *actions)
    return Denied(verdict, now + _pause(verdict, policy)), actions


def _pause(verdict: Verdict, policy: Policy) -> float:
    """How long nobody is heard after a refusal."""
    longer = policy.spoof_cool_down_s if verdict.decision is Decision.SPOOF else 0.0
    return max(policy.cool_down_s, longer)


def _give_up(state: Collecting, now: float, policy: Policy, too_few: str = "") -> Step:
    decision, reason = _shortfall(state, too_few)
    verdict = _told(state, decision, reason)
    return _denied(state.claim, verdict, state.restarts, now, policy)


def _shortfall(state: Collecting, too_few: str) -> tuple[Decision, str]:
    """What was missing, most telling first."""
    several = state.faults.get(Fault.SEVERAL_FACES, 0)
    poor: dict[Fault, int] = {
        fault: count for fault, count in state.faults.items() if fault not in _NOT_ONE_FACE
    }
    single = state.good + state.unjudged + sum(poor.values())
    if several > single:
        return Decision.SEVERAL_FACES, ""
    if state.good:
        return Decision.TIMEOUT, too_few
    if not single:
        return Decision.NO_FACE, ""
    return Decision.POOR_QUALITY, _commonest(poor, state)


def _commonest(poor: Mapping[Fault, int], state: Collecting) -> str:
    """The sentence for what went wrong most often; the earliest seen where two are level."""
    worst = max(poor, key=lambda fault: poor[fault], default=None)
    if worst is not None and state.unjudged <= poor[worst]:
        return advice.FAULTS[worst]
    found = state.doubtful
    unmoved = found is not None and found.score is not None and not (found.motion or found.reasons)
    return advice.UNMOVED if unmoved else advice.UNJUDGED


def _verdict(decision: Decision, reason: str = "") -> Verdict:
    return Verdict(decision, reason or advice.DECISIONS[decision])


def _told(state: Collecting, decision: Decision, reason: str = "") -> Verdict:
    return replace(
        _verdict(decision, reason),
        frames_used=len(state.used),
        liveness=_weakest(state),
        faults=state.faults,
    )


def _weakest(state: Collecting) -> Liveness:
    """The least convincing of the frames that proved life: the honest one to show."""
    proofs = [it.liveness for it in state.used if it.liveness.state is LivenessState.LIVE]
    found = proofs or [it.liveness for it in state.used]
    nothing = state.doubtful or Liveness(LivenessState.NOT_CHECKED)
    return min(found, key=lambda it: -1.0 if it.score is None else it.score, default=nothing)


def _compare(state: Collecting) -> Step:
    probes = tuple(frame.embedding for frame in state.used)
    return Comparing(state), (Compare(state.claim, probes),)


def _with(state: Collecting, frame: GoodFrame, policy: Policy, *, live: bool) -> Collecting:
    """The frame counted, and used where it may be and is far enough from the last."""
    if state.first is None:
        state = replace(state, first=frame.embedding)
    if live:
        state = replace(state, good=state.good + 1, proved=True)
    else:
        state = replace(state, unjudged=state.unjudged + 1, doubtful=frame.liveness)
        if not frame.liveness.waits:
            # Such frames must follow one another: an attack that hovers must not pick its best.
            restarts = state.restarts + 1 if state.used else state.restarts
            return replace(state, used=(), proved=False, restarts=restarts)
        state = replace(state, proved=False)
        if not frame.liveness.looked:
            return state
    if state.used and not _apart(state.used[-1], frame, policy):
        return state
    return replace(state, used=(*state.used, frame))


def _is_live(found: Liveness, policy: Policy, *, stale: bool) -> bool:
    """Whether a frame may prove life. stale: what it rests on was seen of somebody else."""
    if not policy.liveness_required:
        return True
    if found.state is not LivenessState.LIVE or (policy.motion_required and not found.motion):
        return False
    return not (stale and found.frames > 1)  # a frame judged by itself alone rests on nothing else


def _apart(last: GoodFrame, frame: GoodFrame, policy: Policy) -> bool:
    # Pictures in a folder have no times: there the interval is 0 and every one counts.
    interval = policy.frame_interval_s
    return interval == 0 or frame.at - last.at >= interval - ROUNDING_S


def _agrees(frame: GoodFrame, state: Collecting, policy: Policy) -> bool:
    others = [it.embedding for it in state.used]
    if policy.liveness_required and state.first is not None:
        others.append(state.first)
    return all(_cosine(frame.embedding, other) >= policy.agreement for other in others)


def _cosine(one: Embedding, other: Embedding) -> float:
    if one.fingerprint != other.fingerprint:
        return -1.0  # of different models: never compared, so never alike
    return float(np.dot(one.vector, other.vector))


def _after_a_gap(state: Collecting, now: float, policy: Policy) -> _Restart:
    """Whoever was out of sight for too long may have changed places."""
    return _restarted(state) if now - state.seen > policy.gap_s else (state, ())


def _restarted(state: Collecting) -> _Restart:
    if not state.used and state.first is None:
        return state, ()
    restarts = state.restarts + 1 if state.used else state.restarts
    return replace(state, used=(), first=None, proved=False, restarts=restarts), (Doubt(),)


def _is_late(state: Collecting, now: float, policy: Policy) -> bool:
    return now >= state.started + policy.timeout_s


# --- the table ----------------------------------------------------------------------------

_REFUSED = "told to wait, locked out, unknown or not permitted"
_BEGIN: Mapping[type, str] = {Collecting: "may try", Denied: _REFUSED}
_WAIT: Mapping[type, str] = {
    Collecting: "cool-down over, may try",
    Denied: f"cool-down over, {_REFUSED}",
}
_BROKEN: Mapping[type, str] = {Broken: ""}

TABLE: Table[State, Action] = {
    (Idle, Begin): Row(_begin, _BEGIN),
    (Idle, Tick): Row(_rest, {Idle: ""}),
    (Idle, Failed): Row(_broken, _BROKEN),
    (Collecting, GoodFrame): Row(
        _good_frame,
        {
            Collecting: "too few",
            Comparing: "enough agree",
            Denied: "spoof, no answer, or time is over",
        },
    ),
    (Collecting, BadFrame): Row(_bad_frame, {Collecting: "counted", Denied: "time is over"}),
    (Collecting, EndOfSource): Row(_end_of_source, {Comparing: "enough agree", Denied: "too few"}),
    (Collecting, Tick): Row(_time_passes, {Collecting: "", Denied: "time is over"}),
    (Collecting, Failed): Row(_broken, _BROKEN),
    (Comparing, Compared): Row(
        _compared,
        {
            Granted: "accepted",
            Served: "accepted, only told",
            Denied: "rejected, or time is over",
        },
    ),
    (Comparing, Tick): Row(_await, {Comparing: "", Denied: "time is over"}),
    (Comparing, Failed): Row(_broken, _BROKEN),
    (Granted, PulseDone): Row(_pulse_over, {Served: ""}),
    (Granted, Tick): Row(_pulse_passes, {Granted: "", Served: "pulse over"}),
    (Granted, Failed): Row(_broken, _BROKEN),
    (Served, Begin): Row(_begin_again, {Served: "told to wait", **_WAIT}),
    (Served, Tick): Row(_cool_down, {Served: "", Idle: "cool-down over"}),
    (Served, Failed): Row(_broken, _BROKEN),
    (Denied, Begin): Row(_begin_again, _WAIT),
    (Denied, Tick): Row(_cool_down, {Denied: "", Idle: "cool-down over"}),
    (Denied, Failed): Row(_broken, _BROKEN),
    (Broken, Begin): Row(_begin_again, {Broken: "told to wait", **_WAIT}),
    (Broken, Tick): Row(_cool_down, {Broken: "", Idle: "cool-down over"}),
    (Broken, Failed): Row(_broken, _BROKEN),
}


def step(state: State, event: Event, now: float, policy: Policy) -> Step:
    """What an event does. IllegalEventError where it cannot happen in this state."""
    return row(TABLE, state, event).handler(state, event, now, policy)


def diagram() -> str:
    """The table as a Mermaid diagram, for docs/attempt.md."""
    return mermaid(TABLE, Idle)
