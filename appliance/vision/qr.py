"""QR codes (ISO/IEC 18004): read from a frame, and drawn for a badge. OpenCV does both.

The frame is looked at in reduced size: a code that is an eighth of the picture wide is still
read, one that is smaller is too far away. What a code says is a stranger's text.

Of OpenCV's two detectors this is the slower one (7 ms against 3 for a frame without a code): the
other, QRCodeDetectorAruco, needs minutes for a sheet full of small finder patterns, which
anybody can hold up to the camera.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from appliance.errors import InputError
from appliance.types import Pixels

WIDTH: Final = 640
# Longer than any badge; other codes hold up to four thousand characters.
_LONGEST: Final = 100
# Light modules around the code, as the standard asks for, and pixels of one module.
_QUIET: Final = 4
_SCALE: Final = 12


class QrReader:
    """Finds one code. Not for several threads at once."""

    def __init__(self) -> None:
        self._detector = cv2.QRCodeDetector()

    def read(self, bgr: Pixels) -> str | None:
        """The text of a code in the picture; None where none can be read.

        bgr: (height, width, 3) uint8.
        """
        grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
        height, width = grey.shape
        if width > WIDTH:
            size = (WIDTH, max(round(height * WIDTH / width), 1))
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        try:
            text, *_ = self._detector.detectAndDecode(grey)
        except (cv2.error, UnicodeDecodeError):
            # What only looks like a code; OpenCV's decoder says so by its own errors.
            return None
        return text if 0 < len(text) <= _LONGEST else None


def draw(text: str) -> Pixels:
    """A code as a picture to be printed: (size, size) uint8, black on white, with its margin.

    InputError for a text that fits in no code.
    """
    try:
        code = np.asarray(cv2.QRCodeEncoder.create().encode(text), dtype=np.uint8)
    except cv2.error as error:
        raise InputError(
            "This text cannot be drawn as a QR code.", hint="Give a shorter one."
        ) from error
    rows, columns = np.nonzero(code == 0)
    # Its own margin is narrower than the standard's.
    dark = code[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    framed = np.pad(dark, _QUIET, constant_values=255)
    return np.kron(framed, np.ones((_SCALE, _SCALE), dtype=np.uint8))


def png(picture: Pixels) -> bytes:
    """A picture as the content of a PNG file."""
    return bytes(cv2.imencode(".png", picture)[1].tobytes())
