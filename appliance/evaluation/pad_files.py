"""Folders of presentations: DIR/live/* and DIR/SPECIES/*, pictures, clips, or folders of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import InputError
from appliance.evaluation.listing import is_folder, members

LIVE = "live"
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
CLIPS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif"})
# What is opened so that the report can say why it cannot be read: people take it for pictures.
_TAKEN_FOR_PICTURES = frozenset({".heic", ".heif", ".avif", ".tif", ".tiff"})
MEDIA = PICTURES | CLIPS | _TAKEN_FOR_PICTURES
# Notes that stand beside recordings: nobody expects them to be shown.
_COMPANIONS = frozenset({".json", ".jsonl", ".txt", ".csv", ".md", ".yaml", ".yml", ".toml"})
_LAYOUT = (
    "Give a folder that holds live/ and a folder for each species of attack, such as DIR/live/*.mp4"
    " and DIR/print/*.jpg."
)


@dataclass(frozen=True)
class Presentation:
    """Something that was shown to a camera once: one file, or the frames of one clip in order.

    label: `live`, or the species of attack. name: its place below the folder, for reports.
    """

    label: str
    name: str
    files: Sequence[Path]


@dataclass(frozen=True)
class Presentations:
    """All of a folder. species: in the order of their names, also those without anything in them.

    ignored: files that are neither pictures nor clips, nor notes beside them.
    """

    all: Sequence[Presentation]
    species: Sequence[str]
    ignored: Sequence[str] = ()

    def of(self, label: str) -> list[Presentation]:
        """Those of one species, or the live ones."""
        return [item for item in self.all if item.label == label]


@dataclass
class _Search:
    """What is found below one folder."""

    root: Path
    separate: bool
    found: list[Presentation] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def find(folder: Path, *, separate: bool = False) -> Presentations:
    """Read FOLDER/live and FOLDER/SPECIES; `live` may be written in any case.

    A file is one presentation. A sub-folder that holds only pictures is one presentation too: they
    are its frames, in the order of their names (see `pad_run.show` for those that cannot be); with
    `separate` each is a presentation of its own.
    Any other sub-folder only groups what is in it. Hidden files are left out.
    Raises InputError for a folder without live/, or with nothing to show.
    """
    if not is_folder(folder):
        raise InputError(f"{folder} is not a folder.", hint=_LAYOUT, code="bad_layout")
    places = [item for item in members(folder) if is_folder(item)]
    labels = {item: LIVE if item.name.casefold() == LIVE else item.name for item in places}
    _check_layout(folder, list(labels.values()))
    search = _Search(folder, separate)
    for place, label in labels.items():
        for item in members(place):
            _look_at(item, label, search, (place.resolve(),))
    if not search.found:
        raise InputError(
            f"{folder} holds no picture and no clip in any of its folders.",
            hint=_LAYOUT,
            code="bad_layout",
        )
    species = [label for label in labels.values() if label != LIVE]
    return Presentations(search.found, species, search.ignored)


def _check_layout(folder: Path, labels: Sequence[str]) -> None:
    if labels.count(LIVE) > 1:
        raise InputError(
            f"{folder} holds more than one folder that is called live.",
            hint="Put all live presentations into one.",
            code="bad_layout",
        )
    if LIVE not in labels:
        raise InputError(
            f"{folder} holds no folder that is called live.",
            hint=f"{_LAYOUT} To measure attacks alone, make an empty folder live/.",
            code="bad_layout",
        )


def _look_at(path: Path, label: str, search: _Search, above: tuple[Path, ...]) -> None:
    """Sort one file or sub-folder. above: the folders that lead here, against a link back."""
    if not path.is_dir():
        name = path.relative_to(search.root).as_posix()
        suffix = path.suffix.lower()
        if suffix in MEDIA:
            search.found.append(Presentation(label, name, (path,)))
        elif suffix not in _COMPANIONS:
            search.ignored.append(name)
        return
    here = path.resolve()
    if here in above:
        search.ignored.append(path.relative_to(search.root).as_posix())
        return
    inside = members(path)
    if not search.separate and (frames := _frames(inside)):
        name = path.relative_to(search.root).as_posix()
        search.found.append(Presentation(label, name, frames))
        return
    for item in inside:
        _look_at(item, label, search, (*above, here))


def _frames(inside: Sequence[Path]) -> list[Path]:
    """The pictures of a folder that holds nothing else to look at; else none."""
    if any(item.is_dir() or item.suffix.lower() in CLIPS for item in inside):
        return []
    return [item for item in inside if item.suffix.lower() in MEDIA]
