"""Backup and restore from the command line."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.runs import OBAMA3, Appliance, environment
from tests.patience import patient

WORDS = "four quite random words"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{WORDS}\nnot part of it\n", encoding="utf-8")
    return path


@pytest.fixture
def saved(enrolled: Appliance, secret: Path, tmp_path: Path) -> Path:
    """A backup of the appliance where Alice is enrolled."""
    path = tmp_path / "door.backup"
    told = enrolled.json("backup", "create", path, "--passphrase-file", secret)
    assert told.code == 0
    assert (told.data["people"], told.data["bytes"]) == (1, path.stat().st_size)
    return path


def test_alice_moves_to_another_board(enrolled: Appliance, saved: Path, secret: Path) -> None:
    shutil.rmtree(enrolled.state)
    restore = ("backup", "restore", saved, "--passphrase-file", secret)
    told = enrolled.json(*restore, "--dry-run")
    assert (told.code, told.data["people"], told.data["whole"]) == (0, ["alice"], True)
    assert enrolled.json("people", "list").data["people"] == []
    told = enrolled(*restore)
    assert told.code == 0
    assert "Came back: alice." in told.out
    assert "nothing here knows who was removed" in told.err
    verified = enrolled.json("verify", "--name", "alice", "--from", OBAMA3)
    assert (verified.code, verified.data["decision"]) == (0, "accept")
    assert enrolled.json("audit", "verify").data["ok"]


def test_whoever_was_removed_stays_so(
    enrolled: Appliance, saved: Path, secret: Path, tmp_path: Path
) -> None:
    restore = ("backup", "restore", saved, "--passphrase-file", secret)
    enrolled("people", "remove", "alice")
    told = enrolled.json(*restore)
    assert (told.data["people"], told.data["removed"]) == ([], ["alice"])
    log = tmp_path / "log.jsonl"
    assert enrolled("audit", "export", "--out", log).code == 0
    # Even where the database is lost, an exported log knows.
    shutil.rmtree(enrolled.state)
    told = enrolled.json(*restore, "--log", log)
    assert (told.data["people"], told.data["removed"]) == ([], ["alice"])
    assert told.data["removals_known"]
    assert enrolled.json("people", "list").data["people"] == []


def test_a_service_that_runs_is_not_pulled_from_under_its_feet(
    enrolled: Appliance, saved: Path, secret: Path
) -> None:
    with (enrolled.state / "devices.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        told = enrolled.json("backup", "restore", saved, "--passphrase-file", secret)
    assert told.code == 4
    assert told.error["code"] == "device_busy"


def test_another_model_is_refused_with_advice(
    enrolled: Appliance, saved: Path, secret: Path
) -> None:
    shutil.rmtree(enrolled.state)
    enrolled.configure(model={"name": "openface", "threads": 1})
    told = enrolled.json("backup", "restore", saved, "--passphrase-file", secret)
    assert (told.code, told.error["code"]) == (3, "another_model")
    assert "model.name: mobilefacenet" in told.error["hint"]


@pytest.mark.parametrize(
    ("content", "code", "error"),
    [
        (b"", 3, "weak_passphrase"),
        (b"short\n", 3, "weak_passphrase"),
        (b"\xff\xfe not text at all", 3, "bad_input"),
        (b"x" * 5000, 3, "unreadable"),
    ],
)
def test_a_bad_passphrase_file_is_told(
    enrolled: Appliance, tmp_path: Path, content: bytes, code: int, error: str
) -> None:
    (tmp_path / "bad").write_bytes(content)
    out = tmp_path / "door.backup"
    told = enrolled.json("backup", "create", out, "--passphrase-file", tmp_path / "bad")
    assert (told.code, told.error["code"]) == (code, error)
    assert not out.exists()


def test_there_must_be_something_to_back_up(
    appliance: Appliance, secret: Path, tmp_path: Path
) -> None:
    out = tmp_path / "door.backup"
    told = appliance.json("backup", "create", out, "--passphrase-file", secret)
    assert (told.code, told.error["code"]) == (3, "nothing_yet")
    assert not appliance.state.exists()


def test_without_a_terminal_nobody_is_asked(enrolled: Appliance, tmp_path: Path) -> None:
    told = enrolled.program(
        "backup", "create", tmp_path / "b", stdin=subprocess.DEVNULL, env=environment()
    )
    assert told.code == 2
    assert "--passphrase-file" in told.err


def test_a_wrong_passphrase_changes_nothing(
    enrolled: Appliance, saved: Path, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("four other random words")
    before = enrolled.snapshot()
    restore = ("backup", "restore", saved, "--passphrase-file", tmp_path / "wrong")
    assert enrolled.json(*restore).error["code"] == "wrong_passphrase"
    assert enrolled.snapshot() == before


def test_a_terminal_is_asked_twice_and_shows_nothing(enrolled: Appliance, tmp_path: Path) -> None:
    out = tmp_path / "door.backup"
    ours, theirs = pty.openpty()
    child = enrolled.start("backup", "create", str(out), stdin=theirs, start_new_session=True)
    os.close(theirs)
    # What is typed before the question is thrown away, so each question is waited for.
    said = ""
    try:
        assert child.stderr is not None
        for question in ("Passphrase: ", "confirmation: "):
            while not said.endswith(question) and (more := child.stderr.read(1)):
                said += more
            os.write(ours, f"{WORDS}\n".encode())
        told, rest = child.communicate(timeout=patient(30))
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    assert child.returncode == 0, rest
    assert WORDS not in said + told + rest
    assert out.exists()
