"""One connection: HTTP/1.1 by uvicorn and h11, with bounds on what a client may take.

The kernel's word on who is at the other end goes into the scope; what uvicorn leaves open is
bounded here: how many connections there are, how long a request may take to arrive, and how long
a client may leave its answer unread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from appliance.control.authority import Peer
from appliance.control.limits import Gate, Limits
from appliance.control.peers import peer_of


def _refusal(status: bytes, code: bytes, message: bytes, hint: bytes, exit_code: int) -> bytes:
    """An answer where there is no request to answer yet, in the words of the API."""
    body = b'{"error": {"code": "%s", "message": "%s", "hint": "%s", "exit_code": %d}}' % (
        code, message, hint, exit_code,
    )  # fmt: skip
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % (
        status, len(body),
    )  # fmt: skip
    return head + b"connection: close\r\n\r\n" + body


_CROWDED = _refusal(
    b"503 Service Unavailable",
    b"too_busy",
    b"The service has too many connections.",
    b"Wait a moment and try again.",
    5,
)
_RUBBISH = _refusal(
    b"400 Bad Request",
    b"bad_request",
    b"This is no HTTP request.",
    b"GET /v1/openapi.json describes every request.",
    2,
)


class Connection(H11Protocol):
    """One client. `gate` and `limits` are set by `bounded`."""

    gate: Gate
    limits: Limits

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._uid: int | None = None
        # Not close(): that would wait until the client has read everything.
        self._arriving = _Deadline(self.loop, self.limits.request_s, self._abort)
        self._draining = _Deadline(self.loop, self.limits.drain_s, self._abort)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Let in, or refuse at once."""
        super().connection_made(transport)
        try:
            peer = peer_of(transport.get_extra_info("socket"))
        except OSError:
            transport.abort()
            return
        if not self.gate.enter(peer.uid):
            transport.write(_CROWDED)
            transport.close()
            return
        self._let_in(peer)

    def _let_in(self, peer: Peer) -> None:
        self._uid = peer.uid
        self.app_state = {**self.app_state, "peer": peer}
        self._watch_arrival()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        super().connection_lost(exc)
        self._arriving.stop()
        self._draining.stop()
        if self._uid is not None:
            self.gate.leave(self._uid)
            self._uid = None

    def data_received(self, data: bytes) -> None:
        """Something of a request; nothing from who was not let in."""
        if self._uid is None:
            return
        super().data_received(data)
        self._watch_arrival()

    def on_response_complete(self) -> None:
        """Answered; the next request has its own time."""
        super().on_response_complete()
        self._arriving.stop()
        self._watch_arrival()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """What came is no HTTP. Where an answer has begun there is nothing more to say."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(_RUBBISH)
        self.transport.close()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is told; asyncio calls this."""
        super().pause_writing()
        self._draining.start()

    def resume_writing(self) -> None:
        """It has read what waited for it."""
        super().resume_writing()
        self._draining.stop()

    def _watch_arrival(self) -> None:
        """A request must be there as a whole in time, however it trickles in."""
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._arriving.start()
        else:
            self._arriving.stop()

    def _abort(self) -> None:
        self.transport.abort()


class _Deadline:
    """Calls once when it was not stopped in time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, missed: Callable[[], None]
    ) -> None:
        self._loop, self._seconds, self._missed = loop, seconds, missed
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Unless it runs already."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._missed)

    def stop(self) -> None:
        """May be called at any time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def bounded(limits: Limits, gate: Gate) -> type[Connection]:
    """The class of the connections of one server."""
    return type("BoundedConnection", (Connection,), {"gate": gate, "limits": limits})
