"""OpenFace by dlib's 68 points: a file that a user installs, and that nothing else stands in for.

The real file is not free for everybody, so most tests train a small predictor of 68 points on the
bundled pictures and let the manifest name that one.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import dlib
import numpy as np
import pytest

from appliance import assemble
from appliance.config import Config
from appliance.doctor import Check, Status, examine
from appliance.errors import ExitCode, ModelError
from appliance.types import Frame
from appliance.vision import manifest
from appliance.vision.alignment import BY_DLIB_68, PredictedAlignment, outer_eyes_and_nose
from appliance.vision.mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from appliance.vision.predictor import BOX_SIDE, FIVE, SIXTY_EIGHT, ShapePredictor, read_installed
from tests.portraits import NAMES, face, picture

NAME = "openface_dlib68"
SHIPPED = manifest.shipped_folder()
REAL_FILE = "fbdc2cb80eb9-shape_predictor_68_face_landmarks.dat"


@cache
def small_predictor() -> bytes:
    """A predictor of 68 points, trained on what the mesh says about the bundled faces."""
    options: Any = dlib.shape_predictor_training_options()
    options.cascade_depth, options.tree_depth, options.num_trees_per_cascade_level = 3, 2, 20
    options.feature_pool_size, options.num_test_splits, options.num_threads = 100, 10, 1
    pictures = [np.ascontiguousarray(picture(name)[:, :, ::-1]) for name in NAMES]
    trained: Any = dlib.train_shape_predictor(pictures, [[marked(name)] for name in NAMES], options)
    with os.fdopen(os.memfd_create("small"), "rb") as file:
        trained.save(f"/proc/self/fd/{file.fileno()}")
        return file.read()


def marked(name: str) -> Any:
    """A bundled face in dlib's words: its box, and 68 points of which three have their meaning."""
    landmarks = face(name)
    places = [*range(68)]
    places[SIXTY_EIGHT[0]], places[SIXTY_EIGHT[1]] = LEFT_EYE_OUTER, RIGHT_EYE_OUTER
    places[SIXTY_EIGHT[2]] = 2
    points = [dlib.point(*(round(float(it)) for it in landmarks.points[at, :2])) for at in places]
    box = landmarks.box
    (x, y), half = box.centre, BOX_SIDE * max(box.width, box.height) / 2
    edges = (round(edge) for edge in (x - half, y - half, x + half, y + half))
    return dlib.full_object_detection(dlib.rectangle(*edges), dlib.points(points))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped models, but the small predictor is the one with the 68 points; uncalibrated."""
    folder = tmp_path / "models"
    folder.mkdir()
    for file in SHIPPED.iterdir():
        if file.suffix in {".tflite", ".dat"}:
            (folder / file.name).symlink_to(file)
    text = (SHIPPED / "manifest.toml").read_text(encoding="utf-8")
    real = manifest.load(SHIPPED).entry(NAME).alignment.points_sha256
    assert real is not None
    assert text.count(real) == 1
    text = text.replace(real, hashlib.sha256(small_predictor()).hexdigest())
    curves = rf"\[models\.{NAME}\.calibration\].*?(?=\n\[models\.(?!{NAME}\.)|\Z)"
    (folder / "manifest.toml").write_text(re.sub(curves, "", text, flags=re.DOTALL), "utf-8")
    return folder


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """The installed file."""
    path = tmp_path / "points.dat"
    path.write_bytes(small_predictor())
    return path


def config(models: Path, points: Path | None) -> Config:
    model = {"name": NAME, "directory": models, "landmarks68": points, "threads": 1}
    return Config.model_validate({"model": model})


def refused(wanted: Config) -> ModelError:
    with pytest.raises(ModelError) as caught:
        assemble.aligner(wanted)
    assert caught.value.exit_code is ExitCode.BAD_DATA
    return caught.value


def test_the_installed_points_align_and_embed(models: Path, points: Path) -> None:
    perception = assemble.perception(config(models, points), liveness=False)
    assert isinstance(perception.stages.alignment, PredictedAlignment)
    assert perception.stages.alignment.name == BY_DLIB_68
    seen = perception.embed(Frame(picture("obama.jpg"), 0.0, "obama.jpg"), face("obama.jpg"))
    assert seen.vector.shape == (128,)
    assert np.linalg.norm(seen.vector) == pytest.approx(1)


@pytest.mark.parametrize("name", NAMES)
def test_the_three_points_are_taken_from_among_the_68(name: str) -> None:
    found = ShapePredictor(small_predictor(), SIXTY_EIGHT)
    places = found.outer_eyes_and_nose(picture(name), face(name))
    mesh = outer_eyes_and_nose(face(name))
    # It was trained on these very faces.
    assert np.linalg.norm(places - mesh, axis=1).max() < 0.05 * np.linalg.norm(mesh[1] - mesh[0])
    assert found.shape(picture(name), face(name)).num_parts == 68


def test_without_the_file_the_model_says_what_to_install_and_where(models: Path) -> None:
    error = refused(config(models, None))
    assert error.code == "missing_model"
    assert "do not come with the appliance" in error.message
    for told in ("shape_predictor_68_face_landmarks.dat", "model.landmarks68", "commercial"):
        assert told in error.hint


def test_a_file_that_is_not_there_is_named(models: Path, points: Path) -> None:
    points.unlink()
    error = refused(config(models, points))
    assert error.code == "missing_model"
    assert str(points) in error.message
    points.mkdir()
    assert "cannot be read" in refused(config(models, points)).message


@pytest.mark.parametrize("place", [0, 1000, -1])
def test_any_other_file_is_refused_before_dlib_sees_it(
    models: Path, points: Path, place: int
) -> None:
    changed = bytearray(points.read_bytes())
    changed[place] ^= 1
    points.write_bytes(changed)
    error = refused(config(models, points))
    assert error.code == "changed_model"
    assert str(points) in error.message
    # Five points in the place of 68 are another file, too.
    points.write_bytes((SHIPPED / "landmarks5.dat").read_bytes())
    assert refused(config(models, points)).code == "changed_model"


def test_what_is_no_predictor_is_refused_by_dlib() -> None:
    with pytest.raises(ModelError, match="dlib cannot load"):
        ShapePredictor(b"these are no trees", SIXTY_EIGHT)


def test_templates_are_of_these_points_and_no_others(models: Path, points: Path) -> None:
    entries = manifest.load(SHIPPED).entries
    other = manifest.load(models).entry(NAME)
    prints = {
        manifest.fingerprint(entry, [])
        for entry in (entries["openface"], entries["openface_dlib5"], entries[NAME], other)
    }
    assert len(prints) == 4
    mine = assemble.perception(config(models, points), liveness=False).stages.embedder.fingerprint
    assert mine == manifest.fingerprint(other, [entries["face_mesh"]])


def test_uncalibrated_it_verifies_nobody(models: Path, points: Path) -> None:
    with pytest.raises(ModelError) as caught:
        assemble.rules(config(models, points), unlock=False, live=False)
    assert caught.value.code == "not_calibrated"


def test_an_alignment_of_another_version_is_refused(models: Path, points: Path) -> None:
    path = models / "manifest.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(BY_DLIB_68, "by_the_ears"), encoding="utf-8")
    assert "'by_the_ears'" in refused(config(models, points)).message


def test_doctor_finds_the_points_missing() -> None:
    """With the shipped models, whether calibrated or not: such a door does not work."""
    wanted = Config.model_validate({"model": {"name": NAME}, "store": {"path": "/nowhere"}})
    checks: dict[str, Check] = {check.name: check for check in examine(wanted)}
    assert checks["models"].status is Status.FAIL


def test_a_file_that_may_not_be_read_is_no_crash(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read_installed(tmp_path / ("x" * 300), "0" * 64, NAME)


def real_points() -> Path:
    """The real file: what APPLIANCE_LANDMARKS68 names, or what the builds have fetched."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    kept = Path(base) / "face-access-models" / REAL_FILE
    path = Path(os.environ.get("APPLIANCE_LANDMARKS68") or kept)
    if not path.exists():
        pytest.skip(f"{path} is not there: run `python -m models.build fetch landmarks68`")
    return path


@pytest.mark.slow
def test_the_real_68_points_agree_with_the_five() -> None:
    entry = manifest.load(SHIPPED).entry(NAME)
    assert entry.alignment.points_sha256 is not None
    content = read_installed(real_points(), entry.alignment.points_sha256, NAME)
    many = ShapePredictor(content, SIXTY_EIGHT)
    few = ShapePredictor((SHIPPED / "landmarks5.dat").read_bytes(), FIVE)
    for name in NAMES:
        found, other = (
            predictor.outer_eyes_and_nose(picture(name), face(name)) for predictor in (many, few)
        )
        eyes = np.linalg.norm(other[1] - other[0])
        assert np.linalg.norm(found - other, axis=1).max() < 0.08 * eyes


@pytest.mark.slow
def test_by_the_real_68_points_one_person_is_more_alike_than_two() -> None:
    perception = assemble.perception(config(SHIPPED, real_points()), liveness=False)
    obama, same, other = (
        perception.embed(Frame(picture(name), 0.0, name), face(name)).vector
        for name in ("obama.jpg", "obama2.jpg", "biden.jpg")
    )
    assert obama @ same > obama @ other + 0.2
