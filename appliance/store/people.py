"""Who is enrolled (the port PeopleStore)."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from appliance.errors import InputError, StoreError
from appliance.ports import Clock
from appliance.store.canonical import canonical
from appliance.store.codec import decode_template, encode_template
from appliance.store.crypto import TemplateCipher
from appliance.store.database import Database
from appliance.store.keyring import Keyring
from appliance.store.moments import from_text, to_text
from appliance.store.names import check_name, name_key
from appliance.types import Person, PersonSummary, Template


class _Row(NamedTuple):
    """A person as stored. All of it but `sealed` is the context that the seal vouches for."""

    id: str
    name: str
    name_key: str
    model: str
    fingerprint: str
    frames: int
    created: str
    updated: str

    def context(self, database: str) -> bytes:
        """What a template is bound to: it opens in no other row, name or database."""
        return canonical({"database": database, **self._asdict()}).encode()


_COLUMNS = "id, name, name_key, model, fingerprint, frames, created, updated"
_ALL = f"SELECT {_COLUMNS} FROM person ORDER BY name_key"  # noqa: S608 - a constant
_SEALED = f"SELECT sealed, {_COLUMNS} FROM person ORDER BY name_key"  # noqa: S608 - a constant
_ONE = f"SELECT sealed, {_COLUMNS} FROM person WHERE name_key = ?"  # noqa: S608 - a constant
_KEEP = f"""
INSERT INTO person (sealed, {_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)
ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, name = excluded.name,
name_key = excluded.name_key, model = excluded.model, fingerprint = excluded.fingerprint,
frames = excluded.frames, created = excluded.created, updated = excluded.updated
"""  # noqa: S608 - a constant


class SqlitePeople:
    """Names in the clear, templates sealed. Names that differ in case are one person."""

    def __init__(self, database: Database, keyring: Keyring, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock

    def add(self, name: str, template: Template, *, replace: bool = False) -> Person:
        """Keep a template; what it replaces is erased, what else is known of the person stays.

        InputError `bad_name`, or `already_enrolled` when the name exists and `replace` is
        False; StoreError when it cannot be kept.
        """
        name, plain = check_name(name), encode_template(template)
        with self._database.transaction() as connection:
            earlier = self._find(connection, name)
            if earlier and not replace:
                raise _already_enrolled(earlier[1].name)
            row = self._row(name, template, earlier[1] if earlier else None)
            cipher = self._keyring.to_seal(connection)
            sealed = cipher.seal(plain, row.context(self._database.identity))
            # Never INSERT OR REPLACE: that deletes the row, and with it all that refers to it.
            connection.execute(_KEEP, (sealed, *row))
        if earlier:
            self._database.scrub_log()
        return Person(name, template, from_text(row.created), from_text(row.updated))

    def get(self, name: str) -> Person | None:
        """The person, or None. StoreError when the template cannot be opened."""
        with self._database.reading() as connection:
            found = self._find(connection, name)
            if found is None:
                return None
            cipher = self._keyring.to_open(connection)
        return self._opened(cipher, *found)

    def summaries(self) -> list[PersonSummary]:
        """Everybody, by name. Needs no key."""
        with self._database.reading() as connection:
            rows = [_Row(*row) for row in connection.execute(_ALL)]
        return [_summary(row) for row in rows]

    def everybody(self) -> Iterator[Person]:
        """Everybody who was enrolled at the first step, by name, templates opened."""
        with self._database.reading() as connection:
            found = [(bytes(sealed), _Row(*row)) for sealed, *row in connection.execute(_SEALED)]
            if not found:
                return
            cipher = self._keyring.to_open(connection)
        for sealed, row in found:
            yield self._opened(cipher, sealed, row)

    def remove(self, name: str) -> bool:
        """Erase, also from the log; False when there was nobody of that name. Needs no key.

        What refers to the person goes too. What stays is the random id that the row had, so
        that no backup brings it back.
        """
        now = to_text(self._clock.now())
        with self._database.transaction() as connection:
            if (found := self._find(connection, name)) is None:
                return False
            connection.execute("INSERT OR REPLACE INTO removed VALUES (?, ?)", (found[1].id, now))
            connection.execute("DELETE FROM person WHERE id = ?", (found[1].id,))
        self._database.scrub_log()
        return True

    def _find(self, connection: sqlite3.Connection, name: str) -> tuple[bytes, _Row] | None:
        row = connection.execute(_ONE, (name_key(name),)).fetchone()
        return (bytes(row[0]), _Row(*row[1:])) if row else None

    def _row(self, name: str, template: Template, earlier: _Row | None) -> _Row:
        now = to_text(self._clock.now())
        return _Row(
            id=earlier.id if earlier else secrets.token_hex(16),
            name=name,
            name_key=name_key(name),
            model=template.model,
            fingerprint=template.fingerprint,
            frames=template.count,
            created=earlier.created if earlier else now,
            updated=now,
        )

    def _opened(self, cipher: TemplateCipher, sealed: bytes, row: _Row) -> Person:
        try:
            plain = cipher.open(sealed, row.context(self._database.identity))
            template = decode_template(plain, model=row.model, fingerprint=row.fingerprint)
        except StoreError as error:
            raise StoreError(
                f"The face of {row.name!r} cannot be used. {error.message}",
                hint=error.hint,
                code=error.code,
            ) from error
        return Person(row.name, template, from_text(row.created), from_text(row.updated))


def _summary(row: _Row) -> PersonSummary:
    return PersonSummary(
        name=row.name,
        model=row.model,
        fingerprint=row.fingerprint,
        count=row.frames,
        created=from_text(row.created),
        updated=from_text(row.updated),
    )


def _already_enrolled(name: str) -> InputError:
    return InputError(
        f"{name!r} is already enrolled.",
        hint="Enrol again with --replace to put new pictures in place of the old ones.",
        code="already_enrolled",
    )
