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
# How a folder is called in which the files are made before they are put into their place.
_DRAFT = ".explained."


def check(folder: Path) -> None:
    """InputError where no explanation could be put; to be asked before long work."""
    try:
        if not folder.parent.is_dir():
            raise InputError(f"The folder {folder.parent} does not exist.", hint="Make it first.")
        if not folder.is_dir():
            if folder.exists() or folder.is_symlink():
                raise InputError(f"{folder} is no folder.", hint="Name a folder for --out.")
            return
        members = [item for item in folder.iterdir() if not item.name.startswith(_DRAFT)]
        foreign = members and not (folder / MARK).is_file()
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
    try:
        draft = _draft(folder)
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


def _draft(folder: Path) -> Path:
    """Where the files are made: beside the folder, or in it where it is there already.

    It may be a disk of its own then, or `.`, and what is beside it somebody else's. What a power
    cut left of an earlier draft goes.
    """
    name = f"{_DRAFT}{secrets.token_hex(4)}"
    if not folder.is_dir():
        return folder.with_name(name)
    for left in folder.glob(f"{_DRAFT}*"):
        shutil.rmtree(left)
    return folder / name


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
