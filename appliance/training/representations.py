"""Embeddings of a data set as files: labels.csv and reps.csv as OpenFace writes them.

OpenFace's batch-represent leaves two files without a header: a line `LABEL,PATH` for each crop
in labels.csv, the label counted from 1 and the person's name the folder in the path; and the
numbers of the same crop in the same line of reps.csv. The same files are written here, so that
whatever read those reads these. (Its later batch_represent.py, for PyTorch, has the person's name
in the place of the path; that is read, too.) Beside them lie representations.npz, the same for
numpy, and representations.json, which says what made the numbers: vectors of two models must never
meet.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.errors import InputError
from appliance.training import files
from appliance.training.aligned import Settings
from appliance.training.dataset import SUFFIXES
from appliance.types import Floats

FORMAT = 1
LABELS, REPS, ARRAYS, RECORD = (
    "labels.csv",
    "reps.csv",
    "representations.npz",
    "representations.json",
)
# What a table may take: two million rows of 128 numbers.
_MOST_BYTES = 4 << 30
_MOST_DIGITS = 18  # of a label that an int64 holds
EMBED = "Make them with `appliance dataset embed ALIGNED --out DIR`."


@dataclass(frozen=True, eq=False)
class Representations:
    """Embeddings and whose they are.

    vectors: (n, d) float32, of norm 1 where the appliance made them. labels: (n,) int64, counted
    from 1. names: n names, `people[label - 1]`. people: in the order of their labels. paths: n
    paths of the crops, as labels.csv gives them.
    model, fingerprint: of the network that made them and of everything that decides what a vector
    means, as a template carries it; alignment: how the crops sit. All None where nobody knows,
    as of files that OpenFace wrote.
    """

    vectors: Floats
    labels: NDArray[np.int64]
    people: tuple[str, ...]
    paths: tuple[str, ...]
    model: str | None = None
    fingerprint: str | None = None
    alignment: Settings | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Whose each row is."""
        return tuple(self.people[label - 1] for label in self.labels)

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])


def made_by(found: Representations, model: str, fingerprint: str) -> Representations:
    """The same, with the name of what made them."""
    return replace(found, model=model, fingerprint=fingerprint)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1]
    model: str | None
    fingerprint: str | None
    dimensions: int = Field(ge=1)
    alignment: Settings | None
    people: tuple[str, ...]
    rows: int = Field(ge=1)
    sha256: dict[str, str]


def write(folder: Path, found: Representations) -> None:
    """Write all four files into a folder, which is made where it is missing.

    Earlier ones stay as they are until all four are written. The record comes last: where the
    exchange broke off, `read` says so. InputError when nothing can be written, or when the folder
    holds CSV files that the appliance did not write.
    """
    _check(found)
    files.make_folder(folder)
    check_target(folder)
    contents = {LABELS: _labels_csv(found), REPS: _reps_csv(found), ARRAYS: _arrays(found)}
    record = _Record(
        format=FORMAT,
        model=found.model,
        fingerprint=found.fingerprint,
        dimensions=found.dimensions,
        alignment=found.alignment,
        people=found.people,
        rows=len(found.labels),
        sha256={name: hashlib.sha256(contents[name]).hexdigest() for name in contents},
    )
    described = {RECORD: files.json_bytes(record.model_dump(mode="json"))}
    files.replace_together(folder, contents | described, RECORD)


def check_target(folder: Path) -> None:
    """InputError when writing would replace embeddings that the appliance did not write."""
    foreign = [name for name in (LABELS, REPS) if (folder / name).exists()]
    if foreign and not any((folder / name).exists() for name in (RECORD, ARRAYS)):
        raise InputError(
            f"{folder} holds a {foreign[0]} that the appliance did not write; it is left alone.",
            hint="Name another folder, or move the file away.",
        )


