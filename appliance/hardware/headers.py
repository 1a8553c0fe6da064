"""What the bytes of a picture file say before anything is decoded: kind, size, orientation.

Checked here, because decoders allocate first and complain later, and because they fill the
missing half of a truncated file with grey and call it a picture. Pure functions over bytes;
the only exception they raise is `Damaged`.

Formats: JPEG (ITU-T T.81), PNG (ISO/IEC 15948), WebP (RFC 9649), BMP, Exif 2.3 (CIPA DC-008).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Damaged(Exception):  # noqa: N818 - says what the file is
    """The bytes break off or contradict themselves; the text ends a sentence."""


class Kind(Enum):
    """What a file is, by its first bytes; the value is its name for people."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    BMP = "BMP"
    VIDEO = "video"
    HEIC = "HEIC"
    AVIF = "AVIF"
    TIFF = "TIFF"
    UNKNOWN = "unknown"

    @property
    def is_picture(self) -> bool:
        """True for the pictures that are read."""
        return self in {Kind.JPEG, Kind.PNG, Kind.WEBP, Kind.BMP}


@dataclass(frozen=True)
class Header:
    """width, height: pixels as stored. orientation: Exif's 1..8, 1 where nothing is said."""

    width: int
    height: int
    orientation: int = 1


# Bytes that `kind_of` needs to see.
HEAD = 192
_TS_PACKET = 188
_SIGNATURES = {
    b"\xff\xd8\xff": Kind.JPEG,
    b"\x89PNG\r\n\x1a\n": Kind.PNG,
    b"II*\0": Kind.TIFF,
    b"MM\0*": Kind.TIFF,
    # An animated GIF is a short video, and any other a video of one picture.
    b"GIF87a": Kind.VIDEO,
    b"GIF89a": Kind.VIDEO,
    b"\x1aE\xdf\xa3": Kind.VIDEO,  # Matroska, WebM
    b"\0\0\x01\xba": Kind.VIDEO,  # MPEG programme stream
}
_RIFF_FORMS = {b"WEBP": Kind.WEBP, b"AVI ": Kind.VIDEO}
_OLD_QUICKTIME = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}


def kind_of(head: bytes) -> Kind:
    """Tell a file by its first `HEAD` bytes; names of files are not asked."""
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if head[:2] == b"BM" and _little(head[14:18]) in _BMP_HEADERS:
        return Kind.BMP
    return _kind_of_container(head)


def _kind_of_container(head: bytes) -> Kind:
    if head[:4] == b"RIFF":
        return _RIFF_FORMS.get(head[8:12], Kind.UNKNOWN)
    if head[4:8] == b"ftyp":
        return _kind_of_brand(head[8:12])
    transport_stream = head[:1] == b"G" == head[_TS_PACKET : _TS_PACKET + 1]
    return Kind.VIDEO if transport_stream or head[4:8] in _OLD_QUICKTIME else Kind.UNKNOWN


def _kind_of_brand(brand: bytes) -> Kind:
    if brand in _HEIC_BRANDS:
        return Kind.HEIC
    return Kind.AVIF if brand in {b"avif", b"avis"} else Kind.VIDEO


def header_of(kind: Kind, data: bytes) -> Header:
    """Size and orientation of a whole picture file. Raises Damaged, also when it breaks off."""
    parse = {Kind.JPEG: _jpeg, Kind.PNG: _png, Kind.WEBP: _webp, Kind.BMP: _bmp}[kind]
    try:
        return parse(data)
    except (struct.error, IndexError):
        raise Damaged("its header breaks off") from None


# A marker is 0xFF and a byte that is neither stuffing (00), restart (D0-D7) nor fill (FF).
_JPEG_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg(data: bytes) -> Header:
    size: tuple[int, int] | None = None
    orientation, scans = 1, 0
    for marker, payload in _jpeg_segments(data):
        if marker in _JPEG_FRAMES and size is None:
            height, width = struct.unpack_from(">HH", payload, 1)
            size = width, height
        elif marker == 0xE1 and payload.startswith(b"Exif\0\0"):
            orientation = exif_orientation(payload[6:])
        elif marker == 0xDA:
            scans += 1
    if size is None or not scans:
        raise Damaged("it holds no picture data")
    return Header(*size, orientation)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, payload) up to the end-of-image marker. Raises Damaged when that is missing."""
    position = 2
    while match := _JPEG_MARKER.search(data, position):
        marker, start = match[1][0], match.end()
        if marker == 0xD9:
            return
        if marker in {0x01, 0xD8}:  # these stand alone
            position = start
            continue
        (length,) = struct.unpack_from(">H", data, start)
        if length < 2 or start + length > len(data):
            break
        yield marker, data[start + 2 : start + length]
        position = start + length
    raise Damaged("it breaks off before its end")


def _png(data: bytes) -> Header:
    size: tuple[int, int] | None = None
    orientation = 1
    for name, payload in _png_chunks(data):
        if name == b"IHDR":
            width, height = struct.unpack_from(">II", payload)
            size = width, height
        elif name == b"eXIf":
            orientation = exif_orientation(payload)
    if size is None:
        raise Damaged("it holds no picture data")
    return Header(*size, orientation)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, payload) up to IEND. Raises Damaged when a needed chunk is short or altered."""
    position = 8
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            break
        needed = not name[0] & 0x20
        if needed and zlib.crc32(data[position + 4 : end]) != _big(data[end : end + 4]):
            raise Damaged("a part of it was altered (wrong checksum)")
        if name == b"IEND":
            return
        yield name, data[position + 8 : end]
        position = end + 4
    raise Damaged("it breaks off before its end")


def _webp(data: bytes) -> Header:
    if 8 + struct.unpack_from("<I", data, 4)[0] > len(data):
        raise Damaged("it breaks off before its end")
    size: tuple[int, int] | None = None
    orientation = 1
    for name, payload in _webp_chunks(data):
        if name == b"EXIF":
            orientation = exif_orientation(payload.removeprefix(b"Exif\0\0"))
        elif size is None:
            size = _webp_size(name, payload)
    if size is None:
        raise Damaged("it holds no picture data")
    return Header(*size, orientation)


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        yield name, data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _webp_size(name: bytes, payload: bytes) -> tuple[int, int] | None:
    if name == b"VP8X":
        return _little(payload[4:7]) + 1, _little(payload[7:10]) + 1
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", payload, 6)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", payload, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def _bmp(data: bytes) -> Header:
    (offset,) = struct.unpack_from("<I", data, 10)
    if _little(data[14:18]) == 12:
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, depth, compression = struct.unpack_from("<iiHHI", data, 18)
    height = abs(height)  # negative: stored from top to bottom
    row = (width * depth + 31) // 32 * 4
    if width <= 0 or (compression == 0 and offset + row * height > len(data)):
        raise Damaged("it breaks off before its end")
    return Header(width, height)


def exif_orientation(tiff: bytes) -> int:
    """Exif's orientation, 1..8; 1 where it is missing or senseless, as viewers do."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for index in range(count):
            tag, kind, _, value = struct.unpack_from(
                order + "HHIH", tiff, directory + 2 + 12 * index
            )
            if tag == 0x0112 and kind == 3:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
