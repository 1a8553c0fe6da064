from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance import access
from appliance.access import (
    ALWAYS,
    NOT_NOW,
    TIME_UNKNOWN,
    Access,
    Permission,
    Policy,
    Window,
    parse_from,
    parse_until,
    parse_window,
    parse_windows,
)
from appliance.errors import InputError
from tests.fakes import FakeClock

ZURICH = ZoneInfo("Europe/Zurich")
DENY, ALLOW = Policy(ZURICH, "deny"), Policy(ZURICH, "allow")
OFFICE = parse_window("mon-fri 08:00-18:00")
NIGHT = parse_window("fri 22:00-06:00")
MONDAY = datetime(2026, 1, 5)  # noqa: DTZ001 - a day on the wall, given its zone below


def wall(day: int, hour: int, minute: int = 0, *, fold: int = 0, month: int = 1) -> datetime:
    """A moment in Zurich; 5 January 2026 is a Monday."""
    return datetime(2026, month, day, hour, minute, fold=fold, tzinfo=ZURICH)


def allowed(
    permission: Permission, now: datetime, policy: Policy = DENY, *, trusted: bool = True
) -> bool:
    moment = now.astimezone(timezone.utc)
    return access.refusal(permission, moment, policy, trusted=trusted) is None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("mon-fri 08:00-18:00", "mon-fri 08:00-18:00"),
        ("Mon - Fri  8:00 \u2013 18:00", "mon-fri 08:00-18:00"),
        ("sat 09:00-12:00", "sat 09:00-12:00"),
        ("saturday,sunday 9:00-12:30", "sat,sun 09:00-12:30"),
        ("mon,wed-fri 0:00-24:00", "mon,wed-fri 00:00-24:00"),
        ("fri-mon 07:00-08:00", "mon,fri-sun 07:00-08:00"),
        ("22:00-06:00", "daily 22:00-06:00"),
        ("daily 22:00-00:00", "daily 22:00-24:00"),
        ("mon-sun 06:00-07:00", "daily 06:00-07:00"),
        ("sun-mon 06:00-07:00", "mon,sun 06:00-07:00"),
    ],
)
def test_a_window_is_read_as_people_write_it(text: str, canonical: str) -> None:
    assert str(parse_window(text)) == canonical


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "is not a part of the week"),
        ("always", "is not a part of the week"),
        ("mon-fri", "is not a part of the week"),
        ("mon-fri 8-18", "is not a part of the week"),
        ("mon-fri 08:00", "is not a part of the week"),
        ("mon 08:00-18:00 tue 08:00-18:00", "is not a part of the week"),
        ("mon 08:00-18:00; true", "is not a part of the week"),
        ("mon ٠٨:٠٠-١٨:٠٠", "is not a part of the week"),  # noqa: RUF001 - digits, but not ours
        ("mon-wed-fri 08:00-18:00", "no range of days"),
        ("moo 08:00-18:00", "'moo', which is no day"),
        ("mo 08:00-18:00", "'mo', which is no day"),
        ("mon 08:60-18:00", "08:60, which is no time"),
        ("mon 25:00-26:00", "25:00, which is no time"),
        ("mon 08:00-24:01", "24:01, which is no time"),
        ("mon 24:00-06:00", "begins at 24:00"),
        ("mon 08:00-08:00", "ends where it begins"),
        ("mon 00:00-00:00", "ends where it begins"),
        ("x" * 5000, "is not a part of the week"),
    ],
)
def test_what_is_no_window_is_told_in_a_sentence(text: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault) as told:
        parse_window(text)
    assert told.value.code == "bad_window"
    assert len(told.value.message) < 200
    assert "mon-fri 08:00-18:00" in told.value.hint


# No window ends where it begins.
windows = (
    st.tuples(
        st.frozensets(st.integers(0, 6), min_size=1), st.integers(0, 1439), st.integers(1, 1440)
    )
    .filter(lambda parts: parts[1] != parts[2])
    .map(lambda parts: Window(*parts))
)


@settings(deadline=None)
@given(windows)
def test_a_window_written_is_read_as_itself(window: Window) -> None:
    assert parse_window(str(window)) == window


looks_like_one = st.from_regex(r"[a-z,\- ]{0,20} ?[0-9:]{1,5}-[0-9:]{1,5}", fullmatch=True)


@settings(deadline=None)
@given(st.text(max_size=150) | looks_like_one)
def test_whatever_is_typed_is_a_window_or_a_sentence(text: str) -> None:
    try:
        window = parse_window(text)
    except InputError as error:
        assert error.code == "bad_window"  # noqa: PT017 - either outcome is right, no third is
    else:
        assert parse_window(str(window)) == window


