from __future__ import annotations

import itertools
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import ExitCode, StoreError
from appliance.ports import Clock
from appliance.store import database as database_module
from appliance.store.database import Database, migrate
from appliance.store.files import move_in
from appliance.store.location import StoreLocation
from appliance.store.schema import APPLICATION_ID, MIGRATIONS
from appliance.store.store import Store
from appliance.types import Template

Opener = Callable[..., Store]
Maker = Callable[..., Template]
User = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def filled(open_store: Opener, make_template: Maker, location: StoreLocation) -> StoreLocation:
    """A closed store with three people and three records."""
    with open_store() as store:
        _fill(store, make_template)
    return location


def _fill(store: Store, make_template: Maker) -> None:
    for seed, name in enumerate(("alice", "bob", "carol")):
        store.people.add(name, make_template(seed))
        store.audit.append("enrol", name, {})


def _refusal(path: Path, *, create: bool = True) -> StoreError:
    """The error of opening, and the proof that the file is as it was."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError) as caught:
        Database.open(path, create=create, busy_timeout_s=0.05)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert caught.value.exit_code == ExitCode.BAD_DATA
    assert caught.value.hint
    return caught.value


def _names(store: Store) -> list[str]:
    return [summary.name for summary in store.people.summaries()]


# Founding and settings


def test_a_new_database_is_private_and_has_no_leftovers(
    open_store: Opener, location: StoreLocation
) -> None:
    open_store().close()
    assert stat.S_IMODE(location.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(location.database.stat().st_mode) == 0o600
    assert list(location.folder.iterdir()) == [location.database]


def test_the_settings_that_durability_and_erasure_need(open_store: Opener) -> None:
    store = open_store()
    with store.database.reading() as connection:

        def value(pragma: str) -> object:
            return connection.execute(f"PRAGMA {pragma}").fetchone()[0]

        assert value("journal_mode") == "wal"
        assert value("synchronous") == 2  # FULL
        assert value("secure_delete") == 1
        assert value("foreign_keys") == 1
        assert value("application_id") == APPLICATION_ID
        assert value("user_version") == len(MIGRATIONS)


def test_log_files_are_private_too(open_store: Opener, location: StoreLocation) -> None:
    open_store().audit.append("start", "appliance", {})
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in location.folder.iterdir()}
    assert modes == dict.fromkeys(("appliance.db", "appliance.db-wal", "appliance.db-shm"), 0o600)


def test_an_odd_path_is_taken_literally(open_store: Opener, tmp_path: Path) -> None:
    odd = StoreLocation(tmp_path / "a?mode=ro#%20" / "ü b.db", tmp_path / "k")
    open_store(odd).close()
    assert odd.database.exists()


def test_two_that_found_at_once_share_one_database(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    database_module._found(path)
    first = path.read_bytes()
    database_module._found(path)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_founding_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(database_module, "migrate", fail)
    with pytest.raises(StoreError) as caught:
        Database.open(tmp_path / "a.db")
    assert caught.value.code == "disk_full"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root works in other people's folders")
def test_what_root_founds_belongs_to_the_folders_owner(
    open_store: Opener, users_location: StoreLocation, make_template: Maker
) -> None:
    store = open_store(users_location)
    store.people.add("alice", make_template())
    owner = users_location.folder.stat().st_uid
    assert {path.stat().st_uid for path in users_location.folder.iterdir()} == {owner}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root works in other people's folders")
def test_what_root_moves_in_belongs_to_the_folders_owner(users_location: StoreLocation) -> None:
    own = users_location.folder / "workshop"
    own.mkdir()
    draft = own / "draft"
    draft.touch()
    place = users_location.folder / "moved in"
    move_in(draft, place)
    assert place.stat().st_uid == users_location.folder.stat().st_uid != own.stat().st_uid


# Reading only


def test_reading_before_there_is_a_database_finds_nobody(
    open_store: Opener, location: StoreLocation, make_template: Maker
) -> None:
    store = open_store(create=False)
    assert store.people.summaries() == []
    assert store.people.get("alice") is None
    assert store.audit.tail(5) == []
    assert store.audit.first_bad() is None
    assert store.failures.read("alice", "card") is None
    with pytest.raises(StoreError):
        store.audit.append("x", "y", {})
    with pytest.raises(StoreError):
        store.people.add("alice", make_template())
    assert not location.folder.exists()


def test_reading_changes_nothing(
    filled: StoreLocation, open_store: Opener, make_template: Maker
) -> None:
    before = filled.database.read_bytes()
    with open_store(create=False) as store:
        assert _names(store) == ["alice", "bob", "carol"]
        for attempt in (
            lambda: store.people.add("dave", make_template()),
            lambda: store.people.remove("alice"),
            lambda: store.audit.append("x", "y", {}),
        ):
            with pytest.raises(StoreError) as caught:
                attempt()
            assert caught.value.code == "read_only"
    assert filled.database.read_bytes() == before


def test_reading_sees_what_a_running_daemon_has_just_written(
    filled: StoreLocation, open_store: Opener, make_template: Maker
) -> None:
    daemon = open_store()
    daemon.people.add("dave", make_template())
    assert _names(open_store(create=False))[-1] == "dave"


# Permissions


def test_a_read_only_file_is_told_and_can_be_read(
    users_location: StoreLocation,
    open_store: Opener,
    make_template: Maker,
    ordinary_user: User,
) -> None:
    with ordinary_user():
        with open_store(users_location) as store:
            _fill(store, make_template)
        users_location.database.chmod(0o400)
        users_location.folder.chmod(0o500)
        error = _refusal(users_location.database)
        assert error.code == "read_only"
        assert str(users_location.database) in error.message
        with open_store(users_location, create=False) as store:
            assert len(list(store.people.everybody())) == 3
            assert store.audit.first_bad() is None
            with pytest.raises(StoreError):
                store.audit.append("x", "y", {})
        assert len(list(users_location.folder.iterdir())) == 2


def test_a_read_only_file_is_told_at_once_where_its_folder_is_not(
    users_location: StoreLocation, open_store: Opener, ordinary_user: User
) -> None:
    with ordinary_user():
        open_store(users_location).close()
        users_location.database.chmod(0o400)
        assert _refusal(users_location.database).code == "read_only"


def test_a_read_only_folder_is_told(
    users_location: StoreLocation, open_store: Opener, ordinary_user: User
) -> None:
    with ordinary_user():
        open_store(users_location).close()
        users_location.folder.chmod(0o500)
        error = _refusal(users_location.database)
        assert error.code == "read_only"
        assert error.message.startswith(f"{users_location.folder} ")


def test_a_folder_that_may_not_be_made_is_told(
    users_location: StoreLocation, ordinary_user: User
) -> None:
    with ordinary_user():
        users_location.folder.chmod(0o500)
        assert _refusal(users_location.folder / "new" / "a.db").code == "no_permission"


@pytest.mark.parametrize("create", [True, False])
def test_a_file_that_may_not_be_read_is_told(
    users_location: StoreLocation, open_store: Opener, ordinary_user: User, *, create: bool
) -> None:
    with ordinary_user():
        open_store(users_location).close()
        users_location.database.chmod(0o000)
        with pytest.raises(StoreError) as caught:
            Database.open(users_location.database, create=create)
        assert caught.value.code == "no_permission"
        assert "sudo" in caught.value.hint
        users_location.folder.chmod(0o000)
        with pytest.raises(StoreError) as caught:
            Database.open(users_location.database, create=create)
        assert caught.value.code == "no_permission"


# Files that are no database of ours


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("content", [b"", b"hello\n", b"\0" * 8192, bytes(range(256)) * 64])
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes, *, create: bool) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(content)
    assert _refusal(path, create=create).code == ("not_a_database" if content else "corrupt")


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    assert _refusal(tmp_path).code == "is_a_folder"


def test_a_file_where_the_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    assert _refusal(tmp_path / "x" / "a.db").code == "cannot_open"


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("setting", ["", "PRAGMA journal_mode = WAL", "PRAGMA application_id = 7"])
def test_another_programs_database_is_refused(
    tmp_path: Path, setting: str, *, create: bool
) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(setting)
        raw.execute("CREATE TABLE bookmarks (url)")
        raw.commit()
    assert _refusal(path, create=create).code == "foreign_database"


def test_a_newer_database_is_refused(filled: StoreLocation) -> None:
    with closing(sqlite3.connect(filled.database)) as raw:
        raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    error = _refusal(filled.database)
    assert error.code == "newer_version"
    assert "newer version" in error.message
    assert "Upgrade" in error.hint


@pytest.mark.parametrize("create", [True, False])
def test_a_database_that_vanished_from_beside_its_log_is_not_replaced(
    filled: StoreLocation, *, create: bool
) -> None:
    filled.database.unlink()
    log = filled.folder / "appliance.db-wal"
    log.write_bytes(b"anything")
    assert _refusal(filled.database, create=create).code == "database_lost"
    assert sorted(filled.folder.iterdir()) == [log, filled.key]


# Damage


@pytest.mark.parametrize("create", [True, False])
def test_a_cut_off_file_is_refused(filled: StoreLocation, *, create: bool) -> None:
    content = filled.database.read_bytes()
    for length in (len(content) // 2, len(content) - 4096, 5000, 100, 50):
        filled.database.write_bytes(content[:length])
        assert _refusal(filled.database, create=create).code in {"corrupt", "not_a_database"}


def test_random_bytes_anywhere_are_refused_or_noticed_at_use(
    filled: StoreLocation, open_store: Opener, make_template: Maker
) -> None:
    """A page check cannot see a change inside a value: there seal and chain answer."""
    content = filled.database.read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for page in range(len(content) // 4096):
        spoilt = bytearray(content)
        spoilt[page * 4096 + 8 : page * 4096 + 2048] = random.bytes(2040)
        filled.database.write_bytes(spoilt)
        try:
            with open_store() as store:
                people = list(store.people.everybody())
                bad = store.audit.first_bad()
        except StoreError as error:
            refused += 1
            assert error.code in {"corrupt", "not_a_database", "tampered", "foreign_database"}  # noqa: PT017
        else:
            # The page held nothing that was asked for, or the chain says where.
            assert bad is not None or [person.name for person in people] == [
                "alice",
                "bob",
                "carol",
            ]
    # The others belong to tables in which nothing stands.
    assert refused >= len(content) // 4096 // 3


def test_of_a_large_file_all_but_the_log_is_checked_at_opening(
    filled: StoreLocation, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage in the log is found by whoever reads it; anywhere else it is refused at once."""
    with closing(sqlite3.connect(filled.database)) as raw:
        roots = dict(raw.execute("SELECT name, rootpage FROM sqlite_master WHERE rootpage"))
    content = filled.database.read_bytes()
    monkeypatch.setattr(database_module, "_CHECKED_WHOLE", 0)
    open_store().close()
    for table in ("person", "removed", "credential", "audit_head", "audit"):
        start = (roots[table] - 1) * 4096
        spoilt = bytearray(content)
        spoilt[start : start + 4096] = b"\xff" * 4096
        filled.database.write_bytes(spoilt)
        if table != "audit":
            assert _refusal(filled.database).code == "corrupt"
            continue
        with open_store() as store:
            assert _names(store) == ["alice", "bob", "carol"]
            for attempt in (store.audit.first_bad, lambda: store.audit.append("x", "y", {})):
                with pytest.raises(StoreError) as caught:
                    attempt()
                assert caught.value.code == "corrupt"


