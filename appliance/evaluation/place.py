"""Where a result is to be written: looked at before the long work, not after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from appliance.errors import InputError


def read_only(path: Path) -> bool:
    """Whether a file cannot be put at `path`: it is closed, or its folder is. The folder exists."""
    closed = path.exists() and not path.stat().st_mode & 0o222
    return closed or not os.access(path.parent, os.W_OK | os.X_OK)


def require_writable(path: Path, what: str, not_written: Callable[[Path, str], InputError]) -> None:
    """InputError where no file could be put. what: it would hold; not_written: makes the error."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no file.", hint=f"Name a file for the {what}.")
        if not path.parent.is_dir():
            raise InputError(f"The folder {path.parent} does not exist.", hint="Make it first.")
        if read_only(path):
            raise not_written(path, "it is read-only")
    except OSError as error:
        raise not_written(path, (error.strerror or str(error)).lower()) from error
