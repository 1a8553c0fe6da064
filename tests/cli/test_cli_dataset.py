"""`appliance dataset`: which crops go to which model, and what is refused before any work."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from appliance import assemble
from appliance.config import Config
from appliance.training import representations
from appliance.training.aligned import Alignment, Crop, read_alignment, write_alignment
from appliance.vision.manifest import load, shipped_folder
from tests.cli.runs import BIDEN, OBAMA, OBAMA2, OBAMA3, Appliance

MESH = load(shipped_folder()).entry("face_mesh").sha256


def crops(folder: Path, landmarks: str, size: int, **more: object) -> Path:
    """A folder of aligned crops, one each of two people."""
    names = ("alice/1.png", "bob/1.png")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.zeros((size, size, 3), np.uint8))
    record = {
        "landmarks": landmarks,
        "size": size,
        "detector": "hog+face_detection",
        "landmark_model": "face_mesh",
        "landmark_sha256": MESH,
        "crops": [Crop(picture=name, crop=name, sha256="0" * 64) for name in names],
        **more,
    }
    write_alignment(folder, Alignment.model_validate(record))
    return folder


def ask(appliance: Appliance, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and what is told to scripts."""
    done = appliance.json(*words)
    return done.code, done.data


def pictures(folder: Path) -> Path:
    for name, path in {"alice/1.jpg": OBAMA, "bob/1.jpg": BIDEN}.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.parametrize(
    ("landmarks", "size", "model"),
    [
        ("outer_eyes_and_nose", 96, "mobilefacenet"),
        ("outer_eyes_and_nose", 96, "openface_dlib5"),
        ("five_point", 112, "openface"),
        ("five_point", 96, "mobilefacenet"),
        ("inner_eyes_and_bottom_lip", 96, "openface"),
    ],
)
def test_a_model_that_was_trained_on_other_crops_is_refused(
    appliance: Appliance, tmp_path: Path, landmarks: str, size: int, model: str
) -> None:
    folder, out = crops(tmp_path / "crops", landmarks, size), tmp_path / "out"
    words = ("dataset", "embed", str(folder), "--out", str(out), "--model", model)
    code, told = ask(appliance, *words)
    assert (code, told["error"]["code"]) == (3, "wrong_alignment")
    assert f"{landmarks}_{size}" in told["error"]["message"]
    assert "--landmarks" in told["error"]["hint"]
    assert not out.exists()


def test_crops_that_no_model_was_trained_on_are_refused(
    appliance: Appliance, tmp_path: Path
) -> None:
    folder = crops(tmp_path / "crops", "inner_eyes_and_bottom_lip", 96)
    code, told = ask(appliance, "dataset", "embed", str(folder), "--out", str(tmp_path / "out"))
    assert (code, told["error"]["code"]) == (3, "wrong_alignment")
    assert "--landmarks five_point --size 112" in told["error"]["hint"]


def test_crops_by_another_landmark_model_are_refused(appliance: Appliance, tmp_path: Path) -> None:
    folder = crops(tmp_path / "crops", "five_point", 112, landmark_sha256="1" * 64)
    code, told = ask(appliance, "dataset", "embed", str(folder), "--out", str(tmp_path / "out"))
    assert (code, told["error"]["code"]) == (3, "wrong_alignment")
    assert "another version of 'face_mesh'" in told["error"]["message"]


def test_an_unknown_model_is_refused_by_name(appliance: Appliance, tmp_path: Path) -> None:
    folder = crops(tmp_path / "crops", "five_point", 112)
    words = ("dataset", "embed", str(folder), "--out", str(tmp_path / "out"), "--model", "facenet")
    code, told = ask(appliance, *words)
    assert code == 3
    assert "'facenet'" in told["error"]["message"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders of pictures, and one of nothing, to be named without a path before them."""
    monkeypatch.chdir(tmp_path)
    for name in ("raw", "raw2"):
        pictures(tmp_path / name)
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("raw raw/crops", 2, "inside the other"),
        ("raw .", 2, "inside the other"),
        ("absent out", 3, "is not a folder"),
        ("empty out", 3, "holds no picture"),
        ("raw raw2", 3, "no folder of crops"),
        ("raw out --landmarks ears", 2, "ears"),
        ("raw out --size 4", 2, "--size"),
        ("raw out --landmarks five_point --points dlib5", 2, "goes with"),
        ("raw out --size 112 --points dlib5", 2, "goes with"),
        ("raw out --points dlib68", 3, "68 points"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_work(
    appliance: Appliance, place: Path, words: str, code: int, told: str
) -> None:
    left, said = ask(appliance, "dataset", "align", *words.split())
    assert left == code
    assert told in said["error"]["message"]
    assert not (place / "out").exists()


@pytest.mark.slow
def test_pictures_become_openfaces_two_files(
    appliance: Appliance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "raw"
    pictures(raw)
    for number, path in enumerate((OBAMA2, OBAMA3), start=2):
        (raw / "alice" / f"{number}.jpg").write_bytes(path.read_bytes())
    (raw / "alice" / "half.jpg").write_bytes(OBAMA.read_bytes()[:20_000])
    (raw / "😀, nobody").mkdir()
    cv2.imwrite(str(raw / "😀, nobody" / "wall.png"), np.full((300, 300, 3), 128, np.uint8))
    code, told = ask(
        appliance, "dataset", "align", "raw", "crops", "--landmarks", "outerEyesAndNose"
    )
    assert code == 0
    assert (told["crops"], told["made"], told["people"]) == (4, 4, 2)
    why = {item["picture"]: item["why"] for item in told["failed"]}
    assert why == {"alice/half.jpg": "unreadable", "😀, nobody/wall.png": "no_face"}
    assert told["people_without_crop"] == ["😀, nobody"]
    assert read_alignment(tmp_path / "crops").name == "outer_eyes_and_nose_96"
    code, told = ask(appliance, "dataset", "align", "raw", "crops")
    assert (code, told["made"], told["kept"]) == (0, 0, 4)

    code, told = ask(appliance, "dataset", "embed", "crops", "--out", "out")
    assert (code, told["model"], told["rows"], told["dimensions"]) == (0, "openface", 4, 128)
    rows = list(csv.reader((tmp_path / "out/labels.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["1", "crops/alice/1.png"]
    assert Counter(label for label, _ in rows) == {"1": 3, "2": 1}
    found = representations.read(tmp_path / "out")
    models = assemble.manifest(Config())
    mark = assemble.template_fingerprint(models.entry("openface"), models)
    assert (found.model, found.fingerprint) == ("openface", mark)
    assert found.names == ("alice", "alice", "alice", "bob")
    near = found.vectors @ found.vectors.T
    assert near[0, 1:3].min() > near[:3, 3].max()
    np.testing.assert_allclose(np.diag(near), 1.0, atol=1e-5)


@pytest.mark.slow
def test_pictures_without_any_face_are_told_and_the_command_fails(
    appliance: Appliance, tmp_path: Path
) -> None:
    (tmp_path / "raw/alice").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "raw/alice/1.png"), np.full((200, 200, 3), 99, np.uint8))
    code, told = ask(appliance, "dataset", "align", str(tmp_path / "raw"), str(tmp_path / "out"))
    assert (code, told["crops"]) == (3, 0)
    assert json.loads((tmp_path / "out/alignment.json").read_text(encoding="utf-8"))["failed"] == [
        {"picture": "alice/1.png", "why": "no_face", "detail": ""}
    ]
