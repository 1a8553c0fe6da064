"""What any face detector promises, kept by HOG, Haar and BlazeFace alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.errors import ModelError
from appliance.ports import Detector
from appliance.types import Box, Pixels
from appliance.vision import manifest
from appliance.vision.blazeface import BlazeFace
from appliance.vision.detector import HaarDetector, HogDetector
from tests.portraits import NAMES, acquisition, blazeface, face, network, picture, read


@cache
def made(kind: Callable[[], Detector]) -> Detector:
    return kind()


@pytest.fixture(params=[HogDetector, HaarDetector, blazeface], ids=["hog", "haar", "blazeface"])
def detector(request: pytest.FixtureRequest) -> Detector:
    return made(request.param)


def shorter(bgr: Pixels) -> int:
    return int(min(bgr.shape[:2]))


def best(detector: Detector, bgr: Pixels, smallest: float) -> Box:
    return detector.detect(bgr, smallest)[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_best_box_of_a_portrait_is_its_face(detector: Detector, name: str) -> None:
    bgr = picture(name)
    boxes = detector.detect(bgr, 0.15 * shorter(bgr))
    assert [box.score for box in boxes] == sorted((box.score for box in boxes), reverse=True)
    assert boxes[0].score > 0
    # The mesh's box goes from the forehead's top to the chin, the detectors' from brow to chin.
    assert boxes[0].overlap(face(name).box) > 0.4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [HaarDetector, blazeface])
def test_the_detectors_mean_the_same_size(name: str, kind: Callable[[], Detector]) -> None:
    bgr = picture(name)
    hog, other = (best(made(it), bgr, 0.15 * shorter(bgr)) for it in (HogDetector, kind))
    assert 0.5 <= hog.width / other.width <= 2
    assert hog.overlap(other) > 0.5


@pytest.mark.parametrize("factor", [0.35, 0.6, 1.5])
def test_the_same_picture_at_another_size_gives_the_same_box(
    detector: Detector, factor: float
) -> None:
    bgr = picture("obama.jpg")
    other = np.asarray(cv2.resize(bgr, None, fx=factor, fy=factor), np.uint8)
    here, there = best(detector, bgr, 150), best(detector, other, 150 * factor)
    assert there.scaled(1 / factor).overlap(here) > 0.7


def test_a_face_that_is_smaller_than_asked_for_is_left_out(detector: Detector) -> None:
    bgr = picture("obama.jpg")
    width = best(detector, bgr, 100).width
    assert [box for box in detector.detect(bgr, 1.7 * width) if box.score > 0] == []
    for smallest in (width / 4, width / 2, width / 1.5):
        assert best(detector, bgr, smallest).width >= smallest


@pytest.mark.parametrize("kind", [HogDetector, HaarDetector])
def test_asking_for_smaller_faces_finds_the_far_one_too(kind: type[Detector]) -> None:
    detector = made(kind)
    near = picture("obama.jpg")
    far = np.asarray(cv2.resize(picture("biden.jpg"), (242, 551)), np.uint8)
    both = np.zeros((1137, 910 + 242, 3), np.uint8)
    both[:, :910] = near
    both[:551, 910:] = far
    coarse = [box for box in detector.detect(both, 200) if box.score > 0]
    fine = [box for box in detector.detect(both, 50) if box.score > 0]
    assert all(box.centre[0] < 910 for box in coarse)
    assert {box.centre[0] > 910 for box in fine} == {True, False}


@pytest.mark.parametrize("smallest", [30, 80, 200])
@pytest.mark.parametrize("kind", ["noise", "black", "white", "slope"])
def test_where_there_is_nobody_nobody_is_found(
    detector: Detector, kind: str, smallest: float
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    slope = np.repeat(np.tile(np.linspace(0, 255, 320), (240, 1))[..., None], 3, axis=2)
    pictures = {
        "noise": noise,
        "black": np.zeros_like(noise),
        "white": np.full_like(noise, 255),
        "slope": slope.astype(np.uint8),
    }
    assert [box for box in detector.detect(pictures[kind], smallest) if box.score >= 0] == []


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2), (20, 20)])
def test_a_picture_smaller_than_any_face_is_no_error(
    detector: Detector, size: tuple[int, int]
) -> None:
    assert detector.detect(np.full((*size, 3), 128, np.uint8), 80) == []


def test_the_picture_is_left_alone(detector: Detector) -> None:
    bgr = picture("obama.jpg").copy()
    detector.detect(bgr, 200)
    assert np.array_equal(bgr, picture("obama.jpg"))


def test_a_face_turned_upside_down_is_not_upright(detector: Detector) -> None:
    bgr = np.ascontiguousarray(picture("obama.jpg")[::-1])
    strong = [box for box in detector.detect(bgr, 150) if box.score >= 0]
    upside_down = Box(375, 1137 - 127 - 294, 237, 294)
    assert [box for box in strong if box.overlap(upside_down) > 0.4] == []


@pytest.mark.parametrize(
    "name", ["Elisabeth_Schumacher_0001", "George_HW_Bush_0002", "Tom_Daschle_0021"]
)
def test_a_face_that_hog_is_blind_to_is_found(data: Path, name: str) -> None:
    bgr = read(data / "lfw-dev" / "images" / name[:-5] / f"{name}.jpg")
    assert made(HogDetector).detect(bgr, 40) == []
    assert len(made(blazeface).detect(bgr, 40)) == 1
    (found,) = acquisition().faces(bgr)
    assert found.presence > 0.9


def test_a_network_that_is_not_blazeface_is_refused() -> None:
    entry = manifest.load(manifest.shipped_folder()).entry("face_detection", "detector")
    with pytest.raises(ModelError, match="are not BlazeFace's boxes"):
        BlazeFace(entry, network("face_mesh"))


@pytest.mark.parametrize("content", [None, "no cascade"])
def test_a_missing_or_broken_cascade_is_told(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "cascade.xml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="Haar cascade") as caught:
        HaarDetector(path)
    assert "opencv-python-headless" in caught.value.hint
