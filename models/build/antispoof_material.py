"""Live and attack material for the anti-spoof report: pictures, clips, and folders of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from appliance.types import Frame, Landmarks, Pixels
from models.build.faces import Finder, read_picture
from models.build.job import BuildError

PICTURES = {".jpg", ".jpeg", ".png"}
CLIPS = {".avi", ".gif", ".mkv", ".mov", ".mp4"}
# How many frames are taken of a clip, spread over it.
CLIP_FRAMES = 12
# A folder of many clips is one material: a few frames of each.
FOLDER_FRAMES = 3


@dataclass(frozen=True)
class Face:
    """One face to be judged."""

    frame: Frame
    landmarks: Landmarks


@dataclass(frozen=True)
class Material:
    """What is judged together. files: how many; missed: pictures and frames without a face."""

    name: str
    live: bool
    files: int
    missed: int
    faces: tuple[Face, ...]


def people(folder: Path, count: int, finder: Finder) -> list[Material]:
    """LFW's layout, PERSON/*.jpg: people that choices were made on, and people they were not.

    FIT are those whose name has an even first byte of its SHA-256.
    """
    paths = sorted(folder.glob("*/*.jpg"))
    chosen = [paths[index] for index in np.random.default_rng(0).permutation(len(paths))]
    halves = {
        "FIT": [path for path in chosen if _is_fit(path.parent.name)],
        "SCORE": [path for path in chosen if not _is_fit(path.parent.name)],
    }
    return [
        _gathered(f"pictures of people, {half}", half_paths[:count], finder, live=True)
        for half, half_paths in halves.items()
    ]


def _is_fit(person: str) -> bool:
    return hashlib.sha256(person.encode()).digest()[0] % 2 == 0


def single(path: Path, finder: Finder, *, live: bool) -> Material:
    """One picture or clip, or all below a folder."""
    if not path.is_dir():
        return _gathered(path.name, [path], finder, live=live)
    found = sorted(it for it in path.rglob("*") if it.suffix.lower() in PICTURES | CLIPS)
    if not found:
        raise BuildError(f"{path} holds no picture and no clip.")
    return _gathered(f"{path.name}/", found, finder, live=live, frames=FOLDER_FRAMES)


def _gathered(
    name: str, paths: Sequence[Path], finder: Finder, *, live: bool, frames: int = CLIP_FRAMES
) -> Material:
    faces, missed = [], 0
    for path in paths:
        for bgr in _pictures(path, frames):
            known = finder.central(bgr)
            missed += known is None
            if known is not None:
                still = path.suffix.lower() in PICTURES
                faces.append(Face(Frame(bgr, 0.0, path.name, still=still), known))
    return Material(name, live, len(paths), missed, tuple(faces))


def _pictures(path: Path, count: int) -> Iterator[Pixels]:
    """Yield a picture, or about `count` frames spread over a clip."""
    if path.suffix.lower() in PICTURES:
        yield read_picture(path)
        return
    clip = cv2.VideoCapture(str(path))
    if not clip.isOpened():
        raise BuildError(f"{path} is neither a picture nor a clip that OpenCV can read.")
    step = max(1, int(clip.get(cv2.CAP_PROP_FRAME_COUNT)) // count)
    index = 0
    while True:
        there, bgr = clip.read()
        if not there:
            return
        if index % step == 0:
            yield np.asarray(bgr, dtype=np.uint8)
        index += 1
