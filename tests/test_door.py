from __future__ import annotations

import contextlib
import math
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import door
from appliance.door import (
    Alarm,
    DoorClosed,
    DoorOpened,
    DriveLock,
    DriveUnlock,
    Fault,
    Forced,
    FoundOpen,
    Grant,
    HeldOpen,
    InputsBack,
    InputsFailed,
    Locked,
    LockFailed,
    Note,
    Open,
    OutOfService,
    Pulse,
    Recovered,
    RequestToExit,
    Secure,
    Shutdown,
    Tamper,
    Tick,
    Unlocked,
)
from appliance.door_values import AlarmKind, DoorWord
from appliance.errors import IllegalEventError

POLICY = door.Policy(longest_s=10, exit_s=3, held_open_s=30, grace_s=0.5, retry_s=1)
SAFE = door.Policy(longest_s=10, exit_s=3, held_open_s=30, grace_s=0.5, retry_s=1, fail_safe=True)
DOCS = Path(__file__).parents[1] / "docs" / "door.md"

RUNNING = Pulse(0, 3)
STATES: tuple[door.State, ...] = (
    Locked(),
    Unlocked(RUNNING),
    Open(0),
    Open(0, RUNNING),
    HeldOpen(0),
    HeldOpen(0, RUNNING),
    Forced(0),
    Forced(0, RUNNING),
    Fault("stuck"),
    Fault("stuck", Forced(0, RUNNING)),
    OutOfService(),
    OutOfService(RUNNING),
)
EVENTS: tuple[door.Event, ...] = (
    Grant("accept #1", 3),
    RequestToExit(),
    FoundOpen(),
    DoorOpened(),
    DoorClosed(),
    Tamper(on=True),
    Tamper(on=False),
    InputsFailed("no chip"),
    InputsBack(),
    Tick(),
    Secure("failed"),
    LockFailed("stuck"),
    Recovered(),
    Shutdown(),
)
Moves = list[tuple[float, door.Event]]
Steps = list[tuple[float, door.Event, tuple[bool, bool]]]
History = list[tuple[door.State, tuple[door.Action, ...]]]

EXIT = DriveUnlock(door.EXIT)


def leaving(since: float, until: float) -> Pulse:
    """A release that is owed to somebody who leaves."""
    return Pulse(since, until, exit_until=until)


def on(kind: AlarmKind, detail: str) -> Alarm:
    return Alarm(kind, on=True, detail=detail)


def over(kind: AlarmKind) -> Alarm:
    return Alarm(kind, on=False)


def history(
    *moves: tuple[float, door.Event], policy: door.Policy = POLICY, state: door.State | None = None
) -> History:
    """All states and actions, from a locked door."""
    state = state or Locked()
    seen = []
    for now, event in moves:
        state, actions = door.step(state, event, now, policy)
        seen.append((state, actions))
    return seen


# --- grants -------------------------------------------------------------------------------


def test_a_pulse_ends_by_itself() -> None:
    assert history((0, Grant("accept #1", 3)), (2.9, Tick()), (3, Tick()), (4, Tick())) == [
        (Unlocked(Pulse(0, 3)), (DriveUnlock("accept #1"),)),
        (Unlocked(Pulse(0, 3)), ()),
        (Locked(3), (DriveLock("pulse over"),)),
        (Locked(3), ()),
    ]


def test_a_grant_in_a_pulse_begins_it_anew_within_the_bound() -> None:
    grants = [(now, Grant(f"accept #{now}", 4)) for now in (0, 3, 6, 9)]
    states = [state for state, _ in history(*grants)]
    assert states == [Unlocked(Pulse(0, until)) for until in (4, 7, 10, 10)]


def test_the_bound_also_holds_for_the_first_grant() -> None:
    assert history((0, Grant("a", 11)))[-1][0] == Unlocked(Pulse(0, 10))


def test_a_shorter_grant_does_not_cut_a_pulse_short() -> None:
    assert history((0, Grant("a", 8)), (1, Grant("b", 2)))[-1] == (
        Unlocked(Pulse(0, 8)),
        (DriveUnlock("b"),),
    )


