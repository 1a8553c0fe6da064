"""A GPU that is none: the driver's functions on this process's memory, and TensorRT's on the CPU.

Written after the documented interfaces; `test_tensorrt_api` compares the names with NVIDIA's own
bindings where those are at hand. What a real GPU rounds, and how long it takes, nobody learns here.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from appliance.types import Floats

NAME = b"Twin of Orin"
_INVALID_CONTEXT, _OUT_OF_MEMORY, _INVALID_VALUE = 201, 2, 1
_PLAN = b"plan of a twin\n"
# What plans stand for: a real one holds its weights, which would only be written and read here.
_NETWORKS: dict[bytes, bytes] = {}


class FakeDriver:
    """libcuda.so.1: memory is this process's own, and a context is current in one thread.

    full: no memory is left.
    """

    def __init__(  # noqa: C901 - one small function for each that the driver has
        self, name: bytes = NAME, *, full: bool = False
    ) -> None:
        self.allocated: dict[int, Any] = {}
        current = threading.local()
        integer, size, pointer = ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p
        address = ctypes.c_uint64

        def declare(function: Callable[..., int], *types: Any) -> Any:
            return ctypes.CFUNCTYPE(integer, *types)(function)

        def entered() -> bool:
            return getattr(current, "context", None) is not None

        def write(into: int, value: int, kind: Any) -> int:
            kind.from_address(into).value = value
            return 0

        def name_into(into: int, length: int, _device: int) -> int:
            ctypes.memmove(into, name + b"\0", min(length, len(name) + 1))
            return 0

        def set_current(context: int) -> int:
            current.context = context
            return 0

        def allocate(into: int, length: int) -> int:
            if not entered():
                return _INVALID_CONTEXT
            if full:
                return _OUT_OF_MEMORY
            block = ctypes.create_string_buffer(length)
            self.allocated[ctypes.addressof(block)] = block
            return write(into, ctypes.addressof(block), address)

        def copy(to: int, source: int, length: int) -> int:
            if not entered():
                return _INVALID_CONTEXT
            ctypes.memmove(to, source, length)
            return 0

        def free(block: int) -> int:
            return 0 if self.allocated.pop(block, None) is not None else _INVALID_VALUE

        words = {_INVALID_CONTEXT: b"invalid device context", _OUT_OF_MEMORY: b"out of memory"}

        def told(error: int, into: int) -> int:
            if error not in words:
                return _INVALID_VALUE
            ctypes.c_char_p.from_address(into).value = words[error]
            return 0

        self.cuInit = declare(lambda _flags: 0, ctypes.c_uint)
        self.cuDeviceGet = declare(lambda into, _n: write(into, 0, integer), pointer, integer)
        self.cuDeviceGetName = declare(name_into, pointer, integer, integer)
        self.cuDeviceGetAttribute = declare(
            lambda into, which, _device: write(into, {75: 8, 76: 7}[which], integer),
            *(pointer, integer, integer),
        )
        self.cuDevicePrimaryCtxRetain = declare(
            lambda into, _device: write(into, 4711, pointer), pointer, integer
        )
        self.cuCtxSetCurrent = declare(set_current, pointer)
        self.cuCtxSynchronize = declare(lambda: 0 if entered() else _INVALID_CONTEXT)
        self.cuMemAlloc_v2 = declare(allocate, pointer, size)
        self.cuMemcpyHtoD_v2 = declare(copy, address, pointer, size)
        self.cuMemcpyDtoH_v2 = declare(copy, pointer, address, size)
        self.cuMemFree_v2 = declare(free, address)
        self.cuGetErrorString = declare(told, integer, pointer)


class _Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class _BuilderFlag(IntEnum):
    FP16 = 0
    TF32 = 7


class _Dtype(IntEnum):
    FLOAT = 0


class _Mode(IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class _Logger:
    Severity = _Severity

    def log(self, severity: Any, msg: str) -> None:
        raise NotImplementedError


class _Monitor:
    """What a build tells its steps to."""


def fake_tensorrt(  # noqa: C901 - a module's classes, which share what they are to do wrong
    version: str = "10.3.0",
    *,
    half: Callable[[Floats], Floats] = lambda vector: vector,
    full: Callable[[Floats], Floats] = lambda vector: vector,
    fails: str = "",
) -> Any:
    """The module `tensorrt`. half, full: what an engine of that precision does to the right output.

    fails: where it does: "start", "parse", "build" or "run".
    """

    class Config:
        def __init__(self) -> None:
            self.flags: set[int] = {_BuilderFlag.TF32}
            self.progress_monitor: Any = None
            self.timings = b""

        def set_memory_pool_limit(self, pool: str, pool_size: int) -> None:
            assert (pool, pool_size) == ("workspace", 256 << 20)

        def set_flag(self, flag: int) -> None:
            self.flags.add(flag)

        def clear_flag(self, flag: int) -> None:
            self.flags.discard(flag)

        def create_timing_cache(self, serialized_timing_cache: bytes) -> bytes | None:
            return None if serialized_timing_cache == b"spoilt" else serialized_timing_cache

        def set_timing_cache(self, cache: bytes | None, *, ignore_mismatch: bool) -> bool:
            if cache is None:
                raise TypeError("set_timing_cache(): incompatible function arguments")
            self.timings = cache
            return not ignore_mismatch and cache in {b"", b"timings"}

        def get_timing_cache(self) -> Any:
            return SimpleNamespace(serialize=lambda: b"timings")

    class Builder:
        def __init__(self, log: _Logger) -> None:
            if fails == "start":
                raise TypeError("pybind11::init(): factory function returned nullptr")
            self.log = log

        def create_network(self, flags: int = 0) -> Any:
            assert flags == 1  # explicit batch
            return SimpleNamespace(content=b"")

        def create_builder_config(self) -> Config:
            return Config()

        def build_serialized_network(self, network: Any, config: Config) -> bytes | None:
            monitor = config.progress_monitor
            if monitor is not None:
                monitor.phase_start("Building", None, 2)
                for step in range(2):
                    assert monitor.step_complete("Building", step)
                monitor.phase_finish("Building")
            if fails == "build":
                self.log.log(_Severity.WARNING, "weights are large")
                self.log.log(_Severity.ERROR, "no kernel was found.\nmore of it")
                return None
            kind = b"fp16\n" if _BuilderFlag.FP16 in config.flags else b"fp32\n"
            key = hashlib.sha256(network.content).digest()
            _NETWORKS[key] = network.content
            return b"".join((_PLAN, kind, key))

    class Parser:
        def __init__(self, network: Any, log: _Logger) -> None:
            self.network = network
            self.num_errors = int(fails == "parse")

        def parse(self, model: bytes) -> bool:
            self.network.content = model
            return fails != "parse"

        def get_error(self, index: int) -> str:
            return f"node {index}: no importer registered for op: PRelu"

    class Context:
        def __init__(self, content: bytes, bend: Callable[[Floats], Floats]) -> None:
            self.session, self.bend = _session(content), bend
            self.addresses: dict[str, int] = {}

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self.addresses[name] = memory
            return True

        def execute_async_v3(self, stream_handle: int) -> bool:
            if fails == "run":
                return False
            assert stream_handle == 0
            (given,), (taken,) = self.session.get_inputs(), self.session.get_outputs()
            count = int(np.prod(given.shape))
            raw = ctypes.string_at(self.addresses[given.name], 4 * count)
            tensor = np.frombuffer(raw, np.float32).reshape(given.shape)
            (output,) = self.session.run([taken.name], {given.name: tensor})
            values = np.asarray(self.bend(output), np.float32).tobytes()
            ctypes.memmove(self.addresses[taken.name], values, len(values))
            return True

    class Engine:
        def __init__(self, content: bytes, bend: Callable[[Floats], Floats]) -> None:
            self.content, self.bend = content, bend
            session = _session(content)
            self.tensors = [(it, _Mode.INPUT) for it in session.get_inputs()]
            self.tensors += [(it, _Mode.OUTPUT) for it in session.get_outputs()]
            self.num_io_tensors = len(self.tensors)

        def get_tensor_name(self, index: int) -> str:
            return str(self.tensors[index][0].name)

        def get_tensor_dtype(self, name: str) -> _Dtype:
            return _Dtype.FLOAT

        def get_tensor_shape(self, name: str) -> list[int]:
            return next(it.shape for it, _ in self.tensors if it.name == name)

        def get_tensor_mode(self, name: str) -> _Mode:
            return next(mode for it, mode in self.tensors if it.name == name)

        def create_execution_context(self) -> Context:
            return Context(self.content, self.bend)

    class Runtime:
        def __init__(self, log: _Logger) -> None:
            self.log = log

        def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
            if not plan.startswith(_PLAN):
                self.log.log(_Severity.ERROR, "the engine is of another version")
                return None
            kind, _, key = plan[len(_PLAN) :].partition(b"\n")
            return Engine(_NETWORKS[key], half if kind == b"fp16" else full)

    return SimpleNamespace(
        __version__=version,
        ILogger=_Logger,
        IProgressMonitor=_Monitor,
        Builder=Builder,
        OnnxParser=Parser,
        Runtime=Runtime,
        BuilderFlag=_BuilderFlag,
        DataType=_Dtype,
        TensorIOMode=_Mode,
        MemoryPoolType=SimpleNamespace(WORKSPACE="workspace"),
        NetworkDefinitionCreationFlag=SimpleNamespace(EXPLICIT_BATCH=0),
    )


@cache
def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more would wait for one another in a loop
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
