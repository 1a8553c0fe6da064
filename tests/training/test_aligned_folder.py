"""The record beside aligned crops: what it says, and when it is not believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import InputError
from appliance.training.aligned import (
    FILE,
    Alignment,
    Crop,
    Failed,
    Settings,
    read_alignment,
    shown,
    write_alignment,
)

WAY = {
    "landmarks": "outer_eyes_and_nose",
    "size": 96,
    "detector": "hog+face_detection",
    "landmark_model": "face_mesh",
}


def crop(name: str) -> Crop:
    return Crop(picture=name.replace(".png", ".jpg"), crop=name, sha256="0" * 64)


def record(*names: str, complete: bool = True) -> Alignment:
    failed = (Failed(picture="bob/2.jpg", why="no_face"),)
    crops = tuple(crop(name) for name in names)
    return Alignment.model_validate({**WAY, "complete": complete, "crops": crops, "failed": failed})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = record("alice/1.png", "bob/1.png")
    write_alignment(tmp_path, written)
    assert read_alignment(tmp_path) == written
    told = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    assert (told["format"], told["pictures"], told["size"]) == (1, 2, 96)
    assert told["failed"] == [{"picture": "bob/2.jpg", "why": "no_face", "detail": ""}]
    assert [item.name for item in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("face_mesh", "outer_eyes_and_nose_96"),
        ("landmarks5", "outer_eyes_and_nose_96_dlib5"),
        ("landmarks68", "outer_eyes_and_nose_96_dlib68"),
    ],
)
def test_an_alignment_is_called_as_the_manifest_calls_it(model: str, name: str) -> None:
    assert Settings.model_validate({**WAY, "landmark_model": model}).name == name


def test_labels_count_the_people_whose_crops_are_there(tmp_path: Path) -> None:
    for name in ("alice/1.png", "bob/1.png", "bob/2.png", "eve/9.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    # alice/1 was deleted by somebody who looked them through; eve's is in no record.
    (tmp_path / "alice/1.png").unlink()
    there = shown(tmp_path, record("alice/1.png", "bob/1.png", "bob/2.png"))
    assert [(item.person, item.path.name, item.label) for item in there] == [
        ("bob", "1.png", 1),
        ("bob", "2.png", 1),
    ]


def test_an_interrupted_folder_is_no_data_set(tmp_path: Path) -> None:
    write_alignment(tmp_path, record("alice/1.png", complete=False))
    with pytest.raises(InputError, match="unfinished") as refused:
        read_alignment(tmp_path)
    assert refused.value.code == "unfinished"
    assert read_alignment(tmp_path, unfinished=True).pictures == 1


def test_crops_that_nobody_recorded_are_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody knows how") as refused:
        read_alignment(tmp_path)
    assert refused.value.code == "no_alignment"
    with pytest.raises(InputError, match="is not a folder"):
        read_alignment(tmp_path / "absent")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"landmarks": "ears"}, "landmarks"),
        ({"size": 5000}, "size"),
        ({"format": 2}, "format"),
        ({"crops": [{"picture": "a/1", "crop": "a/1.png"}]}, "sha256"),
        ({"crops": [{"picture": "a", "crop": "../x.png", "sha256": "0" * 64}]}, "not in a person"),
        ({"crops": [{"picture": "a", "crop": "/x.png", "sha256": "0" * 64}]}, "not in a person"),
        ({"crops": [{"picture": "a", "crop": "x.png", "sha256": "0" * 64}]}, "not in a person"),
    ],
)
def test_a_record_that_was_tampered_with_is_refused(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    data = {**record("alice/1.png").to_json(), **change}
    (tmp_path / FILE).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match=told):
        read_alignment(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "\udcff"])
def test_a_record_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match="cannot be understood"):
        read_alignment(tmp_path)