def test_a_grant_after_an_unnoticed_end_locks_first() -> None:
    assert history((0, Grant("a", 3)), (5, Grant("b", 3)))[-1] == (
        Unlocked(Pulse(5, 8)),
        (DriveLock("pulse over before the next grant"), DriveUnlock("b")),
    )


# --- people who leave -----------------------------------------------------------------------


def test_a_press_releases_and_is_noted_afterwards() -> None:
    assert history((0, RequestToExit()), (3, Tick())) == [
        (Unlocked(leaving(0, 3)), (EXIT, Note())),
        (Locked(3), (DriveLock("pulse over"),)),
    ]


def test_every_press_is_good_for_its_whole_time_but_noted_once() -> None:
    presses = [(now, RequestToExit()) for now in range(0, 30, 2)]
    seen = history(*presses, (31.9, Tick()), (32, Tick()))
    assert [state for state, _ in seen[:-1]] == [
        *[Unlocked(leaving(0, now + 3)) for now in range(0, 30, 2)],
        Locked(31.9),
    ]
    assert [actions for _, actions in seen] == [
        (EXIT, Note()),
        *[(EXIT,)] * 14,
        (DriveLock("pulse over"),),
        (),
    ]


def test_a_press_never_shortens_a_grant_and_a_grant_never_a_press() -> None:
    assert history((0, Grant("a", 8)), (1, RequestToExit()))[-1][0] == Unlocked(
        Pulse(0, 8, exit_until=4)
    )
    presses: Moves = [(now, RequestToExit()) for now in (0, 2, 4, 6, 8, 10)]
    assert history(*presses, (11, Grant("late", 1)))[-1] == (
        Unlocked(leaving(0, 13)),
        (DriveUnlock("late"),),
    )


def test_a_press_after_an_unnoticed_end_locks_nothing_first() -> None:
    moves: Moves = [(0, Grant("a", 3)), (5, RequestToExit()), (6, Grant("b", 9))]
    assert history(*moves)[1:] == [
        (Unlocked(leaving(0, 8)), (EXIT, Note())),
        # The line has been energised since 0, so the bound of grants is counted from there.
        (Unlocked(Pulse(0, 10, exit_until=8)), (DriveUnlock("b"),)),
    ]


@pytest.mark.parametrize("policy", [POLICY, SAFE], ids=["fail-secure", "fail-safe"])
@pytest.mark.parametrize("state", STATES)
def test_a_press_releases_from_everywhere_and_before_all_else(
    state: door.State, policy: door.Policy
) -> None:
    after, actions = door.step(state, RequestToExit(), 100, policy)
    assert actions == (EXIT, Note())
    rests_released = isinstance(state, OutOfService) and policy.fail_safe
    pulse = door.pulse_of(after)
    assert pulse is None if rests_released else pulse is not None
    assert pulse is None or (pulse.until, pulse.exit_until, pulse.used) == (103, 103, False)


# --- the leaf -------------------------------------------------------------------------------


def test_somebody_comes_in_and_the_door_locks_behind_them() -> None:
    moves: Moves = [
        (0, Grant("a", 5)),
        (1, DoorOpened()),
        (2, Tick()),
        (2.5, DoorClosed()),
        (9, Tick()),
    ]
    assert history(*moves) == [
        (Unlocked(Pulse(0, 5)), (DriveUnlock("a"),)),
        (Open(1, Pulse(0, 5, used=True)), ()),
        (Open(1, Pulse(0, 5, used=True)), ()),
        (Locked(2.5), (DriveLock("door closed"),)),
        (Locked(2.5), ()),
    ]


def test_where_closing_does_not_relock_the_pulse_runs_out() -> None:
    policy = door.Policy(longest_s=10, relock_on_close=False)
    moves: Moves = [(0, Grant("a", 5)), (1, DoorOpened()), (2, DoorClosed()), (5, Tick())]
    assert history(*moves, policy=policy)[2:] == [
        (Unlocked(Pulse(0, 5, used=True)), ()),
        (Locked(5), (DriveLock("pulse over"),)),
    ]


