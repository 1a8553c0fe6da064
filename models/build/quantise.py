"""Makes a full-integer network from a float one, by looking at what real faces do in it.

Cross-layer equalisation and bias correction after Nagel et al., "Data-Free Quantization Through
Weight Equalization and Bias Correction", ICCV 2019, here with measured activations. How much of
a range to keep is judged by the embedding, not by the tensor: by percentile or least squared
error, clipping costs some layers far more than the finer steps give back. Nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from appliance.vision.interpreter import TfliteModel
from models.build.flatbuffer import Affine
from models.build.floats import Place, write_float
from models.build.integers import Codes, write_int8
from models.build.network import (
    PIXEL_MEAN,
    PIXEL_SCALE,
    Array,
    Network,
    added_together,
    flip_steep_slopes,
    scale_channels,
)

# Where a 1x1 convolution follows, equal activations make its weights uneven: how far to go.
EVENNESS = 0.7

# Which shares of the range seen are tried for every tensor, and on one face in how many. Smaller
# ones please these faces and hurt a few of those that nobody has seen.
SHARES = (1.0, 0.85, 0.7)
SHARES_EVERY = 3
# Faces that nobody has seen go beyond the embedding's range, and there nothing makes good for it.
HEADROOM = 1.5

Values = NDArray[np.float32]


class Extent:
    """The least, the largest and the mean value of every channel of one tensor, (channels,)."""

    def __init__(self, channels: int) -> None:
        """Start with zero seen: integer codes must be able to store it."""
        self.low: Array = np.zeros(channels)
        self.high: Array = np.zeros(channels)
        self._sum: Array = np.zeros(channels)
        self._seen = 0

    def widen(self, slope: Array) -> None:
        """Make room for the PReLU's result: with negative slopes, low values come out high."""
        self.high = np.maximum(self.high, slope * self.low)

    def see(self, values: Values) -> None:
        """Take one face's tensor, (1, side, side, channels), into account."""
        rows = values.reshape(-1, self.low.size)
        self.low = np.minimum(self.low, rows.min(axis=0))
        self.high = np.maximum(self.high, rows.max(axis=0))
        self._sum += rows.mean(axis=0, dtype=np.float64)
        self._seen += 1

    @property
    def mean(self) -> Array:
        """The mean over all faces and places."""
        return self._sum / self._seen

    @property
    def reach(self) -> Array:
        """The largest magnitude; never zero, for channels that are silent exist."""
        return np.asarray(np.maximum(np.maximum(-self.low, self.high), 1e-6), np.float64)

    def code(self, share: float) -> Affine:
        """Return the code whose 256 values span this share of the range of all channels."""
        low, high = float(self.low.min()) * share, float(self.high.max()) * share
        scale = (high - low) / 255
        return Affine(np.float64(scale), round(-128 - low / scale))


@dataclass(frozen=True, eq=False)
class Observed:
    """What one layer makes of real faces.

    convolved: what its convolution gives, the range widened to what the PReLU makes of it.
    added: the residual sum, or None.
    """

    convolved: Extent
    added: Extent | None

    @property
    def total(self) -> Extent:
        """What the layer makes before its PReLU."""
        return self.added or self.convolved


def quantise(network: Network, pixels: NDArray[np.uint8]) -> bytes:
    """Return the int8 TFLite file of a network. pixels: (n, 112, 112, 3) RGB faces."""
    inputs = network_inputs(pixels)
    network = flip_steep_slopes(network)
    observed = observe(network, inputs)
    # The embedding's channels differ widely; each gets all 256 values, and its size back after.
    spread = observed[-1].total.reach
    network = scale_channels(equalise(network, observed), len(network) - 1, 1 / spread)
    observed = observe(network, inputs)
    codes = choose_codes(network, observed, inputs[::SHARES_EVERY], spread)
    network = correct_biases(network, codes, inputs, observed)
    return write_int8(network, codes, spread)


def network_inputs(pixels: NDArray[np.uint8]) -> Values:
    """Return (n, 112, 112, 3) float32 as the network takes it."""
    inputs = (pixels.astype(np.float32) - np.float32(PIXEL_MEAN)) * np.float32(PIXEL_SCALE)
    return np.asarray(inputs, np.float32)


