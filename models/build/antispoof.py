"""The appearance anti-spoof network: from the published ONNX file to TFLite.

It is of the MiniFASNet kind, a narrow trunk of inverted bottlenecks with
squeeze-and-excitation, and looks at a face *with its surroundings*, because the edge of a sheet
or a screen is half the evidence.

The TFLite file takes (1, 128, 128, 3) float32, BGR from 0 to 255, just as the published network
does, and gives (1, 3) float32 logits. After a softmax, class 0 is the probability that the face
is live; the publisher does not name the other two kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from numpy.typing import NDArray

from models.build.convert import to_tflite
from models.build.fetch import MEMBERS, obtain
from models.build.job import BuildError, Job
from models.build.manifest import Alignment, Entry, Input, Output, register

Floats = NDArray[np.float32]

SIZE = 128

ANTISPOOF = Entry(
    name="antispoof",
    role="liveness",
    file="antispoof.tflite",
    licence="MIT",
    weights_licence="MIT",
    description="Probability that a face and its surroundings are live, from one picture.",
    precision="float32",
    runtime="tflite",
    source=MEMBERS["antispoof"].source(),
    input=Input((1, SIZE, SIZE, 3), "float32", "bgr", mean=0.0, scale=1.0),
    alignment=Alignment("context_crop", SIZE),
    output=Output((1, 3), "float32", normalised=False, live_index=0, activation="softmax"),
)


class UnknownOperatorError(BuildError):
    """The ONNX file holds something that this reader does not translate."""

    def __init__(self, what: str) -> None:
        super().__init__(f"this ONNX file is not the network the build was written for: {what}.")


def build(job: Job) -> None:
    """Write and register the file."""
    network = read_network(obtain("antispoof", job.cache))
    content = to_tflite(network, ANTISPOOF.input.shape)
    (job.models / ANTISPOOF.file).write_bytes(content)
    register(ANTISPOOF, job.models)


def read_network(path: Path) -> Callable[[Any], Any]:
    """Read the ONNX file at `path` as a function on TensorFlow values.

    The function takes (1, 128, 128, 3) float32 and returns (1, 3) float32.
    Raises :class:`UnknownOperatorError` for an operator that the published
    file does not have.
    """
    graph = onnx.load(str(path)).graph
    weights = {w.name: onnx.numpy_helper.to_array(w) for w in graph.initializer}
    head = _linear_head(graph.node, weights)
    trunk = [node for node in graph.node if node.op_type in _OPERATORS]

    def evaluate(image: Any) -> Any:
        values: dict[str, Any] = {graph.input[0].name: image}
        for node in trunk:
            arguments = [weights.get(n, values.get(n)) for n in node.input]
            values[node.output[0]] = _OPERATORS[node.op_type](node, *arguments)
        return _apply_head(head, values[trunk[-1].output[0]])

    return evaluate


def _attributes(node: Any) -> dict[str, Any]:
    """Return the attributes of an ONNX node by name."""
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def _convolution(node: Any, value: Any, weights: Floats, bias: Floats) -> Any:
    """Convolve: ordinary, or one filter per channel where the groups say so."""
    given = _attributes(node)
    stride, padding = given["strides"][0], given["pads"][0]
    if {*given["strides"]} != {stride} or {*given["pads"]} != {padding}:
        raise UnknownOperatorError("a convolution that treats its axes differently")
    if padding:
        edges = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
        value = tf.pad(value, edges)
    if given["group"] == 1:
        kernel = weights.transpose(2, 3, 1, 0)
        value = tf.nn.conv2d(value, kernel, stride, "VALID")
    elif weights.shape[1] == 1:
        kernel = weights.transpose(2, 3, 0, 1)
        steps = [1, stride, stride, 1]
        value = tf.nn.depthwise_conv2d(value, kernel, steps, "VALID")
    else:
        raise UnknownOperatorError(f"a convolution in {given['group']} groups of several channels")
    return tf.nn.bias_add(value, bias)


def _prelu(_node: Any, value: Any, slope: Floats) -> Any:
    """Spell PReLU in the form that the converter joins into one operator."""
    falling = -slope.transpose(1, 2, 0)
    return tf.nn.relu(value) + falling * tf.nn.relu(-value)


def _global_mean(_node: Any, value: Any) -> Any:
    return tf.reduce_mean(value, axis=[1, 2], keepdims=True)


def _relu(_node: Any, value: Any) -> Any:
    return tf.nn.relu(value)


def _sigmoid(_node: Any, value: Any) -> Any:
    return tf.sigmoid(value)


_OPERATORS: dict[str, Callable[..., Any]] = {
    "Conv": _convolution,
    "PRelu": _prelu,
    "Relu": _relu,
    "Sigmoid": _sigmoid,
    "GlobalAveragePool": _global_mean,
    "Add": lambda _node, left, right: left + right,
    "Mul": lambda _node, left, right: left * right,
}

_FLATTENING = frozenset({"Shape", "Constant", "Gather", "Unsqueeze", "Concat", "Reshape"})
"""How the exporter spelled "make it a row"."""


def _linear_head(nodes: Any, weights: dict[str, Any]) -> tuple[Floats, Floats]:
    """Fold the last three layers into one: they have no non-linearity between.

    MatMul (512 to 128), batch normalisation, MatMul (128 to 3) become a matrix
    (512, 3) and a bias (3,), float32; the folding itself runs in float64.
    """
    rest = [n for n in nodes if n.op_type not in _OPERATORS.keys() | _FLATTENING]
    if [n.op_type for n in rest] != ["MatMul", "BatchNormalization", "MatMul"]:
        raise UnknownOperatorError(f"unexpected operators {[n.op_type for n in rest]}")
    reduce, norm, classify = rest
    gain, shift, mean, variance = (weights[n].astype(np.float64) for n in norm.input[1:])
    factor = gain / np.sqrt(variance + _attributes(norm)["epsilon"])
    last = weights[classify.input[1]].astype(np.float64)
    matrix = (weights[reduce.input[1]].astype(np.float64) * factor) @ last
    bias = (shift - mean * factor) @ last
    return matrix.astype(np.float32), bias.astype(np.float32)


def _apply_head(head: tuple[Floats, Floats], value: Any) -> Any:
    """Turn the trunk's (1, 1, 1, 512) into logits (1, 3)."""
    matrix, bias = head
    return tf.matmul(tf.reshape(value, (1, matrix.shape[0])), matrix) + bias
