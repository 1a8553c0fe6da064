"""The folder that keeps what was built for one GPU: engines, timings, and what they were found fit.

An engine is machine code, so the folder and every file in it must be its user's own (see
`trusted_files`), and an engine is handed out only as the bytes whose sum its record holds. A record
is written last, so one that is there speaks of a build that ended well.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.errors import ModelError
from appliance.vision.parity import Parity
from appliance.vision.trusted_files import UntrustedError, open_file, trusted

PREPARE = "`appliance models prepare` builds it, as the user who runs the door."
_AS_THE_DOOR = "Run the command as the user who runs the door, or ask `appliance status`."
# An engine of MobileFaceNet is some 5 MB; what somebody else put there is not read to its end.
MOST_BYTES = 1 << 30


class Record(BaseModel):
    """What was found of an engine when it was built.

    sha256: of its file; files: of those that a runtime wrote itself, by name. One of the two.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    version: Literal[1] = Field(1, alias="schema")
    precision: Literal["fp16", "fp32"]
    least_cosine: float
    median_cosine: float
    faces: int
    sha256: str | None = None
    files: dict[str, str] = Field(default_factory=dict)


def key_of(parts: Mapping[str, str]) -> str:
    """A name for what an engine depends on: model, versions, GPU."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class EngineFiles:
    """One engine's place. folder: it is made where it is missing, for its user alone.

    key: see `key_of`. uid: whom this process runs as.
    """

    folder: Path
    key: str
    uid: int

    @property
    def cache(self) -> Path:
        """A folder for a runtime that writes its engine files itself."""
        return self.folder / self.key

    def record(self) -> Record:
        """What is known of the engine. ModelError where none was built, or others may write it."""
        content = self._read(self._path("json"))
        try:
            return Record.model_validate_json(content)
        except ValidationError as error:
            raise ModelError(
                f"{self._path('json')} is not what was written there.", hint=PREPARE
            ) from error

    def plan(self, record: Record) -> bytes:
        """The engine itself. ModelError where it is not the one that the record speaks of."""
        path = self._path("engine")
        content = self._read(path)
        if hashlib.sha256(content).hexdigest() != record.sha256:
            raise ModelError(f"The engine {path} is not the one that was built.", hint=PREPARE)
        return content

    def built_cache(self, record: Record) -> Path:
        """The folder `cache`, without links on the way, with the engines that the record speaks of.

        ModelError where somebody else may have written a file of it, and where an engine is
        missing, new or another: a runtime would build its own in that place, for minutes.
        """
        folder = self._trusted(self.cache)
        for path in sorted(folder.rglob("*")):
            self._trusted(path)
        if not record.files or self._engines(folder) != record.files:
            raise ModelError(
                f"The engines in {self.cache} are not those that were built.",
                hint=PREPARE,
                code="not_prepared",
            )
        return folder

    def timings(self) -> bytes:
        """Those of an earlier build for this key; nothing where there are none that can be used."""
        try:
            return self._read(self._path("timings"))
        except ModelError:
            return b""

    def make_cache(self) -> Path:
        """An empty folder for a runtime's own files, for its user alone. ModelError."""
        try:
            _make_private(self.cache)
            for path in self.cache.iterdir():
                path.unlink()
        except OSError as error:
            raise self._unwritable(error) from error
        self._trusted(self.cache)
        return self.cache

    def keep(self, parity: Parity, precision: Literal["fp16", "fp32"], plan: bytes | None) -> None:
        """Write engine and record, each whole or not at all. plan: None where `cache` holds it.

        ModelError where that is not possible, or `cache` holds none.
        """
        if plan is None:
            self._make_cache_ours()
        told = Record(
            schema=1,
            precision=precision,
            least_cosine=parity.least,
            median_cosine=parity.median,
            faces=parity.faces,
            sha256=None if plan is None else hashlib.sha256(plan).hexdigest(),
            files={} if plan is not None else self._engines(self.cache),
        )
        if plan is not None:
            self.write("engine", plan)
        elif not told.files:
            raise ModelError(f"No engine was kept in {self.cache}.")
        self.write("json", told.model_dump_json(by_alias=True).encode())

    def forget(self) -> None:
        """Take the record away, so that nothing is taken for built. ModelError."""
        try:
            self._path("json").unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, suffix: Literal["engine", "json", "timings"], content: bytes) -> None:
        """Put a file in its place as a whole, mode 0600. ModelError where that is not possible."""
        path = self._path(suffix)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        try:
            _make_private(self.folder)
            try:
                with os.fdopen(os.open(draft, _NEW, 0o600), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _engines(self, folder: Path) -> dict[str, str]:
        """The sum of each engine that a runtime wrote; its timings change with each start."""
        engines = sorted(folder.rglob("*.engine"))
        return {
            str(path.relative_to(folder)): hashlib.sha256(self._read(path)).hexdigest()
            for path in engines
        }

    def _make_cache_ours(self) -> None:
        """A runtime writes its files as the umask lets it: others must not change them later."""
        try:
            for path in self.cache.rglob("*"):
                path.chmod(0o700 if path.is_dir() else 0o600)
        except OSError as error:
            raise self._unwritable(error) from error

    def _path(self, suffix: str) -> Path:
        return self.folder / f"{self.key}.{suffix}"

    def _read(self, path: Path) -> bytes:
        real = self._trusted(path)
        try:
            with open_file(real) as file:
                return file.read(MOST_BYTES)
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}.", hint=PREPARE) from error

    def _trusted(self, path: Path) -> Path:
        """The path without links. ModelError where somebody else may have written what is there."""
        try:
            return trusted(path, uid=self.uid)
        except FileNotFoundError:
            raise ModelError(
                "No engine was built for this GPU, model and TensorRT yet.",
                hint=PREPARE,
                code="not_prepared",
            ) from None
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}.", hint=PREPARE) from error
        except UntrustedError as why:
            # Of the door, which runs as their owner, that says nothing.
            as_root = why.others and self.uid == 0
            told = (
                ", and this command runs as root; the door's user may run them" if as_root else ""
            )
            raise ModelError(
                f"The engine files in {self.folder} are not run: {why}{told}.",
                hint=_AS_THE_DOOR if as_root else f"Delete that folder; {PREPARE}",
                code="untrusted_engine",
            ) from why

    def _unwritable(self, error: OSError) -> ModelError:
        return ModelError(
            f"The engine folder {self.folder} cannot be written: {error.strerror}.",
            hint="Run the command as the user who runs the door, and look whether the disk is "
            "full.",
        )


def _make_private(folder: Path) -> None:
    """Make a folder and what is missing above it, each for this user alone."""
    for missing in reversed([it for it in (folder, *folder.parents) if not it.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
