"""Who reads what is typed at this machine's own keyboard and serial line.

A keypad or card reader at USB is a keyboard. The service keeps its keys to itself (EVIOCGRAB);
while it does not run they go where every keyboard's keys go: to the login prompt or desktop of
the terminal in front, to Ctrl-Alt-Del, and to the kernel's SysRq.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.board.files import ROOT, below, number, text
from appliance.board.units import drop_ins, installed, masked, setting, wanted

# Major numbers of Linux's devices.txt: 4 below 64 are terminals of the screen.
_SCREEN_MAJOR, _SCREEN_MINORS = 4, 64
# sysrq.rst: 1 is everything; 4 keyboard, 8 dumps, 64 signals, 128 restart.
_SYSRQ_ALL = 1
_SYSRQ_HARM = 64 | 128


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
    if wanted("console-getty.service", root):
        serial.append("console")
    automatic = [
        tty
        for tty, unit in [(it, "getty") for it in screen] + [(it, "serial-getty") for it in serial]
        if "--autologin"
        in drop_ins(f"{unit}@{tty}.service", root) + drop_ins(f"{unit}@.service", root)
    ]
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
    return [] if asked == ["0", "0"] else ["a login prompt on any terminal that is switched to"]


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
    for folder in below(root / "proc", "[0-9]*"):
        if text(folder / "comm") != "agetty":
            continue
        after_the_name = (text(folder / "stat") or "").rpartition(")")[2].split()
        # tty_nr of proc_pid_stat(5)
        device = int(after_the_name[4]) if len(after_the_name) > 4 else 0
        major, minor = device >> 8 & 0xFFF, device & 0xFF
        if major == _SCREEN_MAJOR and 0 < minor < _SCREEN_MINORS:
            found.add(f"tty{minor}")
    return sorted(found)
