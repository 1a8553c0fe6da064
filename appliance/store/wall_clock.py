"""Has the wall clock been right for long enough to erase by it? Pure rules, and where they stand.

What is erased because of its date does not come back, and the clock of a board at a door may
jump by years: without a battery, by a mistyped command, by a false time server. So:

1. Each look at the clock compares how far it went since the last look with the boot's own clock,
   which nobody can set. More than an hour apart is a jump.
2. Over a restart there is no such clock: going back by more than an hour, or ahead by more than
   45 days, is a jump.
3. After a jump, and at the first look ever, a whole day must pass without another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.ports import Clock
from appliance.store.database import Database
from appliance.store.moments import from_text, to_text

TOLERANCE = timedelta(hours=1)
LONGEST_OFF = timedelta(days=45)
PROBATION = timedelta(days=1)


@dataclass(frozen=True)
class Look:
    """One look.

    at: the wall clock; boot, uptime: the boot's id and its own clock in seconds; steady_since:
    the wall clock's time at the last jump.
    """

    at: datetime
    boot: str
    uptime: float
    steady_since: datetime

    @property
    def steady(self) -> bool:
        """True when the clock may be believed."""
        return self.at - self.steady_since >= PROBATION


def next_look(previous: Look | None, at: datetime, boot: str, uptime: float) -> Look:
    """The rules above."""
    if previous is None or _jumped(previous, at, boot, uptime):
        return Look(at, boot, uptime, steady_since=at)
    return Look(at, boot, uptime, previous.steady_since)


def _jumped(previous: Look, at: datetime, boot: str, uptime: float) -> bool:
    went = at - previous.at
    if boot == previous.boot:
        return abs(went - timedelta(seconds=uptime - previous.uptime)) > TOLERANCE
    return not -TOLERANCE <= went <= LONGEST_OFF


def look(database: Database, clock: Clock) -> Look:
    """Look now, and note it. StoreError when it cannot be noted."""
    with database.transaction() as connection:
        row = connection.execute("SELECT at, boot, uptime, steady_since FROM wall_clock").fetchone()
        previous = Look(from_text(row[0]), row[1], row[2], from_text(row[3])) if row else None
        now = next_look(previous, clock.now(), clock.boot, clock.monotonic())
        connection.execute(
            "INSERT OR REPLACE INTO wall_clock VALUES (1, ?, ?, ?, ?)",
            (to_text(now.at), now.boot, now.uptime, to_text(now.steady_since)),
        )
    return now
