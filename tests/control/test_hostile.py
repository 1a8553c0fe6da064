"""Clients that send rubbish, half a request, ten thousand requests, or never read."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from appliance.control import connection
from appliance.control.authority import Peer
from appliance.control.client import Client
from appliance.control.limits import Limits
from appliance.control.listening import BACKLOG
from appliance.control.peers import peer_of
from appliance.control.words import Alarm, Event
from appliance.errors import DaemonUnreachableError
from tests.control.conftest import Serve
from tests.control.fake_service import NOON, STATUS, FakeService
from tests.control.test_api import Unix
from tests.patience import patient

GET = b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n"


def connected(path: Path) -> socket.socket:
    """Connected, also where one must wait for a place in the kernel's queue."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(patient(10))
    wait_until(lambda: client.connect_ex(str(path)) != errno.EAGAIN)
    return client


def answer(client: socket.socket) -> bytes:
    """Everything until the other side closes."""
    parts = []
    with suppress(ConnectionResetError):
        while part := client.recv(65_536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00\xff" * 100,
        b"\r\n" * 5000 + b"x",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x01 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /v1/unlock HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/unlock HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /v1/unlock HTTP/1.1\r\nhost: x\r\ncontent-length: %s\r\n\r\n" % (b"9" * 500),
        b"GET /v1/status HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 100_000,
        b"".join(b"GET /v1/status HTTP/1.1\r\n" for _ in range(3000)),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300,
        b"POST /v1/unlock HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda rubbish: repr(rubbish[:24]),
)
def test_rubbish_is_refused_and_nothing_is_done_or_logged(
    client: Client, service: FakeService, rubbish: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with connected(client.path) as hostile:
        with suppress(BrokenPipeError, ConnectionResetError):
            hostile.sendall(rubbish)
        with suppress(OSError):
            hostile.shutdown(socket.SHUT_WR)
        told = answer(hostile)
    assert told == b"" or told.startswith(b"HTTP/1.1 4")
    assert client.status() == STATUS
    assert service.asked == [("status",)]
    assert caplog.records == []


@pytest.mark.parametrize(
    "half",
    [
        b"",
        b"GET /v1/sta",
        b"GET /v1/status HTTP/1.1\r\nhost: x\r\n",
        b'POST /v1/unlock HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"reason": ',
    ],
    ids=["nothing", "a word", "half a head", "half a body"],
)
def test_half_a_request_is_waited_for_so_long_and_no_longer(
    service: FakeService, hasty: Path, half: bytes
) -> None:
    with connected(hasty) as hostile:
        hostile.sendall(half)
        assert answer(hostile) == b""
    assert service.asked == []


def test_a_request_that_trickles_in_is_cut_off(hasty: Path) -> None:
    """A byte now and then does not buy time."""
    with connected(hasty) as hostile:
        wait_until(lambda: _gone_after(hostile, b"x"))


def _gone_after(client: socket.socket, data: bytes) -> bool:
    try:
        client.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


def test_a_kept_connection_has_its_time_too(hasty: Path) -> None:
    with connected(hasty) as hostile:
        hostile.sendall(GET + b"GET /v1/sta")
        told = answer(hostile)
    assert told.count(b"HTTP/1.1 200") == 1


def flood() -> Iterator[Event]:
    while True:
        yield Alarm(at=NOON, alarm="x" * 4000)


def test_who_never_reads_is_cut_off_and_gives_up_the_stream(
    service: FakeService, hasty: Path
) -> None:
    ended = threading.Event()
    handed_over = 0

    def endless() -> Iterator[Event]:
        nonlocal handed_over
        try:
            for event in flood():
                handed_over += 1
                yield event
        finally:
            ended.set()

    service.listened = endless
    with connected(hasty) as hostile:
        hostile.sendall(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
        assert ended.wait(patient(5))
        # What the kernel and our own buffers take, and no more.
        assert handed_over < 500
    assert Client(hasty).status() == STATUS


def test_who_reads_a_byte_now_and_then_is_cut_off_too(service: FakeService, hasty: Path) -> None:
    service.listened = flood
    with connected(hasty) as hostile:
        hostile.sendall(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
        wait_until(lambda: _cut_off(hostile))
    assert Client(hasty).status() == STATUS


def _cut_off(client: socket.socket) -> bool:
    """Read one byte; whether the other side has gone, whatever the kernel still holds for us."""
    try:
        client.recv(1)
        client.send(b"x")
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


def test_a_stream_ends_after_its_time(
    serve: Serve, service: FakeService, socket_path: Path
) -> None:
    def slowly() -> Iterator[Event]:
        while True:
            time.sleep(0.01)
            yield Alarm(at=NOON, alarm="forced")

    service.listened = slowly
    serve(Limits(listen_s=0.2))
    assert 1 < len(list(Client(socket_path).events())) < 100


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_ten_thousand_requests_are_answered_one_by_one(
    client: Client, service: FakeService, count: int
) -> None:
    """Ten users at once, who also send without waiting; all are answered, in order."""
    assert asyncio.run(_many(client.path, count // 10, 10)) == count
    assert len(service.asked) == count
    assert client.status() == STATUS


async def _many(path: Path, count: int, users: int) -> int:
    async def one() -> int:
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            for _ in range(count // 20):
                writer.write(GET * 20)  # also pipelined
                for _ in range(20):
                    head = await reader.readuntil(b"\r\n\r\n")
                    assert head.startswith(b"HTTP/1.1 200")
                    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    await reader.readexactly(length)
            return count
        finally:
            writer.close()

    return sum(await asyncio.gather(*(one() for _ in range(users))))


def test_who_asks_too_fast_waits(serve: Serve, socket_path: Path) -> None:
    serve(Limits(per_second=50, burst=5))
    with closing(Unix(socket_path)) as connection:
        started = time.monotonic()
        for _ in range(20):
            connection.request("GET", "/v1/status")
            connection.getresponse().read()
        assert time.monotonic() - started >= 0.25


def test_one_user_cannot_take_all_connections(
    serve: Serve, socket_path: Path, become: Callable[..., None], service: FakeService
) -> None:
    serve(Limits(connections=8, per_user=4))
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connected(socket_path))
        time.sleep(0.05)
        with connected(socket_path) as fifth:
            head, _, body = answer(fifth).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert json.loads(body)["error"]["code"] == "too_busy"
        with pytest.raises(DaemonUnreachableError):
            Client(socket_path).status()
        become(5003)
        with connected(socket_path) as other:
            other.sendall(b"GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert b'"not_permitted"' in answer(other)
    assert service.asked == []


def test_a_crowd_does_not_take_the_files_of_the_process(
    serve: Serve, socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is turned away was accepted first: never many at once, or the camera finds none free."""
    clients: list[socket.socket] = []
    accepted: list[int] = []

    def looked_at(of: socket.socket) -> Peer:
        if not accepted:
            time.sleep(0.3)  # meanwhile all others come
        accepted.append(len(list(Path("/proc/self/fd").iterdir())) - len(clients))
        return peer_of(of)

    serve()
    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(connection, "peer_of", looked_at)
    with ExitStack() as stack:
        clients.extend(stack.enter_context(connected(socket_path)) for _ in range(300))
    assert max(accepted) - before <= 16 + 3 * BACKLOG
    assert status_after_the_crowd(socket_path) == STATUS


def status_after_the_crowd(path: Path) -> object:
    """What the service answers once it has noticed that the crowd is gone."""
    patience = time.monotonic() + patient(20)
    while True:
        try:
            return Client(path).status()
        except DaemonUnreachableError:
            if time.monotonic() > patience:
                raise
        time.sleep(0.1)


def test_who_finds_a_crowd_waits_and_is_told(tmp_path: Path) -> None:
    """Nobody accepts: the kernel's queue is full."""
    path = tmp_path / "full.sock"
    with closing(socket.socket(socket.AF_UNIX)) as deaf, ExitStack() as stack:
        deaf.bind(str(path))
        deaf.listen(0)
        stack.enter_context(connected(path))
        started = time.monotonic()
        with pytest.raises(DaemonUnreachableError, match="Too many wait") as raised:
            Client(path).status()
    assert raised.value.code == "too_busy"
    assert time.monotonic() - started >= 1


def test_many_who_come_and_go_leave_nothing_behind(serve: Serve, socket_path: Path) -> None:
    serve(Limits(per_user=4))
    for number in range(300):
        # Some come while their predecessors are still there, and are turned away.
        with suppress(BrokenPipeError, ConnectionResetError), connected(socket_path) as client:
            client.sendall(GET if number % 2 else GET[:20])
    wait_until(lambda: _answers(socket_path))
    assert threading.active_count() < 20


def _answers(path: Path) -> bool:
    try:
        return Client(path).status() == STATUS
    except DaemonUnreachableError:
        return False


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + patient(5)
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_calls_that_hang_leave_the_status_alone(
    serve: Serve, service: FakeService, socket_path: Path
) -> None:
    stuck, free = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        if service.asked[-1][0] == "unlock":
            stuck.release()
            assert free.wait(patient(20))

    service.hook = hang
    serve(Limits(calls=2, call_s=0.3, patience_s=0.1))
    client = Client(socket_path)
    try:
        for _ in range(2):
            with pytest.raises(DaemonUnreachableError) as slow:
                client.unlock("one")
            assert slow.value.code == "no_answer"
        with pytest.raises(DaemonUnreachableError) as busy:
            client.unlock("two")
        assert busy.value.code == "too_busy"
        assert client.status() == STATUS
    finally:
        free.set()
    wait_until(lambda: _unlocks(client, service))


def _unlocks(client: Client, service: FakeService) -> bool:
    service.hook = lambda: None
    try:
        return client.unlock("three").done
    except DaemonUnreachableError:
        return False


def test_a_stream_that_never_begins_is_told(
    serve: Serve, service: FakeService, socket_path: Path
) -> None:
    free = threading.Event()

    def silent() -> Iterator[Event]:
        assert free.wait(patient(20))
        yield Alarm(at=NOON, alarm="forced")

    service.listened = silent
    serve(Limits(call_s=0.2))
    try:
        with pytest.raises(DaemonUnreachableError) as raised:
            next(Client(socket_path).events())
        assert raised.value.code == "no_answer"
    finally:
        free.set()


def test_streams_are_bounded(serve: Serve, service: FakeService, socket_path: Path) -> None:
    def quiet() -> Iterator[Event]:
        while True:
            time.sleep(0.02)
            yield Alarm(at=NOON, alarm="forced")

    service.listened = quiet
    serve(Limits(streams_per_user=2))
    client = Client(socket_path)
    with closing(client.events()) as one, closing(client.events()) as two:
        next(one), next(two)
        with pytest.raises(DaemonUnreachableError, match="too many streams"):
            next(client.events())
    wait_until(lambda: _hears(client))


def _hears(client: Client) -> bool:
    try:
        with closing(client.events()) as events:
            return isinstance(next(events), Alarm)
    except DaemonUnreachableError:
        return False


def test_stopping_ends_streams_and_frees_the_path(
    serve: Serve, service: FakeService, socket_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended = threading.Event()

    def quiet() -> Iterator[Event]:
        try:
            while True:
                time.sleep(0.02)
                yield Alarm(at=NOON, alarm="forced")
        finally:
            ended.set()

    service.listened = quiet
    server = serve()
    assert ["no group" in text for text in caplog.messages] == [True]
    caplog.clear()
    with closing(Client(socket_path).events()) as events:
        next(events)
        server.stop()
        assert ended.wait(patient(2))
        assert len(list(events)) < 50
    assert not server.alive
    assert not socket_path.exists()
    assert caplog.records == []
