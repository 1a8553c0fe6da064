"""Detectors on labelled pictures: what they find, what they take for a face, and how long it takes.

A box finds a labelled face where both overlap enough (intersection over union), each face once; a
second box on the same face is a false alarm. Of a face that is only known to be in the middle of
its picture, a box finds it that holds that middle; what else is found there may be somebody in the
background and counts as nothing. False alarms are counted only where all faces are known.

The mesh tracker finds no face by itself: it follows one. So it is given the face that the
appliance found, the picture is moved as a face moves between two frames, and it is asked for the
face again. Where there is none it is started in the middle, and a false alarm is that it stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import cv2
import numpy as np

from appliance.errors import InputError
from appliance.evaluation.detector_files import Labelled
from appliance.evaluation.rates import Interval, Trials, exact_interval
from appliance.evaluation.workers import built
from appliance.ports import Camera, Detector, LandmarkModel
from appliance.types import Box, Frame, Landmarks, Pixels, Region
from appliance.vision.acquisition import Acquisition
from appliance.vision.tracker import follow

APPLIANCE, TRACKER = "appliance", "mesh_tracker"
# How far a face moves between two frames, in widths of itself: walking briskly across a picture
# that a face fills by a fifth, at 15 frames a second, is about this much.
JUMP = 0.1
# A followed face is the right one where its box overlaps the moved one so much.
_FOLLOWED = 0.5
# A bootstrap over fewer groups than this knows too little of how they differ.
FEW = 30
# Frames of a clip that are looked at, a second.
_CLIP_FPS = 1.0


@dataclass(frozen=True)
class Answer:
    """What one detector made of one picture.

    found, faces: of the labelled faces; faces is 0 where nothing is asked. alarms: false ones;
    None where they cannot be counted. ms: of processor time.
    """

    found: int
    faces: int
    alarms: int | None
    ms: float


@dataclass(frozen=True)
class Outcome:
    """One frame, by all detectors. group: see Labelled. why: it was not read, and there is none."""

    group: str
    has_face: bool = True
    width: int = 0
    height: int = 0
    answers: Mapping[str, Answer] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True)
class Setting:
    """What is asked of all detectors alike.

    overlap: intersection over union from which on a box is on a face. smallest: the least width
    of a face that is looked for, as a share of the picture's shorter side. seed: of the tracker's
    moves.
    """

    overlap: float
    smallest: float
    seed: int = 0


class Bench:
    """All detectors, one after the other, in another order for each picture."""

    def __init__(  # noqa: PLR0913 - what is compared
        self,
        detectors: Mapping[str, Detector],
        acquisition: Acquisition,
        mesh: LandmarkModel,
        *,
        seconds: Callable[[], float],
        open_file: Callable[[Path], Camera],
        setting: Setting,
    ) -> None:
        """acquisition: the appliance's own, whose smallest face is the setting's.

        seconds: of the processor's time, which what else runs on the machine does not stretch.
        """
        self._detectors = detectors
        self._acquisition = acquisition
        self._mesh = mesh
        self._seconds = seconds
        self._open = open_file
        self._setting = setting
        self._warm = False
        self._turn = 0

    def judge(self, item: Labelled) -> list[Outcome]:
        """Every frame of a file: one of a picture, one a second of a clip."""
        try:
            with closing(self._open(item.path)) as camera:
                camera.pace(_CLIP_FPS)
                return [self._judged(frame, item) for frame in camera.frames()]
        except InputError as error:
            return [Outcome(item.group, why=error.message)]

    def _judged(self, frame: Frame, item: Labelled) -> Outcome:
        if not self._warm:  # the first call pays for memory and caches
            self._warm = True
            self._judged(frame, item)
        names = [*self._detectors, APPLIANCE]
        self._turn += 1
        turn = self._turn % len(names)
        answers: dict[str, Answer] = {}
        faces: list[Landmarks] = []
        for name in names[turn:] + names[:turn]:
            started = self._seconds()
            if name == APPLIANCE:
                faces = self._acquisition.faces(frame.bgr)
                boxes = [face.box for face in faces]
            else:
                smallest = self._setting.smallest * min(frame.width, frame.height)
                boxes = self._detectors[name].detect(frame.bgr, smallest)
            spent = (self._seconds() - started) * 1000
            answers[name] = _answer(boxes, item, frame, self._setting.overlap, spent)
        tracked = self._tracked(frame, item, faces)
        if tracked is not None:
            answers[TRACKER] = tracked
        ordered = {name: answers[name] for name in (*names, TRACKER) if name in answers}
        return Outcome(item.group, item.has_face, frame.width, frame.height, ordered)

    def _tracked(self, frame: Frame, item: Labelled, faces: Sequence[Landmarks]) -> Answer | None:
        """One step of the tracker; None where there is a face, but none was acquired."""
        if not item.has_face:
            side = 0.5 * min(frame.width, frame.height)
            middle = Region((frame.width - 1) / 2, (frame.height - 1) / 2, side)
            before = self._mesh.locate(frame.bgr, middle)
            now, spent = self._followed(frame.bgr, before)
            return Answer(0, 0, int(now is not None), spent)
        if not faces:
            return None
        face = faces[0]
        angle = Random(f"{self._setting.seed} {frame.source}").uniform(0, 2 * np.pi)  # noqa: S311 - no secret
        step = JUMP * face.box.width * np.array([np.cos(angle), np.sin(angle)])
        move = np.array([[1, 0, step[0]], [0, 1, step[1]]], np.float32)
        size = frame.width, frame.height
        moved = cv2.warpAffine(frame.bgr, move, size, borderMode=cv2.BORDER_REPLICATE)
        now, spent = self._followed(np.asarray(moved, np.uint8), face)
        box = face.box
        there = Box(box.left + float(step[0]), box.top + float(step[1]), box.width, box.height)
        found = now is not None and now.box.overlap(there) >= _FOLLOWED
        return Answer(int(found), 1, None, spent)

    def _followed(self, bgr: Pixels, before: Landmarks) -> tuple[Landmarks | None, float]:
        started = self._seconds()
        now = follow(self._mesh, bgr, before)
        return now, (self._seconds() - started) * 1000


def judged_here(item: Labelled) -> list[Outcome]:
    """What this process's bench makes of a file; for `workers.each`."""
    return built(Bench).judge(item)


