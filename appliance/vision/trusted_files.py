"""Whether a file may be run as code: nobody but its user and root may have written it.

A delegate and a TensorRT engine are machine code that the door runs. Who can write such a file, or
a folder on the way to it, could open the door.
"""

from __future__ import annotations

import stat
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def untrusted(path: Path, *, uid: int) -> str | None:
    """Why the file at `path` must not be run, as a clause; None where it may be.

    uid: whom this process runs as; root and that user may own the file and each folder on the way
    to it, and nobody else may write any of them. A folder with the sticky bit, such as /tmp, may be
    written by all: there nobody moves what belongs to another. Raises OSError where there is no
    such file.
    """
    absolute = path.absolute()
    real = absolute.resolve(strict=True)
    # As it is written too: whoever owns a link on the way decides where it leads.
    for part in dict.fromkeys((*reversed(absolute.parents), absolute, *real.parents, real)):
        found = part.lstat()
        if found.st_uid not in {0, uid}:
            return f"{part} belongs to another user (number {found.st_uid})"
        if stat.S_ISLNK(found.st_mode):
            continue  # a link has no permissions of its own
        sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        if found.st_mode & _OTHERS_WRITE and not sticky:
            return f"others than its owner may write {part}"
    return None
