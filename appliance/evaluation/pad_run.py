"""Shows files to a judge, each a presentation of its own, in this process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from appliance.errors import InputError
from appliance.evaluation.pad import Judge
from appliance.evaluation.pad_files import Presentation
from appliance.evaluation.pad_report import Judged
from appliance.evaluation.workers import Workers, built, each
from appliance.host import available_memory_mb
from appliance.ports import Camera
from appliance.types import Frame

# What one process takes with its networks, its libraries and a large picture, in MB.
PROCESS_MB = 400


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
    """Judge one; a file that cannot be read is told and not raised."""
    label, name = presentation.label, presentation.name
    clip = _Clip(presentation.files, showing)
    try:
        attempts = judge.judge(clip.frames(), showing.attempts, seed=f"{showing.seed} {name}")
    except InputError as error:
        return Judged(label, name, unreadable=error.message)
    if not attempts:
        return Judged(label, name, unreadable=clip.damage or "It holds no frame.")
    return Judged(label, name, attempts, damage=clip.damage)


class _Clip:
    """One file, or pictures as the frames of one recording, each read when its turn comes.

    damage: what of it could not be read, though the rest was shown.
    """

    def __init__(self, files: Sequence[Path], showing: Showing) -> None:
        self._files = files
        self._showing = showing
        self.damage: str | None = None

    def frames(self) -> Iterator[Frame]:
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

    def _of_file(self, path: Path) -> Iterator[Frame]:
        with closing(self._showing.open_file(path)) as camera:
            camera.pace(self._showing.fps)
            yield from camera.frames()
            for _, reason in camera.skipped:
                self.damage = self.damage or reason

    def _numbered(self, frame: Frame, number: int) -> Frame:
        source = f"{self._files[0].parent.name}#{number}"
        at = number / self._showing.fps
        return replace(frame, at=at, source=source, sequence=number, still=False)


def fitting(cores: int) -> int:
    """How many processes the memory that is free has room for, at most `cores` and at least one."""
    free = available_memory_mb()
    return cores if free is None else max(1, min(cores, int(free // PROCESS_MB)))
