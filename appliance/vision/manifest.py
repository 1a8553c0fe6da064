"""models/manifest.toml: which networks there are, how to feed them, and what their files hash to.

A model is handed out as the very bytes that were hashed, so that a file exchanged between the
check and the load is never run.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from appliance.errors import ModelError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCHEMA = 1
REBUILD = (
    "Restore it with `git checkout -- models` or a reinstall; `appliance models verify` checks all."
)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Source(_Table):
    """The registry package that a model was built from."""

    registry: Literal["npm", "pypi"]
    package: str
    version: str
    member: str


class Input(_Table):
    """What the network is fed: x = (pixel - mean) * scale, pixels 0..255."""

    shape: tuple[int, ...]
    dtype: str
    colour: Literal["rgb", "bgr", "grey"]
    mean: float
    scale: float


class Alignment(_Table):
    """How a face is warped before the network sees it.

    size: pixels per side. points_sha256: of the predictor that finds the points, where it is a
    file that does not come along and that a user has to install.
    """

    name: str
    size: int
    points_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")


class Output(_Table):
    """What the network gives."""

    shape: tuple[int, ...]
    dtype: str
    normalised: bool = False
    live_index: int | None = None
    activation: Literal["softmax", "none"] | None = None


class Curve(_Table):
    """Similarity against false-accept rate for one protocol, see appliance.matching.

    enrolled, probes: how many pictures a template and a probe were averaged from.
    similarity: rising; log10_far: falling, the same length.
    trials, people: what the curve was measured on.
    supported: the lowest rate that they can vouch for; 0 where that was not looked into.
    """

    enrolled: int = Field(ge=1)
    probes: int = Field(ge=1)
    similarity: Annotated[tuple[float, ...], Field(min_length=2)]
    log10_far: Annotated[tuple[float, ...], Field(min_length=2)]
    trials: int = Field(ge=1)
    people: int = Field(ge=1)
    supported: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _is_a_curve(self) -> Curve:
        if len(self.similarity) != len(self.log10_far):
            raise ValueError("similarity and log10_far must have the same length")
        if not all(math.isfinite(value) for value in (*self.similarity, *self.log10_far)):
            raise ValueError("similarity and log10_far must be finite")
        if any(later < before for before, later in pairwise(self.similarity)):
            raise ValueError("similarity must not fall")
        if any(later >= before for before, later in pairwise(self.log10_far)):
            raise ValueError("log10_far must fall")
        return self


class Handicap(_Table):
    """How much more alike strangers become as one measure of a face's quality falls.

    value: falling, in the units of types.Quality; similarity: what to take off, rising, the same
    length, from 0 on. A face that is better than the first value pays nothing; none worse than the
    last one was measured.
    """

    value: Annotated[tuple[float, ...], Field(min_length=2)]
    similarity: Annotated[tuple[float, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _rises_as_quality_falls(self) -> Handicap:
        if len(self.value) != len(self.similarity):
            raise ValueError("value and similarity must have the same length")
        if not all(math.isfinite(number) for number in (*self.value, *self.similarity)):
            raise ValueError("value and similarity must be finite")
        if any(later >= before for before, later in pairwise(self.value)):
            raise ValueError("value must fall")
        if self.similarity[0] != 0 or any(b < a for a, b in pairwise(self.similarity)):
            raise ValueError("similarity must begin at 0 and not fall")
        return self


class Calibration(_Table):
    """The error rates measured for a model; `curves` by protocol name.

    handicaps: by the measure of quality (`eye_distance`, `sharpness`), see Handicap.

    people_sha256: of the names of the people it was measured on, so that a report on the same
    people can say that it is no independent one. people_hashes: of each name on its own (see
    evaluation.dataset), for sets that share only some people with it.
    """

    data: str
    people_sha256: str = ""
    people_hashes: str = Field("", pattern=r"^(?:[A-Za-z0-9+/]{4})*$")
    curves: Mapping[str, Curve]
    handicaps: Mapping[Literal["eye_distance", "sharpness"], Handicap] = {}

    @property
    def supported(self) -> float:
        """The lowest false-accept rate that every curve can vouch for."""
        return max((curve.supported for curve in self.curves.values()), default=0.0)


class Fidelity(_Table):
    """How near a quantised network came to its float32 original on the same faces, when built.

    FRR at a FAR of 1e-4 and 1e-5, one picture against one, and the original's.
    """

    frr_1e4: float = Field(alias="frr_at_far_1e-04", ge=0, le=1)
    float_frr_1e4: float = Field(alias="float_frr_at_far_1e-04", ge=0, le=1)
    frr_1e5: float = Field(alias="frr_at_far_1e-05", ge=0, le=1)
    float_frr_1e5: float = Field(alias="float_frr_at_far_1e-05", ge=0, le=1)

    @property
    def losses(self) -> dict[str, float]:
        """FRR minus the original's, by FAR; negative where it is lower."""
        return {
            "1e-4": round(self.frr_1e4 - self.float_frr_1e4, 6),
            "1e-5": round(self.frr_1e5 - self.float_frr_1e5, 6),
        }


class Twin(_Table):
    """The same network in another format, for runtimes that read no TFLite.

    Made of the model's own weights, so it is fed the same and its vectors mean the same.
    least_cosine, median_cosine: of its embeddings and the model's, on `faces` real faces, when it
    was built.
    """

    file: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)
    runtime: Literal["onnx"]
    faces: int = Field(ge=1)
    least_cosine: float = Field(ge=-1, le=1)
    median_cosine: float = Field(ge=-1, le=1)


