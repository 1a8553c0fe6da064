"""OpenFace with dlib's own five points: the committed predictor, and the pipeline around it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from appliance import assemble
from appliance.config import Config
from appliance.perception import Perception
from appliance.types import Floats, Frame
from appliance.vision import manifest
from appliance.vision.alignment import ALIGNMENTS, PredictedAlignment, outer_eyes_and_nose
from appliance.vision.predictor import FIVE, ShapePredictor
from tests.portraits import NAMES, face, picture

# How far the two may put the same outer corner of an eye apart, as a share of the eyes' distance.
TOLERANCE = 0.08


@cache
def predictor() -> ShapePredictor:
    shipped = manifest.load(manifest.shipped_folder())
    return ShapePredictor(shipped.read(shipped.entry("landmarks5", "landmarks5")), FIVE)


@cache
def perception(name: str) -> Perception:
    return assemble.perception(Config.model_validate({"model": {"name": name}}), liveness=False)


def embedded(model: str, name: str) -> Floats:
    eyes = perception(model)
    return eyes.embed(Frame(picture(name), 0.0, name), face(name)).vector


@pytest.mark.parametrize("name", NAMES)
def test_the_predictor_puts_the_outer_corners_of_the_eyes_where_the_mesh_does(name: str) -> None:
    found = predictor().outer_eyes_and_nose(picture(name), face(name))
    mesh = outer_eyes_and_nose(face(name))
    assert found.shape == (3, 2)
    left, right, nose = found
    assert left[0] < nose[0] < right[0]
    assert nose[1] > max(left[1], right[1])
    distance = float(np.linalg.norm(mesh[1] - mesh[0]))
    apart = np.linalg.norm(found[:2] - mesh[:2], axis=1) / distance
    assert apart.max() < TOLERANCE


def test_the_configured_model_embeds_by_the_predictors_alignment() -> None:
    stages = perception("openface_dlib5").stages
    assert isinstance(stages.alignment, PredictedAlignment)
    assert stages.alignment.name == stages.embedder.alignment
    assert stages.alignment.name not in ALIGNMENTS
    seen = perception("openface_dlib5").look(Frame(picture("obama.jpg"), 0.0, "obama.jpg"))
    assert seen.faults == ()
    assert seen.embedding is not None
    assert seen.embedding.fingerprint == stages.embedder.fingerprint
    assert seen.embedding.vector.shape == (128,)
    assert np.linalg.norm(seen.embedding.vector) == pytest.approx(1)


def test_one_person_is_more_alike_than_two() -> None:
    obama, same, other = (
        embedded("openface_dlib5", name) for name in ("obama.jpg", "obama2.jpg", "biden.jpg")
    )
    assert obama @ same > obama @ other + 0.2


def test_templates_of_the_two_alignments_are_never_compared() -> None:
    """The network is the same file; what it is fed is not."""
    shipped = manifest.load(manifest.shipped_folder())
    assert shipped.entry("openface").sha256 == shipped.entry("openface_dlib5").sha256
    prints = {
        name: perception(name).stages.embedder.fingerprint
        for name in ("openface", "openface_dlib5")
    }
    assert len(set(prints.values())) == 2
