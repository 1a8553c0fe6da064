"""What holds the state: how worn it is, and what else is written to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from appliance.board.files import ROOT, text, there
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
    """Swap that is written to a memory card; what stays in memory (zram) or elsewhere is not named.

    A zram device may write what has lain there for long to a file or partition behind it
    (Documentation/admin-guide/blockdev/zram.rst, backing_dev); that one is named then.
    """
    lines = (text(root / "proc/swaps") or "").splitlines()[1:]
    named = [PurePosixPath(line.split()[0]) for line in lines if line.split()]
    behind = [_behind(it, root) for it in named]
    return tuple(str(it) for it in behind if it is not None and _on_a_card(it, among, root))


def _behind(swap: PurePosixPath, root: Path) -> PurePosixPath | None:
    """Where swapped memory ends up; None where it stays in memory."""
    device = root / "sys/class/block" / swap.name
    if swap.is_relative_to("/dev") and swap.name.startswith("zram"):
        told = text(device / "backing_dev")
        if told is None or told == "none":
            return None
        swap = PurePosixPath(told)
        device = root / "sys/class/block" / swap.name
    file = text(device / "loop/backing_file") if swap.is_relative_to("/dev") else None
    return swap if file is None else PurePosixPath(file)


def _on_a_card(place: PurePosixPath, among: tuple[Mount, ...], root: Path) -> bool:
    if place.is_relative_to("/dev"):
        return place.name.startswith("mmcblk") and there(root / "sys/class/block" / place.name)
    mount = mount_of(place, among)
    part = None if mount is None else partition(mount, root)
    return part is not None and disk(part).name.startswith("mmcblk")


def _step(word: str, most: int) -> int | None:
    """One of JEDEC's values; 0 means "not told"."""
    try:
        value = int(word, 16)
    except ValueError:
        return None
    return value if 1 <= value <= most else None
