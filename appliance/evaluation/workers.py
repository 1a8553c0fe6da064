"""Processes that each hold one pipeline and work through a list of pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from appliance.perception import Perception
from appliance.ports import Camera
from appliance.types import Frame

Build = Callable[[], Perception]
Open = Callable[[Path], Camera]
Task = TypeVar("Task")
Result = TypeVar("Result")

# Tasks that a process is handed at a time.
_CHUNK = 16


@dataclass(frozen=True)
class Workers:
    """How the processes are made.

    build: makes a pipeline, once in each. open_picture: a camera that shows one file.
    count: how many; None: one for each core.
    """

    build: Build
    open_picture: Open
    count: int | None = None


def each(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: Workers
) -> Iterator[Result]:
    """What `function` makes of every task, in order; without tasks no process is started.

    function: of a module, for it is called in the processes, where `perception` and `open_first`
    work.
    """
    if not tasks:
        return
    wanted = workers.count or os.cpu_count() or 1
    # spawn, not fork: the networks' thread pools do not survive a fork.
    with ProcessPoolExecutor(
        min(wanted, math.ceil(len(tasks) / _CHUNK)),
        get_context("spawn"),
        initializer=_begin,
        initargs=(workers.build, workers.open_picture),
    ) as pool:
        yield from pool.map(function, tasks, chunksize=_CHUNK)


def perception() -> Perception:
    """This process's pipeline."""
    return _Here.perception


def open_first(path: Path) -> Frame | None:
    """The first frame of a file; None where there is none. InputError where it is unreadable."""
    camera = _Here.open_picture(path)
    try:
        return next(iter(camera.frames()), None)
    finally:
        camera.close()


class _Here:
    """What this process was begun with."""

    perception: Perception
    open_picture: Open


def _begin(build: Build, open_picture: Open) -> None:
    import cv2

    cv2.setNumThreads(1)
    _Here.perception = build()
    _Here.open_picture = staticmethod(open_picture)