def test_the_pulse_of_who_comes_next_is_not_cut_by_who_went_before() -> None:
    moves: Moves = [
        (0, Grant("a", 5)),
        (1, DoorOpened()),
        (2, Grant("b", 5)),
        (3, DoorClosed()),
        (4, DoorOpened()),
        (5, DoorClosed()),
    ]
    assert history(*moves)[2:] == [
        (Open(2, Pulse(0, 7)), (DriveUnlock("b"),)),
        (Unlocked(Pulse(0, 7)), ()),
        (Open(4, Pulse(0, 7, used=True)), ()),
        (Locked(5), (DriveLock("door closed"),)),
    ]


def test_an_opening_without_a_release_is_forced_until_it_closes() -> None:
    assert history((0, DoorOpened()), (99, Tick()), (100, DoorClosed()), (100.1, DoorOpened())) == [
        (Forced(0), (on(AlarmKind.FORCED, door.FORCED),)),
        (Forced(0), ()),
        (Locked(), (over(AlarmKind.FORCED),)),
        (Forced(100.1), (on(AlarmKind.FORCED, door.FORCED),)),
    ]


@pytest.mark.parametrize(
    ("late", "after"), [(0.5, Open(3.5)), (0.6, Forced(3.6))], ids=["believed", "forced"]
)
def test_an_opening_just_after_a_release_is_believed(late: float, after: door.State) -> None:
    moves: Moves = [(0, Grant("a", 3)), (3, Tick()), (3 + late, DoorOpened())]
    assert history(*moves)[-1][0] == after


def test_a_leaf_that_springs_back_is_not_forced() -> None:
    moves: Moves = [(0, Grant("a", 3)), (1, DoorOpened()), (2, DoorClosed()), (2.2, DoorOpened())]
    assert history(*moves)[-1] == (Open(2.2), ())


def test_a_door_that_was_open_before_anybody_looked_is_not_forced() -> None:
    assert history((0, FoundOpen()), (29, Tick()), (30, Tick()), (40, DoorClosed())) == [
        (Open(0), ()),
        (Open(0), ()),
        (HeldOpen(0), (on(AlarmKind.HELD_OPEN, door.HELD_OPEN),)),
        (Locked(40), (over(AlarmKind.HELD_OPEN),)),
    ]


def test_whoever_is_let_through_begins_the_time_of_an_open_door_anew() -> None:
    moves: Moves = [(0, FoundOpen()), (20, Grant("a", 3)), (40, RequestToExit()), (69, Tick())]
    assert history(*moves, (70, Tick()))[3:] == [
        (Open(40), (DriveLock("pulse over"),)),
        (HeldOpen(40), (on(AlarmKind.HELD_OPEN, door.HELD_OPEN),)),
    ]


def test_the_end_of_a_pulse_and_of_patience_may_come_together() -> None:
    moves: Moves = [(0, Grant("a", 3)), (1, DoorOpened()), (50, Tick())]
    assert history(*moves)[-1] == (
        HeldOpen(1),
        (DriveLock("pulse over"), on(AlarmKind.HELD_OPEN, door.HELD_OPEN)),
    )


# --- faults and the end ---------------------------------------------------------------------


def test_a_line_that_does_not_obey_alarms_once_and_is_locked_again_until_it_does() -> None:
    assert history(
        (0, Grant("a", 3)),
        (3, Tick()),
        (3, LockFailed("stuck")),
        (3, LockFailed("still stuck")),
        (3.9, Tick()),
        (4, Tick()),
        (4, Recovered()),
    )[2:] == [
        (
            Fault("stuck", Locked(3), 4),
            (DriveLock(door.FAULT_REST), on(AlarmKind.LOCK_FAILED, "stuck")),
        ),
        (Fault("still stuck", Locked(3), 4), ()),
        (Fault("still stuck", Locked(3), 4), ()),
        (Fault("still stuck", Locked(3), 5), (DriveLock(door.FAULT_RETRY),)),
        (Locked(3), (over(AlarmKind.LOCK_FAILED),)),
    ]


