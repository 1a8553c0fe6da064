from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from appliance.access import ALWAYS, Permission, parse_from, parse_until, parse_windows
from appliance.errors import StoreError
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import Template

Opener = Callable[..., Store]
Maker = Callable[..., Template]

OFFICE = Permission(
    parse_windows(["mon-fri 08:00-18:00", "sat 22:00-06:00"]),
    parse_from("2026-03-01"),
    parse_until("2026-12-31 18:00"),
    keeper=True,
)


@pytest.fixture
def store(open_store: Opener, make_template: Maker) -> Store:
    """Alice and Bob are enrolled."""
    store = open_store()
    for name in ("alice", "bob"):
        store.people.add(name, make_template())
    return store


@pytest.mark.parametrize(
    "permission",
    [OFFICE, Permission(keeper=True), Permission(expires=datetime(2026, 1, 1, 7, 5))],  # noqa: DTZ001 - the door's own clock
)
def test_what_was_written_is_read_also_after_a_restart(
    store: Store, open_store: Opener, permission: Permission
) -> None:
    assert store.permissions.put("alice", permission) is True
    store.close()
    assert open_store().permissions.get("alice") == permission


def test_whoever_has_nothing_written_may_always_enter(store: Store) -> None:
    assert store.permissions.get("alice") == ALWAYS
    assert store.permissions.get("nobody") == ALWAYS


def test_spellings_of_a_name_are_one_person(store: Store) -> None:
    store.permissions.put("ALICE", OFFICE)
    assert store.permissions.get("Alice") == OFFICE
    assert store.permissions.get("bob") == ALWAYS


def test_a_later_word_takes_the_place_of_the_former(store: Store) -> None:
    store.permissions.put("alice", OFFICE)
    store.permissions.put("alice", Permission(keeper=True))
    assert store.permissions.get("alice") == Permission(keeper=True)
    store.permissions.put("alice", ALWAYS)
    assert store.permissions.get("alice") == ALWAYS
    assert rows(store) == 0


def test_strangers_get_no_permission(store: Store) -> None:
    assert store.permissions.put("mallory", Permission(keeper=True)) is False
    assert rows(store) == 0


def test_everybody_is_listed_with_what_they_may(store: Store) -> None:
    store.permissions.put("bob", OFFICE)
    assert store.permissions.everybody() == {"alice": ALWAYS, "bob": OFFICE}


def test_a_permission_goes_with_its_person_and_does_not_come_back(
    store: Store, make_template: Maker
) -> None:
    store.permissions.put("alice", OFFICE)
    store.people.remove("alice")
    assert rows(store) == 0
    store.people.add("alice", make_template())
    assert store.permissions.get("alice") == ALWAYS


def test_new_pictures_leave_the_permission_as_it_is(store: Store, make_template: Maker) -> None:
    store.permissions.put("alice", OFFICE)
    store.people.add("alice", make_template(seed=1), replace=True)
    assert store.permissions.get("alice") == OFFICE


def test_a_change_that_could_not_be_recorded_is_none(store: Store) -> None:
    with pytest.raises(RuntimeError), store.together():  # noqa: PT012 - the error is the end of it
        store.permissions.put("alice", OFFICE)
        raise RuntimeError
    assert store.permissions.get("alice") == ALWAYS


@pytest.mark.parametrize(
    "damage",
    [
        "windows = 'whenever'",
        "windows = 'mon 08:00-08:00'",
        "expires = 'soon'",
        "expires = '2026-01-01T00:00:00+00:00'",
        "not_before = ''",
    ],
)
def test_a_damaged_permission_is_an_error_and_never_a_wider_one(store: Store, damage: str) -> None:
    store.permissions.put("alice", OFFICE)
    with store.database.transaction() as connection:
        connection.execute(f"UPDATE permission SET {damage}")  # noqa: S608 - of this test
    for read in (lambda: store.permissions.get("alice"), store.permissions.everybody):
        with pytest.raises(StoreError, match="does not tell when 'alice' may enter"):
            read()


def test_a_keeper_is_yes_or_no(store: Store) -> None:
    store.permissions.put("alice", OFFICE)
    with pytest.raises(StoreError), store.database.transaction() as connection:
        connection.execute("UPDATE permission SET keeper = 2")


def test_nothing_is_written_where_only_reading_was_asked_for(
    store: Store, open_store: Opener, location: StoreLocation
) -> None:
    store.close()
    reader = open_store(location, create=False)
    with pytest.raises(StoreError):
        reader.permissions.put("alice", OFFICE)
    assert reader.permissions.get("alice") == ALWAYS


def test_without_a_database_nobody_has_a_permission(open_store: Opener, tmp_path: Path) -> None:
    nowhere = StoreLocation(tmp_path / "none.db", tmp_path / "none.key")
    assert open_store(nowhere, create=False).permissions.everybody() == {}


def rows(store: Store) -> int:
    with store.database.reading() as connection:
        return int(connection.execute("SELECT count(*) FROM permission").fetchone()[0])
