"""Whether the system gets its security updates by itself: APT's settings and time stamps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from appliance.board.files import ROOT, below, text, there
from appliance.board.units import wanted

_KEYS = ("APT::Periodic::Update-Package-Lists", "APT::Periodic::Unattended-Upgrade")
# apt-daily(8) keeps a stamp for each of its works.
_STAMPS = {
    "lists": ("var/lib/apt/periodic/update-success-stamp", "var/lib/apt/lists"),
    "upgrade": ("var/lib/apt/periodic/unattended-upgrades-stamp",),
}


@dataclass(frozen=True)
class Updates:
    """apt: whether this is a system of Debian's kind at all. automatic: installed, set and timed.

    lists_age, upgrade_age: how long ago APT last asked what is new, and last installed by itself;
    None: never, or not told. restart: an update waits for a restart.
    """

    apt: bool
    automatic: bool
    lists_age: timedelta | None
    upgrade_age: timedelta | None
    restart: bool


def updates(now: datetime, root: Path = ROOT) -> Updates:
    """What APT and its timers are set to. now: aware."""
    settings = _settings(root)
    on = all(settings.get(key, "0") not in {"", "0"} for key in _KEYS)
    timed = bool(wanted("apt-daily.timer", root) and wanted("apt-daily-upgrade.timer", root))
    return Updates(
        apt=there(root / "etc/apt"),
        automatic=on and timed and there(root / "usr/bin/unattended-upgrade"),
        lists_age=_age(now, root, "lists"),
        upgrade_age=_age(now, root, "upgrade"),
        restart=there(root / "run/reboot-required"),
    )


def _settings(root: Path) -> dict[str, str]:
    """apt.conf(5): the files in order of their names, the last word counts."""
    parts = [root / "etc/apt/apt.conf", *below(root / "etc/apt/apt.conf.d", "*")]
    named = [it for it in parts if it.suffix in {"", ".conf"}]
    found: dict[str, str] = {}
    for path in named:
        content = re.sub(r"^\s*(//|#).*$", "", text(path) or "", flags=re.MULTILINE)
        for key in _KEYS:
            for value in re.findall(rf'{re.escape(key)}\s+"([^"]*)"', content):
                found[key] = value
    return found


def _age(now: datetime, root: Path, what: str) -> timedelta | None:
    for name in _STAMPS[what]:
        try:
            changed = (root / name).stat().st_mtime
        except OSError:
            continue
        return now - datetime.fromtimestamp(changed, timezone.utc)
    return None
