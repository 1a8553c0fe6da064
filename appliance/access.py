"""When a person may enter: weekly windows, a first day and a last one, decided on the wall clock.

The rules, before the code:

1. Who has no restriction may enter at any time, whatever the clock says.
2. A window is a part of the week on the door's wall clock, such as `mon-fri 08:00-18:00`. One
   that ends at or before its beginning goes on over midnight and belongs to the day on which it
   began: `fri 22:00-06:00` ends on Saturday at six. Its first minute is in it, its end is not.
   When the clock changes for summer, windows follow what the clock on the wall shows: in spring a
   window may be an hour shorter, in autumn one longer.
3. From and until are moments. Where the autumn hour comes twice, or the spring hour never, the
   narrower reading counts: what has expired stays so when the clock on the wall goes back.
4. While nobody vouches for the clock, restricted people are refused, or with `allow` let in
   without regard to windows and first days. Not even then is anybody let in whose last day has
   passed by the clock as it stands: a clock that was never set lags behind, so that is true.
5. Whoever stands at the door hears that now is not the time and nothing more: somebody else's
   card must not tell when its owner may come.

Pure: the clock and the zone are handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Final, Literal, Protocol

from appliance.errors import InputError
from appliance.ports import Clock

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EVERY_DAY: Final = frozenset(range(7))
_DAY_MINUTES: Final = 24 * 60
MOST_WINDOWS: Final = 50
# A door is not planned for longer, and a typing error in the year is found.
_YEARS: Final = range(2020, 2200)
# Nothing that means a window or a date is longer; what is shown in an error stays readable.
_LONGEST_TEXT: Final = 100
# What word processors make of a hyphen between times.
_EN_DASH: Final = "\u2013"

NOT_NOW: Final = "This person may not use this door now."
TIME_UNKNOWN: Final = "The door does not know the time for certain, so this person must wait."

_WINDOW = re.compile(
    r"(?:(?P<days>[a-z]+(?:[-,][a-z]+)*) )?"
    r"(?P<start>[0-9]{1,2}:[0-9]{2})-(?P<end>[0-9]{1,2}:[0-9]{2})"
)
_MOMENT = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"(?:[ T](?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}))?"
)


@dataclass(frozen=True)
class Window:
    """A part of each week.

    days: on which it begins, 0 for Monday. start, end: minutes after midnight, 0 to 1440; an end
    at or before the start lies on the next day.
    """

    days: frozenset[int]
    start: int
    end: int

    def __post_init__(self) -> None:
        fits = 0 <= self.start < _DAY_MINUTES and 0 < self.end <= _DAY_MINUTES
        if not (fits and self.start != self.end and self.days and self.days <= _EVERY_DAY):
            raise ValueError(f"not a part of the week: {self.days}, {self.start}, {self.end}")

    def __str__(self) -> str:
        return f"{_days_text(self.days)} {_clock_text(self.start)}-{_clock_text(self.end)}"

    def holds(self, local: datetime) -> bool:
        """Whether the wall clock stands inside. local: in the door's time zone."""
        day, minute = local.weekday(), local.hour * 60 + local.minute
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        began_yesterday = (day - 1) % 7 in self.days and minute < self.end
        return began_yesterday or (day in self.days and self.start <= minute)


@dataclass(frozen=True)
class Permission:
    """What one person may do. Without windows and moments: enter at any time.

    windows: any of them is enough. not_before, expires: on the door's wall clock, without a zone;
    the first moment of being let in, and the first of not being let in any more.
    keeper: may let people in and open with a PIN while the camera is out of order.
    """

    windows: tuple[Window, ...] = ()
    not_before: datetime | None = None
    expires: datetime | None = None
    keeper: bool = False

    def __post_init__(self) -> None:
        for moment in (self.not_before, self.expires):
            if moment is not None and moment.tzinfo is not None:
                raise ValueError(f"on the door's own clock, without a zone: {moment}")

    @property
    def restricted(self) -> bool:
        """Whether the time decides."""
        return bool(self.windows) or self.not_before is not None or self.expires is not None


ALWAYS: Final = Permission()


@dataclass(frozen=True)
class Policy:
    """zone: of the schedules; None: the system's. untrusted_clock: see rule 4."""

    zone: tzinfo | None
    untrusted_clock: Literal["deny", "allow"]


@dataclass(frozen=True)
class Refusal:
    """Why somebody must stay outside.

    sentence: for whoever stands at the door. why: for the keeper alone, without a full stop.
    """

    sentence: str
    why: str


