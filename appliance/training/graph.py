"""A TFLite file as a list of operators: read, cut short, and written again with other weights.

The shipped networks are the starting point of training, so training needs neither their Torch nor
their TensorFlow sources: what stands before the cut is run by the TFLite runtime as it is, what
stands behind it is read from the file. The schema's classes come with ai-edge-litert.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.errors import ModelError
from appliance.types import Floats

_FILE_IDENTIFIER = b"TFL3"
_LARGEST = 127  # of a symmetric int8 weight
# Operators with weights: input 0 is what flows through, 1 the weights, 2 the bias.
WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"})


@dataclass(frozen=True)
class Operator:
    """One step. kind: the schema's word. inputs, output: tensors. options: the schema's table."""

    kind: str
    inputs: tuple[int, ...]
    output: int
    options: Any


class Graph:
    """One network's file. Nothing of it is changed; what is written is a new file."""

    def __init__(self, content: bytes, name: str) -> None:
        """content: the file's bytes, already checked. name: for messages. ModelError."""
        self._schema = _schema()
        self._content = content
        self.name = name
        self._model = self._unpacked()
        self._graph = self._model.subgraphs[0]
        kinds = {
            value: word
            for word, value in vars(self._schema.BuiltinOperator).items()
            if not word.startswith("_")
        }
        codes = [
            kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
            for code in self._model.operatorCodes
        ]
        self.operators = tuple(
            Operator(
                codes[step.opcodeIndex],
                tuple(int(tensor) for tensor in step.inputs),
                int(step.outputs[0]),
                step.builtinOptions,
            )
            for step in self._graph.operators
        )
        self.output = int(self._graph.outputs[0])

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape."""
        return tuple(int(side) for side in self._graph.tensors[tensor].shape)

    def constant(self, tensor: int) -> NDArray[Any] | None:
        """A tensor that the file holds, real-valued where it is stored as int8; else None."""
        told = self._graph.tensors[tensor]
        data = self._model.buffers[told.buffer].data
        if data is None or not len(data):
            return None
        kinds = self._schema.TensorType
        dtypes = {kinds.FLOAT32: np.float32, kinds.INT32: np.int32, kinds.INT8: np.int8}
        if told.type not in dtypes:
            raise ModelError(
                f"The network {self.name!r} holds weights in a format that is not trained.",
                hint="Train a float32 model of the manifest.",
            )
        values = np.frombuffer(bytes(data), dtypes[told.type]).reshape(self.shape(tensor))
        if told.type != kinds.INT8:
            return values
        scale, axis = _scales(told), int(told.quantization.quantizedDimension)
        sides = [1] * values.ndim
        sides[axis] = -1
        return np.asarray(values * scale.reshape(sides), np.float32)

    def cut(self, tensor: int) -> bytes:
        """The file of what leads up to a tensor, which becomes its only output."""
        model = self._unpacked()
        graph = model.subgraphs[0]
        needed, kept = {tensor}, []
        for step in reversed(graph.operators):
            if needed.intersection(int(output) for output in step.outputs):
                needed.update(int(place) for place in step.inputs)
                kept.append(step)
        graph.operators = kept[::-1]
        graph.outputs = [tensor]
        model.signatureDefs = None  # of the outputs that are no more
        return self._packed(model)

    def with_constants(self, values: Mapping[int, Floats], description: str) -> bytes:
        """The file with other values in some constant tensors, quantised as the old ones were.

        values: float32 of the tensors' own shapes. int8 tensors get new scales, symmetric, one for
        each channel where they had one for each.
        """
        model = self._unpacked()
        for tensor, value in values.items():
            told = model.subgraphs[0].tensors[tensor]
            if value.shape != self.shape(tensor):
                raise ModelError(
                    f"Weights of shape {value.shape} do not fit {self.name!r}, which has "
                    f"{self.shape(tensor)} there."
                )
            stored: NDArray[Any] = np.ascontiguousarray(value, np.float32)
            if told.type == self._schema.TensorType.INT8:
                stored, scale = _quantised(stored, told)
                told.quantization.scale = scale
            buffer = model.buffers[told.buffer]
            buffer.data = np.frombuffer(stored.tobytes(), np.uint8)
        model.description = description.encode()
        return self._packed(model)

    def _unpacked(self) -> Any:
        try:
            return self._schema.ModelT.InitFromPackedBuf(self._content, 0)
        except Exception as error:  # whatever bytes that are no network make the reader raise
            raise ModelError(
                f"The network {self.name!r} cannot be read as TFLite: {type(error).__name__}.",
                hint="Restore the models that came with this version.",
            ) from error

    def _packed(self, model: Any) -> bytes:
        import flatbuffers

        builder = flatbuffers.Builder(len(self._content))
        builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
        return bytes(builder.Output())


def counterpart(source: Graph, target: Graph, tensor: int) -> int:
    """The constant in `target` that stands where `tensor` stands in `source`.

    target: the same network in another precision, whose operators come in the same order.
    ModelError where it is another network.
    """
    for own, other in zip(source.operators, target.operators, strict=False):
        if own.kind != other.kind or source.shape(own.output) != target.shape(other.output):
            break
        if tensor in own.inputs[1:]:
            return other.inputs[own.inputs.index(tensor)]
    raise ModelError(
        f"{target.name!r} is not the network {source.name!r} in another precision.",
        hint="Restore the models that came with this version.",
    )


def _scales(told: Any) -> Floats:
    return np.asarray(told.quantization.scale, np.float32)


def _quantised(value: Floats, told: Any) -> tuple[NDArray[np.int8], Floats]:
    """int8 with symmetric scales, as many as there were."""
    axis = int(told.quantization.quantizedDimension)
    others = tuple(place for place in range(value.ndim) if place != axis)
    each = len(told.quantization.scale) > 1
    largest = np.abs(value).max(axis=others if each else None, keepdims=True)
    scale = np.maximum(largest / _LARGEST, np.finfo(np.float32).tiny).astype(np.float32)
    stored = np.clip(np.rint(value / scale), -_LARGEST, _LARGEST).astype(np.int8)
    return stored, scale.ravel()


def _schema() -> ModuleType:
    try:
        import flatbuffers  # noqa: F401 - what the schema's classes are written with
        from ai_edge_litert import schema_py_generated
    except ImportError:
        raise ModelError(
            "Training writes TFLite files, which needs ai-edge-litert and flatbuffers.",
            hint="Train on a 64-bit system: pip install 'face-access-appliance[train]'.",
            code="missing_library",
        ) from None
    module: ModuleType = schema_py_generated
    return module
