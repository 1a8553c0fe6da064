"""Faces made smaller and blurred on purpose: what poor quality does to a model's similarities.

A picture is shrunk until its face has a given distance between the eyes, or blurred as a lens out
of focus or a moving head does. The mesh then finds the face anew, so that what is embedded went
through all that a door's poor picture goes through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from appliance.errors import InputError
from appliance.evaluation.dataset import Dataset
from appliance.evaluation.embed import Found, Memory, find, known_faces
from appliance.evaluation.workers import Workers, each, open_first, perception
from appliance.perception import Perception
from appliance.types import Floats, Frame, Landmarks, Pixels, Quality
from appliance.vision.alignment import FIVE_POINT_112
from appliance.vision.mesh import region_of_landmarks
from appliance.vision.quality import assess, eye_distance

Kind = Literal["as it is", "smaller", "out of focus", "moving"]

# Pixels between the eyes after shrinking.
SMALLER = (30.0, 26.0, 22.0, 18.0, 15.0, 12.0)
# Standard deviation of a Gaussian, and length of a streak, in pixels of the aligned crop.
OUT_OF_FOCUS = (0.7, 1.0, 1.4, 2.0, 2.8)
MOVING = (4.0, 8.0)


@dataclass(frozen=True)
class Level:
    """One way and degree of spoiling."""

    kind: Kind
    degree: float = 0.0


LEVELS: Sequence[Level] = (
    Level("as it is"),
    *(Level("smaller", degree) for degree in SMALLER),
    *(Level("out of focus", degree) for degree in OUT_OF_FOCUS),
    *(Level("moving", degree) for degree in MOVING),
)


@dataclass(frozen=True, eq=False)
class Spoilt:
    """One picture's face at one level. vector: (dimensions,) unit vector."""

    level: Level
    quality: Quality
    vector: Floats


@dataclass(frozen=True)
class Measure:
    """One face's size. eyes: pixels between them; grain: the picture's pixels for one of the crop.

    angle: radians, in which direction this face is smeared.
    """

    eyes: float
    grain: float
    angle: float


# People beyond this number narrow the intervals by little and cost as much.
MOST_PEOPLE = 1500


def one_each(dataset: Dataset) -> list[Path]:
    """One picture of each person, of at most MOST_PEOPLE of them, evenly chosen."""
    first: dict[int, Path] = {}
    for picture in dataset.pictures:
        first.setdefault(picture.person, picture.path)
    paths = list(first.values())
    if len(paths) <= MOST_PEOPLE:
        return paths
    chosen = np.linspace(0, len(paths) - 1, MOST_PEOPLE).round().astype(int)
    return [paths[index] for index in chosen]


def spoil_all(
    paths: Sequence[Path],
    workers: Workers,
    progress: Callable[[], None],
    memory: Memory | None = None,
) -> list[tuple[Spoilt, ...]]:
    """Spoil and embed every picture at every level, in order; nothing of those without a face."""
    known = known_faces(paths, memory) if memory else [None] * len(paths)
    results: list[tuple[Spoilt, ...]] = []
    for result in each(_spoil_task, list(zip(paths, known, strict=True)), workers):
        results.append(result)
        progress()
    return results


def _spoil_task(task: tuple[Path, Found | None]) -> tuple[Spoilt, ...]:
    path, known = task
    try:
        frame = open_first(path)
    except InputError:
        return ()
    if frame is None:
        return ()
    face = (known or find(perception(), frame)).landmarks
    return () if face is None else spoil(perception(), frame, face)


def spoil(by: Perception, frame: Frame, face: Landmarks) -> tuple[Spoilt, ...]:
    """One face at every level that its picture allows: none is enlarged."""
    measure = measure_of(face)
    results = []
    for level in LEVELS:
        if level.kind == "smaller" and level.degree >= measure.eyes:
            continue
        bgr, near = spoilt_picture(frame.bgr, face, level, measure)
        spoilt = replace(frame, bgr=bgr)
        if level.kind != "as it is":
            near = by.stages.mesh.locate(bgr, region_of_landmarks(near))
        crop = FIVE_POINT_112.crop(bgr, near)
        quality = assess(bgr, near, crop, by.stages.limits)
        results.append(Spoilt(level, quality, by.embed(spoilt, near).vector))
    return tuple(results)


def measure_of(face: Landmarks) -> Measure:
    """How large a face is in its picture."""
    eyes = eye_distance(face)
    matrix = FIVE_POINT_112.matrix(FIVE_POINT_112.points(face), FIVE_POINT_112.target)
    # Another direction for every picture, and the same one at every run.
    angle = float(np.random.default_rng(int(1e3 * eyes)).uniform(0, np.pi))
    return Measure(eyes, 1 / float(np.hypot(matrix[0, 0], matrix[1, 0])), angle)


def spoilt_picture(
    bgr: Pixels, face: Landmarks, level: Level, measure: Measure
) -> tuple[Pixels, Landmarks]:
    """The picture at a level, and about where the face is in it."""
    if level.kind == "smaller":
        factor = level.degree / measure.eyes
        small = cv2.resize(bgr, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        points = (face.points * np.float32(factor)).astype(np.float32)
        return np.asarray(small, np.uint8), Landmarks(points, face.presence)
    if level.kind == "out of focus":
        blurred = cv2.GaussianBlur(bgr, (0, 0), level.degree * measure.grain)
        return np.asarray(blurred, np.uint8), face
    if level.kind == "moving":
        kernel = streak(level.degree * measure.grain, measure.angle)
        return np.asarray(cv2.filter2D(bgr, -1, kernel), np.uint8), face
    return bgr, face


def streak(length: float, angle: float) -> Floats:
    """A kernel that smears a picture over `length` pixels in the direction `angle` (radians)."""
    half = max(length - 1, 0.0) / 2
    middle = int(np.ceil(half))
    kernel = np.zeros((2 * middle + 1, 2 * middle + 1), np.float32)
    for step in np.linspace(-half, half, 4 * len(kernel)):
        row, column = np.rint(middle + step * np.array([np.sin(angle), np.cos(angle)]))
        kernel[int(row), int(column)] = 1
    return np.asarray(kernel / kernel.sum(), np.float32)
