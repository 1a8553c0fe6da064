"""What user emulation cannot do, found out by trying it: what needs it there is not tested.

qemu-aarch64 hands an ioctl on only where it has a translation for it. Every other one it answers
with ENOSYS, whatever the file is: it would say so of a real chip too. No kernel answers so: it
says ENOTTY of a file that is no device, and then nothing is skipped.
"""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import threading
from pathlib import Path

import pytest

# So many are enough to tell what one leaves behind from what this process happens to need.
_THREADS, _KEPT_MB = 100, 0.1


def need_ioctl(request: int, what: str) -> None:
    """Skip the test where this request never reaches a kernel. what: whose request it is."""
    with tempfile.TemporaryFile() as file:
        try:
            fcntl.ioctl(file, request, bytes(512))
        except OSError as error:
            if error.errno == errno.ENOSYS:
                pytest.skip(f"user emulation hands no request for {what} on to the kernel (ENOSYS)")


def forgets_threads() -> bool:
    """Whether an ended thread leaves memory behind, a quarter of a megabyte with qemu-aarch64 7.2.

    What a program grows by tells nothing of the program there. No kernel keeps anything.
    """
    before = _resident_mb()
    for _ in range(_THREADS):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    return _resident_mb() - before > _THREADS * _KEPT_MB


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
