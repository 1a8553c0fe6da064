from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date

import pytest

from appliance.errors import InputError
from appliance.store.consent import LONGEST_TEXT, Consent
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.store.upkeep import HousePolicy
from appliance.types import Template

Opener = Callable[..., Store]
Maker = Callable[..., Template]

_FULL = Consent(date(2026, 1, 1), "Rumpelstiltskin", "the Weaving Room", date(2027, 1, 1))


def _all_bytes(location: StoreLocation) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(location.folder.iterdir()))


def test_consent_outlives_a_restart_and_a_new_template(
    open_store: Opener, make_template: Maker
) -> None:
    with open_store() as store:
        store.people.add("Alice", make_template(1))
        assert store.consent.read("alice") == Consent()
        store.consent.write("ALICE", _FULL)
        store.people.add("alice", make_template(2), replace=True)
    again = open_store()
    assert again.consent.read("alice") == _FULL
    again.consent.write("alice", Consent())
    assert again.consent.read("alice") == Consent()


def test_consent_goes_with_the_person_and_is_nowhere_in_the_files(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    store = open_store()
    store.people.add("alice", make_template())
    store.consent.write("alice", _FULL)
    assert b"Weaving Room" in _all_bytes(location)
    store.people.remove("alice")
    remains = _all_bytes(location)
    for trace in (b"Weaving Room", b"Rumpelstiltskin", b"alice", b"2027-01-01"):
        assert trace not in remains
    store.people.add("alice", make_template())
    assert store.consent.read("alice") == Consent()


def test_consent_that_was_changed_is_nowhere_in_the_files(
    open_store: Opener, make_template: Maker, location: StoreLocation
) -> None:
    store = open_store()
    store.people.add("alice", make_template())
    store.consent.write("alice", _FULL)
    store.consent.write("alice", Consent(purpose="another"))
    assert b"Weaving Room" not in _all_bytes(location)


def test_removal_leaves_a_random_id_and_nothing_else(
    open_store: Opener, make_template: Maker
) -> None:
    store = open_store()
    store.people.add("alice", make_template())
    with store.database.reading() as connection:
        (person,) = connection.execute("SELECT id FROM person").fetchone()
    store.people.remove("alice")
    store.people.add("alice", make_template())
    with store.database.reading() as connection:
        assert connection.execute("SELECT person FROM removed").fetchall() == [(person,)]
        (anew,) = connection.execute("SELECT id FROM person").fetchone()
    assert anew != person


def test_who_is_due(open_store: Opener, make_template: Maker) -> None:
    store = open_store()
    for name, last in (("carol", 2), ("alice", 1), ("bob", 3)):
        store.people.add(name, make_template())
        store.consent.write(name, Consent(retain_until=date(2027, 1, last)))
    store.people.add("dave", make_template())
    assert store.consent.due(date(2027, 1, 1)) == []
    due = [item.name for item in store.consent.due(date(2027, 1, 3))]
    assert due == ["alice", "carol"]


@pytest.mark.parametrize("text", ["", "   ", "two\nlines", "\x1b[2J", "x" * (LONGEST_TEXT + 1)])
def test_text_that_cannot_be_shown_is_refused(
    open_store: Opener, make_template: Maker, text: str
) -> None:
    store = open_store()
    store.people.add("alice", make_template())
    for consent in (Consent(given_by=text), Consent(purpose=text)):
        with pytest.raises(InputError) as caught:
            store.consent.write("alice", consent)
        assert caught.value.code == "bad_consent"
    assert store.consent.read("alice") == Consent()


def test_nobody_has_no_consent(open_store: Opener) -> None:
    store = open_store()
    for attempt in (
        lambda: store.consent.read("nobody"),
        lambda: store.consent.write("nobody", _FULL),
    ):
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.code == "unknown_person"


def test_upkeep_and_the_door_share_the_store(open_store: Opener, make_template: Maker) -> None:
    """One thread keeps house, two write records, one enrols and removes: all on one store."""
    store = open_store()
    store.people.add("alice", make_template())
    failed: list[BaseException] = []

    def repeat(work: Callable[[int], object]) -> threading.Thread:
        def run() -> None:
            try:
                for turn in range(15):
                    work(turn)
            except BaseException as error:  # noqa: BLE001 - told below
                failed.append(error)

        return threading.Thread(target=run)

    def come_and_go(turn: int) -> None:
        store.people.add(f"guest {turn}", make_template())
        store.people.remove(f"guest {turn}")

    threads = [
        repeat(lambda _: store.keep_house(HousePolicy(keep_days=1, checkpoint_hours=1e-9))),
        repeat(lambda turn: store.audit.append("attempt", f"one {turn}", {})),
        repeat(lambda turn: store.audit.append("attempt", f"two {turn}", {})),
        repeat(lambda _: store.audit.verify()),
        repeat(come_and_go),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert store.audit.first_bad() is None
    assert len(store.audit.tail(100)) == 30
    assert [item.name for item in store.people.summaries()] == ["alice"]
