"""Private files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
# What SQLite may leave beside a database that was given up half-way.
_COMPANIONS = ("", "-journal", "-wal", "-shm")


def private_folder(folder: Path) -> None:
    """Make the folder (mode 0700) where it is missing; one that exists is left as it is."""
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)


@contextmanager
def unborn(path: Path) -> Iterator[Path]:
    """Lend an empty private file beside `path`, which gets that name when the block succeeds.

    Until then nothing stands at `path`, and what stands there already is never replaced: the
    file is linked, not renamed. Raises FileExistsError when somebody else was faster.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, _PRIVATE_FILE))
    try:
        yield draft
        _settle(draft, path.parent)
        os.link(draft, path)
    finally:
        for companion in _COMPANIONS:
            with suppress(OSError):
                draft.with_name(draft.name + companion).unlink()
    _sync(path.parent)


def publish(path: Path, content: bytes) -> None:
    """Write a new private file durably. FileExistsError when there is one."""
    with unborn(path) as draft:
        draft.write_bytes(content)


def replace(path: Path, content: bytes) -> None:
    """Put a private file in the place of what is there, durably: the old or the new, never half."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, _PRIVATE_FILE))
    try:
        draft.write_bytes(content)
        _settle(draft, path.parent)
        draft.replace(path)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    _sync(path.parent)


def move_in(draft: Path, path: Path) -> None:
    """Give a finished file on the same disk its place, durably; what stood there is gone."""
    draft.chmod(_PRIVATE_FILE)
    _settle(draft, path.parent)
    draft.replace(path)
    _sync(path.parent)


def _settle(draft: Path, folder: Path) -> None:
    # An installer who works as root must not lock the daemon's user out of its own folder. The
    # draft may lie in another one, which is root's.
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
    _sync(draft)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
