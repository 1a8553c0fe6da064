"""The board's own watchdog: what starts it again when the whole computer hangs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from appliance.board.files import ROOT, below, text, there
from appliance.board.units import setting

_OFF = frozenset({"0", "off", "no"})
# drivers/watchdog/softdog.c: a timer of the kernel, which stops when the kernel does.
_SOFT, _SOFT_MODULE = "Software Watchdog", "sys/module/softdog"


@dataclass(frozen=True)
class Watchdog:
    """devices: their names (Documentation/watchdog), as far as the kernel tells; else the file's.

    fed: whether somebody has started one; None where the kernel does not tell.
    runtime: systemd's RuntimeWatchdogSec; None: not set, so that systemd feeds none.
    soft: those that are a timer of the kernel, or may be: they cannot tell that it hangs. Neither
    `devices` nor `fed` speak of them.
    """

    devices: tuple[str, ...]
    fed: bool | None
    runtime: str | None
    soft: tuple[str, ...] = ()


def watchdog(root: Path = ROOT) -> Watchdog:
    """What is there, and what systemd is told to do with it."""
    folders = below(root / "sys/class/watchdog", "watchdog*")
    named = {it: text(it / "identity") or it.name for it in folders}
    hard = [it for it, name in named.items() if name != _SOFT]
    states = [state for it in hard if (state := text(it / "state")) is not None]
    runtime = setting("system.conf", "RuntimeWatchdogSec", root)
    devices = tuple(named[it] for it in hard)
    soft = tuple(name for name in named.values() if name == _SOFT)
    if not named:
        plain = tuple(it.name for it in below(root / "dev", "watchdog*"))
        devices, soft = ((), plain) if there(root / _SOFT_MODULE) else (plain, ())
    return Watchdog(
        devices=devices,
        fed="active" in states if states else None,
        runtime=None if runtime is None or _is_off(runtime) else runtime,
        soft=soft,
    )


def _is_off(value: str) -> bool:
    """systemd.time(7): 0 in any unit is no time."""
    return value.lower() in _OFF or re.fullmatch(r"0+\s*[a-z]*", value) is not None
