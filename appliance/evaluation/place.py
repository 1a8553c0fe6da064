"""Where a result is to be written: looked at before the long work, not after it."""

from __future__ import annotations

import os
from pathlib import Path


def read_only(path: Path) -> bool:
    """Whether a file cannot be put at `path`: it is closed, or its folder is. The folder exists."""
    closed = path.exists() and not path.stat().st_mode & 0o222
    return closed or not os.access(path.parent, os.W_OK | os.X_OK)
