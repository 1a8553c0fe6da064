"""PReLU in integers, and who runs the operators of a file."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from appliance.vision import manifest
from appliance.vision.interpreter import TfliteModel

pytest.importorskip("flatbuffers", reason="the extra [build] is not installed")
pytest.importorskip("ai_edge_litert", reason="only ai-edge-litert has the schema's classes")

from models.build.flatbuffer import Affine, Writer
from models.build.floats import write_float
from models.build.integers import Codes, write_int8
from models.build.network import Layer
from models.build.operators import operators, partitions, summary

MODELS = manifest.shipped_folder()
CHANNELS = 16
SIDE = 56


def one_layer(slope: NDArray[np.float64] | None, seed: int) -> Layer:
    random = np.random.default_rng(seed)
    return Layer(
        weight=random.normal(size=(CHANNELS, 3, 3, 3)),
        bias=random.normal(size=CHANNELS),
        depthwise=False,
        stride=2,
        same=True,
        slope=slope,
    )


def run(content: bytes, seed: int) -> NDArray[np.float32]:
    face = np.random.default_rng(seed).uniform(-1, 1, (1, 112, 112, 3)).astype(np.float32)
    return TfliteModel(content, name="part", threads=1).run(face)[0]


@pytest.mark.parametrize("seed", range(4))
def test_prelu_in_integers_is_prelu_but_for_one_rounding(seed: int) -> None:
    slope = np.random.default_rng(seed).uniform(-1, 1, CHANNELS)
    # Zero points and steps as they come: finer, coarser, and clipping on one side.
    code = Affine(np.float64((0.08, 0.11, 0.05, 0.2)[seed]), (-3, 40, 0, -77)[seed])
    before = run(write_int8([one_layer(None, seed)], [Codes(code)]), seed)
    after = run(write_int8([one_layer(slope, seed)], [Codes(code)]), seed)
    expected = np.where(before > 0, before, slope * before)
    expected = np.clip(expected, *((np.array([-128, 127]) - code.zero) * code.scale))
    # Half a step for the product, and what int8 leaves of the slopes.
    allowed = 0.501 * code.scale + np.abs(before) * np.abs(slope - 1).max() / 254
    assert before.min() < -40 * code.scale
    assert np.all(np.abs(after - expected) <= allowed)
    assert np.array_equal(after[before >= 0], before[before >= 0])


def test_rounding_on_the_way_moves_a_float_network_by_half_a_step() -> None:
    layer, step = one_layer(None, 1), 0.25
    code = Affine(np.float64(step))
    exact = run(write_float((layer,), inner=True), 1)
    rounded = run(write_float((layer,), inner=True, rounded={(0, "convolved"): code}), 1)
    assert 0.4 * step < np.abs(exact - rounded).max() <= 0.501 * step


def divided_graph() -> bytes:
    """QUANTIZE, MAXIMUM, DEQUANTIZE: the one in the middle is no XNNPACK operator in int8."""
    writer, code, shape = Writer(), Affine(np.float64(0.1)), (1, 4, 4, 8)
    source = writer.variable("input", shape, np.float32)
    stored = writer.variable("stored", shape, np.int8, code)
    stored = writer.operator("QUANTIZE", [source], stored, {})
    largest = writer.variable("largest", shape, np.int8, code)
    largest = writer.operator("MAXIMUM", [stored, stored], largest)
    real = writer.operator("DEQUANTIZE", [largest], writer.variable("real", shape, np.float32))
    return writer.pack(source, [real], "divided")


def test_listing_tells_what_falls_out_of_the_delegate() -> None:
    listed = operators(divided_graph())
    assert [(each.kind, each.runner, each.partition) for each in listed] == [
        ("QUANTIZE", "XNNPACK", 1),
        ("MAXIMUM", "TFLite", None),
        ("DEQUANTIZE", "XNNPACK", 2),
    ]
    assert listed[1].result == "int8 1x4x4x8"
    assert partitions(listed) == 2
    assert summary(listed) == "XNNPACK: QUANTIZE 1, DEQUANTIZE 1; TFLite: MAXIMUM 1"


@pytest.mark.parametrize("name", ["mobilefacenet", "mobilefacenet_dynamic", "mobilefacenet_int8"])
def test_whole_shipped_graph_is_one_partition(name: str) -> None:
    shipped = manifest.load(MODELS)
    listed = operators(shipped.read(shipped.entry(name)))
    assert len(listed) > 90
    assert {(each.runner, each.partition) for each in listed} == {("XNNPACK", 1)}


def test_int8_computes_in_integers_between_its_two_ends() -> None:
    shipped = manifest.load(MODELS)
    listed = operators(shipped.read(shipped.entry("mobilefacenet_int8")))
    real = [each.kind for each in listed if not each.result.startswith("int8")]
    assert listed[0].kind == "QUANTIZE"
    assert real == ["DEQUANTIZE", "MUL", "RESHAPE"]


@pytest.mark.parametrize("name", ["mobilefacenet_dynamic", "mobilefacenet_int8"])
def test_recorded_loss_is_within_bounds(name: str) -> None:
    pytest.importorskip("tomli_w", reason="the extra [build] is not installed")
    from models.build.manifest import read

    fidelity = read(MODELS)["models"][name]["fidelity"]
    assert fidelity["mean_cosine"] >= 0.99
    for far in ("1e-04", "1e-05"):
        lost = fidelity[f"frr_at_far_{far}"] - fidelity[f"float_frr_at_far_{far}"]
        assert lost <= 0.003


def test_operators_command_prints_each_operator_and_its_runner() -> None:
    from models.build.__main__ import main

    result = CliRunner().invoke(main, ["operators", "mobilefacenet_dynamic"])
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[0].split() == [
        "0",
        "CONV_2D",
        "float32",
        "1x56x56x64",
        "XNNPACK,",
        "partition",
        "1",
    ]
    assert "96 operators, 96 run by XNNPACK in 1 partition(s), 0 by TFLite itself." in lines[-2]


@pytest.mark.parametrize(
    ("name", "words"), [("nobody", "no model called 'nobody'"), ("landmarks5", "no TFLite file")]
)
def test_operators_command_refuses_what_has_none(name: str, words: str) -> None:
    from models.build.__main__ import main

    result = CliRunner().invoke(main, ["operators", name])
    assert result.exit_code == 3
    assert words in result.output
