"""Where an explanation is put, and what becomes of what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import InputError
from appliance.explanation import folder

FIRST = {folder.MARK: b"{}", folder.PAGE: b"page", "mesh.png": b"one"}


def names(place: Path) -> list[str]:
    return sorted(item.name for item in place.iterdir())


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    place = tmp_path / "new"
    folder.check(place)
    folder.write(place, FIRST)
    assert {name: (place / name).read_bytes() for name in names(place)} == FIRST
    assert place.stat().st_mode & 0o777 == 0o700
    assert {(place / name).stat().st_mode & 0o777 for name in FIRST} == {0o600}
    assert names(tmp_path) == ["new"]


def test_an_earlier_explanation_is_replaced_and_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / "again"
    folder.write(place, FIRST)
    (place / "notes.txt").write_text("mine", encoding="utf-8")
    folder.check(place)
    folder.write(place, {folder.MARK: b"{}", folder.PAGE: b"other", "hog.png": b"two"})
    assert names(place) == [folder.PAGE, folder.MARK, "hog.png", "notes.txt"]
    assert (place / folder.PAGE).read_bytes() == b"other"


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(InputError, match="holds other files"):
        folder.check(tmp_path)


def test_the_working_folder_is_a_place_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder.check(Path())
    folder.write(Path(), FIRST)
    assert names(tmp_path) == sorted(FIRST)


def test_a_folder_that_is_there_may_be_a_disk_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, place = Path.replace, tmp_path / "disk"
    place.mkdir()

    def within(self: Path, target: Path) -> Path:
        if place not in self.parents:
            raise OSError(18, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", within)
    folder.write(place, FIRST)
    assert names(place) == sorted(FIRST)
    assert names(tmp_path) == ["disk"]


def test_what_a_power_cut_left_of_a_draft_goes(tmp_path: Path) -> None:
    (left := tmp_path / ".explained.0123abcd").mkdir()
    (left / "embedding.png").touch()
    folder.check(tmp_path)
    folder.write(tmp_path, FIRST)
    assert names(tmp_path) == sorted(FIRST)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [("no/where", "does not exist"), ("file", "is no folder"), ("link", "is no folder")],
)
def test_a_place_that_cannot_be_is_told_at_once(tmp_path: Path, place: str, sentence: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nothing")
    with pytest.raises(InputError, match=sentence):
        folder.check(tmp_path / place)


def test_what_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Path, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    place = tmp_path / "full"
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="no space left on device"):
        folder.write(place, FIRST)
    assert names(tmp_path) == []
