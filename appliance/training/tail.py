"""The last part of a network in PyTorch, read from its TFLite file, so that it can be trained.

What is trained, from little to much: a linear `head` on the embedding, the `last` layer, or the
last `stage` (OpenFace's modules 5a and 5b, MobileFaceNet's last 1x1 and global depth-wise
convolution) together with the last layer. A head needs no operator of its own: the last layer is
linear, so both multiply out into one of the same shape, and a door pays nothing for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from appliance.errors import ModelError
from appliance.training.graph import WEIGHTED, Graph, Operator
from appliance.training.libraries import pytorch
from appliance.types import Floats

Tune = Literal["head", "last", "stage"]

# Under a root, so that the slope at nothing is finite; far below what float32 tells from a mean.
_TINY = 1e-12
_VALID = 1  # the schema's word for: no padding
_HEAD_WEIGHTS, _HEAD_BIAS = "head.weights", "head.bias"


@dataclass(frozen=True)
class Plan:
    """Where a network is cut for training. tensor: whose values the trained part is fed with."""

    tune: Tune
    tensor: int
    operators: tuple[Operator, ...]
    linear: Operator


def plan(graph: Graph, tune: Tune) -> Plan:
    """Find the cut. ModelError for a network that does not end in a linear layer."""
    weighted = [place for place, step in enumerate(graph.operators) if step.kind in WEIGHTED]
    last = weighted[-1] if weighted else 0
    linear = graph.operators[last]
    after = {step.kind for step in graph.operators[last + 1 :]}
    if linear.kind not in {"CONV_2D", "FULLY_CONNECTED"} or not after <= {"RESHAPE"}:
        raise _unknown(graph, "it does not end in a linear layer")
    if _activated(linear):
        raise _unknown(graph, "its last layer is not linear")
    tensor = _before_stage(graph, last) if tune == "stage" else linear.inputs[0]
    first = 1 + max(place for place, step in enumerate(graph.operators) if step.output == tensor)
    return Plan(tune, tensor, graph.operators[first:], linear)


def _before_stage(graph: Graph, last: int) -> int:
    """What the last stage is fed with: of Inception modules the last two, else after a residual."""
    joined = [step.output for step in graph.operators[:last] if step.kind == "CONCATENATION"]
    added = [step.output for step in graph.operators[:last] if step.kind == "ADD"]
    if len(joined) >= 3:
        return joined[-3]
    if not added:
        raise _unknown(graph, "its last stage is neither Inception modules nor residual blocks")
    return added[-1]


class Tail:
    """The trained part: parameters and how they act.

    parameters: tensors by name; those of the file are named by their number there. Only these are
    trained, everything else stays as it is.
    """

    def __init__(self, graph: Graph, of: Plan) -> None:
        """Begins as the very network of the file."""
        self._torch = pytorch()
        self._graph = graph
        self._plan = of
        self.parameters: dict[str, Any] = self._begun()
        self._fixed = {
            place: self._tensor(value)
            for step in of.operators
            for place in step.inputs[1:]
            if place >= 0 and (value := graph.constant(place)) is not None
        }

    def __call__(self, features: Any) -> Any:
        """(n, dimensions) unit vectors of (n, height, width, channels) values of the cut."""
        torch = self._torch
        # The runtime keeps channels last, PyTorch first.
        values = {self._plan.tensor: features.permute(0, 3, 1, 2)}
        for step in self._plan.operators:
            values[step.output] = self._apply(step, values)
        embedding = values[self._plan.operators[-1].output].flatten(1)
        if self._plan.tune == "head":
            embedding = embedding @ self.parameters[_HEAD_WEIGHTS].T
            embedding = embedding + self.parameters[_HEAD_BIAS]
        return torch.nn.functional.normalize(embedding, dim=1)

    def snapshot(self) -> dict[str, Floats]:
        """What the parameters are now, as arrays of their own."""
        return {name: value.detach().numpy().copy() for name, value in self.parameters.items()}

    def restore(self, kept: Mapping[str, Floats]) -> None:
        """Make the parameters what they were."""
        with self._torch.no_grad():
            for name, value in kept.items():
                self.parameters[name].copy_(self._torch.from_numpy(value))

    def constants(self) -> dict[int, Floats]:
        """The file's constants, by number, that are others now. A head is multiplied out."""
        kept = self.snapshot()
        if self._plan.tune != "head":
            return {int(name): value for name, value in kept.items()}
        weights, bias = self._plan.linear.inputs[1:3]
        before = np.asarray(self._graph.constant(weights), np.float64)
        shift = np.asarray(self._graph.constant(bias), np.float64)
        head = kept[_HEAD_WEIGHTS].astype(np.float64)
        product = head @ before.reshape(len(head), -1)
        return {
            weights: product.reshape(before.shape).astype(np.float32),
            bias: (head @ shift + kept[_HEAD_BIAS]).astype(np.float32),
        }

    def _begun(self) -> dict[str, Any]:
        if self._plan.tune == "head":
            size = self._graph.shape(self._plan.linear.inputs[2])[0]
            begun = {_HEAD_WEIGHTS: np.eye(size), _HEAD_BIAS: np.zeros(size)}
        else:
            begun = {
                str(place): np.asarray(self._graph.constant(place))
                for step in self._plan.operators
                if step.kind in WEIGHTED
                for place in step.inputs[1:3]
            }
        return {name: self._tensor(value).requires_grad_() for name, value in begun.items()}

    def _tensor(self, value: Any) -> Any:
        return self._torch.from_numpy(np.array(value, np.float32))

    def _constant(self, place: int) -> Any:
        return self.parameters.get(str(place), self._fixed.get(place))

    def _apply(self, step: Operator, values: Mapping[int, Any]) -> Any:
        given = [values[place] for place in step.inputs if place in values]
        actions: dict[str, Callable[[Operator, Sequence[Any]], Any]] = {
            "CONV_2D": self._convolved,
            "DEPTHWISE_CONV_2D": self._convolved,
            "FULLY_CONNECTED": self._connected,
            "PRELU": self._bent,
            "AVERAGE_POOL_2D": self._pooled,
            "MAX_POOL_2D": self._pooled,
            "PAD": self._padded,
            "CONCATENATION": self._joined,
            "SQUARE": lambda _, maps: maps[0] * maps[0],
            "SQRT": lambda _, maps: self._torch.sqrt(maps[0] + _TINY),
            "ADD": lambda _, maps: maps[0] + maps[1],
            "RESHAPE": lambda _, maps: _flat(maps[0]),
        }
        if step.kind not in actions:
            raise _unknown(self._graph, f"it has the operator {step.kind} in its last part")
        result = actions[step.kind](step, given)
        return self._torch.nn.functional.relu(result) if _activated(step) else result

    def _connected(self, step: Operator, given: Sequence[Any]) -> Any:
        weights, bias = (self._constant(place) for place in step.inputs[1:3])
        return self._torch.nn.functional.linear(_flat(given[0]), weights, bias)

    def _bent(self, step: Operator, given: Sequence[Any]) -> Any:
        slope = self._constant(step.inputs[1]).reshape(1, -1, 1, 1)
        return self._torch.where(given[0] > 0, given[0], slope * given[0])

    def _pooled(self, step: Operator, given: Sequence[Any]) -> Any:
        functional, options = self._torch.nn.functional, step.options
        pool = functional.max_pool2d if step.kind == "MAX_POOL_2D" else functional.avg_pool2d
        self._require(step, valid=options.padding == _VALID)
        window = (options.filterHeight, options.filterWidth)
        return pool(given[0], window, (options.strideH, options.strideW))

    def _padded(self, step: Operator, given: Sequence[Any]) -> Any:
        edges = np.asarray(self._graph.constant(step.inputs[1]))
        (above, below), (left, right) = edges[1:3].tolist()
        return self._torch.nn.functional.pad(given[0], (left, right, above, below))

    def _joined(self, step: Operator, given: Sequence[Any]) -> Any:
        self._require(step, valid=step.options.axis in {3, -1})
        return self._torch.cat(list(given), dim=1)

    def _convolved(self, step: Operator, given: Sequence[Any]) -> Any:
        options, weights = step.options, self._constant(step.inputs[1])
        each = step.kind == "DEPTHWISE_CONV_2D"
        # Stored as (out, rows, columns, in), and (1, rows, columns, channels) where each channel
        # has its own.
        kernel = weights.permute(3, 0, 1, 2) if each else weights.permute(0, 3, 1, 2)
        rows, columns = kernel.shape[2:]
        stride = (options.strideH, options.strideW)
        same = options.padding != _VALID and (rows, columns) != (1, 1)
        # Evenly padded only where no step is skipped; the networks here pad by an operator else.
        self._require(step, valid=not same or (stride == (1, 1) and rows % 2 and columns % 2))
        around = (rows // 2, columns // 2) if same else (0, 0)
        groups = kernel.shape[0] if each else 1
        bias = self._constant(step.inputs[2])
        return self._torch.nn.functional.conv2d(given[0], kernel, bias, stride, around, 1, groups)

    def _require(self, step: Operator, *, valid: bool) -> None:
        if not valid:
            raise _unknown(self._graph, f"its {step.kind} is of a kind that is not trained")


def _flat(value: Any) -> Any:
    """(n, all others), channels last as TFLite counts them."""
    return value.permute(0, 2, 3, 1).flatten(1) if value.ndim == 4 else value


def _activated(step: Operator) -> bool:
    """Whether a ReLU is fused into an operator."""
    return int(getattr(step.options, "fusedActivationFunction", 0)) == 1


def _unknown(graph: Graph, why: str) -> ModelError:
    return ModelError(
        f"The network {graph.name!r} cannot be trained: {why}.",
        hint="Train openface or mobilefacenet, or one of the same build.",
        code="not_trainable",
    )
