"""Bring back what a backup holds, and nobody who was removed since.

The rules, before the code:

1. A backup for another embedder is refused: its templates could never be compared.
2. Where there is no database, none that can be read, or one of another appliance where nobody is
   enrolled, the backup takes its place as a whole, with its identity, its log and its key; what
   stood there is put aside, not deleted. Whoever was removed according to the database that
   stood there is left out, now and in every later restore.
3. Where the database is the one that was backed up, people who are missing come back with what
   belongs to them. Whoever was removed since does not, and whoever is there is left as is: a
   newer template or a narrower permission is never undone. The log goes on.
4. Another appliance's people are never mixed in or replaced.
5. Whoever was withheld once, for an exported log or on request, is withheld from then on.

Before anything is changed everything was read and checked, and every template opened.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.errors import InputError, StoreError
from appliance.ports import Clock
from appliance.store.backup import Embedding, Manifest, read_backup
from appliance.store.crypto import load_key
from appliance.store.database import Database
from appliance.store.faults import translated
from appliance.store.files import move_in, private_folder, replace
from appliance.store.location import StoreLocation
from appliance.store.moments import from_text, to_text
from appliance.store.names import name_key
from appliance.store.removals import Removal
from appliance.store.store import Store
from appliance.store.workshop import workshop

# Of a database that cannot be read at all: what a backup is for.
_UNUSABLE = frozenset({"corrupt", "not_a_database", "database_lost"})
_BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Request:
    """What is wanted.

    embedding: the configured one. without: names not to bring back. removals: who was removed as
    an exported log tells it, None where there is none; counts for what is later than the backup.
    """

    file: Path
    passphrase: str
    embedding: Embedding
    without: Sequence[str] = ()
    removals: Sequence[Removal] | None = None
    by: str = "local command"


@dataclass(frozen=True)
class Restored:
    """What came back, or would.

    created: when the backup was made. whole: it took the place of everything. people: who came;
    present: who was there and was left alone; removed: who was removed since and stays so;
    left_out: on request; stale: who must be enrolled again, since the template is of another
    embedder. aside: what stood in the way, under its new name. blind: nothing that was found here
    knows who was removed since the backup was made. log_breaks_at: the first bad record of the
    backup's own log.
    """

    created: datetime
    whole: bool
    people: tuple[str, ...]
    present: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    aside: tuple[Path, ...] = ()
    blind: bool = False
    log_breaks_at: int | None = None


@dataclass(frozen=True)
class _Unpacked:
    """The backup, opened. place: where its database and its key lie."""

    manifest: Manifest
    store: Store
    place: StoreLocation

    @property
    def stale(self) -> tuple[str, ...]:
        found = self.store.people.summaries()
        return tuple(it.name for it in found if it.fingerprint != self.manifest.fingerprint)


@dataclass(frozen=True)
class _Here:
    """Where the backup goes. gone: the ids of who was removed here."""

    location: StoreLocation
    clock: Clock
    gone: set[str]


def restore(request: Request, location: StoreLocation, clock: Clock, *, dry_run: bool) -> Restored:
    """Bring a backup back. dry_run: tell what would happen, and change nothing.

    The caller sees to it that no service uses the store. InputError when the backup cannot be
    used, or not here; StoreError when the disk does not take it. Then all is as it was.
    """
    with translated(location.folder):
        private_folder(location.folder)
    with workshop(location.folder) as folder, _unpacked(request, folder, clock) as backup:
        with _there(location, clock) as target:
            if target and target.database.identity == backup.manifest.database:
                bring: Callable[..., Restored] = _bring_missing
            else:
                _require_nobody(target)
                bring = _bring_all
            here = _Here(location, clock, _removed_here(target, location))
        return bring(request, backup, here, dry_run=dry_run)


@contextmanager
def _unpacked(request: Request, folder: Path, clock: Clock) -> Iterator[_Unpacked]:
    manifest, database = read_backup(request.file, request.passphrase, folder)
    _require_embedding(manifest, request.embedding)
    place = StoreLocation(database, folder / "template.key")
    if manifest.key is not None:
        with translated(place.key):
            replace(place.key, manifest.key.encode() + b"\n")
    with closing(Store.open(place, clock)) as store:
        if store.database.identity != manifest.database:
            raise _inconsistent("it is of another appliance than it says")
        try:
            for _ in store.people.everybody():
                pass
        except StoreError as error:
            raise _inconsistent(error.message.rstrip(".")) from error
        yield _Unpacked(manifest, store, place)


@contextmanager
def _there(location: StoreLocation, clock: Clock) -> Iterator[Store | None]:
    """The store that is there, for reading; None where there is none that can be read."""
    try:
        store = Store.open(location, clock, create=False)
    except StoreError as error:
        if error.code not in _UNUSABLE:
            raise
        yield None
        return
    with store:
        yield store if location.database.exists() else None


def _require_embedding(manifest: Manifest, here: Embedding) -> None:
    if manifest.people == 0 or manifest.fingerprint == here.fingerprint:
        return
    if manifest.model == here.model:
        made_for = f"another version of the model {manifest.model!r}, or of how faces are aligned"
        hint = "Install the models that the backup was made with, or enrol everybody anew."
    else:
        made_for = f"the model {manifest.model!r}, and this appliance uses {here.model!r}"
        hint = f"Set model.name: {manifest.model} and restore again, or enrol everybody anew."
    raise InputError(f"The backup's faces are of {made_for}.", hint=hint, code="another_model")


def _require_nobody(target: Store | None) -> None:
    if target is None or not (count := len(target.people.summaries())):
        return
    people = "one person is" if count == 1 else f"{count} people are"
    raise InputError(
        f"The backup is of another appliance, and {people} enrolled here.",
        hint="Give store.path an empty folder to restore into, or remove them first "
        "(`appliance people remove`).",
        code="not_empty",
    )


def _removed_here(target: Store | None, location: StoreLocation) -> set[str]:
    """The ids of who was removed here, as far as that can still be read."""
    query, found = "SELECT person FROM removed", set[str]()
    if target is not None:
        with target.database.reading() as connection:
            found.update(str(person) for (person,) in connection.execute(query))
    elif location.database.is_file():
        uri = f"{location.database.absolute().as_uri()}?mode=ro&immutable=1"
        with suppress(sqlite3.Error), closing(sqlite3.connect(uri, uri=True)) as damaged:
            # Else SQLite reads nothing of a file that was cut off.
            damaged.execute("PRAGMA writable_schema = ON")
            for (person,) in damaged.execute(query):
                found.add(str(person))
    return found


def _people(store: Store) -> dict[str, str]:
    """Names by id."""
    with store.database.reading() as connection:
        rows = connection.execute("SELECT id, name FROM person ORDER BY name_key").fetchall()
    return {str(person): str(name) for person, name in rows}


def _unwanted(request: Request, people: dict[str, str]) -> set[str]:
    """The ids behind `without`. InputError for a name that the backup does not know."""
    by_key = {name_key(name): person for person, name in people.items()}
    for name in request.without:
        if name_key(name) not in by_key:
            raise InputError(
                f"Nobody called {name!r} is in the backup.",
                hint="`appliance backup restore --dry-run` lists who is.",
                code="unknown_person",
            )
    return {by_key[name_key(name)] for name in request.without}


def _removed_since(request: Request, backup: _Unpacked, people: dict[str, str]) -> set[str]:
    """The ids of who was removed after the backup was made, as an exported log tells it."""
    created = from_text(backup.manifest.created)
    names = {name_key(it.name) for it in request.removals or () if it.at >= created}
    return {person for person, name in people.items() if name_key(name) in names}


def _noted(ids: set[str], clock: Clock) -> list[tuple[str, str]]:
    """Rows of `removed`."""
    at = to_text(clock.now())
    return [(person, at) for person in sorted(ids)]


def _note(connection: sqlite3.Connection, withheld: list[tuple[str, str]]) -> None:
    """Write down whom no later restore may bring back."""
    connection.executemany("INSERT OR IGNORE INTO main.removed VALUES (?, ?)", withheld)


def _names(people: dict[str, str], ids: set[str]) -> tuple[str, ...]:
    return tuple(name for person, name in people.items() if person in ids)


# The backup takes the place of everything


def _bring_all(request: Request, backup: _Unpacked, here: _Here, *, dry_run: bool) -> Restored:
    people = _people(backup.store)
    unwanted = _unwanted(request, people)
    removed = (here.gone & people.keys()) | _removed_since(request, backup, people)
    for person in removed | unwanted:
        backup.store.people.remove(people[person])
    aside = _in_the_way(backup, here)
    outcome = Restored(
        created=from_text(backup.manifest.created),
        whole=True,
        people=_names(people, people.keys() - removed - unwanted),
        removed=_names(people, removed),
        left_out=_names(people, unwanted - removed),
        stale=backup.stale,
        aside=tuple(aside.values()),
        blind=not here.gone and request.removals is None,
        log_breaks_at=backup.store.audit.first_bad(),
    )
    if not dry_run:
        detail = {
            "by": request.by,
            "backup_of": to_text(outcome.created),
            "people": len(outcome.people),
            "withheld": len(removed | unwanted),
        }
        backup.store.audit.append("restored", "appliance", detail)
        with backup.store.database.transaction() as connection:
            # All of them: another backup may hold whom this one never knew.
            _note(connection, _noted(here.gone, here.clock))
        backup.store.database.fold()
        backup.store.close()
        with translated(here.location.database):
            _take_the_place(backup.place, here.location, aside)
    return outcome


def _in_the_way(backup: _Unpacked, here: _Here) -> dict[Path, Path]:
    """What stands where the backup goes, and the name that it gets."""
    database, key = here.location.database, here.location.key
    places = [database.with_name(database.name + end) for end in ("", *_BESIDE)]
    if not _has_key(key, backup.manifest):
        places.append(key)
    stamp = f"before-restore-{here.clock.now():%Y%m%d-%H%M%S}"
    return {place: place.with_name(f"{place.name}.{stamp}") for place in places if place.exists()}


def _has_key(key: Path, manifest: Manifest) -> bool:
    try:
        return load_key(key).hex() == (manifest.key or "").lower()
    except (StoreError, OSError):
        return False


def _take_the_place(place: StoreLocation, location: StoreLocation, aside: dict[Path, Path]) -> None:
    """Each step leaves something that can be used, or that was of no use before."""
    _fold_what_stands_there(location)
    if place.key.exists() and not _same(place.key, location.key):
        # The key first: while nobody is enrolled any key will do, later no other does.
        with translated(location.key):
            private_folder(location.key.parent)
            if location.key in aside:
                os.link(location.key, aside[location.key])
            replace(location.key, place.key.read_bytes())
    for end in _BESIDE:
        # A damaged database's log must never meet the new one.
        beside = location.database.with_name(location.database.name + end)
        if beside.exists():
            beside.replace(aside.get(beside, beside.with_name(f"{beside.name}.before-restore")))
    if location.database in aside:
        os.link(location.database, aside[location.database])
    move_in(place.database, location.database)


def _fold_what_stands_there(location: StoreLocation) -> None:
    """StoreError `locked` when somebody has it open: it must not be replaced under his hands."""
    if not location.database.exists():
        return
    try:
        with Database.open(location.database) as standing:
            standing.fold()
    except StoreError as error:
        if error.code not in _UNUSABLE:
            raise


def _same(one: Path, other: Path) -> bool:
    try:
        return load_key(one) == load_key(other)
    except (StoreError, OSError):
        return False


# People come back into the database that was backed up


def _bring_missing(request: Request, backup: _Unpacked, here: _Here, *, dry_run: bool) -> Restored:
    people = _people(backup.store)
    gone = here.gone | _removed_since(request, backup, people)
    with Store.open(here.location, here.clock, create=not dry_run) as target:
        there = _people(target)
        taken = {name_key(name) for name in there.values()}
        present = {it for it in people if it in there or name_key(people[it]) in taken}
        gone -= there.keys()
        present -= gone
        unwanted = _unwanted(request, people)
        coming = people.keys() - gone - present - unwanted
        if coming:
            _require_the_same_key(backup.store, target)
        outcome = Restored(
            created=from_text(backup.manifest.created),
            whole=False,
            people=_names(people, coming),
            present=_names(people, present),
            removed=_names(people, gone & people.keys()),
            left_out=_names(people, unwanted - gone - present),
            stale=tuple(name for name in backup.stale if name in _names(people, coming)),
        )
        if not dry_run:
            _put_back_the_key(backup, target, here.location)
            backup.store.close()
            withheld = _noted((gone | unwanted) - there.keys(), here.clock)
            _copy(request, backup, target, {it: people[it] for it in coming}, withheld)
        return outcome


def _key_check(store: Store) -> str | None:
    with store.database.reading() as connection:
        row = connection.execute("SELECT value FROM meta WHERE key = 'key_check'").fetchone()
    return str(row[0]) if row else None


def _require_the_same_key(backup: Store, target: Store) -> None:
    if _key_check(backup) != _key_check(target):
        raise StoreError(
            "The backup's templates are sealed with another key than this appliance's.",
            hint="The key was replaced since the backup was made: enrol the missing people anew.",
            code="wrong_key",
        )


def _put_back_the_key(backup: _Unpacked, target: Store, location: StoreLocation) -> None:
    """A lost key comes back, where it is the one that this database needs."""
    if location.key.exists() or backup.manifest.key is None:
        return
    if _key_check(backup.store) == _key_check(target):
        with translated(location.key):
            private_folder(location.key.parent)
            replace(location.key, backup.place.key.read_bytes())


def _copy(
    request: Request,
    backup: _Unpacked,
    target: Store,
    coming: dict[str, str],
    withheld: list[tuple[str, str]],
) -> None:
    with target.database.attached(backup.place.database), target.together():
        with target.database.transaction() as connection:
            owned = _owned_by_people(connection)
            for person in coming:
                for table, column in (("person", "id"), *owned):
                    # OR IGNORE: what somebody else has been given since, such as a code, is his.
                    connection.execute(
                        f'INSERT OR IGNORE INTO main."{table}" '  # noqa: S608 - names from our schema
                        f'SELECT * FROM other."{table}" WHERE "{column}" = ?',
                        (person,),
                    )
            connection.execute(
                "INSERT OR IGNORE INTO main.removed SELECT * FROM other.removed "
                "WHERE person NOT IN (SELECT id FROM main.person)"
            )
            _note(connection, withheld)
        detail = {"by": request.by, "backup_of": backup.manifest.created}
        for name in coming.values():
            target.audit.append("restored", name, detail)
        if not coming:
            target.audit.append("restored", "appliance", detail | {"people": 0})


def _owned_by_people(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """The tables whose rows belong to a person, and by which column."""
    tables = connection.execute(
        "SELECT name FROM main.sqlite_master WHERE type = 'table' ORDER BY name"
    ).fetchall()
    return [
        (str(table), str(key[3]))
        for (table,) in tables
        for key in connection.execute(f'PRAGMA main.foreign_key_list("{table}")').fetchall()
        if key[2] == "person"
    ]


def _inconsistent(why: str) -> InputError:
    return InputError(
        f"The backup does not hold together: {why}.",
        hint="Nothing was changed. Use another backup.",
        code="damaged",
    )
