"""Files that leave the appliance: new, private, whole or not at all.

They may go to a memory stick whose file system knows neither links nor owners, so the file is
written in its place, and taken away again when it does not become whole.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from appliance.errors import InputError
from appliance.store.faults import translated

_PRIVATE = 0o600


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Lend a new private file, on the disk when the block succeeds, gone when it does not.

    InputError `file_exists`; StoreError when it cannot be written.
    """
    with translated(path):
        try:
            descriptor = os.open(
                path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _PRIVATE
            )
        except FileExistsError:
            raise InputError(
                f"{path} exists already.",
                hint="Give another name, or move the file away.",
                code="file_exists",
            ) from None
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise


def open_whole(path: Path) -> BinaryIO:
    """A file that was handed in. InputError where there is none, or no regular one."""
    try:
        # Non-blocking: a pipe might never begin.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise unreadable(path, "it is no regular file")
    return os.fdopen(descriptor, "rb")


def read_whole(path: Path, most: int) -> bytes:
    """A file of at most `most` bytes. InputError where there is none, or a larger one."""
    with open_whole(path) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise unreadable(path, error.strerror or str(error)) from error
    if len(content) > most:
        raise unreadable(path, f"it is larger than {most} bytes")
    return content


def unreadable(path: Path, why: str) -> InputError:
    """The error for a file that was handed in and cannot be read."""
    return InputError(
        f"{path} cannot be read: {why.lower()}.",
        hint="Look whether it is the right file and whether this user may read it (`ls -l`).",
        code="unreadable",
    )
