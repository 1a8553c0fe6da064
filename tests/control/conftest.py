"""The API on a real socket, over a service that is none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.config import ControlConfig
from appliance.control import connection
from appliance.control.authority import Peer, Rulers
from appliance.control.client import Client
from appliance.control.limits import Limits
from appliance.control.server import ControlServer
from tests.control.fake_service import FakeService, Switch
from tests.patience import patient

Serve = Callable[..., ControlServer]
KEEPER, INSTALLER, GROUP = 5001, 5002, 6001
RULERS = Rulers(os.geteuid(), frozenset({KEEPER}), frozenset({INSTALLER}), GROUP)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Switch, Path]]:
    """One server for all tests that ask for nothing special: starting one takes a while."""
    with serving(tmp_path_factory, Limits(per_second=1e6)) as served:
        yield served


@pytest.fixture(scope="session")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Switch, Path]]:
    """One that waits for nobody."""
    limits = Limits(request_s=patient(0.3), drain_s=patient(0.3), idle_s=60)
    with serving(tmp_path_factory, limits) as served:
        yield served


@contextmanager
def serving(places: pytest.TempPathFactory, limits: Limits) -> Iterator[tuple[Switch, Path]]:
    path, switch = places.mktemp("control") / "control.sock", Switch()
    config = ControlConfig(socket=path, group="no such group")
    server = ControlServer(config, switch, known=lambda: RULERS, limits=limits)
    server.start()
    server.wait_ready(patient(10))
    yield switch, path
    server.stop()


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def client(shared: tuple[Switch, Path], service: FakeService) -> Client:
    switch, path = shared
    switch.current = service
    return Client(path)


@pytest.fixture
def hasty(impatient: tuple[Switch, Path], service: FakeService) -> Path:
    """The socket of the server that waits for nobody."""
    switch, path = impatient
    switch.current = service
    return path


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def serve(service: FakeService, socket_path: Path) -> Iterator[Serve]:
    """Start the API with bounds of its own."""
    with ExitStack() as stack:

        def started(limits: Limits | None = None, **named: Any) -> ControlServer:
            config = ControlConfig(socket=socket_path, group="no such group")
            server = ControlServer(config, service, limits=limits, **named)
            server.start()
            stack.callback(server.stop)
            server.wait_ready(patient(10))
            return server

        yield started


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """From now on whoever connects is this user, in these groups."""

    def as_user(uid: int, *groups: int) -> None:
        peer = Peer(os.getpid(), uid, frozenset(groups))
        monkeypatch.setattr(connection, "peer_of", lambda _: peer)

    return as_user
