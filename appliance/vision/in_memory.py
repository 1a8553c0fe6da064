"""Files in memory for libraries that load by path only: what was read is what is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def in_memory(content: bytes, name: str) -> Iterator[str]:
    """The path of a file with this content, which is there as long as the context. name: a word.

    Between a check of a file and a library's own opening of it somebody could change it; nobody
    else can change this one. Linux only (memfd_create, procfs).
    """
    with os.fdopen(os.memfd_create(name), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
