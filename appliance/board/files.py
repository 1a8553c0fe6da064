"""Small files of the kernel's and of the system's."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path("/")


def text(path: Path) -> str | None:
    """What a file holds, without the NUL and the line end that some carry.

    None where it is empty or not there, may not be read, or is of a sensor that is switched off.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def number(path: Path) -> int | None:
    """A file that holds one whole number."""
    told = text(path)
    try:
        return None if told is None else int(told)
    except ValueError:
        return None


def there(path: Path) -> bool:
    """Whether a file or folder is there; False where this user may not look."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists() raises where it may not look


def withheld(path: Path) -> bool:
    """Whether the file is there and this user may not read it."""
    return there(path) and not os.access(path, os.R_OK)


def below(folder: Path, pattern: str) -> list[Path]:
    """What fits the pattern, in order; empty where the folder cannot be read."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def processes(name: str, root: Path = ROOT) -> list[Path]:
    """The folders below proc of the programs of that name that run and that this user sees."""
    return [it for it in below(root / "proc", "[0-9]*") if text(it / "comm") == name]


def model(root: Path = ROOT) -> str:
    """How the board calls itself; empty where it does not, as a PC."""
    return text(root / "proc/device-tree/model") or ""


def is_a_pi(root: Path = ROOT) -> bool:
    """Whether this is a Raspberry Pi."""
    return "Raspberry Pi" in model(root)


def is_a_jetson(root: Path = ROOT) -> bool:
    """Whether this is one of NVIDIA's boards; also those that others build around a module."""
    compatible = text(root / "proc/device-tree/compatible") or ""
    return "nvidia,tegra" in compatible or "Jetson" in model(root)


def limits_memory(root: Path = ROOT) -> bool | None:
    """Whether it keeps to a service's MemoryMax= and MemorySwapMax=; None where it does not tell.

    Raspberry Pi's device trees put cgroup_disable=memory into the kernel's line.
    """
    told = text(root / "sys/fs/cgroup/cgroup.controllers")
    return None if told is None else "memory" in told.split()
