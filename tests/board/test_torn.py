"""The disk after a power cut, the log it is built from, and what an appliance must still have."""

from __future__ import annotations

import random
import shutil
import struct
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from appliance.config import StoreConfig
from appliance.store.database import Database
from appliance.store.location import locate
from appliance.store.store import Store
from tests.board import aftermath, torn
from tests.board.host import BoardError
from tests.board.promise import (
    BEGUN,
    ENROLLED,
    RECORDED,
    REMOVED,
    Promise,
    from_mark,
    to_mark,
)
from tests.board.writelog import DISCARD, FLUSH, FUA, MAGIC, SECTOR, Disk, Entry, Loss, read
from tests.fakes import FakeClock

SECTORS = 6
BLANK = bytes(SECTORS * SECTOR)


few = settings(max_examples=25, deadline=None)


def chance(seed: int = 0) -> random.Random:
    return random.Random(seed)  # noqa: S311 - cuts, no secrets


def filled(number: int, sectors: int = 1) -> bytes:
    """Sectors that tell from which write they are."""
    return bytes([number]) * (SECTOR * sectors)


@some.composite
def logs(draw: some.DrawFn) -> list[Entry]:
    """Writes of one to three sectors, each with a content of its own, and flushes."""
    entries = []
    for number in range(1, draw(some.integers(0, 8)) + 1):
        sectors = draw(some.integers(1, 3))
        sector = draw(some.integers(0, SECTORS - sectors))
        kind = draw(some.sampled_from(["write", "write", "flush", "fua", "both"]))
        if kind == "flush":
            entries.append(Entry(flush=True))
        else:
            flags = {"flush": kind == "both", "fua": kind == "fua"}
            entries.append(Entry(sector, filled(number, sectors), **flags))
    return entries


def disk_of(entries: list[Entry]) -> Disk:
    disk = Disk(BLANK)
    for entry in entries:
        disk.take(entry)
    return disk


def applied(entries: list[Entry]) -> bytes:
    image = bytearray(BLANK)
    for entry in entries:
        at = entry.sector * SECTOR
        image[at : at + len(entry.data)] = entry.data
    return bytes(image)


def flushed(entries: list[Entry]) -> int:
    """How many entries the last flush made safe."""
    return max((at for at, entry in enumerate(entries) if entry.flush), default=0)


@few
@given(logs())
def test_a_disk_that_loses_nothing_has_every_write(entries: list[Entry]) -> None:
    after = disk_of(entries).after_cut(Loss.NOTHING, chance())
    assert bytes(after) == applied(entries)


@few
@given(logs())
def test_a_disk_that_loses_all_it_may_has_what_was_flushed_and_forced(
    entries: list[Entry],
) -> None:
    after = disk_of(entries).after_cut(Loss.EVERYTHING, chance())
    last = flushed(entries)
    kept = entries[:last] + [entry for entry in entries[last:] if entry.fua]
    assert bytes(after) == applied(kept)


@few
@given(logs(), some.integers(0, 1000))
def test_a_torn_sector_is_one_that_was_written_since_it_was_safe(
    entries: list[Entry], seed: int
) -> None:
    disk = disk_of(entries)
    after = disk.after_cut(Loss.SECTORS, chance(seed))
    last = flushed(entries)
    for sector in range(SECTORS):
        place = slice(sector * SECTOR, (sector + 1) * SECTOR)
        possible = {bytes(disk.safe[place])}
        for entry in entries[last:]:
            inside = sector - entry.sector
            if 0 <= inside < len(entry.data) // SECTOR:
                fresh = entry.data[inside * SECTOR : (inside + 1) * SECTOR]
                possible = {fresh} if entry.fua else possible | {fresh}
        assert bytes(after[place]) in possible


