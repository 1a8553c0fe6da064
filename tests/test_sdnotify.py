"""What the manager hears: datagrams on a real socket."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.sdnotify import ServiceManager
from tests.fakes import FakeClock


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """A manager that listens, on either kind of address."""
    abstract = f"\0appliance-test-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify") if request.param == "path" else abstract)
        listening.settimeout(5)
        yield listening


def environment(manager: socket.socket, **more: str) -> dict[str, str]:
    name = manager.getsockname()
    text = name if isinstance(name, str) else "@" + name[1:].decode()
    return {"NOTIFY_SOCKET": text, **more}


def connected(manager: socket.socket, **more: str) -> ServiceManager:
    clock = FakeClock(monotonic=12.5)
    return ServiceManager.of(environment(manager, **more), clock, pid=77)


def heard(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().split("\n")


class TestAManagerThatListens:
    def test_hears_the_life_of_a_service(self, manager: socket.socket) -> None:
        service = connected(manager)
        assert service.listens
        assert service.ready("Watching the door.")
        assert service.status("No camera.")
        assert service.reloading("Reading the configuration.")
        assert service.alive()
        assert service.stopping("Locking the door.")
        assert [heard(manager) for _ in range(5)] == [
            ["READY=1", "STATUS=Watching the door."],
            ["STATUS=No camera."],
            # On the clock that CLOCK_MONOTONIC is, in microseconds.
            ["RELOADING=1", "MONOTONIC_USEC=12500000", "STATUS=Reading the configuration."],
            ["WATCHDOG=1"],
            ["STOPPING=1", "STATUS=Locking the door."],
        ]

    def test_gives_each_step_of_a_start_its_time_and_none_twice(
        self, manager: socket.socket
    ) -> None:
        service = connected(manager)
        assert service.advanced("the store is open")
        assert not service.advanced("the store is open")
        assert service.advanced("alice\nREADY=1")
        assert service.ready("Watching the door.")
        # It would put off the watchdog.
        assert not service.advanced("the camera is watched")
        assert service.alive()
        assert [heard(manager) for _ in range(4)] == [
            ["EXTEND_TIMEOUT_USEC=60000000", "STATUS=Starting: the store is open."],
            ["EXTEND_TIMEOUT_USEC=60000000", "STATUS=Starting: alice READY=1."],
            ["READY=1", "STATUS=Watching the door."],
            ["WATCHDOG=1"],
        ]

    def test_is_not_told_of_a_start_by_a_name(self, manager: socket.socket) -> None:
        connected(manager).status("Welcome, alice\nREADY=1\r\x1b[31m.")
        assert heard(manager) == ["STATUS=Welcome, alice READY=1  [31m."]

    def test_hears_the_beginning_of_a_long_status(self, manager: socket.socket) -> None:
        connected(manager).status("x" * 100_000)
        assert heard(manager) == ["STATUS=" + "x" * 200]

    def test_hears_a_name_that_no_encoding_takes(self, manager: socket.socket) -> None:
        connected(manager).status("Welcome, \ud800.")
        assert heard(manager)[0].startswith("STATUS=Welcome, ")

    def test_may_begin_anew_on_another_socket(self, tmp_path: Path) -> None:
        path = tmp_path / "notify"
        service = ServiceManager(str(path), FakeClock())
        for _ in range(2):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
                listening.bind(str(path))
                assert service.alive()
                assert listening.recv(100) == b"WATCHDOG=1"
            path.unlink()


class TestNobodyListens:
    @pytest.mark.parametrize("given", [{}, {"NOTIFY_SOCKET": ""}])
    def test_nothing_is_told(self, given: dict[str, str]) -> None:
        service = ServiceManager.of(given, FakeClock(), pid=77)
        assert not service.listens
        assert not service.ready("Watching.")

    @pytest.mark.parametrize("address", ["vsock:2:1234", "relative/socket"])
    def test_an_address_of_another_kind_is_told_of(
        self, address: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        service = ServiceManager.of({"NOTIFY_SOCKET": address}, FakeClock(), pid=77)
        assert not service.listens
        assert "names no Unix socket" in caplog.text

    def test_a_manager_that_is_gone_is_told_of(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        service = ServiceManager(str(tmp_path / "gone"), FakeClock())
        assert not service.ready("Watching.")
        assert "could not be told READY=1" in caplog.text

    def test_a_manager_that_reads_nothing_does_not_stop_the_door(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("appliance.sdnotify._SEND_TIMEOUT", 0.01)
        caplog.set_level(logging.ERROR)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(str(tmp_path / "notify"))
            service = ServiceManager(str(tmp_path / "notify"), FakeClock())
            # Its queue takes net.unix.max_dgram_qlen datagrams, mostly 10 to 512.
            assert not all(service.alive() for _ in range(100_000))


class TestTheWatchdog:
    @pytest.mark.parametrize(
        ("given", "seconds"),
        [
            ({"WATCHDOG_USEC": "30000000"}, 30.0),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "77"}, 30.0),
            # Meant for the shell that started us, say.
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "76"}, None),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "nobody"}, None),
            ({"WATCHDOG_USEC": "0"}, None),
            ({"WATCHDOG_USEC": "-5"}, None),
            ({"WATCHDOG_USEC": "soon"}, None),
            ({"WATCHDOG_USEC": "³"}, None),
            ({"WATCHDOG_PID": "77"}, None),
            ({}, None),
        ],
    )
    def test_its_limit(self, given: dict[str, str], seconds: float | None) -> None:
        assert ServiceManager.of(given, FakeClock(), pid=77).watchdog_s == seconds

    def test_is_fed_often_enough_that_one_meal_may_be_missed(self) -> None:
        service = ServiceManager.of({"WATCHDOG_USEC": "30000000"}, FakeClock(), pid=77)
        assert service.alive_every_s == 10.0
        assert ServiceManager.of({}, FakeClock(), pid=77).alive_every_s is None
