from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import InputError, StoreError
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import Person, Template

Opener = Callable[..., Store]
Maker = Callable[..., Template]


def _same(one: Template, other: Template) -> bool:
    return (
        np.array_equal(one.vectors, other.vectors)
        and np.array_equal(one.mean, other.mean)
        and (one.model, one.fingerprint) == (other.model, other.fingerprint)
    )


def _get(store: Store, name: str) -> Person:
    person = store.people.get(name)
    assert person is not None
    return person


def _sealed(location: StoreLocation, name: str) -> bytes:
    with closing(sqlite3.connect(location.database)) as raw:
        row = raw.execute("SELECT sealed FROM person WHERE name = ?", (name,)).fetchone()
    return bytes(row[0])


def _tamper(location: StoreLocation, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(location.database)) as raw, raw:
        raw.execute(statement, values)


def test_people_outlive_a_restart(open_store: Opener, make_template: Maker) -> None:
    first = open_store()
    added = first.people.add("Alice", make_template(1))
    first.close()
    kept = _get(open_store(), "alice")
    assert (kept.name, kept.created, kept.updated) == ("Alice", added.created, added.updated)
    assert _same(kept.template, make_template(1))


def test_nobody_is_found_under_a_name_nobody_has(open_store: Opener) -> None:
    store = open_store()
    for name in ("alice", "", "../x", "\x00", "\ud800", "x" * 10_000):
        assert store.people.get(name) is None
        assert not store.people.remove(name)
    assert store.people.summaries() == []
    assert list(store.people.everybody()) == []


def test_the_same_name_is_refused_whatever_its_case(
    open_store: Opener, make_template: Maker
) -> None:
    people = open_store().people
    people.add("Alice", make_template(1))
    with pytest.raises(InputError) as caught:
        people.add("aLICE", make_template(2))
    assert caught.value.code == "already_enrolled"
    assert "'Alice'" in caught.value.message
    assert [summary.name for summary in people.summaries()] == ["Alice"]


def test_replacing_keeps_when_it_began(open_store: Opener, make_template: Maker) -> None:
    store = open_store()
    before = store.people.add("Alice", make_template(1))
    store.people.add("alice", make_template(2, count=7), replace=True)
    after = _get(store, "ALICE")
    assert (after.name, after.created) == ("alice", before.created)
    assert after.updated > before.updated
    assert _same(after.template, make_template(2, count=7))
    assert len(store.people.summaries()) == 1


def test_replacing_keeps_what_refers_to_the_person(
    open_store: Opener, make_template: Maker
) -> None:
    store = open_store()
    store.people.add("Alice", make_template(1))
    with store.database.transaction() as connection:
        connection.execute(
            "CREATE TABLE holds (person TEXT REFERENCES person (id) ON DELETE CASCADE)"
        )
        connection.execute("INSERT INTO holds SELECT id FROM person")

    def held() -> int:
        with store.database.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM holds").fetchone()[0])

    store.people.add("alice", make_template(2), replace=True)
    assert held() == 1
    assert store.people.remove("alice")
    assert held() == 0


def test_a_bad_name_or_template_leaves_nothing(open_store: Opener, make_template: Maker) -> None:
    store = open_store()
    with pytest.raises(InputError):
        store.people.add("a/b", make_template())
    template = make_template()
    with pytest.raises(StoreError):
        store.people.add(
            "alice", Template(template.vectors * 2, template.mean, template.model, "f")
        )
    assert store.people.summaries() == []


def test_everybody_comes_by_name_with_templates(open_store: Opener, make_template: Maker) -> None:
    people = open_store().people
    for seed, name in enumerate(("carol", "Alice", "bob")):
        people.add(name, make_template(seed))
    assert [person.name for person in people.everybody()] == ["Alice", "bob", "carol"]
    assert _same(next(people.everybody()).template, make_template(1))


