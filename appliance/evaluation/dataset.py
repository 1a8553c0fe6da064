"""Folders of labelled faces: NAME/*.jpg, with or without LFW's pairs.txt."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InputError
from appliance.vision.manifest import Calibration, Training

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
_HASH_BYTES = 3


@dataclass(frozen=True)
class Picture:
    """One labelled picture. person: index into Dataset.people."""

    path: Path
    person: int


@dataclass(frozen=True)
class Pair:
    """Two pictures (indices into Dataset.pictures), whether one person's, and the fold."""

    one: int
    other: int
    same: bool
    fold: int


@dataclass(frozen=True)
class Dataset:
    """A folder of labelled faces. missing_pairs: pairs.txt lines whose pictures are not there."""

    people: Sequence[str]
    pictures: Sequence[Picture]
    pairs: Sequence[Pair] = ()
    missing_pairs: int = 0


def people_sha256(dataset: Dataset) -> str:
    """Tells whether two data sets are of the same people, by their names."""
    names = sorted(_spelt(name) for name in dataset.people)
    return hashlib.sha256(_bytes("\n".join(names))).hexdigest()


def name_hashes(dataset: Dataset) -> str:
    """Three bytes of a salted SHA-256 for each person's name, sorted, in base64.

    Enough to tell who is among a few thousand people (of 2,835, they take one stranger in 6,000
    for one of them), and less than a list of names, though a name that is guessed can be checked.
    """
    return _hashes(dataset, _spelt)


def word_hashes(dataset: Dataset) -> str:
    """The same of the names' words, so that a folder that was only spelt anew is known by them."""
    return _hashes(dataset, _worded)


def words(name: str) -> tuple[str, ...]:
    """A name's words in order, without case, accents and signs.

    `Chyung_Dai-chul` and `dai chul CHYUNG` have the same, and so have Zoë's two encodings.
    """
    plain = unicodedata.normalize("NFKD", name.casefold())
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return tuple(sorted(re.findall(r"\w+", letters.replace("_", " "))))


def known_people(dataset: Dataset, calibration: Calibration | Training) -> int | None:
    """How many of the data set's people the calibration was measured on, by their names.

    Or the network was trained on, by their names' words. None where that cannot be known: there
    are no hashes, and it was not measured on just these people.
    """
    salt, stored = calibration.people_sha256, base64.b64decode(calibration.people_hashes)
    if not stored:
        return len(dataset.people) if people_sha256(dataset) == salt else None
    starts = range(0, len(stored), _HASH_BYTES)
    known = {stored[start : start + _HASH_BYTES] for start in starts}
    # A network's people were once told by their names as well.
    ways = (_spelt, _worded) if isinstance(calibration, Training) else (_spelt,)
    return max(sum(_hash(way(name), salt) in known for name in dataset.people) for way in ways)


def _hashes(dataset: Dataset, way: Callable[[str], str]) -> str:
    salt = people_sha256(dataset)
    found = sorted(_hash(way(name), salt) for name in dataset.people)
    return base64.b64encode(b"".join(found)).decode()


def _hash(text: str, salt: str) -> bytes:
    return hashlib.sha256(_bytes(f"{salt}\n{text}")).digest()[:_HASH_BYTES]


def _worded(name: str) -> str:
    """The name's words; of one without any, such as `😀`, the name."""
    return " ".join(words(name)) or _spelt(name)


def _spelt(name: str) -> str:
    """One encoding of a name: folders copied from a Mac have accents as characters of their own."""
    return unicodedata.normalize("NFC", name)


def _bytes(text: str) -> bytes:
    """Names of folders need not be UTF-8."""
    return text.encode(errors="surrogateescape")


def load(folder: Path) -> Dataset:
    """Read FOLDER/images/NAME/* or FOLDER/NAME/*, and FOLDER/pairs.txt where it exists."""
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder.", hint="Give a folder that holds one folder a person."
        )
    root = folder / "images" if (folder / "images").is_dir() else folder
    people: list[str] = []
    pictures: list[Picture] = []
    for place in sorted(item for item in root.iterdir() if item.is_dir()):
        files = sorted(item for item in place.iterdir() if item.suffix.lower() in SUFFIXES)
        pictures += [Picture(file, len(people)) for file in files]
        people += [place.name] if files else []
    if len(people) < 2:
        raise InputError(
            f"{folder} holds pictures of {len(people)} people; at least two are needed.",
            hint="Expected one folder a person, such as DIR/alice/1.jpg and DIR/bob/1.jpg.",
        )
    dataset = Dataset(people, pictures)
    listing = folder / "pairs.txt"
    return _with_pairs(dataset, listing) if listing.is_file() else dataset


def _with_pairs(dataset: Dataset, listing: Path) -> Dataset:
    """LFW's format: a header `FOLDS N` (or `N`), then per fold N same and N different pairs."""
    lines = _numbered_lines(listing)
    header = lines[0][1] if lines else []
    if not header or not all(item.isdecimal() for item in header) or int(header[-1]) == 0:
        raise InputError(
            f"{listing} does not begin with its header.",
            hint="LFW's pairs.txt begins with a line `10 300`: folds, pairs of each kind.",
        )
    per_fold = 2 * int(header[-1])
    index = {picture.path.stem: number for number, picture in enumerate(dataset.pictures)}
    pairs: list[Pair] = []
    for number, (line, parts) in enumerate(lines[1:]):
        names = _picture_names(parts, listing, line)
        found = [index.get(name) for name in names]
        if found[0] is not None and found[1] is not None:
            pairs.append(Pair(found[0], found[1], len(parts) == 3, number // per_fold))
    missing = len(lines) - 1 - len(pairs)
    return Dataset(dataset.people, dataset.pictures, pairs, missing)


def _numbered_lines(listing: Path) -> list[tuple[int, list[str]]]:
    """The words of every line that is not blank, with the line's number."""
    try:
        text = listing.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{listing} cannot be read: {error}.", hint="A text file in UTF-8 is expected."
        ) from error
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1)]
    return [(number, words) for number, words in lines if words]


def _picture_names(parts: Sequence[str], listing: Path, line: int) -> tuple[str, str]:
    try:
        if len(parts) == 3:
            name, one, other = parts
            return f"{name}_{int(one):04d}", f"{name}_{int(other):04d}"
        first, one, second, other = parts
        return f"{first}_{int(one):04d}", f"{second}_{int(other):04d}"
    except ValueError:
        raise InputError(
            f"{listing}, line {line}: {' '.join(parts)!r} is not a pair.",
            hint="Write `NAME 1 2` for one person and `NAME 1 OTHER 3` for two.",
        ) from None
