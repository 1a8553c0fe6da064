"""How one may log in from elsewhere: sshd_config(5), read as sshd reads it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from appliance.board.files import ROOT, below, processes, text, there, withheld
from appliance.board.units import installed, masked, wanted

_UNITS = ("ssh.service", "ssh.socket", "sshd.service")
# Others that take logins by SSH; what they ask for is not read here.
_OTHERS = {"dropbear": ("dropbear.service", "dropbear.socket"), "tinysshd": ("tinysshd.socket",)}
# What sshd assumes where nothing is said.
_DEFAULTS = {
    "passwordauthentication": "yes",
    "kbdinteractiveauthentication": "yes",
    "permitrootlogin": "prohibit-password",
}
_PASSWORDS = ("passwordauthentication", "kbdinteractiveauthentication")
# Its name before OpenSSH 8.7.
_OLD_NAMES = {"challengeresponseauthentication": "kbdinteractiveauthentication"}
_DEEPEST = 16


@dataclass(frozen=True)
class Remote:
    """runs: whether sshd is started. passwords: whether a password is enough. root: for root too.

    withheld: files of its configuration that this user may not read; what they say is not known.
    some: whether a password is enough for those whom a Match names, whatever counts for the others.
    others: what else takes logins by SSH, started or running.
    """

    runs: bool
    passwords: bool
    root: bool
    withheld: tuple[str, ...] = ()
    some: bool = False
    others: tuple[str, ...] = ()


@dataclass
class _Reading:
    """said: for everybody. matched: what is said for those whom a Match names, each time."""

    said: dict[str, str] = field(default_factory=dict)
    matched: list[tuple[str, str]] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)


def remote(root: Path = ROOT) -> Remote:
    """What sshd will do for everybody, and whether a Match lets in more."""
    runs = any(wanted(it, root) or _alias(it, root) for it in _UNITS) or processes("sshd", root)
    reading = _Reading()
    _read(root / "etc/ssh/sshd_config", root, reading)
    told = {key: reading.said.get(key, value) for key, value in _DEFAULTS.items()}
    passwords = "yes" in {told[key] for key in _PASSWORDS}
    return Remote(
        runs=bool(runs) and there(root / "etc/ssh/sshd_config"),
        passwords=passwords,
        root=passwords and told["permitrootlogin"] == "yes",
        withheld=tuple(reading.withheld),
        some=any((key, "yes") in reading.matched for key in _PASSWORDS),
        others=tuple(name for name, units in _OTHERS.items() if _started(name, units, root)),
    )


def _started(name: str, units: tuple[str, ...], root: Path) -> bool:
    return any(wanted(it, root) for it in units) or bool(processes(name, root))


def _alias(unit: str, root: Path) -> bool:
    """Debian names the unit ssh and links sshd to it when it is enabled."""
    link = root / "etc/systemd/system" / unit
    return link.is_symlink() and installed(unit, root) and not masked(unit, root)


def _read(
    path: Path, root: Path, reading: _Reading, depth: int = 0, *, match: bool = False
) -> None:
    """One file. For everybody the first word counts. A Match ends with its file."""
    if withheld(path):
        reading.withheld.append(f"/{path.relative_to(root)}")
        return
    for words in _lines(text(path) or ""):
        key = _OLD_NAMES.get(words[0].lower(), words[0].lower())
        if key == "match":
            match = True
        elif key == "include" and depth < _DEEPEST:
            for pattern in words[1:]:
                beside = pattern.lstrip("/") if pattern.startswith("/") else f"etc/ssh/{pattern}"
                for part in below(root, beside):
                    _read(part, root, reading, depth + 1, match=match)
        elif len(words) > 1 and match:
            reading.matched.append((key, words[1].lower()))
        elif len(words) > 1:
            reading.said.setdefault(key, words[1].lower())


def _lines(content: str) -> Iterator[list[str]]:
    for line in content.splitlines():
        try:
            words = shlex.split(line.replace("=", " ", 1), comments=True)
        except ValueError:  # a quote that does not end: sshd would not start with it
            continue
        if words:
            yield words
