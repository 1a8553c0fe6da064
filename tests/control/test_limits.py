"""What one caller may take: connections, requests a second, and lines in the audit log."""

from __future__ import annotations

from appliance.control.limits import Gate, Limits, Pace, Rarely
from tests.fakes import FakeClock


def test_a_user_has_so_many_connections_and_others_still_get_in() -> None:
    gate = Gate(Limits(connections=8, per_user=3))
    assert [gate.enter(1) for _ in range(4)] == [True, True, True, False]
    assert gate.enter(2)
    gate.leave(1)
    assert gate.enter(1)


def test_the_last_places_are_for_those_who_have_none() -> None:
    gate = Gate(Limits(connections=8, per_user=8))
    assert [gate.enter(1) for _ in range(8)].count(True) == 6
    assert [gate.enter(2), gate.enter(2), gate.enter(3), gate.enter(4)] == [
        True, False, True, False,
    ]  # fmt: skip
    assert gate.held == 8


def test_a_gate_forgets_who_has_left() -> None:
    gate = Gate(Limits())
    for uid in range(1000):
        assert gate.enter(uid)
        gate.leave(uid)
    assert gate.held == 0
    assert gate._held == {}


def test_who_asks_too_fast_waits_and_nobody_else() -> None:
    clock = FakeClock()
    pace = Pace(Limits(per_second=10, burst=3), clock.monotonic)
    waits = [round(pace.wait_for(1), 3) for _ in range(5)]
    assert waits == [0, 0, 0, 0.1, 0.2]
    assert pace.wait_for(2) == 0
    clock.advance(10)
    assert pace.wait_for(1) == 0


def test_the_pace_of_many_users_takes_bounded_memory() -> None:
    clock = FakeClock()
    pace = Pace(Limits(per_second=10, burst=3), clock.monotonic)
    for uid in range(5000):
        pace.wait_for(uid)
        clock.advance(0.2)
    assert len(pace._full_at) <= 256


def test_one_of_a_kind_a_minute() -> None:
    clock = FakeClock()
    rarely = Rarely(clock.monotonic)
    assert (rarely.lets("a"), rarely.lets("a"), rarely.lets("b")) == (True, False, True)
    clock.advance(59)
    assert not rarely.lets("a")
    clock.advance(1)
    assert rarely.lets("a")


def test_no_flood_of_kinds_gets_through() -> None:
    rarely = Rarely(FakeClock().monotonic)
    assert sum(rarely.lets(kind) for kind in range(5000)) == 256
