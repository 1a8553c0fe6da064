"""What lies in a folder that somebody named, or why that cannot be seen."""

from __future__ import annotations

from pathlib import Path

from appliance.errors import InputError


def is_folder(path: Path) -> bool:
    """Whether there is a folder. InputError where that cannot be found out."""
    try:
        return path.is_dir()
    except OSError as error:
        raise _unreadable(path, error) from error


def is_file(path: Path) -> bool:
    """Whether there is a file that may be looked at; False too for a name that no disk takes."""
    try:
        return path.is_file()
    except OSError:
        return False


def members(folder: Path) -> list[Path]:
    """What is in a folder, by name; hidden files are left out. InputError where it is closed."""
    try:
        found = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise _unreadable(folder, error) from error
    return [path for path in found if not path.name.startswith(".")]


def _unreadable(folder: Path, error: OSError) -> InputError:
    reason = (error.strerror or str(error)).lower()
    return InputError(
        f"The folder {folder} cannot be read: {reason}.",
        hint=f"Change its owner or mode: `ls -ld {folder}` shows them.",
    )
