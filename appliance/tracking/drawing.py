"""Boxes with names in a picture. Colour never tells alone: the text says the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

import cv2

from appliance.tracking.tracks import Seen
from appliance.types import Box, Pixels

# Blue, green, red: of Okabe and Ito's palette, which colour-blind people tell apart.
NAMED: Final = (115, 158, 0)
UNKNOWN: Final = (0, 94, 213)
NOT_COMPARED: Final = (140, 140, 140)
_WHITE: Final = (255, 255, 255)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
# The text's height follows the picture's: 1.0 of the font is about 22 pixels.
_SCALE_FOR: Final = 800.0
_LEAST_SCALE: Final = 0.4


def draw(bgr: Pixels, seen: Iterable[Seen]) -> None:
    """Draw everybody into the picture itself. bgr: (height, width, 3) uint8."""
    for one in seen:
        colour = NAMED if one.state == "named" else UNKNOWN
        _box(bgr, one.face.box, NOT_COMPARED if one.identity is None else colour, label(one))


def label(seen: Seen) -> str:
    """`alice 0.62`, `unknown 0.21`, or why nothing could be compared."""
    if seen.identity is None:
        return seen.state.replace("_", " ")
    match = seen.identity.match
    score = "" if match is None else f" {match.similarity:.2f}"
    return f"{plain(seen.name, seen.track) if seen.name else 'unknown'}{score}"


def plain(name: str, track: int) -> str:
    """The name in the letters that OpenCV can draw; `person 3` where nothing of it is left.

    Its fonts know ASCII alone. Marks are left off (Zoë becomes Zoe); a script of which letters
    would go missing is not drawn at all.
    """
    parts = unicodedata.normalize("NFKD", name)
    letters = "".join(part for part in parts if not unicodedata.combining(part))
    return letters if letters.isascii() and letters.isprintable() else f"person {track}"


def _box(bgr: Pixels, box: Box, colour: tuple[int, int, int], text: str) -> None:
    height, width = bgr.shape[:2]
    scale = max(height / _SCALE_FOR, _LEAST_SCALE)
    line = max(round(2 * scale), 1)
    left, top = round(box.left), round(box.top)
    right, bottom = round(box.left + box.width), round(box.top + box.height)
    cv2.rectangle(bgr, (left, top), (right, bottom), colour, 2 * line)
    (across, up), below = cv2.getTextSize(text, _FONT, scale, line)
    pad = line + 2
    tall = up + below + 2 * pad
    # Above the box, below it where there is no room, and never beyond the picture.
    x = min(max(left - line, 0), max(width - across - 2 * pad, 0))
    y = top - tall if top >= tall else min(bottom, height - tall)
    cv2.rectangle(bgr, (x, y), (x + across + 2 * pad, y + tall), colour, cv2.FILLED)
    place = (x + pad, y + pad + up)
    cv2.putText(bgr, text, place, _FONT, scale, _WHITE, line, cv2.LINE_AA)
