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
_CREDENTIALS: tuple[str, ...] = (
    # digest: HMAC-SHA256 under a key drawn from the template key; the secret itself is not kept.
    """
    CREATE TABLE credential (
        kind TEXT NOT NULL CHECK (kind IN ('code', 'card', 'qr')),
        digest BLOB NOT NULL,
        person TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE,
        created TEXT NOT NULL,
        PRIMARY KEY (kind, digest)
    ) STRICT
    """,
    "CREATE INDEX credential_of ON credential (person)",
    # Whoever has no duress PIN has a random tag in its place: a reader cannot tell who has one.
    """
    CREATE TABLE pin (
        person TEXT PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE,
        salt BLOB NOT NULL,
        memory_kib INTEGER NOT NULL,
        passes INTEGER NOT NULL,
        lanes INTEGER NOT NULL,
        tag BLOB NOT NULL,
        duress BLOB NOT NULL,
        updated TEXT NOT NULL
    ) STRICT
    """,
)

# When a person may enter, and as what.
_PERMISSIONS: tuple[str, ...] = (
    # Who has no row may enter at any time. windows: one a line, as people write them.
    # not_before, expires: ISO 8601 on the wall clock of the door, without a zone.
    """
    CREATE TABLE permission (
        person TEXT PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE,
        windows TEXT NOT NULL,
        not_before TEXT,
        expires TEXT,
        keeper INTEGER NOT NULL CHECK (keeper IN (0, 1))
    ) STRICT
    """,
)

# Signed checkpoints of the audit log, and where it begins after old records were dropped.
_CHECKPOINTS: tuple[str, ...] = (
    """
    CREATE TABLE audit_checkpoint (
        number INTEGER PRIMARY KEY,
        digest TEXT NOT NULL,
        at TEXT NOT NULL,
        signer TEXT NOT NULL,
        signature TEXT NOT NULL
    ) STRICT
    """,
    # The last record that was dropped because of its age: the chain goes on from its digest.
    """
    CREATE TABLE audit_begin (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        number INTEGER NOT NULL,
        digest TEXT NOT NULL,
        at TEXT NOT NULL,
        signer TEXT NOT NULL,
        signature TEXT NOT NULL
    ) STRICT
    """,
    "DROP TRIGGER audit_no_delete",
    """
    CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    WHEN OLD.number > coalesce((SELECT number FROM audit_begin), 0)
    BEGIN SELECT RAISE(ABORT, 'an audit record is never deleted before its time'); END
    """,
)

# Consent, retention, and who was removed (so that no backup brings them back).
_CONSENT: tuple[str, ...] = (
    # given, retain_until: ISO 8601 dates.
    """
    CREATE TABLE consent (
        person TEXT PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE,
        given TEXT,
        given_by TEXT,
        purpose TEXT,
        retain_until TEXT
    ) STRICT
    """,
    # Random ids of people who were removed: they say nothing of anybody, but a backup is asked.
    "CREATE TABLE removed (person TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT",
    # When the wall clock was last looked at, and since when it went as the boot's own clock did.
    """
    CREATE TABLE wall_clock (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        at TEXT NOT NULL,
        boot TEXT NOT NULL,
        uptime REAL NOT NULL,
        steady_since TEXT NOT NULL
    ) STRICT
    """,
)

# Failures are counted on the clock of one boot, which nobody can set.
_COUNTERS: tuple[str, ...] = (
    """
    CREATE TABLE failure_count (
        claim_key TEXT NOT NULL,
        via TEXT NOT NULL,
        failures INTEGER NOT NULL,
        at TEXT NOT NULL,
        trusted INTEGER NOT NULL CHECK (trusted IN (0, 1)),
        boot TEXT NOT NULL,
        uptime REAL NOT NULL,
        PRIMARY KEY (claim_key, via)
    ) STRICT
    """,
    # Of an unknown boot and on an untrusted clock: what is left of them is waited for once more.
    """
    INSERT INTO failure_count
    SELECT claim_key, 'command', failures, at, 0, '', 0.0 FROM failure
    """,
    "DROP TABLE failure",
)

_SECOND = (*_CREDENTIALS, *_PERMISSIONS, *_CHECKPOINTS, *_CONSENT, *_COUNTERS)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND)
