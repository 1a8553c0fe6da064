"""Names for what cached results depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType


def key(parts: Iterable[str | bytes]) -> str:
    """Return twelve hexadecimal digits that change with any of the parts."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:12]


def sources(modules: Sequence[ModuleType]) -> str:
    """Return a key of the modules' source code."""
    return key(Path(str(module.__file__)).read_bytes() for module in modules)