def refusal(
    permission: Permission, now: datetime, policy: Policy, *, trusted: bool
) -> Refusal | None:
    """None where the person may enter.

    now: aware. trusted: whether somebody vouches for it (`Clock.trusted`).
    """
    if not permission.restricted:
        return None
    if not trusted and policy.untrusted_clock != "allow":
        return Refusal(TIME_UNKNOWN, "the clock is not known to be right")
    if permission.expires is not None and has_expired(permission, now, policy):
        return Refusal(NOT_NOW, f"was permitted {until_text(permission.expires)} only")
    return _outside(permission, now, policy) if trusted else None


def has_expired(permission: Permission, now: datetime, policy: Policy) -> bool:
    """Whether the last moment has passed by this clock."""
    last = permission.expires
    return last is not None and now >= _moment(last, policy.zone, min)


def _outside(permission: Permission, now: datetime, policy: Policy) -> Refusal | None:
    """A refusal before the first moment and outside of all windows."""
    first, windows = permission.not_before, permission.windows
    if first is not None and now < _moment(first, policy.zone, max):
        return Refusal(NOT_NOW, f"is permitted {from_text(first)} on only")
    local = now.astimezone(policy.zone)
    if windows and not any(window.holds(local) for window in windows):
        told = ", ".join(map(str, windows))
        return Refusal(NOT_NOW, f"is permitted {told} only, and it is {local:%a %H:%M}")
    return None


class PermissionStore(Protocol):
    """Who may enter when, as the store keeps it."""

    def get(self, name: str) -> Permission:
        """ALWAYS for whom nothing else was written. StoreError when it cannot be read."""
        ...


class Access:
    """The rules at one door: what an attempt asks before it looks at a face."""

    def __init__(self, permissions: PermissionStore, clock: Clock, policy: Policy) -> None:
        self._permissions = permissions
        self._clock = clock
        self._policy = policy

    def refusal(self, name: str) -> Refusal | None:
        """Why this person may not enter now, or None. StoreError when it cannot be told."""
        permission = self._permissions.get(name)
        if not permission.restricted:  # and nobody asks the clock
            return None
        trusted = self._clock.trusted()
        return refusal(permission, self._clock.now(), self._policy, trusted=trusted)

    def obstacle(self, name: str) -> str | None:
        """The same as one sentence for the person at the door."""
        found = self.refusal(name)
        return None if found is None else found.sentence

    def is_keeper(self, name: str) -> bool:
        """Whether this person may open with a PIN alone while the camera is out of order."""
        return self._permissions.get(name).keeper


def parse_window(text: str) -> Window:
    """`mon-fri 08:00-18:00`, `sat,sun 9:00-12:00`, `22:00-06:00` (daily). InputError `bad_window`.

    Days are three letters or whole English words, ranges may wrap (`fri-mon`), `daily` is every
    day; times are of 24 hours, and the day may end at 24:00.
    """
    plain = re.sub(r"\s*([-,])\s*", r"\1", " ".join(text.lower().replace(_EN_DASH, "-").split()))
    found = _WINDOW.fullmatch(plain) if len(text) <= _LONGEST_TEXT else None
    if found is None:
        raise _bad_window(text, "is not a part of the week")
    days = _days(found["days"] or "daily", text)
    start, end = _minutes(found["start"], text), _minutes(found["end"], text)
    if start == _DAY_MINUTES:
        raise _bad_window(text, "begins at 24:00, where the day is over")
    if start == end:
        raise _bad_window(text, "ends where it begins, so it is not clear how long it lasts")
    # Midnight at the end of an evening is the same day's 24:00.
    return Window(days, start, end or _DAY_MINUTES)


def parse_windows(texts: Iterable[str]) -> tuple[Window, ...]:
    """Each of them, once. InputError where one is none, or there are too many."""
    windows = tuple(dict.fromkeys(parse_window(text) for text in texts))
    if len(windows) > MOST_WINDOWS:
        raise InputError(
            f"{len(windows)} windows are too many for one person: at most {MOST_WINDOWS} fit.",
            hint="Join days and hours, such as `mon-fri 08:00-18:00`.",
            code="bad_window",
        )
    return windows


def parse_from(text: str) -> datetime:
    """`2026-03-01` (from midnight on) or `2026-03-01 08:00`. InputError `bad_date`."""
    return _parsed_moment(text)[0]


