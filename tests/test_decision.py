from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import advice, decision
from appliance.decision import (
    Action,
    Audit,
    AuditEvent,
    BadFrame,
    Begin,
    Broken,
    ClearFailures,
    Collecting,
    Compare,
    Compared,
    Comparing,
    CountFailure,
    Denied,
    EndOfSource,
    Failed,
    GoodFrame,
    Granted,
    Idle,
    Lock,
    Policy,
    PulseDone,
    Report,
    Served,
    Standing,
    State,
    Tell,
    Tick,
    Unlock,
)
from appliance.errors import IllegalEventError
from appliance.types import (
    Claim,
    Decision,
    Embedding,
    Fault,
    Liveness,
    LivenessState,
    Match,
    Suspicion,
    Verdict,
)

DOCS = Path(__file__).parents[1] / "docs" / "attempt.md"

DOOR = Policy(
    agreement=0.5,
    frames=3,
    minimum=3,
    frame_interval_s=0.1,
    gap_s=1.0,
    timeout_s=10.0,
    cool_down_s=2.0,
    liveness_required=True,
    pulse_s=3.0,
)
SOLID = replace(DOOR, motion_required=True)
TELLING = replace(DOOR, minimum=1, frame_interval_s=0.0, cool_down_s=0.0, pulse_s=None)

CLAIM = Claim("alice", "pin")
KNOWN = Standing(known=True)
LIVE = Liveness(LivenessState.LIVE, 0.9)
SPOOF = Liveness(LivenessState.SPOOF, 0.1)
UNDETERMINED = Liveness(LivenessState.UNDETERMINED, reasons=(Suspicion.APPEARANCE,))
UNMOVED = Liveness(LivenessState.UNDETERMINED, 0.9)
MOVING = Liveness(LivenessState.LIVE, 0.9, motion=True, frames=9)
NOT_CHECKED = Liveness(LivenessState.NOT_CHECKED)
YES = Match(similarity=0.8, threshold=0.6, target_far=1e-5, far=1e-7)
NO = Match(similarity=0.3, threshold=0.6, target_far=1e-5, far=0.1)


def face(x: float, y: float, fingerprint: str = "model") -> Embedding:
    return Embedding(np.array([x, y], np.float32), fingerprint)


ALICE = face(1.0, 0.0)
ALICE_TOO = face(0.8, 0.6)
BOB = face(0.0, 1.0)

Move = tuple[float, decision.Event]


def frame(at: float, who: Embedding = ALICE, liveness: Liveness = LIVE) -> Move:
    return at, GoodFrame(at, who, liveness)


def bad(at: float, fault: Fault) -> Move:
    return at, BadFrame(fault)


BEGIN: Move = (0.0, Begin(CLAIM, KNOWN))
THREE: tuple[Move, ...] = (frame(0.1), frame(0.2), frame(0.3))
ACCEPTED: tuple[Move, ...] = (BEGIN, *THREE, (0.3, Compared(YES)))


def run(*moves: Move, policy: Policy = DOOR) -> tuple[State, list[Action]]:
    """The last state, and every action in order."""
    state: State = Idle()
    done: list[Action] = []
    for now, event in moves:
        state, actions = decision.step(state, event, now, policy)
        done += actions
    return state, done


def used_after(*moves: Move, policy: Policy = DOOR) -> list[float]:
    """When the frames were taken that are in use after the moves."""
    state, _ = run(BEGIN, *moves, policy=policy)
    assert isinstance(state, Collecting), state
    return [it.at for it in state.used]


def verdict_after(*moves: Move, policy: Policy = DOOR) -> Verdict:
    state, _ = run(*moves, policy=policy)
    assert isinstance(state, (Denied, Served, Granted)), state
    return state.verdict


# --- motion -------------------------------------------------------------------------------


def moving(at: float, who: Embedding = ALICE) -> Move:
    return frame(at, who, MOVING)


