"""Folders of pictures in which it is known where the faces are.

Either FOLDER/boxes.csv says so (`path,left,top,width,height` and, if people are to be told apart,
`person`; a line a face, a line with an empty box for a picture without any). Or it is laid out as
Labeled Faces in the Wild: one person in the middle of every picture of FOLDER/NAME/* (or
FOLDER/images/NAME/*), others possible behind; and FOLDER/no_face/* holds pictures without a face.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from appliance.errors import InputError
from appliance.evaluation.dataset import SUFFIXES
from appliance.evaluation.listing import is_file, is_folder, members
from appliance.evaluation.pad_files import CLIPS
from appliance.types import Box

BOXES, NO_FACE = "boxes.csv", "no_face"
_COLUMNS = ("path", "left", "top", "width", "height")
_LAYOUT = (
    f"Give a folder with {BOXES} ({','.join(_COLUMNS)}), or one folder a person with one face in "
    f"the middle of each picture, and {NO_FACE}/ for pictures without a face."
)


@dataclass(frozen=True)
class Labelled:
    """One file, and what is known of it.

    group: of files that are not independent of each other, such as those of one person.
    faces: where all of them are; None: one is in the middle, and there may be more.
    """

    path: Path
    group: str
    faces: tuple[Box, ...] | None

    @property
    def has_face(self) -> bool:
        """Whether there is anything to be found."""
        return self.faces is None or bool(self.faces)


@dataclass(frozen=True)
class Labels:
    """All files of a folder. kind: `boxes` or `centred`. total: files, before any were drawn."""

    kind: str
    files: Sequence[Labelled]
    total: int


def find(folder: Path, sample: int | None = None, seed: int = 0) -> Labels:
    """Read a folder.

    sample: so many files with a face are drawn, each of another group; None: all are used. Files
    without a face are all used. Raises InputError.
    """
    if not is_folder(folder):
        raise InputError(f"{folder} is not a folder.", hint=_LAYOUT)
    table = folder / BOXES
    kind, files = ("boxes", _listed(table)) if is_file(table) else ("centred", _laid_out(folder))
    if not files:
        raise InputError(f"{folder} holds no labelled picture.", hint=_LAYOUT, code="bad_layout")
    return Labels(kind, _drawn(files, sample, Random(seed)), len(files))  # noqa: S311 - a sample


def _drawn(files: Sequence[Labelled], sample: int | None, random: Random) -> list[Labelled]:
    if sample is None:
        return list(files)
    groups: dict[str, list[Labelled]] = {}
    for item in files:
        if item.has_face:
            groups.setdefault(item.group, []).append(item)
    names = random.sample(sorted(groups), min(sample, len(groups)))
    chosen = [random.choice(groups[name]) for name in sorted(names)]
    return chosen + [item for item in files if not item.has_face]


def _laid_out(folder: Path) -> list[Labelled]:
    root = folder / "images" if is_folder(folder / "images") else folder
    files = [
        Labelled(path, place.name, None)
        for place in _folders(root)
        if place.name.casefold() != NO_FACE
        for path in _media(place, SUFFIXES)
    ]
    # A clip's frames are one group: they show one place.
    files += [
        Labelled(path, f"{NO_FACE}/{path.name}", ())
        for parent in dict.fromkeys((folder, root))
        for place in _folders(parent)
        if place.name.casefold() == NO_FACE
        for path in _media(place, SUFFIXES | CLIPS)
    ]
    return files


def _folders(root: Path) -> list[Path]:
    return [item for item in members(root) if is_folder(item)]


def _media(place: Path, suffixes: set[str] | frozenset[str]) -> list[Path]:
    return [item for item in members(place) if item.suffix.lower() in suffixes]


def _listed(table: Path) -> list[Labelled]:
    found: dict[Path, list[Box]] = {}
    groups: dict[Path, str] = {}
    for line, row in _rows(table):
        path = table.parent / row["path"]
        if not is_file(path):
            raise InputError(
                f"{table}, line {line}: there is no file {row['path']}.",
                hint=f"Paths are relative to {table.parent}.",
                code="bad_boxes",
            )
        box = _box(table, line, row)
        found.setdefault(path, []).extend([box] if box else [])
        groups[path] = row.get("person") or row["path"]
    return [Labelled(path, groups[path], tuple(boxes)) for path, boxes in found.items()]


def _rows(table: Path) -> list[tuple[int, Mapping[str, str]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            heads = reader.fieldnames or ()
            missing = [name for name in _COLUMNS if name not in heads]
            rows = [] if missing else [(reader.line_num, row) for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(
            f"{table} cannot be read: {error}.", hint="A CSV file in UTF-8 is expected."
        ) from error
    if missing:
        raise InputError(
            f"{table} lacks the column {missing[0]!r}.",
            hint=f"Its first line is to be {','.join(_COLUMNS)}.",
            code="bad_boxes",
        )
    return [(line, {key: row[key] or "" for key in row if key}) for line, row in rows]


def _box(table: Path, line: int, row: Mapping[str, str]) -> Box | None:
    """The face of a line; None for the line of a picture without one."""
    words = [row[name].strip() for name in _COLUMNS[1:]]
    if not any(words):
        return None
    try:
        edges = [float(word) for word in words]
    except ValueError:
        edges = []
    if not (edges and all(map(math.isfinite, edges)) and edges[2] > 0 and edges[3] > 0):
        raise InputError(
            f"{table}, line {line}: {','.join(words)} is no box.",
            hint="Write left, top, width and height in pixels, or leave all four empty.",
            code="bad_boxes",
        )
    return Box(*edges)
