"""The GPU's memory, by the driver's own interface: CUDA Driver API, libcuda.so.1.

The driver is there wherever the GPU works, of the toolkit's libraries nobody knows which. Of the
API only what has been there since CUDA 7 is used.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from appliance.errors import ModelError
from appliance.types import Floats

LIBRARY = "libcuda.so.1"
# CUdevice_attribute.
_MAJOR, _MINOR = 75, 76
_NAME_BYTES = 256

_SIGNATURES: dict[str, list[Any]] = {
    "cuInit": [ctypes.c_uint],
    "cuDeviceGet": [ctypes.POINTER(ctypes.c_int), ctypes.c_int],
    "cuDeviceGetName": [ctypes.c_char_p, ctypes.c_int, ctypes.c_int],
    "cuDeviceGetAttribute": [ctypes.POINTER(ctypes.c_int), ctypes.c_int, ctypes.c_int],
    "cuDevicePrimaryCtxRetain": [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int],
    "cuCtxSetCurrent": [ctypes.c_void_p],
    "cuCtxSynchronize": [],
    "cuMemAlloc_v2": [ctypes.POINTER(ctypes.c_uint64), ctypes.c_size_t],
    "cuMemcpyHtoD_v2": [ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t],
    "cuMemcpyDtoH_v2": [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_size_t],
    "cuMemFree_v2": [ctypes.c_uint64],
    "cuGetErrorString": [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)],
}


def driver() -> Any:
    """The driver's library. ModelError where there is none: no GPU, or its driver is missing."""
    try:
        return ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise ModelError(
            f"The GPU's driver cannot be loaded: {error}.",
            hint="On a Jetson it comes with JetPack; docs/jetson.md tells how to see it.",
            code="no_gpu",
        ) from error


class Cuda:
    """GPU number 0, in the context that TensorRT and the CUDA runtime use too.

    A context is current in one thread at a time: `enter` comes first in each method's thread.
    Raises ModelError for whatever the driver refuses.
    """

    def __init__(self, library: Any) -> None:
        """library: `driver()`, or a twin of it."""
        self._library = library
        for name, arguments in _SIGNATURES.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, ctypes.c_int
        self._call("cuInit", 0)
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        text = ctypes.create_string_buffer(_NAME_BYTES)
        self._call("cuDeviceGetName", text, _NAME_BYTES, device)
        self.name = text.value.decode(errors="replace")
        major, minor = (self._attribute(it, device) for it in (_MAJOR, _MINOR))
        self.capability = f"{major}.{minor}"
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._context = context
        self.enter()

    def enter(self) -> None:
        """Make the GPU's context this thread's."""
        self._call("cuCtxSetCurrent", self._context)

    def allocate(self, size: int) -> int:
        """The address of `size` bytes on the GPU, for `free`."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), size)
        return int(address.value)

    def free(self, address: int) -> None:
        """Give the bytes back."""
        self._call("cuMemFree_v2", address)

    def upload(self, address: int, values: Floats) -> None:
        """Copy an array to the GPU, after what the default stream was given before.

        The array may be changed when this returns, though the GPU may still be about to take the
        last of it; what is begun on the default stream waits for that.
        """
        values = np.ascontiguousarray(values, np.float32)
        self._call("cuMemcpyHtoD_v2", address, values.ctypes.data, values.nbytes)

    def download(self, address: int, into: Floats) -> None:
        """Copy from the GPU into a contiguous array, after what was begun before has ended."""
        self._call("cuCtxSynchronize")
        self._call("cuMemcpyDtoH_v2", into.ctypes.data, address, into.nbytes)

    def _attribute(self, which: int, device: ctypes.c_int) -> int:
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), which, device)
        return value.value

    def _call(self, name: str, *arguments: Any) -> None:
        result = getattr(self._library, name)(*arguments)
        if result == 0:
            return
        text = ctypes.c_char_p()
        told = self._library.cuGetErrorString(result, ctypes.byref(text)) == 0 and text.value
        why = text.value.decode(errors="replace") if told and text.value else "no reason is given"
        raise ModelError(
            f"The GPU refuses {name}: {why} (CUDA error {result}).",
            hint="`dmesg` may say more; model.delegate: cpu does without the GPU.",
            code="no_gpu",
        )