def test_where_motion_is_required_no_frame_counts_before_it_was_seen() -> None:
    still = [frame(at, ALICE, LIVE) for at in (0.1, 0.2, 0.3, 0.4)]
    assert used_after(*still, policy=SOLID) == []
    assert used_after(*still, moving(0.5), moving(0.6), policy=SOLID) == [0.5, 0.6]
    assert used_after(*still, moving(0.5), frame(0.6), moving(0.7), policy=SOLID) == [0.7]


def test_nobody_is_let_in_on_the_motion_of_somebody_else() -> None:
    state, actions = run(
        BEGIN,
        frame(0.1, BOB, UNMOVED),
        frame(0.2, BOB, UNMOVED),
        moving(0.3, ALICE),  # Bob has moved enough, and now a face of Alice is held up
        policy=SOLID,
    )
    assert isinstance(state, Collecting)
    assert (state.used, state.first, actions) == ((), ALICE, [decision.Doubt()])


@pytest.mark.parametrize("required", [True, False])
def test_what_a_window_saw_of_one_face_never_counts_for_another(*, required: bool) -> None:
    """Also where no motion is asked for, as with a challenge that somebody else has answered."""
    policy = replace(DOOR, motion_required=required)
    lopsided = replace(UNDETERMINED, frames=5, answered=True)
    state, actions = run(
        BEGIN,
        frame(0.1, BOB, lopsided),
        frame(0.2, BOB, lopsided),
        frame(0.3, ALICE, replace(MOVING, answered=True)),
        policy=policy,
    )
    assert isinstance(state, Collecting)
    assert (state.used, state.proved, actions) == ((), False, [decision.Doubt()])


def test_frames_that_wait_are_compared_only_with_a_proof_of_life_at_their_end() -> None:
    waiting = replace(UNMOVED, waits=True, frames=4)
    waits = [frame(at, ALICE, waiting) for at in (0.1, 0.2, 0.3)]
    assert used_after(*waits, policy=SOLID) == [0.1, 0.2, 0.3]
    ended, _ = run(BEGIN, *waits, (0.4, decision.EndOfSource()), policy=SOLID)
    assert isinstance(ended, Denied)
    proved, actions = run(BEGIN, *waits, moving(0.4), policy=SOLID)
    assert isinstance(proved, Comparing)
    assert len(actions) == 1
    later, _ = run(BEGIN, *waits[:2], moving(0.3, ALICE), policy=SOLID)
    assert isinstance(later, Comparing)
    verdict = verdict_after(BEGIN, *waits, moving(0.4), (0.4, Compared(YES)), policy=SOLID)
    assert (verdict.decision, verdict.liveness) == (Decision.ACCEPT, MOVING)


def test_a_frame_that_was_not_looked_at_is_never_compared() -> None:
    unseen = replace(UNMOVED, waits=True, looked=False, frames=4)
    frames = [frame(at, ALICE, unseen) for at in (0.1, 0.2, 0.3)]
    assert used_after(*frames, moving(0.4), policy=SOLID) == [0.4]


def test_after_a_gap_or_several_faces_what_was_seen_of_life_is_forgotten() -> None:
    seen = frame(0.1, ALICE, UNMOVED)
    for move in (bad(0.2, Fault.SEVERAL_FACES), moving(1.5)):
        state, actions = run(BEGIN, seen, move, policy=SOLID)
        assert isinstance(state, Collecting)
        assert (state.used, actions) == ((), [decision.Doubt()])


def test_whoever_did_not_move_is_told_to() -> None:
    moves = [frame(at, ALICE, UNMOVED) for at in (0.1, 0.2)]
    verdict = verdict_after(BEGIN, *moves, (10.0, Tick()), policy=SOLID)
    assert (verdict.decision, verdict.reason) == (Decision.POOR_QUALITY, advice.UNMOVED)
    assert verdict.liveness == UNMOVED


