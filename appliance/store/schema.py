"""The tables, as an ordered list of migrations. A published entry is never edited.

Migration n takes a database from version n to n + 1 (PRAGMA user_version).
"""

from __future__ import annotations

# "FAAP" in PRAGMA application_id: how our file differs from any other SQLite file.
APPLICATION_ID = 0x46414150

_FIRST = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    # Binds sealed templates and the audit chain to this very database.
    "INSERT INTO meta VALUES ('database_id', lower(hex(randomblob(16))))",
    """
    CREATE TABLE person (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        name_key TEXT NOT NULL UNIQUE,
        model TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        frames INTEGER NOT NULL,
        created TEXT NOT NULL,
        updated TEXT NOT NULL,
        sealed BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE failure (
        claim_key TEXT PRIMARY KEY,
        failures INTEGER NOT NULL,
        at TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        event TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL,
        digest TEXT NOT NULL
    ) STRICT
    """,
    # The newest record, kept apart: a log that lost its end shows.
    """
    CREATE TABLE audit_head (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        number INTEGER NOT NULL,
        digest TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TRIGGER audit_in_order BEFORE INSERT ON audit
    WHEN NEW.number IS NOT 1 + coalesce((SELECT number FROM audit_head), 0)
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows at its end'); END
    """,
    """
    CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'an audit record is never changed'); END
    """,
    """
    CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'an audit record is never deleted'); END
    """,
)

# What people claim with: user codes, cards, badges, PINs.
_CREDENTIALS: tuple[str, ...] = ()

# When a person may enter, and as what.
_PERMISSIONS: tuple[str, ...] = ()

# Signed checkpoints of the audit log, and where it begins after old records were dropped.
_CHECKPOINTS: tuple[str, ...] = ()

# Consent, retention, and who was removed (so that no backup brings them back).
_CONSENT: tuple[str, ...] = ()

# Failures are counted on the clock of one boot, which nobody can set.
_COUNTERS: tuple[str, ...] = ()

_SECOND = (*_CREDENTIALS, *_PERMISSIONS, *_CHECKPOINTS, *_CONSENT, *_COUNTERS)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND)
