"""A TFLite external delegate: somebody's library that takes operators over from the CPU.

The interface is TensorFlow Lite's: a shared library that exports `tflite_plugin_create_delegate`
and `tflite_plugin_destroy_delegate` (tensorflow/lite/delegates/external). It is code that the door
runs, so it is looked at before any of it is, and it is loaded by the very path that was looked at.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
from pathlib import Path
from typing import Any

from appliance.errors import ModelError
from appliance.vision.interpreter import native_chatter_hidden, runtime
from appliance.vision.trusted_files import UntrustedError, open_file, trusted

ENTRY_POINTS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")

# ELF: System V ABI, chapters 4 and 5. e_machine at byte 18, in the file's own byte order.
_MAGIC = b"\x7fELF"
_BITS = {1: 32, 2: 64}
_MACHINES = {3: "x86", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv"}
_NAMES = {"i386": "x86", "i686": "x86", "armv6l": "arm", "armv7l": "arm", "riscv64": "riscv"}
# By class: the header's length; e_phoff; e_phentsize and e_phnum; p_type, p_offset and p_filesz of
# a program header.
_LAYOUTS = {
    1: (52, (28, "I"), (42, "HH"), "I I 8x I"),
    2: (64, (32, "Q"), (54, "HH"), "I 4x Q 16x Q"),
}
_PT_LOAD = 1


def load_external(path: Path, *, uid: int) -> Any:
    """The loaded delegate, to be handed to `TfliteModel`. ModelError says what is wrong with it.

    uid: whom this process runs as, see `trusted_files`.
    """
    real = _trusted(path, uid)
    with _content(path, real) as content:
        _require_a_plugin(path, content)
    module = runtime()
    try:
        with native_chatter_hidden():
            # TensorFlow Lite looks at neither, and loses itself where one is missing.
            library = ctypes.CDLL(str(real))
            missing = [name for name in ENTRY_POINTS if not hasattr(library, name)]
            if not missing:
                return module.load_delegate(str(real))
    except (OSError, ValueError, RuntimeError) as error:
        why = " ".join(str(error).split()).rstrip(". ") or "it does not say why"
        raise _refused(
            path,
            f"cannot be loaded: {why}",
            "Install what it needs (`ldd` lists it), or set model.delegate: cpu.",
        ) from error
    raise _no_plugin(path, missing)


def _trusted(path: Path, uid: int) -> Path:
    try:
        return trusted(path, uid=uid)
    except UntrustedError as why:
        raise _refused(
            path,
            f"is not run: {why}",
            "It is code that the door runs: `chown root` and `chmod go-w` what is named.",
            code="untrusted_delegate",
        ) from why
    except FileNotFoundError:
        raise _refused(
            path, "does not exist", "Set model.delegate to the library's path, or to cpu."
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from error


def _content(path: Path, real: Path) -> mmap.mmap:
    try:
        with open_file(real) as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:  # what mmap says of an empty file
        raise _no_library(path) from None
    except OSError as error:
        raise _unreadable(path, error) from error


def _require_a_plugin(path: Path, content: mmap.mmap) -> None:
    """Found without running it: loading a library runs its initialisers."""
    if content[:4] != _MAGIC or content[4:5] not in {b"\1", b"\2"}:
        raise _no_library(path)
    if len(content) < _LAYOUTS[content[4]][0]:
        raise _no_library(path)
    order = "<" if content[5] == 1 else ">"
    (number,) = struct.unpack_from(f"{order}H", content, 18)
    machine = _MACHINES.get(number, f"number {number}")
    here = _NAMES.get(platform.machine(), platform.machine())
    if machine != here:
        raise _refused(
            path,
            f"is built for another processor: {machine}, {_BITS[content[4]]} bits, and this is "
            f"{here}",
            "Take the library's build for this board.",
        )
    if not _is_whole(content, order):
        # The kernel would end the process that reads what is not there.
        raise _refused(path, "ends too early: it is a part of a library", "Copy it anew.")
    missing = [name for name in ENTRY_POINTS if content.find(name.encode()) < 0]
    if missing:
        raise _no_plugin(path, missing)


def _is_whole(content: mmap.mmap, order: str) -> bool:
    """Whether the file holds all that its program headers have loaded."""
    _, (where, kind), (counts, pair), entry = _LAYOUTS[content[4]]
    (start,) = struct.unpack_from(order + kind, content, where)
    size, count = struct.unpack_from(order + pair, content, counts)
    if size < struct.calcsize(order + entry) or start + size * count > len(content):
        return False
    headers = [
        struct.unpack_from(order + entry, content, start + size * index) for index in range(count)
    ]
    ends = [offset + length for kind, offset, length in headers if kind == _PT_LOAD]
    return bool(ends) and max(ends) <= len(content)


def _no_plugin(path: Path, missing: list[str]) -> ModelError:
    return _refused(
        path,
        f"is a library, but no TFLite external delegate: it has no {' and no '.join(missing)}",
        "Set model.delegate to the delegate's own library.",
    )


def _unreadable(path: Path, error: OSError) -> ModelError:
    return _refused(
        path,
        f"cannot be read: {error.strerror}",
        "The user that runs the door must be able to read it and each folder above it.",
    )


def _no_library(path: Path) -> ModelError:
    return _refused(
        path, "is no shared library (ELF)", "Set model.delegate to the library's path, or to cpu."
    )


def _refused(path: Path, what: str, hint: str, *, code: str = "bad_delegate") -> ModelError:
    return ModelError(f"The delegate {path} {what}.", hint=hint, code=code)
