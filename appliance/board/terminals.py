"""Who reads what is typed at this machine's own keyboard and serial line.

A keypad or card reader at USB is a keyboard. The service keeps its keys to itself (EVIOCGRAB);
while it does not run they go where every keyboard's keys go: to the login prompt or desktop of
the terminal in front, to Ctrl-Alt-Del, and to the kernel's SysRq.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from appliance.board.files import ROOT, below, number, processes, text
from appliance.board.units import installed, masked, other_name, setting, starts, values, wanted

# Major numbers of Linux's devices.txt: 4 below 64 are terminals of the screen.
_SCREEN_MAJOR, _SCREEN_MINORS = 4, 64
# sysrq.rst: 1 is everything; 4 keyboard, 8 dumps, 64 signals, 128 restart.
_SYSRQ_ALL = 1
_SYSRQ_HARM = 64 | 128
_ANY_TERMINAL = "any terminal that is switched to"
_SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh", "fish"})
# agetty(8). Before a short option there may be others that take no value, and getopt_long takes
# as much of a long one as tells it apart.
_AUTOLOGIN = re.compile(r"-[8cEhiJLmnNpRsUw]*a|--a")
_LOGIN_OPTIONS = re.compile(r"(?:-[8cEhiJLmnNpRsUw]*o|--login-o[a-z]*(?:=|$))(.*)")
_LOGIN_PROGRAM = re.compile(r"(?:-[8cEhiJLmnNpRsUw]*l|--login-pr[a-z]*(?:=|$))(.*)")
# login(1): -f lets in without a password.
_UNASKED = re.compile(r"-[a-eg-zA-Z]*f")
# What a desktop's login has for it: files in the order of reading, key, and how "yes" looks.
_DESKTOPS = (
    (("usr/share/lightdm/lightdm.conf.d/*.conf", "etc/xdg/lightdm/lightdm.conf.d/*.conf",
      "etc/lightdm/lightdm.conf.d/*.conf", "etc/lightdm/lightdm.conf"), "autologin-user", r".+"),
    (("etc/gdm3/custom.conf", "etc/gdm3/daemon.conf"), "AutomaticLoginEnable", r"(?i)true|1"),
    (("etc/gdm3/custom.conf", "etc/gdm3/daemon.conf"), "TimedLoginEnable", r"(?i)true|1"),
    (("usr/lib/sddm/sddm.conf.d/*.conf", "etc/sddm.conf.d/*.conf", "etc/sddm.conf"), "User", r".+"),
)  # fmt: skip


@dataclass(frozen=True)
class Terminals:
    """screen: who listens to a keyboard. serial: on which serial lines a login is offered.

    automatic: where somebody is logged in without being asked for a password.
    """

    screen: tuple[str, ...]
    serial: tuple[str, ...]
    automatic: tuple[str, ...]


def terminals(root: Path = ROOT) -> Terminals:
    """What will listen after the next start, and what listens now as far as this user sees it."""
    screen = [_tty(it) for it in wanted("getty@tty*.service", root)]
    screen += [it for it in _running(root) if it not in screen]
    serial = [_tty(it) for it in wanted("serial-getty@*.service", root)]
    units = {it: f"getty@{it}.service" for it in screen}
    units |= {it: f"serial-getty@{it}.service" for it in serial}
    if wanted("console-getty.service", root):
        serial.append("console")
        units["console"] = "console-getty.service"
    automatic = [tty for tty, unit in units.items() if _lets_in(unit, root)]
    if _on_demand(root) and any(_lets_in(it, root) for it in _demanded(root)):
        automatic.append(_ANY_TERMINAL)
    if _desktop(root) and any(_says(files, key, yes, root) for files, key, yes in _DESKTOPS):
        automatic.append("the desktop")
    told = [f"a login prompt on {it}" for it in screen]
    told += _on_demand(root) + _desktop(root) + _keys(root)
    return Terminals(tuple(told), tuple(serial), tuple(automatic))


def _tty(unit: str) -> str:
    return unit.partition("@")[2].removesuffix(".service")


def _on_demand(root: Path) -> list[str]:
    """logind.conf(5): a prompt for each terminal that somebody switches to, 6 by default."""
    if not installed("autovt@.service", root) or masked("autovt@.service", root):
        return []
    asked = [setting("logind.conf", key, root) for key in ("NAutoVTs", "ReserveVT")]
    return [] if asked == ["0", "0"] else [f"a login prompt on {_ANY_TERMINAL}"]


def _demanded(root: Path) -> list[str]:
    """The units that are started for it: as systemd ships them two names of one."""
    return list(filter(None, ("autovt@.service", other_name("autovt@.service", root))))


def _lets_in(unit: str, root: Path) -> bool:
    return any(_asks_nobody(it) for it in starts(unit, root))


def _asks_nobody(command: str) -> bool:
    """Whether a getty's command line gives a shell to whoever types."""
    try:
        words = shlex.split(command.lstrip("-@:+!|"))
    except ValueError:  # systemd would not start it either
        words = command.split()
    name, words = PurePosixPath(words[0]).name if words else "", words[1:]
    if name in _SHELLS:
        return True
    if name == "login":
        return any(_UNASKED.match(it) for it in words)
    if any(_AUTOLOGIN.match(it) for it in words):
        return True
    if any(PurePosixPath(it).name != "login" for it in _given(words, _LOGIN_PROGRAM)):
        return True
    handed = " ".join(_given(words, _LOGIN_OPTIONS)).split()
    return any(_UNASKED.match(it) for it in handed)


def _given(words: list[str], option: re.Pattern[str]) -> Iterator[str]:
    """The values of an option that takes one: what stands behind it, or the next word."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if found := option.match(word):
            yield found[1] or following


def _says(patterns: tuple[str, ...], key: str, yes: str, root: Path) -> bool:
    files = [path for pattern in patterns for path in below(root, pattern)]
    said = [it for path in files for it in values(text(path) or "", key)]
    return bool(said) and re.fullmatch(yes, said[-1]) is not None


def _desktop(root: Path) -> list[str]:
    name = "display-manager.service"
    return ["a desktop"] if installed(name, root) and not masked(name, root) else []


def _keys(root: Path) -> list[str]:
    found = []
    if installed("ctrl-alt-del.target", root) and not masked("ctrl-alt-del.target", root):
        found.append("Ctrl-Alt-Del, which restarts the board")
    sysrq = number(root / "proc/sys/kernel/sysrq") or 0
    if sysrq == _SYSRQ_ALL or sysrq & _SYSRQ_HARM:
        found.append("the kernel's SysRq keys")
    return found


def _running(root: Path) -> list[str]:
    """Terminals of the screen on which a login program waits now."""
    found = set()
    for folder in processes("agetty", root):
        after_the_name = (text(folder / "stat") or "").rpartition(")")[2].split()
        # tty_nr of proc_pid_stat(5)
        device = int(after_the_name[4]) if len(after_the_name) > 4 else 0
        major, minor = device >> 8 & 0xFFF, device & 0xFF
        if major == _SCREEN_MAJOR and 0 < minor < _SCREEN_MINORS:
            found.add(f"tty{minor}")
    return sorted(found)
