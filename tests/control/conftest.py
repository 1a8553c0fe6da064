"""The API on a real socket, over a service that is none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from appliance.config import ControlConfig
from appliance.control.authority import Rulers
from appliance.control.client import Client
from appliance.control.limits import Limits
from appliance.control.server import ControlServer
from tests.control.fake_service import FakeService

Serve = Callable[..., ControlServer]


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def serve(service: FakeService, socket_path: Path) -> Iterator[Serve]:
    """Start the API; `rulers` and `limits` as given."""
    with ExitStack() as stack:

        def started(rulers: Rulers | None = None, limits: Limits | None = None) -> ControlServer:
            config = ControlConfig(socket=socket_path, group="no such group")
            known = None if rulers is None else lambda: rulers
            server = ControlServer(config, service, known=known, limits=limits)
            server.start()
            stack.callback(server.stop)
            server.wait_ready()
            return server

        yield started


@pytest.fixture
def client(serve: Serve, socket_path: Path) -> Client:
    serve()
    return Client(socket_path)


def nobody_rules() -> Rulers:
    """This very process has no role."""
    return Rulers(owner=os.geteuid() + 1, keepers=frozenset(), installers=frozenset(), group=None)
