"""The folder that an explanation is written into: whole, and closed to other users."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from appliance.errors import InputError

# What tells an earlier explanation, whose files may be replaced, from somebody's own folder.
MARK = "explain.json"
PAGE = "explain.html"
# Everything that an explanation ever writes: what a later one has no use for goes.
OURS = (
    *(MARK, PAGE, "detections.png", "hog.png", "hog_face.png", "mesh.png", "landmarks68.png"),
    *("aligned.png", "aligned_points.png", "embedding.png", "nearest.png", "nearest_product.png"),
    *("like.png", "like_embedding.png", "like_product.png"),
)


def check(folder: Path) -> None:
    """InputError where no explanation could be put; to be asked before long work."""
    try:
        if not folder.parent.is_dir():
            raise InputError(f"The folder {folder.parent} does not exist.", hint="Make it first.")
        if not folder.exists():
            return
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder.", hint="Name a folder for --out.")
        foreign = any(folder.iterdir()) and not (folder / MARK).is_file()
    except OSError as error:
        raise _unwritten(folder, error) from error
    if foreign:
        raise InputError(
            f"{folder} holds other files, and no earlier explanation.",
            hint="Name a new or an empty folder for --out.",
            code="folder_in_use",
        )


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put the files into the folder, in place of an earlier explanation's. names: all of `OURS`.

    They are biometric data, so a folder that is made, and every file, is its owner's alone.
    InputError where that fails; check(folder) has passed.
    """
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        try:
            draft.mkdir(mode=0o700)
            for name, content in files.items():
                _write_private(draft / name, content)
            _put(draft, folder, files)
        finally:
            with suppress(OSError):
                shutil.rmtree(draft)
    except OSError as error:
        raise _unwritten(folder, error) from error


def _put(draft: Path, folder: Path, files: Mapping[str, bytes]) -> None:
    if not folder.exists():
        draft.rename(folder)
        return
    for name in OURS:
        if name in files:
            (draft / name).replace(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _unwritten(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"The explanation cannot be written to {folder}: {(error.strerror or str(error)).lower()}.",
        hint="Name a folder on a disk with room left, where this user may write.",
        code="not_written",
    )
