from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import lockout
from appliance.types import FailureCount

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=timezone.utc)
POLICY = lockout.Policy(failures=5, lockout_s=60)

policies = st.builds(lockout.Policy, failures=st.integers(1, 100), lockout_s=st.floats(1, 86_400))
moments = st.integers(0, 2**32).map(lambda it: datetime.fromtimestamp(it, timezone.utc))
counts = st.builds(FailureCount, failures=st.integers(0, 10_000), at=moments)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def failed(times: int, *, at: datetime = NOON) -> FailureCount:
    return FailureCount(times, at)


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
    assert lockout.reviewed(failed(9), later(4560), POLICY) == failed(9)
    assert lockout.reviewed(failed(9), later(4561), POLICY) is None
    assert lockout.after_failure(failed(9), later(4561), POLICY) == failed(1, at=later(4561))


def test_a_clock_set_back_locks_for_one_whole_lock_out_and_not_until_the_stamp() -> None:
    future = failed(5, at=later(10 * 365 * 86_400))
    assert lockout.remaining(future, NOON, POLICY) == 60
    kept = lockout.reviewed(future, NOON, POLICY)
    assert kept == failed(5)
    assert lockout.remaining(kept, later(60), POLICY) == 0


def test_an_intruder_gets_few_tries_whatever_his_pace() -> None:
    def per_day(tries: int) -> float:
        """He fails as fast as he may, then waits until all is forgotten, and begins anew."""
        waits = [lockout.remaining(failed(it), NOON, POLICY) for it in range(1, tries)]
        return tries * 86_400 / (sum(waits) + POLICY.forget_s)

    assert 140 < max(per_day(tries) for tries in range(1, 200)) < 150


@pytest.mark.parametrize(
    ("failures", "lockout_s"), [(0, 60), (5, 0), (5, float("nan")), (5, float("inf"))]
)
def test_a_policy_that_protects_nothing_is_refused(failures: int, lockout_s: float) -> None:
    with pytest.raises(ValueError, match="not a lock-out policy"):
        lockout.Policy(failures, lockout_s)


@given(counts, moments, policies)
def test_remaining_is_never_negative_and_never_beyond_the_cap(
    count: FailureCount, now: datetime, policy: lockout.Policy
) -> None:
    assert 0 <= lockout.remaining(count, now, policy) <= policy.longest_s


@given(counts, moments, st.floats(0, 1e6), policies)
def test_waiting_never_makes_it_longer(
    count: FailureCount, now: datetime, wait: float, policy: lockout.Policy
) -> None:
    after = lockout.remaining(count, now + timedelta(seconds=wait), policy)
    assert after <= lockout.remaining(count, now, policy)


@given(counts, moments, policies)
def test_a_further_failure_never_makes_it_shorter(
    count: FailureCount, now: datetime, policy: lockout.Policy
) -> None:
    kept = lockout.reviewed(count, now, policy)
    after = lockout.after_failure(count, now, policy)
    assert lockout.remaining(after, now, policy) >= lockout.remaining(kept, now, policy)


@given(counts, moments, policies)
def test_reviewing_frees_nobody_early(
    count: FailureCount, now: datetime, policy: lockout.Policy
) -> None:
    kept = lockout.reviewed(count, now, policy)
    assert lockout.remaining(kept, now, policy) == lockout.remaining(count, now, policy)
    assert lockout.reviewed(kept, now, policy) == kept


@given(counts, st.lists(moments, max_size=5), policies)
def test_however_the_clock_jumped_the_longest_lock_out_frees(
    count: FailureCount, jumps: list[datetime], policy: lockout.Policy
) -> None:
    kept: FailureCount | None = count
    now = NOON
    for now in [*jumps, NOON]:
        kept = lockout.reviewed(kept, now, policy)
    now += timedelta(seconds=policy.longest_s, microseconds=1)  # what a datetime resolves
    assert lockout.remaining(kept, now, policy) == 0
