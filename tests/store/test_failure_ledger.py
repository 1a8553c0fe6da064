from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from appliance import lockout
from appliance.ports import Clock
from appliance.store.database import migrate
from appliance.store.location import StoreLocation
from appliance.store.schema import APPLICATION_ID, MIGRATIONS
from appliance.store.store import Store
from appliance.types import FailureCount, Moment

Opener = Callable[..., Store]
_AT = Moment(
    datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=timezone.utc), True, "first boot", 1234.5
)
_LATER = replace(_AT, wall=_AT.wall + timedelta(seconds=1), trusted=False, uptime=1235.5)


def test_failures_outlive_a_restart_whatever_the_case(open_store: Opener) -> None:
    store = open_store()
    assert store.failures.read("alice", "card") is None
    store.failures.update("Alice", "card", lambda _: FailureCount(1, _AT))
    store.failures.update("alice", "card", lambda _: FailureCount(2, _LATER))
    store.close()
    again = open_store()
    assert again.failures.read("ALICE", "card") == FailureCount(2, _LATER)
    assert again.failures.read("bob", "card") is None


def test_each_way_of_claiming_a_name_has_a_count_of_its_own(open_store: Opener) -> None:
    store = open_store()
    store.failures.update("alice", "keypad", lambda _: FailureCount(5, _AT))
    assert store.failures.read("alice", "card") is None
    store.failures.update("alice", "card", lambda _: FailureCount(1, _AT))
    store.failures.clear("ALICE", "keypad")
    assert store.failures.read("alice", "keypad") is None
    assert store.failures.read("alice", "card") == FailureCount(1, _AT)


def test_all_ways_can_be_forgotten_at_once(open_store: Opener) -> None:
    store = open_store()
    for via in ("keypad", "card"):
        store.failures.update("alice", via, lambda _: FailureCount(3, _AT))
    store.failures.update("bob", "card", lambda _: FailureCount(1, _AT))
    store.failures.clear("ALICE")
    store.failures.clear("nobody")
    assert [store.failures.read("alice", via) for via in ("keypad", "card")] == [None, None]
    assert store.failures.read("bob", "card") == FailureCount(1, _AT)


def test_any_text_can_be_claimed(open_store: Opener) -> None:
    store = open_store()
    for claim in ("", "\x00", "\ud800", "../x", "'; DROP TABLE failure_count; --"):
        store.failures.update(claim, "card", lambda _: FailureCount(1, _AT))
        assert store.failures.read(claim, "card") == FailureCount(1, _AT)


def test_a_moment_comes_back_in_utc(open_store: Opener) -> None:
    store = open_store()
    local = replace(_AT, wall=_AT.wall.astimezone(timezone(timedelta(hours=5))))
    store.failures.update("alice", "card", lambda _: FailureCount(1, local))
    read = store.failures.read("alice", "card")
    assert read is not None
    assert read.at == _AT
    assert read.at.wall.utcoffset() == timedelta(0)


def test_a_lock_out_of_the_version_before_is_waited_for_once_more(
    open_store: Opener, location: StoreLocation
) -> None:
    location.folder.mkdir()
    with closing(sqlite3.connect(location.database, isolation_level=None)) as old:
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(old, MIGRATIONS[:1])
        old.execute("INSERT INTO failure VALUES ('alice', 5, '2026-01-01T12:00:00.000000+00:00')")
    kept = open_store().failures.read("alice", "command")
    policy, booted = lockout.Policy(5, 60), replace(_AT, uptime=0.0)
    assert lockout.remaining(kept, booted, policy) == 60
    assert lockout.remaining(kept, replace(booted, uptime=60.0), policy) == 0


def test_none_is_lost_where_two_count_at_once(location: StoreLocation, clock: Clock) -> None:
    """The service, and a command beside it."""
    stores = [Store.open(location, clock, busy_timeout_s=20) for _ in "ab"]

    def one_more(kept: FailureCount | None) -> FailureCount:
        return FailureCount(1 if kept is None else kept.failures + 1, _AT)

    def fail(store: Store) -> None:
        for _ in range(10):
            store.failures.update("alice", "card", one_more)

    threads = [threading.Thread(target=fail, args=(store,)) for store in stores for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].failures.read("alice", "card") == FailureCount(40, _AT)
    for store in stores:
        store.close()
