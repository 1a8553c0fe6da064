"""Embeds every picture of a data set with the appliance's own pipeline, on all cores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from appliance.errors import InputError
from appliance.evaluation.workers import Workers, each, open_first, perception
from appliance.perception import Perception
from appliance.types import Fault, Floats, Frame, Landmarks, Quality

# SHA-256 of a picture file's bytes; None where they cannot be read.
Digest = bytes | None
_OF_FACES = frozenset(fault.value for fault in Fault)


@dataclass(frozen=True, eq=False)
class Found:
    """Where the face of one picture is. landmarks None: there is none, and `fault` says why."""

    landmarks: Landmarks | None
    fault: str | None = None


@dataclass(frozen=True, eq=False)
class Embedded:
    """What became of one picture.

    vector: a unit vector wherever a face was found, also one that a door would refuse.
    fault: why a door would refuse it, or why there is no vector.
    quality: what was measured of the face that was found, also of one that a door would refuse.
    """

    vector: Floats | None
    fault: str | None = None
    quality: Quality | None = None

    @property
    def missed(self) -> bool:
        """True when no face was found, as opposed to found and refused."""
        return self.fault == Fault.NO_FACE.value

    @property
    def unreadable(self) -> bool:
        """True when the file gave no picture to look at: its fault is none of a face."""
        return self.fault is not None and self.fault not in _OF_FACES


class Memory(Protocol):
    """What earlier runs found out about pictures, by their content."""

    def found(self, digest: bytes) -> Found | None:
        """Where the face is; None when that is not known."""

    def embedded(self, digest: bytes) -> Embedded | None:
        """What became of the picture; None when that is not known."""

    def keep(self, digest: bytes, found: Found, embedded: Embedded) -> None:
        """Remember both."""


def embed_all(
    paths: Sequence[Path],
    workers: Workers,
    progress: Callable[[], None],
    memory: Memory | None = None,
) -> list[Embedded]:
    """Embed pictures in order; `progress` is called after each.

    Only what `memory` does not know goes to the workers; where it knows all, none is started.
    """
    digests: list[Digest] = [_digest(path) if memory else None for path in paths]
    known = [memory.embedded(digest) if memory and digest else None for digest in digests]
    tasks: list[_Task] = [
        (path, memory.found(digest) if memory and digest else None)
        for path, digest, item in zip(paths, digests, known, strict=True)
        if item is None
    ]
    fresh = each(_embed_task, tasks, workers)
    results: list[Embedded] = []
    for digest, item in zip(digests, known, strict=True):
        results.append(_remembered(next(fresh), digest, memory) if item is None else item)
        progress()
    return results


_Task = tuple[Path, Found | None]
_Outcome = tuple[Found, Embedded]


def known_faces(paths: Sequence[Path], memory: Memory) -> list[Found | None]:
    """Where the faces of pictures are that were embedded before."""
    digests = [_digest(path) for path in paths]
    return [memory.found(digest) if digest else None for digest in digests]


def _remembered(outcome: _Outcome, digest: Digest, memory: Memory | None) -> Embedded:
    found, embedded = outcome
    if memory and digest:
        memory.keep(digest, found, embedded)
    return embedded


def _digest(path: Path) -> Digest:
    content = hashlib.sha256()
    try:
        if not path.is_file():
            return None  # a pipe or a device might never end
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                content.update(block)
    except OSError:
        return None  # the worker that opens it will say what is wrong with it
    return content.digest()


def _embed_task(task: _Task) -> _Outcome:
    path, known = task
    if known is not None and known.landmarks is None:
        return known, Embedded(None, known.fault)
    try:
        frame = open_first(path)
    except InputError as error:
        return Found(None, error.code), Embedded(None, error.code)
    if frame is None:
        return Found(None, "empty"), Embedded(None, "empty")
    found = known or find(perception(), frame)
    return found, embed_found(perception(), frame, found)


def embed_frame(perception: Perception, frame: Frame) -> Embedded:
    """Embed the face of a picture."""
    return embed_found(perception, frame, find(perception, frame))


def find(perception: Perception, frame: Frame) -> Found:
    """The face nearest to the picture's centre: labelled sets centre the one they name."""
    faces = perception.search(frame)
    if not faces:
        return Found(None, Fault.NO_FACE.value)
    return Found(min(faces, key=lambda face: _off_centre(frame, face)))


def embed_found(perception: Perception, frame: Frame, found: Found) -> Embedded:
    """Measure and embed a face whose landmarks are known, whatever its quality."""
    if found.landmarks is None:
        return Embedded(None, found.fault)
    seen = perception.describe(frame, found.landmarks)
    if seen.embedding is None:
        vector = perception.embed(frame, found.landmarks).vector
        return Embedded(vector, seen.faults[0].value, seen.quality)
    return Embedded(seen.embedding.vector, quality=seen.quality)


def _off_centre(frame: Frame, face: Landmarks) -> float:
    x, y = face.box.centre
    return float(np.hypot(x - frame.width / 2, y - frame.height / 2))
