"""A TFLite external delegate: somebody's library that takes operators over from the CPU.

The interface is TensorFlow Lite's: a shared library that exports `tflite_plugin_create_delegate`
and `tflite_plugin_destroy_delegate` (tensorflow/lite/delegates/external). It is code that the door
runs, so it is looked at before any of it is.
"""

from __future__ import annotations

import mmap
import platform
import struct
from pathlib import Path
from typing import Any

from appliance.errors import ModelError
from appliance.vision.interpreter import native_chatter_hidden, runtime
from appliance.vision.trusted_files import untrusted

ENTRY_POINT = "tflite_plugin_create_delegate"

# ELF: System V ABI, chapter 4. e_machine at byte 18, in the file's own byte order.
_MAGIC = b"\x7fELF"
_HEADER = 20
_CLASSES = {1: 32, 2: 64}
_MACHINES = {3: "x86", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv"}
_NAMES = {"i386": "x86", "i686": "x86", "armv6l": "arm", "armv7l": "arm", "riscv64": "riscv"}


def load_external(path: Path, *, uid: int) -> Any:
    """The loaded delegate, to be handed to `TfliteModel`. ModelError says what is wrong with it.

    uid: whom this process runs as, see `trusted_files`.
    """
    _require_a_plugin(path, _trusted_content(path, uid))
    module = runtime()
    try:
        with native_chatter_hidden():
            return module.load_delegate(str(path))
    except (OSError, ValueError, RuntimeError) as error:
        why = " ".join(str(error).split()).rstrip(". ") or "it does not say why"
        raise _refused(
            path,
            f"cannot be loaded: {why}",
            "Install what it needs (`ldd` lists it), or set model.delegate: cpu.",
        ) from error


def _trusted_content(path: Path, uid: int) -> mmap.mmap:
    try:
        why = untrusted(path, uid=uid)
        if why is None:
            with path.open("rb") as file:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise _refused(
            path, "does not exist", "Set model.delegate to the library's path, or to cpu."
        ) from None
    except ValueError:  # what mmap says of an empty file
        raise _no_library(path) from None
    except OSError as error:
        raise _refused(
            path,
            f"cannot be read: {error.strerror}",
            "The user that runs the door must be able to read it and each folder above it.",
        ) from error
    raise _refused(
        path,
        f"is not run: {why}",
        "It is code that the door runs: `chown root` and `chmod go-w` what is named.",
        code="untrusted_delegate",
    )


def _require_a_plugin(path: Path, content: mmap.mmap) -> None:
    header = content[:_HEADER]
    if len(header) < _HEADER or header[:4] != _MAGIC:
        raise _no_library(path)
    order = "<" if header[5] == 1 else ">"
    (number,) = struct.unpack_from(f"{order}H", header, 18)
    machine = _MACHINES.get(number, f"number {number}")
    here = _NAMES.get(platform.machine(), platform.machine())
    if machine != here:
        bits = _CLASSES.get(header[4], "?")
        raise _refused(
            path,
            f"is built for another processor: {machine}, {bits} bits, and this is {here}",
            "Take the library's build for this board.",
        )
    # Found without running it: loading a library runs its initialisers.
    if content.find(ENTRY_POINT.encode()) < 0:
        raise _refused(
            path,
            f"is a library, but no TFLite external delegate: it has no {ENTRY_POINT}",
            "Set model.delegate to the delegate's own library.",
        )


def _no_library(path: Path) -> ModelError:
    return _refused(
        path, "is no shared library (ELF)", "Set model.delegate to the library's path, or to cpu."
    )


def _refused(path: Path, what: str, hint: str, *, code: str = "bad_delegate") -> ModelError:
    return ModelError(f"The delegate {path} {what}.", hint=hint, code=code)
