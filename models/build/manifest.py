"""Writes `models/manifest.toml`: which files there are, where they came from, how to feed them.

The file is only ever written by `register` here and by the command that measures thresholds,
whose `[models.NAME.calibration]` tables `register` keeps while the model's sha256 stays the same.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import click

from models.build.job import MODELS, BuildError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCHEMA = 1
FILE_NAME = "manifest.toml"
HEADER = "# Written by `python -m models.build make`; edits by hand are lost.\n"

Role = Literal["detector", "embedder", "landmarks", "liveness", "landmarks5"]
Precision = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Source:
    """The registry package, and the file inside it, that a model was built from."""

    registry: Literal["npm", "pypi"]
    package: str
    version: str
    archive: str
    archive_sha256: str
    member: str
    member_sha256: str


@dataclass(frozen=True)
class Input:
    """The tensor a model takes: x = (pixel - mean) * scale, pixels 0 to 255."""

    shape: tuple[int, ...]
    dtype: str
    colour: Literal["rgb", "bgr", "grey"]
    mean: float
    scale: float


@dataclass(frozen=True)
class Alignment:
    """How a face is laid into the input; size is the side of the square crop in pixels.

    points_sha256: of the predictor whose points align, where it is not shipped.
    """

    name: Literal[
        "five_point_112",
        "outer_eyes_and_nose_96",
        "outer_eyes_and_nose_96_dlib5",
        "outer_eyes_and_nose_96_dlib68",
        "context_crop",
        "none",
    ]
    size: int
    points_sha256: str | None = None


@dataclass(frozen=True)
class Output:
    """The tensor a model gives; `similarity` only for embedders.

    Only for liveness: live_index is the class that means a live face, activation what turns the
    tensor into probabilities.
    """

    shape: tuple[int, ...]
    dtype: str
    normalised: bool
    similarity: Literal["cosine"] | None = None
    live_index: int | None = None
    activation: Literal["softmax"] | None = None


@dataclass(frozen=True)
class Entry:
    """One model. sha256 and bytes are not here: `register` reads them off the file itself."""

    name: str
    role: Role
    file: str
    licence: str
    weights_licence: str
    description: str
    precision: Precision
    runtime: Literal["tflite", "dlib", "onnx"]
    source: Source
    input: Input
    alignment: Alignment
    output: Output
    fidelity: Mapping[str, float | int] | None = None


def read(folder: Path = MODELS) -> dict[str, Any]:
    """Return the manifest as plain tables; an empty one when the file does not exist yet."""
    path = folder / FILE_NAME
    if not path.exists():
        return {"schema": SCHEMA, "models": {}}
    manifest = tomllib.loads(path.read_text(encoding="utf-8"))
    if manifest.get("schema") != SCHEMA:
        message = f"{path} has schema {manifest.get('schema')}, this build writes {SCHEMA}."
        raise BuildError(message)
    return manifest


def register(entry: Entry, folder: Path = MODELS) -> None:
    """Write or replace one model's tables in `folder/manifest.toml`, models in order of name.

    The model's file must already lie in `folder`. Whatever other commands wrote below
    `[models.NAME.calibration]`, and the twin, stay if the file's sha256 is unchanged and are
    dropped, with a message, if it changed: thresholds of another network are worth nothing.
    """
    manifest = read(folder)
    models: dict[str, Any] = manifest["models"]
    old: dict[str, Any] = models.get(entry.name, {})
    new = _tables(entry, (folder / entry.file).read_bytes())
    if "calibration" in old:
        if old["sha256"] == new["sha256"]:
            new["calibration"] = old["calibration"]
        else:
            click.echo(f"{entry.name} changed: dropped its calibration, measure it again.")
    if "twin" in old:
        if old["sha256"] == new["sha256"]:
            new["twin"] = old["twin"]
        else:
            click.echo(f"{entry.name} changed: dropped its twin, make mobilefacenet_onnx again.")
    models[entry.name] = new
    _write(manifest, folder)
    click.echo(f"{entry.file}: {new['bytes']} bytes, sha256 {new['sha256']}")


def register_twin(name: str, twin: Mapping[str, Any], folder: Path = MODELS) -> None:
    """Write or replace `[models.NAME.twin]`: `twin` has all but the sum and size of its file.

    The twin's file must already lie in `folder`.
    """
    manifest = read(folder)
    content = (folder / twin["file"]).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    manifest["models"][name]["twin"] = {**twin, "sha256": digest, "bytes": len(content)}
    _write(manifest, folder)
    click.echo(f"{twin['file']}: {len(content)} bytes, sha256 {digest}")


def _write(manifest: dict[str, Any], folder: Path) -> None:
    import tomli_w  # of the extra [build]; reading asks for less

    manifest["models"] = dict(sorted(manifest["models"].items()))
    text = HEADER + tomli_w.dumps(manifest)
    (folder / FILE_NAME).write_text(text, encoding="utf-8")


def _tables(entry: Entry, content: bytes) -> dict[str, Any]:
    """Turn an entry and its file's bytes into TOML tables, plain values before sub-tables."""
    tables = _without_none(asdict(entry))
    del tables["name"]
    tables["sha256"] = hashlib.sha256(content).hexdigest()
    tables["bytes"] = len(content)
    return dict(sorted(tables.items(), key=lambda item: isinstance(item[1], dict)))


def _without_none(value: Any) -> Any:
    """Drop empty optional fields and turn tuples into lists: TOML knows neither."""
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return list(value) if isinstance(value, tuple) else value
