"""Pictures, recordings and names that cannot be used: one sentence, the exit code, nothing lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from appliance.cli.enrolled import MOST_LISTED, left_out
from appliance.enrolment.collect import Rejected
from tests.cli.runs import BIDEN, OBAMA, OBAMA2, OBAMA3, Appliance

# What each is told, after the file's name.
UNREADABLE = {
    "missing.jpg": "missing.jpg does not exist.",
    "empty.jpg": "empty.jpg is empty.",
    "half.jpg": "half.jpg is a damaged JPEG file: it breaks off before its end.",
    "text.jpg": "text.jpg is not a picture or a video that can be read.",
    "bomb.png": "bomb.png is too large: 20000 x 20000 pixels.",
    "wide.png": "wide.png is too large: 20000 x 10 pixels.",
    "bomb.gif": "bomb.gif is a video without a size that can be used: it is damaged, or far too "
    "large.",
    "no-frames.avi": "no-frames.avi is a video without a picture that can be decoded.",
}
# What `enroll` refuses after having looked.
UNUSABLE = {
    "two.jpg": "several faces",
    "nobody.png": "no face",
    "turned.jpg": "no face",
    "small.jpg": "too small",
    "blurred.jpg": "blurred",
    "dark.jpg": "too dark",
    "bright.jpg": "overexposed",
}


@pytest.mark.parametrize("command", ["verify", "enroll"])
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read(
    command: str, name: str, enrolled: Appliance, spoilt: Path
) -> None:
    before = enrolled.snapshot()
    words = [command, "--name", "alice", *(["--replace"] if command == "enroll" else [])]
    told = enrolled(*words, "--from", spoilt / name)
    assert told.code == 3
    assert told.sentence == UNREADABLE[name]
    assert len(told.err.splitlines()) == 2, "there is a hint"
    assert enrolled.snapshot() == before


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_picture_nobody_can_be_enrolled_from(
    name: str, enrolled: Appliance, spoilt: Path
) -> None:
    before = enrolled.snapshot()
    told = enrolled("enroll", "--name", "alice", "--replace", "--from", spoilt / name)
    assert told.code == 3
    assert told.sentence == f"“{name}” cannot be used to enrol: 1 {UNUSABLE[name]}."
    assert enrolled.snapshot() == before


def test_a_cut_off_video(enrolled: Appliance, spoilt: Path) -> None:
    told = enrolled("verify", "--name", "alice", "--from", spoilt / "cut.avi")
    assert told.code == 3
    assert told.sentence.startswith("cut.avi is a video ")


def test_a_folder_without_pictures(enrolled: Appliance, spoilt: Path) -> None:
    told = enrolled("enroll", "--name", "bob", "--from", spoilt / "album")
    assert told.code == 3
    assert told.sentence == f"The folder {spoilt / 'album'} holds no picture that can be read."


def test_a_folder_of_spoilt_pictures_only(enrolled: Appliance, spoilt: Path) -> None:
    (photos := enrolled.folder / "photos").mkdir()
    for name in ("half.jpg", "nobody.png", "turned.jpg"):
        shutil.copy(spoilt / name, photos / f"my_{name}")
    told = enrolled("enroll", "--name", "bob", "--from", photos)
    assert told.code == 3
    assert told.sentence == ("None of the 3 frames can be used to enrol: 2 no face, 1 unreadable.")


def album(folder: Path, *spoilt: Path) -> Path:
    folder.mkdir(parents=True)
    for path in (OBAMA, *spoilt):
        shutil.copy(path, folder)
    return folder


def test_one_bad_file_among_good_ones_is_left_out_and_named(
    appliance: Appliance, spoilt: Path
) -> None:
    names = ("empty.jpg", "half.jpg", "nobody.png")
    photos = album(appliance.folder / "photos", *(spoilt / name for name in names))
    told = appliance.json("enroll", "--name", "alice", "--from", photos)
    assert (told.code, told.data["frames_used"]) == (0, 1)
    assert {item["source"]: item["reason"] for item in told.data["frames_rejected"]} == {
        "empty.jpg": "empty.jpg is empty.",
        "half.jpg": "half.jpg is a damaged JPEG file: it breaks off before its end.",
        "nobody.png": "no_face",
    }


def test_people_read_which_files_were_left_out(appliance: Appliance, spoilt: Path) -> None:
    photos = album(appliance.folder / "photos", spoilt / "nobody.png")
    (photos / "[red]half_way.jpg").write_bytes((spoilt / "half.jpg").read_bytes())
    told = appliance("enroll", "--name", "alice", "--from", photos)
    assert told.code == 0
    assert told.out == (
        "Enrolled 'alice' from 1 frame with mobilefacenet_dynamic.\n"
        "Poses: 1 straight.\n"
        "Expected to be rejected: not estimated; it takes 3 frames to see how much they differ.\n"
        "Not used:\n"
        "  nobody.png: no face\n"
        "  [red]half_way.jpg is a damaged JPEG file: it breaks off before its end\n"
    )


def test_a_long_recording_is_told_by_number() -> None:
    blurred = [Rejected(f"clip.mp4#{number}", "blurred") for number in range(300)]
    broken = [Rejected("clip.mp4", "clip.mp4 breaks off after 300 of 900 frames.")]
    assert left_out([*blurred, *broken]) == [
        "300 blurred",
        "clip.mp4 breaks off after 300 of 900 frames",
    ]
    unreadable = [Rejected(f"{number}.jpg", f"{number}.jpg is empty.") for number in range(99)]
    assert len(left_out(unreadable)) == MOST_LISTED + 1
    assert left_out(unreadable)[-1] == f"and {99 - MOST_LISTED} more files that cannot be read"


@pytest.mark.parametrize("kind", ["fifo", "loop", "device", "dangling"])
def test_what_is_no_file_is_refused_at_once(kind: str, enrolled: Appliance, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        path.symlink_to(path if kind == "loop" else tmp_path / "gone")
    told = enrolled("verify", "--name", "alice", "--from", path)
    assert told.code == 3
    assert told.sentence in {
        "fifo is not a file.",
        "loop cannot be read: too many levels of symbolic links.",
        "zero is not a file.",
        "dangling does not exist.",
    }


@pytest.mark.parametrize("name", ["a b 😀", "--from", "concat:x", "100%d"])
def test_odd_names_of_folders_and_files(
    name: str, enrolled: Appliance, films: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := enrolled.folder / name).mkdir()
    shutil.copy(OBAMA3, folder / f"{name}.jpg")
    monkeypatch.chdir(enrolled.folder)
    assert enrolled("verify", "--name", "alice", "--from", name).code == 0
    shutil.copy(films["alice"], f"{name}.avi")
    assert enrolled("verify", "--name", "alice", "--from", f"{name}.avi").code == 0


@pytest.mark.parametrize("name", ["\x1b[2J", "a\nb", "\udcff"])
def test_a_file_name_cannot_command_the_terminal(name: str, enrolled: Appliance) -> None:
    path = enrolled.folder / f"{name}.jpg"
    told = enrolled("verify", "--name", "alice", "--from", path)
    assert told.code == 3
    assert told.sentence.isprintable()
    assert enrolled.json("verify", "--name", "alice", "--from", path).error["code"] == "bad_input"
    path.write_bytes(OBAMA.read_bytes()[:20_000])
    shutil.copy(OBAMA, enrolled.folder / "good.jpg")
    told = enrolled("enroll", "--name", "carol", "--from", enrolled.folder)
    assert told.code == 0
    assert all(line.isprintable() for line in told.out.splitlines())


def test_brackets_in_paths_are_no_colours(appliance: Appliance, spoilt: Path) -> None:
    """Two files of one name are told apart by their paths, which here hold a closing tag."""
    for folder in ("a[", "b["):
        album(appliance.folder / folder)
        shutil.copy(spoilt / "half.jpg", appliance.folder / folder / "b].jpg")
    told = appliance(
        "enroll", "--name", "[red]x:door:", "--from", appliance.folder / "a[",
        "--from", appliance.folder / "b[",
    )  # fmt: skip
    assert told.code == 0
    assert "a[/b].jpg is a damaged JPEG file" in told.out
    assert "[red]x:door:" in appliance("people", "list").out
    assert "[red]x:door:" in appliance("verify", "--name", "[red]x:door:", "--from", BIDEN).out
    assert "[red]x:door:" in appliance("identify", "--from", OBAMA).out


@pytest.mark.parametrize("command", ["enroll", "verify"])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "'' is an empty name."),
        ("  ", "'  ' is an empty name."),
        ("a/b", "'a/b' cannot be a name: it holds a slash."),
        ("../x", "'../x' cannot be a name: it holds a slash."),
        ("x" * 300, f"'{'x' * 39}…' is too long for a name: at most 100 characters fit."),
        ("a\nb", None),
        ("\x1b[31m", None),
        ("\udcff", None),
        (".hidden", "'.hidden' cannot be a name: it begins with a dot."),
        ("!!!", "'!!!' cannot be a name: it holds no letter or digit."),
    ],
)  # fmt: skip
def test_a_name_that_is_none(
    command: str, name: str, sentence: str | None, enrolled: Appliance
) -> None:
    before = enrolled.snapshot()
    told = enrolled(command, "--name", name, "--from", OBAMA3)
    assert told.code == 3
    assert sentence in {None, told.sentence}
    assert enrolled.json(command, "--name", name).error["code"] == "bad_name"
    assert enrolled.snapshot() == before


@pytest.mark.parametrize(
    "name", ["😀", "👩‍🚒 Zoë", "O'Neil; DROP TABLE person", "--json", "李小龍"]
)
def test_a_name_may_be_unusual(name: str, enrolled: Appliance) -> None:
    assert enrolled("enroll", f"--name={name}", "--from", OBAMA2).code == 0
    assert enrolled("verify", f"--name={name}", "--from", OBAMA2).code == 0
    assert name in [item["name"] for item in enrolled.json("people", "list").data["people"]]
    assert enrolled("people", "remove", "--", name).code == 0


@pytest.mark.parametrize("name", ["alice", "ALICE", " alice "])
def test_nobody_is_enrolled_twice(name: str, enrolled: Appliance) -> None:
    before = enrolled.snapshot()
    told = enrolled("enroll", "--name", name, "--from", OBAMA2)
    assert told.code == 3
    assert told.sentence == f"{name.strip()!r} is enrolled already."
    assert "--replace" in told.err
    assert enrolled.json("enroll", "--name", name).error["code"] == "already_enrolled"
    assert enrolled.snapshot() == before


def test_replace_replaces(enrolled: Appliance) -> None:
    assert enrolled("enroll", "--name", "alice", "--replace", "--from", OBAMA3).code == 0
    assert enrolled.json("people", "show", "alice").data["count"] == 1
    assert len(enrolled.json("people", "list").data["people"]) == 1


@pytest.mark.parametrize("words", [["show"], ["remove"]])
@pytest.mark.parametrize("name", ["mallory", "", "a/b", "x" * 300, "\udcff"])
def test_an_unknown_person(words: list[str], name: str, enrolled: Appliance) -> None:
    before = enrolled.snapshot()
    told = enrolled("people", *words, name)
    assert told.code == 3
    assert told.sentence.startswith("Nobody called ")
    assert enrolled.json("people", *words, name).error["code"] == "unknown_person"
    assert enrolled.snapshot() == before


def test_the_damaged_rest_of_a_video_is_told(enrolled: Appliance, films: dict[str, Path]) -> None:
    whole = films["alice"].read_bytes()
    cut = enrolled.folder / "cut.avi"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    told = enrolled.json("enroll", "--name", "bob", "--from", cut)
    assert told.code == 0
    alike = [it for it in told.data["frames_rejected"] if it["reason"] == "duplicate"]
    assert 2 <= told.data["frames_used"] + len(alike) < 8


def test_two_videos_of_different_sizes_and_a_picture(
    enrolled: Appliance, films: dict[str, Path]
) -> None:
    words: list[str | Path] = [
        "--from",
        films["nobody"],
        "--from",
        OBAMA3,
        "--from",
        films["alice"],
    ]
    assert enrolled("verify", "--name", "alice", *words).code == 0
