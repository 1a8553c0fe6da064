"""The service's calls beside the event loop: each in a thread of its own, and not too many.

The threads are daemons and their number is bounded, so a call that hangs takes one place and
neither the API nor the end of the process with it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from appliance.control.words import Event
from appliance.errors import ApplianceError, DaemonUnreachableError

T = TypeVar("T")
_log = logging.getLogger(__name__)

# Events that wait for a slow client; then its thread waits too.
_MOST_WAITING = 16
_LOOK_AGAIN_S = 0.02


class Places:
    """So many things at once; who finds none waits for one, but not for ever."""

    def __init__(self, most: int, patience_s: float) -> None:
        self._free = threading.Semaphore(most)
        self._patience_s = patience_s

    async def take(self) -> None:
        """DaemonUnreachableError when none gets free in time."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._patience_s
        while not self._free.acquire(blocking=False):
            if loop.time() >= latest:
                raise DaemonUnreachableError(
                    "The service is busy with too many requests.",
                    hint="Wait a moment and try again.",
                    code="too_busy",
                )
            await asyncio.sleep(_LOOK_AGAIN_S)

    def give_back(self) -> None:
        """Free one; from any thread."""
        self._free.release()


async def call(function: Callable[[], T], places: Places, timeout_s: float) -> T:
    """Run in a thread. DaemonUnreachableError when there is no place, or no answer in time."""
    await places.take()
    future: Future[T] = Future()
    thread = threading.Thread(
        target=_answer, args=(function, future, places), name="api-call", daemon=True
    )
    _start(thread, places.give_back)
    try:
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), timeout_s)
    except asyncio.TimeoutError:
        # Nobody looks at the outcome any more.
        raise no_answer(timeout_s) from None


def _start(thread: threading.Thread, give_back: Callable[[], None]) -> None:
    """What the thread would have given back at its end is given back where it cannot begin."""
    try:
        thread.start()
    except BaseException:  # the system has no more threads
        give_back()
        raise


def no_answer(timeout_s: float) -> DaemonUnreachableError:
    """The service took longer than that."""
    return DaemonUnreachableError(
        f"The service did not answer within {timeout_s:g} s.",
        hint="`journalctl -u appliance` may tell what holds it up.",
        code="no_answer",
    )


def _answer(function: Callable[[], T], future: Future[T], places: Places) -> None:
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
    finally:
        places.give_back()


class Stream:
    """An iterator of the service, run in one thread and read on the event loop.

    Closing it ends the iterator as soon as that hands over its next event. ended: called in that
    thread when the iterator is done with.
    """

    def __init__(self, begin: Callable[[], Iterator[Event]], ended: Callable[[], None]) -> None:
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Event | Exception | None] = asyncio.Queue()
        self._room = threading.Semaphore(_MOST_WAITING)
        self._closed = threading.Event()
        self._ended = ended
        _start(threading.Thread(target=self._run, name="api-stream", daemon=True), ended)

    async def first(self) -> Event | None:
        """The first event; raises what the service raises before it. None: there is none."""
        try:
            item = await self._next()
        except BaseException:
            self.close()
            raise
        if isinstance(item, Exception):
            raise item
        return item

    async def rest(self) -> AsyncIterator[Event | Exception]:
        """The other events; an error is the last of them. Ends when the stream is closed."""
        while not self._closed.is_set():
            item = await self._next()
            if item is None or self._closed.is_set():
                return
            yield item

    def close(self) -> None:
        """Read no more of it; may be called twice. Called on the event loop."""
        self._closed.set()
        self._queue.put_nowait(None)

    async def _next(self) -> Event | Exception | None:
        item = await self._queue.get()
        self._room.release()
        return item

    def _run(self) -> None:
        try:
            self._hand_over()
        except Exception as error:  # noqa: BLE001 - the other side tells the client
            self._post(error)
        finally:
            self._ended()
            self._post(None)

    def _hand_over(self) -> None:
        events = self._begin()
        try:
            for event in events:
                if self._closed.is_set():
                    return
                self._post(event)
        finally:
            # What it had begun it gives up now, in this thread, not when it is forgotten.
            end: Callable[[], None] | None = getattr(events, "close", None)
            if end is not None:
                end()

    def _post(self, item: Event | Exception | None) -> None:
        while not self._room.acquire(timeout=_LOOK_AGAIN_S):
            if self._closed.is_set():
                return
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)
        except RuntimeError:  # the API has ended meanwhile
            self._closed.set()


def foreseen(error: Exception) -> ApplianceError:
    """What may be told of an error; a surprise is logged and told without its details."""
    if isinstance(error, ApplianceError):
        return error
    _log.error("a request failed", exc_info=error)
    return ApplianceError(
        "The service failed over this request.",
        hint="This is a bug of the appliance; its log (`journalctl -u appliance`) has the details.",
    )