def test_a_listing_needs_no_key(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    store = open_store()
    added = store.people.add("alice", make_template(count=6))
    store.close()
    location.key.unlink()
    (summary,) = open_store(create=False).people.summaries()
    assert (summary.name, summary.count, summary.fingerprint) == ("alice", 6, "f1ng3r")
    assert (summary.created, summary.updated) == (added.created, added.updated)


def test_a_removed_template_is_nowhere_in_the_files(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    store = open_store()
    for seed, name in enumerate(("alice", "bob", "carol")):
        store.people.add(name, make_template(seed))
    sealed = _sealed(location, "bob")
    # A piece, since a record lies in the file in several pages.
    pieces = [sealed[at : at + 64] for at in range(0, len(sealed) - 64, 512)]
    assert any(piece in _all_bytes(location) for piece in pieces)
    assert store.people.remove("BOB")
    remains = _all_bytes(location)
    assert not any(piece in remains for piece in pieces)
    assert b"bob" not in remains
    assert [person.name for person in store.people.everybody()] == ["alice", "carol"]


def test_a_replaced_template_is_nowhere_in_the_files(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    store = open_store()
    store.people.add("alice", make_template(1))
    sealed = _sealed(location, "alice")
    store.people.add("alice", make_template(2), replace=True)
    remains = _all_bytes(location)
    assert not any(sealed[at : at + 64] in remains for at in range(0, len(sealed) - 64, 512))


def _all_bytes(location: StoreLocation) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(location.folder.iterdir()))


def test_a_removal_that_a_reader_keeps_in_the_log_says_so(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    store = open_store()
    store.people.add("alice", make_template())
    sealed = _sealed(location, "alice")
    with closing(sqlite3.connect(location.database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM person").fetchone()
        with pytest.raises(StoreError) as caught:
            store.people.remove("alice")
        assert caught.value.code == "not_erased"
        assert store.people.summaries() == []
    store.close()
    open_store()
    assert sealed[:64] not in _all_bytes(location)


def test_a_missing_key_is_told_and_none_is_made(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    store = open_store()
    store.people.add("alice", make_template())
    store.close()
    location.key.unlink()
    people = open_store().people
    attempts: tuple[Callable[[], object], ...] = (
        lambda: people.get("alice"),
        lambda: list(people.everybody()),
        lambda: people.add("bob", make_template()),
        lambda: people.add("alice", make_template(), replace=True),
    )
    for attempt in attempts:
        with pytest.raises(StoreError, match="missing") as caught:
            attempt()
        assert caught.value.code == "missing_key"
        assert str(location.key) in caught.value.message
    assert not location.key.exists()


def test_a_wrong_key_is_told_before_anything_is_sealed_with_it(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    store = open_store()
    store.people.add("alice", make_template(1))
    store.close()
    right = location.key.read_text()
    location.key.write_text("ab" * 32)
    people = open_store().people
    attempts: tuple[Callable[[], object], ...] = (
        lambda: people.get("alice"),
        lambda: list(people.everybody()),
        lambda: people.add("bob", make_template()),
    )
    for attempt in attempts:
        with pytest.raises(StoreError) as caught:
            attempt()
        assert caught.value.code == "wrong_key"
        assert str(location.key) in caught.value.message
    location.key.write_text(right)
    assert _same(_get(open_store(), "alice").template, make_template(1))


def test_a_lost_key_is_mended_by_removing_everybody(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    long_running = open_store()
    long_running.people.add("alice", make_template(1))
    location.key.unlink()
    store = open_store()
    assert store.people.remove("alice")
    store.people.add("alice", make_template(2))
    assert _same(_get(store, "alice").template, make_template(2))
    # The process that still knew the old key finds the new one.
    assert _same(_get(long_running, "alice").template, make_template(2))


def test_a_key_that_others_may_read_is_refused(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    store = open_store()
    store.people.add("alice", make_template())
    store.close()
    location.key.chmod(0o644)
    with pytest.raises(StoreError, match="other users") as caught:
        open_store().people.get("alice")
    assert "chmod 600" in caught.value.hint


def test_a_key_given_beforehand_is_used(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    location.folder.mkdir()
    location.key.write_text("cd" * 32)
    location.key.chmod(0o400)
    store = open_store()
    store.people.add("alice", make_template())
    assert location.key.read_text() == "cd" * 32
    assert store.people.get("alice")


@pytest.mark.parametrize(
    "statement",
    [
        # Mallory's face under Alice's name, in three ways.
        """
        UPDATE person SET sealed = (SELECT sealed FROM person WHERE name = 'mallory')
        WHERE name = 'alice'
        """,
        """
        UPDATE person SET name = CASE name WHEN 'alice' THEN 'x' ELSE 'alice' END,
        name_key = CASE name_key WHEN 'alice' THEN 'x' ELSE 'alice' END
        """,
        "UPDATE person SET name_key = CASE name_key WHEN 'alice' THEN 'x' ELSE 'alice' END",
        # Facts about the template.
        "UPDATE person SET fingerprint = 'other' WHERE name = 'alice'",
        "UPDATE person SET model = 'other' WHERE name = 'alice'",
        "UPDATE person SET frames = 99 WHERE name = 'alice'",
        "UPDATE person SET created = '2020-01-01T00:00:00.000000+00:00' WHERE name = 'alice'",
        "UPDATE meta SET value = 'other' WHERE key = 'database_id'",
        # The blob itself.
        "UPDATE person SET sealed = substr(sealed, 1, 200) WHERE name = 'alice'",
        "UPDATE person SET sealed = zeroblob(length(sealed)) WHERE name = 'alice'",
        "UPDATE person SET sealed = x'' WHERE name = 'alice'",
    ],
)
def test_a_record_that_was_changed_in_the_file_does_not_open(
    open_store: Opener, make_template: Maker, location: StoreLocation, statement: str
) -> None:
    store = open_store()
    store.people.add("alice", make_template(1))
    store.people.add("mallory", make_template(2))
    store.close()
    _tamper(location, statement)
    with pytest.raises(StoreError) as caught:
        open_store().people.get("alice")
    assert caught.value.code == "tampered"
    assert "--replace" in caught.value.hint


def test_a_template_from_another_appliance_does_not_open(
    open_store: Opener, make_template: Maker, location: StoreLocation, tmp_path: Path
) -> None:
    other = StoreLocation(tmp_path / "other.db", location.key)
    for at in (location, other):
        store = open_store(at)
        store.people.add("alice", make_template())
        store.close()
    _tamper(location, "UPDATE person SET sealed = ?", _sealed(other, "alice"))
    with pytest.raises(StoreError):
        open_store().people.get("alice")


def test_a_date_that_is_none_is_told(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    store = open_store()
    store.people.add("alice", make_template())
    for value in ("yesterday", "2026-01-01T00:00:00"):
        _tamper(location, "UPDATE person SET created = ?", value)
        with pytest.raises(StoreError, match=value) as caught:
            store.people.summaries()
        assert caught.value.code == "corrupt"
