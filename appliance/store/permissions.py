"""Who may enter when, and who keeps the door (the port PermissionStore of appliance.access)."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from appliance.access import ALWAYS, Permission, parse_windows
from appliance.errors import InputError
from appliance.store.database import Database
from appliance.store.faults import damaged
from appliance.store.names import name_key

_COLUMNS = "windows, not_before, expires, keeper"
_ONE = f"SELECT {_COLUMNS} FROM permission WHERE person = ?"  # noqa: S608 - a constant
_ALL = f"SELECT name, {_COLUMNS} FROM person LEFT JOIN permission ON person = id ORDER BY name_key"  # noqa: S608 - a constant


class SqlitePermissions:
    """One row for each person with a restriction or a duty; it disappears with the person."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Permission:
        """What was written for a person; ALWAYS for whom nothing was, also for a stranger.

        StoreError when it cannot be read: what is damaged lets nobody in.
        """
        with self._database.reading() as connection:
            person = _id(connection, name)
            row = connection.execute(_ONE, (person,)).fetchone()
        return ALWAYS if row is None else _permission(name, row)

    def enrolled(self, name: str) -> str | None:
        """The name as it was enrolled, or None. Opens no template, so it needs no key."""
        query = "SELECT name FROM person WHERE name_key = ?"
        with self._database.reading() as connection:
            row = connection.execute(query, (name_key(name),)).fetchone()
        return None if row is None else str(row[0])

    def everybody(self) -> dict[str, Permission]:
        """By name, in their order. StoreError when one cannot be read."""
        with self._database.reading() as connection:
            rows = connection.execute(_ALL).fetchall()
        # Without a row of its own, a person's columns are all NULL.
        return {
            str(name): ALWAYS if row[0] is None else _permission(str(name), row)
            for name, *row in rows
        }

    def put(self, name: str, permission: Permission) -> bool:
        """Keep it durably; False when nobody of that name is enrolled. StoreError."""
        with self._database.transaction() as connection:
            person = _id(connection, name)
            if person is None:
                return False
            connection.execute("DELETE FROM permission WHERE person = ?", (person,))
            if permission != ALWAYS:
                row = (person, *_row(permission))
                connection.execute("INSERT INTO permission VALUES (?, ?, ?, ?, ?)", row)
        return True


def _id(connection: sqlite3.Connection, name: str) -> str | None:
    query = "SELECT id FROM person WHERE name_key = ?"
    row = connection.execute(query, (name_key(name),)).fetchone()
    return None if row is None else str(row[0])


def _row(permission: Permission) -> tuple[str, str | None, str | None, int]:
    windows = "\n".join(map(str, permission.windows))
    first, last = (
        None if moment is None else moment.isoformat(timespec="minutes")
        for moment in (permission.not_before, permission.expires)
    )
    return windows, first, last, int(permission.keeper)


def _permission(name: str, row: tuple[object, ...]) -> Permission:
    windows, first, last, keeper = row
    try:
        return Permission(
            parse_windows(str(windows).splitlines()),
            None if first is None else datetime.fromisoformat(str(first)),
            None if last is None else datetime.fromisoformat(str(last)),
            keeper == 1,
        )
    except (InputError, ValueError) as error:
        reason = f"The database does not tell when {name!r} may enter"
        raise damaged(f"{reason} ({error})") from error