@pytest.mark.parametrize("parse", [parse_from, parse_until])
@settings(deadline=None)
@given(
    text=st.text(max_size=60) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2})?")
)
def test_whatever_is_typed_is_a_date_or_a_sentence(
    parse: Callable[[str], datetime], text: str
) -> None:
    try:
        moment = parse(text)
    except InputError as error:
        assert error.code == "bad_date"  # noqa: PT017 - either outcome is right, no third is
    else:
        assert 2020 <= moment.year <= 2200


@settings(deadline=None)
@given(windows, st.integers(0, 7 * 1440 - 1))
def test_a_window_holds_what_a_slow_count_of_its_minutes_says(window: Window, minute: int) -> None:
    """The whole week minute by minute: each day's window laid out, over midnight too."""
    length = (window.end - window.start) % 1440 or 1440
    inside = {
        (day * 1440 + window.start + step) % (7 * 1440)
        for day in window.days
        for step in range(length)
    }
    assert window.holds(MONDAY + timedelta(minutes=minute)) is (minute in inside)


def test_a_window_begins_with_its_first_minute_and_ends_before_its_last() -> None:
    person = Permission((OFFICE,))
    assert not allowed(person, wall(5, 7, 59))
    assert allowed(person, wall(5, 8))
    assert allowed(person, wall(5, 17, 59))
    assert not allowed(person, wall(5, 18))
    assert not allowed(person, wall(10, 12))


def test_a_night_belongs_to_the_day_on_which_it_began() -> None:
    person = Permission((NIGHT,))
    assert not allowed(person, wall(9, 5))  # Friday morning: Thursday's night was not given
    assert allowed(person, wall(9, 22))
    assert allowed(person, wall(10, 5, 59))
    assert not allowed(person, wall(10, 6))
    assert not allowed(person, wall(10, 23))


def test_sunday_night_ends_on_monday() -> None:
    assert allowed(Permission((parse_window("sun 23:00-01:00"),)), wall(12, 0, 30))


def test_any_of_several_windows_is_enough() -> None:
    person = Permission(parse_windows(["mon-fri 08:00-18:00", "sat 09:00-12:00"]))
    assert allowed(person, wall(10, 9))
    assert not allowed(person, wall(11, 9))


def test_schedules_are_of_the_door_and_not_of_utc() -> None:
    moment = datetime(2026, 1, 5, 7, 30, tzinfo=timezone.utc)  # half past eight in Zurich
    assert allowed(Permission((OFFICE,)), moment)
    assert not allowed(Permission((OFFICE,)), moment, Policy(timezone.utc, "deny"))


def test_without_a_zone_the_system_s_own_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    moment = datetime(2026, 7, 6, 0, 30, tzinfo=timezone.utc)
    person = Permission((parse_window("mon 08:00-18:00"),))
    try:
        for zone, expected in (("Asia/Tokyo", True), ("America/New_York", False)):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert allowed(person, moment, Policy(None, "deny")) is expected
    finally:
        monkeypatch.undo()
        time.tzset()


# In Zurich, clocks go from 2 to 3 on 29 March 2026, and from 3 back to 2 on 25 October 2026.


def test_in_spring_a_window_inside_the_lost_hour_does_not_come() -> None:
    person = Permission((parse_window("sun 02:00-03:00"),))
    start = datetime(2026, 3, 28, 23, tzinfo=timezone.utc)
    assert not any(allowed(person, start + timedelta(minutes=step)) for step in range(24 * 60))


def test_in_autumn_a_window_inside_the_doubled_hour_comes_twice() -> None:
    person = Permission((parse_window("sun 02:15-02:45"),))
    assert allowed(person, wall(25, 2, 30, month=10))
    assert not allowed(person, wall(25, 2, 50, month=10))
    assert allowed(person, wall(25, 2, 30, month=10, fold=1))
    assert not allowed(person, wall(25, 2, 50, month=10, fold=1))


def test_what_expired_stays_so_when_the_wall_s_clock_goes_back() -> None:
    person = Permission(expires=parse_until("2026-10-25 02:30"))
    start = datetime(2026, 10, 24, 22, tzinfo=timezone.utc)
    times = [allowed(person, start + timedelta(minutes=step)) for step in range(6 * 60)]
    assert times == sorted(times, reverse=True)
    assert times.count(True) == 150  # 00:00 to 02:30, the first of two


def test_a_first_moment_that_comes_twice_counts_from_the_second() -> None:
    person = Permission(not_before=parse_from("2026-10-25 02:30"))
    assert not allowed(person, wall(25, 2, 40, month=10))
    assert allowed(person, wall(25, 2, 30, month=10, fold=1))


