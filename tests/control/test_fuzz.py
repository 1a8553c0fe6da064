"""The API, tried with what its own description allows, and with what it does not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from appliance.config import ControlConfig
from appliance.control.app import make_app
from appliance.control.authority import Rulers
from appliance.control.client import Client
from appliance.control.limits import Limits
from appliance.control.server import ControlServer
from tests.control.fake_service import STATUS, FakeService
from tests.patience import patient

RULERS = Rulers(owner=0, keepers=frozenset(), installers=frozenset(), group=None)
APP, _ = make_app(FakeService(), lambda: RULERS, Limits(), lambda: 0.0)
DESCRIBED = schemathesis.openapi.from_dict(APP.openapi())


class _Connection(HTTPConnection):
    path: str

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(patient(20))
        self.sock.connect(self.path)


class UnixAdapter(HTTPAdapter):
    """`requests` over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        kind = type("Connection", (_Connection,), {"path": str(path)})
        self.pool = HTTPConnectionPool("localhost", maxsize=1)
        self.pool.ConnectionCls = kind

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        return self.pool

    def close(self) -> None:
        self.pool.close()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[requests.Session]:
    path = tmp_path_factory.mktemp("fuzz") / "control.sock"
    config, service = ControlConfig(socket=path, group="no such group"), FakeService()
    server = ControlServer(config, service, limits=Limits(per_second=1e6))
    server.start()
    server.wait_ready(patient(10))
    with requests.Session() as session:
        session.mount("http://", UnixAdapter(path))
        yield session
    assert Client(path).status() == STATUS
    server.stop()


def holds(case: schemathesis.Case[Any], session: requests.Session, caplog: Any) -> None:
    """Every answer is one that is described, none is a bug, and nothing is logged as one."""
    caplog.clear()
    response = case.call(base_url="http://localhost", session=session)
    # A name, a reason and a template must be more than a schema can say; and a body that is too
    # large is refused by an answer that the tool does not count as one.
    excluded = [schemathesis.checks.positive_data_acceptance]
    if response.status_code == 413:
        excluded.append(schemathesis.checks.negative_data_rejection)
    case.validate_response(response, excluded_checks=excluded)
    assert caplog.records == []


@DESCRIBED.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_api_keeps_its_word(
    case: schemathesis.Case[Any], session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    holds(case, session, caplog)


@pytest.mark.slow
@DESCRIBED.parametrize()
@settings(max_examples=1500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_the_api_keeps_its_word_for_long(
    case: schemathesis.Case[Any], session: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    holds(case, session, caplog)
