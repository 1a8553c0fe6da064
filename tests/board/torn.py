"""`python -m tests.board.torn`: every power cut that a disk's log of writes allows.

    python -m tests.board.torn --log LOG --image IMAGE [--each 4] [--seed 1] [--json]

IMAGE is the disk as it was formatted, LOG what QEMU's `blklogwrites` wrote while an appliance
worked on it. For each flush the disk is built as it is when the flush has been answered, and as it
may be just before; for each answer to a client, as it may be just after. What was not flushed by
then is there or not: all of it, nothing of it, some writes, some sectors. Of each such disk the
file system is checked and its journal replayed (e2fsck), the appliance's folder is taken out
(debugfs; nothing is mounted, so none of this needs root), and `aftermath` looks at the database.
docs/adr/0035-torn-writes-are-replayed-on-the-host.md says why this is done on the host.

The last MARKS bytes of the disk belong to no file system. Whoever asks the appliance writes there
what it was answered, without a flush of its own. So the log itself tells which answers came before
which write, and a cut after an answer must keep what was answered.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.board.aftermath import complaints
from tests.board.host import BoardError
from tests.board.promise import Promise, from_mark
from tests.board.writelog import SECTOR, Disk, Entry, Loss, read

# The end of the disk, where answers are written down.
MARKS = 1024 * 1024
# ext4 takes it for granted that its superblock, 1 KiB in two sectors, is there whole or not at all.
# Cards and drives do write 4 KiB or more at once; what is tried here is not ext4.
SUPERBLOCK = range(2, 4)
# More than a run of hours has.
MOST = 1_000_000
PARTLY = (Loss.SECTORS, Loss.WRITES, Loss.NOTHING)


@dataclass(frozen=True)
class Moment:
    """When the power goes. at: before that entry of the log. loss: of what was not flushed.

    number: the how manieth of its place.
    """

    at: int
    loss: Loss = Loss.EVERYTHING
    number: int = 0


@dataclass(frozen=True)
class Cut:
    """A disk after a power cut. promises: answered before it."""

    moment: Moment
    image: bytes | bytearray
    promises: tuple[Promise, ...]


@dataclass
class Tally:
    """What came of them. promises: the most before one cut.

    wrong: of each bad cut a sentence on what it damaged and one on what it lost.
    """

    flushes: int = 0
    writes: int = 0
    cuts: Counter[str] = field(default_factory=Counter)
    promises: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def in_all(self) -> int:
        """How many cuts there were."""
        return sum(self.cuts.values())


def moments(entries: Sequence[Entry], first_mark: int, each: int) -> list[Moment]:
    """Every flush, and `each` cuts before it and after each answer, where something waited for it.

    first_mark: the sector where answers begin.
    """
    found, owes = [], False
    for at, entry in enumerate(entries):
        safe, answer = entry.flush or entry.fua, entry.data and entry.sector >= first_mark
        if owes and (safe or answer):
            # Torn sectors first: they are what no kill of a process can show.
            place = at + 1 if answer else at
            found += [Moment(place, PARTLY[number % len(PARTLY)], number) for number in range(each)]
        if safe or answer:
            found.append(Moment(at + 1))
        owes = (owes and not safe) or bool(entry.data and not entry.fua and not answer)
    return found


def cuts(
    image: bytes, entries: Sequence[Entry], wanted: Sequence[Moment], seed: int
) -> Iterator[Cut]:
    """The disk at each of the moments, in their order. The log begins with the disk's birth."""
    disk, promises, at = Disk(image, whole=SUPERBLOCK), list[Promise](), 0
    first_mark = _first_mark(image)
    for moment in wanted:
        for entry in entries[at : moment.at]:
            if entry.data and entry.sector >= first_mark:
                promises.append(from_mark(entry.data))
            else:
                disk.take(entry)
        at = moment.at
        chance = random.Random(f"{seed} {moment.at} {moment.number}")  # noqa: S311 - no secrets
        found = disk.after_cut(moment.loss, chance)
        yield Cut(moment, found, tuple(promises))


