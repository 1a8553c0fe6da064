"""Aligned faces of a folder of pictures, made by the appliance's own vision stages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

import appliance.vision
from appliance.evaluation.dataset import Dataset, load
from appliance.vision.alignment import FIVE_POINT_112
from models.build.faces import Finder, read_picture
from models.build.job import Job

# One picture in this many of those whose person has no other goes to the quantiser.
CALIBRATION_SHARE = 8


@dataclass(frozen=True, eq=False)
class Crops:
    """pixels: (n, 112, 112, 3) uint8 RGB. person: (n,) whose face, an index."""

    pixels: NDArray[np.uint8]
    person: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of faces."""
        return len(self.person)

    def chosen(self, mask: NDArray[np.bool_]) -> Crops:
        """Return the faces that the mask names."""
        return Crops(self.pixels[mask], self.person[mask])

    def split(self) -> tuple[Crops, Crops]:
        """Return faces to calibrate a quantiser on, and faces of other people to judge it by.

        The former are of people with a single picture, who make no genuine pair anyway.
        """
        people, counts = np.unique(self.person, return_counts=True)
        calibration = people[counts == 1][::CALIBRATION_SHARE]
        mask = np.isin(self.person, calibration)
        return self.chosen(mask), self.chosen(~mask)


def aligned_crops(job: Job) -> Crops:
    """Align the middlemost face of every picture of the job's folder, once; then from the cache.

    Pictures in which no face is found are left out, with a message.
    """
    dataset = load(job.need_pictures())
    kept = job.cache / f"crops-{_key(dataset)}.npz"
    if not kept.exists():
        crops = _align_all(Finder(job.models), dataset)
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, pixels=crops.pixels, person=crops.person)
    with np.load(kept) as arrays:
        return Crops(arrays["pixels"], arrays["person"])


def _align_all(finder: Finder, dataset: Dataset) -> Crops:
    """Align one face of every picture in which there is one."""
    pixels, person = [], []
    with click.progressbar(dataset.pictures, label="Aligning faces") as pictures:
        for picture in pictures:
            bgr = read_picture(picture.path)
            face = finder.central(bgr)
            if face is not None:
                crop = FIVE_POINT_112.crop(bgr, face)
                pixels.append(cv2.cvtColor(crop.bgr, cv2.COLOR_BGR2RGB))
                person.append(picture.person)
    click.echo(f"{len(pixels)} faces in {len(dataset.pictures)} pictures.")
    return Crops(np.stack(pixels).astype(np.uint8), np.array(person, np.int64))


def _key(dataset: Dataset) -> str:
    """Return a name for what the crops depend on: the pictures and the vision stages' code."""
    digest = hashlib.sha256()
    for picture in dataset.pictures:
        digest.update(f"{picture.path}:{picture.path.stat().st_size}\n".encode())
    for source in sorted(Path(appliance.vision.__path__[0]).glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
