"""One sealed file out, and back in: here, elsewhere, and never against a removal."""

from __future__ import annotations

import io
import os
import resource
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import InputError, StoreError
from appliance.ports import Clock
from appliance.store import sealed_file
from appliance.store.backup import Embedding, create_backup
from appliance.store.consent import Consent
from appliance.store.location import StoreLocation
from appliance.store.removals import Removal
from appliance.store.restore import Request, Restored, restore
from appliance.store.sealed_file import Cost, SealedWriter, check_passphrase, open_sealed
from appliance.store.store import Store
from appliance.store.upkeep import HousePolicy
from appliance.store.workshop import workshop
from appliance.types import Template

Opener = Callable[..., Store]
Maker = Callable[..., Template]
Backup = Callable[[], Path]

_CHEAP = Cost(memory_kib=64, passes=1, lanes=1)
_PASSPHRASE = "correct horse battery"  # noqa: S105 - of tests
_HERE = Embedding("mobilefacenet", "f1ng3r")


@pytest.fixture
def filled(open_store: Opener, make_template: Maker) -> Iterator[Store]:
    """Alice with a consent, Bob, Carol; three records."""
    with open_store() as store:
        for seed, name in enumerate(("Alice", "bob", "carol")):
            store.people.add(name, make_template(seed))
            store.audit.append("enrolled", name, {})
        store.consent.write("alice", Consent(purpose="the front door"))
        yield store


@pytest.fixture
def make_backup(filled: Store, location: StoreLocation, tmp_path: Path) -> Backup:
    def make() -> Path:
        path = tmp_path / "door.backup"
        create_backup(
            filled,
            location,
            path,
            _PASSPHRASE,
            embedding=_HERE,
            version="1",
            by="test",
            cost=_CHEAP,
        )
        return path

    return make


@pytest.fixture
def elsewhere(tmp_path: Path) -> StoreLocation:
    """Another board."""
    state = tmp_path / "elsewhere"
    return StoreLocation(state / "appliance.db", state / "template.key")


@pytest.fixture
def bring(clock: Clock) -> Callable[..., Restored]:
    def bring(
        file: Path, at: StoreLocation, *without: str, dry_run: bool = False, **changes: object
    ) -> Restored:
        request = Request(file, _PASSPHRASE, _HERE, without)
        return restore(replace(request, **changes), at, clock, dry_run=dry_run)  # type: ignore[arg-type]

    return bring


def _names(store: Store) -> list[str]:
    return [item.name for item in store.people.summaries()]


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


# The sealed file


def _sealed(content: bytes, passphrase: str = _PASSPHRASE) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, passphrase, _CHEAP)
    for at in range(0, len(content), 10_000):
        writer.write(content[at : at + 10_000])
    writer.close()
    return file.getvalue()


def _opened(sealed: bytes, passphrase: str = _PASSPHRASE) -> bytes:
    return b"".join(open_sealed(io.BytesIO(sealed), passphrase))


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000])
def test_what_was_sealed_opens(size: int) -> None:
    content = np.random.default_rng(size).bytes(size)
    sealed = _sealed(content)
    assert _opened(sealed) == content
    assert content[:64] not in sealed or size < 2
    assert sealed != _sealed(content)


def test_a_passphrase_is_the_same_however_its_accents_were_typed() -> None:
    assert _opened(_sealed(b"x", "caf\u00e9 au lait!"), "cafe\u0301 au lait!") == b"x"
    with pytest.raises(InputError) as caught:
        _opened(_sealed(b"x"), "another one here")
    assert caught.value.code == "wrong_passphrase"


def test_a_change_or_a_cut_anywhere_is_noticed() -> None:
    sealed = _sealed(bytes(140_000))
    places = [*range(60), 65_000, 65_650, 70_000, 131_200, len(sealed) - 1]
    for place in places:
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(InputError):
            _opened(bytes(changed))
    chunk, header = 65_536 + 16, 42
    for length in (0, 10, 42, 50, header + chunk, header + 2 * chunk, len(sealed) - 1):
        with pytest.raises(InputError):
            _opened(sealed[:length])
    one, two = sealed[header : header + chunk], sealed[header + chunk : header + 2 * chunk]
    for forged in (
        sealed[:header] + two + one + sealed[header + 2 * chunk :],
        sealed[: header + chunk] + sealed[header + 2 * chunk :],
        sealed + b"\0",
        sealed + one,
    ):
        with pytest.raises(InputError):
            _opened(forged)