def replay(
    image: bytes,
    entries: Sequence[Entry],
    *,
    each: int,
    seed: int,
    most: int = MOST,
    key: bytes = b"",
) -> Tally:
    """Look at all cuts, or at `most` of them, drawn at random, and the last one among them."""
    began, wanted = time.monotonic(), moments(entries, _first_mark(image), each)
    tally = Tally(sum(it.flush for it in entries), sum(bool(it.data) for it in entries))
    if len(wanted) > most:
        chosen = random.Random(seed).sample(range(len(wanted) - 1), most - 1)  # noqa: S311 - likewise
        wanted = [wanted[number] for number in (*sorted(chosen), len(wanted) - 1)]
    with tempfile.TemporaryDirectory(prefix="torn-", dir=_memory()) as folder:
        for cut in cuts(image, entries, wanted, seed):
            tally.cuts[cut.moment.loss.value] += 1
            tally.promises = max(tally.promises, len(cut.promises))
            where = f"before entry {cut.moment.at} of {len(entries)}, {cut.moment.loss.value}"
            tally.wrong += [f"{where}: {it}" for it in of_each_kind(look(cut, Path(folder), key))]
    tally.seconds = time.monotonic() - began
    return tally


def is_loss(complaint: str) -> bool:
    """Something that was answered is gone; else what is there is damaged."""
    return "missing" in complaint or "is there" in complaint


def of_each_kind(found: Sequence[str]) -> list[str]:
    """The first damage and the first loss, so that neither hides the other, and how many more."""
    told = []
    for loss in (False, True):
        kind = [it for it in found if is_loss(it) == loss]
        more = f" (and {len(kind) - 1} more)" if len(kind) > 1 else ""
        told += [f"{kind[0]}{more}"] if kind else []
    return told


def look(cut: Cut, folder: Path, key: bytes = b"") -> list[str]:
    """All that is wrong after a cut. folder: for what is needed meanwhile.

    key: of the templates, where it does not lie beside the database.
    """
    image, state = folder / "image", folder / "state"
    image.write_bytes(cut.image)
    repaired = _run(["e2fsck", "-f", "-p", str(image)])
    # 1: it did what a mount does, the journal and what was open when the power went.
    if repaired.returncode not in {0, 1}:
        return [f"the file system is damaged: {_last(repaired.stdout + repaired.stderr)}"]
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    taken = _run(["debugfs", "-R", f"rdump / {state}", str(image)])
    if taken.returncode:
        raise BoardError(f"debugfs cannot read the disk: {_last(taken.stderr)}")
    if key:
        beside = state / "template.key"
        # The appliance refuses a key that others may read, whatever the umask is here.
        beside.touch(mode=0o600)
        beside.write_bytes(key)
    return complaints(state, cut.promises)


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError as error:
        raise BoardError(f"{command[0]} is missing: sudo apt install e2fsprogs.") from error


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _first_mark(image: bytes) -> int:
    return (len(image) - MARKS) // SECTOR


def _memory() -> str | None:
    """Where files cost no disk; None: wherever temporary files are."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of our own in it


def summary(tally: Tally) -> str:
    """The tally for people, in one line."""
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(tally.cuts.items()))
    return (
        f"{tally.in_all} power cuts around {tally.flushes} flushes ({kinds}), up to "
        f"{tally.promises} answers to keep: {len(tally.wrong)} complaints, "
        f"{tally.seconds:.0f} s"
    )


def main(words: Sequence[str]) -> int:
    """0: nothing wrong; 1: something is; 3: no such log or disk."""
    parser = argparse.ArgumentParser(prog="python -m tests.board.torn")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True, help="the disk as it was formatted")
    parser.add_argument("--each", type=int, default=4, help="cuts before each flush")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=MOST, help="cuts in all")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(words)
    try:
        image, entries = asked.image.read_bytes(), read(asked.log)
        tally = replay(image, entries, each=asked.each, seed=asked.seed, most=asked.most)
    except (BoardError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 3
    told = json.dumps(vars(tally)) if asked.json else "\n".join([summary(tally), *tally.wrong])
    sys.stdout.write(f"{told}\n")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
