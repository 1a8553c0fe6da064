from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from appliance.errors import StoreError
from appliance.store.location import StoreLocation
from appliance.store.store import Store

Opener = Callable[..., Store]
_TRIGGERS = ("audit_in_order", "audit_no_update", "audit_no_delete")


@pytest.fixture
def store(open_store: Opener) -> Store:
    """A store with five records."""
    opened = open_store()
    for number in range(1, 6):
        opened.audit.append("attempt", f"person {number}", {"similarity": number / 7})
    return opened


def _forge(location: StoreLocation, *statements: str) -> None:
    """What somebody can do who may write the file."""
    with closing(sqlite3.connect(location.database)) as raw, raw:
        for trigger in _TRIGGERS:
            raw.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            raw.execute(statement)


def test_records_are_numbered_and_come_back(store: Store, open_store: Opener) -> None:
    last = store.audit.append("unlock", "keeper", {"reason": "parcel", "n": [1, None, True]})
    store.close()
    again = open_store()
    assert again.audit.tail(1) == [last]
    assert [record.number for record in again.audit.tail(100)] == [1, 2, 3, 4, 5, 6]
    assert [record.number for record in again.audit.tail(2)] == [5, 6]
    assert again.audit.tail(0) == again.audit.tail(-1) == []
    assert again.audit.first_bad() is None


def test_an_empty_log_is_whole(open_store: Opener) -> None:
    store = open_store()
    assert store.audit.tail(5) == []
    assert store.audit.first_bad() is None


def test_the_chain_can_be_followed_with_the_documented_rule(store: Store) -> None:
    previous = store.audit.origin
    for record in store.audit.tail(5):
        body = {
            "number": record.number,
            "at": record.at.isoformat(timespec="microseconds"),
            "event": record.event,
            "subject": record.subject,
            "detail": dict(record.detail),
        }
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()
        assert record.digest == previous


def test_strange_text_does_not_keep_a_record_from_being_written(store: Store) -> None:
    record = store.audit.append("attempt", "\ud800\x00 \u202e 👩‍🚀", {"said": "\udfff\n"})
    assert store.audit.tail(1) == [record]
    assert store.audit.first_bad() is None


