from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import door
from appliance.door import (
    Alarm,
    AlarmKind,
    DriveLock,
    DriveUnlock,
    Fault,
    Grant,
    Locked,
    LockFailed,
    OutOfService,
    Recovered,
    Secure,
    Shutdown,
    Tick,
    Unlocked,
)
from appliance.errors import IllegalEventError

POLICY = door.Policy(longest_s=10)
DOCS = Path(__file__).parents[1] / "docs" / "door.md"

STATES: tuple[door.State, ...] = (Locked(), Unlocked(0, 3), Fault("stuck"), OutOfService())
EVENTS: tuple[door.Event, ...] = (
    Grant("accept #1", 3),
    Tick(),
    Secure("failed"),
    LockFailed("stuck"),
    Recovered(),
    Shutdown(),
)


def history(*moves: tuple[float, door.Event]) -> list[tuple[door.State, tuple[door.Action, ...]]]:
    """All states and actions, from a locked door."""
    state: door.State = Locked()
    seen = []
    for now, event in moves:
        state, actions = door.step(state, event, now, POLICY)
        seen.append((state, actions))
    return seen


def test_a_pulse_ends_by_itself() -> None:
    assert history((0, Grant("accept #1", 3)), (2.9, Tick()), (3, Tick()), (4, Tick())) == [
        (Unlocked(0, 3), (DriveUnlock("accept #1"),)),
        (Unlocked(0, 3), ()),
        (Locked(), (DriveLock("pulse over"),)),
        (Locked(), ()),
    ]


def test_a_grant_in_a_pulse_begins_it_anew_within_the_bound() -> None:
    grants = [(now, Grant(f"accept #{now}", 4)) for now in (0, 3, 6, 9)]
    states = [state for state, _ in history(*grants)]
    assert states == [Unlocked(0, 4), Unlocked(0, 7), Unlocked(0, 10), Unlocked(0, 10)]


def test_the_bound_also_holds_for_the_first_grant() -> None:
    assert history((0, Grant("a", 11)))[-1][0] == Unlocked(0, 10)


def test_a_shorter_grant_does_not_cut_a_pulse_short() -> None:
    assert history((0, Grant("a", 8)), (1, Grant("b", 2)))[-1] == (
        Unlocked(0, 8),
        (DriveUnlock("b"),),
    )


def test_a_grant_after_an_unnoticed_end_locks_first() -> None:
    assert history((0, Grant("a", 3)), (5, Grant("b", 3)))[-1] == (
        Unlocked(5, 8),
        (DriveLock("pulse over before the next grant"), DriveUnlock("b")),
    )


def test_a_line_that_does_not_obey_alarms_once_and_is_locked_again_until_it_does() -> None:
    assert history(
        (0, Grant("a", 3)),
        (3, Tick()),
        (3, LockFailed("stuck")),
        (3, LockFailed("still stuck")),
        (4, Tick()),
        (4, Recovered()),
    )[2:] == [
        (Fault("stuck"), (DriveLock(door.FAULT_RETRY), Alarm(AlarmKind.LOCK_FAILED, "stuck"))),
        (Fault("still stuck"), ()),
        (Fault("still stuck"), (DriveLock(door.FAULT_RETRY),)),
        (Locked(), (Alarm(AlarmKind.LOCK_RECOVERED),)),
    ]


@pytest.mark.parametrize("state", STATES)
def test_secure_and_shutdown_lock_from_everywhere(state: door.State) -> None:
    secured, first = door.step(state, Secure("why"), 1, POLICY)
    stopped, second = door.step(state, Shutdown(), 1, POLICY)
    assert not isinstance(secured, Unlocked)
    assert (first, stopped, second) == (
        (DriveLock("why"),),
        OutOfService(),
        (DriveLock("shutdown"),),
    )


def test_a_failure_while_stopping_is_told() -> None:
    assert door.step(OutOfService(), LockFailed("stuck"), 0, POLICY) == (
        OutOfService(),
        (Alarm(AlarmKind.LOCK_FAILED, "stuck"),),
    )


@pytest.mark.parametrize(("state", "event"), list(product(STATES, EVENTS)))
def test_what_has_no_row_raises(state: door.State, event: door.Event) -> None:
    if (type(state), type(event)) in door.TABLE:
        door.step(state, event, 0, POLICY)
    else:
        with pytest.raises(IllegalEventError, match="cannot happen in the state"):
            door.step(state, event, 0, POLICY)


@pytest.mark.parametrize("state", [Fault("stuck"), OutOfService()])
def test_nothing_is_granted_in_a_fault_or_after_the_end(state: door.State) -> None:
    with pytest.raises(IllegalEventError):
        door.step(state, Grant("accept #1", 3), 0, POLICY)


def test_the_examples_are_all_there_is() -> None:
    assert {type(it) for it in STATES} == set(get_args(door.State))
    assert {type(it) for it in EVENTS} == set(get_args(door.Event))


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_a_time_without_end_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="some finite time"):
        Grant("a", seconds)
    with pytest.raises(ValueError, match="not a policy"):
        door.Policy(seconds)


events = st.one_of(
    st.builds(Grant, st.just("a"), st.floats(0.1, 30)),
    st.sampled_from(EVENTS[1:]),
    st.just(Tick()),
)


@given(st.lists(st.tuples(st.floats(0, 5), events), max_size=40))
def test_whatever_happens_the_line_rests_in_time(moves: list[tuple[float, door.Event]]) -> None:
    state: door.State = Locked()
    now, energised_since = 0.0, None
    for wait, event in moves:
        now += wait
        try:
            after, actions = door.step(state, event, now, POLICY)
        except IllegalEventError:
            continue
        assert type(after) in door.TABLE[type(state), type(event)].leads_to
        state = after
        for action in actions:
            if isinstance(action, DriveUnlock):
                assert isinstance(event, Grant)
                energised_since = now if energised_since is None else energised_since
            elif isinstance(action, DriveLock):
                energised_since = None
        assert (energised_since is None) or isinstance(state, Unlocked)
        if isinstance(event, Tick) and energised_since is not None:
            assert now - energised_since < POLICY.longest_s


def test_the_picture_in_the_docs_is_current() -> None:
    assert f"```mermaid\n{door.diagram()}```\n<!-- /diagram -->" in DOCS.read_text("utf-8")
