"""What systemd does and tells of the service, asked through its own programs.

Where systemd does not run, or has no such unit, `there` is False and nothing is asked.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from appliance.installed import UNIT

RUNNING: Final = Path("/run/systemd/system")
# systemctl waits for the unit; a stop takes as long as TimeoutStopSec at most.
_WITHIN_S: Final = 90.0
_MICRO: Final = 1_000_000
_NEVER: Final = "infinity"
# The journal is asked for no more: the helper's line is among the newest.
_LINES: Final = 200


class Systemd:
    """running: the folder that is there while systemd runs the machine."""

    def __init__(self, running: Path = RUNNING) -> None:
        self._running = running

    @property
    def there(self) -> bool:
        """Whether systemd runs this machine and knows the unit."""
        here = self._running.is_dir() and shutil.which("systemctl") is not None
        return here and self._property("LoadState") == "loaded"

    def version(self) -> str | None:
        """The first line of what systemctl says of itself; None where there is none."""
        said = _said(["systemctl", "--version"])
        return said.splitlines()[0] if said else None

    def is_enabled(self) -> bool | None:
        """Whether the unit is started with the machine; None where nothing tells."""
        word = (_said(["systemctl", "is-enabled", UNIT], refuses=True) or "").strip()
        return word.startswith("enabled") if word else None

    def stop(self) -> bool:
        """Stop the unit; False when that was refused."""
        return self._obeyed("stop")

    def start(self) -> bool:
        """Start the unit; False when that was refused."""
        return self._obeyed("start")

    def watchdog_s(self) -> float | None:
        """How long the unit may hang; 0: for ever, None where nothing tells."""
        text = self._property("WatchdogUSec")
        return None if text is None else _seconds(text)

    def machine_watchdog(self) -> str | None:
        """How long the whole machine may hang, in systemd's words."""
        said = _said(["systemctl", "show", "--property=RuntimeWatchdogUSec", "--value"])
        return said.strip() or None if said else None

    def helper_said(self, since_s: float) -> tuple[float, str] | None:
        """The helper's first line after a moment: (when, what it said); None where there is none.

        since_s, when: seconds of the kernel's monotonic clock.
        """
        for at, message in self._messages():
            if at >= since_s and "lockdown:" in message:
                return at, message
        return None

    def _messages(self) -> Iterator[tuple[float, str]]:
        command = ["journalctl", f"--unit={UNIT}", "--boot", f"--lines={_LINES}", "--output=json"]
        for line in (_said(command) or "").splitlines():
            try:
                record: dict[str, Any] = json.loads(line)
                at, message = int(record["__MONOTONIC_TIMESTAMP"]) / _MICRO, record["MESSAGE"]
            except (ValueError, TypeError, KeyError):
                continue
            if isinstance(message, str):
                yield at, message

    def _property(self, name: str) -> str | None:
        said = _said(["systemctl", "show", f"--property={name}", "--value", UNIT])
        return None if said is None else said.strip()

    def _obeyed(self, verb: str) -> bool:
        return _said(["systemctl", "--no-ask-password", verb, UNIT]) is not None


def _said(command: Sequence[str], *, refuses: bool = False) -> str | None:
    """What a program wrote; None where it is missing, hangs or (unless `refuses`) says no."""
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system, no shell, our own arguments
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 or refuses else None


_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


def _seconds(text: str) -> float | None:
    """`20s`, `1min 30s`, `0`, `infinity`, as systemctl writes spans of time."""
    if text in {"0", _NEVER}:
        return 0.0
    total = 0.0
    for word in text.split():
        number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
        unit = word[len(number) :]
        if unit not in _UNITS or not number.replace(".", "", 1).isdigit():
            return None
        total += float(number) * _UNITS[unit]
    return total