@few
@given(logs(), some.integers(0, 1000))
def test_whole_writes_that_survive_do_so_in_their_order(entries: list[Entry], seed: int) -> None:
    entries = [entry for entry in entries if not entry.fua]
    after = disk_of(entries).after_cut(Loss.WRITES, chance(seed))
    last = flushed(entries)
    owed = entries[last:]
    subsets = (list(kept) for count in range(len(owed) + 1) for kept in combinations(owed, count))
    assert bytes(after) in {applied(entries[:last] + kept) for kept in subsets}


def test_cuts_tear_writes_apart_and_are_the_same_for_the_same_seed() -> None:
    disk = Disk(BLANK)
    disk.take(Entry(0, filled(1, SECTORS)))
    found = {bytes(disk.after_cut(Loss.SECTORS, chance(seed))) for seed in range(40)}
    again = {bytes(disk.after_cut(Loss.SECTORS, chance(seed))) for seed in range(40)}
    assert found == again
    assert len(found) > 20


def test_what_a_file_system_takes_for_whole_is_never_torn() -> None:
    disk = Disk(BLANK, whole=range(2, 4))
    disk.take(Entry(0, filled(1, SECTORS)))
    for seed in range(40):
        after = disk.after_cut(Loss.SECTORS, chance(seed))
        assert after[2 * SECTOR : 4 * SECTOR] in (filled(0, 2), filled(1, 2))


def test_a_write_outside_the_disk_is_no_log_of_this_disk() -> None:
    with pytest.raises(BoardError, match="outside"):
        Disk(BLANK).take(Entry(SECTORS, filled(1)))


# --- the log ------------------------------------------------------------------------------------


def packed(entries: list[tuple[int, int, int, bytes]], count: int, magic: int = MAGIC) -> bytes:
    """A log as blklogwrites writes it: (sector, sectors, flags, data) of each entry."""
    log = struct.pack("<QQQI", magic, 1, count, SECTOR).ljust(SECTOR, b"\0")
    for sector, sectors, flags, data in entries:
        log += struct.pack("<QQQQ", sector, sectors, flags, 0).ljust(SECTOR, b"\0") + data
    return log


LOG = [(1, 2, 0, filled(1, 2)), (0, 0, FLUSH, b""), (3, 1, FUA, filled(2)), (0, 4, DISCARD, b"")]


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "log"
    # The disk of the log is larger than what was written: the rest of it is empty.
    path.write_bytes(packed(LOG, 2) + bytes(3 * SECTOR))
    assert read(path) == [
        Entry(1, filled(1, 2)),
        Entry(flush=True),
        Entry(3, filled(2), fua=True),
        Entry(0, bytes(4 * SECTOR)),
    ]


def test_an_entry_that_was_cut_off_was_never_answered(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(packed(LOG[:2], 2) + packed([LOG[0]], 0)[SECTOR:-SECTOR])
    assert len(read(path)) == 2


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (packed(LOG, 2, magic=7), "no log"),
        (packed(LOG, 9), "4 of the 9"),
        (packed([(0, 0, 64, b"")], 1), "unknown kind"),
    ],
)
def test_what_is_no_log_is_refused(tmp_path: Path, log: bytes, why: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(log)
    with pytest.raises(BoardError, match=why):
        read(path)


# --- when the power goes ------------------------------------------------------------------------


def test_the_power_goes_around_each_flush_and_after_each_answer() -> None:
    mark = Entry(4, to_mark(Promise(ENROLLED, "a")))
    entries = [Entry(0, filled(1)), mark, Entry(flush=True), mark, Entry(1, filled(2))]
    found = [(it.at, it.loss) for it in torn.moments(entries, first_mark=4, each=2)]
    safe = Loss.EVERYTHING
    assert found == [
        (2, Loss.SECTORS),  # after the answer, while the write before it waits
        (2, Loss.WRITES),
        (2, safe),
        (2, Loss.SECTORS),  # before the flush
        (2, Loss.WRITES),
        (3, safe),
        (4, safe),  # after the second answer nothing waits any more
    ]


def test_an_answer_counts_from_where_it_stands_in_the_log() -> None:
    image = bytes(torn.MARKS + 4 * SECTOR)
    mark = Entry(4, to_mark(Promise(ENROLLED, "a")))
    entries = [Entry(0, filled(1)), Entry(flush=True), mark, Entry(flush=True)]
    wanted = torn.moments(entries, 4, each=1)
    found = {cut.moment.at: len(cut.promises) for cut in torn.cuts(image, entries, wanted, 1)}
    assert found == {1: 0, 2: 0, 3: 1, 4: 1}
    # Answers lie past the file system, so they are no part of the disk that is looked at.
    assert all(not any(cut.image[4 * SECTOR :]) for cut in torn.cuts(image, entries, wanted, 1))


@few
@given(some.text(max_size=60), some.sampled_from([ENROLLED, BEGUN, REMOVED, RECORDED]))
def test_an_answer_is_read_as_it_was_written(about: str, kind: str) -> None:
    promise = Promise(kind, about, "unlock")
    assert from_mark(to_mark(promise)) == promise


@pytest.mark.parametrize(
    "sector", [bytes(512), b"answered {}", b'answered {"kind":"x","about":""}']
)
def test_what_is_no_answer_is_refused(sector: bytes) -> None:
    with pytest.raises(ValueError, match="answer"):
        from_mark(sector)


# --- what must be there -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with three records and nobody enrolled."""
    folder = tmp_path_factory.mktemp("kept")
    with Store.open(locate(StoreConfig(path=folder), {}, uid=1), FakeClock()) as store:
        for number in range(3):
            store.audit.append("unlock", "door", {"reason": f"reason {number}."})
    return folder


@pytest.fixture
def state(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "state"))


