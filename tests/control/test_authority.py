"""Who may do what: the whole table, and how a role is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.control.authority import MAY, Act, Caller, Peer, Role, Rulers, may, role_of

ROOT = Path(__file__).resolve().parent.parent.parent
RULERS = Rulers(owner=990, keepers=frozenset({1001}), installers=frozenset({1002}), group=50)

# Written out once more, so that a change of the table is a decision and no slip.
TABLE = {
    #            owner keeper installer member nobody
    "status":   "yes   yes    yes       yes    no",
    "verify":   "yes   yes    yes       yes    no",
    "watch":    "yes   yes    no        no     no",
    "reload":   "yes   no     yes       no     no",
    "audit":    "yes   yes    no        no     no",
    "enrol":    "yes   yes    no        no     no",
    "keep":     "yes   yes    no        no     no",
    "attempt":  "yes   yes    no        no     no",
    "unlock":   "yes   yes    no        no     no",
}  # fmt: skip


def test_the_table() -> None:
    told = {act.value: ["yes" if may(role, act) else "no" for role in Role] for act in Act}
    assert told == {act: row.split() for act, row in TABLE.items()}
    assert MAY.keys() == set(Role)


def test_nobody_may_anything_and_no_role_more_than_the_owner() -> None:
    assert MAY[Role.NOBODY] == frozenset()
    assert all(MAY[role] <= MAY[Role.OWNER] for role in Role)


def test_the_table_of_the_docs_is_this_one() -> None:
    head = "| | " + " | ".join(role.value for role in Role) + " |"
    rows = [
        f"| {act.value} | " + " | ".join("yes" if may(role, act) else "" for role in Role) + " |"
        for act in Act
    ]
    text = (ROOT / "docs" / "control.md").read_text(encoding="utf-8")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    place = lines.index(" ".join(head.split()))
    assert lines[place + 2 : place + 2 + len(rows)] == [" ".join(row.split()) for row in rows]


@pytest.mark.parametrize(
    ("uid", "groups", "role"),
    [
        (0, set(), Role.OWNER),
        (0, {50}, Role.OWNER),
        (990, set(), Role.OWNER),
        (1001, {50}, Role.KEEPER),
        (1001, set(), Role.KEEPER),
        (1002, {50}, Role.INSTALLER),
        (1003, {7, 50}, Role.MEMBER),
        (1003, {0, 7}, Role.NOBODY),
        (50, set(), Role.NOBODY),
    ],
)
def test_the_role_of_a_peer(uid: int, groups: set[int], role: Role) -> None:
    assert role_of(Peer(1, uid, frozenset(groups)), RULERS) is role


def test_a_group_that_does_not_exist_has_no_members() -> None:
    nowhere = Rulers(owner=990, keepers=frozenset(), installers=frozenset(), group=None)
    assert role_of(Peer(1, 1003, frozenset({50})), nowhere) is Role.NOBODY


def test_who_is_keeper_and_installer_is_keeper() -> None:
    both = Rulers(owner=990, keepers=frozenset({5}), installers=frozenset({5}), group=None)
    assert role_of(Peer(1, 5, frozenset()), both) is Role.KEEPER


def test_what_the_audit_keeps_of_a_caller() -> None:
    caller = Caller(1001, 4321, Role.KEEPER, "kim")
    assert caller.audited == {"by": "kim", "uid": 1001, "pid": 4321, "role": "keeper"}
