"""The shipped MobileFaceNet files and landmark models."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.types import FaceCrop
from appliance.vision import manifest
from appliance.vision.alignment import FIVE_POINT_112
from appliance.vision.embedding import TfliteEmbedder
from appliance.vision.interpreter import TfliteModel
from models.build.faces import Finder, read_picture

MODELS = manifest.shipped_folder()
PICTURES = Path(__file__).parents[2] / "appliance" / "demo" / "pictures"


def embedder(name: str) -> TfliteEmbedder:
    shipped = manifest.load(MODELS)
    entry = shipped.entry(name, "embedder")
    return TfliteEmbedder(entry, TfliteModel(shipped.read(entry), name=name, threads=1), name)


def bundled_crops() -> list[FaceCrop]:
    finder = Finder(MODELS)
    crops = []
    for path in sorted(PICTURES.glob("*.jpg"))[:6]:
        bgr = read_picture(path)
        face = finder.central(bgr)
        if face is not None:
            crops.append(FIVE_POINT_112.crop(bgr, face))
    return crops


@pytest.mark.parametrize(
    "name",
    ["mobilefacenet", "mobilefacenet_dynamic", "mobilefacenet_int8", "face_mesh", "landmarks5"],
)
def test_file_is_the_one_that_the_manifest_names(name: str) -> None:
    shipped = manifest.load(MODELS)
    entry = shipped.entry(name)
    assert len(shipped.read(entry)) == entry.bytes


@pytest.mark.parametrize(
    ("name", "least"), [("mobilefacenet_dynamic", 0.998), ("mobilefacenet_int8", 0.98)]
)
def test_small_file_sees_what_float_sees_in_real_faces(name: str, least: float) -> None:
    crops = bundled_crops()
    if not crops:
        pytest.skip(f"no bundled pictures of faces in {PICTURES}")
    exact, small = embedder("mobilefacenet"), embedder(name)
    cosines = [float(exact.embed(crop).vector @ small.embed(crop).vector) for crop in crops]
    assert min(cosines) > least


def test_rebuilt_file_keeps_its_calibration_and_a_changed_one_loses_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tomli_w = pytest.importorskip("tomli_w", reason="the extra [build] is not installed")
    from models.build.landmarks import LANDMARKS5
    from models.build.manifest import read, register

    file, toml = tmp_path / LANDMARKS5.file, tmp_path / "manifest.toml"
    file.write_bytes(b"one")
    register(LANDMARKS5, tmp_path)
    tables = read(tmp_path)
    tables["models"]["landmarks5"]["calibration"] = {"data": "measured"}
    toml.write_text(tomli_w.dumps(tables), encoding="utf-8")

    register(LANDMARKS5, tmp_path)
    assert read(tmp_path) == tables

    file.write_bytes(b"other")
    register(LANDMARKS5, tmp_path)
    assert "calibration" not in read(tmp_path)["models"]["landmarks5"]
    assert "dropped its calibration" in capsys.readouterr().out
