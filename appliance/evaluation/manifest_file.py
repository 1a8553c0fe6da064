"""Puts new calibrations into a manifest and keeps everything else in it as it is."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from appliance.errors import ModelError
from appliance.evaluation.place import read_only
from appliance.vision.manifest import Calibration, Entry

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def check_writable(path: Path) -> None:
    """ModelError where a manifest could not be written later; to be asked before long work."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise ModelError(f"{path} is no file.", hint="Name the manifest to write, a .toml file.")
    if not target.parent.is_dir():
        raise ModelError(f"The folder {target.parent} does not exist.", hint="Make it first.")
    if read_only(target):
        raise _not_written(path, "it is read-only")
    if target.exists() and not _is_manifest(target):
        raise ModelError(
            f"{path} is there and no manifest, so it is not written over.",
            hint="Name a new file, or a manifest.",
        )


def check_holds(path: Path, entries: Iterable[Entry]) -> None:
    """ModelError where a manifest that exists lacks one of the models or names another file."""
    if not path.exists():
        return
    tables = _read(path)["models"]
    for entry in entries:
        table = tables.get(entry.name) if isinstance(tables, dict) else None
        if not isinstance(table, dict) or table.get("sha256") != entry.sha256:
            raise ModelError(
                f"The manifest {path} holds no {entry.name} of the network in use.",
                hint="Name a new file, or a manifest of the same models.",
            )


def former(path: Path, name: str) -> Calibration | None:
    """The calibration that a manifest holds for one model. ModelError where it is malformed."""
    table = _read(path)["models"][name].get("calibration")
    return None if table is None else _valid(name, table)


def merge(path: Path, source: Path, name: str, calibration: Mapping[str, Any]) -> None:
    """Put one model's calibration into the manifest at `path`, and keep everything else in it.

    source: the manifest that a new one begins as, where there is none at `path`. ModelError, and
    the file as it was, where that fails or the calibration would be no valid one.
    """
    base = path if path.exists() else source
    try:
        text = with_calibrations(base.read_text(encoding="utf-8"), {name: calibration})
    except (OSError, ValueError, LookupError) as error:
        raise _not_read(base, error) from error
    write(path, text)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _not_read(path, error) from error


def _valid(name: str, table: Mapping[str, Any]) -> Calibration:
    try:
        return Calibration.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelError(
            f"The calibration of {name} is none that could be used: {place}: {first['msg']}.",
            hint="Nothing was written of it; other pictures may give one.",
            code="bad_calibration",
        ) from error


def _is_manifest(path: Path) -> bool:
    try:
        return "models" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def with_calibrations(text: str, measured: Mapping[str, Mapping[str, Any]]) -> str:
    """The manifest's text with each model's calibration replaced, key by key.

    text: a manifest as `models.build` or this function wrote it: comments above the first key and
    the order of all keys are kept. measured: by model; what it does not name, such as what a poor
    picture pays, stays. ModelError `bad_calibration` where the outcome would be no valid one.
    """
    import tomli_w

    header = [line for line in text.splitlines(keepends=True) if line.startswith("#")]
    manifest = tomllib.loads(text)
    for name, calibration in measured.items():
        model = manifest["models"][name]
        merged = model.get("calibration", {}) | dict(calibration)
        _valid(name, merged)
        model["calibration"] = merged
    return "".join(header) + tomli_w.dumps(manifest)


def write(path: Path, text: str) -> None:
    """Replace the file in one step; its rights stay. ModelError where that fails."""
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}.new")
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    try:
        with draft.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(mode)
        draft.replace(target)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise _not_written(path, (error.strerror or str(error)).lower()) from error


def _not_read(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"The manifest {path} cannot be read: {error}.",
        hint="--output names another file, --dry-run writes none.",
    )


def _not_written(path: Path, why: str) -> ModelError:
    return ModelError(
        f"The manifest {path} cannot be written: {why}.",
        hint="Its owner may write it; --output names another file, --dry-run writes none.",
        code="manifest_not_written",
    )
