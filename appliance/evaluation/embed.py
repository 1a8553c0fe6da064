"""Embeds every picture of a data set with the appliance's own pipeline, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from appliance.errors import InputError
from appliance.perception import Perception
from appliance.ports import Camera
from appliance.types import Fault, Floats, Frame, Landmarks, Quality

Build = Callable[[], Perception]
Open = Callable[[Path], Camera]


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


def embed_all(
    paths: Sequence[Path],
    build: Build,
    open_picture: Open,
    progress: Callable[[], None],
    workers: int | None = None,
) -> list[Embedded]:
    """Embed pictures in order. build: makes a pipeline, once in each worker process."""
    count = workers or os.cpu_count() or 1
    results: list[Embedded] = []
    for result in _stream(paths, build, open_picture, count):
        results.append(result)
        progress()
    return results


def _stream(
    paths: Sequence[Path], build: Build, open_picture: Open, workers: int
) -> Iterator[Embedded]:
    # spawn, not fork: the networks' thread pools do not survive a fork.
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_begin, initargs=(build, open_picture)
    ) as pool:
        yield from pool.map(_embed_path, paths, chunksize=16)


class _Worker:
    """One process's pipeline."""

    perception: Perception
    open_picture: Open


def _begin(build: Build, open_picture: Open) -> None:
    import cv2

    cv2.setNumThreads(1)
    _Worker.perception = build()
    _Worker.open_picture = staticmethod(open_picture)


def _embed_path(path: Path) -> Embedded:
    camera = _Worker.open_picture(path)
    try:
        frame = next(iter(camera.frames()), None)
    except InputError as error:
        return Embedded(None, error.code)
    finally:
        camera.close()
    return embed_frame(_Worker.perception, frame) if frame else Embedded(None, "empty")


def embed_frame(perception: Perception, frame: Frame) -> Embedded:
    """Embed the face nearest to the picture's centre: labelled sets centre the one they name."""
    faces = perception.search(frame)
    if not faces:
        return Embedded(None, Fault.NO_FACE.value)
    face = min(faces, key=lambda face: _off_centre(frame, face))
    seen = perception.describe(frame, face)
    if seen.embedding is None:
        vector = perception.embed(frame, face).vector
        return Embedded(vector, seen.faults[0].value, seen.quality)
    return Embedded(seen.embedding.vector, quality=seen.quality)


def _off_centre(frame: Frame, face: Landmarks) -> float:
    x, y = face.box.centre
    return float(np.hypot(x - frame.width / 2, y - frame.height / 2))
