"""What holds the state: how worn it is, and what else is written to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from appliance.board.files import ROOT, text
from appliance.board.mounts import Mount, disk, mount_of, partition

# JEDEC eMMC 5.0 (JESD84-B50): each step of the estimate is a tenth of the life; 11 is beyond it.
_BEYOND = 11
# From here on a new one should be at hand.
_WORN = 9
_LOW, _URGENT = 2, 3
_RESERVE = {_LOW: "four fifths of its spare blocks are used", _URGENT: "no spare blocks are left"}


@dataclass(frozen=True)
class Wear:
    """A disk. kind: "SD", "MMC" as the kernel calls cards; empty for anything else.

    used: tenths of its life that it says are used, 11 is more than all; None: it does not tell.
    reserve: 1 normal, 2 low, 3 urgent; None: it does not tell.
    """

    name: str
    kind: str
    used: int | None
    reserve: int | None

    @property
    def told(self) -> bool:
        """Whether it says anything of its wear."""
        return self.used is not None or self.reserve is not None

    @property
    def worn(self) -> bool:
        """Whether it should be changed soon."""
        return (self.used or 0) >= _WORN or (self.reserve or 0) >= _LOW

    @property
    def spent(self) -> bool:
        """Whether it should have been changed."""
        return (self.used or 0) >= _BEYOND or (self.reserve or 0) >= _URGENT

    @property
    def sentence(self) -> str:
        """What it says, as a clause."""
        used = ""
        if self.used is not None:
            used = "more than its life is used"
            if self.used < _BEYOND:
                used = f"{10 * (self.used - 1)} to {10 * self.used} % of its life are used"
        spare = _RESERVE.get(self.reserve or 0, "")
        return ", ".join(filter(None, (used, spare))) or "its spare blocks are normal"


def wear(mount: Mount, root: Path = ROOT) -> Wear | None:
    """Of the disk that a file system lies on; None where it lies on no disk that is known."""
    part = partition(mount, root)
    if part is None:
        return None
    whole = disk(part)
    card = whole / "device"
    estimates = [_step(word, _BEYOND) for word in (text(card / "life_time") or "").split()]
    return Wear(
        name=whole.name,
        kind=text(card / "type") or "" if whole.name.startswith("mmcblk") else "",
        used=max((it for it in estimates if it is not None), default=None),
        reserve=_step(text(card / "pre_eol_info") or "", _URGENT),
    )


def is_usb(mount: Mount, root: Path = ROOT) -> bool:
    """Whether a file system lies on something that is plugged into USB."""
    part = partition(mount, root)
    return part is not None and re.search(r"/usb\d+/", str(part)) is not None


def swap_on_cards(among: tuple[Mount, ...], root: Path = ROOT) -> tuple[str, ...]:
    """Swap that lies on a memory card; what is in memory (zram) or elsewhere is not named."""
    lines = (text(root / "proc/swaps") or "").splitlines()[1:]
    found = []
    for name, kind in (line.split()[:2] for line in lines if len(line.split()) > 1):
        path = PurePosixPath(name)
        if kind == "partition":
            whole = root / "sys/class/block" / path.name
            on_card = path.name.startswith("mmcblk") and whole.exists()
        else:
            mount = mount_of(path, among)
            part = None if mount is None else partition(mount, root)
            on_card = part is not None and disk(part).name.startswith("mmcblk")
        if on_card:
            found.append(name)
    return tuple(found)


def _step(word: str, most: int) -> int | None:
    """One of JEDEC's values; 0 means "not told"."""
    try:
        value = int(word, 16)
    except ValueError:
        return None
    return value if 1 <= value <= most else None
