"""A made-up attack for the demo: somebody's photograph on a sheet of paper, held up by a hand.

The sheet is a plane in space, so the camera sees it through a homography that changes as the hand
tilts and shakes it; whoever wants to measure with such pictures needs more (see tests/attacks).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.types import Box, Floats, Frame, Pixels

FPS = 15.0
SECONDS = 4.0
# The sheet's height in its own pixels, its white border, and how far it reaches around the face.
_SHEET, _BORDER, _ROOM = 720, 40, 2.1
# How much of the picture's height the sheet fills, and the focal length in picture widths.
_FILLS, _FOCAL = 0.8, 0.9
# Degrees that the hand tilts the sheet to either side and up and down, and how often a second.
_TILTS = ((14.0, 0.45), (8.0, 0.3), (3.0, 0.25))
# Paper is never quite black, nor as white as a lamp.
_DARKEST, _BRIGHTEST = 38.0, 222.0


def held_up(photograph: Pixels, face: Box, scene: Pixels, source: str) -> Iterator[Frame]:
    """Frames of the sheet before a scene.

    photograph: (rows, columns, 3) uint8 BGR, face: where in it. scene: (height, width, 3) uint8,
    what the camera sees where the sheet is not.
    """
    sheet = _printed(photograph, face)
    grain = np.random.default_rng(0)
    for number in range(int(SECONDS * FPS)):
        at = number / FPS
        matrix = _projection(at, sheet.shape[0], scene.shape[1], scene.shape[0])
        noise = grain.normal(0, 2, scene.shape).astype(np.float32)
        yield Frame(_shot(sheet, matrix, scene, noise), at, f"{source}#{number}", number)


def _printed(photograph: Pixels, face: Box) -> Pixels:
    """The part around the face, square, in the colours of ink on white paper."""
    side = _ROOM * max(face.width, face.height)
    inner = _SHEET - 2 * _BORDER
    scale = inner / side
    x, y = face.centre
    matrix = np.array([[scale, 0, inner / 2 - scale * x], [0, scale, inner / 2 - scale * y]])
    cut = cv2.warpAffine(photograph, matrix, (inner, inner), borderMode=cv2.BORDER_REPLICATE)
    ink = _DARKEST + cut.astype(np.float32) * ((_BRIGHTEST - _DARKEST) / 255)
    sheet = np.full((_SHEET, _SHEET, 3), _BRIGHTEST, np.float32)
    sheet[_BORDER:-_BORDER, _BORDER:-_BORDER] = ink
    return np.asarray(sheet, np.uint8)


def _projection(at: float, side: int, width: int, height: int) -> NDArray[np.float64]:
    """The homography from the sheet's pixels to the picture's at a time (seconds)."""
    yaw, pitch, roll = (
        math.radians(degrees * math.sin(2 * math.pi * often * at)) for degrees, often in _TILTS
    )
    turn = _about_y(yaw) @ _about_x(pitch) @ _about_z(roll)
    focal = _FOCAL * width
    away = focal / (_FILLS * height)  # in heights of the sheet
    drift = np.array([0.02 * math.sin(5 * at), 0.015 * math.sin(7 * at + 1), away])
    centred = np.array([[1 / side, 0, -0.5], [0, 1 / side, -0.5], [0, 0, 1]])
    plane = np.column_stack([turn[:, 0], turn[:, 1], drift])
    camera = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return np.asarray(camera @ plane @ centred, np.float64)


def _shot(sheet: Pixels, matrix: NDArray[np.float64], scene: Pixels, noise: Floats) -> Pixels:
    size = (scene.shape[1], scene.shape[0])
    seen = cv2.warpPerspective(sheet, matrix, size, flags=cv2.INTER_AREA).astype(np.float32)
    covers = cv2.warpPerspective(np.ones(sheet.shape[:2], np.float32), matrix, size)[..., None]
    mixed = cv2.GaussianBlur(covers * seen + (1 - covers) * scene, (0, 0), 0.6)
    return np.asarray(np.clip(mixed + noise, 0, 255), np.uint8)


def _about_x(angle: float) -> NDArray[np.float64]:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])


def _about_y(angle: float) -> NDArray[np.float64]:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _about_z(angle: float) -> NDArray[np.float64]:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
