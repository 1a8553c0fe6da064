from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from appliance.store.store import Store
from appliance.types import FailureCount

Opener = Callable[..., Store]
_AT = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)


def test_failures_outlive_a_restart_whatever_the_case(open_store: Opener) -> None:
    store = open_store()
    assert store.failures.read("alice") is None
    store.failures.write("Alice", FailureCount(1, _AT))
    store.failures.write("alice", FailureCount(2, _AT + timedelta(seconds=1)))
    store.close()
    again = open_store()
    assert again.failures.read("ALICE") == FailureCount(2, _AT + timedelta(seconds=1))
    assert again.failures.read("bob") is None


def test_a_success_forgets_them(open_store: Opener) -> None:
    store = open_store()
    store.failures.write("alice", FailureCount(3, _AT))
    store.failures.write("bob", FailureCount(1, _AT))
    store.failures.clear("ALICE")
    store.failures.clear("nobody")
    assert store.failures.read("alice") is None
    assert store.failures.read("bob") == FailureCount(1, _AT)


def test_any_text_can_be_claimed(open_store: Opener) -> None:
    store = open_store()
    for claim in ("", "\x00", "\ud800", "../x", "'; DROP TABLE failure; --"):
        store.failures.write(claim, FailureCount(1, _AT))
        assert store.failures.read(claim) == FailureCount(1, _AT)


def test_a_moment_comes_back_in_utc(open_store: Opener) -> None:
    store = open_store()
    local = _AT.astimezone(timezone(timedelta(hours=5)))
    store.failures.write("alice", FailureCount(1, local))
    read = store.failures.read("alice")
    assert read is not None
    assert read.at == _AT
    assert read.at.utcoffset() == timedelta(0)
