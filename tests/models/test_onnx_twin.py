"""MobileFaceNet's twin in ONNX: the same weights, and the same vectors of real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance.vision import manifest
from appliance.vision.alignment import FIVE_POINT_112
from appliance.vision.embedding import unit
from appliance.vision.interpreter import network_input
from appliance.vision.onnx_runtime import CPU, OnnxModel
from appliance.vision.parity import LEAST_COSINE, reference_faces
from models.build.faces import Finder, read_picture
from tests.portraits import NAMES, face, network, picture

SHIPPED = manifest.load(manifest.shipped_folder())
ENTRY = SHIPPED.entry("mobilefacenet")
PEOPLE = 240


def test_the_manifest_states_what_was_measured() -> None:
    twin = ENTRY.twin
    assert twin is not None
    assert len(SHIPPED.read(twin)) == twin.bytes
    assert twin.faces >= 200
    assert twin.median_cosine >= twin.least_cosine >= LEAST_COSINE


def test_only_the_float_file_has_one() -> None:
    assert [it.name for it in SHIPPED.entries.values() if it.twin] == ["mobilefacenet"]


@pytest.mark.slow
def test_the_faces_that_are_compared_are_the_bundled_ones_as_a_door_aligns_them() -> None:
    plain = reference_faces()[::3]
    assert len(plain) == len(NAMES)
    embedder = network("mobilefacenet")
    for name, kept in zip(NAMES, plain, strict=True):
        aligned = FIVE_POINT_112.crop(picture(name), face(name)).bgr
        one, other = (unit(embedder.run(network_input(it, ENTRY))[0][0]) for it in (aligned, kept))
        assert one @ other > 0.97, name


@pytest.mark.slow
def test_building_it_again_gives_the_same_bytes() -> None:
    pytest.importorskip("onnx", reason="the extra [build] is not installed")
    from models.build.onnx_graph import to_onnx

    assert ENTRY.twin is not None
    assert to_onnx(SHIPPED.read(ENTRY), "mobilefacenet") == SHIPPED.read(ENTRY.twin)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilefacenet_dynamic", "openface"])
def test_what_is_not_known_is_refused_and_not_guessed(name: str) -> None:
    pytest.importorskip("onnx", reason="the extra [build] is not installed")
    from models.build.job import BuildError
    from models.build.onnx_graph import to_onnx

    with pytest.raises(BuildError):
        to_onnx(SHIPPED.read(SHIPPED.entry(name)), name)


@pytest.mark.slow
@pytest.mark.data
def test_hundreds_of_people_look_the_same_to_both(data: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra [dev] is not installed")
    assert ENTRY.twin is not None
    twin = OnnxModel(SHIPPED.read(ENTRY.twin), name="twin", provider=CPU, threads=1)
    finder, cosines = Finder(manifest.shipped_folder()), []
    for person in sorted((data / "lfw-dev" / "images").iterdir())[::7]:
        bgr = read_picture(min(person.glob("*.jpg")))
        found = finder.central(bgr)
        if found is not None:
            tensor = network_input(FIVE_POINT_112.crop(bgr, found).bgr, ENTRY)
            one, other = (it.run(tensor)[0][0] for it in (twin, network("mobilefacenet")))
            cosines.append(float(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))
        if len(cosines) == PEOPLE:
            break
    print(f"{len(cosines)} faces: cosine least {min(cosines):.7f}, "  # noqa: T201 - a measurement
          f"median {np.median(cosines):.7f}")  # fmt: skip
    assert len(cosines) == PEOPLE
    assert min(cosines) >= LEAST_COSINE
