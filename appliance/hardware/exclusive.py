"""One process at a time drives the devices."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import final

from appliance.errors import DeviceBusyError, HardwareError


@final
class DevicesLock:
    """A context manager that holds the devices against every other process of the appliance.

    path: a file that is made where it is missing and never removed: removing it would let two
    processes hold two files of the same name. It holds the pid and the command of the holder.
    The kernel releases the lock when the holder dies, however it dies.
    Entering raises DeviceBusyError (held by another process) or HardwareError (file unusable).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def __enter__(self) -> DevicesLock:
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n{_command()}\n".encode(), 0)
        except BlockingIOError:
            holder = _holder(file)
            os.close(file)
            raise DeviceBusyError(
                f"The devices are in use by {holder}.",
                hint="Stop it first (`systemctl stop appliance` where it is the service), or let "
                "the running daemon do this for you.",
            ) from None
        except OSError as error:
            os.close(file)
            raise self._unusable(error) from error
        self._file = file
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with contextlib.suppress(OSError):
                os.ftruncate(file, 0)
            os.close(file)

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return _opened(self._path)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> HardwareError:
        reason = (error.strerror or str(error)).lower()
        return HardwareError(
            f"The lock file {self._path} of the devices cannot be used: {reason}.",
            hint="Run as the user of the appliance, or as a member of its group.",
        )


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o660)
    except FileExistsError:
        return os.open(path, flags | os.O_CREAT, 0o660)
    if os.geteuid() == 0:
        # An installer who works as root before the first start must not lock the daemon out.
        folder = path.parent.stat()
        os.fchown(file, folder.st_uid, folder.st_gid)
    return file


def _command() -> str:
    """What this process was started as, in one line."""
    with contextlib.suppress(OSError):
        words = Path("/proc/self/cmdline").read_bytes().split(b"\0")
        return b" ".join(words).strip().decode(errors="replace").replace("\n", " ")
    return "unknown"


def _holder(file: int) -> str:
    lines = os.pread(file, 4096, 0).decode(errors="replace").splitlines()
    if not lines or not lines[0].isdigit():
        # It has just got the lock and not written yet, or it is not one of ours.
        return "another process"
    command = f" ({lines[1]})" if len(lines) > 1 and lines[1] else ""
    return f"process {lines[0]}{command}"
