"""File systems: what is mounted where, on which disk, and whether it is whole.

Of /proc/self/mountinfo (proc_pid_mountinfo(5)) the options of the file system itself count, not
those of the mount: a service that systemd shows a read-only root still sees how it really is.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from appliance.board.files import ROOT, below, number, text, there

_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
# Separates what has a fixed place from what follows; there may be any number of fields before it.
_SEPARATOR = " - "


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo. device: major:minor. options: of the file system itself."""

    point: PurePosixPath
    device: str
    kind: str
    source: str
    options: frozenset[str]

    @property
    def read_only(self) -> bool:
        """Whether the file system as a whole takes no writing."""
        return "ro" in self.options


def mounts(root: Path = ROOT) -> tuple[Mount, ...]:
    """All that this process sees, in the order of mounting; empty where that is not told."""
    lines = (text(root / "proc/self/mountinfo") or "").splitlines()
    return tuple(mount for line in lines if (mount := _mount(line)) is not None)


def mount_of(path: PurePosixPath, among: tuple[Mount, ...]) -> Mount | None:
    """Where a path without links lies; of several on one point the last, which covers the others.

    path: as this system names it, also where `mounts` was read from elsewhere.
    """
    holding = [it for it in among if path.is_relative_to(it.point)]
    deepest = max((len(it.point.parts) for it in holding), default=0)
    return next((it for it in reversed(holding) if len(it.point.parts) == deepest), None)


def forgets(mount: Mount, among: tuple[Mount, ...]) -> bool:
    """Whether what is written there is gone after a restart: memory, or laid over by memory."""
    if mount.kind in _IN_MEMORY:
        return True
    upper = next((it[len("upperdir=") :] for it in mount.options if it.startswith("upperdir=")), "")
    if mount.kind != "overlay" or not upper:
        return False
    under = mount_of(PurePosixPath(upper), tuple(it for it in among if it is not mount))
    return under is not None and under.kind in _IN_MEMORY


def partition(mount: Mount, root: Path = ROOT) -> Path | None:
    """The folder of the block device in sysfs; None for what lies on none, or is not told."""
    candidates = [root / "sys/dev/block" / mount.device]
    if mount.source.startswith("/dev/"):
        candidates.append(root / "sys/class/block" / PurePosixPath(mount.source).name)
    found = next((it for it in candidates if there(it)), None)
    return None if found is None else Path(os.path.realpath(found))


def disk(part: Path) -> Path:
    """The whole disk that a partition is of; of a mapped one, such as an encrypted, what is below.

    part: a folder of sysfs, links followed.
    """
    under = below(part, "slaves/*")
    if under:
        return disk(Path(os.path.realpath(under[0])))
    return part.parent if there(part / "partition") else part


def errors(mount: Mount, root: Path = ROOT) -> int | None:
    """How many errors ext4 has found since the file system was last checked; None: not told."""
    part = partition(mount, root)
    return None if part is None else number(root / "sys/fs/ext4" / part.name / "errors_count")


def meant_read_only(root: Path = ROOT) -> bool:
    """Whether the system is told to keep its root read-only.

    fstab(5) decides; the kernel's line, on which many systems start read-only to check the disk
    first, only where fstab does not speak of the root.
    """
    for line in (text(root / "etc/fstab") or "").splitlines():
        match line.split():
            case [source, "/", _, options, *_] if not source.startswith("#"):
                return "ro" in options.split(",")
    return "ro" in (text(root / "proc/cmdline") or "").split()


def _mount(line: str) -> Mount | None:
    before, found, after = line.partition(_SEPARATOR)
    place, last = before.split(), after.split()
    if not found or len(place) < 5 or len(last) < 3:
        return None
    point = PurePosixPath(_unescaped(place[4]))
    return Mount(point, place[2], last[0], _unescaped(last[1]), frozenset(last[2].split(",")))


def _unescaped(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda it: chr(int(it[1], 8)), word)