def test_who_does_not_do_what_was_asked_is_not_let_in_and_not_counted() -> None:
    late = replace(UNMOVED, motion=True, unanswered=True)
    state, actions = run(BEGIN, frame(0.1, ALICE, UNMOVED), frame(9.0, ALICE, late))
    assert isinstance(state, Denied)
    assert (state.verdict.decision, state.verdict.reason) == (Decision.TIMEOUT, advice.UNANSWERED)
    assert [type(it) for it in actions] == [Audit, decision.Tell]


def test_after_a_spoof_nobody_is_heard_for_longer() -> None:
    policy = replace(DOOR, spoof_cool_down_s=10.0)
    ended, _ = run(BEGIN, frame(0.1, ALICE, SPOOF), policy=policy)
    assert isinstance(ended, Denied)
    assert ended.ready_at == 10.1
    refused, _ = run(BEGIN, *THREE, (0.3, Compared(NO)), policy=policy)
    assert isinstance(refused, Denied)
    assert refused.ready_at == 2.3


# --- whole histories ----------------------------------------------------------------------


def test_an_accepted_attempt_from_the_claim_to_the_locked_door() -> None:
    verdict = Verdict(Decision.ACCEPT, "Welcome.", 3, YES, LIVE, {Fault.BLURRED: 1})
    state, actions = run(
        BEGIN,
        bad(0.05, Fault.BLURRED),
        *THREE,
        (0.3, Compared(YES)),
        (1.0, Tick()),
        (3.3, Tick()),
        (4.0, Tick()),
    )
    assert actions == [
        Compare(CLAIM, (ALICE, ALICE, ALICE)),
        ClearFailures(CLAIM),
        Audit(AuditEvent.GRANTED, CLAIM, verdict),
        Unlock(3.0),
        Tell(CLAIM, verdict),
    ]
    assert state == Served(verdict, ready_at=5.3)


def test_a_rejected_attempt_counts_before_it_is_told() -> None:
    verdict = Verdict(Decision.REJECT, "The face was not recognised.", 3, NO, LIVE)
    state, actions = run(BEGIN, *THREE, (0.3, Compared(NO)))
    assert actions[1:] == [
        CountFailure(CLAIM),
        Audit(AuditEvent.DENIED, CLAIM, verdict),
        Tell(CLAIM, verdict),
    ]
    assert state == Denied(verdict, ready_at=2.3)


def test_one_spoof_ends_it_and_counts() -> None:
    verdict = Verdict(Decision.SPOOF, advice.DECISIONS[Decision.SPOOF], 2, None, SPOOF)
    state, actions = run(BEGIN, *THREE[:2], frame(0.21, liveness=SPOOF))
    assert actions == [
        CountFailure(CLAIM),
        Audit(AuditEvent.DENIED, CLAIM, verdict),
        Tell(CLAIM, verdict),
    ]
    assert state == Denied(verdict, ready_at=2.21)


@pytest.mark.parametrize(
    ("standing", "expected", "reason"),
    [
        (Standing(known=False), Decision.UNKNOWN_PERSON, "Nobody of this name is enrolled."),
        (
            Standing(known=True, permitted=False, obstacle="Only 2 of 5 pictures are enrolled."),
            Decision.NOT_PERMITTED,
            "Only 2 of 5 pictures are enrolled.",
        ),
        (
            Standing(known=True, permitted=False),
            Decision.NOT_PERMITTED,
            advice.DECISIONS[Decision.NOT_PERMITTED],
        ),
        (
            Standing(known=True, locked_for_s=39.2),
            Decision.LOCKED_OUT,
            "Too many failed attempts. Wait 40 seconds.",
        ),
        (
            Standing(known=False, permitted=False, locked_for_s=0.5),
            Decision.LOCKED_OUT,
            "Too many failed attempts. Wait 1 second.",
        ),
    ],
)
def test_who_may_not_try_is_told_at_once_and_not_counted(
    standing: Standing, expected: Decision, reason: str
) -> None:
    verdict = Verdict(expected, reason)
    assert run((5.0, Begin(CLAIM, standing))) == (
        Denied(verdict, ready_at=7.0),
        [Audit(AuditEvent.DENIED, CLAIM, verdict), Tell(CLAIM, verdict)],
    )


