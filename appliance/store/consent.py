"""What a person agreed to, and until when the template may be kept."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import date

from appliance.errors import InputError, StoreError
from appliance.store.database import Database
from appliance.store.faults import damaged
from appliance.store.names import name_key

_COLUMNS = "given, given_by, purpose, retain_until"
LONGEST_TEXT = 500


@dataclass(frozen=True)
class Consent:
    """None: not written down.

    given: when; given_by: by whom, where the person did not do it alone, and on what; purpose:
    what for. retain_until: the last day on which the template may be kept (UTC).
    """

    given: date | None = None
    given_by: str | None = None
    purpose: str | None = None
    retain_until: date | None = None


@dataclass(frozen=True)
class Due:
    """Somebody whose time has passed."""

    name: str
    retain_until: date


class SqliteConsent:
    """One row per person; it goes when the person goes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, name: str) -> Consent:
        """What is written down. InputError `unknown_person`."""
        with self._database.reading() as connection:
            person = _person(connection, name)
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM consent WHERE person = ?",  # noqa: S608 - a constant
                (person,),
            ).fetchone()
        if row is None:
            return Consent()
        given, given_by, purpose, retain_until = row
        return Consent(_day(given), given_by, purpose, _day(retain_until))

    def write(self, name: str, consent: Consent) -> None:
        """Durable before it returns; what it replaces is erased.

        InputError `unknown_person` or `bad_consent`; StoreError when it cannot be kept.
        """
        for text in (consent.given_by, consent.purpose):
            if text is not None:
                _check_text(text)
        row = (
            consent.given and consent.given.isoformat(),
            consent.given_by,
            consent.purpose,
            consent.retain_until and consent.retain_until.isoformat(),
        )
        with self._database.transaction() as connection:
            person = _person(connection, name)
            connection.execute("INSERT OR REPLACE INTO consent VALUES (?,?,?,?,?)", (person, *row))
        self._database.scrub_log()

    def due(self, today: date) -> list[Due]:
        """Everybody who may not be kept any more, by name; see `check_last_days` for the others."""
        last_days = [(name, _parsed(text)) for name, text in self._last_days()]
        return [Due(name, last) for name, last in last_days if last is not None and last < today]

    def check_last_days(self) -> None:
        """StoreError for a last day that cannot be read: it would never come."""
        for name, text in self._last_days():
            if _parsed(text) is None:
                raise StoreError(
                    f"Until when {name!r} may be kept cannot be read: the database holds {text!r}.",
                    hint=f"Remove {name!r} (`appliance people remove`) and enrol anew.",
                    code="corrupt",
                )

    def _last_days(self) -> list[tuple[str, str]]:
        with self._database.reading() as connection:
            return connection.execute(
                "SELECT name, retain_until FROM consent JOIN person ON person.id = consent.person "
                "WHERE retain_until IS NOT NULL ORDER BY name_key"
            ).fetchall()


def _person(connection: sqlite3.Connection, name: str) -> str:
    row = connection.execute(
        "SELECT id FROM person WHERE name_key = ?", (name_key(name),)
    ).fetchone()
    if row is None:
        raise InputError(
            f"Nobody called {name!r} is enrolled.",
            hint="`appliance people list` shows who is.",
            code="unknown_person",
        )
    return str(row[0])


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    if (day := _parsed(text)) is None:
        raise damaged(f"The database holds {text!r} where a date is expected")
    return day


def _parsed(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _check_text(text: str) -> None:
    if not text.strip() or len(text) > LONGEST_TEXT or not text.isprintable():
        raise InputError(
            "This cannot be written down with a consent: it is empty, too long or holds "
            "characters that do not show.",
            hint=f"Give one line of at most {LONGEST_TEXT} characters.",
            code="bad_consent",
        )
