"""Picture and video files made on the spot."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.types import Pixels

# (height, width, 3): four quarters of different colours show every turn and every flip.
QUARTERS: Pixels = np.zeros((48, 64, 3), np.uint8)
QUARTERS[:24, :32] = (230, 20, 20)
QUARTERS[:24, 32:] = (20, 230, 20)
QUARTERS[24:, :32] = (20, 20, 230)
QUARTERS[24:, 32:] = (230, 230, 230)


def encoded(picture: NDArray[Any], extension: str = ".jpg") -> bytes:
    written, data = cv2.imencode(extension, picture)
    assert written
    return data.tobytes()


def noise(height: int = 120, width: int = 160) -> Pixels:
    """A picture that compresses badly, so that half a file is half a picture."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def tiff(orientation: int, order: str = "<", kind: int = 3) -> bytes:
    """An Exif block that says only how the camera was held."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    other = struct.pack(order + "HHIHH", 0x0100, 3, 1, 64, 0)
    entry = struct.pack(order + "HHIHH", 0x0112, kind, 1, orientation, 0)
    return head + struct.pack(order + "IH", 8, 2) + other + entry + b"\0\0\0\0"


def jpeg_with_exif(jpeg: bytes, block: bytes) -> bytes:
    payload = b"Exif\0\0" + block
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def red_cmyk_jpeg() -> bytes:
    """A JPEG for print, 8 x 8 pixels of red: one block per ink, each of one value.

    Adobe stores inks inverted. A block of 255 has the coefficient 8 * (255 - 128) = 1016, which
    is category 10 (code "0") and ten bits; one of 0 has -1024, category 11 (code "10").
    """
    full, none = "0" + "1111111000" + "0", "10" + "01111111111" + "0"
    bits = full + none + none + full  # 255 - (cyan 0, magenta 255, yellow 255, black 0)
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))

    def segment(marker: int, payload: bytes) -> bytes:
        return bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload

    inks = b"".join(bytes((number, 0x11, 0)) for number in range(4))
    return (
        b"\xff\xd8"
        + segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 0))
        + segment(0xDB, b"\0" + b"\1" * 64)
        + segment(0xC0, struct.pack(">BHHB", 8, 8, 8, 4) + inks)
        + segment(0xC4, b"\0" + b"\1\1" + bytes(14) + bytes((10, 11)))
        + segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\0")
        + segment(0xDA, b"\4" + b"".join(bytes((number, 0)) for number in range(4)) + b"\0\x3f\0")
        + scan.replace(b"\xff", b"\xff\0")
        + b"\xff\xd9"
    )


def png_chunk(name: bytes, payload: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + payload))
    return struct.pack(">I", len(payload)) + name + payload + checksum


def png_with_exif(png: bytes, block: bytes) -> bytes:
    return png[:33] + png_chunk(b"eXIf", block) + png[33:]


def webp_with_exif(webp: bytes, block: bytes, width: int, height: int) -> bytes:
    """The extended file format around a simple WebP file."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    extended = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + size
    exif = b"EXIF" + struct.pack("<I", len(block)) + block + b"\0" * (len(block) % 2)
    body = b"WEBP" + extended + webp[12:] + exif
    return b"RIFF" + struct.pack("<I", len(body)) + body


def palette_png() -> bytes:
    """A PNG of two palette colours, 8 x 4 pixels: the left half blue, the right half red."""
    head = struct.pack(">IIBBBBB", 8, 4, 8, 3, 0, 0, 0)
    colours = bytes((0, 0, 255, 255, 0, 0))
    rows = b"".join(b"\0" + b"\0\0\0\0\1\1\1\1" for _ in range(4))
    chunks = (b"IHDR", head), (b"PLTE", colours), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_claiming(width: int, height: int) -> bytes:
    """A small PNG file that says it is large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def gif(levels: list[int], side: int = 16) -> bytes:
    """An animated GIF of grey squares, 10 frames a second, without compression."""
    greys = b"".join(bytes((level, level, level)) for level in range(0, 256, 2))
    data = b"GIF89a" + struct.pack("<HHBBB", side, side, 0xF6, 0, 0) + greys
    for level in levels:
        data += b"\x21\xf9\x04\0\x0a\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, side, side, 0)
        data += b"\x07" + _gif_pixels(level // 2, side * side) + b"\0"
    return data + b";"


def _gif_pixels(index: int, count: int) -> bytes:
    """LZW with 8-bit codes that never grow: a clear code (128) before the table fills."""
    codes = bytearray()
    for start in range(0, count, 100):
        codes += bytes((128,)) + bytes([index]) * min(100, count - start)
    codes += bytes((129,))
    blocks = (codes[start : start + 255] for start in range(0, len(codes), 255))
    return b"".join(bytes((len(block),)) + bytes(block) for block in blocks)


def write_video(path: Path, levels: list[int], fourcc: str = "MJPG", fps: float = 10.0) -> Path:
    """A video of grey pictures, 64 x 48 pixels."""
    code = cv2.VideoWriter.fourcc(*fourcc)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, (64, 48))
    assert writer.isOpened()
    for level in levels:
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    return path


def claim_rate(path: Path, fps: int) -> Path:
    """Let a Matroska file claim a nominal rate that is not its own, as a varying one has."""
    data, mark = path.read_bytes(), b"\x23\xe3\x83\x84"  # DefaultDuration, four bytes of it
    at = data.index(mark) + len(mark)
    path.write_bytes(data[:at] + struct.pack(">I", 10**9 // fps) + data[at + 4 :])
    return path


def rotated_mp4(path: Path) -> Path:
    """Mark an MP4 file as taken with the camera turned by 90 degrees, as phones do."""
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    one, minus = 0x00010000, -0x00010000
    matrix = struct.pack(">9i", 0, one, 0, minus, 0, 0, 0, 0, 0x40000000)
    path.write_bytes(data[:at] + matrix + data[at + 36 :])
    return path