def test_a_lock_out_that_is_no_number_lets_nobody_in() -> None:
    with pytest.raises(ValueError, match="NaN"):
        run((0.0, Begin(CLAIM, Standing(known=True, locked_for_s=math.nan))))


def test_in_the_cool_down_a_claim_is_told_to_wait_and_nothing_is_written() -> None:
    denied, before = run((0.0, Begin(CLAIM, Standing(known=False))))
    state, after = run((0.0, Begin(CLAIM, Standing(known=False))), (1.5, Begin(CLAIM, KNOWN)))
    assert state == denied
    wait = Verdict(Decision.LOCKED_OUT, "Wait 1 second.")
    assert after == [*before, Tell(CLAIM, wait)]


ENDS: tuple[tuple[Move, ...], ...] = (
    (*ACCEPTED, (1.0, PulseDone())),
    (BEGIN, frame(1.0, liveness=SPOOF)),
    (BEGIN, (1.0, Failed("camera"))),
)


@pytest.mark.parametrize("end", ENDS)
def test_after_the_cool_down_everything_begins_anew(end: tuple[Move, ...]) -> None:
    assert run(*end, (2.9, Tick())) == run(*end)
    assert run(*end, (3.0, Tick()))[0] == Idle()
    assert run(*end, (3.0, Begin(CLAIM, KNOWN)))[0] == Collecting(CLAIM, started=3.0, seen=3.0)


# --- which frames are used ----------------------------------------------------------------


def test_frames_too_close_to_the_last_are_not_used() -> None:
    assert used_after(frame(1.0), frame(1.05), frame(1.125), frame(1.2)) == [1.0, 1.125]


def test_pictures_without_times_are_all_used() -> None:
    pictures = [(1.0 + it, GoodFrame(0.0, ALICE, LIVE)) for it in range(2)]
    assert used_after(*pictures, policy=replace(TELLING, gap_s=math.inf)) == [0.0, 0.0]


@pytest.mark.parametrize(
    "stranger", [BOB, face(1.0, 0.0, "another model"), face(math.nan, 0.0), face(-1.0, 0.0)]
)
def test_a_frame_that_does_not_agree_begins_anew_with_itself(stranger: Embedding) -> None:
    moves = BEGIN, frame(1.0), frame(1.5), frame(2.0, stranger)
    state, _ = run(*moves)
    assert isinstance(state, Collecting)
    assert (state.used, state.restarts) == ((GoodFrame(2.0, stranger, LIVE),), 1)


def test_each_pair_must_agree_and_not_only_neighbours() -> None:
    assert used_after(frame(1.0, ALICE), frame(1.2, ALICE_TOO), frame(1.4, BOB)) == [1.4]


def test_a_stranger_is_noticed_between_two_frames_that_are_used() -> None:
    assert used_after(frame(1.0), frame(1.01, BOB), frame(1.2)) == [1.2]
    assert used_after(frame(1.0), frame(1.01, BOB, UNDETERMINED)) == []


def test_several_faces_begin_anew() -> None:
    assert used_after(frame(1.0), bad(1.1, Fault.SEVERAL_FACES), frame(1.2)) == [1.2]


def test_out_of_sight_for_too_long_begins_anew() -> None:
    gone = bad(1.5, Fault.NO_FACE)
    assert used_after(frame(1.0), gone, frame(2.0)) == [1.0, 2.0]
    assert used_after(frame(1.0), gone, bad(2.1, Fault.NO_FACE)) == []
    assert used_after(frame(1.0), frame(2.1)) == [2.1]


def test_a_face_turned_away_is_still_in_sight() -> None:
    assert used_after(frame(1.0), bad(1.8, Fault.TURNED_AWAY), frame(2.6)) == [1.0, 2.6]


