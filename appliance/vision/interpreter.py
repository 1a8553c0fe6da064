"""TFLite, whichever of its two packages is installed, behind one small class."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import ModelError
from appliance.types import Floats, Pixels
from appliance.vision.manifest import Entry


def runtime() -> Any:
    """The interpreter module: `ai_edge_litert`, or `tflite_runtime` where only that exists."""
    try:
        from ai_edge_litert import interpreter
    except ImportError:
        try:
            from tflite_runtime import interpreter
        except ImportError:
            raise ModelError(
                "No TFLite runtime is installed.",
                hint="Install ai-edge-litert (64-bit systems) or tflite-runtime.",
                code="missing_runtime",
            ) from None
    return interpreter


class Network(Protocol):
    """What runs a network: TFLite here, and what may stand in its place."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(1, height, width, channels)."""
        ...

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """The shape of every output, in the order in which `run` returns them."""
        ...

    def run(self, tensor: Floats) -> tuple[Floats, ...]:
        """Run once. tensor: float32 of `input_shape`. Returns the outputs as fresh float32."""
        ...


class TfliteModel:
    """One network, loaded once, called with float32 pictures.

    Integer inputs and outputs are quantised and dequantised here, so callers see float32.
    Not thread-safe: one caller at a time.
    """

    def __init__(
        self, content: bytes, *, name: str, threads: int, delegate: Any | None = None
    ) -> None:
        """content: the model's bytes, already checked. threads: CPU threads of one call.

        delegate: what takes over operators, see vision.external_delegate; None: only the CPU.
        """
        module = runtime()
        more = {} if delegate is None else {"experimental_delegates": [delegate]}
        try:
            with native_chatter_hidden():
                self._interpreter = module.Interpreter(
                    model_content=content, num_threads=threads, **more
                )
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            with_it = "" if delegate is None else " with model.delegate"
            raise ModelError(
                f"The TFLite runtime cannot load the model {name!r}{with_it}: "
                f"{str(error).splitlines()[0]}.",
                hint="Upgrade the runtime, or restore the models that came with this version."
                if delegate is None
                else "The delegate does not take this network: set model.delegate: cpu.",
            ) from error
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = self._interpreter.get_output_details()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(1, height, width, channels)."""
        return tuple(int(side) for side in self._input["shape"])

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """The shape of every output, in the order in which `run` returns them."""
        return [tuple(int(side) for side in output["shape"]) for output in self._outputs]

    def run(self, tensor: Floats) -> tuple[Floats, ...]:
        """Run once. tensor: float32 of `input_shape`. Returns the outputs as fresh float32."""
        self._interpreter.set_tensor(self._input["index"], _quantised(tensor, self._input))
        self._interpreter.invoke()
        return tuple(
            _dequantised(self._interpreter.get_tensor(output["index"]), output)
            for output in self._outputs
        )


def network_input(bgr: Pixels, entry: Entry) -> Floats:
    """(1, height, width, 3) float32 as the manifest's pre-processing says.

    bgr: (height, width, 3) uint8.
    """
    wanted = entry.input
    pixels = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) if wanted.colour == "rgb" else bgr
    tensor = pixels[np.newaxis].astype(np.float32)
    tensor -= np.float32(wanted.mean)
    tensor *= np.float32(wanted.scale)
    return np.asarray(tensor)


def _quantised(tensor: Floats, detail: dict[str, Any]) -> NDArray[Any]:
    if detail["dtype"] == np.float32:
        return tensor
    scale, zero = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    levels = np.rint(tensor / np.float32(scale)) + zero
    return np.asarray(np.clip(levels, limits.min, limits.max), dtype=detail["dtype"])


def _dequantised(tensor: NDArray[Any], detail: dict[str, Any]) -> Floats:
    # get_tensor copies, so the array is ours. Widen first: int8 minus a zero point overflows int8.
    if tensor.dtype == np.float32:
        return tensor
    scale, zero = detail["quantization"]
    return np.asarray((tensor.astype(np.float32) - zero) * scale, dtype=np.float32)


@contextlib.contextmanager
def native_chatter_hidden() -> Iterator[None]:
    """Keep the runtime's "Created XNNPACK delegate" line away from people's terminals.

    It is written by native code straight to file descriptor 2. Only the loading of a model is
    wrapped; its real errors arrive as exceptions.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