def test_the_leaf_is_watched_during_a_fault() -> None:
    assert history(
        (0, LockFailed("stuck")), (0.5, DoorOpened()), (0.7, Recovered()), (0.9, DoorClosed())
    )[1:] == [
        (Fault("stuck", Forced(0.5), 1), (on(AlarmKind.FORCED, door.FORCED),)),
        (Forced(0.5), (over(AlarmKind.LOCK_FAILED),)),
        (Locked(), (over(AlarmKind.FORCED),)),
    ]


def test_a_press_in_a_fault_is_not_locked_again_before_its_time() -> None:
    assert history(
        (0, LockFailed("stuck")), (1, RequestToExit()), (2, Tick()), (4, Tick()), (4, Recovered())
    )[1:] == [
        (Fault("stuck", Unlocked(leaving(1, 4)), 1), (EXIT, Note())),
        (Fault("stuck", Unlocked(leaving(1, 4)), 3), ()),
        (Fault("stuck", Locked(4), 3), (DriveLock("pulse over"),)),
        (Locked(4), (over(AlarmKind.LOCK_FAILED),)),
    ]


@pytest.mark.parametrize("state", STATES)
def test_secure_and_shutdown_lock_from_everywhere(state: door.State) -> None:
    secured, first = door.step(state, Secure("why"), 1, POLICY)
    stopped, second = door.step(state, Shutdown(), 1, POLICY)
    assert door.pulse_of(secured) is None
    assert (first, stopped, second) == (
        (DriveLock("why"),),
        OutOfService(),
        (DriveLock("shutdown"),),
    )


def test_an_attempt_that_fails_ends_the_grant_but_locks_nobody_in() -> None:
    assert history(
        (0, Grant("a", 8)),
        (1, RequestToExit()),
        (2, DoorOpened()),
        (3, Secure("failed")),
        (4, Tick()),
        (5, Secure("failed")),
    )[2:] == [
        (Open(2, Pulse(0, 8, used=True, exit_until=4)), ()),
        (Open(2, Pulse(0, 4, used=True, exit_until=4)), ()),
        (Open(2), (DriveLock("pulse over"),)),
        (Open(2), (DriveLock("failed"),)),
    ]


@pytest.mark.parametrize(
    "state",
    [
        Unlocked(leaving(0, 3)),
        HeldOpen(0, leaving(0, 3)),
        Fault("stuck", Forced(0, leaving(0, 3))),
        OutOfService(leaving(0, 3)),
    ],
)
def test_nobody_is_locked_in_anywhere(state: door.State) -> None:
    assert door.step(state, Secure("failed"), 2, POLICY) == (state, ())
    after, actions = door.step(state, Secure("failed"), 3, POLICY)
    assert (door.pulse_of(after), actions) == (None, (DriveLock("failed"),))


def test_after_the_end_a_press_still_releases_for_its_time() -> None:
    assert history(
        (0, Shutdown()), (1, RequestToExit()), (3, Tick()), (4, Tick()), (5, Tick())
    ) == [
        (OutOfService(), (DriveLock("shutdown"),)),
        (OutOfService(leaving(1, 4)), (EXIT, Note())),
        (OutOfService(leaving(1, 4)), ()),
        (OutOfService(), (DriveLock("pulse over"),)),
        (OutOfService(), ()),
    ]


def test_a_failure_while_stopping_is_told() -> None:
    assert door.step(OutOfService(), LockFailed("stuck"), 0, POLICY) == (
        OutOfService(),
        (on(AlarmKind.LOCK_FAILED, "stuck"),),
    )


def test_stopping_ends_no_alarm() -> None:
    assert history((0, DoorOpened()), (1, Shutdown()))[-1] == (
        OutOfService(),
        (DriveLock("shutdown"),),
    )


