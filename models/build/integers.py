"""Writes a network as a full-integer TFLite file.

PReLU has no integer kernel worth having, and its usual spellings (ABS, or a ReLU that rescales)
fall out of XNNPACK into slow reference kernels. With slopes of at most 1,
prelu(x) = max(x, slope * x): a MUL by constants and a MAXIMUM, all on one scale, so that the only
roundings are those of x and of slope * x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
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


@dataclass(frozen=True)
class Codes:
    """How one layer's activations are stored: what the convolution and PReLU give, and the sum."""

    convolved: Affine
    added: Affine | None = None

    @property
    def result(self) -> Affine:
        """The code of what the layer hands on."""
        return self.added or self.convolved


def write_int8(network: Sequence[Layer], codes: Sequence[Codes], *, inner: bool = False) -> bytes:
    """Return a TFLite file: (1, 112, 112, 3) float32 to (1, channels) float32, int8 within.

    network: the layers, or the first few of them; slopes at most 1.
    codes: one per layer.
    inner: give the last layer's result as it is stored, (1, side, side, channels) int8.
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
            # max(x, slope * x), all three tensors on one code.
            scaled = writer.variable(f"{name}/scaled", shape, np.int8, code.convolved)
            scaled = writer.operator("MUL", [value, _slopes(writer, name, layer.slope)], scaled, {})
            output = writer.variable(f"{name}/prelu", shape, np.int8, code.convolved)
            value = writer.operator("MAXIMUM", [value, scaled], output)
        if layer.add is not None:
            output = writer.variable(f"{name}/add", shape, np.int8, code.added)
            value = writer.operator("ADD", [value, results[layer.add]], output, {})
        results.append(value)
        taken = code.result
    if inner:
        return writer.pack(source, [value], "MobileFaceNet, int8, cut short")
    real = writer.variable("embeddings/float", shape, np.float32)
    real = writer.operator("DEQUANTIZE", [value], real)
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


def _slopes(writer: Writer, name: str, slope: NDArray[np.float64]) -> int:
    """Store a PReLU's slopes on one scale: XNNPACK multiplies by no other."""
    code = Affine(np.abs(slope).max() / 127)
    return writer.constant(f"{name}/slope", code.quantise(slope), code)
