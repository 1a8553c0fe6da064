"""Codes, cards, badges and PINs in the database: found, judged, erased, and never readable."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from appliance.errors import InputError, StoreError
from appliance.store.credentials import Held
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import PinCost, PinSalt, PinVerdict, Subject, Template

Opener = Callable[..., Store]
Maker = Callable[..., Template]
SALT = PinSalt(b"s" * 16, PinCost(19_456, 3, 1))
OTHER_SALT = PinSalt(b"t" * 16, PinCost(19_456, 3, 1))
RIGHT, DURESS, WRONG = b"r" * 32, b"d" * 32, b"w" * 32


@pytest.fixture
def store(open_store: Opener, make_template: Maker) -> Store:
    opened = open_store()
    for seed, name in enumerate(("alice", "bob")):
        opened.people.add(name, make_template(seed))
    return opened


@pytest.mark.parametrize("kind", ["code", "card", "qr"])
def test_whoever_holds_a_secret_is_found_by_it(store: Store, kind: str) -> None:
    assert store.credentials.add("ALICE", kind, "4711") is True
    assert store.credentials.find(kind, "4711") == Subject("alice", has_pin=False)
    assert store.credentials.find(kind, "4712") is None
    others = {"code", "card", "qr"} - {kind}
    assert all(store.credentials.find(other, "4711") is None for other in others)


def test_an_empty_store_needs_no_key_to_know_nobody(
    open_store: Opener, location: StoreLocation
) -> None:
    assert open_store().credentials.find("code", "4711") is None
    assert open_store().credentials.judge_pin(None, WRONG) is PinVerdict.WRONG
    assert not location.key.exists()


def test_one_code_and_one_badge_but_several_cards(store: Store) -> None:
    for kind in ("code", "card", "qr"):
        store.credentials.add("alice", kind, "old")
        store.credentials.add("alice", kind, "new")
    found = {kind: store.credentials.find(kind, "old") for kind in ("code", "card", "qr")}
    assert found == {"code": None, "card": Subject("alice", has_pin=False), "qr": None}
    assert store.credentials.held("alice") == Held(code=True, cards=2, badge=True, pin=False)


def test_everybody_is_listed_with_what_they_have(store: Store) -> None:
    store.credentials.add("bob", "card", "1")
    store.credentials.add("bob", "card", "2")
    store.credentials.add("bob", "qr", "3")
    store.credentials.keep_pin("bob", SALT, RIGHT)
    assert store.credentials.everybody() == {
        "alice": Held(code=False, cards=0, badge=False, pin=False),
        "bob": Held(code=False, cards=2, badge=True, pin=True),
    }
    assert store.credentials.held("bob") == store.credentials.everybody()["bob"]


def test_nobody_takes_what_belongs_to_another(store: Store) -> None:
    store.credentials.add("alice", "card", "4711")
    assert store.credentials.add("alice", "card", "4711") is False
    with pytest.raises(InputError) as caught:
        store.credentials.add("bob", "card", "4711")
    assert caught.value.code == "taken"
    assert "alice" not in caught.value.message + caught.value.hint
    assert store.credentials.find("card", "4711") == Subject("alice", has_pin=False)


def test_what_is_removed_is_not_found(store: Store) -> None:
    store.credentials.add("alice", "card", "1")
    store.credentials.add("alice", "card", "2")
    store.credentials.add("bob", "card", "3")
    assert store.credentials.remove("Alice", "card") == 2
    assert store.credentials.remove("alice", "card") == 0
    assert [store.credentials.find("card", it) for it in "12"] == [None, None]
    assert store.credentials.find("card", "3") is not None


def test_strangers_have_nothing(store: Store) -> None:
    for act in (
        lambda: store.credentials.add("carol", "code", "1"),
        lambda: store.credentials.remove("carol", "code"),
        lambda: store.credentials.held("carol"),
        lambda: store.credentials.keep_pin("carol", SALT, RIGHT),
        lambda: store.credentials.keep_duress_pin("carol", DURESS),
        lambda: store.credentials.remove_pin("carol"),
    ):
        with pytest.raises(InputError) as caught:
            act()
        assert caught.value.code == "unknown_person"
    assert store.credentials.pin_salt("carol") is None
    assert store.credentials.judge_pin("carol", RIGHT) is PinVerdict.WRONG


def judged(store: Store, name: str | None = "alice") -> list[PinVerdict]:
    return [store.credentials.judge_pin(name, digest) for digest in (RIGHT, DURESS, WRONG)]


def test_a_pin_is_right_or_wrong_and_perhaps_a_call_for_help(store: Store) -> None:
    assert judged(store) == [PinVerdict.WRONG] * 3
    store.credentials.keep_pin("alice", SALT, RIGHT)
    assert judged(store) == [PinVerdict.RIGHT, PinVerdict.WRONG, PinVerdict.WRONG]
    store.credentials.keep_duress_pin("alice", DURESS)
    assert judged(store) == [PinVerdict.RIGHT, PinVerdict.DURESS, PinVerdict.WRONG]
    assert judged(store, "bob") == judged(store, None) == [PinVerdict.WRONG] * 3
    assert store.credentials.pin_salt("ALICE") == SALT
    store.credentials.add("alice", "code", "1")
    assert store.credentials.find("code", "1") == Subject("alice", has_pin=True)


def test_a_changed_pin_keeps_the_duress_pin_of_its_salt(store: Store) -> None:
    store.credentials.keep_pin("alice", SALT, RIGHT)
    store.credentials.keep_duress_pin("alice", DURESS)
    store.credentials.keep_pin("alice", SALT, WRONG)
    assert judged(store) == [PinVerdict.WRONG, PinVerdict.DURESS, PinVerdict.RIGHT]
    store.credentials.keep_pin("alice", OTHER_SALT, RIGHT)
    assert judged(store) == [PinVerdict.RIGHT, PinVerdict.WRONG, PinVerdict.WRONG]


def test_a_removed_duress_pin_or_pin_is_wrong_from_then_on(store: Store) -> None:
    store.credentials.keep_pin("alice", SALT, RIGHT)
    store.credentials.keep_duress_pin("alice", DURESS)
    store.credentials.keep_duress_pin("alice", None)
    assert judged(store) == [PinVerdict.RIGHT, PinVerdict.WRONG, PinVerdict.WRONG]
    assert store.credentials.remove_pin("alice") is True
    assert store.credentials.remove_pin("alice") is False
    assert judged(store) == [PinVerdict.WRONG] * 3
    assert store.credentials.pin_salt("alice") is None


def test_the_two_pins_must_differ(store: Store) -> None:
    store.credentials.keep_pin("alice", SALT, RIGHT)
    with pytest.raises(InputError, match="must not be the same"):
        store.credentials.keep_duress_pin("alice", RIGHT)
    store.credentials.keep_duress_pin("alice", DURESS)
    with pytest.raises(InputError, match="must not be the same"):
        store.credentials.keep_pin("alice", SALT, DURESS)
    assert judged(store)[:2] == [PinVerdict.RIGHT, PinVerdict.DURESS]


def test_a_duress_pin_needs_a_pin(store: Store) -> None:
    with pytest.raises(InputError) as caught:
        store.credentials.keep_duress_pin("bob", DURESS)
    assert caught.value.code == "no_pin"


def test_all_of_it_goes_with_the_person_and_stays_when_enrolled_anew(
    store: Store, make_template: Maker
) -> None:
    for kind in ("code", "card", "qr"):
        store.credentials.add("alice", kind, "4711")
    store.credentials.keep_pin("alice", SALT, RIGHT)
    store.people.add("Alice", make_template(7), replace=True)
    assert store.credentials.held("alice") == Held(code=True, cards=1, badge=True, pin=True)
    assert judged(store)[0] is PinVerdict.RIGHT
    store.people.remove("alice")
    assert store.credentials.find("card", "4711") is None
    with store.database.reading() as connection:
        left = connection.execute(
            "SELECT (SELECT count(*) FROM credential) + (SELECT count(*) FROM pin)"
        ).fetchone()[0]
    assert left == 0
    # Whoever comes under the same name afterwards inherits nothing.
    store.people.add("alice", make_template(8))
    assert store.credentials.held("alice") == Held(code=False, cards=0, badge=False, pin=False)


def test_neither_secret_nor_digest_can_be_read_from_the_file(
    store: Store, location: StoreLocation
) -> None:
    store.credentials.add("alice", "card", "SECRETCARD")
    store.credentials.keep_pin("alice", SALT, RIGHT)
    store.credentials.keep_duress_pin("alice", DURESS)
    store.close()
    content = b"".join(path.read_bytes() for path in location.folder.iterdir())
    assert b"SECRETCARD" not in content
    assert RIGHT not in content
    assert DURESS not in content


def test_what_was_removed_is_gone_from_the_file(store: Store, location: StoreLocation) -> None:
    store.credentials.add("alice", "card", "4711")
    store.credentials.keep_pin("alice", SALT, RIGHT)
    with store.database.reading() as connection:
        kept = connection.execute("SELECT digest FROM credential").fetchall()
        kept += connection.execute("SELECT tag FROM pin").fetchall()
    store.credentials.remove("alice", "card")
    store.credentials.remove_pin("alice")
    content = b"".join(path.read_bytes() for path in location.folder.iterdir())
    assert len(kept) == 2
    assert not [value for (value,) in kept if value in content]


def test_nothing_shows_who_has_a_duress_pin(store: Store) -> None:
    store.credentials.keep_pin("alice", SALT, RIGHT)
    store.credentials.keep_pin("bob", SALT, RIGHT)
    store.credentials.keep_duress_pin("alice", DURESS)
    with store.database.reading() as connection:
        tags = connection.execute("SELECT tag, duress FROM pin").fetchall()
    assert {len(value) for row in tags for value in row} == {32}
    # The same PIN of two people has two tags, and so has each person.
    assert len({value for row in tags for value in row}) == 4


def test_a_tag_moved_to_another_person_opens_nothing(
    store: Store, location: StoreLocation, open_store: Opener
) -> None:
    """Whoever can write the database cannot lend Alice his own PIN."""
    store.credentials.keep_pin("alice", SALT, WRONG)
    store.credentials.keep_pin("bob", SALT, RIGHT)
    store.close()
    with closing(sqlite3.connect(location.database)) as raw, raw:
        raw.execute("UPDATE pin SET tag = (SELECT max(tag) FROM pin)")
        raw.execute("UPDATE pin SET duress = tag")
    again = open_store()
    assert again.credentials.judge_pin("alice", RIGHT) is PinVerdict.WRONG


def test_a_tag_does_not_serve_as_the_other_kind(
    store: Store, location: StoreLocation, open_store: Opener
) -> None:
    store.credentials.keep_pin("alice", SALT, RIGHT)
    store.credentials.keep_duress_pin("alice", DURESS)
    store.close()
    with closing(sqlite3.connect(location.database)) as raw, raw:
        raw.execute("UPDATE pin SET duress = tag, tag = duress")
    assert judged(open_store()) == [PinVerdict.WRONG] * 3


def test_another_key_finds_nothing_and_says_so(
    store: Store, location: StoreLocation, open_store: Opener
) -> None:
    store.credentials.add("alice", "card", "4711")
    store.close()
    location.key.write_text("ab" * 32 + "\n")
    again = open_store()
    for act in (
        lambda: again.credentials.find("card", "4711"),
        lambda: again.credentials.judge_pin("alice", RIGHT),
    ):
        with pytest.raises(StoreError) as caught:
            act()
        assert caught.value.code == "wrong_key"


@pytest.mark.parametrize("column", ["memory_kib = 1 << 40", "passes = 1 << 40", "passes = 0"])
def test_a_damaged_cost_does_not_take_the_memory_away(
    store: Store, location: StoreLocation, open_store: Opener, column: str
) -> None:
    store.credentials.keep_pin("alice", SALT, RIGHT)
    store.close()
    with closing(sqlite3.connect(location.database)) as raw, raw:
        raw.execute(f"UPDATE pin SET {column}")  # noqa: S608 - written above
    with pytest.raises(StoreError) as caught:
        open_store().credentials.pin_salt("alice")
    assert caught.value.code == "corrupt"
