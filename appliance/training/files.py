"""Files that the workbench leaves behind: each is there whole or not at all."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from appliance.errors import InputError

# What a JSON file of the workbench may take: a record of a million pictures fits.
MOST_BYTES = 256 * 1024 * 1024
_DRAFT = re.compile(r"\.[0-9a-f]{16}\.part")


def replace(path: Path, content: bytes) -> None:
    """Put a file in the place of what is there; whoever reads sees the old or the new one.

    InputError where that fails: the old file is then still there.
    """
    draft = _draft(path.parent)
    try:
        try:
            draft.write_bytes(content)
            draft.replace(path)
        finally:
            with suppress(OSError):
                draft.unlink()
    except OSError as error:
        raise unwritten(path, error) from error


def replace_together(folder: Path, contents: Mapping[str, bytes], mark: str) -> None:
    """Put files that belong together into a folder. mark: the one without which none counts.

    All of them are written before the first old one goes, so a full disk leaves the old ones as
    they were. The mark goes first and comes last: where the exchange breaks off, it is missing.
    InputError where that fails.
    """
    drafts: dict[str, Path] = {}
    try:
        try:
            for name in sorted(contents, key=lambda it: it == mark):
                drafts[name] = _draft(folder)
                drafts[name].write_bytes(contents[name])
            (folder / mark).unlink(missing_ok=True)
            for name, draft in drafts.items():
                draft.replace(folder / name)
        finally:
            with suppress(OSError):
                for draft in drafts.values():
                    draft.unlink(missing_ok=True)
    except OSError as error:
        raise unwritten(folder, error) from error


def _draft(folder: Path) -> Path:
    return folder / f".{secrets.token_hex(8)}.part"


def is_draft(path: Path) -> bool:
    """Whether a file is what a process left that was killed while it wrote."""
    return _DRAFT.fullmatch(path.name) is not None


def replace_json(path: Path, data: Mapping[str, Any]) -> None:
    """The same, of a JSON object. Raises InputError."""
    replace(path, json_bytes(data))


def json_bytes(data: Mapping[str, Any]) -> bytes:
    """A JSON object as these files hold it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1)
    return f"{text}\n".encode()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it where they are missing. InputError where that fails.

    Faces and embeddings are biometric data, so one that is made is its owner's alone (0700); one
    that is there already stays as open as it is.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unwritten(folder, error) from error


def check_writable(folder: Path) -> None:
    """InputError, before long work, when the folder cannot be made or nothing be put into it."""
    make_folder(folder)
    probe = _draft(folder)
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise unwritten(folder, error) from error


def read(path: Path, most: int | None = None) -> bytes:
    """A file's content. InputError when it is missing, too large or cannot be read.

    most: bytes that it may have; None: MOST_BYTES.
    """
    most = MOST_BYTES if most is None else most
    try:
        if not path.is_file():
            raise InputError(f"{path} is not there, or is no file.", code="missing_file")
        if path.stat().st_size > most:
            raise InputError(f"{path} is too large: more than {most >> 20} MiB.")
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {reason(error)}.", hint="This user must be allowed to read it."
        ) from error


def reason(error: OSError) -> str:
    """Why the system refused, as a clause."""
    return (error.strerror or str(error)).lower()


def unwritten(path: Path, error: OSError) -> InputError:
    """The error for a file or folder that could not be written."""
    return InputError(
        f"{path} cannot be written: {reason(error)}.",
        hint="Name a folder on a disk with room left, where this user may write.",
        code="not_written",
    )
