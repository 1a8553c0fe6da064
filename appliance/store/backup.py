"""One file that holds all of the store, sealed with a passphrase (`store.sealed_file`).

Inside: the length of the manifest (u32, little-endian), the manifest (JSON), and the database as
SQLite's VACUUM INTO writes it, compressed (zlib). The manifest holds the template key: whoever
has file and passphrase has everything.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from appliance.errors import InputError, StoreError
from appliance.store.crypto import KEY_BYTES, load_key
from appliance.store.exports import new_file, open_whole
from appliance.store.faults import translated
from appliance.store.keyring import Keyring
from appliance.store.location import StoreLocation
from appliance.store.moments import from_text, to_text
from appliance.store.sealed_file import DEFAULT_COST, Cost, SealedWriter, open_sealed
from appliance.store.store import Store
from appliance.store.workshop import workshop

_FORMAT: Final = "appliance backup v1"
_LENGTH = struct.Struct("<I")
_LONGEST_MANIFEST = 64 * 1024
_LARGEST_DATABASE = 8 * 1024**3
_PIECE = 256 * 1024


@dataclass(frozen=True)
class Embedding:
    """Which embedder templates are for: the model's name, and the fingerprint they carry."""

    model: str
    fingerprint: str


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    created: ISO 8601. database: its identity. key: the template key in hexadecimal, None where
    there was none yet. people: how many are enrolled. size, sha256: of the database's file.
    version: of the appliance that wrote it.
    """

    created: str
    database: str
    key: str | None
    model: str
    fingerprint: str
    people: int
    size: int
    sha256: str
    version: str


def create_backup(  # noqa: PLR0913 - each is needed, and named at the call
    store: Store,
    location: StoreLocation,
    path: Path,
    passphrase: str,
    *,
    embedding: Embedding,
    version: str,
    by: str,
    cost: Cost = DEFAULT_COST,
) -> Manifest:
    """Write a new file with all of the store; the making of it is recorded in the log, and in it.

    InputError when the file exists; StoreError when it cannot be written, or when the key is
    missing or not the one that the templates were sealed with.
    """
    with workshop(location.folder) as folder, new_file(path) as file:
        people = len(store.people.summaries())
        key = _key(store, location, needed=people > 0)
        store.audit.append("backup_created", "appliance", {"by": by, "people": people})
        snapshot = folder / "snapshot.db"
        store.database.snapshot(snapshot)
        with translated(snapshot):
            manifest = Manifest(
                created=to_text(store.audit.tail(1)[0].at),
                database=store.database.identity,
                key=None if key is None else key.hex(),
                model=embedding.model,
                fingerprint=embedding.fingerprint,
                people=people,
                size=snapshot.stat().st_size,
                sha256=_sum(snapshot),
                version=version,
            )
        with translated(path):
            _write(file, passphrase, manifest, snapshot, cost)
    return manifest


def read_backup(path: Path, passphrase: str, folder: Path) -> tuple[Manifest, Path]:
    """Unpack a backup into an empty private folder: what it says of itself, and its database.

    InputError when it is none, cannot be opened or does not hold what it says; StoreError when
    the folder's disk does not take it. What comes out was checked to the last byte.
    """
    database = folder / "restored.db"
    with open_whole(path) as file:
        plain = open_sealed(file, passphrase)
        manifest, rest = _manifest(plain)
        with translated(database), database.open("xb") as unpacked:
            size, total = 0, hashlib.sha256()
            for piece in _inflated(_joined(rest, plain), manifest.size):
                unpacked.write(piece)
                total.update(piece)
                size += len(piece)
    if size != manifest.size or total.hexdigest() != manifest.sha256:
        raise _nonsense()
    return manifest, database


def _key(store: Store, location: StoreLocation, *, needed: bool) -> bytes | None:
    """The key as it is in its file now: what an open store remembers goes into no backup."""
    if needed:
        with store.database.reading() as connection:
            Keyring(location.key).to_open(connection)
    with translated(location.key):
        try:
            return load_key(location.key)
        except FileNotFoundError:
            return None


def _write(file: BinaryIO, passphrase: str, manifest: Manifest, snapshot: Path, cost: Cost) -> None:
    text = json.dumps({"format": _FORMAT, **asdict(manifest)}).encode()
    writer, press = SealedWriter(file, passphrase, cost), zlib.compressobj()
    writer.write(_LENGTH.pack(len(text)) + text)
    for piece in _pieces(snapshot):
        writer.write(press.compress(piece))
    writer.write(press.flush())
    writer.close()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _sum(path: Path) -> str:
    total = hashlib.sha256()
    for piece in _pieces(path):
        total.update(piece)
    return total.hexdigest()


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _manifest(plain: Iterator[bytes]) -> tuple[Manifest, bytes]:
    """The manifest, and what was read of the database already."""
    content = bytearray(next(plain))
    while len(content) < _LENGTH.size or len(content) < _end(content):
        more = next(plain, None)
        if more is None:
            raise _nonsense()
        content += more
    end = _end(content)
    try:
        manifest = _checked(json.loads(bytes(content[_LENGTH.size : end])))
    except (ValueError, TypeError, KeyError, AttributeError, StoreError):
        raise _nonsense() from None
    return manifest, bytes(content[end:])


def _end(content: bytearray) -> int:
    (length,) = _LENGTH.unpack_from(content)
    if length > _LONGEST_MANIFEST:
        raise _nonsense()
    return _LENGTH.size + int(length)


def _checked(found: Any) -> Manifest:
    """Raises ValueError, TypeError, KeyError, AttributeError or StoreError for nonsense."""
    if found.pop("format") != _FORMAT:
        raise ValueError(_FORMAT)
    manifest = Manifest(**found)
    from_text(manifest.created)
    if manifest.key is not None and len(bytes.fromhex(manifest.key)) != KEY_BYTES:
        raise ValueError(manifest.key)
    if type(manifest.size) is not int or not 0 < manifest.size <= _LARGEST_DATABASE:
        raise ValueError(manifest.size)
    return manifest


def _inflated(packed: Iterator[bytes], most: int) -> Iterator[bytes]:
    """Decompressed pieces; never more than one byte beyond `most`."""
    press, left = zlib.decompressobj(), most + 1
    for piece in packed:
        waiting = piece
        while waiting and left > 0:
            try:
                out = press.decompress(waiting, min(left, _PIECE))
            except zlib.error:
                raise _nonsense() from None
            waiting, left = press.unconsumed_tail, left - len(out)
            yield out
    # All must be read even so: only the last chunk proves that nothing was cut off.


def _nonsense() -> InputError:
    return InputError(
        "The backup opens, but does not hold what it should.",
        hint="Nothing was changed. It was written by another program or another version.",
        code="damaged",
    )