@pytest.mark.parametrize("liveness", [UNDETERMINED, NOT_CHECKED])
def test_what_is_not_known_to_be_live_is_not_used(liveness: Liveness) -> None:
    moves = [frame(1.0 + it / 5, liveness=liveness) for it in range(9)]
    assert used_after(*moves) == []
    lenient = replace(DOOR, frames=20, minimum=20, liveness_required=False)
    assert len(used_after(*moves, policy=lenient)) == 9


def test_the_weakest_liveness_is_shown() -> None:
    weak = Liveness(LivenessState.LIVE, 0.6)
    moves = BEGIN, frame(0.1), frame(0.2, liveness=weak), frame(0.3), (0.3, Compared(YES))
    assert verdict_after(*moves).liveness == weak


def test_restarts_are_audited() -> None:
    moves = frame(0.1), frame(0.2, BOB), *(frame(it / 10) for it in (3, 4, 5))
    _, actions = run(BEGIN, *moves, (0.5, Compared(YES)))
    assert [it.restarts for it in actions if isinstance(it, Audit)] == [2]


# --- how it ends without a comparison -----------------------------------------------------

S, N, DARK, SMALL = Fault.SEVERAL_FACES, Fault.NO_FACE, Fault.TOO_DARK, Fault.TOO_SMALL


@pytest.mark.parametrize(
    ("faults", "frames", "expected", "reason"),
    [
        ([], [], Decision.NO_FACE, "No face was seen."),
        ([N, N], [], Decision.NO_FACE, "No face was seen."),
        ([S, S, DARK, N, N], [], Decision.SEVERAL_FACES, "One person at a time, please."),
        ([S, S, S], [LIVE, LIVE], Decision.SEVERAL_FACES, "One person at a time, please."),
        ([S, DARK, SMALL, DARK], [], Decision.POOR_QUALITY, "More light is needed."),
        ([SMALL, DARK, N, N, N], [], Decision.POOR_QUALITY, "Come closer."),
        ([SMALL], [UNDETERMINED] * 2, Decision.POOR_QUALITY, advice.UNJUDGED),
        ([], [NOT_CHECKED] * 5, Decision.POOR_QUALITY, advice.UNJUDGED),
        ([DARK] * 9, [LIVE], Decision.TIMEOUT, advice.DECISIONS[Decision.TIMEOUT]),
    ],
)
def test_what_was_missing_decides_how_the_time_runs_out(
    faults: list[Fault], frames: list[Liveness], expected: Decision, reason: str
) -> None:
    moves = [bad(0.5, fault) for fault in faults] + [frame(0.5, ALICE, it) for it in frames]
    state, actions = run(BEGIN, *moves, (10.0, Tick()))
    assert isinstance(state, Denied)
    assert (state.verdict.decision, state.verdict.reason) == (expected, reason)
    assert state.verdict.faults == {fault: faults.count(fault) for fault in faults}
    assert [type(it) for it in actions] == [Audit, Tell]


LATE: tuple[tuple[Move, ...], ...] = (
    (BEGIN, *THREE[:2], frame(10.0)),
    (BEGIN, *THREE[:2], bad(10.0, Fault.NO_FACE)),
    (BEGIN, *THREE[:2], (10.0, EndOfSource())),
    (BEGIN, *THREE, (10.0, Compared(YES))),
    (BEGIN, *THREE, (9.9, Tick()), (10.0, Tick())),
)


@pytest.mark.parametrize("moves", LATE)
def test_nothing_that_comes_late_is_used(moves: tuple[Move, ...]) -> None:
    assert verdict_after(*moves).decision is Decision.TIMEOUT


def test_a_source_that_ends_too_early_says_so() -> None:
    verdict = verdict_after(BEGIN, *THREE[:2], (0.3, EndOfSource()))
    assert (verdict.decision, verdict.reason) == (Decision.TIMEOUT, advice.TOO_FEW)


# --- an attempt that only tells -----------------------------------------------------------


