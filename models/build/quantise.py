"""Makes a full-integer network from a float one, by looking at what real faces do in it.

Cross-layer equalisation and bias correction after Nagel et al., "Data-Free Quantization Through
Weight Equalization and Bias Correction", ICCV 2019, here with measured activations; ranges by
least mean squared error. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from appliance.vision.interpreter import TfliteModel
from models.build.flatbuffer import Affine
from models.build.floats import write_float
from models.build.integers import Codes, write_int8
from models.build.network import (
    PIXEL_MEAN,
    PIXEL_SCALE,
    Array,
    Network,
    added_together,
    flip_steep_slopes,
    scale_channels,
    sides,
)

# Places looked at per layer and face: enough for ranges, and fits a small machine's memory.
PLACES = 16
# The share of a channel's values that has to fit after equalisation, in percent.
FITTING = 99.9
# Where a 1x1 convolution follows, equal activations make its weights uneven: how far to go.
EVENNESS = 0.7
# Shares of the whole range to try when choosing a code, and values to try them on.
SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
TRIED_VALUES = 60_000

Values = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Observed:
    """What layers make of real faces, before their PReLU and residual sums included.

    before: per layer (rows, channels), the same places for all layers of one side.
    mean: per layer (channels,), over every place of every face.
    """

    before: Sequence[Values]
    mean: Sequence[Array]


def quantise(network: Network, pixels: NDArray[np.uint8]) -> bytes:
    """Return the int8 TFLite file of a network. pixels: (n, 112, 112, 3) RGB faces."""
    inputs = network_inputs(pixels)
    network = flip_steep_slopes(network)
    network = equalise(network, observe(network, inputs))
    observed = observe(network, inputs)
    codes = choose_codes(network, observed)
    network = correct_biases(network, codes, inputs, observed.mean)
    return write_int8(network, codes)


def network_inputs(pixels: NDArray[np.uint8]) -> Values:
    """Return (n, 112, 112, 3) float32 as the network takes it."""
    return (pixels.astype(np.float32) - np.float32(PIXEL_MEAN)) * np.float32(PIXEL_SCALE)


def observe(network: Network, inputs: Values) -> Observed:
    """Run the float network on every face and keep samples and means of every layer."""
    model = TfliteModel(write_float(network, inner=True), name="float", threads=2)
    random = np.random.default_rng(0)
    samples: list[list[Values]] = [[] for _ in network]
    sums = [np.zeros(layer.channels) for layer in network]
    for face in inputs:
        places = {side: random.permutation(side * side)[:PLACES] for side in sides(network)}
        outputs = model.run(face[np.newaxis])
        for index, (side, output) in enumerate(zip(sides(network), outputs, strict=True)):
            values = output.reshape(side * side, -1)
            samples[index].append(values[places[side]])
            sums[index] += values.mean(axis=0, dtype=np.float64)
    before = [np.concatenate(rows) for rows in samples]
    return Observed(before, [total / len(inputs) for total in sums])


def results(network: Network, before: Sequence[Values]) -> list[Values]:
    """Return what the layers hand on, after their PReLU."""
    return [
        values
        if layer.slope is None
        else np.maximum(values, values * layer.slope.astype(np.float32))
        for layer, values in zip(network, before, strict=True)
    ]


def equalise(network: Network, observed: Observed) -> Network:
    """Scale channels so that all of a tensor's channels use its range; exact, as PReLU allows.

    Where a depth-wise convolution follows, whose weights have a scale per channel anyway, the
    activations are made entirely equal; before a 1x1 convolution it is a compromise.
    """
    after = results(network, observed.before)
    done: set[tuple[int, ...]] = set()
    for index in range(len(network) - 1):
        group = added_together(network, index)
        if group in done:
            continue
        done.add(group)
        reach = np.max(
            [
                np.percentile(np.abs(values[member]), FITTING, axis=0)
                for member in group
                for values in (observed.before, after)
            ],
            axis=0,
        )
        if network[index + 1].depthwise:
            factor = 1 / (reach + 1e-6)
        else:
            weights = np.max([_column_peaks(network, member + 1) for member in group], axis=0)
            factor = (reach + 1e-6) ** -EVENNESS * weights ** (1 - EVENNESS)
        network = scale_channels(network, index, factor / np.exp(np.log(factor).mean()))
    return network


def _column_peaks(network: Network, index: int) -> Array:
    """Return (in,): the largest weight on each input of a 1x1 convolution, each row to 1."""
    matrix = np.abs(network[index].matrix())
    peaks: Array = (matrix / matrix.max(axis=1, keepdims=True)).max(axis=0)
    return peaks


def choose_codes(network: Network, observed: Observed) -> list[Codes]:
    """Choose how every layer's activations are stored."""
    handed_on = results(network, observed.before)
    codes = []
    for layer, before, after in zip(network, observed.before, handed_on, strict=True):
        if layer.add is None:
            codes.append(Codes(_best_code(np.concatenate([before, after]))))
        else:
            convolved = before - handed_on[layer.add]
            codes.append(Codes(_best_code(convolved), _best_code(before)))
    return codes


def _best_code(values: Values) -> Affine:
    """Return the int8 code that stores the values with the least mean squared error.

    Clipping a few outliers is worth a finer step for all the others.
    """
    random = np.random.default_rng(0)
    flat = values.ravel()
    some = random.choice(flat, TRIED_VALUES).astype(np.float64)
    low, high = min(float(flat.min()), 0.0), max(float(flat.max()), 0.0)
    tried = [_code_of_range(low * one, high * other) for one, other in product(SHARES, SHARES)]
    return min(
        tried, key=lambda code: np.square(code.dequantise(code.quantise(some)) - some).mean()
    )


def _code_of_range(low: float, high: float) -> Affine:
    """Return the code whose 256 values reach from low (at most 0) to high (at least 0)."""
    scale = (high - low) / 255
    return Affine(np.float64(scale), round(-128 - low / scale))


def correct_biases(
    network: Network, codes: Sequence[Codes], inputs: Values, wanted: Sequence[Array]
) -> Network:
    """Shift every layer's biases so that its mean over the faces is the float network's.

    From the first layer to the last, each seeing what the corrected integer layers before it
    really give. wanted: per layer (channels,), `Observed.mean`.
    """
    layers = list(network)
    for index, layer in enumerate(network):
        # Without the PReLU, for the means are compared before it.
        part = [*layers[:index], replace(layer, slope=None)]
        model = TfliteModel(
            write_int8(part, codes[: index + 1], inner=True), name="int8", threads=2
        )
        # TfliteModel gives real values, whatever the model's output is stored as.
        given = sum(model.run(face[np.newaxis])[0].mean(axis=(0, 1, 2)) for face in inputs)
        layers[index] = replace(layer, bias=layer.bias + wanted[index] - given / len(inputs))
    return tuple(layers)
