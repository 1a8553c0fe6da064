"""Where requests come in: who may ask, how fast, how many at once, and what a stream is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from appliance.control.authority import Act, Caller, Peer, Rulers, may
from appliance.control.limits import Gate, Limits, Pace, Rarely
from appliance.control.peers import caller_of
from appliance.control.refusals import told
from appliance.control.service import Service
from appliance.control.threads import Places, Stream, call, foreseen, no_answer
from appliance.control.words import Event, Failure
from appliance.errors import DaemonUnreachableError, NotPermittedError

T = TypeVar("T")
NDJSON = "application/x-ndjson"

_WORDS = {
    Act.STATUS: "ask how the service does",
    Act.VERIFY: "verify anybody",
    Act.WATCH: "listen to what happens",
    Act.RELOAD: "have the config read anew",
    Act.AUDIT: "read the audit log",
    Act.ENROL: "enrol anybody",
    Act.KEEP: "keep a template",
    Act.ATTEMPT: "make an attempt at the door",
    Act.UNLOCK: "unlock the door",
}


class Desk:
    """Where requests come in: who may ask, how fast, and how many at once."""

    def __init__(
        self,
        service: Service,
        known: Callable[[], Rulers],
        limits: Limits,
        now: Callable[[], float],
    ) -> None:
        self.service, self.limits = service, limits
        self._known = known
        self._pace, self._told = Pace(limits, now), Rarely(now)
        # A status is told also while all other places are taken. Who somebody is may have to be
        # asked of another process, but the event loop waits for nobody.
        self._calls = Places(limits.calls, limits.patience_s)
        self._looks = Places(limits.calls, limits.patience_s)
        self._names = Places(limits.connections, limits.patience_s)
        self._streams = Gate(Limits(connections=limits.streams, per_user=limits.streams_per_user))
        self._open: set[Stream] = set()

    async def admit(self, request: Request, act: Act) -> Caller:
        """Who asks. NotPermittedError when the table does not allow it."""
        peer: Peer = request.scope["state"]["peer"]
        await asyncio.sleep(self._pace.wait_for(peer.uid))
        caller = await call(lambda: caller_of(peer, self._known), self._names, self.limits.call_s)
        if not may(caller.role, act):
            if self._told.lets((caller.uid, act)):
                await call(lambda: self.service.refused(act, caller), self._calls, 5)
            raise NotPermittedError(
                f"{caller.name} ({caller.role.value}) may not {_WORDS[act]}.",
                hint="docs/control.md says who may do what; control.keepers and "
                "control.installers name people, the group of control.group holds the others.",
            )
        return caller

    async def look(self, function: Callable[[], T]) -> T:
        """A call that always has a place."""
        return await call(function, self._looks, self.limits.call_s)

    async def ask(self, function: Callable[[], T]) -> T:
        """A call."""
        return await call(function, self._calls, self.limits.call_s)

    async def stream(
        self, begin: Callable[[], Iterator[Event]], by: Caller, seconds: float
    ) -> Response:
        """A stream of at most so many seconds; an error before its first event is raised."""
        if not self._streams.enter(by.uid):
            raise DaemonUnreachableError(
                "The service has too many streams open.",
                hint="End one of them and try again.",
                code="too_busy",
            )
        stream = Stream(begin, _on_this_loop(lambda: self._streams.leave(by.uid)))
        self._open.add(stream)
        try:
            first = await asyncio.wait_for(stream.first(), self.limits.call_s)
        except asyncio.TimeoutError:
            self._open.discard(stream)
            raise no_answer(self.limits.call_s) from None
        except BaseException:
            self._open.discard(stream)
            raise
        return Lines(stream, first, seconds, lambda: self._open.discard(stream))

    def close(self) -> None:
        """End all streams."""
        for stream in list(self._open):
            stream.close()


def _on_this_loop(function: Callable[[], None]) -> Callable[[], None]:
    """The same, to be called from a thread."""
    loop = asyncio.get_running_loop()

    def later() -> None:
        with contextlib.suppress(RuntimeError):  # the API has ended meanwhile
            loop.call_soon_threadsafe(function)

    return later


class Lines(Response):
    """One event a line, until the stream, its time or the client's interest ends."""

    media_type = NDJSON

    def __init__(
        self,
        stream: Stream,
        first: Event | None,
        seconds: float,
        ended: Callable[[], None],
        status_code: int = 200,  # FastAPI reads the default for its description
    ) -> None:
        super().__init__(status_code=status_code, media_type=NDJSON)
        del self.headers["content-length"]
        self._stream, self._first, self._seconds, self._ended = stream, first, seconds, ended

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        stream = self._stream
        late = asyncio.get_running_loop().call_later(self._seconds, stream.close)
        gone = asyncio.ensure_future(_gone(receive, stream))
        try:
            head = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **head})
            async for event in self._events(stream):
                line = event.model_dump_json().encode() + b"\n"
                await send({"type": "http.response.body", "body": line, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            late.cancel()
            gone.cancel()
            stream.close()
            self._ended()

    async def _events(self, stream: Stream) -> AsyncIterator[Event]:
        if self._first is None:
            return
        yield self._first
        async for item in stream.rest():
            yield Failure(error=told(foreseen(item))) if isinstance(item, Exception) else item


async def _gone(receive: Receive, stream: Stream) -> None:
    """End the stream when its client has gone."""
    while (await receive())["type"] != "http.disconnect":
        continue
    stream.close()