def observe(network: Network, inputs: Values) -> list[Observed]:
    """Run the float network on every face; return what each layer makes of them."""
    observed = [
        Observed(Extent(layer.channels), None if layer.add is None else Extent(layer.channels))
        for layer in network
    ]
    extents = [extent for layer in observed for extent in (layer.convolved, layer.added) if extent]
    model = TfliteModel(write_float(network, inner=True), name="float", threads=1)
    for face in inputs:
        for extent, values in zip(extents, model.run(face[np.newaxis]), strict=True):
            extent.see(values)
    for layer, seen in zip(network, observed, strict=True):
        if layer.slope is not None:
            seen.convolved.widen(layer.slope)
    return observed


def equalise(network: Network, observed: Sequence[Observed]) -> Network:
    """Scale channels so that all of a tensor's channels use its range; exact, as PReLU allows.

    Where a depth-wise convolution follows, whose weights have a scale per channel anyway, the
    activations are made entirely equal; before a 1x1 convolution it is a compromise.
    """
    for index in range(len(network) - 1):
        group = added_together(network, index)
        if index != group[0]:
            continue  # done with the first of its group
        reach = np.max([observed[member].total.reach for member in group], axis=0)
        if network[index + 1].depthwise:
            factor = 1 / reach
        else:
            weights = np.max([_column_peaks(network, member + 1) for member in group], axis=0)
            factor = weights ** (1 - EVENNESS) / reach**EVENNESS
        network = scale_channels(network, index, factor / np.exp(np.log(factor).mean()))
    return network


def _column_peaks(network: Network, index: int) -> Array:
    """Return (in,): the largest weight on each input of a 1x1 convolution, each row to 1."""
    matrix = np.abs(network[index].matrix())
    peaks: Array = (matrix / matrix.max(axis=1, keepdims=True)).max(axis=0)
    return peaks


def choose_codes(
    network: Network, observed: Sequence[Observed], inputs: Values, spread: Array
) -> list[Codes]:
    """Choose how every layer's activations are stored: by what rounding them alone does."""
    exact = _embeddings(write_float(network), inputs, spread)

    def chosen(place: Place, seen: Extent) -> Affine:
        best, least = seen.code(1.0), np.inf
        for share in SHARES:
            code = seen.code(share)
            content = write_float(network, rounded={place: code})
            lost = 1 - (_embeddings(content, inputs, spread) * exact).sum(axis=1)
            # Squared: what is lost on few faces counts more than a little on all.
            loss = float(np.square(lost).mean())
            if loss > least:
                break
            best, least = code, loss
        return best

    inner = [
        Codes(
            chosen((index, "convolved"), seen.convolved),
            chosen((index, "added"), seen.added) if seen.added else None,
        )
        for index, seen in enumerate(observed[:-1])
    ]
    return [*inner, Codes(observed[-1].total.code(HEADROOM))]


def _embeddings(content: bytes, inputs: Values, spread: Array) -> Array:
    """Return (n, channels) unit vectors of (n, 112, 112, 3) faces; spread as for `write_int8`."""
    model = TfliteModel(content, name="float", threads=1)
    given = np.stack([model.run(face[np.newaxis])[0][0] for face in inputs]) * spread
    return np.asarray(given / np.linalg.norm(given, axis=1, keepdims=True), np.float64)


def correct_biases(
    network: Network, codes: Sequence[Codes], inputs: Values, observed: Sequence[Observed]
) -> Network:
    """Shift every layer's biases so that its mean over the faces is the float network's.

    From the first layer to the last, each seeing what the corrected integer layers before it
    really give.
    """
    layers = list(network)
    for index, layer in enumerate(network):
        # Without the PReLU, for the means are compared before it.
        part = [*layers[:index], replace(layer, slope=None)]
        model = TfliteModel(write_int8(part, codes[: index + 1]), name="int8", threads=1)
        wanted = observed[index].total.mean
        # TfliteModel gives real values, whatever the model's output is stored as.
        given = sum(model.run(face[np.newaxis])[0].mean(axis=(0, 1, 2)) for face in inputs)
        layers[index] = replace(layer, bias=layer.bias + wanted - given / len(inputs))
    return tuple(layers)
