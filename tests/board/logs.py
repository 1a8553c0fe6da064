"""Logs as a machine writes them, made up for tests of what is read from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.board.machine import LINES, Answer

_CHIP = "/machine/unattached/device[7]"


class Logs:
    """A machine's folder that is filled line by line; times are in seconds since the reset."""

    def __init__(self, folder: Path, begin: float = 1_700_000_000.0) -> None:
        self.folder = folder
        self._begin = begin
        self._trace: list[str] = []
        self._console: list[str] = []
        self._commands: list[str] = []
        self._driven: dict[int, int] = {}

    def reset(self, at: float) -> None:
        """The machine starts, or starts anew: all lines are inputs, pulled down."""
        self._driven.clear()
        self._traced(at, "reset", "reset")
        for line in range(LINES):
            self._traced(at, "set_output", f"setting output {line} to 0")

    def drive(self, at: float, line: int, level: int) -> None:
        """The guest makes a line an output, or gives one another level."""
        before = self._driven.get(line, 0)
        self._driven[line] = level
        direction = sum(1 << it for it in self._driven)
        data = sum(value << it for it, value in self._driven.items())
        self._traced(at, "update", f"GPIODIR 0x{direction:x} GPIODATA 0x{data:x} pullups 0x0")
        if level != before:
            self._traced(at, "set_output", f"setting output {line} to {level}")

    def pulse(self, at: float, line: int, length_s: float) -> None:
        """A line that is high for so long."""
        self.drive(at, line, 1)
        self.drive(at + length_s, line, 0)

    def say(self, at: float, text: str) -> None:
        """A line on the console."""
        self._console.append(f"{self._begin + at:.6f} {text}")

    def ask(
        self, at: float, command: str, out: object = "", *, code: int = 0, took_s: float = 1.0
    ) -> None:
        """A command over SSH; what is no text is printed as JSON."""
        said = out if isinstance(out, str) else json.dumps(out)
        answer = Answer(command, code, said, "", self._begin + at, took_s)
        self._commands.append(json.dumps(vars(answer)))

    def write(self) -> Path:
        """The folder with its logs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._save("lines.log", self._trace)
        self._save("serial.log", self._console)
        self._save("commands.log", self._commands)
        return self.folder

    def _traced(self, at: float, event: str, rest: str) -> None:
        self._trace.append(f"4711@{self._begin + at:.6f}:pl061_{event} {_CHIP} {rest}")

    def _save(self, name: str, lines: Sequence[str]) -> None:
        (self.folder / name).write_text("".join(f"{line}\n" for line in lines))