def test_a_header_that_asks_for_the_moon_is_refused() -> None:
    sealed = bytearray(_sealed(b""))
    for at, value in ((10, 2**31), (14, 2**30), (18, 255)):
        changed = bytearray(sealed)
        changed[at : at + 4] = value.to_bytes(4, "little")
        with pytest.raises(InputError) as caught:
            _opened(bytes(changed))
        assert caught.value.code in {"not_a_backup", "wrong_passphrase"}
    assert not Cost(2**31, 1, 1).sensible
    assert sealed_file.DEFAULT_COST.sensible


@pytest.mark.parametrize("passphrase", ["", "short", "elevenchars", "   spaces    "])
def test_a_short_passphrase_is_refused(passphrase: str) -> None:
    with pytest.raises(InputError) as caught:
        check_passphrase(passphrase)
    assert caught.value.code == "weak_passphrase"


# Making one


def test_a_backup_is_private_and_gives_nothing_away(
    make_backup: Backup, location: StoreLocation
) -> None:
    path = make_backup()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    for secret in (b"Alice", b"carol", b"SQLite", location.key.read_bytes().strip()):
        assert secret not in content
    assert sorted(_files(location.folder)) == sorted(
        ["appliance.db", "appliance.db-shm", "appliance.db-wal", "template.key"]
    )


def test_making_one_is_recorded_in_the_log_and_in_the_backup(
    make_backup: Backup,
    filled: Store,
    elsewhere: StoreLocation,
    bring: Callable[..., Restored],
    open_store: Opener,
) -> None:
    path = make_backup()
    assert [record.event for record in filled.audit.tail(1)] == ["backup_created"]
    bring(path, elsewhere)
    events = [record.event for record in open_store(elsewhere).audit.tail(2)]
    assert events == ["backup_created", "restored"]


def test_a_file_that_exists_is_not_replaced(make_backup: Backup, filled: Store) -> None:
    path = make_backup()
    content = path.read_bytes()
    with pytest.raises(InputError) as caught:
        make_backup()
    assert caught.value.code == "file_exists"
    assert path.read_bytes() == content
    assert [record.event for record in filled.audit.tail(9)].count("backup_created") == 1


def test_a_backup_without_the_right_key_is_not_made(
    make_backup: Backup, location: StoreLocation, tmp_path: Path
) -> None:
    """What an open store remembers of a key that is gone must not hide that it is gone."""
    right = location.key.read_text()
    location.key.unlink()
    for code in ("missing_key", "wrong_key"):
        with pytest.raises(StoreError) as caught:
            make_backup()
        assert caught.value.code == code
        assert not (tmp_path / "door.backup").exists()
        location.key.write_text("ab" * 32)
        location.key.chmod(0o600)
    location.key.write_text(right)
    make_backup()


def test_a_full_disk_leaves_no_half_backup(
    make_backup: Backup, filled: Store, tmp_path: Path, location: StoreLocation
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))
    try:
        with pytest.raises(StoreError):
            make_backup()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "door.backup").exists()
    assert not list(location.folder.glob(".backup-*"))
    assert filled.audit.first_bad() is None


def test_what_a_kill_left_behind_is_cleared_away_but_nothing_that_is_in_use(
    filled: Store, location: StoreLocation
) -> None:
    """Such a folder may hold the key."""
    abandoned = location.folder / ".backup-abandoned"
    abandoned.mkdir()
    (abandoned / "template.key").write_text("secret")
    with workshop(location.folder) as one:
        assert not abandoned.exists()
        abandoned.mkdir()
        (location.folder / ".backup-note").touch()
        done = filled.keep_house(HousePolicy(keep_days=1, checkpoint_hours=1))
        assert done.troubles == ()
        assert one.is_dir()
        assert not abandoned.exists()
    assert not one.exists()


# On another board