def test_what_was_answered_and_is_there_gives_no_complaint(state: Path) -> None:
    promises = [Promise(RECORDED, f"reason {number}.", "unlock") for number in range(3)]
    assert aftermath.complaints(state, promises) == []


def test_a_missing_database_counts_once_something_was_answered(tmp_path: Path) -> None:
    assert aftermath.complaints(tmp_path, [Promise(ENROLLED, "a")]) == ["the database is missing"]


@pytest.mark.parametrize(
    ("promises", "complaint"),
    [
        ([Promise(RECORDED, "reason 3.", "unlock")], "record 'unlock' of 'reason 3.' is missing"),
        ([Promise(RECORDED, "reason 1.", "enrolled")], "record 'enrolled'"),
        ([Promise(BEGUN, "a"), Promise(ENROLLED, "a")], "'a' was enrolled and is missing"),
    ],
)
def test_an_answer_that_was_not_kept_is_told(
    state: Path, promises: list[Promise], complaint: str
) -> None:
    (found,) = aftermath.complaints(state, promises)
    assert complaint in found


def test_the_last_word_on_a_person_counts() -> None:
    enrolled, begun = Promise(ENROLLED, "a"), Promise(BEGUN, "a")
    removed = Promise(REMOVED, "a")
    assert aftermath.broken([enrolled, begun], [], []) == []
    assert aftermath.broken([enrolled, begun], ["a"], []) == []
    assert aftermath.broken([enrolled, begun, removed], [], []) == []
    assert aftermath.broken([enrolled, begun, removed], ["a"], []) == [
        "'a' was removed and is there"
    ]


def altered(state: Path, *statements: str) -> None:
    with Database.open(state / "appliance.db") as database, database.transaction() as connection:
        for statement in statements:
            connection.execute(statement)


def test_an_altered_record_and_a_foreign_table_are_told(state: Path) -> None:
    altered(
        state,
        "DROP TRIGGER audit_no_update",
        "UPDATE audit SET detail = '{}' WHERE number = 2",
    )
    found = aftermath.complaints(state, [])
    assert any("breaks at record 2" in sentence for sentence in found)
    assert any("tables are not those" in sentence for sentence in found)


def test_a_damaged_file_is_told(state: Path) -> None:
    database = state / "appliance.db"
    data = bytearray(database.read_bytes())
    data[4096 * 3 : 4096 * 3 + 64] = bytes(range(64))
    database.write_bytes(data)
    assert aftermath.complaints(state, [])
