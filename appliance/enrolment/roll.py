"""A folder of people: one picture or recording each, or a folder of them, named after the person.

`images/alice.jpg` is alice, and so is all that lies in `images/alice/`. Nothing is opened here;
what a file holds is told when it is read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.errors import InputError
from appliance.store.names import name_key

# What is taken for somebody's picture by its name. Those that cannot be read are among them: they
# are refused in a sentence instead of being passed over.
SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".heic", ".heif", ".avif", ".tif", ".tiff"}
    | {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"}
)


@dataclass(frozen=True)
class Entry:
    """What a folder holds of somebody. name: as the file or folder is called, not checked.

    alone: no other entry's name is the same person's.
    """

    name: str
    path: Path
    alone: bool = True


@dataclass(frozen=True)
class Roll:
    """A folder's entries by name, and the files in it that are nobody's."""

    entries: tuple[Entry, ...]
    passed_over: tuple[str, ...]


def read(folder: Path) -> Roll:
    """List the folder; hidden files are left out. InputError where it holds nobody."""
    try:
        members = sorted(folder.iterdir(), key=lambda path: path.name)
        shown = [path for path in members if not path.name.startswith(".")]
        found = [
            Entry(path.name if path.is_dir() else path.stem, path)
            for path in shown
            if path.is_dir() or path.suffix.lower() in SUFFIXES
        ]
    except OSError as error:
        raise _unreadable(folder, error) from error
    if not found:
        raise InputError(
            f"The folder {folder} holds neither pictures nor folders of them.",
            hint="Put a picture (alice.jpg) or a folder (alice/) a person into it.",
            code="no_people",
        )
    times = Counter(name_key(entry.name) for entry in found)
    used = {entry.path for entry in found}
    return Roll(
        tuple(Entry(it.name, it.path, times[name_key(it.name)] == 1) for it in found),
        tuple(path.name for path in shown if path not in used),
    )


def _unreadable(folder: Path, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        told = f"The folder {folder} does not exist"
    elif isinstance(error, NotADirectoryError):
        told = f"{folder} is no folder"
    else:
        told = f"The folder {folder} cannot be read: {(error.strerror or str(error)).lower()}"
    return InputError(f"{told}.", hint="Give a folder with a picture or a folder a person.")