def test_everything_comes_to_another_board(  # noqa: PLR0917 - fixtures
    make_backup: Backup,
    filled: Store,
    elsewhere: StoreLocation,
    bring: Callable[..., Restored],
    open_store: Opener,
    location: StoreLocation,
) -> None:
    signed = filled.audit.checkpoint(trail=True)
    outcome = bring(make_backup(), elsewhere)
    assert (outcome.whole, outcome.people) == (True, ("Alice", "bob", "carol"))
    assert (outcome.blind, outcome.aside, outcome.stale) == (True, (), ())
    there = open_store(elsewhere)
    for name in ("alice", "bob", "carol"):
        one, other = filled.people.get(name), there.people.get(name)
        assert one is not None
        assert other is not None
        assert np.array_equal(one.template.mean, other.template.mean)
        assert one.created == other.created
    assert there.consent.read("alice").purpose == "the front door"
    assert there.audit.verify(signed).first_bad is None
    assert elsewhere.key.read_text() == location.key.read_text()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in elsewhere.folder.iterdir()}
    assert set(modes.values()) == {0o600}
    there.close()
    assert sorted(_files(elsewhere.folder)) == ["appliance.db", "template.key"]


def test_a_dry_run_tells_the_same_and_changes_nothing(
    make_backup: Backup, elsewhere: StoreLocation, bring: Callable[..., Restored]
) -> None:
    path = make_backup()
    told = bring(path, elsewhere, dry_run=True)
    assert told.people == ("Alice", "bob", "carol")
    assert _files(elsewhere.folder) == {}
    assert bring(path, elsewhere) == told


def test_a_board_that_was_tried_out_is_put_aside(
    make_backup: Backup,
    elsewhere: StoreLocation,
    bring: Callable[..., Restored],
    open_store: Opener,
    make_template: Maker,
) -> None:
    with open_store(elsewhere) as store:
        store.people.add("tester", make_template())
        store.audit.append("door_test", "installer", {})
        store.people.remove("tester")
    key = elsewhere.key.read_bytes()
    outcome = bring(make_backup(), elsewhere)
    assert {path.read_bytes() for path in outcome.aside} >= {key}
    old = next(path for path in outcome.aside if path.name.startswith("appliance.db"))
    with closing(sqlite3.connect(old)) as raw:
        assert raw.execute("SELECT event FROM audit").fetchall() == [("door_test",)]
    there = open_store(elsewhere)
    assert _names(there) == ["Alice", "bob", "carol"]
    assert len(list(there.people.everybody())) == 3


def test_another_appliances_people_are_never_replaced(
    make_backup: Backup,
    elsewhere: StoreLocation,
    bring: Callable[..., Restored],
    open_store: Opener,
    make_template: Maker,
) -> None:
    with open_store(elsewhere) as store:
        store.people.add("dave", make_template())
    before = _files(elsewhere.folder)
    with pytest.raises(InputError) as caught:
        bring(make_backup(), elsewhere)
    assert caught.value.code == "not_empty"
    assert _files(elsewhere.folder) == before


def test_a_board_that_somebody_has_open_is_left_alone(
    make_backup: Backup,
    elsewhere: StoreLocation,
    bring: Callable[..., Restored],
    open_store: Opener,
) -> None:
    store = open_store(elsewhere)
    store.audit.append("start", "appliance", {})
    with pytest.raises(StoreError) as caught:
        bring(make_backup(), elsewhere)
    assert caught.value.code == "locked"
    store.audit.append("start", "appliance", {})
    assert store.audit.first_bad() is None
    assert not elsewhere.key.exists()


def test_a_name_can_be_left_out(
    make_backup: Backup,
    elsewhere: StoreLocation,
    bring: Callable[..., Restored],
    open_store: Opener,
) -> None:
    path = make_backup()
    with pytest.raises(InputError) as caught:
        bring(path, elsewhere, "nobody")
    assert caught.value.code == "unknown_person"
    outcome = bring(path, elsewhere, "BOB")
    assert (outcome.people, outcome.left_out) == (("Alice", "carol"), ("bob",))
    assert _names(open_store(elsewhere)) == ["Alice", "carol"]
    assert b"bob" not in elsewhere.database.read_bytes().replace(b"enrolledbob", b"")


