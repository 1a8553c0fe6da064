"""BlazeFace: a small network that finds near faces, as a second pair of eyes.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs",
arXiv:1907.05047, in the short-range form: 128 by 128 pixels, 896 anchors on two grids. HOG finds
frontal faces of any size; this finds turned, dark and half-hidden ones as well, as long as they
are at least an eighth as wide as the picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import ModelError
from appliance.types import Box, Floats, Pixels
from appliance.vision.interpreter import TfliteModel, network_input
from appliance.vision.manifest import Entry

# Cells a side and anchors a cell of the two grids that the network's answers lie on.
GRIDS = ((16, 2), (8, 6))
# What a box needs to be reported; walls, logos and hands were seen up to 0.61.
SURE = 0.7
# Two boxes that overlap more than this are one face.
SAME_FACE = 0.3
# The network's boxes reach from brow to chin and are wider than HOG's for the same face.
AS_HOG = 0.9


class BlazeFace:
    """The network behind the port Detector."""

    def __init__(self, entry: Entry, model: TfliteModel) -> None:
        self._entry = entry
        self._model = model
        self._side = model.input_shape[1]
        self._anchors = _anchors()
        shapes = {shape[1:] for shape in model.output_shapes}
        if shapes != {(len(self._anchors), 16), (len(self._anchors), 1)}:
            raise ModelError(
                f"The outputs of {entry.name!r} are not BlazeFace's boxes and scores: "
                f"{sorted(shapes)}.",
                hint="Restore the models that came with this version.",
            )

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        """Boxes of sure faces at least `smallest` pixels wide, best score first.

        bgr: (height, width, 3) uint8. Scores are what the network is surer of than `SURE`.
        """
        square, factor, left, top = _letterbox(bgr, self._side)
        first, second = self._model.run(network_input(square, self._entry))
        boxes, logits = (first, second) if first.shape[-1] == 16 else (second, first)
        scores = 1 / (1 + np.exp(-np.clip(logits.reshape(-1), -50, 50)))
        sure = np.flatnonzero(scores >= SURE)
        found: list[Box] = []
        for index in sure[np.argsort(-scores[sure])]:
            box = self._box(boxes[0, index], self._anchors[index], float(scores[index]) - SURE)
            placed = Box(box.left - left, box.top - top, box.width, box.height, box.score)
            candidate = placed.scaled(1 / factor)
            if candidate.width >= smallest and not _known(candidate, found):
                found.append(candidate)
        return found

    def _box(self, raw: Floats, anchor: Floats, score: float) -> Box:
        """One answer in pixels of the network's input. raw: (16,) centre, size, six points."""
        x, y = raw[:2] + anchor * np.float32(self._side)
        side = AS_HOG * float(max(raw[2], raw[3]))
        return Box(float(x) - side / 2, float(y) - side / 2, side, side, score)


def _anchors() -> NDArray[np.float32]:
    """(896, 2): x and y of every anchor's middle, as shares of the side."""
    middles = [
        ((column + 0.5) / cells, (row + 0.5) / cells)
        for cells, each in GRIDS
        for row in range(cells)
        for column in range(cells)
        for _ in range(each)
    ]
    return np.array(middles, np.float32)


def _letterbox(bgr: Pixels, side: int) -> tuple[Pixels, float, int, int]:
    """The whole picture in a black square: the square, the scale, and the two margins."""
    height, width = bgr.shape[:2]
    factor = side / max(height, width)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    square = np.zeros((side, side, 3), np.uint8)
    square[top : top + size[1], left : left + size[0]] = cv2.resize(bgr, size, interpolation=way)
    return square, factor, left, top


def _known(box: Box, others: list[Box]) -> bool:
    return any(box.overlap(other) > SAME_FACE for other in others)
