"""Puts new calibrations into a manifest and keeps everything else in it as it is."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from appliance.errors import ModelError

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
    locked = target.exists() and not target.stat().st_mode & 0o222
    if locked or not os.access(target.parent, os.W_OK | os.X_OK):
        raise _not_written(path, "it is read-only")
    if target.exists() and not _is_manifest(target):
        raise ModelError(
            f"{path} is there and no manifest, so it is not written over.",
            hint="Name a new file, or a manifest.",
        )


def _is_manifest(path: Path) -> bool:
    try:
        return "models" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def with_calibrations(text: str, measured: Mapping[str, Mapping[str, Any]]) -> str:
    """The manifest's text with each model's calibration replaced, key by key.

    text: a manifest as `models.build` or this function wrote it: comments above the first key and
    the order of all keys are kept. measured: by model; what it does not name, such as what a poor
    picture pays, stays.
    """
    import tomli_w

    header = [line for line in text.splitlines(keepends=True) if line.startswith("#")]
    manifest = tomllib.loads(text)
    for name, calibration in measured.items():
        model = manifest["models"][name]
        model["calibration"] = model.get("calibration", {}) | dict(calibration)
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


def _not_written(path: Path, why: str) -> ModelError:
    return ModelError(
        f"The manifest {path} cannot be written: {why}.",
        hint="Its owner may write it; --output names another file, --dry-run writes none.",
        code="manifest_not_written",
    )
