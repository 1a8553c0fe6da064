"""Shows files to a judge, each a presentation of its own, in this process or in several."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.evaluation.pad import Judge
from appliance.evaluation.pad_files import Presentation
from appliance.evaluation.pad_report import Judged
from appliance.evaluation.workers import Workers, built, each
from appliance.host import available_memory_mb
from appliance.ports import Camera
from appliance.types import Frame, Pixels

# What one process takes with its networks, its libraries and a large picture, in MB.
PROCESS_MB = 400
# Correlation of two pictures' thumbnails from which one follows the other. Half a second apart in
# one room it was 0.9 and more; of two photographs of one person it reached 0.8 in two of a hundred.
_FOLLOWS = 0.8
# So many of a folder's first pictures are compared.
_COMPARED = 6


class Replay(Camera, Protocol):
    """A camera that shows a file. skipped: (source, reason) of what of it could not be shown."""

    skipped: list[Any]


Open = Callable[[Path], Replay]


@dataclass(frozen=True)
class Showing:
    """How presentations are made.

    open_file: a camera that shows one file. attempts: on a recording; None: as many as fit.
    fps: how many frames a second are shown, and how fast the frames of a folder follow each other.
    seed: the same one asks the same of the same file.
    """

    open_file: Open
    attempts: int | None
    fps: float
    seed: int = 0


class Build(Protocol):
    """Makes a judge; called once in each process."""

    def __call__(self) -> Judge:
        """A new one."""
        ...


def run(
    presentations: Sequence[Presentation],
    build: Build,
    showing: Showing,
    count: int,
    progress: Callable[[], None],
) -> list[Judged]:
    """Judge all, in order. count: of processes; with one, the work is done in this one."""
    results: list[Judged] = []
    for judged in _each(presentations, build, showing, count):
        results.append(judged)
        progress()
    return results


def _each(
    presentations: Sequence[Presentation], build: Build, showing: Showing, count: int
) -> Iterator[Judged]:
    if count > 1 and len(presentations) > 1:
        workers = Workers(build, showing.open_file, count, chunk=1)
        yield from each(partial(_show_here, showing), presentations, workers)
    else:
        judge = build()
        yield from (show(judge, item, showing) for item in presentations)


def _show_here(showing: Showing, presentation: Presentation) -> Judged:
    return show(built(Judge), presentation, showing)


def show(judge: Judge, presentation: Presentation, showing: Showing) -> Judged:
    """Judge one; a file that cannot be read is told and not raised.

    Pictures of a folder that do not follow each other as the frames of a clip do, such as several
    photographs of one person, are judged one by one, as attempts on one presentation: they are tied
    to each other as such attempts are.
    """
    label, name = presentation.label, presentation.name
    clip = _Clip(presentation.files, showing)
    seed = f"{showing.seed} {name}"
    apart = not clip.is_one()
    try:
        if apart:
            singles = (judge.judge([frame], seed=seed) for frame in clip.frames())
            attempts = [attempt for single in singles for attempt in single]
        else:
            with closing(clip.frames()) as frames:
                attempts = judge.judge(frames, showing.attempts, seed=seed)
    except InputError as error:
        return Judged(label, name, unreadable=error.message)
    if not attempts:
        return Judged(label, name, unreadable=clip.damage or "It holds no frame.")
    return Judged(label, name, attempts, damage=clip.damage, apart=apart)


class _Clip:
    """One file, or pictures as the frames of one recording, each read when its turn comes.

    damage: what of it could not be read, though the rest was shown.
    """

    def __init__(self, files: Sequence[Path], showing: Showing) -> None:
        self._files = files
        self._showing = showing
        self.damage: str | None = None

    def frames(self) -> Generator[Frame, None, None]:
        """InputError for a single file that cannot be read."""
        if len(self._files) == 1:
            yield from self._of_file(self._files[0])
            return
        for number, path in enumerate(self._files):
            try:
                for frame in self._of_file(path):
                    yield self._numbered(frame, number)
            except InputError as error:  # noqa: PERF203 - each decodes a picture
                self.damage = self.damage or error.message

    def is_one(self) -> bool:
        """Whether it is a file, or most of the first pictures follow each other in time."""
        if len(self._files) == 1:
            return True
        small = [_thumbnail(frame.bgr) for frame in islice(self.frames(), _COMPARED)]
        self.damage = None  # it will be found again
        pairs = [float(one @ other) for one, other in pairwise(small)]
        return not pairs or median(pairs) >= _FOLLOWS

    def _of_file(self, path: Path) -> Generator[Frame, None, None]:
        with closing(self._showing.open_file(path)) as camera:
            camera.pace(self._showing.fps)
            yield from camera.frames()
            for _, reason in camera.skipped:
                self.damage = self.damage or reason

    def _numbered(self, frame: Frame, number: int) -> Frame:
        source = f"{self._files[0].parent.name}#{number}"
        at = number / self._showing.fps
        return replace(frame, at=at, source=source, sequence=number, still=False)


def _thumbnail(bgr: Pixels) -> NDArray[np.float64]:
    """(256,) the picture's coarse light and dark, with norm 1; all equal for a picture of one."""
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    small -= small.mean()
    norm = float(np.linalg.norm(small))
    return small / norm if norm > 1 else np.full(256, 1 / 16)


def fitting(cores: int) -> int:
    """How many processes the memory that is free has room for, at most `cores` and at least one."""
    free = available_memory_mb()
    return cores if free is None else max(1, min(cores, int(free // PROCESS_MB)))