@pytest.mark.parametrize("state", STATES)
def test_tampering_and_blindness_are_told_everywhere_and_change_nothing(state: door.State) -> None:
    told: list[tuple[door.Event, door.Action]] = [
        (Tamper(on=True), on(AlarmKind.TAMPER, door.TAMPERED)),
        (Tamper(on=False), over(AlarmKind.TAMPER)),
        (InputsFailed("no chip"), on(AlarmKind.INPUTS_FAILED, "no chip")),
        (InputsBack(), over(AlarmKind.INPUTS_FAILED)),
    ]
    for event, alarm in told:
        assert door.step(state, event, 1, POLICY) == (state, (alarm,))


# --- fail-safe ------------------------------------------------------------------------------


def test_a_fail_safe_door_rests_released_when_its_line_does_not_lock() -> None:
    assert history(
        (0, Grant("a", 3)),
        (3, Tick()),
        (3, LockFailed("stuck")),
        (4, Tick()),
        (4, LockFailed("still stuck")),
        (4.5, Tick()),
        (5, Tick()),
        (5, Recovered()),
        policy=SAFE,
    )[2:] == [
        (
            Fault("stuck", Locked(3), 4),
            (DriveUnlock(door.FAULT_REST), on(AlarmKind.LOCK_FAILED, "stuck")),
        ),
        (Fault("stuck", Locked(3), 5), (DriveLock(door.FAULT_RETRY),)),
        (Fault("still stuck", Locked(3), 5), ()),
        (Fault("still stuck", Locked(3), 5), ()),
        (Fault("still stuck", Locked(3), 6), (DriveLock(door.FAULT_RETRY),)),
        (Locked(3), (over(AlarmKind.LOCK_FAILED),)),
    ]


def test_a_fail_safe_line_that_does_not_let_go_is_told_again_while_the_pulse_runs() -> None:
    assert history(
        (0, RequestToExit()),
        (0, LockFailed("stuck")),
        (1, Tick()),
        (1, LockFailed("stuck")),
        (2, Tick()),
        (3, Tick()),
        policy=SAFE,
    )[1:] == [
        (
            Fault("stuck", Unlocked(leaving(0, 3)), 1),
            (DriveUnlock(door.FAULT_REST), on(AlarmKind.LOCK_FAILED, "stuck")),
        ),
        (
            Fault("stuck", Unlocked(leaving(0, 3)), 2),
            (DriveUnlock(door.FAULT_RELEASE),),
        ),
        (Fault("stuck", Unlocked(leaving(0, 3)), 2), ()),
        (
            Fault("stuck", Unlocked(leaving(0, 3)), 3),
            (DriveUnlock(door.FAULT_RELEASE),),
        ),
        (Fault("stuck", Locked(3), 3), (DriveLock("pulse over"),)),
    ]


def test_a_fail_safe_door_stays_released_after_the_end() -> None:
    assert history(
        (0, Shutdown()), (1, RequestToExit()), (2, Secure("why")), (9, Tick()), policy=SAFE
    ) == [
        (OutOfService(), (DriveUnlock("shutdown"),)),
        (OutOfService(), (EXIT, Note())),
        (OutOfService(), (DriveUnlock("why"),)),
        (OutOfService(), ()),
    ]


@pytest.mark.parametrize("state", STATES[:10])
def test_an_attempt_that_fails_locks_a_fail_safe_door_too(state: door.State) -> None:
    assert door.step(state, Secure("why"), 1, SAFE)[1] == (DriveLock("why"),)


# --- the table ------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "event"), list(product(STATES, EVENTS)))
def test_what_has_no_row_raises(state: door.State, event: door.Event) -> None:
    if (type(state), type(event)) in door.TABLE:
        door.step(state, event, 0, POLICY)
    else:
        with pytest.raises(IllegalEventError, match="cannot happen in the state"):
            door.step(state, event, 0, POLICY)


