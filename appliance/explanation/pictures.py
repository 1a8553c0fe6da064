"""Drawings over a picture of a face: where it was found, its points, its crop and its embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.explanation.points68 import LINES
from appliance.types import Box, Floats, Landmarks, Pixels, Region
from appliance.vision.alignment import FIVE_POINT_112, five_points
from appliance.vision.warp import apply, region_matrix, warp

# Blue, green, red. Told apart by their lightness too, and every box has a label that names its
# detector.
COLOURS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "hog": (80, 220, 255),
        "haar": (255, 200, 90),
        "blazeface": (220, 140, 255),
        "mmod": (120, 230, 120),
    }
)
INK, PAPER = (28, 22, 18), (255, 255, 255)
_FOUND = (90, 170, 255)
_THEIRS = (255, 180, 70)

# Longest side of the whole picture, and the side of a face.
WHOLE, FACE = 1200, 760
# A face fills this share of its view.
_FILLS = 0.72
# Draws finer than a pixel: OpenCV's fixed-point coordinates.
_SHIFT = 4
_FONT = cv2.FONT_HERSHEY_SIMPLEX
# Ends of the scales: depth from far to near, and values from below zero to above.
_FAR, _NEAR = np.array([150, 70, 30], np.float32), np.array([150, 245, 255], np.float32)
_BELOW, _ZERO, _ABOVE = (
    np.array(it, np.float32) for it in ([172, 102, 33], [247] * 3, [43, 24, 178])
)
_COLUMNS = 16


def png(picture: Pixels) -> bytes:
    """The bytes of a PNG file."""
    _, data = cv2.imencode(".png", picture)
    return data.tobytes()


def fitted(bgr: Pixels, longest: int = WHOLE) -> tuple[Pixels, float]:
    """The picture with `longest` pixels along its longer side, and the factor of it."""
    factor = longest / max(bgr.shape[:2])
    size = max(round(bgr.shape[1] * factor), 1), max(round(bgr.shape[0] * factor), 1)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(bgr, size, interpolation=way), np.uint8), factor


def detections(
    bgr: Pixels,
    found: Mapping[str, Sequence[Box]],
    doubted: Sequence[Box],
    chosen: Box | None = None,
) -> Pixels:
    """The picture with what each detector found, and its score.

    found: by the detector's name; doubted: what HOG saw and was not sure of, drawn dashed.
    chosen: of several faces, the one that is explained; it is marked as such.
    """
    canvas, factor = fitted(bgr)
    labels: list[tuple[Box, str, tuple[int, int, int]]] = []
    for box in (it.scaled(factor) for it in doubted):
        _dashed(canvas, box, COLOURS["hog"])
        labels.append((box, f"{box.score:.2f}", COLOURS["hog"]))
    for name, boxes in found.items():
        for box in (it.scaled(factor) for it in boxes):
            framed(canvas, box, COLOURS[name])
            labels.append((box, f"{name} {box.score:.2f}", COLOURS[name]))
    if chosen is not None:
        labels.append((chosen.scaled(factor), "explained", PAPER))
    taken: list[Box] = []
    for box, text, colour in labels:
        taken.append(_label(canvas, box, text, colour, taken))
    return canvas


def mesh(bgr: Pixels, face: Landmarks) -> Pixels:
    """The face with its 468 points, lighter where nearer, and rings at the five that align it."""
    canvas, matrix = _view(bgr, face)
    points = apply(matrix, face.points[:, :2])
    depth = face.points[:, 2]
    near = (depth.max() - depth) / max(float(np.ptp(depth)), 1e-6)
    for index in np.argsort(near):
        colour = _FAR + (_NEAR - _FAR) * near[index]
        _dot(canvas, points[index], 4.2, INK)
        _dot(canvas, points[index], 3.0, tuple(float(part) for part in colour))
    for point in apply(matrix, five_points(face)):
        _ring(canvas, point, 11, PAPER)
    return canvas


def sixty_eight(bgr: Pixels, face: Landmarks, points: Floats, theirs: Floats | None) -> Pixels:
    """The face with its 68 points, joined and numbered from 0 as 300-W numbers them.

    points: (68, 2) in frame pixels. theirs: those of another predictor, drawn as crosses.
    """
    canvas, matrix = _view(bgr, face)
    here = apply(matrix, points)
    for members, closed in LINES.values():
        line = np.rint(here[list(members)] * 2**_SHIFT).astype(np.int32)
        for width, colour in ((5, INK), (2, _FOUND)):
            cv2.polylines(canvas, [line], closed, colour, width, cv2.LINE_AA, _SHIFT)
    for point in apply(matrix, theirs) if theirs is not None else ():
        _cross(canvas, point, _THEIRS)
    for number, point in enumerate(here):
        _dot(canvas, point, 4.5, INK)
        _dot(canvas, point, 3.2, PAPER)
        _text(canvas, str(number), (point[0] + 5, point[1] - 5), 0.36, PAPER)
    return canvas


def aims(crop: Pixels, target: Floats | None, times: int = 4) -> Pixels:
    """The aligned crop enlarged, pixel for pixel, with rings where its points are to lie.

    target: (n, 2) pixels in the crop; None: the alignment does not say.
    """
    canvas = np.repeat(np.repeat(crop, times, axis=0), times, axis=1)
    for point in (target + 0.5) * times if target is not None else ():
        _ring(canvas, point, 9, PAPER)
    return canvas


def vector(values: Floats, largest: float, side: int = 26) -> Pixels:
    """Numbers as a field of squares, row by row: blue below zero, red above, white at zero.

    values: (n,). largest: the magnitude that is shown in full colour; side: pixels of a square.
    """
    rows = -(-len(values) // _COLUMNS)
    share = np.zeros(rows * _COLUMNS, np.float32)
    share[: len(values)] = np.clip(values / max(largest, 1e-9), -1, 1)
    size = np.abs(share)[:, np.newaxis]
    ends = np.where(share[:, np.newaxis] < 0, _BELOW, _ABOVE)
    colours = _ZERO + (ends - _ZERO) * size
    field = np.rint(colours).astype(np.uint8).reshape(rows, _COLUMNS, 3)
    canvas = np.repeat(np.repeat(field, side, axis=0), side, axis=1)
    canvas[::side] = canvas[:, ::side] = 215
    return np.ascontiguousarray(canvas)


def target_of(alignment: str) -> Floats | None:
    """Where the default alignment wants its points; None for another one."""
    return FIVE_POINT_112.target if alignment == FIVE_POINT_112.name else None


def _view(bgr: Pixels, face: Landmarks) -> tuple[Pixels, NDArray[np.float64]]:
    """The upright square around a face, and the matrix from frame pixels into it."""
    box = face.box
    region = Region(*box.centre, max(box.width, box.height, 1.0) / _FILLS)
    matrix = region_matrix(region, FACE)
    return warp(bgr, matrix, FACE), matrix


# --- strokes with a dark rim, so that they are seen on any ground --------------------------


def _fixed(point: Any) -> tuple[int, int]:
    return round(float(point[0]) * 2**_SHIFT), round(float(point[1]) * 2**_SHIFT)


def _dot(canvas: Pixels, point: Any, radius: float, colour: Sequence[float]) -> None:
    size = round(radius * 2**_SHIFT)
    cv2.circle(canvas, _fixed(point), size, tuple(colour), -1, cv2.LINE_AA, _SHIFT)


def _ring(canvas: Pixels, point: Any, radius: int, colour: Sequence[float]) -> None:
    for width, shade in ((5, INK), (2, colour)):
        size = radius * 2**_SHIFT
        cv2.circle(canvas, _fixed(point), size, tuple(shade), width, cv2.LINE_AA, _SHIFT)


def _cross(canvas: Pixels, point: Any, colour: Sequence[float]) -> None:
    x, y = float(point[0]), float(point[1])
    for width, shade in ((4, INK), (2, colour)):
        for down in (6, -6):
            ends = _fixed((x - 6, y - down)), _fixed((x + 6, y + down))
            cv2.line(canvas, *ends, tuple(shade), width, cv2.LINE_AA, _SHIFT)


def _corners(box: Box) -> tuple[tuple[int, int], tuple[int, int]]:
    first = box.left, box.top
    return _fixed(first), _fixed((box.left + box.width, box.top + box.height))


def framed(canvas: Pixels, box: Box, colour: Sequence[int]) -> None:
    """Draw a box into a picture."""
    for width, shade in ((6, INK), (3, colour)):
        cv2.rectangle(canvas, *_corners(box), tuple(shade), width, cv2.LINE_AA, _SHIFT)


def _dashed(canvas: Pixels, box: Box, colour: Sequence[int]) -> None:
    right, bottom = box.left + box.width, box.top + box.height
    corners = [(box.left, box.top), (right, box.top), (right, bottom), (box.left, bottom)]
    for (x, y), (to_x, to_y) in zip(corners, [*corners[1:], corners[0]], strict=True):
        steps = max(int(np.hypot(to_x - x, to_y - y) / 8), 2)
        places = np.linspace((x, y), (to_x, to_y), steps)
        for start, end in zip(places[::2], places[1::2], strict=False):
            for width, shade in ((5, INK), (2, colour)):
                ends = _fixed(start), _fixed(end)
                cv2.line(canvas, *ends, tuple(shade), width, cv2.LINE_AA, _SHIFT)


def _label(canvas: Pixels, box: Box, text: str, colour: Sequence[int], taken: Sequence[Box]) -> Box:
    """Put the text beside a box, inside the picture and below what is `taken`; its place."""
    (wide, tall), _ = cv2.getTextSize(text, _FONT, 0.6, 1)
    width, height = wide + 10, tall + 12
    right = box.left + box.width + 6
    left = right if right + width <= canvas.shape[1] else box.left - width - 6
    left = min(max(left, 0.0), float(canvas.shape[1] - width))
    place = Box(left, min(max(box.top, 0.0), float(canvas.shape[0] - height)), width, height)
    while any(place.overlap(other) > 0 for other in taken):
        lower = Box(left, place.top + height, width, height)
        if lower.top + height > canvas.shape[0]:
            break  # more labels than there is room for: the table beside the picture has them all
        place = lower
    corner, foot = (round(place.left), round(place.top)), round(place.top) + tall + 6
    end = corner[0] + width, corner[1] + height - 2
    cv2.rectangle(canvas, corner, end, INK, -1)
    cv2.putText(canvas, text, (corner[0] + 5, foot), _FONT, 0.6, tuple(colour), 1, cv2.LINE_AA)
    return place


def _text(
    canvas: Pixels, text: str, at: tuple[float, float], size: float, colour: Sequence[int]
) -> None:
    place = round(at[0]), round(at[1])
    for width, shade in ((3, INK), (1, colour)):
        cv2.putText(canvas, text, place, _FONT, size, tuple(shade), width, cv2.LINE_AA)
