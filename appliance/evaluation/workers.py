"""Processes that each hold one pipeline and work through a list of files."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TypeVar

from appliance.errors import InputError
from appliance.perception import Perception
from appliance.ports import Camera
from appliance.types import Frame

Build = Callable[[], object]
Open = Callable[[Path], Camera]
Built = TypeVar("Built")
Task = TypeVar("Task")
Result = TypeVar("Result")

# Tasks that a process is handed at a time.
_CHUNK = 16


@dataclass(frozen=True)
class Workers:
    """How the processes are made.

    build: makes what does the work, such as a pipeline, once in each. open_picture: a camera that
    shows one file. count: how many; None: one for each core. chunk: tasks handed out at a time.
    """

    build: Build
    open_picture: Open
    count: int | None = None
    chunk: int = _CHUNK


def each(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: Workers
) -> Iterator[Result]:
    """What `function` makes of every task, in order; without tasks no process is started.

    function: of a module, for it is called in the processes, where `perception` and `open_first`
    work. InputError `worker_ended` when the system ends a process, as where memory runs short.
    """
    if not tasks:
        return
    wanted = workers.count or os.cpu_count() or 1
    # spawn, not fork: the networks' thread pools do not survive a fork.
    context = get_context("spawn")
    over = context.Event()
    with ProcessPoolExecutor(
        min(wanted, math.ceil(len(tasks) / workers.chunk)),
        context,
        initializer=_begin,
        initargs=(workers.build, workers.open_picture, over),
    ) as pool:
        try:
            with _deaf():
                found = pool.map(partial(_interruptible, function), tasks, chunksize=workers.chunk)
            yield from found
        except BrokenProcessPool as error:
            raise InputError(
                "A process that worked on the pictures was ended from outside; the system does so "
                "when memory runs short.",
                hint="Use fewer processes with --workers, or leave out pictures of very many "
                "pixels.",
                code="worker_ended",
            ) from error
        finally:
            over.set()  # what was handed out already and is not begun need not be done


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are started in here do not hear Ctrl-C (see `_interruptible`), nor an end.

    A terminal that closes and a service manager tell all of them at once. Who began them ends them
    in good order; one that ended by itself would break what all of them share.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread decides what is heard
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Held back, not ignored: what comes in here reaches this process afterwards, and them never.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        signal.signal(signal.SIGINT, before)


def _interruptible(function: Callable[[Task], Result], task: Task) -> Result:
    """Ctrl-C, which reaches all processes of a terminal, ends a task and not the process.

    One that died while it waited for a task would say so, and break what all of them share.
    """
    if _Here.over is not None and _Here.over.is_set():
        raise InterruptedError
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return function(task)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def perception() -> Perception:
    """This process's pipeline."""
    return built(Perception)


def built(kind: type[Built]) -> Built:
    """What `Workers.build` made in this process, which is a `kind`."""
    if not isinstance(_Here.built, kind):
        raise TypeError(f"the processes were given a {type(_Here.built).__name__}, no {kind}")
    return _Here.built


def open_first(path: Path) -> Frame | None:
    """The first frame of a file; None where there is none. InputError where it is unreadable."""
    camera = _Here.open_picture(path)
    try:
        return next(iter(camera.frames()), None)
    finally:
        camera.close()


class _Here:
    """What this process was begun with."""

    built: object
    open_picture: Open
    over: Event | None


def _begin(build: Build, open_picture: Open, over: Event | None = None) -> None:
    import cv2

    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_who_began, daemon=True).start()
    _Here.over = over
    _Here.built = build()
    _Here.open_picture = staticmethod(open_picture)


def _end_with_who_began() -> None:
    """Whoever waits for a task of a process that was killed would do so for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
