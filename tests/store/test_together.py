"""A change and its audit record: both, or neither."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.errors import StoreError
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import Template


def test_a_change_and_its_record_happen_together_or_not_at_all(
    open_store: Callable[..., Store], make_template: Callable[..., Template]
) -> None:
    store = open_store()

    def enrol_without_a_record() -> None:
        with store.together():
            store.people.add("alice", make_template())
            raise RuntimeError("no record")

    with pytest.raises(RuntimeError, match="no record"):
        enrol_without_a_record()
    assert store.people.summaries() == []
    with store.together():
        store.people.add("alice", make_template())
        store.audit.append("enrolled", "alice", {})
    with store.together():
        assert store.people.get("alice")  # reads inside see what is not committed yet
        assert store.people.remove("alice")
        assert store.people.get("alice") is None
        store.audit.append("removed", "alice", {})
    assert store.people.summaries() == []
    assert [record.event for record in store.audit.tail(5)] == ["enrolled", "removed"]
    assert store.audit.first_bad() is None


def test_a_removal_that_cannot_be_scrubbed_is_recorded_all_the_same(
    open_store: Callable[..., Store],
    make_template: Callable[..., Template],
    location: StoreLocation,
) -> None:
    store = open_store()
    store.people.add("alice", make_template())
    reader = open_store(location, create=False)

    def remove() -> None:
        with store.together():
            store.people.remove("alice")
            store.audit.append("removed", "alice", {})

    with reader.database.reading() as connection:
        connection.execute("SELECT * FROM person").fetchall()
        with pytest.raises(StoreError) as caught:
            remove()
    assert caught.value.code == "not_erased"
    assert store.people.summaries() == []
    assert [record.event for record in store.audit.tail(5)] == ["removed"]
