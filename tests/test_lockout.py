from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import lockout
from appliance.types import FailureCount, Moment
from tests.fakes import FakeClock

NOON = Moment(datetime(2026, 1, 5, 12, 0, tzinfo=timezone.utc), True, "first boot", 1000.0)
POLICY = lockout.Policy(failures=5, lockout_s=60)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

policies = st.builds(
    lockout.Policy,
    failures=st.integers(1, 100),
    lockout_s=st.floats(1, 86_400),
    per_hour=st.integers(1, 3600),
)
walls = st.integers(0, 2**32).map(lambda it: datetime.fromtimestamp(it, timezone.utc))
moments = st.builds(
    Moment,
    wall=walls,
    trusted=st.booleans(),
    boot=st.sampled_from(["first boot", "second boot", ""]),
    uptime=st.floats(0, 1e8),
)
counts = st.builds(FailureCount, failures=st.integers(0, 10_000), at=moments)


def later(seconds: float) -> Moment:
    wall = NOON.wall + timedelta(seconds=seconds)
    return replace(NOON, wall=wall, uptime=NOON.uptime + seconds)


def booted(uptime: float, *, wall: datetime = EPOCH, trusted: bool = False) -> Moment:
    """So long after a power cut."""
    return Moment(wall, trusted, "second boot", uptime)


def failed(times: int, *, at: Moment = NOON) -> FailureCount:
    return FailureCount(times, at)


# --- one name, one way ----------------------------------------------------------------------


def test_nobody_waits_who_has_not_failed() -> None:
    assert lockout.remaining(None, NOON, POLICY) == 0


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, 0), (4, 0), (5, 60), (6, 120), (7, 240), (8, 480), (9, 960), (10, 960)],
)
def test_the_lock_out_grows_and_stops_growing(failures: int, seconds: float) -> None:
    assert lockout.remaining(failed(failures), NOON, POLICY) == seconds


def test_a_lock_out_counts_down_and_ends() -> None:
    left = [lockout.remaining(failed(5), later(it), POLICY) for it in (0, 20, 59.5, 60, 61)]
    assert left == [60, 40, 0.5, 0, 0]


@pytest.mark.parametrize(
    ("lockout_s", "longest_s"), [(1, 16), (60, 960), (600, 3600), (3600, 3600), (86_400, 86_400)]
)
def test_growth_is_bounded_by_an_hour_or_by_what_was_configured(
    lockout_s: float, longest_s: float
) -> None:
    assert lockout.Policy(5, lockout_s).longest_s == longest_s


def test_failures_add_up_and_carry_the_time_of_the_last() -> None:
    one = lockout.after_failure(None, NOON, POLICY)
    two = lockout.after_failure(one, later(30), POLICY)
    assert [one, two] == [failed(1), failed(2, at=later(30))]


def test_an_old_failure_is_forgotten() -> None:
    assert POLICY.forget_s == 960 + 3600
    assert lockout.after_failure(failed(9), later(4560), POLICY) == failed(10, at=later(4560))
    assert lockout.after_failure(failed(9), later(4561), POLICY) == failed(1, at=later(4561))


def test_an_intruder_gets_few_tries_whatever_his_pace() -> None:
    def per_day(tries: int) -> float:
        """He fails as fast as he may, then waits until all is forgotten, and begins anew."""
        waits = [lockout.remaining(failed(it), NOON, POLICY) for it in range(1, tries)]
        return tries * 86_400 / (sum(waits) + POLICY.forget_s)

    assert 140 < max(per_day(tries) for tries in range(1, 200)) < 150


@pytest.mark.parametrize(
    ("failures", "lockout_s", "per_hour"),
    [(0, 60, 60), (5, 0, 60), (5, float("nan"), 60), (5, float("inf"), 60), (5, 60, 0)],
)
def test_a_policy_that_protects_nothing_is_refused(
    failures: int, lockout_s: float, per_hour: int
) -> None:
    with pytest.raises(ValueError, match="not a lock-out policy"):
        lockout.Policy(failures, lockout_s, per_hour)


# --- whatever the clocks do -----------------------------------------------------------------


@pytest.mark.parametrize("years", [-56, -1, 0, 12])
@pytest.mark.parametrize("trusted", [True, False])
def test_within_a_boot_the_wall_clock_plays_no_part(years: int, *, trusted: bool) -> None:
    jumped = NOON.wall.replace(year=NOON.wall.year + years)
    now = replace(later(20), wall=jumped, trusted=trusted)
    assert lockout.remaining(failed(5), now, POLICY) == 40


def test_after_a_power_cut_the_whole_wait_begins_anew_while_the_time_is_not_known() -> None:
    left = [lockout.remaining(failed(5), booted(it), POLICY) for it in (0, 25, 60)]
    assert left == [60, 35, 0]


def test_a_clock_that_is_right_again_tells_how_long_the_power_was_gone() -> None:
    wall = NOON.wall + timedelta(seconds=50)
    assert lockout.remaining(failed(5), booted(5, wall=wall, trusted=True), POLICY) == 10


@pytest.mark.parametrize(("then", "now"), [(True, False), (False, True), (False, False)])
def test_one_trusted_clock_is_not_enough(*, then: bool, now: bool) -> None:
    years_on = NOON.wall.replace(year=2040)
    count = failed(5, at=replace(NOON, trusted=then))
    assert lockout.remaining(count, booted(5, wall=years_on, trusted=now), POLICY) == 55


