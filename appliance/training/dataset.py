"""Labelled pictures as folders: ROOT/NAME/PICTURE, a folder for each person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InputError
from appliance.training.files import reason

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})

LAYOUT = "Expected one folder a person, such as DIR/alice/1.jpg and DIR/bob/1.jpg."


@dataclass(frozen=True)
class Picture:
    """One picture of somebody. person: the name of its folder."""

    path: Path
    person: str

    @property
    def key(self) -> str:
        """`NAME/FILE`, as reports call it."""
        return f"{self.person}/{self.path.name}"


@dataclass(frozen=True)
class DataSet:
    """The people of a folder, sorted by name, and their pictures, sorted by person and file.

    root: the folder that holds the people's. empty: people without a picture. loose: pictures
    that lie in no person's folder and so are nobody's. others: files that are no pictures.
    """

    root: Path
    people: tuple[str, ...]
    pictures: tuple[Picture, ...]
    empty: tuple[str, ...] = ()
    loose: int = 0
    others: int = 0


def load(folder: Path) -> DataSet:
    """Read FOLDER/NAME/PICTURE; of a folder like LFW's, FOLDER/images/NAME/PICTURE.

    Hidden files are passed over, deeper folders too. InputError when there is no picture, when
    something cannot be read, or when a name is no text.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", hint=LAYOUT)
    try:
        return _loaded(folder)
    except OSError as error:  # such as of a folder that may be listed, and not looked into
        raise InputError(
            f"{folder} cannot be read: {reason(error)}.",
            hint="This user must be allowed to look into every person's folder.",
        ) from error


def _loaded(folder: Path) -> DataSet:
    root = _root(folder)
    here = _visible(root)
    loose = sum(_is_picture(item) for item in here)
    people: list[str] = []
    empty: list[str] = []
    pictures: list[Picture] = []
    others = 0
    for place in (item for item in here if item.is_dir()):
        files = [item for item in _visible(place) if item.is_file()]
        shown = [Picture(_text(item), _text(place).name) for item in files if _is_picture(item)]
        others += len(files) - len(shown)
        pictures += shown
        (people if shown else empty).append(place.name)
    if not pictures:
        raise InputError(
            f"{folder} holds no picture that is somebody's"
            + (f"; {loose} lie in it that are in no person's folder." if loose else "."),
            hint=f"{LAYOUT} Pictures end in {', '.join(sorted(SUFFIXES))}.",
            code="no_pictures",
        )
    return DataSet(root, tuple(people), tuple(pictures), tuple(empty), loose, others)


def _root(folder: Path) -> Path:
    """`images` inside the folder where that holds the people, as LFW's does."""
    inner = folder / "images"
    return inner if inner.is_dir() and any(item.is_dir() for item in _visible(inner)) else folder


def _visible(folder: Path) -> list[Path]:
    """What a folder holds, sorted by name, without what is hidden."""
    try:
        return sorted(item for item in folder.iterdir() if not item.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"{folder} cannot be read: {reason(error)}.",
            hint="This user must be allowed to look into every person's folder.",
        ) from error


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _text(path: Path) -> Path:
    """The same path. InputError where its name's bytes are no UTF-8: no report could hold it."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"The name of {path} is no valid UTF-8.", hint="Rename the file or folder."
        ) from None
    return path
