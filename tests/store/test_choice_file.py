"""The file of the measurements: private, replaced whole, and its faults told."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from appliance.errors import StoreError
from appliance.store.choice import MOST_BYTES, keep_choice, read_choice


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert read_choice(tmp_path / "state" / "choice.json") is None


def test_the_newest_is_read_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "choice.json"
    keep_choice(path, b"old and longer")
    keep_choice(path, b"new")
    assert read_choice(path) == b"new"
    assert list(path.parent.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "choice.json"
    keep_choice(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="the disk is full") as caught:
        keep_choice(path, b"new")
    assert caught.value.code == "disk_full"
    assert read_choice(path) == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_told_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "choice.json"
    os.mkfifo(path)
    with pytest.raises(StoreError, match="is no regular file"):
        read_choice(path)


@pytest.mark.parametrize("act", [read_choice, lambda path: keep_choice(path, b"x")])
def test_a_folder_that_cannot_be_one_is_told(tmp_path: Path, act: object) -> None:
    (tmp_path / "file").touch()
    assert callable(act)
    with pytest.raises(StoreError) as caught:
        act(tmp_path / "file" / "choice.json")
    assert caught.value.hint


def test_what_is_far_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "choice.json"
    path.write_bytes(b"x" * (2 * MOST_BYTES))
    read = read_choice(path)
    assert read is not None
    assert len(read) == MOST_BYTES