class JudgedRate(_Table):
    """FRR at one FAR, of people who had no say in the training, by the parent and by the network.

    counted: whether every pair of pictures counts once, or every person.
    """

    far: float = Field(gt=0, lt=1)
    counted: Literal["pairs", "people"]
    before: float = Field(ge=0, le=1)
    after: float = Field(ge=0, le=1)


class Training(_Table):
    """What a network was made from by training on pictures of people, on whom, and what came of it.

    parent, parent_sha256: the network that training began from. people_sha256, people_hashes: of
    those it was trained on, as in Calibration, but by their names' words, and never empty: on them
    its error rates say nothing. judged: by people who were held back; empty where that has not
    been done.
    """

    parent: str
    parent_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    people_sha256: str
    people_hashes: str = Field(pattern=r"^(?:[A-Za-z0-9+/]{4})+$")
    judged: tuple[JudgedRate, ...] = ()

    @property
    def objection(self) -> str | None:
        """Why no door may use the network, as a clause; None where one may."""
        if not self.judged:
            return "no people who were held back from its training have judged it"
        if any(rate.after > rate.before for rate in self.judged):
            return f"it rejects more of the people who were held back than {self.parent!r} did"
        return None


class Entry(_Table):
    """One model. training: None for one that came as it is from where `source` says."""

    name: str
    role: Literal["detector", "embedder", "landmarks", "liveness", "landmarks5"]
    file: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(gt=0)
    licence: str
    weights_licence: str
    description: str
    precision: str
    runtime: Literal["tflite", "dlib", "onnx"]
    source: Source
    input: Input
    alignment: Alignment
    output: Output
    calibration: Calibration | None = None
    fidelity: Fidelity | None = None
    twin: Twin | None = None
    training: Training | None = None

    @model_validator(mode="after")
    def _a_live_score_is_a_probability(self) -> Entry:
        told = self.output.live_index is not None and self.output.activation == "softmax"
        if self.role == "liveness" and not told:
            raise ValueError("a liveness model needs live_index and the activation softmax")
        return self

    @model_validator(mode="after")
    def _a_worse_network_has_no_thresholds(self) -> Entry:
        """Without a calibration no door uses it."""
        why = self.training.objection if self.training else None
        if why is not None and self.calibration is not None:
            raise ValueError(f"the model {self.name!r} must not have a calibration, for {why}")
        return self


@dataclass(frozen=True)
class Manifest:
    """The models of one folder."""

    folder: Path
    entries: Mapping[str, Entry]

    def entry(self, name: str, role: str | None = None) -> Entry:
        """Look a model up. ModelError when there is none of that name (and role)."""
        found = self.entries.get(name)
        if found is None or (role is not None and found.role != role):
            names = [item.name for item in self.entries.values() if role in (None, item.role)]
            raise ModelError(
                f"There is no {role or 'model'} called {name!r} in the manifest of {self.folder}.",
                hint=f"Choose one of: {', '.join(sorted(names))}.",
            )
        return found

    def path(self, entry: Entry | Twin) -> Path:
        """Where the model's file lies."""
        return self.folder / entry.file

    def read(self, entry: Entry | Twin) -> bytes:
        """The file's bytes, checked. ModelError when it is missing or differs."""
        path = self.path(entry)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise ModelError(
                f"The model file {path} is missing.", hint=REBUILD, code="missing_model"
            ) from None
        except OSError as error:
            raise ModelError(
                f"The model file {path} cannot be read: {error.strerror}.",
                hint="Its owner must let this user read it.",
            ) from error
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise ModelError(
                f"The model file {path} is not the one that the manifest names "
                f"(its SHA-256 differs, {len(content)} bytes instead of {entry.bytes}).",
                hint=REBUILD,
                code="changed_model",
            )
        return content


def load(folder: Path) -> Manifest:
    """Read a folder's manifest. ModelError when it is missing or malformed."""
    path = folder / "manifest.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"The model manifest {path} is missing.", hint=REBUILD, code="missing_model"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The model manifest {path} cannot be read: {error}.", hint=REBUILD
        ) from error
    if data.get("schema") != SCHEMA:
        raise ModelError(
            f"The model manifest {path} has schema {data.get('schema')!r}, not {SCHEMA}.",
            hint="Install the models that came with this version.",
        )
    tables: Any = data.get("models", {})
    if not isinstance(tables, dict):
        raise ModelError(
            f"The model manifest {path} is malformed: models is no table.", hint=REBUILD
        )
    try:
        entries = {name: Entry(name=name, **table) for name, table in tables.items()}
    except (ValidationError, TypeError) as error:
        raise ModelError(
            f"The model manifest {path} is malformed: {_first_fault(error)}.", hint=REBUILD
        ) from error
    return Manifest(folder, entries)


def _first_fault(error: ValidationError | TypeError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    why = first["msg"].removeprefix("Value error, ")
    return f"{place}: {why}" if place else why


def shipped_folder() -> Path:
    """Where the models that came with this installation lie: in the package or the checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "models"
    return inside if (inside / "manifest.toml").exists() else package.parent / "models"


def fingerprint(entry: Entry, landmark_models: Sequence[Entry]) -> str:
    """What a template must share with a probe: everything that decides what a vector means.

    The network, how it is fed, how its crops are aligned, and the models whose landmarks align.
    """
    parts = {
        "network": entry.sha256,
        "input": entry.input.model_dump(),
        # Without what is not set: a later key changes no fingerprint of a model that lacks it.
        "alignment": entry.alignment.model_dump(exclude_none=True),
        "landmarks": [model.sha256 for model in landmark_models],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
