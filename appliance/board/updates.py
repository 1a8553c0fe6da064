"""Whether the system gets its security updates by itself: APT's settings and time stamps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from appliance.board.files import ROOT, below, text, there
from appliance.board.units import masked, wanted

# apt.systemd.daily: the third, on where nothing is said, switches the other two.
_KEYS = ("apt::periodic::update-package-lists", "apt::periodic::unattended-upgrade")
_ENABLE = "apt::periodic::enable"
_UNITS = ("apt-daily", "apt-daily-upgrade")
# apt.conf(5): comments, quoted values, and what gives the rest its shape.
_TOKENS = re.compile(
    r"""(?P<comment> // [^\n]* | /\* .*? (?: \*/ | \Z ) )
      | \# (?P<directive> clear | include ) \b
      | (?P<remark> \# [^\n]* )
      | " (?P<quoted> [^"\n]* ) "
      | (?P<sign> [{};] )
      | (?P<word> [^\s{};"#]+ )""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_PART = re.compile(r"[\w.-]+")
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
    on = on and settings.get(_ENABLE, "1").strip("0") != ""
    timed = all(wanted(f"{it}.timer", root) for it in _UNITS)
    timed = timed and not any(masked(f"{it}.service", root) for it in _UNITS)
    return Updates(
        apt=there(root / "etc/apt"),
        automatic=on and timed and there(root / "usr/bin/unattended-upgrade"),
        lists_age=_age(now, root, "lists"),
        upgrade_age=_age(now, root, "upgrade"),
        restart=there(root / "run/reboot-required"),
    )


def _settings(root: Path) -> dict[str, str]:
    """apt.conf(5): what is set, by its name in small letters; the last word counts.

    The folder's files in the order of their names, then the one beside it; no #include.
    """
    parts = [
        path
        for path in below(root / "etc/apt/apt.conf.d", "*")
        if path.suffix in {"", ".conf"} and _PART.fullmatch(path.name)
    ]
    found: dict[str, str] = {}
    for path in [*parts, root / "etc/apt/apt.conf"]:
        for name, value in _statements(text(path) or ""):
            if value is None:
                found = {key: it for key, it in found.items() if not _within(key, name)}
            else:
                found[name] = value
    return found


def _within(key: str, name: str) -> bool:
    return key == name or key.startswith(f"{name}::")


def _statements(content: str) -> Iterator[tuple[str, str | None]]:
    """(name, value) as they come; None as a value clears the name and all below it."""
    scopes: list[str] = []
    said: list[str] = []
    clear = False
    for token in _TOKENS.finditer(content):
        kind, word = token.lastgroup, token[token.lastgroup or 0]
        if kind == "directive":
            said, clear = [], word.lower() == "clear"
        elif kind in {"word", "quoted"}:
            said.append(word)
        elif word == "{":
            scopes.append(said[0].lower() if said else "")
            said = []
        elif word == "}" and scopes:
            scopes.pop()
        elif word == ";":
            name = "::".join(filter(None, [*scopes, *(it.lower() for it in said[:1])]))
            if clear:
                yield from (("::".join([*scopes, it.lower()]), None) for it in said)
            elif len(said) > 1:
                yield name, said[1]
            said, clear = [], False


def _age(now: datetime, root: Path, what: str) -> timedelta | None:
    for name in _STAMPS[what]:
        try:
            changed = (root / name).stat().st_mtime
        except OSError:
            continue
        return now - datetime.fromtimestamp(changed, timezone.utc)
    return None
