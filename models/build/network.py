"""MobileFaceNet as plain arrays: read from the published file, and rewritten exactly.

Chen et al., "MobileFaceNets", 2018: a chain of 1x1 and depth-wise convolutions, most followed
by a PReLU, with residual additions. Every function here keeps what the network computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

Array = NDArray[np.float64]

INPUT_SIDE = 112
INPUT_CHANNELS = 3
# What the network takes is (pixel - PIXEL_MEAN) * PIXEL_SCALE.
PIXEL_MEAN = 127.5
PIXEL_SCALE = 1 / 128


@dataclass(frozen=True)
class Layer:
    """One convolution, then an addition if it has one, or a PReLU if it has slopes; never both.

    weight: (out, height, width, in), or (1, height, width, channels) if depth-wise.
    bias: (out,). slope: (out,), y = x for x > 0 and slope * x below, or None.
    same: padded so that only the stride shrinks the picture; else not padded.
    add: index of the earlier layer whose result is added to this one's, or None.
    """

    weight: Array
    bias: Array
    depthwise: bool
    stride: int
    same: bool
    slope: Array | None = None
    add: int | None = None

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return int(self.bias.size)

    @property
    def pointwise(self) -> bool:
        """Whether this is a 1x1 convolution, a matrix applied at every pixel."""
        return not self.depthwise and self.weight.shape[1:3] == (1, 1)

    @property
    def linear(self) -> bool:
        """Whether nothing happens after the convolution."""
        return self.slope is None and self.add is None

    def matrix(self) -> Array:
        """Return a 1x1 convolution's weights as (out, in)."""
        return self.weight[:, 0, 0, :]

    def side_after(self, side: int) -> int:
        """Return the side of the output for a square input, in pixels."""
        if self.same:
            return -(-side // self.stride)
        return (side - int(self.weight.shape[1])) // self.stride + 1


Network = tuple[Layer, ...]


def read_published(path: Path) -> Network:
    """Read the layers out of the published flatbuffer.

    It spells PReLU as ReLU(x) + half_slope * (x - |x|); an addition of two different layers'
    results is a residual one.
    """
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]

    def constant(index: int) -> Array:
        tensor = graph.tensors[index]
        data = np.frombuffer(model.buffers[tensor.buffer].data.tobytes(), np.float32)
        return np.asarray(data.reshape(tensor.shape), np.float64)

    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    layers: list[Layer] = []
    made_by: dict[int, int] = {}  # tensor -> the layer that it is a result of
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind.endswith("CONV_2D"):
            options = operator.builtinOptions
            layers.append(
                Layer(
                    weight=constant(operator.inputs[1]),
                    bias=constant(operator.inputs[2]),
                    depthwise=kind.startswith("DEPTHWISE"),
                    stride=options.strideH,
                    same=options.padding == schema.Padding.SAME,
                )
            )
        elif kind == "MUL":
            layers[-1] = replace(layers[-1], slope=2 * constant(operator.inputs[0]))
        elif kind == "ADD":
            first = min(made_by[index] for index in operator.inputs)
            if first != len(layers) - 1:
                layers[-1] = replace(layers[-1], add=first)
        made_by[operator.outputs[0]] = len(layers) - 1
    return tuple(layers)


def merge_linear(network: Network) -> Network:
    """Multiply out 1x1 convolutions that follow one another with nothing between them."""
    layers: list[Layer] = []
    position: dict[int, int] = {}  # old index -> new index
    added = {layer.add for layer in network}
    for index, layer in enumerate(network):
        add = None if layer.add is None else position[layer.add]
        before = layers[-1] if layers else None
        alone = index - 1 not in added  # nobody else needs the result between the two
        if before and before.linear and before.pointwise and layer.pointwise and alone:
            layers[-1] = replace(_product(before, layer), add=add)
        else:
            layers.append(replace(layer, add=add))
        position[index] = len(layers) - 1
    return tuple(layers)


def _product(first: Layer, second: Layer) -> Layer:
    """Return the one 1x1 convolution that does what two in a row do."""
    weight = second.matrix() @ first.matrix()
    bias = second.matrix() @ first.bias + second.bias
    return replace(second, weight=weight[:, None, None, :], bias=bias)


def scale_channels(network: Network, index: int, factor: Array) -> Network:
    """Multiply a layer's result by `factor` per channel and undo it in the layer after.

    Layers whose results are added together must be scaled together: pass any one of them.
    The factor must be positive where a PReLU lies between.
    """
    layers = list(network)
    for member in added_together(network, index):
        layers[member] = _scale_output(layers[member], factor)
        if member + 1 < len(layers):
            layers[member + 1] = _scale_input(layers[member + 1], 1 / factor)
    return tuple(layers)


def added_together(network: Network, index: int) -> tuple[int, ...]:
    """Return the layers whose results meet in additions with the layer `index`'s, itself too."""
    group = {index}
    for later in range(index, len(network)):
        if network[later].add in group:
            group.add(later)
    for earlier in range(len(network) - 1, -1, -1):
        add = network[earlier].add
        if earlier in group and add is not None:
            group.add(add)
    return tuple(sorted(group))


def flip_steep_slopes(network: Network) -> Network:
    """Bring every PReLU slope into [-1, 1].

    PReLU with slope a satisfies prelu_a(x) = -a * prelu_1/a(-x): negate the channel, take the
    slope's inverse, and let the next layer take the factor -a.
    """
    layers = list(network)
    for index, layer in enumerate(network):
        if layer.slope is None:
            continue
        steep = np.abs(layer.slope) > 1
        sign = np.where(steep, -1.0, 1.0)
        slope = np.where(steep, 1 / np.where(steep, layer.slope, 1), layer.slope)
        layers[index] = replace(_scale_output(layers[index], sign), slope=slope)
        after = np.where(steep, -layer.slope, 1.0)
        layers[index + 1] = _scale_input(layers[index + 1], after)
    return tuple(layers)


def _scale_output(layer: Layer, factor: Array) -> Layer:
    """Scale what the convolution gives, per output channel."""
    shaped = factor if layer.depthwise else factor[:, None, None, None]
    return replace(layer, weight=layer.weight * shaped, bias=layer.bias * factor)


def _scale_input(layer: Layer, factor: Array) -> Layer:
    """Scale what the convolution takes, per input channel."""
    return replace(layer, weight=layer.weight * factor)


def sides(network: Sequence[Layer]) -> list[int]:
    """Return the side of every layer's output in pixels."""
    side, result = INPUT_SIDE, []
    for layer in network:
        side = layer.side_after(side)
        result.append(side)
    return result