def test_a_last_moment_in_the_lost_hour_counts_early_and_a_first_one_late() -> None:
    before, after = wall(29, 1, 45, month=3), wall(29, 3, 15, month=3)
    until = Permission(expires=parse_until("2026-03-29 02:30"))
    since = Permission(not_before=parse_from("2026-03-29 02:30"))
    assert (allowed(until, before), allowed(until, after)) == (False, False)
    assert (allowed(since, before), allowed(since, after)) == (False, False)


# Half an hour of summer time, two hours of it, winter time as the exception, and the south.
SPECIAL = ("Australia/Lord_Howe", "Antarctica/Troll", "Europe/Dublin", "America/Santiago")


@settings(deadline=None)
@given(
    st.sampled_from(["UTC", "Europe/Zurich", *SPECIAL]),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001 - on the wall
    st.integers(-300, 300),
)
@example("Europe/Zurich", datetime(2026, 10, 25, 2, 30), 0)  # noqa: DTZ001 - on the wall
@example("Europe/Zurich", datetime(2026, 3, 29, 2, 30), 0)  # noqa: DTZ001 - on the wall
def test_first_and_last_moments_part_time_in_two_wherever_the_door_stands(
    name: str, local: datetime, shift: int
) -> None:
    zone = ZoneInfo(name)
    local = local.replace(second=0, microsecond=0)
    middle = local.replace(tzinfo=zone).astimezone(timezone.utc) + timedelta(minutes=shift)
    until, since = Permission(expires=local), Permission(not_before=local)
    policy, before, after = Policy(zone, "deny"), [], []
    for step in range(-30, 31):
        now = middle + timedelta(minutes=7 * step)
        wall_shows = now.astimezone(zone).replace(tzinfo=None)
        before.append(allowed(until, now, policy))
        after.append(allowed(since, now, policy))
        # Never wider than what the clock on the wall shows.
        assert not (before[-1] and wall_shows >= local)
        assert not (after[-1] and wall_shows < local)
    assert before == sorted(before, reverse=True)
    assert after == sorted(after)


def test_a_last_day_is_included_and_a_first_day_too() -> None:
    person = Permission(not_before=parse_from("2026-01-05"), expires=parse_until("2026-01-09"))
    assert not allowed(person, wall(4, 23, 59))
    assert allowed(person, wall(5, 0))
    assert allowed(person, wall(9, 23, 59))
    assert not allowed(person, wall(10, 0))


def test_windows_and_days_hold_together() -> None:
    person = Permission((OFFICE,), expires=parse_until("2026-01-05"))
    assert allowed(person, wall(5, 12))
    assert not allowed(person, wall(5, 19))
    assert not allowed(person, wall(6, 12))


BAD_DATES = (
    *("2026-02-30", "2026-13-01", "31.12.2026", "2026-1-1", "0000-01-01", "2019-12-31"),
    *("2200-01-01", "2026-01-01 24:00", "tomorrow", ""),
)


@pytest.mark.parametrize("text", BAD_DATES)
def test_what_is_no_date_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="is not a date from 2020 to 2199") as told:
        parse_until(text)
    assert told.value.code == "bad_date"


def test_a_time_that_is_over_before_it_begins_is_a_mistake() -> None:
    person = Permission(not_before=parse_from("2026-02-01"), expires=parse_until("2026-01-31"))
    with pytest.raises(InputError, match="over before it begins"):
        access.require_sense(person)
    access.require_sense(replace(person, expires=parse_until("2026-02-01")))


def test_more_windows_than_anybody_reads_are_refused() -> None:
    texts = [f"mon {hour:02}:{minute:02}-24:00" for hour in range(3) for minute in range(20)]
    assert len(parse_windows(texts[:50] + texts[:50])) == 50
    with pytest.raises(InputError, match="too many"):
        parse_windows(texts)


# --- a clock that nobody vouches for --------------------------------------------------------

