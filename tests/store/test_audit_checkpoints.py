"""What signed checkpoints show that the chain alone cannot."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from appliance.errors import InputError, StoreError
from appliance.ports import Clock
from appliance.store.audit_rows import BATCH
from appliance.store.chain import Link, Row
from appliance.store.checkpoints import BEGIN, CHECKPOINT, Checkpoint, Signer, parse
from appliance.store.crypto import TemplateCipher
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import Template

Opener = Callable[..., Store]
Maker = Callable[..., Template]
_TRIGGERS = ("audit_in_order", "audit_no_update", "audit_no_delete")


@pytest.fixture
def store(open_store: Opener, make_template: Maker) -> Store:
    """Alice is enrolled; twelve records."""
    opened = open_store()
    opened.people.add("alice", make_template())
    _log(opened, 12)
    return opened


def _log(store: Store, count: int) -> None:
    with store.together():  # one wait for the disk
        for _ in range(count):
            store.audit.append("attempt", "alice", {"similarity": 0.5})


def _raw(location: StoreLocation, *statements: str) -> None:
    with closing(sqlite3.connect(location.database)) as raw, raw:
        for trigger in _TRIGGERS:
            raw.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            raw.execute(statement)


def _rewrite(location: StoreLocation, number: int, subject: str) -> None:
    """A careful forger: changes one record, and every digest after it, and the head."""
    with closing(sqlite3.connect(location.database)) as raw, raw:
        for trigger in _TRIGGERS:
            raw.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        rows = [Row(*row) for row in raw.execute("SELECT * FROM audit ORDER BY number")]
        previous = next(row.digest for row in rows if row.number == number - 1)
        for row in rows[number - rows[0].number :]:
            changed = row._replace(subject=subject if row.number == number else row.subject)
            previous = changed.digest_after(previous)
            raw.execute(
                "UPDATE audit SET subject = ?, digest = ? WHERE number = ?",
                (changed.subject, previous, row.number),
            )
        raw.execute("UPDATE audit_head SET digest = ?", (previous,))


def _cut(location: StoreLocation, last: int) -> None:
    """A careful forger: the log ends earlier, and its head says so."""
    _raw(
        location,
        f"DELETE FROM audit WHERE number > {last}",  # noqa: S608 - a number
        "UPDATE audit_head SET (number, digest) = "
        "(SELECT number, digest FROM audit ORDER BY number DESC LIMIT 1)",
    )


def _exported(store: Store) -> Checkpoint:
    text = store.audit.checkpoint(trail=True).text()
    return parse(text.encode(), "file")


# Whole logs


def test_a_log_agrees_with_its_checkpoints_while_it_grows(store: Store, open_store: Opener) -> None:
    first = _exported(store)
    _log(store, 5)
    store.audit.checkpoint()
    _log(store, 1)
    store.close()
    found = open_store(create=False).audit.verify(first)
    assert (found.first_bad, found.why) == (None, "")
    assert (found.first, found.last, found.checkpoints, found.compared) == (1, 18, 2, 12)
    assert found.signer_known


def test_an_empty_log_can_be_signed_and_grows_from_there(open_store: Opener) -> None:
    store = open_store()
    signed = _exported(store)
    assert (signed.number, signed.digest) == (0, store.audit.origin)
    _log(store, 2)
    assert store.audit.verify(signed).first_bad is None


def test_a_log_longer_than_one_batch_is_checked_whole(
    store: Store, location: StoreLocation
) -> None:
    _log(store, 2 * BATCH + 3 - 12)
    signed = _exported(store)
    assert store.audit.verify(signed).first_bad is None
    _rewrite(location, BATCH + 1, "mallory")
    assert store.audit.verify().first_bad == 1  # the checkpoint in the database has no trail
    assert store.audit.verify(signed).first_bad == 1
    with closing(sqlite3.connect(location.database)) as raw, raw:
        raw.execute("DELETE FROM audit_checkpoint")
    assert store.audit.verify().first_bad is None
    assert store.audit.verify(signed).first_bad == BATCH + 1


# Forged logs, against an exported checkpoint. The forger also drops those in the database.


@pytest.mark.parametrize("number", [2, 7, 12])
def test_a_log_written_anew_names_the_record_where_it_parts(
    store: Store, location: StoreLocation, number: int
) -> None:
    signed = _exported(store)
    _log(store, 3)
    _rewrite(location, number, "mallory")
    _raw(location, "DELETE FROM audit_checkpoint")
    assert store.audit.first_bad() is None
    found = store.audit.verify(signed)
    assert found.first_bad == number
    assert str(number) in found.why


@pytest.mark.parametrize("last", [1, 6, 11])
def test_a_log_that_was_cut_off_names_the_first_missing_record(
    store: Store, location: StoreLocation, last: int
) -> None:
    signed = _exported(store)
    _cut(location, last)
    _raw(location, "DELETE FROM audit_checkpoint")
    assert store.audit.first_bad() is None
    found = store.audit.verify(signed)
    assert found.first_bad == last + 1
    assert f"missing from {last + 1}" in found.why


def test_a_log_that_was_cut_off_and_grew_again_names_the_first_new_record(
    store: Store, location: StoreLocation
) -> None:
    signed = _exported(store)
    _cut(location, 6)
    _raw(location, "DELETE FROM audit_checkpoint")
    _log(store, 10)
    assert store.audit.first_bad() is None
    assert store.audit.verify(signed).first_bad == 7


def test_cut_off_and_written_anew_names_the_earlier_of_both(
    store: Store, location: StoreLocation
) -> None:
    signed = _exported(store)
    _rewrite(location, 4, "mallory")
    _cut(location, 8)
    _raw(location, "DELETE FROM audit_checkpoint")
    assert store.audit.verify(signed).first_bad == 4


def test_a_careless_break_does_not_hide_an_earlier_careful_one(
    store: Store, location: StoreLocation
) -> None:
    signed = _exported(store)
    _rewrite(location, 3, "mallory")
    _raw(location, "UPDATE audit SET subject = 'x' WHERE number = 9")
    assert store.audit.verify(signed).first_bad == 1  # not even the database's own agrees
    _raw(location, "DELETE FROM audit_checkpoint")
    assert store.audit.first_bad() == 9
    assert store.audit.verify(signed).first_bad == 3


def test_without_its_trail_a_checkpoint_still_shows_it(
    store: Store, location: StoreLocation
) -> None:
    signed = store.audit.checkpoint()
    _rewrite(location, 7, "mallory")
    found = store.audit.verify(signed)
    assert (found.first_bad, found.why) == (
        1,
        "The log was written anew somewhere from record 1 to 12.",
    )


# Forged logs, against the checkpoints in the database: the forger has not the key.


def test_the_databases_own_checkpoints_narrow_it_down(
    store: Store, location: StoreLocation
) -> None:
    store.audit.checkpoint()
    _log(store, 4)
    store.audit.checkpoint()
    _rewrite(location, 14, "mallory")
    found = store.audit.verify()
    assert (found.first_bad, found.checkpoints) == (13, 1)
    assert "from record 13 to 16" in found.why
    _cut(location, 12)
    assert store.audit.verify().first_bad == 13


def test_a_checkpoint_signed_by_another_key_proves_nothing(
    store: Store, location: StoreLocation
) -> None:
    store.audit.checkpoint()
    identity = store.database.identity
    other = Signer(TemplateCipher(bytes(32)))
    _rewrite(location, 12, "mallory")
    (head,) = store.audit.tail(1)
    forged = other.sign(CHECKPOINT, identity, Link(12, head.digest), head.at.isoformat())
    with store.database.transaction() as connection:
        connection.execute(
            "UPDATE audit_checkpoint SET digest = ?, at = ?, signer = ?, signature = ?",
            (forged.digest, forged.at, forged.signer, forged.signature),
        )
    found = store.audit.verify()
    assert found.checkpoints == 0  # whoever removes a checkpoint can only remove its word
    with pytest.raises(InputError) as caught:
        store.audit.verify(forged)
    assert caught.value.code == "another_signer"
    assert store.audit.verify(forged, signer=other.public).first_bad is None


@pytest.mark.parametrize("column", ["digest", "at", "signature"])
def test_a_checkpoint_that_was_changed_is_told(
    store: Store, location: StoreLocation, column: str
) -> None:
    store.audit.checkpoint()
    # Its last figure becomes another one, whatever it was.
    other = f"CASE substr({column}, -1) WHEN '0' THEN '1' ELSE '0' END"
    changed = f"substr({column}, 1, length({column}) - 1) || {other}"
    _raw(location, f"UPDATE audit_checkpoint SET {column} = {changed}")  # noqa: S608
    found = store.audit.verify()
    assert found.first_bad == 1
    assert "changed after it was signed" in found.why


def test_a_broken_log_is_not_signed(store: Store, location: StoreLocation) -> None:
    store.audit.checkpoint()
    _log(store, 3)
    _raw(location, "UPDATE audit SET subject = 'x' WHERE number = 14")
    with pytest.raises(StoreError) as caught:
        store.audit.checkpoint()
    assert caught.value.code == "audit_broken"
    assert "14" in caught.value.message
    last = store.audit.last_checkpoint()
    assert last is not None
    assert last.number == 12


# Keys


def test_without_the_key_a_checkpoint_is_checked_but_not_whose_it_is(
    store: Store, location: StoreLocation, open_store: Opener
) -> None:
    signed = _exported(store)
    store.close()
    location.key.rename(location.key.with_name("elsewhere"))
    again = open_store(create=False)
    found = again.audit.verify(signed)
    assert (found.first_bad, found.signer_known) == (None, False)
    found = again.audit.verify(signed, signer=signed.signer)
    assert found.first_bad is None
    with pytest.raises(InputError):
        again.audit.verify(signed, signer="00" * 32)


def test_the_checkpoint_of_another_appliance_is_refused(
    store: Store, open_store: Opener, location: StoreLocation
) -> None:
    other = open_store(StoreLocation(location.folder / "other.db", location.key))
    with pytest.raises(InputError) as caught:
        store.audit.verify(_exported(other))
    assert caught.value.code == "another_appliance"


# Exported files


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("number", 13),
        ("digest", "ab" * 32),
        ("at", "2020-01-01T00:00:00+00:00"),
        ("database", "ab" * 16),
        ("trail", ""),
        ("signer", "00" * 32),
        ("signature", "00" * 64),
    ],
)
def test_an_exported_checkpoint_that_was_changed_is_refused(
    store: Store, key: str, value: object
) -> None:
    fields = json.loads(store.audit.checkpoint(trail=True).text())
    assert fields[key] != value
    with pytest.raises(InputError) as caught:
        parse(json.dumps(fields | {key: value}).encode(), "file")
    assert caught.value.message == "The checkpoint file was changed after it was signed."


@pytest.mark.parametrize(
    "change",
    [
        {"number": -1},
        {"number": True},
        {"number": "12"},
        {"number": 1},  # more trail than records
        {"digest": "AB" * 32},
        {"digest": "ab" * 31},
        {"signer": "é" * 64},
        {"at": "yesterday"},
        {"kind": BEGIN},
        {"trail": "AAA"},
        {"trail": "AAAA"},
        {"trail": 7},
        {"format": "appliance audit v2"},
        {"more": 1},
    ],
)
def test_what_is_no_checkpoint_is_refused(store: Store, change: dict[str, object]) -> None:
    fields = json.loads(store.audit.checkpoint(trail=True).text())
    with pytest.raises(InputError) as caught:
        parse(json.dumps(fields | change).encode(), "file")
    assert caught.value.code == "bad_checkpoint"
    assert caught.value.message == "file is no checkpoint of an audit log."


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"number": NaN}', b"1" * 9999]
)
def test_rubbish_is_no_checkpoint(text: bytes) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, "file")
    assert caught.value.code == "bad_checkpoint"


def test_a_statement_of_one_kind_is_none_of_the_other(store: Store) -> None:
    signed = store.audit.checkpoint()
    assert signed.genuine
    assert not replace(signed, kind=BEGIN).genuine


def test_the_signature_can_be_checked_with_the_documented_rule(store: Store) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    fields = json.loads(store.audit.checkpoint(trail=True).text())
    signature, signer = bytes.fromhex(fields.pop("signature")), bytes.fromhex(fields["signer"])
    body = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    Ed25519PublicKey.from_public_bytes(signer).verify(signature, body)


def test_signing_does_not_keep_the_door_waiting(store: Store, clock: Clock) -> None:
    """Between two batches of a check another writer gets its turn."""
    _log(store, BATCH)
    seen: list[int] = []
    reading = store.database.reading

    def spied() -> object:
        assert not store.database._writing
        seen.append(store.audit.append("meanwhile", "door", {}).number)
        return reading()

    store.audit._rows.database.reading = spied  # type: ignore[method-assign,assignment]
    signed = store.audit.checkpoint()
    store.audit._rows.database.reading = reading  # type: ignore[method-assign]
    assert len(seen) >= 3
    assert signed.number == seen[-1]
    assert store.audit.verify(signed).first_bad is None
