"""Reads OpenFace nn4.small2.v1 from the Torch 7 file that its project published.

B. Amos, B. Ludwiczuk, M. Satyanarayanan, "OpenFace: A general-purpose face recognition library
with mobile applications", CMU-CS-16-118, 2016. The file is a tree of Torch objects; here it
becomes a tuple of small frozen layers, with every batch normalisation folded into the
convolution before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torchfile
from numpy.typing import NDArray

from models.build.job import BuildError

Floats = NDArray[np.float32]


class UnknownLayerError(BuildError):
    """The Torch file holds something that this reader does not translate."""

    def __init__(self, what: str) -> None:
        super().__init__(f"this Torch file is not the network the build was written for: {what}.")


@dataclass(frozen=True)
class Convolution:
    """A convolution with its batch normalisation folded in.

    `weights` is (rows, columns, inputs, outputs) float32, `bias` (outputs,)
    float32; `stride` and `padding` are in pixels and hold for both axes.
    """

    weights: Floats
    bias: Floats
    stride: int
    padding: int
    relu: bool = False


@dataclass(frozen=True)
class MaxPool:
    """Largest value of a window; `padding` surrounds the map with nothing."""

    window: int
    stride: int
    padding: int


@dataclass(frozen=True)
class L2Pool:
    """Root of the *sum* of squares in a window (Torch's SpatialLPPooling)."""

    window: int
    stride: int


@dataclass(frozen=True)
class MeanPool:
    """Mean of a window, unpadded."""

    window: int
    stride: int


@dataclass(frozen=True)
class CrossMapNorm:
    """Local response normalisation over `size` neighbouring channels.

    `y = x / (bias + alpha / size * sum of squares) ** beta`: Torch divides
    alpha by the window, TensorFlow does not.
    """

    size: int
    alpha: float
    beta: float
    bias: float


@dataclass(frozen=True)
class Branches:
    """Parallel paths whose maps are centred in the largest and concatenated."""

    paths: tuple[tuple[Layer, ...], ...]


@dataclass(frozen=True)
class Dense:
    """`x @ weights + bias`; weights (inputs, outputs) float32."""

    weights: Floats
    bias: Floats


Layer = Convolution | MaxPool | L2Pool | MeanPool | CrossMapNorm | Branches | Dense


def read_network(path: Path) -> tuple[Layer, ...]:
    """Read the `.t7` file at `path` as layers, in order of evaluation.

    Raises :class:`UnknownLayerError` where the file holds another network than
    the kind translated here.
    """
    return _sequence(torchfile.load(str(path)))


def _kind(module: Any) -> str:
    """Return the Torch class of `module` without its `nn.` prefix."""
    name: bytes = module.torch_typename()
    return name.decode().removeprefix("nn.")


def _field(module: Any, name: str) -> Any:
    """Return one field of a Torch object; an absent one is an error."""
    try:
        return module._obj[name.encode()]  # noqa: SLF001  (torchfile has no other door)
    except KeyError:
        raise UnknownLayerError(f"{_kind(module)} has no field {name!r}") from None


def _square(module: Any, horizontal: str, vertical: str) -> int:
    """Return a size that must be the same along both axes."""
    across, down = int(_field(module, horizontal)), int(_field(module, vertical))
    if across != down:
        raise UnknownLayerError(f"{_kind(module)}: {horizontal}={across} but {vertical}={down}")
    return across


def _sequence(module: Any) -> tuple[Layer, ...]:
    """Translate a container, folding what belongs to the layer before it."""
    layers: list[Layer] = []
    for child in _field(module, "modules"):
        kind = _kind(child)
        if kind in _SHAPE_ONLY:
            continue
        if kind == "SpatialBatchNormalization":
            layers[-1] = _fold(_convolution_before(layers, kind), child)
        elif kind == "ReLU":
            layers[-1] = replace(_convolution_before(layers, kind), relu=True)
        elif kind in _READERS:
            layers.append(_READERS[kind](child))
        else:
            raise UnknownLayerError(f"no translation for Torch's {kind}")
    return tuple(layers)


def _convolution_before(layers: Sequence[Layer], kind: str) -> Convolution:
    """Return the last layer, which `kind` may only follow if it convolves."""
    if not layers or not isinstance(layers[-1], Convolution):
        raise UnknownLayerError(f"{kind} without a convolution before it")
    return layers[-1]


def _fold(convolution: Convolution, norm: Any) -> Convolution:
    """Fold a batch normalisation into the convolution before it.

    This generation of Torch keeps `running_std`, which despite its name is
    the *inverse* standard deviation, epsilon included.
    """
    factor = _field(norm, "weight") * _field(norm, "running_std")
    shift = _field(norm, "bias") - _field(norm, "running_mean") * factor
    return replace(
        convolution,
        weights=(convolution.weights * factor).astype(np.float32),
        bias=(convolution.bias * factor + shift).astype(np.float32),
    )


def _read_convolution(module: Any) -> Convolution:
    """Translate both spellings of Torch's convolution."""
    side = _square(module, "kW", "kH")
    weights = np.asarray(_field(module, "weight"), np.float32)
    weights = weights.reshape(-1, int(_field(module, "nInputPlane")), side, side)
    return Convolution(
        weights=np.ascontiguousarray(weights.transpose(2, 3, 1, 0)),
        bias=np.asarray(_field(module, "bias"), np.float32),
        stride=_square(module, "dW", "dH"),
        padding=_square(module, "padW", "padH"),
    )


def _read_max_pool(module: Any) -> MaxPool:
    if _field(module, "ceil_mode"):
        raise UnknownLayerError("max pooling that rounds its size up")
    return MaxPool(
        window=_square(module, "kW", "kH"),
        stride=_square(module, "dW", "dH"),
        padding=_square(module, "padW", "padH"),
    )


def _read_l2_pool(module: Any) -> L2Pool:
    steps = [_kind(step) for step in _field(module, "modules")]
    if steps != ["Square", "SpatialAveragePooling", "MulConstant", "Sqrt"]:
        raise UnknownLayerError(f"SpatialLPPooling made of {steps}: not the L2 norm")
    return L2Pool(_square(module, "kW", "kH"), _square(module, "dW", "dH"))


def _read_mean_pool(module: Any) -> MeanPool:
    if _square(module, "padW", "padH"):
        raise UnknownLayerError("padded mean pooling")
    return MeanPool(_square(module, "kW", "kH"), _square(module, "dW", "dH"))


def _read_cross_map_norm(module: Any) -> CrossMapNorm:
    return CrossMapNorm(
        size=int(_field(module, "size")),
        alpha=float(_field(module, "alpha")),
        beta=float(_field(module, "beta")),
        bias=float(_field(module, "k")),
    )


def _read_inception(module: Any) -> Branches:
    (concatenation,) = _field(module, "modules")
    if _kind(concatenation) != "DepthConcat":
        raise UnknownLayerError(f"an Inception around {_kind(concatenation)}")
    paths = _field(concatenation, "modules")
    return Branches(tuple(_sequence(path) for path in paths))


def _read_dense(module: Any) -> Dense:
    return Dense(
        weights=np.ascontiguousarray(np.asarray(_field(module, "weight"), np.float32).T),
        bias=np.asarray(_field(module, "bias"), np.float32),
    )


_READERS: dict[str, Callable[[Any], Layer]] = {
    "SpatialConvolution": _read_convolution,
    "SpatialConvolutionMM": _read_convolution,
    "SpatialMaxPooling": _read_max_pool,
    "SpatialLPPooling": _read_l2_pool,
    "SpatialAveragePooling": _read_mean_pool,
    "SpatialCrossMapLRN": _read_cross_map_norm,
    "Inception": _read_inception,
    "Linear": _read_dense,
}

_SHAPE_ONLY = frozenset({"Reshape", "View", "Normalize"})
"""Reshape and View only flatten one pixel; Normalize is left to the appliance."""
