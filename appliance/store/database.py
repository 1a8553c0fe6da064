"""The one owner of the SQLite file: founding, opening, checking, migrating, transactions.

A new database is built under another name and linked into place when it is complete, so that
an empty or half-made file at the real path always means damage, and is refused. Every
transaction is on the disk (WAL, synchronous=FULL) when its block has been left.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Final

from appliance.errors import StoreError
from appliance.store.faults import damaged, translate, translated
from appliance.store.files import private_folder, unborn
from appliance.store.schema import APPLICATION_ID, MIGRATIONS

BUSY_TIMEOUT_S: Final = 2.0
# Up to so many bytes a file is checked whole when it is opened.
_CHECKED_WHOLE: Final = 16 * 1024 * 1024
# Told by SQLite when it cannot keep its log beside the database: no reason not to read.
_NO_ROOM_FOR_A_LOG = frozenset({"read_only", "cannot_open", "disk_full", "io_error"})


class Database(AbstractContextManager["Database"]):
    """An open database. Threads may share it: one at a time gets the connection."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._turn = RLock()
        self._writing = False
        self._scrub_at_the_end = False
        self.path: Final = path
        self.identity: Final = _identity(connection)

    @classmethod
    def open(
        cls, path: Path, *, create: bool = True, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> Database:
        """Open the database at `path`, or found it.

        create: False is for commands that only read. Then no file appears, every write is
        refused, no database yet means an empty one, and a read-only disk can still be read.
        busy_timeout_s: seconds to wait for another process that writes.
        Raises StoreError; a file that cannot be used is left as it was found.
        """
        with translated(path):
            if not _exists(path):
                if not create:
                    return cls(_nothing_yet(), path)
                _found(path)
        opener = _open_to_write if create else _open_to_read
        connection = opener(path, busy_timeout_s)
        try:
            return cls(connection, path)
        except BaseException:
            connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write: all of the block or nothing of it, durable afterwards. Raises StoreError.

        Takes SQLite's write lock at once, so that what the block reads stays true until it
        has written. Inside another transaction of the same thread it is a part of that one.
        """
        with self._turn:
            if self._writing:
                yield self._connection
                return
            self._writing = True
            try:
                with translated(self.path), _begun(self._connection, "BEGIN IMMEDIATE"):
                    yield self._connection
            finally:
                self._writing = False
                scrub, self._scrub_at_the_end = self._scrub_at_the_end, False
            if scrub:
                self.scrub_log()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read: the block sees one state of the database. Raises StoreError.

        Inside a transaction of the same thread it is a part of that one.
        """
        with self._turn:
            if self._writing:
                yield self._connection
                return
            with translated(self.path), _begun(self._connection, "BEGIN"):
                yield self._connection

    def snapshot(self, path: Path) -> None:
        """Write a copy of one state of the database to a new file. Raises StoreError.

        The copy holds nothing that was deleted, and has no log beside it.
        """
        with self._turn, translated(path):
            self._connection.execute("VACUUM INTO ?", (str(path),))

    def scrub_log(self) -> None:
        """Empty the write-ahead log, where deleted content would live on.

        Inside a transaction this waits for its end.
        Raises StoreError `not_erased` when another process reads for longer than the busy
        time-out; what was committed stays committed.
        """
        if self._writing:
            self._scrub_at_the_end = True
            return
        with self._turn, translated(self.path):
            busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StoreError(
                f"The change is made, but its old content is still in the log of {self.path}, "
                "because another process is reading.",
                hint="It is erased when the appliance next starts: restart it.",
                code="not_erased",
            )

    @contextmanager
    def attached(self, other: Path) -> Iterator[None]:
        """Lend the tables of another database of ours, as `other.TABLE`. Raises StoreError."""
        with self._turn:
            with translated(other):
                self._connection.execute("ATTACH DATABASE ? AS other", (str(other),))
            try:
                yield
            finally:
                with translated(other):
                    self._connection.execute("DETACH DATABASE other")

    def fold(self) -> None:
        """Fold the log into the file for good, so that the file alone is the database.

        StoreError `locked` when somebody else has the database open. The next opening has a log
        again.
        """
        with self._turn, translated(self.path):
            self._connection.execute("PRAGMA journal_mode = DELETE").fetchall()

    def close(self) -> None:
        """Give the file back; may be called twice."""
        with self._turn:
            self._connection.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _begun(connection: sqlite3.Connection, statement: str) -> Iterator[None]:
    connection.execute(statement)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk makes SQLite roll back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _exists(path: Path) -> bool:
    """True when there is a file to open. Raises StoreError for what can be no database."""
    try:
        found = path.stat()
    except FileNotFoundError:
        _refuse_an_orphaned_log(path)
        return False
    if stat.S_ISDIR(found.st_mode):
        raise StoreError(
            f"{path} is a folder, not a database file.",
            hint="Give store.path a folder without a .db ending, or a file inside this one.",
            code="is_a_folder",
        )
    if found.st_size == 0:
        raise damaged(f"{path} is empty, which a database never is")
    if not os.access(path, os.R_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return True


def _refuse_an_orphaned_log(path: Path) -> None:
    # SQLite would replay a log into whatever database stands beside it.
    for ending in ("-wal", "-journal"):
        log = path.with_name(path.name + ending)
        if log.exists():
            raise StoreError(
                f"{path} is missing, but its log {log.name} is still there.",
                hint="The database was lost or moved: put it or a backup back, "
                f"or move {log.name} away to begin anew.",
                code="database_lost",
            )


def _found(path: Path) -> None:
    """Build a new database and put it at `path`, unless another process was faster."""
    private_folder(path.parent)
    with suppress(FileExistsError), unborn(path) as draft:
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            # A draft needs no care: it is synced as a whole before it gets its name.
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            migrate(connection)
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()


def _nothing_yet() -> sqlite3.Connection:
    """An empty database that refuses writes and leaves no trace on the disk."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    migrate(connection)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _open_to_write(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    for needed in (path, path.parent):
        _require_writable(needed)
    connection = _opened(path, "mode=rw", busy_timeout_s)
    # What an interrupted removal left in the log goes now; it never stops the door from opening.
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return connection


def _open_to_read(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    try:
        connection = _opened(path, "mode=rw", busy_timeout_s)
    except StoreError as error:
        if error.code not in _NO_ROOM_FOR_A_LOG:
            raise
        connection = _opened_on_a_read_only_disk(path, busy_timeout_s)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _opened_on_a_read_only_disk(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    try:
        return _opened(path, "mode=ro", busy_timeout_s)
    except StoreError as error:
        if error.code not in _NO_ROOM_FOR_A_LOG or _log_size(path):
            raise
    # Without a log, and with nobody able to write one, the file alone is the truth.
    return _opened(path, "mode=ro&immutable=1", busy_timeout_s)


def _require_writable(path: Path) -> None:
    # Asked beforehand: SQLite opens a file it may not write for reading, and says nothing.
    if not os.access(path, os.W_OK, effective_ids=True):
        raise translate(sqlite3.OperationalError("readonly database"), path)


def _log_size(path: Path) -> int:
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def _opened(path: Path, mode: str, busy_timeout_s: float) -> sqlite3.Connection:
    """A configured connection to a file that was checked and is of this version."""
    with translated(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}",
            uri=True,
            isolation_level=None,
            timeout=busy_timeout_s,
            check_same_thread=False,
        )
        try:
            _refuse_strangers(connection, path)
            _refuse_damage(connection, path)
            _configure(connection)
            migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _refuse_strangers(connection: sqlite3.Connection, path: Path) -> None:
    if _pragma(connection, "page_count") == 0:
        # SQLite takes the stump of a database for a new one.
        raise damaged(f"{path} is cut off")
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise StoreError(
            f"{path} is a database of another program.",
            hint="Nothing was changed. Give store.path another file or folder.",
            code="foreign_database",
        )
    version = _pragma(connection, "user_version")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer version of the appliance "
            f"(format {version}; this one knows {len(MIGRATIONS)}).",
            hint="Nothing was changed. Upgrade the appliance, or restore a backup from before.",
            code="newer_version",
        )


def _refuse_damage(connection: sqlite3.Connection, path: Path) -> None:
    size = _pragma(connection, "page_count") * _pragma(connection, "page_size")
    tables = ["3"] if size <= _CHECKED_WHOLE else _all_but_the_log(connection)
    for table in tables:
        findings = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({table})")]
        if findings != ["ok"]:
            # SQLite heads each finding with a line of its own; one sentence has room for one.
            raise damaged(f"{path} is damaged ({' '.join(findings[0].split())})")


def _all_but_the_log(connection: sqlite3.Connection) -> list[str]:
    # Years of records are most of a large file, and have a chain of their own; reading them all
    # from a memory card would keep the door shut for seconds at each start.
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'audit'"
    )
    return [f"'{name}'" for (name,) in rows.fetchall()]


def _configure(connection: sqlite3.Connection) -> None:
    for setting in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",
        # Without it, INSERT OR REPLACE would slip past the audit log's triggers.
        "recursive_triggers = ON",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {setting}").fetchall()


def migrate(
    connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS
) -> None:
    """Bring the tables to the newest version, one transaction per step. Raises sqlite3.Error."""
    while _pragma(connection, "user_version") < len(migrations):
        with _begun(connection, "BEGIN IMMEDIATE"):
            # Read again under the lock: another process may have been faster.
            version = _pragma(connection, "user_version")
            for statement in migrations[version] if version < len(migrations) else ():
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {min(version + 1, len(migrations))}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _identity(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT value FROM meta WHERE key = 'database_id'").fetchone()
    if row is None:
        raise damaged("The database has lost its identity")
    return str(row[0])
