"""What a simulated lock was told, line by line, on the disk.

Apart from the lock, whose values need numpy: what locks after a crash must start quickly.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

from appliance.errors import LockError


class LockJournal:
    """JSON lines, each on disk before `append` returns.

    path: made where it is missing. Raises LockError when it cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
            self._end_a_torn_line(self._file)
        except OSError as error:
            self.close()
            raise self._unwritable(error) from error

    def append(self, *, at: float, wall: str, state: str, cause: str) -> None:
        """Write one line durably. Raises LockError.

        at: seconds, monotonic. wall: ISO 8601, UTC. state: of types.LockState.
        """
        entry = {"at": at, "wall": wall, "pid": os.getpid(), "state": state, "cause": cause}
        try:
            self._write(json.dumps(entry) + "\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Give the file back; may be called twice."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def _write(self, text: str) -> None:
        if self._file is None:
            raise OSError("the journal is closed")
        rest = text.encode()
        while rest:
            rest = rest[os.write(self._file, rest) :]
        try:
            os.fsync(self._file)
        except OSError as error:
            # A pipe or /dev/null cannot be synced, and has nothing to lose.
            if error.errno != errno.EINVAL:
                raise

    def _end_a_torn_line(self, file: int) -> None:
        """A power cut may leave half a line; the next entry must not be glued to it."""
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            os.write(file, b"\n")

    def _unwritable(self, error: OSError) -> LockError:
        reason = (error.strerror or str(error)).lower()
        return LockError(
            f"The journal {self._path} cannot be written: {reason}.",
            hint="Give a path in a folder that this user may write to, on a disk with room.",
        )
