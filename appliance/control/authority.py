"""Who may do what over the socket: safety rule 8 as one table.

A caller is known by the credentials that the kernel gives of the process at the other end
(SO_PEERCRED, unix(7)): nothing that it sends itself counts. `docs/control.md` prints the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Role(str, Enum):
    """What a caller is to this appliance; the first that fits counts, from the top.

    OWNER: root, or the user that the service itself runs as: both own its files anyway.
    KEEPER, INSTALLER: named in `control.keepers` and `control.installers`.
    MEMBER: in the group `control.group`. NOBODY: everybody else.
    """

    OWNER = "owner"
    KEEPER = "keeper"
    INSTALLER = "installer"
    MEMBER = "member"
    NOBODY = "nobody"


class Act(str, Enum):
    """What can be asked of the service.

    ATTEMPT: a verification that opens the door when it accepts. It asks for no PIN, so it is not
    for everybody who may VERIFY. KEEP: a template made elsewhere, from pictures.
    """

    STATUS = "status"
    VERIFY = "verify"
    WATCH = "watch"
    RELOAD = "reload"
    AUDIT = "audit"
    ENROL = "enrol"
    KEEP = "keep"
    ATTEMPT = "attempt"
    UNLOCK = "unlock"


_TOLD = frozenset({Act.STATUS, Act.VERIFY})
_SET_UP = _TOLD | {Act.RELOAD}
_PEOPLE = _TOLD | {Act.WATCH, Act.AUDIT, Act.ENROL, Act.KEEP, Act.ATTEMPT, Act.UNLOCK}

MAY: Mapping[Role, frozenset[Act]] = {
    Role.OWNER: frozenset(Act),
    Role.KEEPER: frozenset(_PEOPLE),
    Role.INSTALLER: frozenset(_SET_UP),
    Role.MEMBER: _TOLD,
    Role.NOBODY: frozenset(),
}

# Who may carry out a hardware acceptance: it is a command of this machine, not asked over the
# socket, and drives the lock, so it goes by the same roles.
MAY_ACCEPT: frozenset[Role] = frozenset({Role.OWNER, Role.INSTALLER})


@dataclass(frozen=True)
class Peer:
    """The process at the other end, as the kernel tells. groups: all that it is in."""

    pid: int
    uid: int
    groups: frozenset[int]


@dataclass(frozen=True)
class Caller:
    """Who asks. name: of the local user, or "uid 1234" where there is none of this number."""

    uid: int
    pid: int
    role: Role
    name: str

    @property
    def audited(self) -> dict[str, object]:
        """What an audit record says of who asked."""
        return {"by": self.name, "uid": self.uid, "pid": self.pid, "role": self.role.value}


@dataclass(frozen=True)
class Rulers:
    """The user and group numbers that roles are given by. group: None where there is no such."""

    owner: int
    keepers: frozenset[int]
    installers: frozenset[int]
    group: int | None


def role_of(peer: Peer, rulers: Rulers) -> Role:
    """The first role that fits."""
    if peer.uid in (0, rulers.owner):
        return Role.OWNER
    if peer.uid in rulers.keepers:
        return Role.KEEPER
    if peer.uid in rulers.installers:
        return Role.INSTALLER
    return Role.MEMBER if rulers.group in peer.groups else Role.NOBODY


def may(role: Role, act: Act) -> bool:
    """Whether the table allows it."""
    return act in MAY[role]
