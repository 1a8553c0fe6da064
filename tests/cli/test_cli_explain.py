"""`explain`: the files, the page, the figures, and what becomes of bad input."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from appliance import assemble, workbench
from appliance.cli import explain
from appliance.explanation import folder
from appliance.types import Box, Frame
from appliance.vision.mesh import eye_centres
from tests.cli.runs import BIDEN, OBAMA, OBAMA3, Appliance, Outcome, read, write
from tests.models.test_openface_dlib68 import small_predictor
from tests.toys import ALICE, BOB, CALIBRATION, Toy, ToyDetector, paint, toy_perception


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Painted faces in the place of the networks."""
    monkeypatch.setattr(assemble, "perception", lambda *_, **__: toy_perception())
    monkeypatch.setattr(assemble, "calibration", lambda _: CALIBRATION)
    detectors = {name: ToyDetector() for name in ("hog", "haar", "blazeface")}
    monkeypatch.setattr(workbench, "detectors", lambda *_, **__: detectors)


class Page(HTMLParser):
    """What a page says, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.ids: set[str | None] = set()
        self.links: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        told = dict(attrs)
        self.ids.add(told.get("id"))
        if tag == "img":
            self.images.append(told)
        if tag == "a":
            self.links.append(told["href"])


def explained(appliance: Appliance, picture: Path, *words: str | Path) -> Outcome:
    return appliance.json("explain", picture, "--out", appliance.folder / "out", *words)


def small(path: Path, source: Path, face: tuple[int, int, int]) -> Path:
    """The face of a bundled picture with a little around it. face: middle and side in pixels."""
    x, y, side = face
    crop = read(source)[max(y - side, 0) : y + side, max(x - side, 0) : x + side]
    return write(path, np.asarray(cv2.resize(crop, (260, 260)), np.uint8))


def test_the_contract_on_real_faces(enrolled: Appliance) -> None:
    alice = small(enrolled.folder / "a<b>&.jpg", OBAMA, (498, 270, 240))
    bob = small(enrolled.folder / "bob.jpg", BIDEN, (480, 470, 330))
    told = explained(enrolled, alice, "--like", bob)
    assert (told.code, told.err) == (0, "")
    data = told.data
    assert data["decision"] == "explained"
    assert {name: len(boxes) for name, boxes in data["detections"].items()} == {
        "hog": 1,
        "haar": 1,
        "blazeface": 1,
    }
    assert data["quality"]["good"] is True
    assert (data["embedding"]["dimensions"], data["crop"]["size"]) == (192, 112)
    (nearest,) = data["nearest"]["people"]
    assert (nearest["name"], nearest["accepted"]) == ("alice", True)
    other = data["like"]["compared"]
    assert (other["name"], other["accepted"]) == ("bob.jpg", False)
    for row in (nearest, other):
        assert row["squared_distance"] == pytest.approx(2 - 2 * row["similarity"], abs=1e-4)
        assert row["distance"] ** 2 == pytest.approx(row["squared_distance"], abs=1e-4)
    place = enrolled.folder / "out"
    assert {path.name for path in place.iterdir()} == set(data["files"]) == set(folder.OURS)
    assert json.loads((place / folder.MARK).read_text(encoding="utf-8")) == data
    for name in data["files"]:
        if name.endswith(".png"):
            assert read(place / name).size > 1000
    text = (place / folder.PAGE).read_text(encoding="utf-8")
    page = Page(text)
    assert "a&lt;b&gt;&amp;.jpg" in text
    assert "a<b>" not in text
    assert all(image["alt"] and len(image["alt"]) > 20 for image in page.images)
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in page.images)
    assert len(page.images) == len([name for name in data["files"] if name.endswith(".png")])
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?://|url\(|@import", text)
    assert {f"#{name}" for name in page.ids if name} >= set(page.links)
    assert "prefers-color-scheme: dark" in text


def test_the_crop_is_what_the_network_gets(toys: None, appliance: Appliance) -> None:
    picture = write(appliance.folder / "toy.png", paint(Toy(ALICE, width=90)))
    assert explained(appliance, picture).code == 0
    crop = read(appliance.folder / "out" / "aligned.png")
    assert crop.shape == (112, 112, 3)
    assert abs(int(np.median(crop[36:100, 28:84, 0])) - 10 * ALICE) <= 1


def test_people_are_told_of_distances_and_of_what_was_written(
    toys: None, appliance: Appliance
) -> None:
    one = write(appliance.folder / "one.png", paint(Toy(ALICE)))
    other = write(appliance.folder / "other.png", paint(Toy(BOB), seed=1))
    told = appliance("explain", one, "--like", other, "--out", appliance.folder / "out")
    assert told.code == 0
    assert "Squared distance" in told.out
    assert "one.png: 1 face confirmed by the mesh" in told.out
    assert "d^2 = 2 - 2 cos" in told.out
    assert "biometric data" in told.out
    assert str(appliance.folder / "out" / folder.PAGE) in told.out


def test_without_a_face_it_shows_what_it_looked_at(toys: None, appliance: Appliance) -> None:
    wall = write(appliance.folder / "wall.png", paint())
    told = explained(appliance, wall)
    assert (told.code, told.data["decision"]) == (1, "no_face")
    assert set(told.data["files"]) == {folder.PAGE, folder.MARK, "detections.png", "hog.png"}
    page = (appliance.folder / "out" / folder.PAGE).read_text(encoding="utf-8")
    assert "No face was found" in page
    assert "No detector found anything" in page
    face = write(appliance.folder / "face.png", paint(Toy(ALICE)))
    assert explained(appliance, face, "--like", wall).code == 1


def test_of_several_faces_the_largest_is_explained(toys: None, appliance: Appliance) -> None:
    both = paint(Toy(ALICE, x=230, width=90), Toy(BOB, x=60, width=60))
    told = explained(appliance, write(appliance.folder / "two.png", both))
    page = (appliance.folder / "out" / folder.PAGE).read_text(encoding="utf-8")
    assert "A door would refuse it: several faces" in page
    # Its mark is white; with one face there is none to be told apart.
    shown = read(appliance.folder / "out" / "detections.png")
    assert (shown > 200).all(axis=2).sum() > 50
    explained(appliance, write(appliance.folder / "one.png", paint(Toy(ALICE))))
    alone = read(appliance.folder / "out" / "detections.png")
    assert (alone > 200).all(axis=2).sum() == 0
    explained(appliance, appliance.folder / "two.png")
    assert [face["width"] for face in told.data["faces"]] == sorted(
        (face["width"] for face in told.data["faces"]), reverse=True
    )
    crop = read(appliance.folder / "out" / "aligned.png")
    assert abs(int(np.median(crop[36:100, 28:84, 0])) - 10 * ALICE) <= 1


def test_doubts_of_hog_are_told_apart(
    toys: None, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Doubting(ToyDetector):
        def detect(self, bgr: object, smallest: float) -> list[Box]:
            return [
                Box(100, 60, 100, 120, 0.5),
                Box(5, 5, 40, 40, -0.2),
                Box(104, 60, 96, 96, -0.3),
            ]

    monkeypatch.setattr(workbench, "detectors", lambda *_, **__: {"hog": Doubting()})
    told = explained(appliance, write(appliance.folder / "toy.png", paint(Toy(ALICE))))
    assert [box["score"] for box in told.data["detections"]["hog"]] == [0.5]
    # The second doubt lies on the face that was found.
    assert [box["score"] for box in told.data["hog_doubts"]["boxes"]] == [-0.2]


@pytest.mark.parametrize("name", ["missing.jpg", "empty.jpg", "text.jpg", "half.jpg", "album"])
def test_bad_pictures_are_told_in_a_sentence(name: str, spoilt: Path, appliance: Appliance) -> None:
    told = appliance("explain", spoilt / name, "--out", appliance.folder / "out")
    assert told.code == 3
    assert told.sentence
    assert not (appliance.folder / "out").exists()


def test_what_is_no_picture(films: dict[str, Path], appliance: Appliance) -> None:
    told = appliance("explain", films["bob"], "--out", appliance.folder / "out")
    assert (told.code, "is a video" in told.sentence) == (3, True)


def test_a_face_in_the_other_picture_alone_is_shown(toys: None, appliance: Appliance) -> None:
    wall = write(appliance.folder / "wall.png", paint())
    face = write(appliance.folder / "face.png", paint(Toy(ALICE)))
    told = explained(appliance, wall, "--like", face)
    assert (told.code, told.data["like"]["decision"]) == (1, "explained")
    page = (appliance.folder / "out" / folder.PAGE).read_text(encoding="utf-8")
    assert "There is no face to compare the one in face.png with." in page
    shown = len(Page(page).images)
    assert shown == sum(name.endswith(".png") for name in told.data["files"]) == 3


def test_names_are_shown_and_not_obeyed(toys: None, appliance: Appliance) -> None:
    name = 'x\x1b[31m\n<svg onload=alert(1)>"[red].png'
    appliance.json(
        "enroll",
        "--name",
        "<b>[red]bo",
        "--from",
        write(appliance.folder / "bo.png", paint(Toy(BOB))),
    )
    odd = write(appliance.folder / "odd.png", paint(Toy(ALICE))).rename(appliance.folder / name)
    told = appliance("explain", odd, "--like", odd, "--out", appliance.folder / "out")
    assert told.code == 0
    assert "\x1b" not in told.out
    assert 'x\\x1b[31m\\n<svg onload=alert(1)>"[red].png: 1 face confirmed' in told.out
    assert "<b>[red]bo " in told.out
    text = (appliance.folder / "out" / folder.PAGE).read_text(encoding="utf-8")
    page = Page(text)
    assert not {"svg", "b"} & set(page.tags)
    assert not [image for image in page.images if set(image) - {"alt", "src", "width", "height"}]
    assert "&lt;b&gt;[red]bo" in text


def test_people_of_another_model_are_named_as_they_are_called() -> None:
    data = {
        "picture": "door.jpg",
        "detections": {"hog": []},
        "faces": [{}, {}],
        "decision": "explained",
        "quality": {"good": True, "faults": [], "measures": {}},
        "nearest": {"people": [], "other_model": ["[bold]eve", "carl"]},
    }
    text = StringIO()
    explain._for_people(Console(file=text, width=200), data, Path("out"))
    assert "another model: [bold]eve, carl." in text.getvalue()
    assert "door.jpg: 2 faces confirmed" in text.getvalue()
    assert "a door refuses several faces" in text.getvalue()


def test_dlibs_points_are_crosses_and_their_gap_is_told(
    toys: None, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbench, "read_installed", lambda *_: small_predictor())
    face = write(appliance.folder / "face.png", paint(Toy(ALICE, width=90)))
    drawn = []
    for model in ({}, {"landmarks68": "points68.dat"}):
        appliance.configure(model={"threads": 1, **model})
        told = explained(appliance, face)
        assert told.code == 0
        drawn.append(read(appliance.folder / "out" / "landmarks68.png").astype(int))
    without, crossed = drawn
    blue = (crossed[..., 0] > 200) & (crossed[..., 2] < 120)
    assert blue.sum() > 500
    assert (without[blue] != crossed[blue]).any(axis=1).mean() > 0.9
    landmarks = told.data["landmarks"]
    ours, theirs = (np.array(landmarks[name]) for name in ("points68", "predictor68"))
    assert ours.shape == theirs.shape == (68, 2)
    (mesh,) = toy_perception().search(Frame(read(face), 0.0, "face", still=True))
    left, right = eye_centres(mesh.points)
    gap = np.median(np.linalg.norm(ours - theirs, axis=1)) / np.linalg.norm(right - left)
    assert landmarks["gap68"] == pytest.approx(gap, rel=1e-2)
    page = (appliance.folder / "out" / folder.PAGE).read_text(encoding="utf-8")
    assert f"the median gap is {landmarks['gap68']:.3f} distances between the eyes" in page


def test_another_file_than_dlibs_is_refused(toys: None, appliance: Appliance) -> None:
    (appliance.folder / "points.dat").write_bytes(b"something else")
    appliance.configure(model={"landmarks68": "points.dat"})
    told = appliance("explain", OBAMA3, "--out", appliance.folder / "out")
    assert (told.code, "points.dat" in told.sentence) == (3, True)
    assert not (appliance.folder / "out").exists()


def test_bad_options(toys: None, appliance: Appliance) -> None:
    mine = appliance.folder / "mine"
    mine.mkdir()
    (mine / "thesis.txt").touch()
    assert "other files" in appliance("explain", OBAMA3, "--out", mine).sentence
    gone = appliance("explain", OBAMA3, "--out", appliance.folder / "no" / "where")
    assert (gone.code, "does not exist" in gone.sentence) == (3, True)
    assert appliance("explain", OBAMA3).code == 2


def test_a_model_that_nobody_knows(appliance: Appliance) -> None:
    told = appliance("explain", OBAMA3, "--out", appliance.folder / "x", "--model", "nobody")
    assert (told.code, "nobody" in told.sentence) == (3, True)
    assert not (appliance.folder / "x").exists()


@pytest.mark.parametrize("content", [None, b"", b"no network at all"])
def test_a_file_of_mmod_that_is_none(content: bytes | None, appliance: Appliance) -> None:
    file = appliance.folder / "mmod.dat"
    if content is not None:
        file.write_bytes(content)
    words = ("--out", appliance.folder / "out", "--mmod", file)
    told = appliance("explain", OBAMA3, *words)
    assert told.code == 3
    assert "mmod.dat" in told.sentence
    assert not (appliance.folder / "out").exists()
