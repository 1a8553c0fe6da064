"""What happened, in order, chained so that a change shows (the port AuditLog).

`appliance.store.chain` has the chain's rule, which needs no key: it shows mistakes and clumsy
hands. Whoever can write the file can also compute a chain of his own; then the checkpoints of
`appliance.store.checkpoints` show it: those in the database where he has not the key, and those
that were exported where he has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from appliance.ports import Clock
from appliance.store.audit_check import AuditCheck, check
from appliance.store.audit_rows import RAW, LogRows
from appliance.store.audit_signing import adopt_beginning, drop_some, sign_end
from appliance.store.canonical import canonical
from appliance.store.chain import Row, readable
from appliance.store.checkpoints import Checkpoint, Signer
from appliance.store.database import Database
from appliance.store.keyring import Keyring
from appliance.store.moments import to_text
from appliance.types import AuditRecord

# Some seconds of work on a small board; an hourly call keeps up with any door.
_MOST_DROPPED = 10_000


class SqliteAudit:
    """Append-only; every record is on the disk before `append` returns. Threads may share it."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._rows = LogRows(database)

    @property
    def origin(self) -> str:
        """The digest that the first record follows."""
        return self._rows.origin.digest

    def append(self, event: str, subject: str, detail: Mapping[str, object]) -> AuditRecord:
        """Write durably. StoreError when that is not possible.

        detail: what JSON can hold (str, bool, int, float, None, lists, mappings); anything
        else, NaN included, is the caller's mistake: TypeError or ValueError, nothing written.
        """
        text = canonical(dict(detail))
        with self._database.transaction() as connection:
            head, at = self._rows.head(connection), to_text(self._clock.now())
            row = Row(head.number + 1, at, _storable(event), _storable(subject), text, digest="")
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
                RAW + "ORDER BY number DESC LIMIT ?", (max(count, 0),)
            ).fetchall()
        return [readable(row) for row in reversed(rows)]

    def records(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[AuditRecord]:
        """All records in order, those dated from `since` on and before `until`.

        StoreError when one cannot be read. Records written meanwhile come too.
        """
        number = -1
        while rows := self._rows.after(number):
            number = rows[-1][0]
            for record in map(readable, rows):
                if (since is None or record.at >= since) and (until is None or record.at < until):
                    yield record

    def first_bad(self) -> int | None:
        """The number of the first record that was changed, moved, added or is missing."""
        return self.verify().first_bad

    def verify(self, against: Checkpoint | None = None, *, signer: str | None = None) -> AuditCheck:
        """Check the chain, its beginning and the checkpoints in the database, and one given.

        against: an exported checkpoint, as `checkpoints.parse` gave it. signer: whose signature
        it must carry (a public key in hexadecimal); None: that of this appliance's key.
        InputError when `against` is of another appliance or signer, or when so many records were
        dropped since that nothing is left to compare. Writers are let in every few milliseconds.
        """
        with self._database.reading() as connection:
            cipher = self._keyring.at_hand(connection)
        return check(self._rows, Signer(cipher).public if cipher else None, against, signer)

    def checkpoint(self, *, trail: bool = False) -> Checkpoint:
        """Sign where the log stands, and keep that in the database too.

        trail: with what an exported one needs to name the first bad record. StoreError
        `audit_broken` when the chain does not hold since the last checkpoint, or what reading the
        key raises. While nobody is enrolled a missing key is made.
        """
        return sign_end(self._rows, self._keyring, self._clock.now(), trail=trail)

    def last_checkpoint(self) -> Checkpoint | None:
        """The newest in the database, whoever signed it."""
        with self._database.reading() as connection:
            return self._rows.last_checkpoint(connection)

    def adopt_beginning(self) -> str | None:
        """Vouch for where the log begins, which an earlier key had signed; that key, or None.

        StoreError when it cannot be recorded, or what the key raises.
        """
        with self._database.transaction():
            earlier = adopt_beginning(self._rows, self._keyring, self._clock.now())
            if earlier:
                self.append("audit_begin_adopted", "audit", {"earlier_signer": earlier})
        return earlier

    def drop_older(self, cutoff: datetime, *, most: int = _MOST_DROPPED) -> int:
        """Drop the records at the beginning that are dated before `cutoff`; how many.

        most: stop once so many went, for it takes its time; the next call goes on. Where the log
        then begins is signed, so that the chain stays verifiable. StoreError `audit_broken` when
        the records to drop do not hold together; they then stay.
        """
        dropped = 0
        while dropped < most and (
            count := drop_some(self._rows, self._keyring, self._clock.now(), cutoff)
        ):
            dropped += count
        if dropped:
            self._database.scrub_log()
        return dropped


def _storable(text: str) -> str:
    # A claim may hold half a surrogate pair, which no encoding takes; the record must not fail.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