SCHEDULED = Permission((OFFICE,))
EXPIRING = Permission(expires=parse_until("2026-06-30"))
FIRST = parse_from("2026-03-01 07:30")
NOT_YET = Permission(not_before=parse_from("2026-06-01"))
IN_1970 = datetime(1970, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize("person", [SCHEDULED, EXPIRING, NOT_YET])
@pytest.mark.parametrize("now", [IN_1970, wall(5, 12), wall(1, 12, month=6)])
def test_with_deny_an_untrusted_clock_stops_whoever_is_restricted(
    person: Permission, now: datetime
) -> None:
    found = access.refusal(person, now, DENY, trusted=False)
    assert found is not None
    assert found.sentence == TIME_UNKNOWN


@pytest.mark.parametrize("policy", [DENY, ALLOW])
@pytest.mark.parametrize("person", [ALWAYS, Permission(keeper=True)])
def test_who_has_no_restriction_never_depends_on_the_clock(
    person: Permission, policy: Policy
) -> None:
    assert allowed(person, IN_1970, policy, trusted=False)


def test_with_allow_an_untrusted_clock_opens_windows_and_first_days_but_not_what_has_expired() -> (
    None
):
    for now in (IN_1970, wall(10, 3)):
        assert allowed(SCHEDULED, now, ALLOW, trusted=False)
        assert allowed(NOT_YET, now, ALLOW, trusted=False)
        assert allowed(EXPIRING, now, ALLOW, trusted=False)
    assert not allowed(EXPIRING, wall(1, 0, month=7), ALLOW, trusted=False)


def test_allow_changes_nothing_while_the_clock_is_trusted() -> None:
    assert not allowed(SCHEDULED, wall(10, 12), ALLOW)
    assert not allowed(EXPIRING, wall(1, 0, month=7), ALLOW)
    assert not allowed(NOT_YET, wall(5, 12), ALLOW)


moments = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31))  # noqa: DTZ001 - naive on purpose
permissions = st.builds(
    Permission,
    st.lists(windows, max_size=3).map(tuple),
    st.none() | moments,
    st.none() | moments,
    st.booleans(),
)


@settings(deadline=None)
@given(permissions, moments, st.sampled_from([DENY, ALLOW]), st.booleans())
def test_nobody_gets_in_after_the_last_moment(
    person: Permission,
    now: datetime,
    policy: Policy,
    trusted: bool,  # noqa: FBT001 - drawn
) -> None:
    aware = now.replace(tzinfo=timezone.utc)
    if person.expires is None:
        return
    # Zurich is at most two hours ahead of UTC, so two hours later every reading has passed.
    if now >= person.expires + timedelta(hours=2):
        assert access.refusal(person, aware, policy, trusted=trusted) is not None


@settings(deadline=None)
@given(permissions, moments)
def test_deny_lets_in_nobody_whom_a_trusted_clock_would_not(
    person: Permission, now: datetime
) -> None:
    aware = now.replace(tzinfo=timezone.utc)
    if access.refusal(person, aware, DENY, trusted=False) is None:
        assert access.refusal(person, aware, DENY, trusted=True) is None


def test_the_door_tells_nobody_s_schedule_and_the_keeper_learns_it() -> None:
    told = {
        access.refusal(person, now, DENY, trusted=True)
        for person, now in (
            (SCHEDULED, wall(10, 12)),
            (EXPIRING, wall(1, 0, month=7)),
            (NOT_YET, wall(5, 12)),
        )
    }
    assert {item.sentence for item in told if item} == {NOT_NOW}
    assert {item.why for item in told if item} == {
        "is permitted mon-fri 08:00-18:00 only, and it is Sat 12:00",
        "was permitted until the end of 2026-06-30 only",
        "is permitted from 2026-06-01 on only",
    }


@pytest.mark.parametrize(
    ("person", "text"),
    [
        (ALWAYS, "at any time"),
        (SCHEDULED, "mon-fri 08:00-18:00"),
        (EXPIRING, "at any time until the end of 2026-06-30"),
        (
            Permission((OFFICE, NIGHT), FIRST, parse_until("2026-03-02 18:00")),
            "mon-fri 08:00-18:00, fri 22:00-06:00 from 2026-03-01 07:30 until 2026-03-02 18:00",
        ),
    ],
)
def test_a_permission_in_words(person: Permission, text: str) -> None:
    assert access.words(person) == text


# --- the door's own question ----------------------------------------------------------------


class Permissions:
    """Two people and everybody else."""

    def get(self, name: str) -> Permission:
        return {"alice": SCHEDULED, "kim": Permission(keeper=True)}.get(name, ALWAYS)


def test_the_door_asks_its_clock_whether_to_believe_it() -> None:
    clock = FakeClock(now=wall(5, 12).astimezone(timezone.utc), trusted=True)
    rules = Access(Permissions(), clock, DENY)
    assert rules.obstacle("alice") is None
    clock.set_wall(wall(5, 19).astimezone(timezone.utc))
    assert rules.obstacle("alice") == NOT_NOW
    assert rules.obstacle("bob") is None
    rules = Access(Permissions(), FakeClock(now=wall(5, 12), trusted=False), DENY)
    assert rules.obstacle("alice") == TIME_UNKNOWN
    assert rules.obstacle("kim") is None


def test_only_a_keeper_is_one() -> None:
    rules = Access(Permissions(), FakeClock(), DENY)
    assert [rules.is_keeper(name) for name in ("kim", "alice", "mallory")] == [True, False, False]


def test_a_moment_with_a_zone_is_no_moment_of_the_door_s_clock() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        Permission(expires=IN_1970)
