"""The logs of a run, read back: what was asked and answered, and what the console said when."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.board.lines import Trace, read_trace
from tests.board.machine import Answer


@dataclass(frozen=True)
class Said:
    """A line of the console, with the host's time of its first byte."""

    at: float
    text: str


@dataclass(frozen=True)
class Evidence:
    """Everything that one machine left in its folder."""

    commands: Sequence[Answer]
    console: Sequence[Said]
    trace: Trace

    def asked(self, text: str) -> list[Answer]:
        """The commands that hold `text`, in the order in which they were sent."""
        return [answer for answer in self.commands if text in answer.command]

    def last(self, text: str) -> Answer:
        """The last of them. LookupError where nothing of the kind was asked."""
        found = self.asked(text)
        if not found:
            raise LookupError(f"Nobody asked for `{text}`.")
        return found[-1]

    def heard(self, text: str) -> list[Said]:
        """The console's lines that hold `text`."""
        return [said for said in self.console if text in said.text]


def read(folder: Path) -> Evidence:
    """The evidence in a machine's folder."""
    return Evidence(
        read_commands(folder / "commands.log"),
        read_console(folder / "serial.log"),
        read_trace(folder / "lines.log"),
    )


def read_commands(path: Path) -> list[Answer]:
    """What was asked over SSH."""
    return [
        Answer(it["command"], it["code"], it["out"], it["err"], it["at"], it["took_s"])
        for it in map(json.loads, path.read_text().splitlines())
    ]


def read_console(path: Path) -> list[Said]:
    """What the serial console said."""
    lines = []
    for line in path.read_text(errors="replace").splitlines():
        at, _, text = line.partition(" ")
        lines.append(Said(float(at), text))
    return lines


def json_of(answer: Answer) -> dict[str, Any]:
    """The JSON object that a command printed. ValueError where it printed none."""
    told: dict[str, Any] = json.loads(answer.out)
    return told


def properties(answer: Answer) -> dict[str, str]:
    """What `systemctl show` printed: KEY=VALUE a line."""
    return dict(line.partition("=")[::2] for line in answer.out.splitlines() if "=" in line)


def transcript(evidence: Evidence, relay: int, until: float) -> str:
    """Console, commands and relay in one order, up to a host's time; seconds since the reset."""
    begin = evidence.trace.resets[0]
    told: list[tuple[float, str]] = [(said.at, said.text) for said in evidence.console]
    for answer in evidence.commands:
        told.append((answer.at, f"$ {answer.command}"))
        ended = answer.at + answer.took_s
        told += [(ended, f"> {line}") for line in (answer.out + answer.err).splitlines()]
    for drive in evidence.trace.drives(relay):
        how = "an input" if drive.level is None else f"driven, level {drive.level}"
        told.append((drive.at, f"### relay line: {how}"))
    for change in evidence.trace.levels(relay):
        told.append((change.at, f"### relay line: a meter shows {change.level}"))
    lines = [f"{at - begin:9.3f}  {text}" for at, text in sorted(told) if at <= until]
    return "\n".join(lines) + "\n"
