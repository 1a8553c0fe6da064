"""What SQLite and the file system complain about, told to a person: one table, one place.

The stable codes that scripts may rely on: `disk_full`, `locked`, `not_a_database`, `corrupt`,
`read_only`, `no_permission`, `cannot_open`, `io_error`; anything else is plain `store`.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from appliance.errors import StoreError

# Bytes: SQLite's shared index of its log takes 32 KiB.
_LEAST_ROOM = 65_536


class _Fault(NamedTuple):
    code: str
    sentence: str
    hint: str


_RESTORE = "Nothing was changed. Keep a copy of the file, then put a backup of it in its place."
_FULL = _Fault(
    "disk_full",
    "{path} could not be written: the disk is full.",
    "Nothing that was there is lost. Free some space (`df -h` shows where) and try again.",
)
_LOCKED = _Fault(
    "locked",
    "{path} is locked: another process is writing to it.",
    "Try again in a moment; `fuser {path}` names a process that does not let go.",
)
_FOREIGN = _Fault(
    "not_a_database", "{path} is not a database, or its first bytes were damaged.", _RESTORE
)
_CORRUPT = _Fault("corrupt", "{path} is damaged.", _RESTORE)
_READ_ONLY = _Fault(
    "read_only",
    "{path} cannot be written: the file, its folder or its disk is read-only, "
    "or it was opened for reading.",
    "Look at `ls -ld` of both and at `mount`; a card that failed is often mounted read-only.",
)
_PERMISSION = _Fault(
    "no_permission",
    "{path} may not be used by this user.",
    "Run the command with sudo or as the user that owns the file (`ls -ld` shows who).",
)
_UNOPENED = _Fault(
    "cannot_open",
    "{path} or a file beside it cannot be opened.",
    "Look whether the folder exists and whether this user may write in it (`ls -ld`).",
)
_IO = _Fault(
    "io_error",
    "{path} could not be read or written: {error}.",
    "The disk or card may be failing or full: look at `dmesg` and `df -h`. "
    "What was stored before is kept.",
)
_OTHER = _Fault("store", "{path} could not be used: {error}.", _RESTORE)

# By SQLite's own words: its result codes reach Python only from 3.11 on, the words always do.
_BY_WORDS: tuple[tuple[str, _Fault], ...] = (
    ("database or disk is full", _FULL),
    ("is locked", _LOCKED),
    ("not a database", _FOREIGN),
    ("malformed", _CORRUPT),
    ("decode to utf-8", _CORRUPT),
    ("readonly database", _READ_ONLY),
    ("unable to open", _UNOPENED),
    ("disk i/o error", _IO),
)
_BY_ERRNO: dict[int, _Fault] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EROFS: _READ_ONLY,
    errno.ENOENT: _UNOPENED,
    errno.ENOTDIR: _UNOPENED,
}


def translate(error: sqlite3.Error | OSError, path: Path) -> StoreError:
    """The StoreError that tells a person what `error` means for the file at `path`."""
    if isinstance(error, OSError):
        fault = _BY_ERRNO.get(error.errno or 0, _IO)
        detail = error.strerror or str(error)
    else:
        detail = str(error)
        words = detail.lower()
        fault = next((fault for part, fault in _BY_WORDS if part in words), _OTHER)
        if fault is _IO and _has_no_room(path):
            # So SQLite puts it when the full disk keeps it from sharing its log.
            fault = _FULL
    return StoreError(
        fault.sentence.format(path=path, error=detail),
        hint=fault.hint.format(path=path),
        code=fault.code,
    )


def _has_no_room(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _LEAST_ROOM
    except OSError:
        return False


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Let no error of SQLite or of the file system out untranslated."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise translate(error, path) from error


def damaged(what: str) -> StoreError:
    """The error for content that SQLite can read but that makes no sense."""
    return StoreError(f"{what}.", hint=_RESTORE, code="corrupt")
