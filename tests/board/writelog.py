"""The log of a disk's writes, and the disk as a power cut may leave it.

The log has the format of the kernel's dm-log-writes target (Documentation/admin-guide/
device-mapper/log-writes.rst), which QEMU's block driver `blklogwrites` writes. A write is in it
once it was answered; a flush, once all writes answered before it are safe.

A disk owes nothing for what it has not flushed: each sector of it may be there or not, whatever
was written before or after it. Sectors of 512 bytes are taken to be there whole or not at all, as
every disk promises.
"""

from __future__ import annotations

import enum
import mmap
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.board.host import BoardError

SECTOR = 512
MAGIC = 0x6A736677736872
_SUPER = struct.Struct("<QQQI")
_ENTRY = struct.Struct("<QQQQ")
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
_KNOWN = FLUSH | FUA | DISCARD | MARK


@dataclass(frozen=True)
class Entry:
    """One line of the log. sector: where, in 512 bytes; data: what, b"" for a flush alone.

    flush: all before it is safe. fua: so is its own data.
    """

    sector: int = 0
    data: bytes = b""
    flush: bool = False
    fua: bool = False


def read(path: Path) -> list[Entry]:
    """All that was answered, in that order. BoardError for what is no such log.

    The header tells how many entries there were at the last flush; what follows them, up to the
    first that is empty, was written and answered later.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as log:
        magic, version, count, sector_size = _SUPER.unpack_from(log)
        if magic != MAGIC or version != 1 or sector_size != SECTOR:
            raise BoardError(f"{path} is no log of writes in sectors of {SECTOR} bytes.")
        entries = list(_entries(log, path))
    if len(entries) < count:
        raise BoardError(f"{path} has {len(entries)} of the {count} entries that it speaks of.")
    return entries


def _entries(log: mmap.mmap, path: Path) -> Iterator[Entry]:
    at = SECTOR
    while at + SECTOR <= len(log):
        sector, sectors, flags, _ = _ENTRY.unpack_from(log, at)
        if flags & ~_KNOWN:
            raise BoardError(f"{path} has an entry of an unknown kind ({flags:#x}) at byte {at}.")
        if not sectors and not flags:
            return  # nothing was written here
        at += SECTOR
        size = sectors * SECTOR
        data = bytes(size)  # what was discarded may be read as anything; zeros are usual
        if not flags & DISCARD:
            if at + size > len(log):
                return  # cut off while it was written, and never answered
            data = log[at : at + size]
            at += size
        if not flags & MARK:
            yield Entry(sector, data, bool(flags & FLUSH), bool(flags & FUA))


class Loss(enum.Enum):
    """What becomes of the writes that were not flushed."""

    NOTHING = "nothing lost"
    EVERYTHING = "all unflushed writes lost"
    WRITES = "some unflushed writes lost"
    SECTORS = "some unflushed sectors lost"


class Disk:
    """What is safe on a disk, and what it still owes.

    image: what it held in the beginning. whole: sectors that are there together or not at all.
    """

    def __init__(self, image: bytes, whole: range = range(0)) -> None:
        self.safe = bytearray(image)
        self._whole = whole
        self._owed: list[Entry] = []

    def take(self, entry: Entry) -> None:
        """The next entry of the log. BoardError where it lies outside the disk."""
        if entry.sector * SECTOR + len(entry.data) > len(self.safe):
            raise BoardError(f"A write to sector {entry.sector} lies outside the disk.")
        if entry.flush:
            for owed in self._owed:
                self._put(self.safe, owed)
            self._owed = []
        if entry.fua:
            self._put(self.safe, entry)
            self._owed = [part for owed in self._owed for part in _outside(owed, entry)]
        elif entry.data:
            self._owed.append(entry)

    @property
    def owes(self) -> bool:
        """True while something was written and not flushed."""
        return bool(self._owed)

    def after_cut(self, loss: Loss, chance: random.Random) -> bytearray:
        """The whole disk after a power cut at this moment.

        chance: which part is there, for the two kinds of Loss that leave some of it.
        """
        image = bytearray(self.safe)
        # Now nearly all of it, now nearly nothing: each finds other mistakes.
        share = chance.choice((0.1, 0.5, 0.9))
        for owed in self._owed if loss is not Loss.EVERYTHING else ():
            if loss is Loss.SECTORS:
                for part in _parts(owed, self._whole):
                    if chance.random() < share:
                        self._put(image, part)
            elif loss is Loss.NOTHING or chance.random() < share:
                self._put(image, owed)
        return image

    @staticmethod
    def _put(image: bytearray, entry: Entry) -> None:
        at = entry.sector * SECTOR
        image[at : at + len(entry.data)] = entry.data


def _sectors(entry: Entry) -> Iterator[Entry]:
    for at in range(0, len(entry.data), SECTOR):
        yield Entry(entry.sector + at // SECTOR, entry.data[at : at + SECTOR])


def _parts(entry: Entry, whole: range) -> Iterator[Entry]:
    """The sectors of a write; those of `whole`, where it has them all, as one."""
    kept = whole.start >= entry.sector and whole.stop <= entry.sector + len(entry.data) // SECTOR
    for part in _sectors(entry):
        if not kept or part.sector not in whole:
            yield part
    if kept and whole:
        at = (whole.start - entry.sector) * SECTOR
        yield Entry(whole.start, entry.data[at : at + len(whole) * SECTOR])


def _outside(owed: Entry, safe: Entry) -> list[Entry]:
    """The sectors of a write that a later, safe one did not replace."""
    replaced = range(safe.sector, safe.sector + len(safe.data) // SECTOR)
    if owed.sector + len(owed.data) // SECTOR <= safe.sector or owed.sector >= replaced.stop:
        return [owed]
    return [part for part in _sectors(owed) if part.sector not in replaced]
