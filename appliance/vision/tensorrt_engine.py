"""TensorRT by the Python bindings that JetPack brings along: an engine is built once, then loaded.

An engine is machine code for one GPU and one version of TensorRT, found by timing kernels on that
very GPU, which takes minutes; so building and loading are two things here. What is used of the API
is the same from TensorRT 8.6 (JetPack 6.0) to 10 (JetPack 6.1 to 7); what only newer versions have
is asked for first.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import util
from typing import Any

import numpy as np

from appliance.errors import ModelError
from appliance.types import Floats
from appliance.vision.cuda import Cuda

# By the major version, which is part of the name.
_LIBRARIES = tuple(f"libnvinfer.so.{major}" for major in (8, 10, 11))
# The most memory that a kernel may take beside the weights, while it is chosen and when it runs.
WORKSPACE_BYTES = 256 << 20
# The default stream: nothing else of ours runs on the GPU meanwhile.
_STREAM = 0

# Hears how far a build is: what it does, the step, and how many there are (0: nobody knows).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Built:
    """An engine, and the timings that make the next build faster. Either may be kept in a file."""

    plan: bytes
    timings: bytes


def installed() -> bool:
    """Whether the bindings are there; they are not loaded."""
    return util.find_spec("tensorrt") is not None


def bindings() -> Any:
    """The module. ModelError where it is missing or its libraries are."""
    try:
        import tensorrt
    except (ImportError, OSError) as error:
        raise ModelError(
            f"TensorRT's Python bindings cannot be loaded: {_first_line(error)}.",
            hint="`sudo apt install python3-libnvinfer` on JetPack, and a virtual environment that "
            "sees the system's packages; docs/jetson.md.",
            code="missing_runtime",
        ) from error
    return tensorrt


def libraries() -> str:
    """The versions of TensorRT's libraries that can be loaded here, for whoever does not say which.

    Such as `libnvinfer.so.10: 100300`, 0 where a library does not tell; empty where there are none.
    """
    found = []
    for name in _LIBRARIES:
        with suppress(OSError):  # not installed
            library = ctypes.CDLL(name)
            version = getattr(library, "getInferLibVersion", lambda: 0)()
            found.append(f"{name}: {version}")
    return ", ".join(found)


def build(  # noqa: PLR0913 - all of it decides what the engine is
    content: bytes, *, name: str, trt: Any, half: bool, timings: bytes, progress: Progress
) -> Built:
    """Build an engine of an ONNX file. Takes minutes on a small board.

    trt: the bindings. half: kernels that compute in FP16 may be chosen, without it full float32
    alone, not TF32. timings: of an earlier build, or nothing. ModelError where TensorRT refuses.
    """
    log = _log(trt)
    try:
        builder = trt.Builder(log)
    except (RuntimeError, TypeError) as error:  # what the bindings make of none: no usable GPU
        raise _failed(name, "it does not start on this GPU", log.complaints) from error
    network = builder.create_network(_explicit_batch(trt))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(content):
        told = [str(parser.get_error(index)) for index in range(parser.num_errors)]
        raise _failed(name, "its parser refuses the ONNX file", [*told, *log.complaints])
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    if half:
        if not hasattr(trt.BuilderFlag, "FP16"):
            # From TensorRT 11 on the types in the ONNX file are binding, and ours are float32.
            raise _failed(name, f"TensorRT {trt.__version__} takes no FP16 from float32 files", [])
        config.set_flag(trt.BuilderFlag.FP16)
    else:
        config.clear_flag(trt.BuilderFlag.TF32)
    cache = config.create_timing_cache(timings)  # None where it makes nothing of them
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        # Spoilt, or of another GPU or version: begin with none.
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
    if hasattr(trt, "IProgressMonitor"):
        config.progress_monitor = _monitor(trt, progress)
    else:
        progress("choosing kernels", 0, 0)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise _failed(name, "no engine came of it", log.complaints)
    return Built(bytes(plan), bytes(config.get_timing_cache().serialize()))


class TensorRtModel:
    """One engine, loaded once, called with float32 pictures; the same methods as TfliteModel.

    Not thread-safe: one caller at a time, though it may be another thread than the loader's.
    """

    def __init__(self, plan: bytes, *, name: str, trt: Any, cuda: Cuda) -> None:
        """plan: the engine's bytes, from a file that only who runs this may write: it is code."""
        self._name, self._cuda = name, cuda
        cuda.enter()
        # Whatever is not referenced any more is freed, and the context needs them all.
        self._log = _log(trt)
        try:
            self._runtime = trt.Runtime(self._log)
        except (RuntimeError, TypeError) as error:  # as in `build`
            why = self._log.complaints
            raise _failed(name, "it does not start on this GPU", why) from error
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise _failed(name, "its engine does not load", self._log.complaints)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise _failed(name, "its engine has no room on the GPU", self._log.complaints)
        given, taken = self._tensors(trt)
        (self._input,), self._outputs = given, taken
        self._addresses: dict[str, int] = {}
        # Also where the rest fails: a reload would leave that much behind on the GPU each time.
        weakref.finalize(self, _give_back, cuda, self._addresses).atexit = False
        for tensor, shape in {**given, **taken}.items():
            self._addresses[tensor] = cuda.allocate(4 * int(np.prod(shape)))
            self._context.set_tensor_address(tensor, self._addresses[tensor])
        self._shape = given[self._input]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(1, height, width, channels)."""
        return self._shape

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """The shape of every output, in the order in which `run` returns them."""
        return list(self._outputs.values())

    def run(self, tensor: Floats) -> tuple[Floats, ...]:
        """Run once. tensor: float32 of `input_shape`. Returns the outputs as fresh float32.

        ModelError where the GPU fails.
        """
        if tensor.shape != self._shape:
            # The GPU reads as many bytes as the engine wants, whatever lies there.
            raise ModelError(f"{self._name!r} takes {self._shape}, not {tensor.shape}.")
        self._cuda.enter()
        self._cuda.upload(self._addresses[self._input], tensor)
        if not self._context.execute_async_v3(_STREAM):
            raise _failed(self._name, "the GPU does not run its engine", self._log.complaints)
        return tuple(self._download(name, shape) for name, shape in self._outputs.items())

    def _download(self, name: str, shape: tuple[int, ...]) -> Floats:
        output = np.empty(shape, np.float32)
        self._cuda.download(self._addresses[name], output)
        return output

    def _tensors(
        self, trt: Any
    ) -> tuple[Mapping[str, tuple[int, ...]], Mapping[str, tuple[int, ...]]]:
        """Inputs and outputs by name: ({name: shape}, {name: shape})."""
        engine = self._engine
        given: dict[str, tuple[int, ...]] = {}
        taken: dict[str, tuple[int, ...]] = {}
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            if engine.get_tensor_dtype(name) != trt.DataType.FLOAT:
                raise _failed(self._name, f"its tensor {name} is not float32", [])
            shape = tuple(int(side) for side in engine.get_tensor_shape(name))
            inward = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            (given if inward else taken)[name] = shape
        if len(given) != 1 or not taken:
            raise _failed(self._name, f"its engine has {len(given)} inputs", [])
        return given, taken


def _give_back(cuda: Cuda, addresses: Mapping[str, int]) -> None:
    """Free a network's memory, in whatever thread it is dropped."""
    with suppress(ModelError):  # the GPU is lost, and with it what was on it
        cuda.enter()
        for address in addresses.values():
            cuda.free(address)