def test_a_key_that_has_no_place_is_told_before_anything_is_changed(
    make_backup: Backup, elsewhere: StoreLocation, bring: Callable[..., Restored], tmp_path: Path
) -> None:
    (tmp_path / "no-folder").touch()
    at = StoreLocation(elsewhere.database, tmp_path / "no-folder" / "template.key")
    with pytest.raises(StoreError) as caught:
        bring(make_backup(), at)
    assert str(at.key) in caught.value.message
    assert _files(elsewhere.folder) == {}


def test_a_key_file_that_is_none_is_put_aside(
    make_backup: Backup, elsewhere: StoreLocation, bring: Callable[..., Restored]
) -> None:
    elsewhere.folder.mkdir()
    elsewhere.key.write_text("no key")
    outcome = bring(make_backup(), elsewhere)
    assert [path.read_text() for path in outcome.aside] == ["no key"]


# What cannot be used


@pytest.mark.parametrize(
    ("here", "words"),
    [
        (Embedding("openface", "other"), "model.name: mobilefacenet"),
        (Embedding("mobilefacenet", "other"), "Install the models"),
    ],
)
def test_a_backup_for_another_embedder_is_refused_with_advice(
    make_backup: Backup,
    elsewhere: StoreLocation,
    bring: Callable[..., Restored],
    here: Embedding,
    words: str,
) -> None:
    with pytest.raises(InputError) as caught:
        bring(make_backup(), elsewhere, embedding=here)
    assert caught.value.code == "another_model"
    assert words in caught.value.hint
    assert _files(elsewhere.folder) == {}


def test_rubbish_and_wrong_passphrases_change_nothing(
    make_backup: Backup,
    location: StoreLocation,
    bring: Callable[..., Restored],
    tmp_path: Path,
    filled: Store,
) -> None:
    path = make_backup()
    filled.close()
    before = _files(location.folder)
    content = path.read_bytes()
    bad = tmp_path / "bad"
    for spoilt, code in (
        (b"", "not_a_backup"),
        (b"hello", "not_a_backup"),
        (b"SQLite format 3\0" * 10, "not_a_backup"),
        (content[:-1], None),
        (content[:200], "wrong_passphrase"),
        (content + b"x", None),
        (_sealed(b""), "damaged"),
        (_sealed(b"\xff\xff\xff\xff"), "damaged"),
        (_sealed(b"\x02\0\0\0{}"), "damaged"),
        (_sealed(b"\x04\0\0\0null"), "damaged"),
    ):
        bad.write_bytes(spoilt)
        with pytest.raises(InputError) as caught:
            bring(bad, location)
        assert code is None or caught.value.code == code
        assert _files(location.folder) == before
    with pytest.raises(InputError) as caught:
        bring(path, location, passphrase="incorrect horse")  # noqa: S106 - of tests
    assert caught.value.code == "wrong_passphrase"
    with pytest.raises(InputError) as caught:
        bring(tmp_path / "missing", location)
    assert caught.value.code == "unreadable"
    with pytest.raises(InputError):
        bring(tmp_path, location)
    assert _files(location.folder) == before


def test_a_full_disk_while_restoring_leaves_all_as_it_was(
    make_backup: Backup, elsewhere: StoreLocation, bring: Callable[..., Restored]
) -> None:
    path = make_backup()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(StoreError):
            bring(path, elsewhere)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert _files(elsewhere.folder) == {}


# On the board that was backed up


def test_nobody_who_was_removed_since_comes_back(
    make_backup: Backup, filled: Store, location: StoreLocation, bring: Callable[..., Restored]
) -> None:
    path = make_backup()
    filled.people.remove("bob")
    outcome = bring(path, location)
    assert (outcome.whole, outcome.people) == (False, ())
    assert (outcome.present, outcome.removed) == (("Alice", "carol"), ("bob",))
    assert _names(filled) == ["Alice", "carol"]
    assert filled.audit.first_bad() is None