def read(folder: Path) -> Representations:
    """Read what `write` or OpenFace's batch-represent left in a folder.

    InputError when a file is missing, was altered after it was written, or makes no sense:
    another number of rows or columns, a number that is none, two names under one label.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder.", hint=EMBED)
    for name in (LABELS, REPS):
        if not (folder / name).is_file():
            raise InputError(f"{folder} holds no {name}.", hint=EMBED, code="no_representations")
    labels_csv, reps_csv = (files.read(folder / name, _MOST_BYTES) for name in (LABELS, REPS))
    record = _record(folder, {LABELS: labels_csv, REPS: reps_csv})
    labels, paths = _parse_labels(folder / LABELS, labels_csv)
    vectors = _parse_reps(folder / REPS, reps_csv)
    if len(labels) != len(vectors):
        raise InputError(
            f"{folder} holds {len(labels)} rows in {LABELS}, but {len(vectors)} in {REPS}.",
            hint=f"Both must be of one run. {EMBED}",
        )
    if record is None:
        numbers, people = _people(folder / LABELS, labels, paths)
        return Representations(vectors, numbers, people, paths)
    found = Representations(
        vectors,
        np.array(labels, np.int64),
        record.people,
        paths,
        record.model,
        record.fingerprint,
        record.alignment,
    )
    if found.dimensions != record.dimensions or len(labels) != record.rows:
        raise InputError(
            f"{folder / RECORD} does not fit the files beside it.", hint=f"Run it again. {EMBED}"
        )
    _check(found, folder)
    return found


def _check(found: Representations, folder: Path | None = None) -> None:
    """Rows, labels and numbers that belong together."""
    rows = len(found.paths)
    shapes = found.vectors.ndim == 2 and rows == len(found.vectors) == len(found.labels)
    if not shapes or rows == 0:
        raise InputError("There are no embeddings, or not one for each path.", hint=EMBED)
    where = f" in {folder}" if folder else ""
    if not np.isfinite(found.vectors).all():
        raise InputError(f"An embedding{where} holds a number that is none.", hint=EMBED)
    if not set(found.labels.tolist()) <= set(range(1, len(found.people) + 1)):
        raise InputError(f"A label{where} is of nobody.", hint=EMBED)


def _labels_csv(found: Representations) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        zip(found.labels.tolist(), found.paths, strict=True)
    )
    try:
        return text.getvalue().encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            "A path of a crop is no valid UTF-8, which labels.csv is written in.",
            hint="Rename the folder that holds the crops.",
        ) from error


def _reps_csv(found: Representations) -> bytes:
    # Nine digits bring every float32 back exactly.
    text = io.BytesIO()
    for row in found.vectors:
        text.write((",".join(f"{number:.9g}" for number in row.tolist()) + "\n").encode("ascii"))
    return text.getvalue()


def _arrays(found: Representations) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        labels=found.labels.astype(np.int64),
        names=np.array(found.names, dtype=np.str_),
        paths=np.array(found.paths, dtype=np.str_),
        vectors=found.vectors.astype(np.float32),
    )
    return buffer.getvalue()


def _record(folder: Path, contents: dict[str, bytes]) -> _Record | None:
    """The record, once it is found to speak of just these files; None where OpenFace wrote them."""
    path = folder / RECORD
    if not path.exists():
        if (folder / ARRAYS).exists():
            raise InputError(
                f"{folder} is unfinished: writing its embeddings broke off.", hint=EMBED
            )
        return None
    try:
        record = _Record.model_validate(json.loads(files.read(path)))
    except (ValueError, RecursionError) as error:
        told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{path} cannot be understood: {told}.", hint=EMBED) from error
    for name, content in contents.items():
        if record.sha256.get(name) != hashlib.sha256(content).hexdigest():
            raise InputError(
                f"{folder / name} was altered after it was written: its SHA-256 is not the one "
                f"in {RECORD}.",
                hint="Rows of another model or alignment must not stand among these. " + EMBED,
                code="altered",
            )
    return record


def _parse_labels(path: Path, content: bytes) -> tuple[list[int], tuple[str, ...]]:
    labels: list[int] = []
    paths: list[str] = []
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        for row in lines:
            if not row:
                continue
            # Not every writer quotes: all that follows the label is the path, with its commas.
            label, crop = row[0], ",".join(row[1:])
            if not crop or not label.strip().isdecimal() or len(label) > _MOST_DIGITS:
                raise InputError(
                    f"{path}, line {lines.line_num}, is no label and path: {label!r:.40}.",
                    hint="A line is `1,aligned/alice/1.png`, and there is no header.",
                )
            labels.append(int(label))
            paths.append(crop)
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path} is no CSV file in UTF-8: {error}.", hint=EMBED) from error
    return labels, tuple(paths)


def _parse_reps(path: Path, content: bytes) -> Floats:
    if not content.isascii() or not content.strip():
        raise InputError(f"{path} holds no numbers.", hint=EMBED)
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="ascii")
    try:
        vectors = np.loadtxt(lines, dtype=np.float32, delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        raise InputError(
            f"{path} is no table of numbers: {str(error).split(';')[0].rstrip('.')}.",
            hint="Rows of two models must not be mixed: every row has the same number of columns.",
        ) from error
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{path} holds a number that is none, or too large, in row {int(finite.argmin()) + 1}.",
            hint=EMBED,
        )
    return np.asarray(vectors, np.float32)


def _name(crop: str) -> str:
    """Whose a crop is: its folder, or, as OpenFace's later batch_represent.py writes, the name."""
    path = PurePosixPath(crop)
    if path.parent.name or path.suffix.lower() in SUFFIXES:
        return path.parent.name
    return path.name


def _people(
    path: Path, labels: Sequence[int], paths: Sequence[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Names from the folders in the paths, and labels that count from 1 without a gap.

    OpenFace's own labels leave a number out where a person's folder was empty.
    """
    names: dict[int, str] = {}
    for label, crop in zip(labels, paths, strict=True):
        name = _name(crop) or f"person-{label}"
        if names.setdefault(label, name) != name:
            raise InputError(
                f"{path} gives the label {label} to {names[label]!r} and to {name!r}.",
                hint="Two runs must not be mixed in one file.",
            )
    order = sorted(names)
    if len(set(names.values())) < len(names):
        raise InputError(
            f"{path} gives one name two labels.", hint="Two runs must not be mixed in one file."
        )
    places = {label: at for at, label in enumerate(order, start=1)}
    return np.array([places[it] for it in labels], np.int64), tuple(names[it] for it in order)
