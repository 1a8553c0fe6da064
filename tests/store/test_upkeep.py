"""What the store does about itself from time to time: checkpoints, and what may not be kept."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from appliance.errors import StoreError
from appliance.store.audit_rows import BATCH
from appliance.store.consent import Consent
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.store.upkeep import HouseKept, HousePolicy
from appliance.store.wall_clock import next_look
from appliance.types import Template
from tests.fakes import FakeClock

Maker = Callable[..., Template]
_DAY = 86_400.0
_POLICY = HousePolicy(keep_days=30, checkpoint_hours=24)
_TRIGGERS = ("audit_in_order", "audit_no_update", "audit_no_delete")


class _Clock(FakeClock):
    """One that somebody sets, and that starts anew."""

    def set_to(self, now: datetime) -> None:
        self._now = now

    def believe(self, *, trusted: bool) -> None:
        self._trusted = trusted


@pytest.fixture
def clock() -> _Clock:
    return _Clock(now=datetime(2026, 3, 1, 12, tzinfo=timezone.utc))


@pytest.fixture
def store(location: StoreLocation, clock: _Clock, make_template: Maker) -> Iterator[Store]:
    """Alice and Bob are enrolled, and the clock has been looked at for two days."""
    with Store.open(location, clock) as opened:
        for seed, name in enumerate(("alice", "bob")):
            opened.people.add(name, make_template(seed))
        for _ in range(3):
            _ = opened.keep_house(_POLICY)
            clock.advance(_DAY)
        yield opened


def _log(store: Store, count: int) -> None:
    with store.together():
        for _ in range(count):
            store.audit.append("attempt", "alice", {})


def _kept(store: Store, policy: HousePolicy = _POLICY) -> HouseKept:
    done = store.keep_house(policy)
    assert done.troubles == ()
    assert store.audit.first_bad() is None
    return done


def _numbers(store: Store) -> list[int]:
    return [record.number for record in store.audit.tail(10_000)]


# Checkpoints


def test_a_checkpoint_is_made_when_it_is_due(store: Store, clock: _Clock) -> None:
    assert _kept(store).checkpoint is None  # nothing to sign yet
    _log(store, 3)
    first = _kept(store).checkpoint
    assert first is not None
    assert first.number == 3
    assert _kept(store).checkpoint is None
    clock.advance(_DAY - 1)
    _log(store, 1)
    assert _kept(store).checkpoint is None
    clock.advance(1)
    second = _kept(store).checkpoint
    assert second is not None
    assert (second.number, second.genuine) == (4, True)
    assert store.audit.verify().checkpoints == 2


def test_a_clock_that_was_set_back_does_not_stop_the_checkpoints(
    store: Store, clock: _Clock
) -> None:
    _log(store, 1)
    assert _kept(store).checkpoint
    clock.set_to(datetime(1970, 1, 1, tzinfo=timezone.utc))
    assert _kept(store).checkpoint


def test_a_key_that_is_missing_stops_the_checkpoint_and_nothing_else(
    store: Store, location: StoreLocation, clock: _Clock
) -> None:
    _log(store, 1)
    store.consent.write("bob", Consent(retain_until=clock.now().date() - timedelta(days=1)))
    location.key.unlink()
    with Store.open(location, clock) as again:
        done = again.keep_house(_POLICY)
        assert [error.code for error in done.troubles] == ["missing_key"]
        assert (done.checkpoint, done.expired) == (None, ("bob",))
        assert again.audit.first_bad() is None


# Records that are too old


def test_old_records_go_and_the_chain_stays_verifiable(store: Store, clock: _Clock) -> None:
    _log(store, 5)
    clock.advance(20 * _DAY)
    _kept(store)
    _log(store, 4)
    exported = store.audit.checkpoint(trail=True)
    clock.advance(10 * _DAY)
    assert _kept(store).dropped == 0  # just 30 days old
    clock.advance(1)
    assert _kept(store).dropped == 5
    found = store.audit.verify(exported)
    assert (found.first_bad, found.first, found.last, found.compared) == (None, 6, 10, 4)
    (last,) = store.audit.tail(1)
    assert (last.number, last.event) == (10, "audit_dropped")
    assert dict(last.detail) == {"records": 5, "keep_days": 30}
    assert _kept(store).dropped == 0


def test_a_log_of_nothing_but_old_records_becomes_empty_and_goes_on(
    store: Store, clock: _Clock
) -> None:
    _log(store, 2 * BATCH + 7)
    for _ in range(40):
        clock.advance(_DAY)
        store.keep_house(HousePolicy(keep_days=36_500, checkpoint_hours=24))
    assert _kept(store).dropped == 2 * BATCH + 7
    assert _numbers(store) == [2 * BATCH + 8]
    with store.database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM audit").fetchone() == (1,)
    assert store.audit.append("attempt", "alice", {}).number == 2 * BATCH + 9


def test_a_large_backlog_goes_bit_by_bit(store: Store, clock: _Clock) -> None:
    _log(store, 2 * BATCH + 7)
    clock.advance(40 * _DAY)
    cutoff = clock.now() - timedelta(days=30)
    dropped = [store.audit.drop_older(cutoff, most=1) for _ in range(4)]
    assert dropped == [BATCH, BATCH, 7, 0]
    assert store.audit.first_bad() is None


def test_dropped_records_are_nowhere_in_the_files(
    store: Store, clock: _Clock, location: StoreLocation
) -> None:
    store.audit.append("attempt", "Rumpelstiltskin", {})
    for _ in range(31):
        clock.advance(_DAY)
        store.keep_house(_POLICY)
    content = b"".join(path.read_bytes() for path in location.folder.iterdir())
    assert b"Rumpelstiltskin" not in content


def test_a_date_that_cannot_be_goes_with_the_next_that_can(store: Store, clock: _Clock) -> None:
    right = clock.now()
    clock.set_to(datetime(1970, 1, 2, tzinfo=timezone.utc))
    _log(store, 2)
    clock.set_to(datetime(2120, 1, 2, tzinfo=timezone.utc))
    _log(store, 1)
    clock.set_to(right)
    _log(store, 3)
    clock.set_to(datetime(1970, 1, 2, tzinfo=timezone.utc))
    _log(store, 1)
    clock.set_to(right + timedelta(days=29))
    assert store.audit.drop_older(clock.now() - timedelta(days=30)) == 0
    clock.set_to(right + timedelta(days=31))
    assert store.audit.drop_older(clock.now() - timedelta(days=30)) == 6
    assert _numbers(store) == [7]  # nobody knows how old it is, so it waits for the next
    assert store.audit.first_bad() is None


def _raw(location: StoreLocation, *statements: str) -> None:
    with closing(sqlite3.connect(location.database)) as raw, raw:
        for trigger in _TRIGGERS:
            raw.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            raw.execute(statement)


def test_broken_records_are_evidence_and_stay(
    store: Store, clock: _Clock, location: StoreLocation
) -> None:
    _log(store, 5)
    _raw(location, "UPDATE audit SET subject = 'x' WHERE number = 3")
    clock.advance(31 * _DAY)
    with pytest.raises(StoreError) as caught:
        store.audit.drop_older(clock.now() - timedelta(days=30))
    assert caught.value.code == "audit_broken"
    assert len(_numbers(store)) == 5
    assert store.audit.first_bad() == 3


def test_records_that_somebody_else_dropped_are_missed(
    store: Store, location: StoreLocation
) -> None:
    """The forger has a statement of the other kind, signed by the true key, but not the key."""
    _log(store, 5)
    signed = store.audit.checkpoint()
    _log(store, 5)
    _raw(
        location,
        "INSERT INTO audit_begin SELECT 1, number, digest, at, signer, signature "
        "FROM audit_checkpoint",
        "DELETE FROM audit WHERE number <= 5",
        "DELETE FROM audit_checkpoint",
    )
    found = store.audit.verify()
    assert found.first_bad == 1
    assert "dropped because of their age" in found.why
    assert signed.genuine
    with pytest.raises(StoreError):
        store.audit.drop_older(datetime(2027, 1, 1, tzinfo=timezone.utc))


def test_where_the_log_begins_under_another_key_is_told_until_somebody_vouches_for_it(
    store: Store, clock: _Clock, location: StoreLocation, make_template: Maker
) -> None:
    _log(store, 5)
    clock.advance(31 * _DAY)
    _log(store, 1)
    assert store.audit.drop_older(clock.now() - timedelta(days=30)) == 5
    store.people.remove("alice")
    store.people.remove("bob")
    location.key.unlink()
    store.people.add("carol", make_template())  # which makes a new key
    found = store.audit.verify()
    assert found.first_bad == 1
    assert "--adopt" in found.why
    assert store.audit.adopt_beginning()
    assert store.audit.adopt_beginning() is None
    assert store.audit.first_bad() is None
    assert [record.event for record in store.audit.tail(1)] == ["audit_begin_adopted"]


def test_the_database_refuses_to_drop_what_is_not_signed_away(
    store: Store, clock: _Clock, location: StoreLocation
) -> None:
    _log(store, 5)
    clock.advance(31 * _DAY)
    _log(store, 1)
    assert store.audit.drop_older(clock.now() - timedelta(days=30)) == 5
    with (
        closing(sqlite3.connect(location.database)) as raw,
        pytest.raises(sqlite3.IntegrityError, match="before its time"),
    ):
        raw.execute("DELETE FROM audit WHERE number = 6")


# People whose time has passed


def test_people_go_when_their_time_has_passed(store: Store, clock: _Clock) -> None:
    today = clock.now().date()
    store.consent.write("alice", Consent(retain_until=today))
    assert _kept(store).expired == ()
    clock.advance(_DAY)
    assert store.consent.due(clock.now().date())[0].name == "alice"
    assert _kept(store).expired == ("alice",)
    assert [item.name for item in store.people.summaries()] == ["bob"]
    (record,) = store.audit.tail(1)
    assert (record.event, record.subject) == ("expired", "alice")
    assert dict(record.detail) == {"by": "appliance", "retain_until": today.isoformat()}


@pytest.mark.parametrize("text", ["2020-0x-01", "", "zzz"])
def test_a_last_day_that_cannot_be_read_is_told_and_keeps_nobody_else(
    store: Store, clock: _Clock, location: StoreLocation, text: str
) -> None:
    yesterday = clock.now().date() - timedelta(days=1)
    for name in ("alice", "bob"):
        store.consent.write(name, Consent(retain_until=yesterday))
    with closing(sqlite3.connect(location.database)) as raw, raw:
        raw.execute(
            "UPDATE consent SET retain_until = ? "
            "WHERE person = (SELECT id FROM person WHERE name = 'alice')",
            (text,),
        )
    done = store.keep_house(_POLICY)
    assert done.expired == ("bob",)
    (trouble,) = done.troubles
    assert trouble.code == "corrupt"
    assert "alice" in trouble.message
    assert repr(text) in trouble.message
    assert "bob" not in trouble.message
    assert [item.name for item in store.people.summaries()] == ["alice"]
    store.people.remove("alice")  # as the hint says
    assert _kept(store).expired == ()


# A clock that jumps erases nothing


def _tempted(store: Store, clock: _Clock) -> None:
    """Something that a clock of 2031 would erase."""
    _log(store, 3)
    store.consent.write("alice", Consent(retain_until=date(2030, 1, 1)))
    _kept(store)


@pytest.mark.parametrize("years", [5, -50])
def test_a_clock_that_jumps_by_years_erases_nothing_for_a_day(
    store: Store, clock: _Clock, years: int
) -> None:
    _tempted(store, clock)
    clock.set_to(clock.now().replace(year=clock.now().year + years))
    for _ in range(23):
        done = store.keep_house(_POLICY)
        assert (done.dropped, done.expired) == (0, ())
        assert "less than a day" in done.waiting
        clock.advance(3600)
    clock.advance(-years and 3600)
    done = store.keep_house(_POLICY)
    assert done.waiting == ""
    assert bool(done.dropped or done.expired) is (years > 0)


def test_a_jump_that_is_mended_in_time_does_no_harm(store: Store, clock: _Clock) -> None:
    _tempted(store, clock)
    right = clock.now()
    clock.set_to(right.replace(year=2031))
    store.keep_house(_POLICY)
    clock.set_to(right)
    for _ in range(30):
        clock.advance(3600)
        done = store.keep_house(_POLICY)
        assert (done.dropped, done.expired) == (0, ())
    assert done.waiting == ""


def test_a_clock_that_nobody_vouches_for_erases_nothing(store: Store, clock: _Clock) -> None:
    _tempted(store, clock)
    clock.believe(trusted=False)
    for _ in range(60):
        clock.advance(_DAY)
        done = store.keep_house(_POLICY)
        assert (done.dropped, done.expired) == (0, ())
        assert "time server" in done.waiting


def test_a_restart_does_not_make_a_clock_suspect_but_a_leap_over_it_does() -> None:
    start = datetime(2026, 3, 1, tzinfo=timezone.utc)
    first = next_look(None, start, "a", 0.0)
    assert not first.steady
    same = next_look(first, start + timedelta(days=1), "a", _DAY)
    assert same.steady
    assert not next_look(same, same.at + timedelta(hours=2), "a", _DAY + 60).steady
    assert next_look(same, same.at + timedelta(minutes=59), "a", _DAY).steady
    assert not next_look(same, same.at - timedelta(minutes=61), "a", _DAY).steady
    assert next_look(same, same.at + timedelta(days=44), "b", 5.0).steady
    assert not next_look(same, same.at + timedelta(days=46), "b", 5.0).steady
    assert not next_look(same, same.at - timedelta(hours=2), "b", 5.0).steady


def test_the_state_of_the_clock_outlives_a_restart(
    store: Store, clock: _Clock, location: StoreLocation
) -> None:
    store.close()
    clock.restart("second boot")
    clock.advance(3600)
    with Store.open(location, clock) as again:
        assert again.keep_house(_POLICY).waiting == ""


def test_a_full_disk_is_told_and_harms_nothing(store: Store, clock: _Clock) -> None:
    _log(store, 1)
    store.consent.write("alice", Consent(retain_until=date(2026, 1, 1)))
    with store.database.reading() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    def log_for_ever() -> None:
        for _ in itertools.count():
            _log(store, 1)

    with pytest.raises(StoreError) as caught:
        log_for_ever()
    assert caught.value.code == "disk_full"
    done = store.keep_house(_POLICY)
    assert {error.code for error in done.troubles} <= {"disk_full"}
    assert store.audit.first_bad() is None
    with store.database.reading() as connection:
        connection.execute("PRAGMA max_page_count = 100000")
    clock.advance(3600)
    _kept(store)
    assert [item.name for item in store.people.summaries()] == ["bob"]


def test_a_store_opened_for_reading_tells_and_changes_nothing(
    store: Store, location: StoreLocation, clock: _Clock, tmp_path: Path
) -> None:
    _log(store, 1)
    store.close()
    before = location.database.read_bytes()
    with Store.open(location, clock, create=False) as reader:
        done = reader.keep_house(_POLICY)
    assert {error.code for error in done.troubles} == {"read_only"}
    assert location.database.read_bytes() == before
