"""Writes a network as a TFLite file that takes, passes on and gives float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from models.build.flatbuffer import Affine, Writer
from models.build.network import INPUT_CHANNELS, INPUT_SIDE, Layer, Network, sides

Storage = Literal["float32", "float16", "int8", "int8 widened"]

# A value inside the network: a layer, and whether before or after its residual sum.
Place = tuple[int, Literal["convolved", "added"]]


def write_float(
    network: Network,
    *,
    storage: Storage = "float32",
    inner: bool = False,
    rounded: Mapping[Place, Affine] | None = None,
) -> bytes:
    """Return a TFLite file: (1, 112, 112, 3) float32 to (1, channels) float32.

    storage: "float16" keeps all constants in float16, widened when the file is loaded. "int8"
        keeps ordinary convolutions' weights in int8: the runtime then stores what they take in
        int8 too, by its own range at every call, and multiplies integers. "int8 widened" keeps
        all weights in int8, widened when the file is loaded; all arithmetic is float32.
    inner: give what every convolution makes, each followed by the residual sum if there is one,
        instead of the embedding.
    rounded: the values that are rounded to int8 and back on their way.
    """
    writer = Writer()
    rounded = rounded or {}
    source = writer.variable("input", (1, INPUT_SIDE, INPUT_SIDE, INPUT_CHANNELS), np.float32)
    results: list[int] = []
    made: list[int] = []
    value = source
    for index, (layer, side) in enumerate(zip(network, sides(network), strict=True)):
        shape = (1, side, side, layer.channels)
        name = f"layer{index}"
        weight = _weight(writer, f"{name}/weight", layer, storage)
        bias = _constant(writer, f"{name}/bias", layer.bias, storage)
        value = writer.operator(
            convolution_kind(layer),
            [value, weight, bias],
            writer.variable(name, shape, np.float32),
            convolution_options(layer),
        )
        value = _rounded(writer, name, value, rounded.get((index, "convolved")))
        made.append(value)
        if layer.add is not None:
            output = writer.variable(f"{name}/add", shape, np.float32)
            value = writer.operator("ADD", [value, results[layer.add]], output, {})
            value = _rounded(writer, f"{name}/add", value, rounded.get((index, "added")))
            made.append(value)
        if layer.slope is not None:
            slope = _constant(writer, f"{name}/slope", layer.slope[None, None], storage)
            output = writer.variable(f"{name}/prelu", shape, np.float32)
            value = writer.operator("PRELU", [value, slope], output)
        results.append(value)
    return writer.pack(
        source,
        made if inner else [flatten(writer, value, (1, network[-1].channels))],
        "MobileFaceNet",
    )


def convolution_kind(layer: Layer) -> str:
    """Return the operator's name in TFLite's schema."""
    return "DEPTHWISE_CONV_2D" if layer.depthwise else "CONV_2D"


def convolution_options(layer: Layer) -> dict[str, Any]:
    """Return the operator's options in the words of TFLite's schema."""
    padding = schema.Padding.SAME if layer.same else schema.Padding.VALID
    options = {"strideH": layer.stride, "strideW": layer.stride, "padding": padding}
    dilation = {"dilationHFactor": 1, "dilationWFactor": 1}
    multiplier = {"depthMultiplier": 1} if layer.depthwise else {}
    return options | dilation | multiplier


def flatten(writer: Writer, value: int, shape: tuple[int, int]) -> int:
    """Add the operator that takes the last layer's empty axes away; return its output."""
    target = writer.constant("embeddings/shape", np.array(shape, np.int32))
    output = writer.variable("embeddings", shape, np.float32)
    return writer.operator("RESHAPE", [value, target], output, {"newShape": list(shape)})


def quantise_weights(layer: Layer) -> tuple[NDArray[np.int8], Affine]:
    """Return symmetric int8 weights and their scale per output channel."""
    axes = (0, 1, 2) if layer.depthwise else (1, 2, 3)
    largest = np.abs(layer.weight).max(axis=axes, keepdims=True)
    code = Affine(np.maximum(largest, 1e-12) / 127, axis=3 if layer.depthwise else 0)
    return code.quantise(layer.weight), code


def _weight(writer: Writer, name: str, layer: Layer, storage: Storage) -> int:
    """Store a convolution's weights. Depth-wise ones stay float: no fast mixed kernel exists."""
    if storage == "int8 widened":
        stored, code = quantise_weights(layer)
        return _widened(writer, name, writer.constant(f"{name}/stored", stored, code), stored.shape)
    if storage == "int8" and not layer.depthwise:
        stored, code = quantise_weights(layer)
        return writer.constant(name, stored, code)
    return _constant(writer, name, layer.weight, storage)


def _constant(writer: Writer, name: str, value: NDArray[np.float64], storage: Storage) -> int:
    """Store a constant as float32, or as float16 with the operator that widens it."""
    if storage != "float16":
        return writer.constant(name, value.astype(np.float32))
    half = writer.constant(f"{name}/half", value.astype(np.float16))
    return _widened(writer, name, half, value.shape)


def _rounded(writer: Writer, name: str, value: int, code: Affine | None) -> int:
    """Add the operators that store a value in int8 and make it float32 again."""
    if code is None:
        return value
    stored = writer.variable(f"{name}/int8", writer.shape(value), np.int8, code)
    stored = writer.operator("QUANTIZE", [value], stored, {})
    again = writer.variable(f"{name}/rounded", writer.shape(value), np.float32)
    return writer.operator("DEQUANTIZE", [stored], again)


def _widened(writer: Writer, name: str, stored: int, shape: tuple[int, ...]) -> int:
    """Add the operator that makes a stored constant float32."""
    return writer.operator("DEQUANTIZE", [stored], writer.variable(name, shape, np.float32))