def test_only_grants_and_recoveries_are_ever_illegal() -> None:
    """What the world does has a row everywhere: a door is never at a loss."""
    every = set(product(map(type, STATES), map(type, EVENTS)))
    serving = (Locked, Unlocked, Open, HeldOpen, Forced)
    assert every - door.TABLE.keys() == {
        *((state, Recovered) for state in (*serving, OutOfService)),
        (Fault, Grant),
        (OutOfService, Grant),
    }


def test_the_examples_are_all_there_is() -> None:
    assert {type(it) for it in STATES} == set(get_args(door.State))
    assert {type(it) for it in EVENTS} == set(get_args(door.Event))
    assert {door.word(it) for it in STATES} == set(DoorWord)


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_a_time_without_end_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="some finite time"):
        Grant("a", seconds)
    with pytest.raises(ValueError, match="not a policy"):
        door.Policy(seconds)
    with pytest.raises(ValueError, match="not a policy"):
        door.Policy(3, held_open_s=seconds)


# --- whatever happens -----------------------------------------------------------------------

events = st.one_of(
    st.builds(Grant, st.just("a"), st.floats(0.1, 30)),
    st.sampled_from([it for it in EVENTS[1:] if not isinstance(it, (LockFailed, Recovered))]),
    st.sampled_from([DoorOpened(), DoorClosed(), RequestToExit(), Tick()]),
)
obedience = st.sampled_from([(True, True)] * 3 + [(False, True), (True, False), (False, False)])
moves = st.lists(st.tuples(st.floats(0, 5), events, obedience), min_size=1, max_size=40)


class Line:
    """A relay that obeys or does not, and the hand that drives it as the controller does.

    current: what flows, also when the line did not obey. allowed_until: how long it may flow, by
    what was granted and pressed.
    """

    def __init__(self, policy: door.Policy) -> None:
        self.policy = policy
        self.state: door.State = Locked()
        self.current = policy.fail_safe
        self.energised_at = 0.0
        self.alarms: set[AlarmKind] = set()
        self.causes: list[tuple[door.Event, door.Action]] = []

    def take(self, event: door.Event, now: float, obeys: tuple[bool, bool]) -> None:
        """One event. obeys: whether the line does, the first time and every other time."""
        pending, failures = [(event, event)], [*obeys]
        while pending:
            told, root = pending.pop(0)
            before = self.state
            self.state, actions = door.step(before, told, now, self.policy)
            assert type(self.state) in door.TABLE[type(before), type(told)].leads_to
            failed = False
            for action in actions:
                if isinstance(action, Alarm):
                    self._alarm(action)
                elif not isinstance(action, Note):
                    energise = isinstance(action, DriveLock) is self.policy.fail_safe
                    if failed and energise:
                        continue
                    self.causes.append((root, action))
                    if not (failures.pop(0) if len(failures) > 1 else failures[0]):
                        failed = True
                        pending.append((LockFailed("stuck"), root))
                        if energise:  # the lock itself rests when it could not be energised
                            self._flow(energise=False, now=now)
                        continue
                    self._flow(energise=energise, now=now)
                    if isinstance(action, DriveLock) and isinstance(self.state, Fault):
                        pending.append((Recovered(), root))

    def is_told_again(self, event: door.Event, now: float, obeys: tuple[bool, bool]) -> None:
        """Assert that a line that did not obey is not forgotten."""
        assert isinstance(self.state, (Fault, OutOfService))
        if isinstance(self.state, Fault) and isinstance(event, Tick) and all(obeys):
            assert now < self.state.retry_at

    def _flow(self, *, energise: bool, now: float) -> None:
        if energise and not self.current:
            self.energised_at = now
        self.current = energise

    def _alarm(self, alarm: Alarm) -> None:
        derived = {AlarmKind.FORCED, AlarmKind.HELD_OPEN, AlarmKind.LOCK_FAILED}
        if alarm.kind not in derived or isinstance(self.state, OutOfService):
            return
        # Each begins once and ends once.
        assert alarm.on is (alarm.kind not in self.alarms)
        (self.alarms.add if alarm.on else self.alarms.remove)(alarm.kind)


