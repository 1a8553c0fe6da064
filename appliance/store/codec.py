"""A template as bytes and back: versioned, bounded, checked on both ways.

Little-endian: the four letters "FTPL", version 1 (u16), frames (u16), dimensions (u16), then
float32: the mean, and one vector per frame. The mean is kept rather than computed again, so that
a template compares to the last bit as it did when it was enrolled.
"""

from __future__ import annotations

import struct

import numpy as np

from appliance.errors import StoreError
from appliance.types import Floats, Template

_HEADER = struct.Struct("<4sHHH")
_MAGIC = b"FTPL"
_VERSION = 1
_MOST_FRAMES = 1000
_MOST_DIMENSIONS = 4096
# float32 rounding of a few thousand terms stays far below this; a wrong vector far above.
_NORM_TOLERANCE = 1e-3


def encode_template(template: Template) -> bytes:
    """The vectors as bytes; model and fingerprint are kept beside them. StoreError: nonsense."""
    vectors, mean = np.asarray(template.vectors), np.asarray(template.mean)
    if vectors.ndim != 2 or mean.shape != vectors.shape[1:]:
        raise _nonsense(f"its shapes {vectors.shape} and {mean.shape} do not belong together")
    _check_sizes(*vectors.shape)
    rows = np.vstack([mean, vectors]).astype("<f4")
    _check_rows(rows)
    return _HEADER.pack(_MAGIC, _VERSION, *vectors.shape) + rows.tobytes()


def decode_template(blob: bytes, *, model: str, fingerprint: str) -> Template:
    """The template that was encoded. StoreError `bad_template` for anything else."""
    if len(blob) < _HEADER.size:
        raise _nonsense("it is cut off")
    magic, version, count, dimensions = _HEADER.unpack_from(blob)
    if magic != _MAGIC or version != _VERSION:
        raise _nonsense("its format is unknown to this version")
    _check_sizes(count, dimensions)
    if len(blob) != _HEADER.size + 4 * dimensions * (count + 1):
        raise _nonsense("its length does not fit its header")
    rows: Floats = np.frombuffer(blob, "<f4", offset=_HEADER.size).astype(np.float32)
    rows = rows.reshape(count + 1, dimensions)
    _check_rows(rows)
    return Template(vectors=rows[1:], mean=rows[0], model=model, fingerprint=fingerprint)


def _check_sizes(count: int, dimensions: int) -> None:
    if not (1 <= count <= _MOST_FRAMES and 1 <= dimensions <= _MOST_DIMENSIONS):
        raise _nonsense(f"{count} vectors of {dimensions} dimensions are out of bounds")


def _check_rows(rows: Floats) -> None:
    # The norms of vectors with an infinite or a missing number are not near 1 either.
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    if not (np.abs(norms - 1) <= _NORM_TOLERANCE).all():
        raise _nonsense("a vector is not of length 1")


def _nonsense(why: str) -> StoreError:
    return StoreError(
        f"A face template makes no sense: {why}.",
        hint="Enrol the person again with --replace.",
        code="bad_template",
    )