def test_telling_from_one_picture_moves_and_counts_nothing() -> None:
    end: Move = (0.1, EndOfSource())
    verdict = Verdict(Decision.ACCEPT, "Welcome.", 1, YES, LIVE)
    state, actions = run(BEGIN, frame(0.1), end, (0.2, Compared(YES)), policy=TELLING)
    assert state == Served(verdict, ready_at=0.2)
    assert actions == [
        Compare(CLAIM, (ALICE,)),
        Tell(CLAIM, verdict),
    ]
    _, actions = run(BEGIN, frame(0.1), end, (0.2, Compared(NO)), policy=TELLING)
    assert [type(it) for it in actions] == [Compare, Tell]


def test_a_similarity_that_is_no_number_is_a_rejection() -> None:
    nothing = replace(YES, similarity=math.nan)
    assert verdict_after(BEGIN, *THREE, (0.3, Compared(nothing))).decision is Decision.REJECT


# --- out of the open door, and out of everything ------------------------------------------


@pytest.mark.parametrize("event", [PulseDone(), Tick(), Failed("store")])
def test_a_pulse_that_passes_is_left_to_the_door_and_a_failure_locks_it(
    event: decision.Event,
) -> None:
    granted, before = run(*ACCEPTED)
    state, after = run(*ACCEPTED, (3.3, event))
    assert isinstance(granted, Granted)
    assert not isinstance(state, Granted)
    locks = [Lock(), Report("store")] if isinstance(event, Failed) else []
    assert after[len(before) :] == locks


EXAMPLES: tuple[tuple[Move, ...], ...] = (
    (),
    (BEGIN,),
    (BEGIN, *THREE),
    ACCEPTED,
    (*ACCEPTED, (1.0, PulseDone())),
    (BEGIN, *THREE, (0.3, Compared(NO))),
    ((0.0, Failed("store")),),
)
EVENTS: tuple[decision.Event, ...] = (
    Begin(CLAIM, KNOWN),
    GoodFrame(4.0, ALICE, LIVE),
    BadFrame(Fault.BLURRED),
    EndOfSource(),
    Compared(YES),
    Tick(),
    PulseDone(),
    Failed("camera"),
)


@pytest.mark.parametrize("moves", EXAMPLES)
def test_a_failure_locks_and_reports_from_everywhere(moves: tuple[Move, ...]) -> None:
    _, before = run(*moves)
    assert run(*moves, (4.0, Failed("camera"))) == (
        Broken("camera", ready_at=6.0),
        [*before, Lock(), Report("camera")],
    )


@pytest.mark.parametrize(("moves", "event"), list(product(EXAMPLES, EVENTS)))
def test_what_has_no_row_raises(moves: tuple[Move, ...], event: decision.Event) -> None:
    state, _ = run(*moves)
    if (type(state), type(event)) in decision.TABLE:
        decision.step(state, event, 4.0, DOOR)
    else:
        with pytest.raises(IllegalEventError, match="cannot happen in the state"):
            decision.step(state, event, 4.0, DOOR)


def test_the_examples_are_all_there_is() -> None:
    assert {type(run(*it)[0]) for it in EXAMPLES} == set(get_args(decision.State))
    assert {type(it) for it in EVENTS} == set(get_args(decision.Event))


# --- any sequence of events ---------------------------------------------------------------

At = Callable[[float], decision.Event]


def good(who: Embedding, liveness: Liveness) -> At:
    return lambda now: GoodFrame(now, who, liveness)


def always(event: decision.Event) -> At:
    return lambda _now: event


Sequence = list[tuple[float, At]]

anything: list[At] = [
    good(ALICE, LIVE),
    good(ALICE_TOO, LIVE),
    good(BOB, LIVE),
    good(ALICE, SPOOF),
    good(ALICE, UNDETERMINED),
    good(ALICE, NOT_CHECKED),
    *(always(BadFrame(fault)) for fault in (S, N, DARK)),
    *(always(event) for event in EVENTS if not isinstance(event, GoodFrame)),
    always(Compared(NO)),
    always(Begin(CLAIM, Standing(known=True, locked_for_s=5.0))),
    always(Begin(CLAIM, Standing(known=False))),
]
WAITS = (0.0, 0.05, 0.1, 0.3, 1.5, 4.0, 11.0)
single = st.tuples(st.sampled_from(WAITS), st.sampled_from(anything))