def test_whoever_was_enrolled_anew_is_left_as_is(
    make_backup: Backup,
    filled: Store,
    location: StoreLocation,
    bring: Callable[..., Restored],
    make_template: Maker,
) -> None:
    path = make_backup()
    filled.people.add("alice", make_template(7), replace=True)
    filled.people.remove("bob")
    filled.people.add("bob", make_template(8))
    filled.consent.write("alice", Consent(purpose="changed"))
    outcome = bring(path, location)
    assert outcome.people == ()
    for name, seed in (("alice", 7), ("bob", 8)):
        person = filled.people.get(name)
        assert person is not None
        assert np.array_equal(person.template.mean, make_template(seed).mean)
    assert filled.consent.read("alice").purpose == "changed"


def _lose(location: StoreLocation, name: str) -> None:
    """What no removal is: the row vanishes, as from an older copy of the file."""
    with closing(sqlite3.connect(location.database)) as raw, raw:
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("DELETE FROM person WHERE name = ?", (name,))


def test_people_who_are_missing_come_back_with_what_is_theirs(
    make_backup: Backup, filled: Store, location: StoreLocation, bring: Callable[..., Restored]
) -> None:
    path = make_backup()
    _lose(location, "Alice")
    assert bring(path, location, dry_run=True).people == ("Alice",)
    assert _names(filled) == ["bob", "carol"]
    outcome = bring(path, location)
    assert (outcome.people, outcome.present) == (("Alice",), ("bob", "carol"))
    assert filled.people.get("alice")
    assert filled.consent.read("alice").purpose == "the front door"
    assert [(it.event, it.subject) for it in filled.audit.tail(1)] == [("restored", "Alice")]
    assert filled.audit.first_bad() is None


def test_a_lost_key_comes_back(
    make_backup: Backup,
    filled: Store,
    location: StoreLocation,
    bring: Callable[..., Restored],
    open_store: Opener,
) -> None:
    path = make_backup()
    filled.close()
    key = location.key.read_bytes()
    location.key.unlink()
    bring(path, location)
    assert location.key.read_bytes() == key
    assert open_store().people.get("alice")


@pytest.mark.parametrize("damage", ["gone", "first page", "last page", "rubbish", "empty"])
def test_a_database_that_cannot_be_read_is_put_aside_and_replaced(  # noqa: PLR0917 - fixtures
    make_backup: Backup,
    filled: Store,
    location: StoreLocation,
    bring: Callable[..., Restored],
    open_store: Opener,
    damage: str,
) -> None:
    path = make_backup()
    filled.people.remove("bob")
    filled.close()
    content = bytearray(location.database.read_bytes())
    if damage == "gone":
        location.database.unlink()
        location.database.with_name("appliance.db-wal").write_bytes(b"an old log")
    else:
        if damage == "first page":
            content[100:4096] = os.urandom(3996)
        elif damage == "last page":
            del content[-4096:]
        else:
            content = bytearray(b"rubbish" * 1000 if damage == "rubbish" else b"")
        location.database.write_bytes(content)
    outcome = bring(path, location)
    assert outcome.whole
    assert len(outcome.aside) == 1
    assert not location.database.with_name("appliance.db-wal").exists()
    there = open_store()
    if damage == "last page":  # what can still be read of removals counts
        assert (outcome.removed, outcome.blind) == (("bob",), False)
    assert _names(there) == (["Alice", "bob", "carol"] if outcome.blind else ["Alice", "carol"])
    assert there.audit.first_bad() is None


