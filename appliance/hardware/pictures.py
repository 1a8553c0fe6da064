"""Picture files as frames: upright, three channels of eight bits, or refused in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.hardware.headers import HEAD, Damaged, Header, Kind, header_of, kind_of
from appliance.hardware.quiet import codec_warnings
from appliance.types import Pixels

# A phone's largest pictures have 50 megapixels; decoded, that is 150 MB.
MAX_PIXELS = 50_000_000
# Longer than any camera's picture: a panorama or a bomb, and nothing a face is read from.
MAX_SIDE = 12_000
MAX_BYTES = 64 * 1024 * 1024

FORMATS = "JPEG, PNG, WebP and BMP pictures; GIF, MP4, MOV, MKV, WebM and AVI videos"

# How Exif's orientations are turned upright; 1 is.
_UPRIGHT: Mapping[int, Callable[[Pixels], NDArray[np.uint8]]] = {
    2: partial(np.flip, axis=1),
    3: partial(np.rot90, k=2),
    4: partial(np.flip, axis=0),
    5: lambda bgr: np.transpose(bgr, (1, 0, 2)),
    6: partial(np.rot90, k=-1),
    7: lambda bgr: np.transpose(np.rot90(bgr, k=2), (1, 0, 2)),
    8: np.rot90,
}


def decode_picture(data: bytes, source: str) -> Pixels:
    """The picture in a file's bytes: (height, width, 3) uint8 BGR, turned upright.

    16-bit values are scaled, transparency is laid on white, grey and palettes are spread to
    three channels. Raises InputError naming `source` when the bytes are not a picture, break
    off, were altered, or hold more than MAX_PIXELS, which is found out before decoding.
    """
    kind = kind_of(data[:HEAD])
    if not kind.is_picture:
        raise not_readable(source, kind)
    try:
        header = header_of(kind, data)
    except Damaged as error:
        raise _damaged(source, kind, str(error)) from None
    check_size(header.width, header.height, source)
    return _upright(_three_channels(_decoded(data, kind, header, source)), header.orientation)


def check_size(width: int, height: int, source: str) -> None:
    """Raise InputError for a picture or video too large to be decoded safely, or without area."""
    if width <= 0 or height <= 0:
        raise InputError(f"{source} has no pixels.", hint="Give another picture.")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise InputError(
            f"{source} is too large: {width} x {height} pixels.",
            hint=f"At most {MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE} pixels a side are "
            "read; scale it down.",
        )


def not_readable(source: str, kind: Kind) -> InputError:
    """The error for a file that is no picture or video of a known kind."""
    if kind in {Kind.HEIC, Kind.AVIF, Kind.TIFF}:
        return InputError(
            f"{source} is a {kind.value} picture, which cannot be read.",
            hint="Convert it to JPEG first; an iPhone takes JPEG pictures when Settings, Camera, "
            "Formats is set to Most Compatible.",
        )
    return InputError(
        f"{source} is not a picture or a video that can be read.", hint=f"Readable are {FORMATS}."
    )


def _decoded(data: bytes, kind: Kind, header: Header, source: str) -> NDArray[np.generic]:
    with codec_warnings() as warnings:
        try:
            # "Unchanged" leaves the orientation alone, in every version and for every format.
            decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            decoded = None
    if any(b"premature end" in line.lower() for line in warnings):
        raise _damaged(source, kind, "a part of its data is missing or was altered")
    picture = cast("NDArray[np.generic] | None", decoded)
    if picture is None or picture.shape[:2] != (header.height, header.width):
        raise _damaged(source, kind, "its data cannot be decoded")
    return picture


def _three_channels(picture: NDArray[np.generic]) -> Pixels:
    if picture.dtype == np.uint16:
        picture = cv2.convertScaleAbs(cast("NDArray[np.uint16]", picture), alpha=1 / 257)
    pixels = cast("Pixels", picture)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return cast("Pixels", cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
    return _on_white(pixels) if pixels.shape[2] == 4 else pixels


def _on_white(bgra: Pixels) -> Pixels:
    """Lay a transparent picture on white, as viewers do; row by row to keep memory flat."""
    bgr = np.empty((*bgra.shape[:2], 3), np.uint8)
    for row, out in zip(bgra, bgr, strict=True):
        alpha = row[:, 3:].astype(np.uint16)
        out[:] = (row[:, :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return bgr


def _upright(bgr: Pixels, orientation: int) -> Pixels:
    turn = _UPRIGHT.get(orientation)
    return bgr if turn is None else np.ascontiguousarray(turn(bgr))


def _damaged(source: str, kind: Kind, reason: str) -> InputError:
    return InputError(
        f"{source} is a damaged {kind.value} file: {reason}.",
        hint="Copy it again from where it came from, or give another picture.",
    )