def _answer(
    boxes: Sequence[Box], item: Labelled, frame: Frame, overlap: float, ms: float
) -> Answer:
    if item.faces is None:
        x, y = (frame.width - 1) / 2, (frame.height - 1) / 2
        return Answer(int(any(_holds(box, x, y) for box in boxes)), 1, None, ms)
    found = matched(boxes, item.faces, overlap)
    return Answer(found, len(item.faces), len(boxes) - found, ms)


def _holds(box: Box, x: float, y: float) -> bool:
    across = box.left <= x <= box.left + box.width
    return across and box.top <= y <= box.top + box.height


def matched(boxes: Sequence[Box], faces: Sequence[Box], overlap: float) -> int:
    """How many faces have a box of their own; the surest box chooses first."""
    left = list(faces)
    for box in sorted(boxes, key=lambda it: -it.score):
        best = max(left, key=box.overlap, default=None)
        if best is not None and box.overlap(best) >= overlap:
            left.remove(best)
    return len(faces) - len(left)


# --- the report ---------------------------------------------------------------------------


def report(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Recall, false alarms and times of each detector, for JSON; see `share_json`."""
    read = [it for it in outcomes if not it.why]
    names = list(dict.fromkeys(name for it in read for name in it.answers))
    return {
        "frames": len(read),
        "with_faces": sum(it.has_face for it in read),
        "without_faces": sum(not it.has_face for it in read),
        "median_size": _median_size(read),
        "detectors": {name: _row(name, read) for name in names},
        "unreadable": [it.why for it in outcomes if it.why],
    }


def _median_size(read: Sequence[Outcome]) -> list[int] | None:
    if not read:
        return None
    return [round(median(it.width for it in read)), round(median(it.height for it in read))]


def _row(name: str, read: Sequence[Outcome]) -> dict[str, Any]:
    answered = [(it.group, it.answers[name]) for it in read if name in it.answers]
    asked = [(group, number < it.found) for group, it in answered for number in range(it.faces)]
    clean = [(group, it.alarms) for group, it in answered if it.alarms is not None]
    times = [it.ms for _, it in answered]
    return {
        "recall": share_json(asked),
        "false_alarms": {
            **share_json([(group, count > 0) for group, count in clean]),
            "boxes": sum(count for _, count in clean),
        },
        "ms": {"p50": _quantile(times, 0.5), "p95": _quantile(times, 0.95)},
    }


def share_json(trials: Sequence[tuple[str, bool]]) -> dict[str, Any]:
    """How many of n trials are hits, their rate, and its 95 % interval.

    trials: the group, and whether it is a hit. Where every trial has a group of its own, the
    interval is exact (Clopper-Pearson); else it is from a bootstrap over groups, see `rates`. Few
    groups say little of others, however many trials each has: below `FEW` of them the interval is
    at least as wide as if each had been tried once.
    """
    hits, count = sum(hit for _, hit in trials), len(trials)
    low, high = _interval(trials, hits)
    return {
        "rate": round(hits / count, 5) if count else None,
        "hits": hits,
        "n": count,
        "ci": [round(low, 5), round(high, 5)],
    }


def _interval(trials: Sequence[tuple[str, bool]], hits: int) -> Interval:
    numbers = {group: number for number, group in enumerate(dict.fromkeys(it[0] for it in trials))}
    if len(numbers) == len(trials):
        return exact_interval(hits, len(trials))
    whose = np.array([numbers[group] for group, _ in trials], np.int32)
    scores = np.array([hit for _, hit in trials], np.float32)
    low, high = Trials(scores, whose, whose, len(numbers)).accepted(0.5).interval
    if len(numbers) < FEW:
        once = exact_interval(round(hits / len(trials) * len(numbers)), len(numbers))
        low, high = min(low, once[0]), max(high, once[1])
    return low, high


def _quantile(times: Sequence[float], share: float) -> float | None:
    return round(float(np.quantile(times, share)), 2) if times else None
