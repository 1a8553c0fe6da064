"""What systemd is told on this system, read from its files: units and settings.

Nothing is asked of systemd itself, so that it can be read of an image that does not run, by any
user. What somebody stopped or changed at run time only is not seen.
"""

from __future__ import annotations

import os
from pathlib import Path

from appliance.board.files import ROOT, below, text, there

# systemd.unit(5) and systemd-system.conf(5): the first one wins.
_UNITS = (
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
_GENERATED = ("run/systemd/generator", "run/systemd/generator.early", "run/systemd/generator.late")
_CONFIGS = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd", "lib/systemd")


def wanted(name: str, root: Path = ROOT) -> tuple[str, ...]:
    """The units, by name, that something wants at the start: `name` may have *; masked ones not."""
    found = {
        path.name
        for folder in (*_UNITS, *_GENERATED)
        for pattern in (f"*.wants/{name}", f"*.requires/{name}")
        for path in below(root / folder, pattern)
    }
    return tuple(sorted(it for it in found if not masked(it, root)))


def masked(name: str, root: Path = ROOT) -> bool:
    """Whether a unit, or the template that it is made from, cannot be started."""
    template = f"{name.partition('@')[0]}@.service" if "@" in name else name
    return any(_fate(it, root) for it in (name, template))


def _fate(name: str, root: Path) -> bool:
    """By the folder that wins: whether the unit leads to nothing."""
    for folder in _UNITS:
        path = root / folder / name
        if os.path.lexists(path):
            return path.is_symlink() and str(path.readlink()) == "/dev/null"
    return False


def other_name(name: str, root: Path = ROOT) -> str:
    """The unit that this name is a link to, by the folder that wins; empty where it is none."""
    found = next((it for folder in _UNITS if os.path.lexists(it := root / folder / name)), None)
    return found.readlink().name if found is not None and found.is_symlink() else ""


def installed(name: str, root: Path = ROOT) -> bool:
    """Whether there is such a unit."""
    return any(os.path.lexists(root / folder / name) for folder in _UNITS)


def drop_ins(name: str, root: Path = ROOT) -> str:
    """All that drop-ins add to a unit, one after the other."""
    paths = [path for folder in _UNITS for path in below(root / folder / f"{name}.d", "*.conf")]
    return "\n".join(filter(None, map(text, paths)))


def starts(name: str, root: Path = ROOT) -> tuple[str, ...]:
    """Each ExecStart= of a unit and of its drop-ins, also one that another takes back.

    A unit without a file of its own has that of the template that it is made from.
    """
    template = f"{name.partition('@')[0]}@.service" if "@" in name else name
    both = dict.fromkeys((name, template))
    files = (text(root / folder / it) for it in both for folder in _UNITS)
    content = next(filter(None, files), "")
    said = "\n".join([content, *(drop_ins(it, root) for it in both)])
    return tuple(filter(None, values(said.replace("\\\n", " "), "ExecStart")))


def setting(file: str, key: str, root: Path = ROOT) -> str | None:
    """What a file like `system.conf` and its drop-ins say of a key last; None: nothing."""
    mains = [root / folder / file for folder in _CONFIGS]
    main = next((path for path in mains if there(path)), None)
    parts: dict[str, Path] = {}
    for folder in reversed(_CONFIGS):
        parts.update({path.name: path for path in below(root / folder / f"{file}.d", "*.conf")})
    order = [*([main] if main else []), *(parts[name] for name in sorted(parts))]
    said = [it for path in order for it in values(text(path) or "", key)]
    return said[-1] or None if said else None


def values(content: str, key: str) -> list[str]:
    """What stands behind a key of such a file, each time it is there; empty for `key=` alone."""
    pairs = (line.strip().partition("=") for line in content.splitlines())
    return [value.strip() for name, found, value in pairs if found and name.strip() == key]
