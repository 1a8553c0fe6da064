"""The faces of a folder of pictures, found once, and what embedders make of them, kept.

Crops are not kept: cutting them takes a moment, finding faces and running networks does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.evaluation.dataset import Dataset, Picture, load
from appliance.types import Landmarks
from appliance.vision import acquisition, blazeface, detector, landmarks, mesh, warp
from models.build import faces
from models.build.contenders import Contender
from models.build.faces import Finder, read_picture
from models.build.job import Job
from models.build.keys import key, sources

Vectors = NDArray[np.float32]

# What decides which faces are found, and where.
_FINDING = (acquisition, blazeface, detector, landmarks, mesh, warp, faces)


@dataclass(frozen=True, eq=False)
class Gallery:
    """One face of each picture in which there is one.

    points: (n, 468, 3) float32 mesh. picture: (n,) indices into `dataset.pictures`.
    """

    dataset: Dataset
    points: NDArray[np.float32]
    picture: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of faces."""
        return len(self.picture)

    @property
    def person(self) -> NDArray[np.int64]:
        """Return whose face each is, (n,) indices into `dataset.people`."""
        return np.array([self.dataset.pictures[index].person for index in self.picture], np.int64)

    @cached_property
    def names(self) -> list[str]:
        """Return a name for each face: for its picture and where it is on it."""
        pictures = [self.dataset.pictures[index] for index in self.picture]
        return [
            key([_file(picture), points.tobytes()])
            for picture, points in zip(pictures, self.points, strict=True)
        ]

    def face(self, number: int) -> tuple[NDArray[np.uint8], Landmarks]:
        """Return one face's picture, (height, width, 3) BGR, and its landmarks."""
        path = self.dataset.pictures[self.picture[number]].path
        return read_picture(path), Landmarks(self.points[number], 1.0)


def find_faces(job: Job) -> Gallery:
    """Find the middlemost face of every picture of the job's folder, once; then from the cache.

    Pictures in which no face is found are left out, with a message.
    """
    dataset = load(job.need_pictures())
    name = _faces_key(dataset, job.models)
    kept = job.cache / f"faces-{name}.npz"
    if not kept.exists():
        points, picture = _found(Finder(job.models), dataset)
        with _whole(kept) as half:
            np.savez(half, points=points, picture=picture)
    with np.load(kept) as arrays:
        gallery = Gallery(dataset, arrays["points"], arrays["picture"])
    click.echo(f"{len(gallery)} faces in {len(dataset.pictures)} pictures.")
    return gallery


def _found(finder: Finder, dataset: Dataset) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the points of all faces, and which picture each is on."""
    points, numbers = [], []
    with click.progressbar(dataset.pictures, label="Finding faces") as pictures:
        for number, picture in enumerate(pictures):
            face = finder.central(read_picture(picture.path))
            if face is not None:
                points.append(face.points)
                numbers.append(number)
    return np.array(points, np.float32), np.array(numbers, np.int64)


def embedded(contender: Contender, gallery: Gallery, cache: Path) -> Vectors:
    """Return (n, dimensions) vectors of all faces, from the cache where they are there."""
    kept = cache / f"vectors-{contender.key}.npz"
    known = _read(kept) if kept.exists() else {}
    missing = [number for number, name in enumerate(gallery.names) if name not in known]
    if missing:
        cv2.setNumThreads(1)
        label = f"{contender.name}, {contender.aligned_by}"
        with click.progressbar(missing, label=label) as numbers:
            for number in numbers:
                crop = contender.crop(*gallery.face(number))
                known[gallery.names[number]] = contender.embed(crop)
        with _whole(kept) as half:
            np.savez(half, names=np.array(list(known)), vectors=np.stack(list(known.values())))
    return np.stack([known[name] for name in gallery.names])


def _read(kept: Path) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of a cache file, by their faces' names."""
    with np.load(kept) as arrays:
        names, vectors = arrays["names"].tolist(), arrays["vectors"]
    return dict(zip(names, vectors, strict=True))


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """Write a file whole or not at all: an interrupted run leaves no half one behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.part")
    with half.open("wb") as file:
        yield file
    half.rename(path)


def _faces_key(dataset: Dataset, models: Path) -> str:
    """Return a name for what the faces depend on."""
    pictures = [_file(picture) for picture in dataset.pictures]
    networks = [
        (models / name).read_bytes() for name in ("face_mesh.tflite", "face_detection.tflite")
    ]
    return key([sources(_FINDING), *networks, *pictures])


def _file(picture: Picture) -> str:
    """Return a picture's path and size."""
    return f"{picture.path}:{picture.path.stat().st_size}"
