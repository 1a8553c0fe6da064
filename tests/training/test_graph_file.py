"""Network files are read, cut, written with other weights, and staged as a folder of models."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from appliance.errors import InputError, ModelError
from appliance.training import export
from appliance.training.graph import Graph, Operator, counterpart
from appliance.training.tail import plan
from appliance.vision.interpreter import TfliteModel
from appliance.vision.manifest import Manifest, load, shipped_folder

PARENT, EIGHT_BIT = "mobilefacenet", "mobilefacenet_dynamic"


@pytest.fixture(scope="module")
def models() -> Manifest:
    return load(shipped_folder())


@pytest.fixture(scope="module")
def graph(models: Manifest) -> Graph:
    return Graph(models.read(models.entry(PARENT)), PARENT)


@pytest.fixture(scope="module")
def eight_bit(models: Manifest) -> Graph:
    return Graph(models.read(models.entry(EIGHT_BIT)), EIGHT_BIT)


def test_a_cut_network_ends_where_it_was_cut(models: Manifest, graph: Graph) -> None:
    of = plan(graph, "last")
    cut = TfliteModel(graph.cut(of.tensor), name="cut", threads=1)
    whole = TfliteModel(models.read(models.entry(PARENT)), name="whole", threads=1)
    crop = np.random.default_rng(0).uniform(-1, 1, whole.input_shape).astype(np.float32)
    (features,) = cut.run(crop)
    weights, bias = (np.asarray(graph.constant(place)) for place in of.linear.inputs[1:3])
    by_hand = features.reshape(-1) @ weights.reshape(len(bias), -1).T + bias
    assert cut.output_shapes == [graph.shape(of.tensor)]
    assert np.allclose(by_hand, whole.run(crop)[0].reshape(-1), atol=1e-4)


def test_other_weights_give_another_network_of_the_same_size(
    graph: Graph, eight_bit: Graph
) -> None:
    place = plan(graph, "last").linear.inputs[1]
    weights = np.asarray(graph.constant(place))
    assert Graph(graph.with_constants({place: weights}, "same"), "same").constant(
        place
    ) == pytest.approx(weights)
    moved = weights * np.linspace(0.1, 3, len(weights), dtype=np.float32)[:, None, None, None]
    there = counterpart(graph, eight_bit, place)
    content = eight_bit.with_constants({there: moved}, "moved")
    stored = np.asarray(Graph(content, "moved").constant(there))
    # Half a step of each channel's own scale, and no channel pays for another.
    steps = np.abs(moved).max(axis=(1, 2, 3), keepdims=True) / 127
    assert (np.abs(stored - moved) <= 0.51 * steps).all()
    assert abs(len(content) - len(eight_bit.with_constants({}, "as it was"))) < 64


def test_weights_of_another_shape_are_refused(graph: Graph) -> None:
    place = plan(graph, "last").linear.inputs[1]
    with pytest.raises(ModelError, match="do not fit"):
        graph.with_constants({place: np.zeros((2, 2), np.float32)}, "wrong")


def test_the_int8_file_of_the_same_network_is_found(models: Manifest) -> None:
    assert export.eight_bit_original(models, models.entry(PARENT)).name == EIGHT_BIT


def test_another_network_is_no_counterpart(models: Manifest, graph: Graph) -> None:
    other = Graph(models.read(models.entry("face_mesh")), "face_mesh")
    place = plan(graph, "last").linear.inputs[1]
    with pytest.raises(ModelError, match="not the network"):
        counterpart(graph, other, place)


@pytest.mark.parametrize(
    ("kinds", "fused", "why"),
    [
        (["CONV_2D", "SOFTMAX"], 0, "does not end in a linear layer"),
        (["DEPTHWISE_CONV_2D"], 0, "does not end in a linear layer"),
        (["CONV_2D", "RESHAPE"], 1, "its last layer is not linear"),
    ],
)
def test_a_network_without_a_linear_end_is_not_trained(
    kinds: list[str], fused: int, why: str
) -> None:
    options = SimpleNamespace(fusedActivationFunction=fused)
    steps = tuple(Operator(kind, (0, 1, 2), 3, options) for kind in kinds)
    other: Any = SimpleNamespace(operators=steps, name="other")
    with pytest.raises(ModelError, match=why):
        plan(other, "last")


def test_bytes_that_are_no_network_are_refused_in_one_sentence() -> None:
    with pytest.raises(ModelError, match="cannot be read as TFLite"):
        Graph(b"\xff\xff\xff\x7f" * 3, "broken")


def test_a_staged_folder_is_a_folder_of_models(
    models: Manifest, graph: Graph, eight_bit: Graph, tmp_path: Path
) -> None:
    files = (
        export.Exported("tuned", "float32", graph.with_constants({}, "a test")),
        export.Exported("tuned_int8", "int8", eight_bit.with_constants({}, "a test")),
    )
    told = {
        "description": "made up",
        "weights_licence": "none",
        "parent": PARENT,
        "parent_sha256": models.entry(PARENT).sha256,
        "people_sha256": "",
        "people_hashes": "AAAA",
    }
    draft = tmp_path / "draft"
    draft.mkdir()
    export.staged(models, models.entry(PARENT), files, told, draft)
    export.published(draft, tmp_path / "made", {"usable": True})
    made = load(tmp_path / "made")
    assert set(made.entries) == {*models.entries, "tuned", "tuned_int8"}
    for name in ("tuned", "tuned_int8", PARENT, "face_mesh"):
        made.read(made.entry(name))
    tuned = made.entry("tuned")
    assert tuned.training is not None
    assert tuned.training.parent == PARENT
    # Without thresholds of its own no door uses it, and its parent keeps those that it had.
    assert tuned.calibration is None
    assert made.entry(PARENT).calibration == models.entry(PARENT).calibration
    assert not draft.exists()
    assert tuned.training.objection is not None
    rate = {"far": 1e-3, "counted": "people", "before": 0.5, "after": 0.4}
    export.acquitted(tmp_path / "made", {"tuned": [rate]})
    again = load(tmp_path / "made").entries
    assert (again["tuned"].training or tuned.training).objection is None
    unjudged = again["tuned_int8"].training
    assert unjudged is not None
    assert unjudged.objection is not None


def test_a_disk_without_room_is_told_in_one_sentence(models: Manifest, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written") as refused:
        export.staged(
            models,
            models.entry(PARENT),
            (),
            {"description": "", "weights_licence": ""},
            tmp_path / "gone",
        )
    assert refused.value.code == "not_written"
