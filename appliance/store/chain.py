"""The chain of audit records: what each digest must be, and where a log stops keeping to it.

Each record's digest is the SHA-256, in hexadecimal, of the digest before it, a line break, and
the record as canonical JSON: {"at", "detail", "event", "number", "subject"}. The first record
follows `origin`, which is drawn from the database's identity.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from appliance.store.canonical import canonical
from appliance.store.faults import damaged
from appliance.store.moments import from_text
from appliance.types import AuditRecord

_ORIGIN = "appliance audit log v1:"

# number, and the other columns as bytes: text that somebody broke must be reported by number,
# not stop the check.
Raw: TypeAlias = tuple[int, bytes, bytes, bytes, bytes, bytes]


class Link(NamedTuple):
    """A place in the chain: a record's number and digest. 0 and the origin before the first."""

    number: int
    digest: str


class Row(NamedTuple):
    """A record as it is stored."""

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


def origin(identity: str) -> Link:
    """What the first record of the database with this identity follows."""
    return Link(0, hashlib.sha256((_ORIGIN + identity).encode()).hexdigest())


def follow(rows: Iterable[Raw], start: Link) -> tuple[Link, int | None]:
    """Walk along records, oldest first: how far the chain holds, and the first that breaks it."""
    here = start
    for raw in rows:
        row = decoded(raw)
        if row is None or row.number != here.number + 1 or not _follows(row, here.digest):
            # A gap is named by the missing number, a record too many by its own.
            return here, min(raw[0], here.number + 1)
        here = Link(row.number, row.digest)
    return here, None


def decoded(raw: Raw) -> Row | None:
    """The row as text; None when a cell is no text."""
    number, *cells = raw
    try:
        return Row(number, *(cell.decode() for cell in cells))
    except UnicodeDecodeError:
        return None


def readable(raw: Raw) -> AuditRecord:
    """The record. StoreError `corrupt` when it cannot be read."""
    row = decoded(raw)
    with suppress(ValueError, RecursionError):
        if row is not None:
            return row.record()
    raise damaged(f"Record {raw[0]} of the audit log cannot be read")


def _follows(row: Row, previous: str) -> bool:
    try:
        return row.digest_after(previous) == row.digest
    except (ValueError, RecursionError):
        return False
