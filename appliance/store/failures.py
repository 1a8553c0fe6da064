"""Failed attempts per claim, kept across restarts (the port FailureLedger)."""

from __future__ import annotations

from appliance.store.database import Database
from appliance.store.moments import from_text, to_text
from appliance.store.names import name_key
from appliance.types import FailureCount


class SqliteFailures:
    """One row per claimed name; spellings that differ in case share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, claim: str) -> FailureCount | None:
        """The count of failures in a row, or None."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT failures, at FROM failure WHERE claim_key = ?", (name_key(claim),)
            ).fetchone()
        return FailureCount(int(row[0]), from_text(row[1])) if row else None

    def write(self, claim: str, count: FailureCount) -> None:
        """Durable before it returns. StoreError when that is not possible."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO failure VALUES (?, ?, ?)",
                (name_key(claim), count.failures, to_text(count.at)),
            )

    def clear(self, claim: str) -> None:
        """Forget the failures, durably. StoreError when that is not possible."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM failure WHERE claim_key = ?", (name_key(claim),))