def parse_until(text: str) -> datetime:
    """`2026-03-31` (that day included) or `2026-03-31 18:00`. InputError `bad_date`."""
    moment, is_a_day = _parsed_moment(text)
    return moment + timedelta(days=1) if is_a_day else moment


def require_sense(permission: Permission) -> None:
    """InputError `bad_date` where somebody would never be let in, by mistake surely."""
    first, last = permission.not_before, permission.expires
    if first is not None and last is not None and first >= last:
        raise InputError(
            f"Nobody can enter {from_text(first)} {until_text(last)}: that is over before it "
            "begins.",
            hint="Give a later --until, or leave one of the two out.",
            code="bad_date",
        )


def from_text(moment: datetime) -> str:
    """`from 2026-03-01`, with the time where it is not midnight."""
    return f"from {moment:%Y-%m-%d}" if _is_midnight(moment) else f"from {moment:%Y-%m-%d %H:%M}"


def until_text(moment: datetime) -> str:
    """`until the end of 2026-03-31`, or `until 2026-03-31 18:00`."""
    if _is_midnight(moment):
        return f"until the end of {moment - timedelta(days=1):%Y-%m-%d}"
    return f"until {moment:%Y-%m-%d %H:%M}"


def words(permission: Permission) -> str:
    """When somebody may enter, for the keeper: one line."""
    parts = [", ".join(map(str, permission.windows)) or "at any time"]
    if permission.not_before is not None:
        parts.append(from_text(permission.not_before))
    if permission.expires is not None:
        parts.append(until_text(permission.expires))
    return " ".join(parts)


_Narrower = Callable[[datetime, datetime], datetime]


def _moment(local: datetime, zone: tzinfo | None, narrower: _Narrower) -> datetime:
    """A moment of the wall clock in UTC; of two that it can mean, the narrower."""
    first, second = (
        local.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1)
    )
    return narrower(first, second)


def _is_midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute) == (0, 0)


def _parsed_moment(text: str) -> tuple[datetime, bool]:
    """The moment, and whether only the day was given."""
    found = _MOMENT.fullmatch(" ".join(text.split())) if len(text) <= _LONGEST_TEXT else None
    if found is None or int(found["year"]) not in _YEARS:
        raise _bad_date(text)
    parts = [int(part or 0) for part in found.groups()]
    try:
        return datetime(*parts), found["hour"] is None  # type: ignore[arg-type]  # noqa: DTZ001 - the wall clock of a door whose zone config names
    except ValueError:
        raise _bad_date(text) from None


def _days(text: str, whole: str) -> frozenset[int]:
    if text == "daily":
        return _EVERY_DAY
    days: set[int] = set()
    for part in text.split(","):
        first, *more = (_day(name, whole) for name in part.split("-"))
        if len(more) > 1:
            raise _bad_window(whole, f"holds {part!r}, which is no range of days")
        last = more[0] if more else first
        days.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return frozenset(days)


def _day(name: str, whole: str) -> int:
    for names in (DAYS, _LONG_DAYS):
        if name in names:
            return names.index(name)
    raise _bad_window(whole, f"holds {name!r}, which is no day")


def _minutes(text: str, whole: str) -> int:
    hour, minute = map(int, text.split(":"))
    total = hour * 60 + minute
    if minute >= 60 or total > _DAY_MINUTES:
        raise _bad_window(whole, f"holds {text}, which is no time of the day")
    return total


def _days_text(days: frozenset[int]) -> str:
    if days == _EVERY_DAY:
        return "daily"
    return ",".join(_run_text(run) for run in _runs(sorted(days)))


def _runs(days: Sequence[int]) -> list[list[int]]:
    """Days that follow each other, put together."""
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _run_text(run: Sequence[int]) -> str:
    if len(run) > 2:
        return f"{DAYS[run[0]]}-{DAYS[run[-1]]}"
    return ",".join(DAYS[day] for day in run)


def _clock_text(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…")


def _bad_window(text: str, fault: str) -> InputError:
    return InputError(
        f"{_shown(text)} {fault}.",
        hint="Write days and hours such as `mon-fri 08:00-18:00`, `sat,sun 09:00-12:00` or "
        "`fri 22:00-06:00`.",
        code="bad_window",
    )


def _bad_date(text: str) -> InputError:
    return InputError(
        f"{_shown(text)} is not a date from {_YEARS[0]} to {_YEARS[-1]}.",
        hint="Write `2026-12-31`, or with a time of the day `2026-12-31 18:00`.",
        code="bad_date",
    )