class Promise:
    """How long a fail-secure line may be energised, by what was granted and pressed."""

    def __init__(self) -> None:
        self.latest = -1.0
        self._owed = -1.0

    def after(self, event: door.Event, now: float, line: Line) -> None:
        """Count an event that was taken."""
        if isinstance(event, RequestToExit):
            self._owed = now + POLICY.exit_s
            self.latest = max(self.latest, self._owed)
        elif isinstance(event, Grant) and line.current:
            self.latest = max(self.latest, line.energised_at + POLICY.longest_s)
        elif isinstance(event, Secure):
            self.latest = min(self.latest, self._owed)


def watch_a_fail_secure_line(steps: Steps) -> None:
    """Assert of a history what a fail-secure line promises."""
    line, promise, now, stuck = Line(POLICY), Promise(), 0.0, False
    for wait, event, obeys in steps:
        now += wait
        stuck = line.current and (stuck or not all(obeys))
        try:
            line.take(event, now, obeys)
        except IllegalEventError:
            assert isinstance(event, Grant)
            assert isinstance(line.state, (Fault, OutOfService))
            continue
        promise.after(event, now, line)
        if line.current and door.pulse_of(line.state) is None:
            assert stuck
            line.is_told_again(event, now, obeys)
        elif line.current and isinstance(event, (Tick, Secure, Shutdown)) and all(obeys):
            assert not isinstance(event, Shutdown)
            assert now < promise.latest
    unlocked = {type(root) for root, action in line.causes if isinstance(action, DriveUnlock)}
    assert unlocked <= {Grant, RequestToExit}


@settings(max_examples=200, deadline=None)
@given(moves)
def test_a_fail_secure_line_is_energised_only_by_grants_and_presses_and_in_time(
    steps: Steps,
) -> None:
    watch_a_fail_secure_line(steps)


@settings(max_examples=100, deadline=None)
@given(moves, st.booleans())
def test_whoever_asks_to_leave_has_their_whole_time(
    steps: Steps,
    fail_safe: bool,  # noqa: FBT001 - drawn
) -> None:
    policy = SAFE if fail_safe else POLICY
    line, now, owed = Line(policy), 0.0, -1.0
    for wait, event, _ in steps:
        now += wait
        with contextlib.suppress(IllegalEventError):
            line.take(event, now, (True, True))
        if isinstance(event, RequestToExit):
            owed = now + policy.exit_s
        elif isinstance(event, (DoorClosed, Shutdown)):
            owed = now  # they are through, or the appliance ends
        if now < owed:
            assert line.current is not fail_safe


@settings(max_examples=200, deadline=None)
@given(moves)
def test_a_fail_safe_line_lets_go_for_every_press_and_after_the_end(
    steps: Steps,
) -> None:
    line, now = Line(SAFE), 0.0
    for wait, event, obeys in steps:
        now += wait
        try:
            line.take(event, now, obeys)
        except IllegalEventError:
            continue
        if isinstance(event, RequestToExit) and obeys[0]:
            assert not line.current
        if isinstance(line.state, OutOfService) and all(obeys):
            assert not line.current or not isinstance(event, (Shutdown, Secure))
        if line.current:  # locked: nothing was promised to anybody
            pulse = door.pulse_of(line.state)
            assert pulse is None or isinstance(line.state, Fault)


@given(moves)
def test_without_a_contact_nothing_is_known_of_the_leaf(
    steps: Steps,
) -> None:
    line, now = Line(POLICY), 0.0
    for wait, event, obeys in steps:
        now += wait
        if isinstance(event, (FoundOpen, DoorOpened, DoorClosed)):
            continue
        with contextlib.suppress(IllegalEventError):
            line.take(event, now, obeys)
        state = line.state.beneath if isinstance(line.state, Fault) else line.state
        assert isinstance(state, (Locked, Unlocked, OutOfService))
        assert line.alarms <= {AlarmKind.LOCK_FAILED}


def test_the_picture_in_the_docs_is_current() -> None:
    assert f"```mermaid\n{door.diagram()}```\n<!-- /diagram -->" in DOCS.read_text("utf-8")
