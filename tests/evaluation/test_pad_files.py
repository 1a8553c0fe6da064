"""Which files of a folder are presentations, and of what."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.errors import InputError
from appliance.evaluation.pad_files import LIVE, Presentations, find
from tests.evaluation.pads import files


def names(found: Presentations) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for item in found.all:
        told.setdefault(item.label, []).append(item.name)
    return told


def test_every_picture_and_clip_is_a_presentation_of_its_folders_kind(tmp_path: Path) -> None:
    root = files(
        tmp_path, "live/b.MP4", "live/a.jpg", "print/1.png", "screen/1.gif", "screen/2.mkv"
    )
    found = find(root)
    assert names(found) == {
        "live": ["live/a.jpg", "live/b.MP4"],
        "print": ["print/1.png"],
        "screen": ["screen/1.gif", "screen/2.mkv"],
    }
    assert (found.species, found.ignored) == (["print", "screen"], [])
    assert [item.name for item in found.of("print")] == ["print/1.png"]


def test_live_may_be_written_in_any_case(tmp_path: Path) -> None:
    found = find(files(tmp_path, "Live/a.jpg", "Print/1.png"))
    assert names(found) == {LIVE: ["Live/a.jpg"], "Print": ["Print/1.png"]}


def test_what_is_no_picture_is_told_and_what_is_hidden_is_not(tmp_path: Path) -> None:
    root = files(tmp_path, "live/a.jpg", "live/a.raw", "live/.b.jpg", ".git/x.jpg", "README.md")
    found = find(files(root, "live/a.json", "live/notes.txt"))
    assert names(found) == {"live": ["live/a.jpg"]}
    assert found.ignored == ["live/a.raw"]


def test_a_picture_of_a_kind_that_cannot_be_read_is_shown_nonetheless(tmp_path: Path) -> None:
    found = find(files(tmp_path, "live/a.heic", "print/1.tif"))
    assert len(found.all) == 2


def test_pictures_in_a_sub_folder_are_the_frames_of_one_clip(tmp_path: Path) -> None:
    root = files(tmp_path, "live/", "print/7/2.png", "print/7/1.png", "print/7/log.txt")
    (clip,) = find(root).all
    assert (clip.label, clip.name) == ("print", "print/7")
    assert [path.name for path in clip.files] == ["1.png", "2.png"]


def test_they_are_presentations_of_their_own_where_that_is_said(tmp_path: Path) -> None:
    root = files(tmp_path, "live/alice/2.png", "live/alice/1.png")
    found = find(root, separate=True)
    assert names(found) == {"live": ["live/alice/1.png", "live/alice/2.png"]}


def test_a_sub_folder_with_clips_or_folders_only_groups_them(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        "live/alice/1.mp4",
        "live/alice/2.mp4",
        "live/alice/still.jpg",
        "live/bob/monday/1.jpg",
        "live/bob/monday/2.jpg",
        "live/bob/tuesday/1.mov",
    )
    assert names(find(root)) == {
        "live": [
            "live/alice/1.mp4",
            "live/alice/2.mp4",
            "live/alice/still.jpg",
            "live/bob/monday",
            "live/bob/tuesday/1.mov",
        ]
    }


def test_links_are_followed_and_one_that_leads_back_is_not(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "live/a/b/1.mp4")
    elsewhere = files(tmp_path / "elsewhere", "1.jpg", "2.mp4")
    (root / "print").symlink_to(elsewhere)
    (root / "live" / "a" / "b" / "back").symlink_to(root / "live" / "a")
    found = find(root)
    assert names(found) == {"live": ["live/a/b/1.mp4"], "print": ["print/1.jpg", "print/2.mp4"]}
    assert found.ignored == ["live/a/b/back"]


def test_an_empty_species_is_kept_so_that_it_can_be_told(tmp_path: Path) -> None:
    found = find(files(tmp_path, "live/a.jpg", "mask/", "print/1.jpg"))
    assert found.species == ["mask", "print"]
    assert found.of("mask") == []


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        ([], "holds no folder that is called live"),
        (["a.jpg", "print/1.jpg"], "holds no folder that is called live"),
        (["live/", "print/"], "holds no picture and no clip"),
        (["live/notes.txt"], "holds no picture and no clip"),
        (["live/a.jpg", "Live/b.jpg"], "more than one folder that is called live"),
    ],
)
def test_another_layout_is_refused_with_the_right_one(
    tmp_path: Path, made: list[str], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint) as caught:
        find(files(tmp_path, *made))
    assert caught.value.code == "bad_layout"
    assert caught.value.hint


def test_a_name_that_no_disk_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="file name too long"):
        find(tmp_path / ("x" * 300))


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", files(tmp_path, "file.jpg") / "file.jpg"):
        with pytest.raises(InputError, match="is not a folder"):
            find(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    root = files(tmp_path, "live/a.jpg", "print/1.jpg")
    (root / "print").chmod(0)
    try:
        with pytest.raises(InputError, match="cannot be read: permission denied"):
            find(root)
    finally:
        (root / "print").chmod(0o755)
