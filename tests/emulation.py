"""What user emulation cannot do, found out by trying it: what a test needs there is skipped for.

qemu-aarch64 hands an ioctl on only where it has a translation for it. Every other one it answers
with ENOSYS, whatever the file is: it would say so of a real chip too. No kernel answers so: it
says ENOTTY of a file that is no device, and then nothing is skipped.
"""

from __future__ import annotations

import errno
import fcntl
import tempfile

import pytest


def need_ioctl(request: int, what: str) -> None:
    """Skip the test where this request never reaches a kernel. what: whose request it is."""
    with tempfile.TemporaryFile() as file:
        try:
            fcntl.ioctl(file, request, bytes(512))
        except OSError as error:
            if error.errno == errno.ENOSYS:
                pytest.skip(f"user emulation hands no request for {what} on to the kernel (ENOSYS)")
