"""Failed attempts per claim, kept across restarts (the port FailureLedger)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from appliance.store.database import Database
from appliance.store.moments import from_text, to_text
from appliance.store.names import name_key
from appliance.types import FailureCount, Moment


class SqliteFailures:
    """One row per claimed name and way; spellings that differ in case share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, name: str, via: str) -> FailureCount | None:
        """The count of failures in a row, or None."""
        with self._database.reading() as connection:
            return _count(connection, name, via)

    def update(
        self, name: str, via: str, change: Callable[[FailureCount | None], FailureCount]
    ) -> None:
        """Put what `change` makes of the count in its place, also where two do so at once.

        Durable before it returns; StoreError when that is not possible.
        """
        with self._database.transaction() as connection:
            count = change(_count(connection, name, via))
            at = count.at
            connection.execute(
                "INSERT OR REPLACE INTO failure_count VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    name_key(name),
                    via,
                    count.failures,
                    to_text(at.wall),
                    at.trusted,
                    at.boot,
                    at.uptime,
                ),
            )

    def clear(self, name: str, via: str | None = None) -> None:
        """Forget the failures, without `via` those of every way, durably. StoreError."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM failure_count WHERE claim_key = ? AND via = coalesce(?, via)",
                (name_key(name), via),
            )


def _count(connection: sqlite3.Connection, name: str, via: str) -> FailureCount | None:
    row = connection.execute(
        "SELECT failures, at, trusted, boot, uptime FROM failure_count "
        "WHERE claim_key = ? AND via = ?",
        (name_key(name), via),
    ).fetchone()
    if row is None:
        return None
    failures, wall, trusted, boot, uptime = row
    moment = Moment(from_text(wall), bool(trusted), str(boot), float(uptime))
    return FailureCount(int(failures), moment)