# Pure chance hardly ever opens the door, so whole attempts are spoilt at one place.
whole: Sequence = [
    (3.0, always(Begin(CLAIM, KNOWN))),
    *((0.3, good(who, LIVE)) for who in (ALICE, ALICE_TOO, ALICE)),
    (0.0, always(Compared(YES))),
]


def spoilt(place: int, cut: int, moves: Sequence) -> Sequence:
    return [*whole[:place], *moves, *whole[place + cut :]]


attempts = st.builds(
    spoilt, st.integers(0, len(whole)), st.integers(0, 1), st.lists(single, max_size=2)
)
sequences = st.lists(st.one_of(attempts, st.lists(single, min_size=1, max_size=4)), max_size=5).map(
    lambda parts: [move for part in parts for move in part]
)


@dataclass
class Witness:
    """Follows an attempt by other means than the table, and says when a door may open.

    run: good frames in a row that are alike, with nobody else between them and no gap.
    """

    begun_at: float = -math.inf
    begun: bool = False
    seen: float = 0.0
    run: list[GoodFrame] = field(default_factory=list)
    asked: bool = False

    def sees(self, event: decision.Event, now: float) -> None:
        if isinstance(event, Begin):
            self.begun, self.begun_at, self.run, self.asked = (
                event.standing == KNOWN,
                now,
                [],
                False,
            )
        if isinstance(event, Failed) or (isinstance(event, GoodFrame) and event.liveness == SPOOF):
            self.begun = False
        if isinstance(event, (GoodFrame, BadFrame)) and now - self.seen > DOOR.gap_s:
            self.run = []
        if isinstance(event, BadFrame):
            self.run = [] if event.fault is S else self.run
            self.seen = self.seen if event.fault is N else now
        if isinstance(event, GoodFrame):
            alike = all(self.cosine(event, it) >= DOOR.agreement for it in self.run)
            self.run, self.seen = [*self.run, event] if alike else [event], now

    def cosine(self, one: GoodFrame, other: GoodFrame) -> float:
        return float(one.embedding.vector @ other.embedding.vector)

    def live(self) -> list[GoodFrame]:
        return [it for it in self.run if it.liveness == LIVE]

    def asks(self, probes: tuple[Embedding, ...]) -> None:
        known = [it.embedding for it in self.live()]
        enough = DOOR.frames <= len(probes) <= len(known)
        self.asked = enough and all(it in known for it in probes)

    def apart(self) -> int:
        """How many of the live frames are far enough from each other."""
        last, count = -math.inf, 0
        for it in self.live():
            if it.at - last >= DOOR.frame_interval_s - 1e-5:
                last, count = it.at, count + 1
        return count

    def may_open(self, event: decision.Event, now: float) -> bool:
        return (
            self.begun
            and self.asked
            and event == Compared(YES)
            and now < self.begun_at + DOOR.timeout_s
            and self.apart() >= DOOR.frames
        )

    def judges_actions(
        self, event: decision.Event, now: float, after: State, actions: tuple[Action, ...]
    ) -> None:
        for place, action in enumerate(actions):
            if isinstance(action, Compare):
                self.asks(action.probes)
            if isinstance(action, Unlock):
                audit = actions[place - 1]
                assert isinstance(audit, Audit)
                assert audit.event is AuditEvent.GRANTED
                assert audit.verdict.decision is Decision.ACCEPT
                assert isinstance(after, Granted)
                assert self.may_open(event, now)

    def judges_states(
        self, state: State, event: decision.Event, now: float, step: decision.Step
    ) -> None:
        after, actions = step
        assert type(after) in decision.TABLE[type(state), type(event)].leads_to
        if isinstance(state, Granted) and not isinstance(after, Granted):
            assert isinstance(event, Failed) or not actions
        if isinstance(event, Failed):
            assert actions == (Lock(), Report(event.error))
        if isinstance(after, Granted):
            assert now < after.until <= now + 3.0
        if isinstance(after, (Collecting, Comparing)):
            assert self.begun


