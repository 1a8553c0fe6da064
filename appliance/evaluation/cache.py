"""What was found out about pictures, kept between runs so that the second one takes seconds.

Two layers, both looked up by the SHA-256 of a picture's bytes: where its face is, which every
model shares, and what one model made of it. Each layer lies in a folder that is named after a
fingerprint of everything that decides its content, the appliance's own source code included, so a
change of any of it finds an empty layer rather than an old answer.

A layer is a set of packs (`.npz`): each run adds its own under a name of its own, so runs do not
get into each other's way, and a pack is there whole or not at all. Nothing here ever fails a run:
what is damaged is thrown away, and what cannot be written is not kept, with one sentence each.
The vectors are biometric data: the folder is closed to everybody else.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from appliance.evaluation.embed import Embedded, Found
from appliance.evaluation.fingerprints import Keys
from appliance.evaluation.packs import (
    Columns,
    DamagedPackError,
    faces_in,
    pack_faces,
    pack_vectors,
    vectors_in,
)

# All packs together; the ones that were not used for the longest time make room.
MAX_BYTES = 512_000_000
_FOLDER = "embeddings"
# Pictures in a pack: what a run that is killed loses at most.
_PACK = 1024
# A draft older than this belongs to no run any more.
_STALE_S = 86_400.0
_LAYERS = ("faces", "vectors")


def default_folder(environ: Mapping[str, str]) -> Path | None:
    """The user's cache folder as the XDG specification finds it; None where there is no home."""
    base = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117 - an empty text is no path
        home = environ.get("HOME", "")
        if not os.path.isabs(home):  # noqa: PTH117 - likewise
            return None
        base = f"{home}/.cache"
    return Path(base) / "face-access"


class Cache:
    """Both layers of one model; what `embed_all` calls a memory. `flush` at the end."""

    def __init__(self, folder: Path, keys: Keys, tell: Callable[[str], None]) -> None:
        """folder: made (mode 0700) where it is missing. tell: hears a sentence about trouble."""
        self._tell = tell
        self._root = folder / _FOLDER
        self._places = {name: self._root / f"{name}-{getattr(keys, name)}" for name in _LAYERS}
        self._open = self._prepared()
        self._faces: dict[bytes, Found] | None = None
        self._vectors: dict[bytes, Embedded] | None = None
        self._new: dict[str, dict[bytes, Any]] = {name: {} for name in _LAYERS}

    def found(self, digest: bytes) -> Found | None:
        """Where the face is; None when that is not known."""
        if self._faces is None:
            self._faces = dict(self._read("faces", faces_in))
        return self._faces.get(digest)

    def embedded(self, digest: bytes) -> Embedded | None:
        """What became of the picture; None when that is not known."""
        if self._vectors is None:
            self._vectors = dict(self._read("vectors", vectors_in))
        return self._vectors.get(digest)

    def keep(self, digest: bytes, found: Found, embedded: Embedded) -> None:
        """Remember both; written a pack at a time."""
        if self.found(digest) is None:
            self._new["faces"][digest] = found
        self._new["vectors"][digest] = embedded
        if len(self._new["vectors"]) >= _PACK:
            self.flush()

    def flush(self) -> None:
        """Write what is new."""
        self._write("faces", pack_faces)
        self._write("vectors", pack_vectors)

    def _prepared(self) -> bool:
        try:
            self._root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._root.mkdir(mode=0o700, exist_ok=True)
            found = self._root.lstat()
        except OSError as error:
            return self._given_up(f"cannot be used: {_reason(error)}")
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return self._given_up("belongs to somebody else")
        if found.st_mode & 0o022:
            return self._given_up("may be written by others")
        return True

    def _given_up(self, why: str) -> bool:
        self._tell(f"Nothing is kept for the next run: the cache {self._root} {why}.")
        self._open = False
        return False

    def _read(
        self, layer: str, unpack: Callable[[Columns], Iterator[tuple[bytes, Any]]]
    ) -> Iterator[tuple[bytes, Any]]:
        if not self._open:
            return
        for path in sorted(self._places[layer].glob("*.npz")):
            try:
                # Opened here: numpy leaves the file open where its bytes are no archive.
                with path.open("rb") as file, np.load(file, allow_pickle=False) as pack:
                    columns = {name: pack[name] for name in pack.files}
                items = list(unpack(columns))
            except FileNotFoundError:
                continue  # another run has made room meanwhile
            except Exception as error:  # noqa: BLE001 - whatever its bytes make numpy raise
                self._discard(path, error)
                continue
            with suppress(OSError):
                os.utime(path)  # what is used stays
            yield from items

    def _discard(self, path: Path, error: Exception) -> None:
        why = str(error) if isinstance(error, DamagedPackError) else "its bytes are no pack"
        self._tell(f"The cache file {path} is damaged ({why}) and is thrown away.")
        with suppress(OSError):
            path.unlink()

    def _write(self, layer: str, pack: Callable[[Sequence[Any]], Columns]) -> None:
        items = list(self._new[layer].items())
        self._new[layer].clear()
        if not items or not self._open:
            return
        place = self._places[layer]
        draft = place / f"{secrets.token_hex(8)}.draft"
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as it:
                np.savez(it, allow_pickle=False, **pack(items))
            draft.rename(draft.with_suffix(".npz"))
            self._make_room()
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            self._given_up(f"cannot be written: {_reason(error)}")

    def _make_room(self) -> None:
        packs = []
        for path in self._root.glob("*/*"):
            with suppress(FileNotFoundError):  # another run makes room, too
                told = path.stat()
                packs.append((told.st_mtime, told.st_size, path))
        total = sum(size for _, size, _ in packs)
        for used, size, path in sorted(packs):
            abandoned = path.suffix == ".draft" and used < time.time() - _STALE_S
            if not abandoned and (total <= MAX_BYTES or path.suffix == ".draft"):
                continue
            with suppress(OSError):
                path.unlink()
                total -= size
            with suppress(OSError):
                path.parent.rmdir()  # only where it is empty


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
