"""What the scene upgrade makes of its logs and lists: kept where it was kept, broken elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.board import filelist
from tests.board.asking import STATUS
from tests.board.logs import Logs
from tests.board.machine import RELAY
from tests.board.releases import MODEL, Release
from tests.board.scenes import upgrade
from tests.board.scenes.upgrade import (
    AGAIN,
    BACK,
    BROKEN,
    FIRST,
    NEWER,
    PURGED,
    REMOVED,
    TAKEN,
    list_of,
)
from tests.board.table import Row
from tests.conftest import ROOT

FORMER = "appliance.d/0.1.0-20260101T000000Z"
LATTER = f"appliance.d/{NEWER.version}-20260102T000000Z"
STATE = (
    "LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=99\nNRestarts=0\nRelease={}\n"
)
GONE = "LoadState=not-found\nActiveState=inactive\nSubState=dead\nMainPID=0\nRelease=\n"
WENT_BACK = (
    "- Going back to the release 0.1.0-1\n"
    f"install.sh: {BROKEN.version}-1 was not kept (why), and 0.1.0-1 is in place again.\n"
)
PEOPLE = f"database|17\nid|{upgrade.PERSON}|0123\n"
BARE = {"/etc/passwd": "a", "/usr/bin/env": "b", "/var/lib/dpkg/status": "c"}
KEPT = {
    "/var/lib/dpkg/status": "c",
    "/etc/passwd": "with a user",
    "/etc/appliance/config.yaml": "d",
    "/etc/appliance/template.key.sealed": "e",
    "/var/lib/appliance/appliance.db": "f",
}
PROGRAM = KEPT | {
    "/opt/appliance.d/1/release.txt": "g",
    "/etc/systemd/system/appliance.service": "h",
}
# What is judged, in the order of the rows.
ROWS = ("again", "refused", "back", "taken", "people", "removed", "purged", "relay")


class Run:
    """A run that kept everything, until something is changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.codes = {AGAIN: 0, BACK: 1, TAKEN: 0, REMOVED: 0, PURGED: 0}
        self.said = {BACK: WENT_BACK}
        self.services = {step: STATE.format(FORMER) for step in (FIRST, AGAIN, BACK)}
        self.services |= {TAKEN: STATE.format(LATTER), REMOVED: GONE}
        self.people = dict.fromkeys((FIRST, BACK, TAKEN), PEOPLE)
        self.verified = {BACK: 0, TAKEN: 0}
        self.version = NEWER.version
        self.high_s = 0.0
        self.lists: dict[str, Mapping[str, str]] = {
            "before": BARE,
            **dict.fromkeys((FIRST, AGAIN, BACK), PROGRAM),
            REMOVED: KEPT,
            PURGED: BARE,
        }

    def rows(self) -> dict[str, bool]:
        return {name: row.ok for name, row in self.judged().items()}

    def judged(self) -> dict[str, Row]:
        rows = upgrade.judge(self.written())
        return dict(zip(ROWS, rows, strict=True))

    def written(self) -> Path:
        """The folder with its logs and lists."""
        logs = Logs(self.folder)
        logs.reset(0)
        logs.drive(50, RELAY, 0)
        if self.high_s:
            logs.pulse(55, RELAY, self.high_s)
        at = 60.0
        for step in (FIRST, AGAIN, BACK, TAKEN, REMOVED, PURGED):
            at += 10
            if step in self.codes:
                command = upgrade._command("/root/checkout", "--words", step)
                logs.ask(at, command, self.said.get(step, "done\n"), code=self.codes[step])
            if step in self.services:
                logs.ask(at + 2, f"{upgrade._SERVICE} # {step}", self.services[step])
            if step in self.people:
                logs.ask(at + 4, f"{upgrade._PEOPLE} # {step}", self.people[step])
            if step in self.verified:
                command = f"{upgrade._VERIFY} # {step}"
                logs.ask(at + 6, command, "3 records", code=self.verified[step])
        logs.ask(at, f"python3 - # {STATUS} # {TAKEN}", {"version": self.version})
        logs.write()
        for step, files in self.lists.items():
            lines = (f"{path}\t{what}\n" for path, what in files.items())
            list_of(self.folder, step).write_text("".join(lines))
        return self.folder


