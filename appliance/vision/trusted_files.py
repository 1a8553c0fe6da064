"""Whether a file may be run as code: nobody but its user and root may have written it.

A delegate and a TensorRT engine are machine code that the door runs. Who can write such a file, a
folder on the way to it, or a link that leads there, could open the door.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MOST_LINKS = 40  # as many as Linux follows


class UntrustedError(Exception):
    """Why a file must not be run, as a clause. others: it belongs to another user."""

    def __init__(self, why: str, *, others: bool = False) -> None:
        super().__init__(why)
        self.others = others


def trusted(path: Path, *, uid: int) -> Path:
    """The file that `path` leads to, by a way without links; that way is the one to open.

    uid: whom this process runs as; root and that user may own the file and every folder and link on
    the way to it, however many links lead to one another, and nobody else may write any of them. A
    folder with the sticky bit, such as /tmp, may be written by all: there nobody moves what belongs
    to another. Raises UntrustedError where that is not so, and OSError where there is no such file.
    """
    here = Path("/")
    _look_at(here, uid)
    ahead = list(reversed(path.absolute().parts[1:]))
    links = 0
    while ahead:
        name = ahead.pop()
        if name == "..":
            here = here.parent  # what was come by is a folder, not a link to one
            continue
        if not stat.S_ISLNK(_look_at(here / name, uid)):
            here /= name
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        # Its own parts come next, one by one: whoever owns a link on the way decides where to.
        target = (here / name).readlink()
        if target.is_absolute():
            here = Path("/")
        ahead += reversed(target.parts[1:] if target.is_absolute() else target.parts)
    return here


def open_file(path: Path) -> BinaryIO:
    """Open what `trusted` returned, for reading. Raises OSError, also for what is no plain file."""
    # Without O_NONBLOCK a pipe would be waited at for ever.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _require_plain(os.fstat(fd).st_mode, path)
        return os.fdopen(fd, "rb")
    except OSError:
        os.close(fd)
        raise


def _require_plain(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "It is no plain file", str(path))


def _look_at(part: Path, uid: int) -> int:
    """The mode of one thing on the way. Raises UntrustedError."""
    found = part.lstat()
    if found.st_uid not in {0, uid}:
        why = f"{part} belongs to another user (number {found.st_uid})"
        raise UntrustedError(why, others=True)
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    # A link has no permissions of its own.
    if not stat.S_ISLNK(found.st_mode) and found.st_mode & _OTHERS_WRITE and not sticky:
        raise UntrustedError(f"others than its owner may write {part}")
    return found.st_mode
