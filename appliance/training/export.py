"""A trained network as files that the appliance can run: TFLite in float32 and int8, a manifest.

Both files are the shipped ones with other weights, so they load wherever those do, take the same
input and need no operator more. Templates of the network that they were made from are no good for
them: their fingerprints differ.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import ModelError
from appliance.training.files import replace, replace_json, unwritten
from appliance.training.graph import Graph, counterpart
from appliance.training.tail import Tail
from appliance.types import Floats
from appliance.vision.embedding import unit
from appliance.vision.interpreter import TfliteModel
from appliance.vision.manifest import Entry, Manifest, Twin

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MANIFEST = "manifest.toml"
REPORT = "report.json"
HEADER = "# Written by `appliance train triplet`, from the models that were in use.\n"
# The exported float32 file computes what PyTorch trained, or something is wrong with it.
LEAST_COSINE = 0.9999


@dataclass(frozen=True)
class Exported:
    """One file, not yet written. precision: what the manifest says."""

    name: str
    precision: str
    content: bytes

    @property
    def file(self) -> str:
        """Its name in the models' folder."""
        return f"{self.name}.tflite"


@dataclass(frozen=True)
class Parity:
    """Cosines of an exported file's embeddings with those that PyTorch gives, on `faces` faces."""

    faces: int
    least: float
    mean: float


def eight_bit_original(models: Manifest, parent: Entry) -> Entry:
    """The manifest's int8 file of the very network that is trained. ModelError without one."""
    source = Graph(models.read(parent), parent.name)
    for entry in models.entries.values():
        same = (entry.role, entry.source, entry.input) == ("embedder", parent.source, parent.input)
        if same and entry.precision == "int8" and _fits(source, models, entry):
            return entry
    raise ModelError(
        f"The manifest of {models.folder} holds no int8 file of {parent.name!r} to begin from.",
        hint="Train openface or mobilefacenet of the models that came with this version.",
        code="not_trainable",
    )


def _fits(source: Graph, models: Manifest, entry: Entry) -> bool:
    target = Graph(models.read(entry), entry.name)
    mine, theirs = ([step.kind for step in graph.operators] for graph in (source, target))
    return mine == theirs


def exported(
    tail: Tail, graph: Graph, eight_bit: Graph, name: str, description: str
) -> tuple[Exported, Exported]:
    """The float32 and the int8 file. eight_bit: of `eight_bit_original`."""
    constants = tail.constants()
    moved = {counterpart(graph, eight_bit, place): value for place, value in constants.items()}
    return (
        Exported(name, "float32", graph.with_constants(constants, description)),
        Exported(f"{name}_int8", "int8", eight_bit.with_constants(moved, description)),
    )


def parity(of: Exported, inputs: Floats, trained: Floats) -> Parity:
    """How near a file comes to PyTorch.

    inputs: (n, height, width, 3) as the network takes them; trained: (n, dimensions) unit vectors.
    ModelError where a float32 file computes something else than what was trained.
    """
    model = TfliteModel(of.content, name=of.name, threads=1)
    given = np.stack([unit(model.run(face[np.newaxis])[0].reshape(-1)) for face in inputs])
    cosines = (given * trained).sum(axis=1)
    found = Parity(len(inputs), float(cosines.min()), float(cosines.mean()))
    if of.precision == "float32" and not found.least >= LEAST_COSINE:
        raise ModelError(
            f"The exported file {of.file} computes something else than what was trained: a cosine "
            f"of {found.least:.6f} on one of {found.faces} faces.",
            hint="Nothing was written. Another version of the TFLite runtime may help.",
            code="not_the_same",
        )
    return found


def staged(
    models: Manifest, parent: Entry, files: tuple[Exported, ...], told: Mapping[str, Any], to: Path
) -> None:
    """Fill a folder of models: everything of `models`, and the new files beside it.

    told: what the manifest says of the training, see vision.manifest.Training, and
    `weights_licence` and `description`. The new entries have no calibration, without which no door
    uses them, and may have none before they are `acquitted`. InputError where it cannot be
    written, ModelError where the manifest cannot be read.
    """
    import tomli_w

    try:
        manifest = tomllib.loads((models.folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The manifest of {models.folder} cannot be read: {error}.") from error
    tables = manifest["models"]
    twins = [entry.twin for entry in models.entries.values() if entry.twin is not None]
    items: list[Entry | Twin] = [*models.entries.values(), *twins]
    for item in items:
        if not (to / item.file).exists():  # several entries may share one
            replace(to / item.file, models.read(item))
    told = dict(told)
    words = {key: told.pop(key) for key in ("description", "weights_licence")}
    for made in files:
        replace(to / made.file, made.content)
        table = dict(tables[parent.name])
        for of_the_parent in ("calibration", "twin", "fidelity"):
            table.pop(of_the_parent, None)
        table |= {
            **words,
            "file": made.file,
            "precision": made.precision,
            "sha256": hashlib.sha256(made.content).hexdigest(),
            "bytes": len(made.content),
            "training": told,
        }
        # Plain values before tables, as TOML wants them.
        tables[made.name] = dict(sorted(table.items(), key=lambda it: isinstance(it[1], dict)))
    manifest["models"] = dict(sorted(tables.items()))
    replace(to / MANIFEST, (HEADER + tomli_w.dumps(manifest)).encode())


def acquitted(draft: Path, judged: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Write to a staged manifest what the people who judge say, without which none is calibrated.

    judged: by model, tables as vision.manifest.JudgedRate. InputError where it cannot be written.
    """
    import tomli_w

    path = draft / MANIFEST
    manifest = tomllib.loads(path.read_text(encoding="utf-8"))
    for name, rates in judged.items():
        manifest["models"][name]["training"]["judged"] = list(rates)
    replace(path, (HEADER + tomli_w.dumps(manifest)).encode())


def published(draft: Path, folder: Path, report: Mapping[str, Any]) -> None:
    """Put a finished folder and its report in their place, which is empty or not there. InputError.

    report: what the command tells, kept beside the models.
    """
    replace_json(draft / REPORT, report)
    try:
        # Others may look at the models; nobody's face can be read off them.
        draft.chmod(0o755)
        draft.replace(folder)
    except OSError as error:
        raise unwritten(folder, error) from error