@pytest.fixture
def played(tmp_path: Path) -> Run:
    return Run(tmp_path)


def only(*broken: str) -> dict[str, bool]:
    return {name: name not in broken for name in ROWS}


def test_a_good_run_keeps_all(played: Run) -> None:
    rows = played.judged()
    assert played.rows() == only(), rows
    assert "code 1; install.sh: 9.9.8-1 was not kept (why), and" in rows["refused"].measured
    assert "3 files, 0 differences" in rows["purged"].measured


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/etc/systemd/system/appliance.service", "another"),
        ("/opt/appliance.d/1/release.txt", None),
        ("/var/lib/appliance/stray", "new"),
    ],
)
def test_a_second_installation_that_changes_a_file_is_seen(
    played: Run, path: str, what: str | None
) -> None:
    files = {**PROGRAM, path: what}
    played.lists[AGAIN] = {name: it for name, it in files.items() if it is not None}
    played.lists[BACK] = played.lists[AGAIN]
    assert played.rows() == only("again")


def test_what_the_running_service_writes_is_no_change(played: Run) -> None:
    for step in (AGAIN, BACK):
        played.lists[step] = PROGRAM | {"/var/lib/appliance/appliance.db": step}
    assert played.rows() == only()


def test_a_second_installation_that_restarts_the_service_is_seen(played: Run) -> None:
    played.services[AGAIN] = STATE.format(FORMER).replace("99", "100")
    assert played.rows() == only("again")


def test_a_second_installation_that_fails_is_seen(played: Run) -> None:
    played.codes[AGAIN] = 2
    assert played.rows() == only("again")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0, WENT_BACK),
        (1, WENT_BACK.replace("again.", "again and does not start.")),
        (1, WENT_BACK.replace(BROKEN.version, NEWER.version)),
        (1, "install.sh: the disk is full\n"),
        (1, ""),
    ],
)
def test_a_refusal_with_another_code_or_without_words_is_seen(
    played: Run, code: int, said: str
) -> None:
    played.codes[BACK], played.said[BACK] = code, said
    assert played.rows() == only("refused")


def test_a_broken_version_that_stays_is_seen(played: Run) -> None:
    played.services[BACK] = STATE.format(f"appliance.d/{BROKEN.version}-1")
    assert played.rows() == only("back")


def test_a_service_that_stands_still_after_going_back_is_seen(played: Run) -> None:
    played.services[BACK] = played.services[BACK].replace("=active", "=inactive")
    assert played.rows() == only("back")


def test_a_file_that_an_upgrade_left_is_seen(played: Run) -> None:
    played.lists[BACK] = PROGRAM | {"/opt/appliance.d/2/release.txt": "torso"}
    rows = played.judged()
    assert played.rows() == only("back")
    assert "1 differences (+ /opt/appliance.d/2/release.txt)" in rows["back"].measured


def test_a_newer_version_that_is_refused_is_seen(played: Run) -> None:
    played.codes[TAKEN] = 1
    assert played.rows() == only("taken")


def test_a_newer_version_that_does_not_run_is_seen(played: Run) -> None:
    played.services[TAKEN] = STATE.format(LATTER).replace("=active", "=failed")
    assert played.rows() == only("taken")
    played.services[TAKEN] = STATE.format(FORMER)
    assert played.rows() == only("taken")


def test_a_newer_version_that_tells_another_number_is_seen(played: Run) -> None:
    played.version = "0.1.0"
    assert played.rows() == only("taken")


@pytest.mark.parametrize("step", [BACK, TAKEN])
def test_people_who_are_lost_are_seen(played: Run, step: str) -> None:
    played.people[step] = "database|17\n"
    assert played.rows() == only("people")