def _explicit_batch(trt: Any) -> int:
    """The flags of a network for `create_network`: 8.6 needs one that 10 ignores and 11 lacks."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    return 0 if flag is None else 1 << int(flag)


def _log(trt: Any) -> Any:
    """A logger of TensorRT's kind that keeps the last complaints, and tells nobody else."""

    class Log(trt.ILogger):  # type: ignore[misc]  # the bindings ship no types
        def __init__(self) -> None:
            super().__init__()
            self.complaints: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            """Called by TensorRT, from any thread."""
            if severity in {trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR}:
                self.complaints = [*self.complaints[-4:], msg.strip()]

    return Log()


def _monitor(trt: Any, progress: Progress) -> Any:
    """TensorRT's own count of its steps, told on; phases lie within one another."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the bindings ship no types
        def __init__(self) -> None:
            super().__init__()
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            """A phase begins."""
            del parent_phase
            self._steps[phase_name] = num_steps
            progress(phase_name, 0, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            """A step is done; False would end the build."""
            progress(phase_name, step + 1, self._steps.get(phase_name, 0))
            return True

        def phase_finish(self, phase_name: str) -> None:
            """A phase has ended."""
            steps = self._steps.pop(phase_name, 0)
            progress(phase_name, steps, steps)

    return Monitor()


def _failed(name: str, what: str, complaints: list[str]) -> ModelError:
    why = f": {complaints[-1].splitlines()[0].rstrip('.')}" if complaints else ""
    return ModelError(
        f"TensorRT cannot run the network {name!r}: {what}{why}.",
        hint="`appliance models prepare` builds the engine anew; docs/jetson.md.",
        code="tensorrt",
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")