def watch(moves: Sequence) -> bool:
    """Take the moves through table and witness; True when the door was opened."""
    state: State = Idle()
    now, witness, opened = 0.0, Witness(), False
    for wait, make in moves:
        now += wait
        event = make(now)
        before = dict(vars(state))
        try:
            step = decision.step(state, event, now, DOOR)
        except IllegalEventError:
            assert vars(state) == before
            assert (type(state), type(event)) not in decision.TABLE
            continue
        if step[0] is not state:  # a claim in the cool-down begins nothing
            witness.sees(event, now)
        witness.judges_actions(event, now, *step)
        witness.judges_states(state, event, now, step)
        state = step[0]
        opened |= isinstance(state, Granted)
    return opened


@settings(max_examples=100, deadline=None)
@given(sequences)
def test_no_sequence_of_events_opens_a_door_that_should_stay_shut(moves: Sequence) -> None:
    watch(moves)


def test_nor_does_any_attempt_that_is_spoilt_at_one_place() -> None:
    places = product(range(len(whole) + 1), (0, 1), WAITS, anything)
    opened = [watch(spoilt(place, cut, [(wait, it)])) for place, cut, wait, it in places]
    assert watch(whole)
    assert {True, False} == set(opened)


@given(sequences)
def test_the_same_events_give_the_same_history(moves: Sequence) -> None:
    def history() -> list[object]:
        state: State = Idle()
        seen: list[object] = []
        now = 0.0
        for (wait, _), event in zip(moves, made, strict=True):
            now += wait
            try:
                state, actions = decision.step(state, event, now, TELLING)
            except IllegalEventError as error:
                seen.append(str(error))
            else:
                seen.append((state, actions))
                assert not any(isinstance(it, (Unlock, CountFailure)) for it in actions)
        return seen

    made = [make(float(place)) for place, (_, make) in enumerate(moves)]
    assert history() == history()


# --- the values around it -----------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"agreement": math.nan},
        {"agreement": 0.0},
        {"frames": 2, "minimum": 2},
        {"minimum": 1},
        {"minimum": 4},
        {"frame_interval_s": -0.1},
        {"gap_s": math.inf},
        {"timeout_s": math.inf},
        {"timeout_s": 0.0},
        {"cool_down_s": math.nan},
        {"pulse_s": 0.0},
        {"pulse_s": math.inf},
    ],
)
def test_a_policy_that_is_not_fit_for_a_door_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="not a policy for an attempt"):
        replace(DOOR, **change)  # type: ignore[arg-type] # wrong on purpose


def test_an_attempt_that_tells_may_take_for_ever_and_one_picture() -> None:
    assert replace(TELLING, frames=1, gap_s=math.inf, timeout_s=math.inf).minimum == 1


def test_the_audit_detail_is_json_and_shows_no_face() -> None:
    _, actions = run(BEGIN, bad(0.05, DARK), *THREE, (0.3, Compared(YES)))
    (audit,) = (it for it in actions if isinstance(it, Audit))
    assert (audit.event.value, audit.subject) == ("access_granted", "alice")
    assert json.loads(json.dumps(audit.detail)) == {
        "decision": "accept",
        "via": "pin",
        "frames_used": 3,
        "restarts": 0,
        "liveness": "live",
        "liveness_score": 0.9,
        "faults": {"too_dark": 1},
        "similarity": 0.8,
        "threshold": 0.6,
        "target_far": 1e-5,
        "far": 1e-7,
    }


def test_there_is_a_sentence_for_everything() -> None:
    assert set(advice.FAULTS) == set(Fault)
    assert set(advice.DECISIONS) == set(Decision)


def test_the_picture_in_the_docs_is_current() -> None:
    assert f"```mermaid\n{decision.diagram()}```\n<!-- /diagram -->" in DOCS.read_text("utf-8")
