"""Embedders against one another on this machine: how fast, and whether they compute the same.

Times are taken in turns, one embedding each, so that what else the machine does meets all of
them alike, and so that no network finds the caches as it left them: at a door it would not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import median

import cv2
import numpy as np

from appliance.errors import InputError, ModelError
from appliance.evaluation.bench import Turns
from appliance.model_choice import Cosines, Measured, is_family, is_original
from appliance.ports import Aligner, Embedder
from appliance.types import FaceCrop, Floats, Frame, Landmarks, Pixels
from appliance.vision.acquisition import Acquisition
from appliance.vision.manifest import Entry, Manifest


@dataclass(frozen=True, eq=False)
class Face:
    """A face of a picture, and whose it is."""

    frame: Frame
    landmarks: Landmarks
    who: str


@dataclass(frozen=True, eq=False)
class Runners:
    """One embedder, built: what aligns for it, and itself with the config's threads and with one.

    The last two may be one object.
    """

    aligner: Aligner
    configured: Embedder
    single: Embedder


Build = Callable[[Entry], Runners]


@dataclass(frozen=True, eq=False)
class _Contender:
    entry: Entry
    runners: Runners
    crops: Sequence[FaceCrop]
    vectors: Sequence[Floats]
    times: dict[Embedder, list[float]] = field(default_factory=dict)

    def ms(self, embedder: Embedder) -> float:
        return float(f"{1000 * median(self.times[embedder]):.4g}")


def find_faces(acquisition: Acquisition, pictures: Mapping[str, Sequence[Frame]]) -> list[Face]:
    """The largest face of every picture. pictures: by whose they are. InputError without one."""
    found = []
    for who, frames in pictures.items():
        for frame in frames:
            faces = acquisition.faces(frame.bgr)
            if not faces:
                raise InputError(f"No face was found in {frame.source}.")
            found.append(Face(frame, faces[0], who))
    return found


def candidates(models: Manifest) -> list[Entry]:
    """The embedders that this appliance can run and has error rates for."""
    return [
        entry
        for entry in models.entries.values()
        if (entry.role, entry.runtime) == ("embedder", "tflite") and entry.calibration is not None
    ]


def measure_models(
    models: Manifest, build: Build, faces: Sequence[Face], turns: Turns
) -> list[Measured]:
    """One row for each candidate, in the manifest's order.

    A model that cannot be built or run gets a row that says why; the others are measured.
    """
    tried = {entry.name: _tried(entry, build, faces) for entry in candidates(models)}
    ready = {name: it for name, it in tried.items() if isinstance(it, _Contender)}
    for number in range(turns.rounds):
        for contender in ready.values():
            _take_turn(contender, number, turns.timer)
        turns.progress()
    rows = []
    for entry in candidates(models):
        outcome = tried[entry.name]
        if isinstance(outcome, str):
            rows.append(_base(entry, models).model_copy(update={"error": outcome}))
        else:
            rows.append(_row(outcome, models, ready, faces))
    return rows


def _tried(entry: Entry, build: Build, faces: Sequence[Face]) -> _Contender | str:
    """The model, built and run once, or why that is not possible."""
    try:
        return _prepared(entry, build(entry), faces)
    except ModelError as error:
        return error.message.rstrip(".")
    except (RuntimeError, ValueError) as error:  # the runtime's, for a kernel that fails
        return f"the runtime cannot run it: {str(error).splitlines()[0]}"


def _prepared(entry: Entry, runners: Runners, faces: Sequence[Face]) -> _Contender:
    plain = [runners.aligner.crop(face.frame.bgr, face.landmarks) for face in faces]
    crops = [FaceCrop(bgr, crop.alignment) for crop in plain for bgr in _variants(crop.bgr)]
    vectors = [runners.configured.embed(crop).vector for crop in crops]
    runners.single.embed(crops[0])  # the first run of a network also sets it up
    times: dict[Embedder, list[float]] = {runners.configured: [], runners.single: []}
    return _Contender(entry, runners, crops, vectors, times)


def _variants(bgr: Pixels) -> list[Pixels]:
    """A crop as it is, mirrored, darker and blurred: other numbers for the same kernels."""
    changed = (
        bgr,
        cv2.flip(bgr, 1),
        cv2.convertScaleAbs(bgr, alpha=0.6),
        cv2.GaussianBlur(bgr, (0, 0), 1.5),
    )
    return [np.ascontiguousarray(item, dtype=np.uint8) for item in changed]


# How many crops are made of each face.
VARIANTS = 4


def _take_turn(contender: _Contender, number: int, timer: Callable[[], float]) -> None:
    crop = contender.crops[number % len(contender.crops)]
    for embedder, times in contender.times.items():
        started = timer()
        embedder.embed(crop)
        times.append(timer() - started)


def _base(entry: Entry, models: Manifest) -> Measured:
    return Measured(
        name=entry.name,
        sha256=entry.sha256,
        original=is_original(entry),
        family=is_family(entry, models),
        losses=entry.fidelity.losses if entry.fidelity else None,
    )


def _row(
    contender: _Contender,
    models: Manifest,
    ready: Mapping[str, _Contender],
    faces: Sequence[Face],
) -> Measured:
    original = next(iter(_originals(contender.entry, ready)), None)
    return _base(contender.entry, models).model_copy(
        update={
            "ms": contender.ms(contender.runners.configured),
            "ms_one_thread": contender.ms(contender.runners.single),
            "cosines": _cosines(contender.vectors, original.vectors) if original else None,
            "separates": _separates(contender.vectors[::VARIANTS], [face.who for face in faces]),
        }
    )


def _originals(entry: Entry, ready: Mapping[str, _Contender]) -> list[_Contender]:
    """The float32 file of the same weights, aligned the same way, where it runs here."""
    return [
        other
        for other in ready.values()
        if is_original(other.entry)
        and (other.entry.source, other.entry.alignment) == (entry.source, entry.alignment)
    ]


def _cosines(vectors: Sequence[Floats], originals: Sequence[Floats]) -> Cosines:
    each = [float(np.dot(one, other)) for one, other in zip(vectors, originals, strict=True)]
    return Cosines(least=round(min(each), 5), mean=round(float(np.mean(each)), 5))


def _separates(vectors: Sequence[Floats], who: Sequence[str]) -> bool | None:
    """Whether every two pictures of one person are more alike than any two of two people."""
    same: list[float] = []
    other: list[float] = []
    for (one, its), (two, whose) in combinations(zip(vectors, who, strict=True), 2):
        (same if its == whose else other).append(float(np.dot(one, two)))
    return min(same) > max(other) if same and other else None