def test_nobody_enrolled_proves_nothing(played: Run) -> None:
    played.people = dict.fromkeys(played.people, "database|17\n")
    assert played.rows() == only("people")


@pytest.mark.parametrize("step", [BACK, TAKEN])
def test_a_torn_chain_is_seen(played: Run, step: str) -> None:
    played.verified[step] = 1
    assert played.rows() == only("people")


@pytest.mark.parametrize("path", sorted(KEPT.keys() - BARE.keys()))
def test_an_uninstallation_that_takes_what_is_the_owners_is_seen(played: Run, path: str) -> None:
    played.lists[REMOVED] = {name: what for name, what in KEPT.items() if name != path}
    assert played.rows() == only("removed")


def test_an_uninstallation_that_alters_the_config_is_seen(played: Run) -> None:
    played.lists[REMOVED] = KEPT | {"/etc/appliance/config.yaml": "another"}
    assert played.rows() == only("removed")


def test_an_uninstallation_that_leaves_the_unit_is_seen(played: Run) -> None:
    played.services[REMOVED] = STATE.format("")
    assert played.rows() == only("removed")
    played.services[REMOVED] = GONE
    played.lists[REMOVED] = KEPT | {"/etc/systemd/system/appliance.service": "h"}
    assert played.rows() == only("removed")


@pytest.mark.parametrize(
    "left", [{"/var/log/appliance-install.log": "it"}, {"/etc/passwd": "with a user"}]
)
def test_what_a_purge_leaves_is_seen(played: Run, left: dict[str, str]) -> None:
    played.lists[PURGED] = BARE | left
    assert played.rows() == only("purged")


def test_what_a_purge_takes_besides_is_seen(played: Run) -> None:
    played.lists[PURGED] = {"/etc/passwd": "a"}
    assert played.rows() == only("purged")


def test_an_image_without_a_list_from_before_is_told(played: Run) -> None:
    del played.lists["before"]
    rows = played.judged()
    assert played.rows() == only("removed", "purged")
    assert "have it built anew (--fresh)" in rows["purged"].measured


def test_a_line_that_rises_is_seen(played: Run) -> None:
    played.high_s = 0.001
    assert played.rows() == only("relay")


def test_the_guests_list_tells_files_by_what_is_in_them(tmp_path: Path) -> None:
    root = tmp_path / "root"
    folder = root / "folder"
    folder.mkdir(parents=True)
    (folder / "link").symlink_to("nowhere")

    def listed() -> Mapping[str, str]:
        words = [sys.executable, "-c", filelist.program([str(root)]), str(root)]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        (tmp_path / "list").write_text(told)
        return filelist.read(tmp_path / "list")

    (root / "file").write_text("one")
    before = listed()
    assert before[f"{folder}/link"].endswith("-> nowhere")
    (root / "file").write_text("two")
    (folder / "new").touch()
    (folder / "link").unlink()
    changed = [f"~ {root}/file", f"- {folder}/link", f"+ {folder}/new"]
    assert filelist.differences(before, listed()) == changed
    assert list(filelist.below(before, [str(folder)])) == [f"{folder}/link"]


def test_a_release_is_the_checkout_with_another_number(tmp_path: Path) -> None:
    (tmp_path / "appliance").mkdir()
    (tmp_path / "models").mkdir()
    version, model = tmp_path / "appliance/__init__.py", tmp_path / MODEL
    version.write_text('"""Doors."""\n__version__ = "0.1.0"\n')
    assert (ROOT / MODEL).is_file()
    model.write_bytes(b"network")
    for release, left in (
        (Release("2.0.0"), b"network"),
        (Release("3.0.0", damaged=True), b"networ"),
    ):
        subprocess.run(["sh", "-euc", release.change()], cwd=tmp_path, check=True)
        assert f'__version__ = "{release.version}"\n' in version.read_text()
        assert model.read_bytes() == left