@pytest.mark.parametrize("detail", [{"x": float("nan")}, {"x": object()}, {"x": {1, 2}}])
def test_a_detail_that_is_no_json_writes_nothing(store: Store, detail: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        store.audit.append("attempt", "alice", detail)
    assert len(store.audit.tail(10)) == 5
    store.audit.append("attempt", "alice", {})
    assert store.audit.first_bad() is None


@pytest.mark.parametrize(
    ("forgery", "bad"),
    [
        ("UPDATE audit SET subject = 'nobody' WHERE number = 3", 3),
        ("UPDATE audit SET event = 'x' WHERE number = 1", 1),
        ("UPDATE audit SET at = '2026-01-01T00:00:09.000000+00:00' WHERE number = 2", 2),
        ("UPDATE audit SET at = 'never' WHERE number = 2", 2),
        ("""UPDATE audit SET detail = '{"similarity":1.0}' WHERE number = 5""", 5),
        ("UPDATE audit SET detail = replace(detail, ':', ': ') WHERE number = 4", 4),
        ("UPDATE audit SET detail = '{' WHERE number = 4", 4),
        ("UPDATE audit SET detail = 'NaN' WHERE number = 4", 4),
        ("UPDATE audit SET detail = CAST(x'ff' AS TEXT) WHERE number = 4", 4),
        ("UPDATE audit SET digest = upper(digest) WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 1", 1),
        ("DELETE FROM audit WHERE number > 3", 4),
        ("DELETE FROM audit", 1),
        ("INSERT INTO audit SELECT 6, at, event, subject, detail, digest FROM audit LIMIT 1", 6),
        ("INSERT INTO audit SELECT 9, at, event, subject, detail, digest FROM audit LIMIT 1", 6),
        ("INSERT INTO audit SELECT 0, at, event, subject, detail, digest FROM audit LIMIT 1", 0),
        ("UPDATE audit SET number = number + 10", 1),
        ("UPDATE audit_head SET digest = 'x'", 6),
        ("UPDATE audit_head SET number = 7", 6),
        ("DELETE FROM audit_head", 1),
    ],
)
def test_a_forged_log_names_its_first_bad_record(
    store: Store, location: StoreLocation, forgery: str, bad: int
) -> None:
    _forge(location, forgery)
    assert store.audit.first_bad() == bad


def test_two_records_that_changed_places_are_found(store: Store, location: StoreLocation) -> None:
    _forge(
        location,
        "UPDATE audit SET number = 99 WHERE number = 2",
        "UPDATE audit SET number = 2 WHERE number = 4",
        "UPDATE audit SET number = 4 WHERE number = 99",
    )
    assert store.audit.first_bad() == 2


def test_a_record_pushed_in_between_is_found(store: Store, location: StoreLocation) -> None:
    _forge(
        location,
        "UPDATE audit SET number = -(number + 1) WHERE number >= 3",
        "UPDATE audit SET number = -number WHERE number < 0",
        "INSERT INTO audit SELECT 3, at, 'forged', subject, detail, digest FROM audit LIMIT 1",
        "UPDATE audit_head SET number = 6",
    )
    assert store.audit.first_bad() == 3


def test_a_log_from_another_appliance_is_found(
    store: Store, location: StoreLocation, open_store: Opener
) -> None:
    _forge(location, "UPDATE meta SET value = 'another' WHERE key = 'database_id'")
    assert open_store().audit.first_bad() == 1


def test_writing_goes_on_after_a_forgery_without_hiding_it(
    store: Store, location: StoreLocation
) -> None:
    _forge(location, "DELETE FROM audit WHERE number = 5")
    assert store.audit.append("attempt", "alice", {}).number == 6
    assert store.audit.first_bad() == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET subject = 'x' WHERE number = 2",
        "DELETE FROM audit WHERE number = 2",
        "DELETE FROM audit",
        "INSERT INTO audit VALUES (3, '', '', '', '', '')",
        "INSERT INTO audit VALUES (7, '', '', '', '', '')",
        "INSERT OR REPLACE INTO audit VALUES (3, '', '', '', '', '')",
        "REPLACE INTO audit SELECT number, at, event, 'x', detail, digest FROM audit",
    ],
)
def test_the_database_itself_refuses_to_change_records(
    store: Store, location: StoreLocation, statement: str
) -> None:
    with (
        closing(sqlite3.connect(location.database)) as raw,
        pytest.raises(sqlite3.IntegrityError, match="audit"),
    ):
        raw.execute(statement)
    assert store.audit.first_bad() is None


@pytest.mark.parametrize("column", ["at", "detail"])
def test_a_record_that_cannot_be_read_is_named(
    store: Store, location: StoreLocation, column: str
) -> None:
    for value in ("x'ff'", "x'7b'"):
        with closing(sqlite3.connect(location.database)) as raw, raw:
            raw.execute("DROP TRIGGER IF EXISTS audit_no_update")
            raw.execute(f"UPDATE audit SET {column} = CAST({value} AS TEXT) WHERE number = 4")  # noqa: S608
        with pytest.raises(StoreError) as caught:
            store.audit.tail(2)
        assert caught.value.code == "corrupt"
    assert [record.number for record in store.audit.tail(1)] == [5]


def test_several_writers_make_one_chain(open_store: Opener, location: StoreLocation) -> None:
    """Two connections, as two processes have, and two threads on each."""
    shared = [open_store(), open_store()]
    for store in shared:
        # The writers of this test wait for each other longer than a person would.
        with store.database.reading() as connection:
            connection.execute("PRAGMA busy_timeout = 20000")

    def write(store: Store, name: str) -> None:
        for _ in range(10):
            store.audit.append("attempt", name, {})

    threads = [
        threading.Thread(target=write, args=(store, f"{place}.{lane}"))
        for place, store in enumerate(shared)
        for lane in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = shared[0].audit.tail(100)
    assert [record.number for record in records] == list(range(1, 41))
    assert shared[1].audit.first_bad() is None
