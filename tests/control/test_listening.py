"""The socket's file: whose it is, and what it replaces."""

from __future__ import annotations

import grp
import os
import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest

from appliance.config import ControlConfig
from appliance.control.authority import Rulers
from appliance.control.listening import Listener
from appliance.control.peers import group_number, peer_of, rulers
from appliance.errors import ConfigError, DeviceBusyError

OWN_GROUP = grp.getgrgid(os.getgid()).gr_name


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def listen(path: Path, group: str = "no such group") -> Listener:
    return Listener(path, group)


def test_without_the_group_only_the_owner_may_connect(socket_path: Path) -> None:
    listener = listen(socket_path)
    with listener.socket:
        assert not listener.shared
        assert mode(socket_path) == 0o600


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_group_may_connect_and_nobody_else(socket_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        listener = listen(socket_path, OWN_GROUP)
    finally:
        os.umask(before)
    with listener.socket:
        assert listener.shared
        assert mode(socket_path) == 0o660
        assert socket_path.stat().st_gid == os.getgid()


def test_a_unit_that_forbids_chown_shares_it_with_its_own_group(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", forbidden)
    listener = listen(socket_path, OWN_GROUP)
    with listener.socket:
        assert listener.shared
        assert mode(socket_path) == 0o660


def test_what_a_killed_service_left_behind_is_replaced(socket_path: Path) -> None:
    listen(socket_path).socket.close()
    listener = listen(socket_path)
    with listener.socket, closing(socket.socket(socket.AF_UNIX)) as client:
        client.connect(str(socket_path))
    assert list(socket_path.parent.iterdir()) == [socket_path]


def test_a_service_that_lives_is_not_replaced(socket_path: Path) -> None:
    with listen(socket_path).socket, pytest.raises(DeviceBusyError, match="Another service"):
        listen(socket_path)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_nothing_but_a_socket_is_replaced(socket_path: Path, kind: str) -> None:
    if kind == "file":
        socket_path.write_text("precious")
    elif kind == "folder":
        socket_path.mkdir()
    else:
        socket_path.symlink_to("/etc/passwd")
    with pytest.raises(ConfigError, match="is no socket"):
        listen(socket_path)
    assert socket_path.exists()


def test_a_path_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too long"):
        listen(tmp_path / ("x" * 120))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot listen on"):
        listen(tmp_path / "file" / "control.sock")


def test_the_successors_socket_stays(socket_path: Path) -> None:
    first = listen(socket_path)
    first.socket.close()
    with listen(socket_path).socket:
        first.remove()
        assert socket_path.exists()


def test_its_own_socket_goes(socket_path: Path) -> None:
    listener = listen(socket_path)
    listener.socket.close()
    listener.remove()
    listener.remove()
    assert not socket_path.exists()


def test_the_kernel_tells_who_is_there() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        peer = peer_of(one)
    assert (peer.pid, peer.uid) == (os.getpid(), os.geteuid())
    assert {os.getegid(), *os.getgroups()} <= peer.groups


def test_who_rules_by_name() -> None:
    config = ControlConfig(keepers=("root", "nobody at all"), installers=("root",), group="root")
    found = rulers(config)
    assert found == Rulers(os.geteuid(), frozenset({0}), frozenset({0}), 0)
    assert group_number("no such group") is None
