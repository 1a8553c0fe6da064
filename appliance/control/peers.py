"""Who is at the other end of a Unix socket, as the kernel tells, and what that makes them here."""

from __future__ import annotations

import array
import contextlib
import grp
import os
import pwd
import socket
import struct
from collections.abc import Callable, Iterable

from appliance.config import ControlConfig
from appliance.control.authority import Caller, Peer, Rulers, role_of

# socket(7), unix(7); Python has no name for the second.
_CREDENTIALS = struct.Struct("iII")
_SO_PEERGROUPS = 59
# What the kernel fills in where it knows nobody, (uid_t) -1.
_NOBODY_KNOWN = 0xFFFFFFFF
# The room that Python gives an option's value: 256 groups. Who is in more has only the own one.
_ROOM = 1024


def peer_of(connection: socket.socket) -> Peer:
    """The credentials that the other end had when it connected. Raises OSError.

    All its groups count, as they would when it opened a file (SO_PEERGROUPS, Linux 4.13).
    """
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(packed)
    if uid == _NOBODY_KNOWN:
        raise OSError("the kernel tells no credentials of the other end")
    return Peer(pid, uid, frozenset({gid, *_groups(connection)}))


def _groups(connection: socket.socket) -> Iterable[int]:
    groups = array.array("I")
    with contextlib.suppress(OSError):  # an older kernel: only its own group is known
        groups.frombytes(connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _ROOM))
    return groups


def rulers(config: ControlConfig) -> Rulers:
    """The numbers behind the names of the config. A name that is none gives nobody a role."""
    return Rulers(
        owner=os.geteuid(),
        keepers=_uids(config.keepers),
        installers=_uids(config.installers),
        group=group_number(config.group),
    )


def group_number(name: str) -> int | None:
    """None where there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def caller_of(peer: Peer, known: Callable[[], Rulers]) -> Caller:
    """The peer with its role and its name, as the user database has them now."""
    return Caller(peer.uid, peer.pid, role_of(peer, known()), _name(peer.uid))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _uids(names: Iterable[str]) -> frozenset[int]:
    found = set()
    for name in names:
        with contextlib.suppress(KeyError):
            found.add(pwd.getpwnam(name).pw_uid)
    return frozenset(found)
