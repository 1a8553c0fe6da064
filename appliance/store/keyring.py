"""The key that belongs to this database: fetched when first needed, checked, made once."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from appliance.errors import StoreError
from appliance.store.crypto import TemplateCipher, create_key, load_key
from appliance.store.faults import translated


class Keyring:
    """Lends the cipher of a database. Nothing is read before the first use."""

    def __init__(self, key_path: Path) -> None:
        self._path = key_path
        self._cipher: TemplateCipher | None = None

    def to_open(self, connection: sqlite3.Connection) -> TemplateCipher:
        """The cipher for what is stored. StoreError `missing_key`, `wrong_key`, `bad_key`."""
        # Compared each time: another process may have emptied the store and begun anew.
        if self._cipher is None or not _fits(self._cipher, connection):
            self._cipher = self._load()
        if not _fits(self._cipher, connection):
            raise self._wrong()
        return self._cipher

    def to_seal(self, connection: sqlite3.Connection) -> TemplateCipher:
        """The same, inside a write transaction.

        While nobody is enrolled any key will do, and a missing one is made.
        """
        if _holds_people(connection):
            return self.to_open(connection)
        self._cipher = self._load_or_create()
        connection.execute(
            "INSERT OR REPLACE INTO meta VALUES ('key_check', ?)", (self._cipher.check_value,)
        )
        return self._cipher

    def at_hand(self, connection: sqlite3.Connection) -> TemplateCipher | None:
        """The cipher of this database where this user can have it now; no reason to complain."""
        try:
            return self.to_open(connection)
        except StoreError:
            return None

    def _load_or_create(self) -> TemplateCipher:
        with translated(self._path):
            if not self._path.exists():
                with suppress(FileExistsError):
                    create_key(self._path)
            return self._load()

    def _load(self) -> TemplateCipher:
        with translated(self._path):
            try:
                return TemplateCipher(load_key(self._path))
            except FileNotFoundError:
                raise self._missing() from None

    def _missing(self) -> StoreError:
        return StoreError(
            f"The key file {self._path} is missing; the enrolled faces cannot be opened without.",
            hint="Put the key back from a backup. If it is lost, remove every person "
            "(`appliance people remove`) and enrol them again: a new key is made then.",
            code="missing_key",
        )

    def _wrong(self) -> StoreError:
        return StoreError(
            f"The key in {self._path} is not the one that the enrolled faces were sealed with.",
            hint="Put the right key there or let store.key name it. If it is lost, remove every "
            "person (`appliance people remove`) and enrol them again.",
            code="wrong_key",
        )


def _fits(cipher: TemplateCipher, connection: sqlite3.Connection) -> bool:
    row = connection.execute("SELECT value FROM meta WHERE key = 'key_check'").fetchone()
    return row is not None and cipher.has_check_value(str(row[0]))


def _holds_people(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM person LIMIT 1").fetchone() is not None
