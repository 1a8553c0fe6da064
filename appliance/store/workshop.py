"""Private folders for work on copies of the store, which hold its secrets for a while."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.store.faults import translated

_PREFIX = ".backup-"


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """Lend an empty private folder inside `folder`, and clear it away. Raises StoreError."""
    clear_abandoned(folder)
    with translated(folder):
        lent = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    try:
        with _held(lent):
            yield lent
    finally:
        with suppress(OSError):
            shutil.rmtree(lent)


def clear_abandoned(folder: Path) -> None:
    """Remove what somebody who was killed has left; what is in use stays. Raises StoreError."""
    with translated(folder):
        for left in list(folder.glob(_PREFIX + "*")):
            with suppress(BlockingIOError, FileNotFoundError, NotADirectoryError), _held(left):
                shutil.rmtree(left)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process. BlockingIOError: somebody has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