def _spoil(location: StoreLocation, table: str) -> None:
    """Damage one page: SQLite's check fails, and all other tables can still be read."""
    with closing(sqlite3.connect(location.database)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = raw.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = raw.execute(query, (table,)).fetchone()
    content = bytearray(location.database.read_bytes())
    content[(page - 1) * size : (page - 1) * size + 100] = b"\xff" * 100
    location.database.write_bytes(content)


def test_a_removal_outlives_the_damaged_database_that_knew_of_it(  # noqa: PLR0917 - fixtures
    make_backup: Backup,
    filled: Store,
    location: StoreLocation,
    bring: Callable[..., Restored],
    make_template: Maker,
    open_store: Opener,
    tmp_path: Path,
) -> None:
    """An older backup, which does not know Mallory, must not make her removal forgotten."""
    older = make_backup().rename(tmp_path / "older.backup")
    filled.people.add("mallory", make_template(9))
    newer = make_backup()
    filled.people.remove("mallory")
    filled.close()
    _spoil(location, "failure_count")
    first = bring(older, location)
    assert (first.whole, first.people) == (True, ("Alice", "bob", "carol"))
    second = bring(newer, location)
    assert (second.whole, second.people, second.removed) == (False, (), ("mallory",))
    assert _names(open_store()) == ["Alice", "bob", "carol"]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("by_log", [True, False])
def test_whoever_was_withheld_once_is_withheld_from_then_on(  # noqa: PLR0917 - fixtures
    make_backup: Backup,
    filled: Store,
    location: StoreLocation,
    elsewhere: StoreLocation,
    bring: Callable[..., Restored],
    open_store: Opener,
    *,
    whole: bool,
    by_log: bool,
) -> None:
    """What an exported log or `--without` said of somebody need not be said again."""
    path = make_backup()
    filled.audit.append("removed", "bob", {})
    removals = [Removal(it.subject, it.at) for it in filled.audit.tail(1)]
    at = elsewhere if whole else location
    if not whole:
        _lose(location, "bob")
    without, changes = ((), {"removals": removals}) if by_log else (("bob",), {})
    first = bring(path, at, *without, dry_run=True, **changes)
    assert first.people == (("Alice", "carol") if whole else ())
    first = bring(path, at, *without, **changes)
    assert (first.whole, first.removed, first.left_out) == (
        (whole, ("bob",), ()) if by_log else (whole, (), ("bob",))
    )
    again = bring(path, at)
    assert (again.people, again.removed) == ((), ("bob",))
    assert _names(open_store(at)) == ["Alice", "carol"]


def test_whoever_is_there_is_not_noted_as_removed(
    make_backup: Backup, filled: Store, location: StoreLocation, bring: Callable[..., Restored]
) -> None:
    """`--without` and a log say who does not come; they take nobody away, now or later."""
    path = make_backup()
    filled.audit.append("removed", "carol", {})
    removals = [Removal(it.subject, it.at) for it in filled.audit.tail(1)]
    assert bring(path, location, "bob", removals=removals).people == ()
    for name in ("bob", "carol"):
        _lose(location, name)
    assert bring(path, location).people == ("bob", "carol")


def test_an_exported_log_tells_who_was_removed(
    make_backup: Backup, filled: Store, elsewhere: StoreLocation, bring: Callable[..., Restored]
) -> None:
    path = make_backup()
    filled.people.remove("bob")
    filled.audit.append("removed", "BOB", {})
    removals = [Removal(it.subject, it.at) for it in filled.audit.tail(1)]
    earlier = Removal("carol", removals[0].at.replace(year=2020))
    outcome = bring(path, elsewhere, removals=[*removals, earlier])
    assert (outcome.removed, outcome.people) == (("bob",), ("Alice", "carol"))
    assert not outcome.blind


def test_a_removal_that_the_backup_knows_is_known_afterwards(  # noqa: PLR0917 - fixtures
    make_backup: Backup,
    filled: Store,
    elsewhere: StoreLocation,
    bring: Callable[..., Restored],
    open_store: Opener,
    tmp_path: Path,
) -> None:
    older = make_backup()
    older = older.rename(tmp_path / "older.backup")
    filled.people.remove("bob")
    bring(make_backup(), elsewhere)
    outcome = bring(older, elsewhere)
    assert (outcome.removed, outcome.people) == (("bob",), ())
    assert _names(open_store(elsewhere)) == ["Alice", "carol"]


def test_a_broken_log_is_brought_along_and_told(
    make_backup: Backup,
    filled: Store,
    location: StoreLocation,
    elsewhere: StoreLocation,
    bring: Callable[..., Restored],
) -> None:
    with closing(sqlite3.connect(location.database)) as raw, raw:
        raw.execute("DROP TRIGGER audit_no_update")
        raw.execute("UPDATE audit SET subject = 'mallory' WHERE number = 2")
    assert filled.audit.first_bad() == 2
    outcome = bring(make_backup(), elsewhere)
    assert (outcome.log_breaks_at, outcome.people) == (2, ("Alice", "bob", "carol"))
