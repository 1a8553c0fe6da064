"""ONNX Runtime behind the same few methods as TFLite: one network, on the provider that is asked.

The runtime would go over to another provider by itself when one cannot be had, and say so where
nobody reads it. Here a provider that is not the one in use is an error with its reason, and who
asked decides what comes next.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import ModelError
from appliance.types import Floats

# What keeps ONNX Runtime from reporting to its maker: https://github.com/microsoft/onnxruntime/pull/27379
SILENT = "ORT_DISABLE_TELEMETRY"
# The most device memory that choosing kernels may take; the network itself needs some 20 MB.
WORKSPACE_BYTES = 256 << 20


@dataclass(frozen=True)
class Provider:
    """One of ONNX Runtime's execution providers. identifier: its name in the runtime."""

    name: str
    identifier: str
    options: Mapping[str, str] = field(default_factory=dict)


CPU = Provider("ONNX Runtime on the CPU", "CPUExecutionProvider")
# Trying every kernel at the first call would take seconds of an attempt.
CUDA = Provider("CUDA", "CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC"})


def tensorrt(folder: Path, *, half: bool) -> Provider:
    """TensorRT, its engines and timings kept in `folder`. half: FP16 where that is faster."""
    return Provider(
        "TensorRT",
        "TensorrtExecutionProvider",
        {
            "trt_fp16_enable": str(half),
            "trt_max_workspace_size": str(WORKSPACE_BYTES),
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": str(folder),
        },
    )


def installed() -> bool:
    """Whether ONNX Runtime is installed; it is not loaded."""
    return util.find_spec("onnxruntime") is not None


def version() -> str:
    """Of the installed package."""
    for name in ("onnxruntime-gpu", "onnxruntime"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(name)
    return "unknown"


def providers() -> tuple[str, ...]:
    """The identifiers of the providers that this build has. ModelError where there is none."""
    return tuple(runtime().get_available_providers())


class OnnxModel:
    """One network of one input and one output, called with float32 pictures.

    Not thread-safe: one caller at a time.
    """

    def __init__(self, content: bytes, *, name: str, provider: Provider, threads: int) -> None:
        """content: the model's bytes, already checked. threads: CPU threads of one call.

        ModelError where the provider cannot be had, or the model not be loaded.
        """
        module = runtime()
        if provider.identifier not in module.get_available_providers():
            raise ModelError(
                f"The installed ONNX Runtime {version()} was built without {provider.name}.",
                hint="docs/jetson.md says which package has it.",
                code="no_provider",
            )
        self._session = _session(module, content, name, provider, threads)
        used = self._session.get_providers()[0]
        if used != provider.identifier:
            raise _unavailable(provider, f"ONNX Runtime took {used} instead")
        (self._input,) = self._session.get_inputs()
        (self._output,) = self._session.get_outputs()
        self._name = name

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(1, height, width, channels)."""
        return tuple(int(side) for side in self._input.shape)

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """The shape of the one output."""
        return [tuple(int(side) for side in self._output.shape)]

    def run(self, tensor: Floats) -> tuple[Floats, ...]:
        """Run once. tensor: float32 of `input_shape`. Returns the output as fresh float32.

        ModelError where the processor fails.
        """
        try:
            (output,) = self._session.run([self._output.name], {self._input.name: tensor})
        except Exception as error:  # the runtime's own classes share no other base
            raise ModelError(
                f"ONNX Runtime cannot run the network {self._name!r}: {_first_line(error)}.",
                hint="Set model.delegate: cpu until `appliance models prepare` succeeds.",
            ) from error
        return (np.array(output, dtype=np.float32),)


def runtime() -> Any:
    """The module `onnxruntime`, silenced. ModelError where it cannot be loaded."""
    # From 1.29 on the published wheels for Linux tell their maker of each process and network, and
    # keep a number of the machine, unless this stands there before they are imported.
    os.environ[SILENT] = "1"
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(
            f"ONNX Runtime cannot be loaded: {_first_line(error)}.",
            hint="docs/jetson.md says which package this board needs.",
            code="missing_runtime",
        ) from error
    return onnxruntime


def _session(module: Any, content: bytes, name: str, provider: Provider, threads: int) -> Any:
    """The session. ModelError for a provider that cannot be had, with what was said of it."""
    options = module.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if provider is not CPU:
        # It would run what the provider does not take on the CPU, under the provider's name: which
        # providers a session has says nothing of which it uses.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    wanted = [(provider.identifier, dict(provider.options))]
    said: list[str] = []
    try:
        with _listening(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            session = module.InferenceSession(content, options, providers=wanted, enable_fallback=0)
            session.disable_fallback()
    except Exception as error:  # the runtime's own classes share no other base
        if provider is CPU:
            raise ModelError(
                f"ONNX Runtime cannot load the model {name!r}: {_first_line(error)}.",
                hint="Restore the models that came with this version.",
            ) from error
        raise _unavailable(provider, _reason(said) or _first_line(error)) from error
    if session.get_providers()[0] != provider.identifier:
        raise _unavailable(provider, _reason(said) or "ONNX Runtime does not say why")
    return session


def _unavailable(provider: Provider, why: str) -> ModelError:
    return ModelError(
        f"{provider.name} cannot be used by ONNX Runtime {version()}: {why}.",
        hint="docs/jetson.md says what it needs.",
        code="no_provider",
    )


def _reason(said: list[str]) -> str:
    """The library that is missing, or the last complaint, of what the runtime wrote."""
    text = "\n".join(said)
    if found := re.search(r"with error: ([^\n]+)", text):
        return found.group(1).strip().rstrip(".")
    complaints = [line for line in text.splitlines() if "[E:onnxruntime" in line]
    return complaints[-1].rpartition("] ")[2].strip().rstrip(".") if complaints else ""


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")


@contextlib.contextmanager
def _listening(said: list[str]) -> Iterator[None]:
    """Hear what the runtime writes, natively and by `print`, in the place of people's terminals."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as heard, contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            os.dup2(heard.fileno(), 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            heard.seek(0)
            said += [heard.read(1 << 20).decode(errors="replace"), printed.getvalue()]
