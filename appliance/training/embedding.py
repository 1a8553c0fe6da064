"""Embeds a folder of aligned faces with the network that its alignment was made for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from appliance.errors import InputError, ModelError
from appliance.evaluation.workers import Workers, built, each, open_first
from appliance.ports import Embedder
from appliance.training.aligned import AGAIN, DLIB_68, Alignment, Settings, shown
from appliance.training.representations import Representations
from appliance.types import FaceCrop, Floats, Frame
from appliance.vision.manifest import Entry, Manifest


@dataclass(frozen=True, eq=False)
class Bench:
    """What each process works with. size: pixels a side of the crops."""

    embedder: Embedder
    size: int


def belonging(models: Manifest, settings: Settings) -> list[Entry]:
    """The embedders that were trained on crops of this alignment, in the manifest's order."""
    return [
        entry
        for entry in models.entries.values()
        if entry.role == "embedder"
        and (entry.alignment.name, entry.alignment.size) == (settings.name, settings.size)
    ]


def choose(models: Manifest, settings: Settings, wanted: str | None, folder: Path) -> Entry:
    """The model that belongs to crops: `wanted`, or the one of full precision.

    ModelError `wrong_alignment` when `wanted` was trained on other crops, or none was on these;
    also when the crops were made with other landmark models than those in use.
    """
    fitting = belonging(models, settings)
    if wanted is not None:
        entry = models.entry(wanted, "embedder")
        if entry not in fitting:
            raise ModelError(
                f"The model {wanted!r} needs crops aligned by {entry.alignment.name!r}; those in "
                f"{folder} are aligned by {settings.name!r}.",
                hint=_how(entry, fitting),
                code="wrong_alignment",
            )
        _check_points(entry, models, settings, folder)
        return entry
    if not fitting:
        raise ModelError(
            f"No model was trained on crops aligned by {settings.name!r}, as those in {folder} "
            "are.",
            hint="The models' own are --landmarks outer_eyes_and_nose --size 96 (OpenFace) and "
            "--landmarks five_point --size 112 (MobileFaceNet).",
            code="wrong_alignment",
        )
    entry = next((item for item in fitting if item.precision == "float32"), fitting[0])
    _check_points(entry, models, settings, folder)
    return entry


# The vectors of crops, in their order.
Work = Callable[[Sequence[Path]], Iterator[Floats]]


def in_processes(workers: Workers) -> Work:
    """The work spread over processes, each of which builds a `Bench`."""
    return lambda paths: each(_embed_task, paths, workers)


def embed(
    folder: Path, alignment: Alignment, work: Work, progress: Callable[[], None]
) -> Representations:
    """Embed the crops that the record names and that are there; `progress` is called after each.

    work: see `in_processes`. InputError when there is none, or one that is no such crop.
    """
    crops = shown(folder, alignment)
    if not crops:
        raise InputError(
            f"{folder} holds no crop that its record names.", hint=AGAIN, code="no_pictures"
        )
    vectors: list[Floats] = []
    for found in work([item.path for item in crops]):
        vectors.append(found)
        progress()
    people: Sequence[str] = sorted({item.person for item in crops})
    return Representations(
        np.stack(vectors).astype(np.float32),
        np.array([item.label for item in crops], np.int64),
        tuple(people),
        tuple(str(item.path) for item in crops),
        alignment=alignment.settings,
    )


def _embed_task(path: Path) -> Floats:
    return vector(built(Bench), path, open_first)


def vector(bench: Bench, path: Path, open_picture: Callable[[Path], Frame | None]) -> Floats:
    """(d,) float32 of one crop. InputError for a file that is no crop of this size."""
    frame = open_picture(path)
    if frame is None or frame.bgr.shape != (bench.size, bench.size, 3):
        raise InputError(
            f"{path} is no crop of {bench.size} x {bench.size} pixels, as the record says.",
            hint=f"Delete it. {AGAIN}",
        )
    return bench.embedder.embed(FaceCrop(frame.bgr, bench.embedder.alignment)).vector


def _check_points(entry: Entry, models: Manifest, settings: Settings, folder: Path) -> None:
    known = models.entries.get(settings.landmark_model)
    now = entry.alignment.points_sha256 if settings.landmark_model == DLIB_68 else None
    now = known.sha256 if known else now
    if now != settings.landmark_sha256:
        raise ModelError(
            f"The crops in {folder} were aligned with another version of "
            f"{settings.landmark_model!r} than the one in use.",
            hint="Align the pictures again into a new folder.",
            code="wrong_alignment",
        )


def _how(entry: Entry, fitting: Sequence[Entry]) -> str:
    landmarks, _, rest = entry.alignment.name.rpartition(f"_{entry.alignment.size}")
    points = f" --points {rest.lstrip('_')}" if rest else ""
    again = (
        f"Align the pictures into another folder with --landmarks {landmarks} "
        f"--size {entry.alignment.size}{points}."
    )
    if not fitting:
        return again
    return f"{again} These crops are for: {', '.join(item.name for item in fitting)}."
