"""Other users of the machine, as the kernel tells them apart: needs root to become them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from appliance.config import ControlConfig
from appliance.control.authority import Rulers
from appliance.control.server import ControlServer
from tests.cli.runs import environment
from tests.control.fake_service import FakeService
from tests.patience import patient

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

# The commands' own client; it becomes somebody else once everything is loaded.
ASKS = """
import json, os, pathlib, sys
from appliance.control.client import Client
from appliance.errors import ApplianceError
client = Client(pathlib.Path(sys.argv[1]))
uid, *groups = map(int, sys.argv[2:])
os.setgroups(groups[1:])
os.setgid(groups[0])
os.setuid(uid)
told = []
for ask in (client.status, lambda: client.unlock("please"), client.reload):
    try:
        ask()
        told.append("done")
    except ApplianceError as error:
        told.append(error.code)
print(json.dumps(told))
"""
STRANGER, MEMBER, KEEPER, GROUP = 54_001, 54_002, 54_003, 54_100
Asks = Callable[..., list[str]]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asks]:
    """Ask a service whose group is GROUP as somebody; pytest's own folders are closed to others."""
    monkeypatch.setattr("appliance.control.listening.group_number", lambda _: GROUP)
    monkeypatch.setattr("appliance.control.peers.group_number", lambda _: GROUP)
    rulers = Rulers(0, frozenset({KEEPER}), frozenset(), GROUP)
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "control.sock"
        server = ControlServer(ControlConfig(socket=path), FakeService(), known=lambda: rulers)
        server.start()
        server.wait_ready(patient(10))
        assert server.shared

        def ask(uid: int, *groups: int) -> list[str]:
            words = [sys.executable, "-c", ASKS, str(path), str(uid), *map(str, groups)]
            done = subprocess.run(
                words,
                capture_output=True,
                text=True,
                timeout=patient(60),
                check=True,
                env=environment(),
            )
            told: list[str] = json.loads(done.stdout)
            return told

        yield ask
        server.stop()


def test_a_stranger_cannot_even_connect(served: Asks) -> None:
    assert served(STRANGER, 54_001) == ["socket_closed"] * 3


@pytest.mark.parametrize("groups", [(GROUP,), (54_001, GROUP)], ids=["own", "supplementary"])
def test_a_member_may_ask(served: Asks, groups: tuple[int, ...]) -> None:
    assert served(MEMBER, *groups) == ["done", "not_permitted", "not_permitted"]


def test_a_keeper_may_unlock(served: Asks) -> None:
    assert served(KEEPER, 54_003, GROUP) == ["done", "done", "not_permitted"]


def test_root_may_all(served: Asks) -> None:
    assert served(0, 0) == ["done", "done", "done"]
