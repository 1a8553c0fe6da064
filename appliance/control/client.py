"""The commands' side of the API: requests over the Unix socket, with the service's own errors.

Built on the standard library's HTTP client: a command that only asks should start quickly.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import socket
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter, ValidationError

from appliance.control.words import (
    ALIVE_S,
    Alive,
    EnrolmentAsked,
    ErrorTold,
    Event,
    Failure,
    Kept,
    Records,
    Refusal,
    Reloaded,
    Result,
    Status,
    TemplateSent,
    UnlockAsked,
    Unlocked,
    VerificationAsked,
)
from appliance.errors import ApplianceError, DaemonUnreachableError

Answer = TypeVar("Answer", bound=BaseModel)

# A service that is well says something every ALIVE_S in a stream; one that is not is told of.
_SILENCE_S = 15 * ALIVE_S
_ANSWER_S = 40.0
# A socket before which too many wait is tried again so often, and for so long.
_AGAIN_S, _PATIENCE_S = 0.02, 2.0
STATUS_S = 5.0
_LONGEST_LINE = 4 * 1024 * 1024
_LONGEST_BODY = 64 * 1024 * 1024
# Codes of DaemonUnreachableError: nobody listens; somebody does, but not to this user.
UNANSWERED, CLOSED = "daemon_unreachable", "socket_closed"


class Client:
    """Asks the service on `path`.

    Each call raises what the service raised, or DaemonUnreachableError: code UNANSWERED when
    nobody listens, CLOSED when this user may not connect.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def status(self) -> Status:
        """How the service does."""
        return self._asked("GET", "/v1/status", Status, timeout_s=STATUS_S)

    def unlock(self, reason: str) -> Unlocked:
        """Release the door for one pulse."""
        return self._asked("POST", "/v1/unlock", Unlocked, UnlockAsked(reason=reason))

    def reload(self) -> Reloaded:
        """Have the config read anew."""
        return self._asked("POST", "/v1/reload", Reloaded)

    def audit(self, count: int) -> Records:
        """The last records, oldest first."""
        return self._asked("GET", f"/v1/audit?count={count}", Records)

    def keep(self, name: str, template: TemplateSent) -> Kept:
        """Keep a template made here."""
        where = f"/v1/people/{quote(name, safe='')}/template"
        return self._asked("PUT", where, Kept, template)

    def verify(self, name: str, *, unlock: bool) -> Generator[Event, None, None]:
        """Guide and Result; the iterator must be closed or read to its end."""
        where = "/v1/attempts" if unlock else "/v1/verifications"
        return self._job(where, VerificationAsked(name=name))

    def enrol(self, name: str, *, replace: bool) -> Generator[Event, None, None]:
        """Guide and Result; the iterator must be closed or read to its end."""
        return self._job("/v1/enrolments", EnrolmentAsked(name=name, replace=replace))

    def events(self) -> Generator[Event, None, None]:
        """What happens from now on."""
        return self._streamed("GET", "/v1/events")

    def _asked(
        self,
        method: str,
        where: str,
        kind: type[Answer],
        sent: BaseModel | None = None,
        *,
        timeout_s: float = _ANSWER_S,
    ) -> Answer:
        with closing(_Connection(self.path, timeout_s)) as connection:
            response = connection.asked(method, where, sent)
            return connection.read(kind, connection.body(response))

    def _job(self, where: str, sent: BaseModel) -> Generator[Event, None, None]:
        with closing(self._streamed("POST", where, sent)) as events:
            for event in events:
                yield event
                if isinstance(event, Result):
                    return
        raise DaemonUnreachableError(
            f"The service on {self.path} gave up before there was a result.",
            hint="`journalctl -u appliance` may tell why.",
            code="connection_lost",
        )

    def _streamed(
        self, method: str, where: str, sent: BaseModel | None = None
    ) -> Generator[Event, None, None]:
        with closing(_Connection(self.path, _SILENCE_S)) as connection:
            response = connection.asked(method, where, sent)
            for line in connection.lines(response):
                event = connection.event(line)
                if isinstance(event, Failure):
                    raise _as_raised(event.error)
                if event is not None and not isinstance(event, Alive):
                    yield event


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket; whatever goes wrong becomes one sentence."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Where HTTPConnection would open a TCP connection."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        latest = time.monotonic() + _PATIENCE_S
        # Too many wait there already (connect(2), EAGAIN).
        while (number := self.sock.connect_ex(os.fspath(self._path))) == errno.EAGAIN:
            if time.monotonic() >= latest:
                break
            time.sleep(_AGAIN_S)
        if number:
            raise OSError(number, os.strerror(number))

    def asked(self, method: str, where: str, sent: BaseModel | None) -> http.client.HTTPResponse:
        """The head of a good answer. ApplianceError as the service tells it."""
        try:
            self._send(method, where, sent)
            response = self.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        if response.status != http.HTTPStatus.OK:
            raise _as_raised(self.read(Refusal, self.body(response)).error)
        return response

    def _send(self, method: str, where: str, sent: BaseModel | None) -> None:
        self.connect()
        body = None if sent is None else sent.model_dump_json().encode()
        # A service that refuses early reads no body; its answer says why.
        with contextlib.suppress(BrokenPipeError):
            self.request(method, where, body, _JSON)

    def body(self, response: http.client.HTTPResponse) -> bytes:
        """All of it."""
        try:
            data = response.read(_LONGEST_BODY + 1)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        if len(data) > _LONGEST_BODY:
            raise self._strange("its answer is too long")
        return data

    def lines(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        """One event each. DaemonUnreachableError when the service ends in the middle."""
        while True:
            try:
                line = response.readline(_LONGEST_LINE + 1)
            except (OSError, http.client.HTTPException) as error:
                raise self._unreachable(error) from error
            if not line:
                return
            if not line.endswith(b"\n"):
                raise self._strange("a line of its answer is cut off or too long")
            yield line

    def read(self, kind: type[Answer], data: bytes) -> Answer:
        """The answer in the API's words."""
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            raise self._strange(f"its answer is no {kind.__name__}") from error

    def event(self, line: bytes) -> Event | None:
        """None for a kind that this version does not know."""
        try:
            told = json.loads(line)
            return _event().validate_python(told) if told["kind"] in _KINDS else None
        except (ValueError, TypeError, KeyError) as error:
            raise self._strange("a line of its answer is no event") from error

    def _strange(self, why: str) -> DaemonUnreachableError:
        return DaemonUnreachableError(
            f"What answers on {self._path} is not this version's service: {why}.",
            hint="Update this command and the service together, and see what control.socket names.",
            code="strange_answer",
        )

    def _unreachable(self, error: Exception) -> DaemonUnreachableError:
        for kinds, sentence, hint, code in _UNREACHABLE:
            if isinstance(error, kinds):
                return DaemonUnreachableError(sentence.format(self._path), hint=hint, code=code)
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
        return DaemonUnreachableError(
            f"The service on {self._path} cannot be reached: {reason}.",
            hint="`systemctl status appliance` tells whether it runs.",
        )


_JSON = {"content-type": "application/json"}
_KINDS = frozenset(kind.model_fields["kind"].default for kind in get_args(get_args(Event)[0]))
_ENDED = (ConnectionResetError, BrokenPipeError, http.client.HTTPException)
_UNREACHABLE: tuple[tuple[Any, str, str, str], ...] = (
    (
        (FileNotFoundError, ConnectionRefusedError, NotADirectoryError),
        "No service answers on {}.",
        "Start it: `systemctl start appliance`, or `appliance run`.",
        UNANSWERED,
    ),
    (
        PermissionError,
        "This user may not connect to the service on {}.",
        "Members of control.group may: `sudo adduser NAME appliance`, then log in anew.",
        CLOSED,
    ),
    (
        BlockingIOError,
        "Too many wait for the service on {}.",
        "Wait a moment and try again.",
        "too_busy",
    ),
    (
        TimeoutError,
        "The service on {} did not answer in time.",
        "`journalctl -u appliance` may tell what holds it up.",
        "no_answer",
    ),
    (
        _ENDED,
        "The service on {} ended the connection before it had answered.",
        "`journalctl -u appliance` may tell why; it starts again by itself.",
        "connection_lost",
    ),
)


@cache
def _event() -> TypeAdapter[Event]:
    # Built when first asked for: most commands read no stream.
    return TypeAdapter(Event)


def _as_raised(told: ErrorTold) -> ApplianceError:
    """The error that the service raised, as the same class."""
    kind = _BY_CODE.get(told.code) or _BY_EXIT_CODE.get(told.exit_code, ApplianceError)
    return kind(told.message, hint=told.hint, code=told.code)


def _classes(root: type[ApplianceError]) -> Iterator[type[ApplianceError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _classes(kind)


_BY_CODE: Mapping[str, type[ApplianceError]] = {
    kind.default_code: kind for kind in _classes(ApplianceError)
}
# The broadest class of each code comes first in its branch of the tree.
_BY_EXIT_CODE: Mapping[int, type[ApplianceError]] = {
    int(kind.exit_code): kind for kind in reversed(list(_classes(ApplianceError)))
}
