"""What happened, in order, chained so that a change shows (the port AuditLog).

Each record's digest is the SHA-256, in hexadecimal, of the digest before it, a line break, and
the record as canonical JSON: {"at", "detail", "event", "number", "subject"}. The first record
follows `origin`, which is drawn from the database's identity. The chain has no key: it shows
mistakes and clumsy hands, and only a copy of a digest kept elsewhere shows a forger who rewrites
all that follows.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from appliance.ports import Clock
from appliance.store.canonical import canonical
from appliance.store.database import Database
from appliance.store.faults import damaged
from appliance.store.moments import from_text, to_text
from appliance.types import AuditRecord

_ORIGIN = "appliance audit log v1:"
# As bytes: text that somebody broke must be reported by number, not stop the check.
_RAW = (
    "SELECT number, CAST(at AS BLOB), CAST(event AS BLOB), CAST(subject AS BLOB), "
    "CAST(detail AS BLOB), CAST(digest AS BLOB) FROM audit "
)


_Raw: TypeAlias = tuple[int, bytes, bytes, bytes, bytes, bytes]


class _Head(NamedTuple):
    number: int
    digest: str


class _Row(NamedTuple):
    number: int
    at: str
    event: str
    subject: str
    detail: str
    digest: str

    def record(self) -> AuditRecord:
        """ValueError when the detail is not JSON; StoreError when the date is none."""
        return AuditRecord(
            self.number,
            from_text(self.at),
            self.event,
            self.subject,
            json.loads(self.detail),
            self.digest,
        )

    def digest_after(self, previous: str) -> str:
        """What the digest must be. ValueError when the detail is not canonical JSON."""
        record = self._asdict()
        del record["digest"]
        record["detail"] = json.loads(self.detail)
        if canonical(record["detail"]) != self.detail:
            raise ValueError(self.detail)
        return hashlib.sha256(f"{previous}\n{canonical(record)}".encode()).hexdigest()


class SqliteAudit:
    """Append-only; every record is on the disk before `append` returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @property
    def origin(self) -> str:
        """The digest that the first record follows."""
        return hashlib.sha256((_ORIGIN + self._database.identity).encode()).hexdigest()

    def append(self, event: str, subject: str, detail: Mapping[str, object]) -> AuditRecord:
        """Write durably. StoreError when that is not possible.

        detail: what JSON can hold (str, bool, int, float, None, lists, mappings); anything
        else, NaN included, is the caller's mistake: TypeError or ValueError, nothing written.
        """
        text = canonical(dict(detail))
        with self._database.transaction() as connection:
            head, at = self._head(connection), to_text(self._clock.now())
            row = _Row(head.number + 1, at, _storable(event), _storable(subject), text, digest="")
            row = row._replace(digest=row.digest_after(head.digest))
            connection.execute("INSERT INTO audit VALUES (?,?,?,?,?,?)", row)
            connection.execute(
                "INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?)", (row.number, row.digest)
            )
        return row.record()

    def tail(self, count: int) -> list[AuditRecord]:
        """The last `count` records, oldest first. StoreError when one cannot be read."""
        with self._database.reading() as connection:
            rows = connection.execute(
                _RAW + "ORDER BY number DESC LIMIT ?", (max(count, 0),)
            ).fetchall()
        return [_readable(row) for row in reversed(rows)]

    def first_bad(self) -> int | None:
        """The number of the first record that was changed, moved, added or is missing."""
        with self._database.reading() as connection:
            head = self._head(connection)
            rows = connection.execute(_RAW + "ORDER BY number")
            return _first_break(rows, _Head(0, self.origin), head)

    def _head(self, connection: sqlite3.Connection) -> _Head:
        row = connection.execute("SELECT number, digest FROM audit_head").fetchone()
        return _Head(*row) if row else _Head(0, self.origin)


def _first_break(rows: Iterable[_Raw], start: _Head, head: _Head) -> int | None:
    number, digest = start
    for raw in rows:
        row = _decoded(raw)
        if row is None or row.number != number + 1 or not _follows(row, digest):
            # A gap is named by the missing number, a record too many by its own.
            return min(raw[0], number + 1)
        number, digest = row.number, row.digest
    # Each record is written together with the head, so both must end alike.
    return None if (number, digest) == head else min(number, head.number) + 1


def _follows(row: _Row, previous: str) -> bool:
    try:
        return row.digest_after(previous) == row.digest
    except (ValueError, RecursionError):
        return False


def _decoded(raw: _Raw) -> _Row | None:
    number, *cells = raw
    try:
        return _Row(number, *(cell.decode() for cell in cells))
    except UnicodeDecodeError:
        return None


def _readable(raw: _Raw) -> AuditRecord:
    row = _decoded(raw)
    with suppress(ValueError, RecursionError):
        if row is not None:
            return row.record()
    raise damaged(f"Record {raw[0]} of the audit log cannot be read")


def _storable(text: str) -> str:
    # A claim may hold half a surrogate pair, which no encoding takes; the record must not fail.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
