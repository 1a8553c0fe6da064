"""Which pictures of a folder tree are whose."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.errors import InputError
from appliance.training.dataset import load


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_a_folder_is_a_person_and_its_pictures_are_hers(tmp_path: Path) -> None:
    touch(tmp_path, "bob/2.JPG", "alice/b.png", "alice/a.webp", "alice/deep/er.png")
    found = load(tmp_path)
    assert found.people == ("alice", "bob")
    assert [item.key for item in found.pictures] == ["alice/a.webp", "alice/b.png", "bob/2.JPG"]
    assert [item.person for item in found.pictures] == ["alice", "alice", "bob"]


def test_what_is_nobodys_is_counted_and_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "alice/1.jpg", "alice/Thumbs.db", "alice/.2.jpg", ".git/3.jpg")
    (tmp_path / "carol").mkdir()
    found = load(tmp_path)
    assert [item.key for item in found.pictures] == ["alice/1.jpg"]
    assert (found.loose, found.others, found.empty) == (1, 1, ("carol",))


def test_lfws_own_layout_is_understood(tmp_path: Path) -> None:
    touch(tmp_path, "images/Ann_Veneman/Ann_Veneman_0001.jpg", "pairs.txt")
    assert load(tmp_path).people == ("Ann_Veneman",)


def test_a_person_may_be_called_as_she_likes(tmp_path: Path) -> None:
    touch(tmp_path, "Zoë, née 😀/1.jpg", "-rf/1.jpg", "a\nb/1.jpg")
    assert load(tmp_path).people == ("-rf", "Zoë, née 😀", "a\nb")


@pytest.mark.parametrize("names", [[], ["1.jpg", "2.jpg"], ["alice/notes.txt"]])
def test_a_folder_without_anybodys_picture_is_refused(tmp_path: Path, names: list[str]) -> None:
    touch(tmp_path, *names)
    with pytest.raises(InputError, match="holds no picture") as refused:
        load(tmp_path)
    assert refused.value.code == "no_pictures"


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        load(touch(tmp_path, "one.jpg") / "one.jpg")


@pytest.mark.parametrize("name", [b"caf\xe9/1.jpg", b"alice/caf\xe9.jpg"])
def test_a_name_that_no_report_could_hold_is_refused(tmp_path: Path, name: bytes) -> None:
    touch(tmp_path, "alice/1.jpg")
    try:
        touch(tmp_path, os.fsdecode(name))
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    with pytest.raises(InputError, match="no valid UTF-8"):
        load(tmp_path)


def test_a_folder_that_cannot_be_looked_into_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "alice/1.jpg", "bob/1.jpg")
    whole = Path.iterdir

    def closed(self: Path) -> object:
        if self.name == "bob":
            raise PermissionError(13, "Permission denied")
        return whole(self)

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(InputError, match="bob cannot be read: permission denied"):
        load(tmp_path)


def test_a_folder_that_may_be_listed_and_not_entered_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "alice/1.jpg", "bob/1.jpg")
    whole = Path.is_dir

    def closed(self: Path, **how: bool) -> bool:
        if self.name == "bob":
            raise PermissionError(13, "Permission denied")
        return whole(self, **how)

    monkeypatch.setattr(Path, "is_dir", closed)
    with pytest.raises(InputError, match="cannot be read: permission denied"):
        load(tmp_path)
