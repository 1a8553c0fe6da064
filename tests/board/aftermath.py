"""What an appliance's state must hold after a power cut, whatever moment it came at.

A client that was answered may rely on it. So whoever asks the appliance for something writes down
each answer (a Promise) where it can be read afterwards, and here the database is asked for all of
them: who was enrolled is there with a template that opens, who was removed is not, and what was
recorded stands in the audit log. Besides, SQLite finds its file whole, the tables are those of this
version, and the audit chain verifies.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from appliance.config import StoreConfig
from appliance.errors import ApplianceError
from appliance.hardware.clock import SystemClock
from appliance.store.database import migrate
from appliance.store.location import locate
from appliance.store.schema import MIGRATIONS
from appliance.store.store import Store
from appliance.types import AuditRecord
from tests.board.promise import ENROLLED, RECORDED, REMOVED, Promise


def complaints(state: Path, promises: Sequence[Promise]) -> list[str]:
    """All that is wrong with the state folder, as sentences. Opens it as the appliance does.

    What an interrupted write left in the log is settled by that, so give it a copy.
    """
    database = state / "appliance.db"
    if not database.exists() and promises:
        return ["the database is missing"]
    place = locate(StoreConfig(path=state), {}, uid=os.getuid())
    found: list[str] = []
    try:
        with Store.open(place, SystemClock()) as store:
            check = store.audit.verify()
            if check.first_bad is not None:
                found.append(f"the audit chain breaks at record {check.first_bad}: {check.why}")
            people = [person.name for person in store.people.everybody()]
            records = list(store.audit.records())
    except ApplianceError as error:
        return [f"the appliance refuses its state: {error.message}"]
    except sqlite3.Error as error:
        return [f"SQLite refuses the database: {error}"]
    return found + damage(database) + broken(promises, people, records)


def damage(database: Path) -> list[str]:
    """What SQLite finds wrong in the file, and tables that are not this version's."""
    try:
        with closing(sqlite3.connect(database)) as connection:
            told = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            tables = _tables(connection)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        return [f"SQLite refuses the database: {error}"]
    found = [] if told == ["ok"] else [f"SQLite finds damage: {'; '.join(told[:3])}"]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        migrate(fresh)
        wanted = _tables(fresh)
    if version != len(MIGRATIONS) or tables != wanted:
        found.append(f"the tables are not those of format {len(MIGRATIONS)}")
    return found


def _tables(connection: sqlite3.Connection) -> set[tuple[Any, ...]]:
    return set(connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))


def broken(
    promises: Iterable[Promise], people: Iterable[str], records: Iterable[AuditRecord]
) -> list[str]:
    """The promises that were not kept, as sentences."""
    there, kept = set(people), _searchable(records)
    found, due = [], dict[str, Promise]()
    for promise in promises:
        if promise.kind == RECORDED:
            if not any(promise.about in text for text in kept.get(promise.event, ())):
                found.append(f"the record {promise.event!r} of {promise.about!r} is missing")
        else:
            due[promise.about] = promise  # the last word on a person counts
    for name, promise in due.items():
        if promise.kind == ENROLLED and name not in there:
            found.append(f"{name!r} was enrolled and is missing")
        if promise.kind == REMOVED and name in there:
            found.append(f"{name!r} was removed and is there")
    return found


def _searchable(records: Iterable[AuditRecord]) -> Mapping[str, list[str]]:
    kept: dict[str, list[str]] = {}
    for record in records:
        text = f"{record.subject} {json.dumps(dict(record.detail), ensure_ascii=False)}"
        kept.setdefault(record.event, []).append(text)
    return kept
