"""What has to be done about the store from time to time, and by nobody in particular."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from appliance.errors import ApplianceError
from appliance.ports import Clock
from appliance.store.audit import SqliteAudit
from appliance.store.checkpoints import Checkpoint
from appliance.store.consent import Due, SqliteConsent
from appliance.store.database import Database
from appliance.store.failures import SqliteFailures
from appliance.store.people import SqlitePeople
from appliance.store.wall_clock import look
from appliance.store.workshop import clear_abandoned


@dataclass(frozen=True)
class HousePolicy:
    """How old audit records may become, in days; and how many hours lie between checkpoints."""

    keep_days: int
    checkpoint_hours: float


@dataclass(frozen=True)
class HouseKept:
    """What was done.

    checkpoint: the one that was due and made. dropped: how many audit records. expired: who was
    removed because the time to keep them had passed. waiting: why nothing was erased now, empty
    when there was no such reason. troubles: what could not be done; the rest was.
    """

    checkpoint: Checkpoint | None
    dropped: int
    expired: tuple[str, ...]
    waiting: str
    troubles: tuple[ApplianceError, ...]


class Rooms(NamedTuple):
    """What is kept in order."""

    database: Database
    audit: SqliteAudit
    people: SqlitePeople
    consent: SqliteConsent
    failures: SqliteFailures
    clock: Clock


def keep_house(rooms: Rooms, policy: HousePolicy) -> HouseKept:
    """Sign a checkpoint if one is due; drop and remove what may not be kept any longer.

    To be called about once an hour; then it takes milliseconds. Nothing is erased while the
    wall clock is not trusted or has not been steady for a day. Raises nothing of its own.
    """
    troubles: list[ApplianceError] = []
    checkpoint: Checkpoint | None = None
    dropped = 0
    expired: list[str] = []
    waiting = "the state of the clock could not be kept"
    with _reported(troubles):
        waiting = _why_wait(rooms)
    with _reported(troubles):
        checkpoint = _due_checkpoint(rooms, policy)
    with _reported(troubles):
        clear_abandoned(rooms.database.path.parent)
    if not waiting:
        with _reported(troubles):
            dropped = _drop(rooms, policy)
        with _reported(troubles):
            # One by one: whoever was removed before a failure is told all the same.
            expired.extend(remove_expired(rooms, rooms.consent.due(rooms.clock.now().date())))
    with _reported(troubles):
        rooms.consent.check_last_days()
    return HouseKept(checkpoint, dropped, tuple(expired), waiting, tuple(troubles))


def remove_expired(rooms: Rooms, due: list[Due], by: str = "appliance") -> Iterator[str]:
    """Remove people one by one, each with a record, by name. Raises StoreError."""
    for item in due:
        with rooms.database.transaction():
            rooms.failures.clear(item.name)
            if rooms.people.remove(item.name):
                detail = {"by": by, "retain_until": item.retain_until.isoformat()}
                rooms.audit.append("expired", item.name, detail)
        yield item.name


@contextmanager
def _reported(troubles: list[ApplianceError]) -> Iterator[None]:
    """One thing that cannot be done keeps nothing else from being done."""
    try:
        yield
    except ApplianceError as error:
        troubles.append(error)


def _why_wait(rooms: Rooms) -> str:
    steady = look(rooms.database, rooms.clock).steady
    if not rooms.clock.trusted():
        return "no time server has set the clock since the start"
    return "" if steady else "the clock was set, or first looked at, less than a day ago"


def _due_checkpoint(rooms: Rooms, policy: HousePolicy) -> Checkpoint | None:
    last, now = rooms.audit.last_checkpoint(), rooms.clock.now()
    # One from the future is of a clock that was set back since.
    recent = last and now - timedelta(hours=policy.checkpoint_hours) < last.moment <= now
    if recent or not rooms.audit.tail(1):
        return None
    return rooms.audit.checkpoint()


def _drop(rooms: Rooms, policy: HousePolicy) -> int:
    dropped = rooms.audit.drop_older(rooms.clock.now() - timedelta(days=policy.keep_days))
    if dropped:
        detail = {"records": dropped, "keep_days": policy.keep_days}
        rooms.audit.append("audit_dropped", "audit", detail)
    return dropped
