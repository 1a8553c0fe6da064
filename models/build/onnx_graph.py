"""Writes a TFLite network of ours as ONNX, operator by operator: the same weights, the same sums.

Only what the shipped MobileFaceNet consists of is known: convolutions, PReLU, additions and the
last reshape. Anything else is refused, for a guess would be another network. ONNX puts channels
before rows and columns and TFLite behind them; the twin takes and gives what TFLite does, and
turns the picture itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.build.job import BuildError

# Old enough for the ONNX parser of TensorRT 8.6 (JetPack 6.0), and for ONNX Runtime 1.18.
OPSET = 13
IR_VERSION = 8

Array = NDArray[Any]


def to_onnx(content: bytes, name: str) -> bytes:
    """Return an ONNX file that computes what the TFLite file `content` computes.

    One input and one output, both float32 in TFLite's shapes, named as there. The same input gives
    the same bytes. BuildError for an operator, type or padding that is not known here.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    if len(model.subgraphs) != 1:
        raise BuildError(f"{name} has {len(model.subgraphs)} graphs, and one is expected.")
    graph = _Graph(model)
    for operator in graph.tflite.operators:
        graph.translate(operator)
    made = helper.make_model(
        graph.pack(name),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="models.build",
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString(deterministic=True))


@dataclass
class _Graph:
    """The ONNX graph while it is written. Values inside are (1, channels, rows, columns)."""

    model: Any
    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tflite = self.model.subgraphs[0]
        self._kinds = {value: key for key, value in vars(schema.BuiltinOperator).items()}
        if (len(self.tflite.inputs), len(self.tflite.outputs)) != (1, 1):
            raise BuildError("a network of one input and one output is expected.")
        source = self._source = self.tflite.inputs[0]
        self._result = self.tflite.outputs[0]
        self._now = {source: self._add("Transpose", [self._name(source)], "input/nchw", perm=_NCHW)}

    def translate(self, operator: Any) -> None:
        """Append one TFLite operator."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        kind = self._kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
        write: dict[str, Callable[[Any], str]] = {
            "CONV_2D": self._convolution,
            "DEPTHWISE_CONV_2D": self._depthwise,
            "PRELU": self._prelu,
            "ADD": self._addition,
            "RESHAPE": self._flattening,
        }
        if kind not in write:
            raise BuildError(f"the operator {kind} has no translation to ONNX here.")
        (output,) = operator.outputs
        self._now[output] = write[kind](operator)

    def pack(self, name: str) -> Any:
        """Return the finished graph."""
        if self._now.get(self._result) != self._name(self._result):
            raise BuildError("the network does not end in a reshape to (1, numbers).")
        return helper.make_graph(
            self.nodes,
            name,
            [self._described(self._source)],
            [self._described(self._result)],
            self.weights,
        )

    def _convolution(self, operator: Any) -> str:
        # (out, rows, columns, in) to (out, in, rows, columns).
        weight = np.transpose(self._constant(operator.inputs[1]), (0, 3, 1, 2))
        return self._conv(operator, weight, groups=1)

    def _depthwise(self, operator: Any) -> str:
        if operator.builtinOptions.depthMultiplier != 1:
            raise BuildError("a depth-wise convolution makes several channels of one.")
        # (1, rows, columns, channels) to (channels, 1, rows, columns).
        weight = np.transpose(self._constant(operator.inputs[1]), (3, 0, 1, 2))
        return self._conv(operator, weight, groups=len(weight))

    def _conv(self, operator: Any, weight: Array, *, groups: int) -> str:
        options, name = operator.builtinOptions, self._name(operator.outputs[0])
        dilations = (options.dilationHFactor, options.dilationWFactor)
        plain = schema.ActivationFunctionType.NONE
        if dilations != (1, 1) or options.fusedActivationFunction != plain:
            raise BuildError("a convolution is dilated or has an activation inside.")
        strides = (options.strideH, options.strideW)
        same = options.padding == schema.Padding.SAME
        taken = self._shape(operator.inputs[0])[1:3]
        inputs = [
            self._now[operator.inputs[0]],
            self._weight(f"{name}/weight", weight),
            self._weight(f"{name}/bias", self._constant(operator.inputs[2])),
        ]
        return self._add(
            "Conv",
            inputs,
            name,
            group=groups,
            kernel_shape=list(weight.shape[2:]),
            pads=_pads(taken, weight.shape[2:], strides) if same else [0, 0, 0, 0],
            strides=list(strides),
        )

    def _prelu(self, operator: Any) -> str:
        # One slope for each channel: (1, 1, channels) to (channels, 1, 1).
        slope = np.transpose(self._constant(operator.inputs[1]), (2, 0, 1))
        name = self._name(operator.outputs[0])
        inputs = [self._now[operator.inputs[0]], self._weight(f"{name}/slope", slope)]
        return self._add("PRelu", inputs, name)

    def _addition(self, operator: Any) -> str:
        options = operator.builtinOptions
        plain = schema.ActivationFunctionType.NONE
        if options is not None and options.fusedActivationFunction != plain:
            raise BuildError("an addition has an activation inside.")
        return self._add(
            "Add", [self._now[it] for it in operator.inputs], self._name(operator.outputs[0])
        )

    def _flattening(self, operator: Any) -> str:
        taken, given = self._shape(operator.inputs[0]), self._shape(operator.outputs[0])
        if taken[:3] != (1, 1, 1) or given != (1, taken[3]):
            # With rows and columns left the order of the numbers would be another one.
            raise BuildError("a reshape does more than take empty axes away.")
        shape = self._weight("embeddings/shape", np.array(given, np.int64))
        name = self._name(operator.outputs[0])
        return self._add("Reshape", [self._now[operator.inputs[0]], shape], name)

    def _add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def _weight(self, name: str, value: Array) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _constant(self, index: int) -> Array:
        tensor = self.tflite.tensors[index]
        data = self.model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None:
            raise BuildError("a weight is not stored as float32: the twin is of the float file.")
        return np.frombuffer(data.tobytes(), np.float32).reshape(tensor.shape)

    def _shape(self, index: int) -> tuple[int, ...]:
        return tuple(int(side) for side in self.tflite.tensors[index].shape)

    def _name(self, index: int) -> str:
        return str(self.tflite.tensors[index].name.decode())

    def _described(self, index: int) -> Any:
        shape = list(self._shape(index))
        return helper.make_tensor_value_info(self._name(index), TensorProto.FLOAT, shape)


_NCHW = [0, 3, 1, 2]


def _pads(taken: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Return TFLite's SAME padding as ONNX spells it: top, left, bottom, right."""
    before, after = [], []
    for side, size, stride in zip(taken, kernel, strides, strict=True):
        missing = max((-(-side // stride) - 1) * stride + size - side, 0)
        before.append(missing // 2)
        after.append(missing - missing // 2)
    return [*before, *after]
