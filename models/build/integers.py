"""Writes a network as a full-integer TFLite file that XNNPACK runs as one part.

XNNPACK has neither PRELU nor MAXIMUM nor a RELU of its own in int8; a graph that holds one falls
into parts, with slow kernels between them. With slopes of at most 1,
prelu(x) = x + relu((slope - 1) * x): a MUL by constants with a fused ReLU, and an ADD, both of
which it has. All on one scale, so that the ADD is exact and nothing but x and the product are
rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from models.build.flatbuffer import Affine, Writer
from models.build.floats import (
    convolution_kind,
    convolution_options,
    flatten,
    quantise_weights,
)
from models.build.network import INPUT_CHANNELS, INPUT_SIDE, Layer, sides

# Pixels come as (pixel - 127.5) / 128, so this covers them all.
INPUT_CODE = Affine(np.float64(1 / 127.5))

# The zero point of what is never negative.
LOWEST = -128


@dataclass(frozen=True)
class Codes:
    """How one layer's activations are stored: what the convolution and PReLU give, and the sum."""

    convolved: Affine
    added: Affine | None = None

    @property
    def result(self) -> Affine:
        """The code of what the layer hands on."""
        return self.added or self.convolved


def write_int8(
    network: Sequence[Layer], codes: Sequence[Codes], spread: NDArray[np.float64] | None = None
) -> bytes:
    """Return a TFLite file: (1, 112, 112, 3) float32 to (1, channels) float32, int8 within.

    network: the layers, or the first few of them; slopes at most 1.
    codes: one per layer.
    spread: (channels,), what the last layer's result is multiplied by in float32. Without it the
        file gives that result as it is stored, (1, side, side, channels) int8.
    """
    writer = Writer()
    shape = (1, INPUT_SIDE, INPUT_SIDE, INPUT_CHANNELS)
    source = writer.variable("input", shape, np.float32)
    value = writer.variable("input/int8", shape, np.int8, INPUT_CODE)
    value = writer.operator("QUANTIZE", [source], value, {})
    results: list[int] = []
    taken = INPUT_CODE
    for index, (layer, code, side) in enumerate(zip(network, codes, sides(network), strict=True)):
        shape = (1, side, side, layer.channels)
        name = f"layer{index}"
        output = writer.variable(name, shape, np.int8, code.convolved)
        constants = _weights_and_biases(writer, name, layer, taken)
        options = convolution_options(layer)
        value = writer.operator(convolution_kind(layer), [value, *constants], output, options)
        if layer.slope is not None:
            value = _prelu(writer, name, value, layer.slope, code.convolved)
        if layer.add is not None:
            output = writer.variable(f"{name}/add", shape, np.int8, code.added)
            value = writer.operator("ADD", [value, results[layer.add]], output, {})
        results.append(value)
        taken = code.result
    if spread is None:
        return writer.pack(source, [value], "MobileFaceNet, int8, cut short")
    real = writer.variable("embeddings/even", shape, np.float32)
    real = writer.operator("DEQUANTIZE", [value], real)
    output = writer.variable("embeddings/float", shape, np.float32)
    factor = writer.constant("embeddings/spread", spread.astype(np.float32))
    real = writer.operator("MUL", [real, factor], output, {})
    return writer.pack(source, [flatten(writer, real, (1, shape[-1]))], "MobileFaceNet, int8")


def _weights_and_biases(writer: Writer, name: str, layer: Layer, taken: Affine) -> list[int]:
    """Store a convolution's constants; biases are on the scale of the products, as TFLite wants."""
    stored, code = quantise_weights(layer)
    bias_code = Affine(code.scale.ravel() * taken.scale)
    bias = np.rint(layer.bias / bias_code.scale).astype(np.int32)
    return [
        writer.constant(f"{name}/weight", stored, code),
        writer.constant(f"{name}/bias", bias, bias_code),
    ]


def _prelu(writer: Writer, name: str, value: int, slope: NDArray[np.float64], code: Affine) -> int:
    """Add a PReLU of `value`, which is stored in `code`; return the result, stored alike."""
    shape = writer.shape(value)
    rest = slope - 1
    # One scale for all channels: XNNPACK multiplies by no other.
    rest_code = Affine(np.maximum(np.abs(rest).max(), 1e-12) / 127)
    constant = writer.constant(f"{name}/slope", rest_code.quantise(rest), rest_code)
    lift = writer.variable(f"{name}/lift", shape, np.int8, Affine(code.scale, LOWEST))
    relu = {"fusedActivationFunction": schema.ActivationFunctionType.RELU}
    lift = writer.operator("MUL", [value, constant], lift, relu)
    output = writer.variable(f"{name}/prelu", shape, np.int8, code)
    return writer.operator("ADD", [value, lift], output, {})
