"""OpenFace nn4.small2.v1 as TFLite, in float32 and with 8-bit weights.

Both files take (1, 96, 96, 3) float32, RGB divided by 255, and give (1, 128) float32. The L2
normalisation that ends the Torch network is left out: the appliance normalises every embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from models.build.convert import to_tflite
from models.build.fetch import MEMBERS, obtain
from models.build.job import Job
from models.build.manifest import Alignment, Entry, Input, Output, register
from models.build.openface_layers import (
    Branches,
    Convolution,
    CrossMapNorm,
    Dense,
    L2Pool,
    Layer,
    MaxPool,
    MeanPool,
    UnknownLayerError,
    read_network,
)

SIZE = 96

OPENFACE = Entry(
    name="openface",
    role="embedder",
    file="openface.tflite",
    licence="Apache-2.0",
    weights_licence="Apache-2.0",
    description="OpenFace nn4.small2.v1: a 128-d face embedding, batch normalisation folded.",
    precision="float32",
    runtime="tflite",
    source=MEMBERS["openface"].source(),
    input=Input((1, SIZE, SIZE, 3), "float32", "rgb", mean=0.0, scale=1 / 255),
    alignment=Alignment("outer_eyes_and_nose_96", SIZE),
    output=Output((1, 128), "float32", normalised=False, similarity="cosine"),
)

OPENFACE_INT8 = replace(
    OPENFACE,
    name="openface_int8",
    file="openface_int8.tflite",
    description="OpenFace nn4.small2.v1 with 8-bit weights; activations are quantised at run "
    "time by each picture's own range, so no calibration pictures were needed.",
    precision="int8",
)

# The same file behind OpenFace's own alignment: dlib's points instead of the mesh's.
OPENFACE_DLIB5 = replace(
    OPENFACE,
    name="openface_dlib5",
    description=f"{OPENFACE.description} Aligned by dlib's five-point predictor.",
    alignment=Alignment("outer_eyes_and_nose_96_dlib5", SIZE),
)

# And behind the 68 points that a user has to install: their file is not shipped, its sum is known.
OPENFACE_DLIB68 = replace(
    OPENFACE,
    name="openface_dlib68",
    description=f"{OPENFACE.description} Aligned by dlib's 68 points, which you install yourself.",
    alignment=Alignment("outer_eyes_and_nose_96_dlib68", SIZE, MEMBERS["landmarks68"].sha256),
)


def build(job: Job) -> None:
    """Write and register both files; the first is registered with every alignment."""
    layers = read_network(obtain("openface", job.cache))
    for entry in (OPENFACE, OPENFACE_INT8):
        content = to_tflite(
            lambda value: forward(layers, value),
            entry.input.shape,
            eight_bit=entry is OPENFACE_INT8,
        )
        (job.models / entry.file).write_bytes(content)
        register(entry, job.models)
    for entry in (OPENFACE_DLIB5, OPENFACE_DLIB68):
        register(entry, job.models)


def forward(layers: Iterable[Layer], value: Any) -> Any:
    """Evaluate `layers` on `value`, (1, rows, columns, channels) float32."""
    for layer in layers:
        value = _apply(layer, value)
    return value


def _apply(layer: Layer, value: Any) -> Any:
    """Evaluate one layer."""
    match layer:
        case Convolution():
            padded = _pad(value, layer.padding)
            result = tf.nn.conv2d(padded, layer.weights, layer.stride, "VALID")
            result = tf.nn.bias_add(result, layer.bias)
            result = tf.nn.relu(result) if layer.relu else result
        case MaxPool():
            # Every pooled map follows a ReLU, so zeros never win a window.
            padded = _pad(value, layer.padding)
            result = tf.nn.max_pool2d(padded, layer.window, layer.stride, "VALID")
        case MeanPool():
            result = tf.nn.avg_pool2d(value, layer.window, layer.stride, "VALID")
        case L2Pool():
            mean = tf.nn.avg_pool2d(tf.square(value), layer.window, layer.stride, "VALID")
            result = tf.sqrt(mean) * np.float32(layer.window)
        case CrossMapNorm():
            result = value * _response_factor(layer, value)
        case Branches():
            result = _concatenate([forward(path, value) for path in layer.paths])
        case Dense():
            flat = tf.reshape(value, (1, layer.weights.shape[0]))
            result = tf.matmul(flat, layer.weights) + layer.bias
    return result


def _pad(value: Any, padding: int) -> Any:
    """Surround the map with `padding` rows and columns of zeros."""
    if not padding:
        return value
    return tf.pad(value, [[0, 0], [padding, padding], [padding, padding], [0, 0]])


def _response_factor(layer: CrossMapNorm, value: Any) -> Any:
    """Return what local response normalisation multiplies `value` by.

    TFLite has the layer as one operator, but no delegate takes it and the graph breaks in two
    around it. The sum over neighbouring channels is a convolution of one pixel with a band of
    ones, and t to the -3/4 is r * sqrt(r) with r = 1 / sqrt(t): the same function, from
    operators that stay delegated.
    """
    if layer.beta != 0.75:
        raise UnknownLayerError(f"cross-map normalisation with beta={layer.beta}")
    channels = int(value.shape[-1])
    away = np.abs(np.subtract.outer(np.arange(channels), np.arange(channels)))
    band = np.where(away <= layer.size // 2, layer.alpha / layer.size, 0.0)
    kernel = band.astype(np.float32)[None, None]
    total = tf.nn.conv2d(tf.square(value), kernel, 1, "VALID")
    root = tf.math.rsqrt(tf.nn.bias_add(total, np.full(channels, layer.bias, np.float32)))
    return root * tf.sqrt(root)


def _concatenate(maps: Sequence[Any]) -> Any:
    """Join maps along channels, centring the smaller ones in zeros.

    An odd difference leaves the extra row below and the extra column to the
    right, as Torch's DepthConcat does.
    """
    side = max(int(part.shape[1]) for part in maps)
    padded = []
    for part in maps:
        missing = side - int(part.shape[1])
        before, after = missing // 2, missing - missing // 2
        edges = [[0, 0], [before, after], [before, after], [0, 0]]
        padded.append(tf.pad(part, edges) if missing else part)
    return tf.concat(padded, axis=3)
