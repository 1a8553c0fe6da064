"""Real faces as points on the unit sphere, in every precision that is shipped."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from appliance.errors import ModelError
from appliance.types import Embedding, FaceCrop
from appliance.vision import manifest
from appliance.vision.alignment import ALIGNMENTS
from appliance.vision.embedding import unit
from appliance.vision.interpreter import network_input
from tests.portraits import NAMES, embedder, face, picture

MESH_ALIGNED = (
    "mobilefacenet",
    "mobilefacenet_dynamic",
    "mobilefacenet_int8",
    "openface",
    "openface_int8",
)


@cache
def embedded(model: str, name: str) -> Embedding:
    network = embedder(model)
    return network.embed(ALIGNMENTS[network.alignment].crop(picture(name), face(name)))


@pytest.mark.parametrize("model", MESH_ALIGNED)
def test_a_face_is_a_point_on_the_unit_sphere(model: str) -> None:
    for name in NAMES:
        found = embedded(model, name)
        assert found.vector.dtype == np.float32
        assert np.linalg.norm(found.vector) == pytest.approx(1, abs=1e-5)
        assert found.fingerprint == embedder(model).fingerprint


@pytest.mark.parametrize("model", MESH_ALIGNED)
def test_one_persons_pictures_are_more_alike_than_two_peoples(model: str) -> None:
    obama = [embedded(model, f"obama{number}.jpg").vector for number in ("", "2", "3")]
    biden = embedded(model, "biden.jpg").vector
    same = min(float(obama[i] @ obama[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    other = max(float(vector @ biden) for vector in obama)
    assert same > other + 0.1


@pytest.mark.parametrize(
    ("model", "exact", "least"),
    [
        ("mobilefacenet_dynamic", "mobilefacenet", 0.995),
        ("mobilefacenet_int8", "mobilefacenet", 0.97),
        ("openface_int8", "openface", 0.99),
    ],
)
def test_small_files_see_what_the_exact_one_sees(model: str, exact: str, least: float) -> None:
    cosines = [float(embedded(model, name).vector @ embedded(exact, name).vector) for name in NAMES]
    assert min(cosines) > least
    assert embedded(model, NAMES[0]).fingerprint != embedded(exact, NAMES[0]).fingerprint


@pytest.mark.parametrize("model", MESH_ALIGNED)
def test_the_same_crop_gives_the_same_vector_whatever_came_between(model: str) -> None:
    network = embedder(model)
    crops = [ALIGNMENTS[network.alignment].crop(picture(name), face(name)) for name in NAMES[:2]]
    first, between, again = (network.embed(crops[index]).vector for index in (0, 1, 0))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, between)


@pytest.mark.parametrize("model", MESH_ALIGNED)
def test_a_crop_of_another_alignment_is_refused(model: str) -> None:
    network = embedder(model)
    size = 96 if "openface" in model else 112
    crop = FaceCrop(np.full((size, size, 3), 128, np.uint8), "another")
    with pytest.raises(ModelError, match=f"'{model}' needs crops aligned by '{network.alignment}'"):
        network.embed(crop)


def test_colours_and_scale_are_those_of_the_manifest() -> None:
    entry = manifest.load(manifest.shipped_folder()).entry("mobilefacenet")
    blue = np.zeros((112, 112, 3), np.uint8)
    blue[..., 0] = 255
    tensor = network_input(blue, entry)
    assert tensor.shape == (1, 112, 112, 3)
    assert tensor.dtype == np.float32
    # Blue comes last in red-green-blue, and 0..255 becomes about -1..1.
    assert tensor[0, 0, 0].tolist() == pytest.approx([-0.99609375, -0.99609375, 0.99609375])
    assert blue[0, 0].tolist() == [255, 0, 0]


def test_a_bgr_network_gets_its_channels_as_they_are() -> None:
    entry = manifest.load(manifest.shipped_folder()).entry("antispoof")
    blue = np.zeros((128, 128, 3), np.uint8)
    blue[..., 0] = 255
    assert network_input(blue, entry)[0, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("vector", [[0, 0, 0], [np.nan, 1, 0], [np.inf, 0, 0]])
def test_a_vector_without_direction_is_an_error(vector: list[float]) -> None:
    with pytest.raises(ModelError, match="without direction"):
        unit(np.array(vector, np.float32))