def test_damage_that_appears_while_open_is_told(filled: StoreLocation, open_store: Opener) -> None:
    store = open_store()
    with store.database.reading() as connection:
        connection.execute("PRAGMA shrink_memory")  # else its cache would answer
    with filled.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (filled.database.stat().st_size - 4096))
    with pytest.raises(StoreError) as caught:
        store.people.summaries()
    assert caught.value.code == "corrupt"


def test_a_database_without_identity_is_refused(filled: StoreLocation) -> None:
    with closing(sqlite3.connect(filled.database)) as raw, raw:
        raw.execute("DELETE FROM meta WHERE key = 'database_id'")
    assert _refusal(filled.database).code == "corrupt"


# Other processes


def test_a_database_that_another_holds_is_told(
    filled: StoreLocation, open_store: Opener, make_template: Maker
) -> None:
    store = open_store()
    with closing(sqlite3.connect(filled.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for attempt in (
            lambda: store.people.add("dave", make_template()),
            lambda: store.people.remove("alice"),
            lambda: store.audit.append("x", "y", {}),
        ):
            with pytest.raises(StoreError) as caught:
                attempt()
            assert caught.value.code == "locked"
        # Reading and opening go on: the door can still tell.
        assert _names(store) == _names(open_store()) == ["alice", "bob", "carol"]
        other.execute("ROLLBACK")
    store.audit.append("x", "y", {})
    assert store.audit.first_bad() is None


def test_a_database_that_another_holds_alone_is_told(filled: StoreLocation) -> None:
    with closing(sqlite3.connect(filled.database, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("UPDATE failure_count SET failures = 0")
        for create in (True, False):
            assert _refusal(filled.database, create=create).code == "locked"


_WRITER = """
import sys
from datetime import datetime, timezone
from pathlib import Path
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import Template
import numpy as np

class Clock:
    def now(self):
        return datetime.now(timezone.utc)

folder = Path(sys.argv[1])
vectors = np.eye(192, dtype=np.float32)[:5]
store = Store.open(StoreLocation(folder / "appliance.db", folder / "template.key"), Clock())
number = 0
while True:
    number += 1
    template = Template(vectors, vectors[0], "m", "f")
    store.people.add(f"person {number % 7}", template, replace=True)
    print("template", number, flush=True)
    print("record", store.audit.append("write", str(number), {}).number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 20, 61])
def test_a_kill_loses_nothing_that_was_confirmed(
    location: StoreLocation, open_store: Opener, lines: int
) -> None:
    arguments = [sys.executable, "-c", _WRITER, str(location.folder)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [next(writer.stdout).split() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        said += [line.split() for line in writer.stdout if line.endswith("\n")]
    assert writer.returncode == -signal.SIGKILL
    store = open_store()
    assert store.audit.first_bad() is None
    confirmed = [int(number) for what, number in said if what == "record"]
    assert len(store.audit.tail(10_000)) >= max(confirmed, default=0)
    written = max(int(number) for what, number in said if what == "template")
    assert len(list(store.people.everybody())) >= min(written, 7)
    assert not list(location.folder.glob("*.new"))


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount; the limit on file size is tested by all")
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _fill_until_it_fails(store: Store, make_template: Maker) -> list[str]:
    kept: list[str] = []

    def add_for_ever() -> None:
        for number in itertools.count():
            store.people.add(f"person {number:03}", make_template(number))
            kept.append(f"person {number:03}")

    with pytest.raises(StoreError) as caught:
        add_for_ever()
    assert caught.value.code in {"disk_full", "io_error"}
    return kept


def _log_until_it_fails(store: Store) -> StoreError:
    def log_for_ever() -> None:
        for _ in itertools.count():
            store.audit.append("attempt", "alice", {"padding": "x" * 500})

    with pytest.raises(StoreError) as caught:
        log_for_ever()
    return caught.value


def test_a_full_disk_loses_nobody(
    small_disk: Path, make_template: Maker, open_store: Opener
) -> None:
    at = StoreLocation(small_disk / "appliance.db", small_disk / "template.key")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(512 * 1024))
    store = open_store(at)
    store.audit.append("start", "appliance", {})
    kept = _fill_until_it_fails(store, make_template)
    assert len(kept) > 5
    error = _log_until_it_fails(store)
    assert error.code == "disk_full"
    assert "df -h" in error.hint
    assert [person.name for person in store.people.everybody()] == kept
    assert store.audit.first_bad() is None
    store.close()
    with open_store(at, create=False) as again:
        assert [person.name for person in again.people.everybody()] == kept
    ballast.unlink()
    with open_store(at) as again:
        again.audit.append("attempt", "alice", {})
        assert again.people.remove(kept[0])
        assert _names(again) == kept[1:]
        assert again.audit.first_bad() is None


def _take_all_space(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        for _ in itertools.count():
            file.write(bytes(4096))


def test_a_disk_that_becomes_read_only_refuses_and_goes_on_when_it_is_mended(
    small_disk: Path, make_template: Maker, open_store: Opener, clock: Clock
) -> None:
    """As the kernel does to a memory card that fails; files that are open stay so."""
    at = StoreLocation(small_disk / "appliance.db", small_disk / "template.key")
    with open_store(at) as store:
        _fill(store, make_template)
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    if subprocess.run(remount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        assert _refusal(at.database).code == "read_only"
        with open_store(at, create=False) as store:
            assert _names(store) == ["alice", "bob", "carol"]
            assert store.audit.first_bad() is None
            with pytest.raises(StoreError) as caught:
                store.audit.append("attempt", "alice", {})
            assert caught.value.code == "read_only"
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    with open_store(at) as store:
        store.audit.append("attempt", "alice", {})
        assert store.audit.first_bad() is None


def test_founding_on_a_full_disk_leaves_nothing(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    _take_all_space(ballast)
    assert _refusal(small_disk / "appliance.db").code in {"disk_full", "io_error"}
    assert list(small_disk.iterdir()) == [ballast]


def test_a_file_that_may_not_grow_loses_nobody(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    store = open_store()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        kept = _fill_until_it_fails(store, make_template)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(kept) > 5
    store.close()
    assert [person.name for person in open_store().people.everybody()] == kept


# Migrations


def test_an_older_database_is_brought_up_step_by_step() -> None:
    steps = (("CREATE TABLE a (x)", "INSERT INTO a VALUES (1)"), ("ALTER TABLE a ADD y",))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        migrate(raw, steps[:1])
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)
        migrate(raw, steps)
        migrate(raw, steps)
        assert raw.execute("SELECT x, y FROM a").fetchall() == [(1, None)]
        assert raw.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_step_that_fails_changes_neither_tables_nor_version() -> None:
    steps = (("CREATE TABLE a (x)",), ("INSERT INTO a VALUES (1)", "nonsense"))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        with pytest.raises(sqlite3.OperationalError):
            migrate(raw, steps)
        assert raw.execute("SELECT count(*) FROM a").fetchone() == (0,)
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)


# Transactions


def test_a_failing_block_leaves_nothing(filled: StoreLocation, open_store: Opener) -> None:
    store = open_store()

    def half_a_change() -> None:
        with store.database.transaction() as connection:
            connection.execute("DELETE FROM person")
            raise KeyError

    with pytest.raises(KeyError):
        half_a_change()
    assert len(_names(store)) == 3


def test_closing_twice_is_fine_and_using_it_then_is_told(
    filled: StoreLocation, clock: Clock
) -> None:
    store = Store.open(filled, clock)
    store.close()
    store.close()
    with pytest.raises(StoreError):
        store.people.summaries()


def test_importing_does_nothing(tmp_path: Path) -> None:
    code = "import appliance.store, sys; print('sqlite3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
