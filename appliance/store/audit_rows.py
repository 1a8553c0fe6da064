"""The rows of the audit log: reading the chain, its beginning, its end and its checkpoints."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final, NamedTuple

from appliance.errors import StoreError
from appliance.store.chain import Link, Raw, follow, origin
from appliance.store.checkpoints import BEGIN, CHECKPOINT, Checkpoint
from appliance.store.database import Database

RAW: Final = (
    "SELECT number, CAST(at AS BLOB), CAST(event AS BLOB), CAST(subject AS BLOB), "
    "CAST(detail AS BLOB), CAST(digest AS BLOB) FROM audit "
)
AFTER: Final = RAW + "WHERE number > ? ORDER BY number LIMIT ?"
# The database is lent to a check or an export for so many records at a time, so that a door
# that wants to write its record waits for milliseconds.
BATCH: Final = 500
_SIGNED = "number, digest, at, signer, signature"


class Finding(NamedTuple):
    """Something that does not fit. number: of the record that is named; why: a sentence."""

    number: int
    why: str


class LogRows:
    """Reads and keeps what the audit log consists of; judges nothing but the chain."""

    def __init__(self, database: Database) -> None:
        self.database: Final = database
        self.identity: Final = database.identity
        self.origin: Final = origin(database.identity)

    def head(self, connection: sqlite3.Connection) -> Link:
        """The newest record, as it was noted apart from the log."""
        row = connection.execute("SELECT number, digest FROM audit_head").fetchone()
        return Link(*row) if row else self.beginning(connection)

    def begin(self, connection: sqlite3.Connection) -> Checkpoint | None:
        """The statement of what was dropped, None while nothing was."""
        row = connection.execute(f"SELECT {_SIGNED} FROM audit_begin").fetchone()  # noqa: S608 - a constant
        return Checkpoint(BEGIN, self.identity, *row) if row else None

    def beginning(self, connection: sqlite3.Connection) -> Link:
        """What the first record that is there follows."""
        begin = self.begin(connection)
        return begin.link if begin else self.origin

    def checkpoints(self, connection: sqlite3.Connection) -> Iterator[Checkpoint]:
        """Those in the database, oldest first, whoever signed them."""
        rows = connection.execute(f"SELECT {_SIGNED} FROM audit_checkpoint ORDER BY number")  # noqa: S608 - a constant
        return (Checkpoint(CHECKPOINT, self.identity, *row) for row in rows)

    def last_checkpoint(self, connection: sqlite3.Connection) -> Checkpoint | None:
        """The newest in the database, whoever signed it."""
        row = connection.execute(
            f"SELECT {_SIGNED} FROM audit_checkpoint ORDER BY number DESC LIMIT 1"  # noqa: S608 - a constant
        ).fetchone()
        return Checkpoint(CHECKPOINT, self.identity, *row) if row else None

    def keep(self, connection: sqlite3.Connection, signed: Checkpoint) -> None:
        """Note a checkpoint, or where the log begins from now on."""
        row = (signed.number, signed.digest, signed.at, signed.signer, signed.signature)
        if signed.kind == BEGIN:
            connection.execute("INSERT OR REPLACE INTO audit_begin VALUES (1, ?,?,?,?,?)", row)
        else:
            connection.execute("INSERT OR REPLACE INTO audit_checkpoint VALUES (?,?,?,?,?)", row)

    def digest(self, connection: sqlite3.Connection, number: int) -> str | None:
        """The digest of one record, None where it is not there."""
        row = connection.execute("SELECT digest FROM audit WHERE number = ?", (number,)).fetchone()
        return str(row[0]) if row else None

    def after(self, number: int) -> list[Raw]:
        """The next BATCH records."""
        with self.database.reading() as connection:
            return connection.execute(AFTER, (number, BATCH)).fetchall()

    def walk(self, start: Link | None) -> tuple[Link, Finding | None]:
        """Follow the chain from `start` (None: the beginning) to its end, a batch at a time.

        Returns how far it holds, and what breaks it.
        """
        here = start
        while True:
            with self.database.reading() as connection:
                begin = self.beginning(connection)
                if here is None or here.number < begin.number:  # dropped meanwhile
                    here = begin
                (strange,) = connection.execute(
                    "SELECT min(number) FROM audit WHERE number <= ?", (begin.number,)
                ).fetchone()
                if strange is not None:
                    return here, breaks_at(strange)
                rows = connection.execute(AFTER, (here.number, BATCH)).fetchall()
                here, bad = follow(rows, here)
                if bad is None and len(rows) < BATCH:
                    # Each record is written together with the head, so both must end alike.
                    head = self.head(connection)
                    if head == here:
                        return here, None
                    bad = min(here.number, head.number) + 1
                if bad is not None:
                    return here, breaks_at(bad)


def breaks_at(number: int) -> Finding:
    """The finding of a chain that does not hold."""
    return Finding(number, f"The chain breaks at record {number}.")


def broken(finding: Finding) -> StoreError:
    """The error of whoever was to sign or to drop a log that does not hold together."""
    return StoreError(
        f"The audit log does not hold together. {finding.why}",
        hint="Nothing was signed or dropped. `appliance audit verify` tells more; keep a copy of "
        "the database as evidence.",
        code="audit_broken",
    )
