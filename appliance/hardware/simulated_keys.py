"""A keypad that somebody writes into, for a desk and for tests: the twin of the real ones."""

from __future__ import annotations

import codecs
import os
import select
import stat
from pathlib import Path
from typing import Final

from appliance.errors import HardwareError

_AT_ONCE: Final = 64


class SimulatedKeys:
    """The characters that are written into a named pipe, which it makes: each one is a key.

    `echo 123456 > PATH` types a code and Enter. Raises HardwareError when something else stands
    there, or when the pipe cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._typed = ""
        # What is no UTF-8 is nothing that a keypad has a key for.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.trouble = ""
        try:
            if not path.exists():
                os.mkfifo(path, 0o600)
            if not stat.S_ISFIFO(path.stat().st_mode):
                raise HardwareError(
                    f"{path} is no pipe, so it cannot be a simulated keypad.",
                    hint="Move it away; the pipe is made anew.",
                    code="no_pipe",
                )
            # For writing too: so it never ends when whoever writes goes away.
            self._file: int | None = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise HardwareError(
                f"The simulated keypad {path} cannot be opened: {error.strerror or error}.",
                hint="It is a pipe in the state folder; check who owns that.",
                code="no_pipe",
            ) from error

    def next_key(self, timeout: float) -> str | None:
        """The next character, or None after `timeout` seconds."""
        if not self._typed and self._file is not None:
            ready, _, _ = select.select([self._file], [], [], max(timeout, 0.0))
            if ready:
                self._typed = self._decoder.decode(os.read(self._file, _AT_ONCE))
        key, self._typed = self._typed[:1], self._typed[1:]
        return key or None

    def close(self) -> None:
        """Give the pipe back; may be called twice."""
        file, self._file = self._file, None
        self._typed = ""
        if file is not None:
            os.close(file)
