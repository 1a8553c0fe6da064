"""The board's own watchdog: what starts it again when the whole computer hangs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from appliance.board.files import ROOT, below, text
from appliance.board.units import setting

_OFF = frozenset({"0", "off", "no"})


@dataclass(frozen=True)
class Watchdog:
    """devices: their names (Documentation/watchdog), as far as the kernel tells; else the file's.

    fed: whether somebody has started one; None where the kernel does not tell.
    runtime: systemd's RuntimeWatchdogSec; None: not set, so that systemd feeds none.
    """

    devices: tuple[str, ...]
    fed: bool | None
    runtime: str | None


def watchdog(root: Path = ROOT) -> Watchdog:
    """What is there, and what systemd is told to do with it."""
    folders = below(root / "sys/class/watchdog", "watchdog*")
    named = tuple(text(it / "identity") or it.name for it in folders)
    states = [state for it in folders if (state := text(it / "state")) is not None]
    runtime = setting("system.conf", "RuntimeWatchdogSec", root)
    plain = tuple(it.name for it in below(root / "dev", "watchdog*"))
    return Watchdog(
        devices=named or plain,
        fed="active" in states if states else None,
        runtime=None if runtime is None or _is_off(runtime) else runtime,
    )


def _is_off(value: str) -> bool:
    """systemd.time(7): 0 in any unit is no time."""
    return value.lower() in _OFF or re.fullmatch(r"0+\s*[a-z]*", value) is not None
