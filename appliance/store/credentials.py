"""What people claim with (the port Credentials): codes, cards, badges and PINs.

A code, card or badge is kept as the HMAC-SHA256 of its text under a key of its kind, and found
by it. A PIN reaches this module as the output of argon2id (see `appliance.claims.pin`) and is
kept as the HMAC-SHA256 of that, bound to person and salt. All keys are derived from the template
key: a copy of the database alone confirms no guess. Everything here goes with the person.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Final

from appliance.errors import InputError
from appliance.ports import Clock
from appliance.store.database import Database
from appliance.store.faults import damaged
from appliance.store.keyring import Keyring
from appliance.store.moments import to_text
from appliance.store.names import name_key
from appliance.types import PinCost, PinSalt, PinVerdict, Subject

KINDS: Final = ("code", "card", "qr")
# Of which a person can have several.
_SEVERAL: Final = frozenset({"card"})
_TAG_BYTES: Final = 32
# What is compared where nobody is: as long as what it stands for.
_NOBODY: Final = ("", b"", bytes(_TAG_BYTES), bytes(_TAG_BYTES))
# Beyond this a check would take the door's memory away; nobody but a damaged file asks for it.
_MOST_MEMORY_KIB: Final = 256 * 1024
_MOST_PASSES: Final = 32


@dataclass(frozen=True)
class Held:
    """What somebody can claim with; nobody can see whether there is a duress PIN."""

    code: bool
    cards: int
    badge: bool
    pin: bool


class SqliteCredentials:
    """Secrets go in and never come out."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock

    def find(self, kind: str, secret: str) -> Subject | None:
        """Whom a secret belongs to. StoreError `missing_key`, `wrong_key`, `bad_key`."""
        with self._database.reading() as connection:
            if not _any(connection):
                return None
            digest = self._digest(connection, kind, secret)
            row = connection.execute(
                "SELECT person.name, pin.person IS NOT NULL FROM credential "
                "JOIN person ON person.id = credential.person "
                "LEFT JOIN pin ON pin.person = person.id "
                "WHERE credential.kind = ? AND credential.digest = ?",
                (kind, digest),
            ).fetchone()
        return Subject(str(row[0]), bool(row[1])) if row else None

    def add(self, name: str, kind: str, secret: str) -> bool:
        """Keep a secret; False when this person had it already.

        A new code or badge takes the place of the old one, a card comes besides.
        InputError `unknown_person`, or `taken` when it belongs to somebody else.
        """
        with self._database.transaction() as connection:
            person = _person(connection, name)
            digest = self._digest(connection, kind, secret)
            holder = connection.execute(
                "SELECT person FROM credential WHERE kind = ? AND digest = ?", (kind, digest)
            ).fetchone()
            if holder is not None:
                if holder[0] != person:
                    raise _taken()
                return False
            if kind not in _SEVERAL:
                _delete(connection, person, kind)
            connection.execute(
                "INSERT INTO credential VALUES (?, ?, ?, ?)",
                (kind, digest, person, to_text(self._clock.now())),
            )
        self._database.scrub_log()
        return True

    def remove(self, name: str, kind: str) -> int:
        """Erase what somebody has of a kind; how many there were. InputError `unknown_person`."""
        with self._database.transaction() as connection:
            gone = _delete(connection, _person(connection, name), kind)
        self._database.scrub_log()
        return gone

    def held(self, name: str) -> Held:
        """What somebody has. Needs no key. InputError `unknown_person`."""
        with self._database.reading() as connection:
            person = _person(connection, name)
            counts = dict(
                connection.execute(
                    "SELECT kind, count(*) FROM credential WHERE person = ? GROUP BY kind",
                    (person,),
                ).fetchall()
            )
            pin = connection.execute("SELECT 1 FROM pin WHERE person = ?", (person,)).fetchone()
        return Held("code" in counts, counts.get("card", 0), "qr" in counts, pin is not None)

    def everybody(self) -> dict[str, Held]:
        """What each person has, by name. Needs no key."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT name, sum(kind IS 'code'), sum(kind IS 'card'), sum(kind IS 'qr'), "
                "EXISTS (SELECT 1 FROM pin WHERE pin.person = person.id) "
                "FROM person LEFT JOIN credential ON credential.person = person.id "
                "GROUP BY person.id ORDER BY name_key"
            ).fetchall()
        return {
            str(name): Held(bool(codes), int(cards), bool(badges), bool(pin))
            for name, codes, cards, badges, pin in rows
        }

    def pin_salt(self, name: str) -> PinSalt | None:
        """What a PIN of this person is hashed with; None for a person without a PIN.

        StoreError `corrupt` for a cost that no version of the appliance asks for.
        """
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT salt, memory_kib, passes, lanes FROM pin "
                "JOIN person ON person.id = pin.person WHERE person.name_key = ?",
                (name_key(name),),
            ).fetchone()
        if row is None:
            return None
        cost = PinCost(*map(int, row[1:]))
        if not (0 < cost.memory_kib <= _MOST_MEMORY_KIB and 0 < cost.passes <= _MOST_PASSES):
            raise damaged(f"The PIN of {name!r} is damaged")
        return PinSalt(bytes(row[0]), cost)

    def judge_pin(self, name: str | None, digest: bytes) -> PinVerdict:
        """Compare a hashed PIN, in the same time for everybody and for nobody (None)."""
        with self._database.reading() as connection:
            person, salt, tag, duress = _NOBODY if name is None else _pin(connection, name)
            key = self._key(connection, "pin") if _any_person(connection) else b""
        right = hmac.compare_digest(_tag(key, "pin", person, salt, digest), tag)
        called = hmac.compare_digest(_tag(key, "duress", person, salt, digest), duress)
        # The duress PIN first: were both the same, the call for help must not be lost.
        return (PinVerdict.WRONG, PinVerdict.RIGHT, PinVerdict.DURESS)[max(right, 2 * called)]

    def keep_pin(self, name: str, salt: PinSalt, digest: bytes) -> None:
        """Set or change a PIN, hashed with `salt`; a duress PIN of the same salt stays.

        InputError `unknown_person`, or `same_pin` when it is the duress PIN.
        """
        with self._database.transaction() as connection:
            person = _person(connection, name)
            _, old_salt, _, duress = _pin(connection, name)
            if old_salt != salt.salt:
                # Random, so that nothing shows who has no duress PIN.
                duress = secrets.token_bytes(_TAG_BYTES)
            key = self._key(connection, "pin")
            if hmac.compare_digest(_tag(key, "duress", person, salt.salt, digest), duress):
                raise _same_pin()
            tag = _tag(key, "pin", person, salt.salt, digest)
            cost, now = salt.cost, to_text(self._clock.now())
            connection.execute(
                "INSERT OR REPLACE INTO pin VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (person, salt.salt, cost.memory_kib, cost.passes, cost.lanes, tag, duress, now),
            )
        self._database.scrub_log()

    def keep_duress_pin(self, name: str, digest: bytes | None) -> None:
        """Set or change the duress PIN, hashed with the salt of the PIN; None removes it.

        InputError `unknown_person`, `no_pin`, or `same_pin` when it is the PIN itself.
        """
        with self._database.transaction() as connection:
            person = _person(connection, name)
            _, salt, tag, _ = _pin(connection, name)
            if not salt:
                raise _no_pin(name)
            key = self._key(connection, "pin")
            duress = secrets.token_bytes(_TAG_BYTES)
            if digest is not None:
                if hmac.compare_digest(_tag(key, "pin", person, salt, digest), tag):
                    raise _same_pin()
                duress = _tag(key, "duress", person, salt, digest)
            connection.execute("UPDATE pin SET duress = ? WHERE person = ?", (duress, person))
        self._database.scrub_log()

    def remove_pin(self, name: str) -> bool:
        """Erase PIN and duress PIN; False when there was none. InputError `unknown_person`."""
        with self._database.transaction() as connection:
            person = _person(connection, name)
            gone = connection.execute("DELETE FROM pin WHERE person = ?", (person,)).rowcount
        self._database.scrub_log()
        return gone > 0

    def _digest(self, connection: sqlite3.Connection, kind: str, secret: str) -> bytes:
        text = secret.encode("utf-8", "backslashreplace")
        return hmac.new(self._key(connection, kind), text, hashlib.sha256).digest()

    def _key(self, connection: sqlite3.Connection, purpose: str) -> bytes:
        return self._keyring.to_open(connection).derive(f"appliance claims v1: {purpose}")


def _tag(key: bytes, purpose: str, person: str, salt: bytes, digest: bytes) -> bytes:
    context = f"{purpose}\n{person}\n{salt.hex()}\n".encode()
    return hmac.new(key, context + digest, hashlib.sha256).digest()


def _person(connection: sqlite3.Connection, name: str) -> str:
    row = connection.execute(
        "SELECT id FROM person WHERE name_key = ?", (name_key(name),)
    ).fetchone()
    if row is None:
        raise InputError(
            f"Nobody called {name!r} is enrolled.",
            hint="`appliance people list` shows who is; enrol first with `appliance enroll`.",
            code="unknown_person",
        )
    return str(row[0])


def _pin(connection: sqlite3.Connection, name: str) -> tuple[str, bytes, bytes, bytes]:
    """(person, salt, tag, duress tag), or what stands for nobody."""
    row = connection.execute(
        "SELECT pin.person, salt, tag, duress FROM pin "
        "JOIN person ON person.id = pin.person WHERE person.name_key = ?",
        (name_key(name),),
    ).fetchone()
    return (str(row[0]), bytes(row[1]), bytes(row[2]), bytes(row[3])) if row else _NOBODY


def _delete(connection: sqlite3.Connection, person: str, kind: str) -> int:
    return connection.execute(
        "DELETE FROM credential WHERE person = ? AND kind = ?", (person, kind)
    ).rowcount


def _any(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM credential LIMIT 1").fetchone() is not None


def _any_person(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM person LIMIT 1").fetchone() is not None


def _taken() -> InputError:
    return InputError(
        "This belongs to somebody else already.",
        hint="Take another one; who has it is not told.",
        code="taken",
    )


def _same_pin() -> InputError:
    return InputError(
        "The PIN and the duress PIN must not be the same.",
        hint="Take a duress PIN that nobody types by mistake.",
        code="same_pin",
    )


def _no_pin(name: str) -> InputError:
    return InputError(
        f"{name!r} has no PIN, so there is nothing for a duress PIN to stand beside.",
        hint=f"`appliance people pin {name}` sets one.",
        code="no_pin",
    )
