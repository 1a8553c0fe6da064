"""Signing where the audit log stands, and dropping what is too old to keep."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone

from appliance.store.audit_check import begin_fault
from appliance.store.audit_rows import AFTER, BATCH, LogRows, breaks_at, broken
from appliance.store.chain import Link, follow
from appliance.store.checkpoints import (
    BEGIN,
    CHECKPOINT,
    LONGEST_TRAIL,
    Checkpoint,
    Signer,
    trail_of,
)
from appliance.store.keyring import Keyring
from appliance.store.moments import to_text

# An earlier date is of a clock that was never set: no such appliance was at a door before.
_EARLIEST = to_text(datetime(2026, 1, 1, tzinfo=timezone.utc))


def sign_end(rows: LogRows, keyring: Keyring, now: datetime, *, trail: bool) -> Checkpoint:
    """Check the chain since the last checkpoint, sign where it ends, and keep that.

    trail: return it with what names the first bad record of a log that was written anew.
    StoreError `audit_broken`, or what the key raises. While nobody is enrolled a missing key is
    made.
    """
    here, fault = rows.walk(_agreed(rows, keyring))
    if fault:
        raise broken(fault)
    with rows.database.transaction() as connection:
        signer = Signer(keyring.to_seal(connection))
        signed = signer.sign(CHECKPOINT, rows.identity, here, to_text(now))
        rows.keep(connection, signed)
        if not trail:
            return signed
        digests = _digests(connection, here.number)
    return signer.sign(CHECKPOINT, rows.identity, here, to_text(now), trail_of(digests))


def _agreed(rows: LogRows, keyring: Keyring) -> Link | None:
    """The newest checkpoint where it is ours and agrees: what stands before was checked then."""
    with rows.database.reading() as connection:
        cipher, last = keyring.at_hand(connection), rows.last_checkpoint(connection)
        if cipher is None or last is None or last.signer != Signer(cipher).public:
            return None
        agrees = last.genuine and rows.digest(connection, last.number) == last.digest
        return last.link if agrees else None


def _digests(connection: sqlite3.Connection, until: int) -> list[str]:
    found = connection.execute(
        "SELECT digest FROM audit WHERE number > ? AND number <= ? ORDER BY number",
        (until - LONGEST_TRAIL, until),
    )
    return [str(digest) for (digest,) in found]


def adopt_beginning(rows: LogRows, keyring: Keyring, now: datetime) -> str | None:
    """Sign anew where the log begins, after the key was replaced; who had signed it before."""
    with rows.database.transaction() as connection:
        signer, begin = Signer(keyring.to_seal(connection)), rows.begin(connection)
        if begin is None or begin.signer == signer.public:
            return None
        rows.keep(connection, signer.sign(BEGIN, rows.identity, begin.link, to_text(now)))
        return begin.signer


def drop_some(rows: LogRows, keyring: Keyring, now: datetime, cutoff: datetime) -> int:
    """Drop at most BATCH records at the beginning that are dated before `cutoff`; how many.

    A date that cannot be (from before 2026, or in the future) is of a wrong clock: such a record
    goes together with the next one whose date can be. Where the log then begins is signed.
    StoreError `audit_broken` when what is to go does not hold together; then it stays.
    """
    with rows.database.transaction() as connection:
        begin, last = rows.beginning(connection), _last_older(rows, connection, now, cutoff)
        if last is None:
            return 0
        signer = Signer(keyring.to_seal(connection))
        if fault := begin_fault(rows.begin(connection), signer.public):
            raise broken(fault)
        old = connection.execute(AFTER, (begin.number, min(BATCH, last - begin.number))).fetchall()
        here, bad = follow(old, begin)
        if bad is not None:
            raise broken(breaks_at(bad))
        rows.keep(connection, signer.sign(BEGIN, rows.identity, here, to_text(now)))
        connection.execute("DELETE FROM audit WHERE number <= ?", (here.number,))
        connection.execute("DELETE FROM audit_checkpoint WHERE number <= ?", (here.number,))
    return len(old)


def _last_older(
    rows: LogRows, connection: sqlite3.Connection, now: datetime, cutoff: datetime
) -> int | None:
    kept = connection.execute(
        "SELECT number FROM audit WHERE at >= ? AND at <= ? ORDER BY number LIMIT 1",
        (to_text(cutoff), to_text(now)),
    ).fetchone()
    (last,) = connection.execute(
        "SELECT max(number) FROM audit WHERE number < ? AND at >= ? AND at < ?",
        (kept[0] if kept else rows.head(connection).number + 1, _EARLIEST, to_text(cutoff)),
    ).fetchone()
    return None if last is None else int(last)
