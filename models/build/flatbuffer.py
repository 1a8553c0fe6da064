"""Writes TFLite files: a thin layer over the schema classes that ship with ai-edge-litert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

FILE_IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3

TENSOR_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int32): schema.TensorType.INT32,
}

# The lowest version of each operator that has the types used here, so that old runtimes load it.
VERSIONS: dict[str, dict[Any, int]] = {
    "CONV_2D": {np.dtype(np.int8): 3},
    "DEPTHWISE_CONV_2D": {np.dtype(np.int8): 3},
    "ADD": {np.dtype(np.int8): 2},
    "MUL": {np.dtype(np.int8): 2},
    "MAXIMUM": {np.dtype(np.int8): 2},
    "DEQUANTIZE": {np.dtype(np.int8): 2, np.dtype(np.float16): 3},
}


@dataclass(frozen=True)
class Affine:
    """real = (stored - zero) * scale; one scale, or one per index of `axis`."""

    scale: NDArray[np.float64] | np.float64
    zero: int = 0
    axis: int = 0

    def quantise(self, real: NDArray[np.floating[Any]]) -> NDArray[np.int8]:
        """Round to int8, halves to even, saturating."""
        stored = np.rint(real / self.scale) + self.zero
        return np.asarray(np.clip(stored, -128, 127), np.int8)

    def dequantise(self, stored: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return the real values of int8 ones (widened before the zero point is taken off)."""
        return (stored.astype(np.float64) - self.zero) * self.scale


class Writer:
    """Collects the tensors and operators of one graph and packs them into a TFLite file."""

    def __init__(self) -> None:
        """Start an empty model; buffer 0 is the empty one that the format wants."""
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._buffers = [schema.BufferT()]
        self._codes: dict[tuple[str, int], int] = {}

    def variable(
        self, name: str, shape: tuple[int, ...], dtype: Any, quant: Affine | None = None
    ) -> int:
        """Add a tensor that an operator computes; return its index."""
        return self._tensor(name, shape, np.dtype(dtype), 0, quant)

    def constant(self, name: str, value: NDArray[Any], quant: Affine | None = None) -> int:
        """Add a tensor that the file holds; return its index."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
        self._buffers.append(buffer)
        return self._tensor(name, value.shape, value.dtype, len(self._buffers) - 1, quant)

    def shape(self, index: int) -> tuple[int, ...]:
        """Return the shape of a tensor that was added."""
        return tuple(self._graph.tensors[index].shape)

    def operator(
        self, kind: str, inputs: list[int], output: int, options: Mapping[str, Any] | None = None
    ) -> int:
        """Add an operator by its name in the schema; return `output`."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(kind, inputs[0])
        operator.inputs, operator.outputs = inputs, [output]
        if options is not None:
            table = "".join(part.capitalize() for part in kind.split("_")) + "Options"
            # The schema writes Conv2DOptions, DepthwiseConv2DOptions.
            table = table.replace("2d", "2D")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = getattr(schema, table + "T")()
            for key, value in options.items():
                setattr(operator.builtinOptions, key, value)
        self._graph.operators.append(operator)
        return output

    def pack(self, source: int, outputs: list[int], description: str) -> bytes:
        """Return the file with one input, the outputs and the signature `serving_default`."""
        graph = self._graph
        graph.name, graph.inputs, graph.outputs = b"main", [source], outputs
        model = schema.ModelT()
        model.version, model.description = SCHEMA_VERSION, description
        model.subgraphs, model.buffers = [graph], self._buffers
        model.operatorCodes = [_operator_code(kind, version) for kind, version in self._codes]
        model.signatureDefs = [self._signature(source, outputs)]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _tensor(
        self, name: str, shape: tuple[int, ...], dtype: Any, buffer: int, quant: Affine | None
    ) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(shape), buffer
        tensor.type = TENSOR_TYPES[dtype]
        if quant is not None:
            scales = np.atleast_1d(quant.scale).ravel()
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = scales.astype(np.float32)
            tensor.quantization.zeroPoint = np.full(scales.size, quant.zero, np.int64)
            tensor.quantization.quantizedDimension = quant.axis
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _code(self, kind: str, first_input: int) -> int:
        """Return the index of an operator code, whose version depends on the input's type."""
        tensor_type = self._graph.tensors[first_input].type
        dtype = next(dtype for dtype, value in TENSOR_TYPES.items() if value == tensor_type)
        version = VERSIONS.get(kind, {}).get(dtype, 1)
        return self._codes.setdefault((kind, version), len(self._codes))

    def _signature(self, source: int, outputs: list[int]) -> Any:
        signature = schema.SignatureDefT()
        signature.signatureKey = "serving_default"
        signature.inputs = [self._binding(source)]
        signature.outputs = [self._binding(output) for output in outputs]
        return signature

    def _binding(self, index: int) -> Any:
        binding = schema.TensorMapT()
        binding.name, binding.tensorIndex = self._graph.tensors[index].name, index
        return binding


def _operator_code(kind: str, version: int) -> Any:
    """Return an operator code with both the old and the new field filled.

    Tools that only know one of the two fields silently skip operators without it.
    """
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode, code.version = code.builtinCode, version
    return code