def test_a_time_server_that_sets_the_clock_back_over_a_restart_locks_nobody_for_years() -> None:
    past = NOON.wall.replace(year=2026, month=1, day=1)
    assert lockout.remaining(failed(5), booted(5, wall=past, trusted=True), POLICY) == 55


def test_a_stamp_that_this_boot_has_not_reached_yet_is_taken_for_one_of_another() -> None:
    """As after a ledger was tampered with, or brought from elsewhere."""
    ahead = failed(5, at=replace(NOON, uptime=1e12))
    assert lockout.remaining(ahead, replace(NOON, uptime=20.0), POLICY) == 40


def test_a_moment_is_taken_from_the_clock() -> None:
    clock = FakeClock(5.0, boot="third boot", trusted=False)
    assert lockout.moment(clock) == Moment(clock.now(), False, "third boot", 5.0)


@settings(deadline=None)
@given(counts, moments, policies)
def test_remaining_is_never_negative_and_never_beyond_the_cap(
    count: FailureCount, now: Moment, policy: lockout.Policy
) -> None:
    assert 0 <= lockout.remaining(count, now, policy) <= policy.longest_s


@settings(deadline=None)
@given(counts, moments, st.floats(0, 1e6), policies)
def test_waiting_never_makes_it_longer(
    count: FailureCount, now: Moment, wait: float, policy: lockout.Policy
) -> None:
    waited = replace(now, uptime=now.uptime + wait)
    after = lockout.remaining(count, waited, policy)
    # A stamp ahead of this boot's time is met on the way: then the count begins once more.
    met = count.at.boot == now.boot and now.uptime < count.at.uptime <= waited.uptime
    assert after <= (policy.longest_s if met else lockout.remaining(count, now, policy))


@settings(deadline=None)
@given(counts, moments, policies)
def test_a_further_failure_never_makes_it_shorter(
    count: FailureCount, now: Moment, policy: lockout.Policy
) -> None:
    after = lockout.after_failure(count, now, policy)
    assert lockout.remaining(after, now, policy) >= lockout.remaining(count, now, policy)


@settings(deadline=None)
@given(counts, moments, policies)
def test_however_the_clock_jumps_the_longest_lock_out_of_one_boot_frees(
    count: FailureCount, now: Moment, policy: lockout.Policy
) -> None:
    waited = replace(now, boot="another boot", uptime=policy.longest_s)
    assert lockout.remaining(count, waited, policy) == 0


@settings(deadline=None)
@given(st.integers(1, 10_000), policies, st.lists(st.floats(0, 50), max_size=5), walls)
def test_pulling_the_plug_frees_nobody_early(
    failures: int, policy: lockout.Policy, uptimes: list[float], wall: datetime
) -> None:
    """However often: only time that has really passed counts."""
    count = failed(min(failures, policy.most))
    whole = lockout.remaining(count, NOON, policy)
    for number, uptime in enumerate(uptimes):
        now = Moment(wall, False, f"boot {number}", uptime)
        assert lockout.remaining(count, now, policy) >= whole - uptime


# --- everybody by one way -------------------------------------------------------------------


def bucket_after(count: int, *, at: Moment = NOON) -> FailureCount | None:
    bucket = None
    for _ in range(count):
        bucket = lockout.filled(bucket, at, POLICY)
    return bucket


def test_a_way_is_not_slowed_until_an_hours_share_has_failed() -> None:
    waits = [lockout.slowed(bucket_after(it), NOON, POLICY) for it in (0, 1, 59, 60, 61, 600)]
    assert waits == [0, 0, 0, 60, 60, 60]


def test_a_slowed_way_is_heard_once_a_minute_and_recovers() -> None:
    full = bucket_after(60)
    assert [lockout.slowed(full, later(it), POLICY) for it in (0, 20, 59, 60)] == [60, 40, 1, 0]
    again = lockout.filled(full, later(60), POLICY)
    assert lockout.slowed(again, later(60), POLICY) == 60
    assert lockout.slowed(again, later(120), POLICY) == 0
    rested = lockout.filled(again, later(60 + 3600), POLICY)
    assert lockout.slowed(rested, later(60 + 3600), POLICY) == 0
    assert rested.failures == 1


def test_after_a_power_cut_a_slowed_way_stays_slowed_for_one_turn() -> None:
    full = bucket_after(60)
    assert [lockout.slowed(full, booted(it), POLICY) for it in (0, 20, 60)] == [60, 40, 0]


@settings(deadline=None)
@given(st.lists(st.floats(0, 500), min_size=1, max_size=200), policies)
def test_nobody_fails_oftener_than_allowed(pauses: list[float], policy: lockout.Policy) -> None:
    """He tries as soon as he is heard, and sometimes later: per_hour at once, and per_hour/h."""
    bucket, at, heard = None, 0.0, 0
    for pause in pauses:
        at += pause
        at += lockout.slowed(bucket, later(at), policy)
        heard += 1
        bucket = lockout.filled(bucket, later(at), policy)
    assert heard <= policy.per_hour + at / policy.apart_s + 1


@settings(deadline=None)
@given(counts, moments, policies)
def test_slowed_is_bounded_whatever_the_ledger_holds(
    count: FailureCount, now: Moment, policy: lockout.Policy
) -> None:
    assert 0 <= lockout.slowed(count, now, policy) <= policy.apart_s
    assert 1 <= lockout.filled(count, now, policy).failures <= policy.per_hour
