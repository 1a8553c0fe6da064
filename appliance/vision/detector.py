"""Finding faces without knowing where they were: dlib's HOG, and OpenCV's Haar cascade.

HOG: Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005, with
dlib's max-margin object detection (King, arXiv:1502.00046). Haar: Viola and Jones, CVPR 2001.
Both work on grey pictures shrunk (or, for HOG, at most enlarged twofold) so that the smallest
face asked for just fits the detector's own window: the cost is that of the pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from appliance.errors import ModelError
from appliance.types import Box, Pixels

# dlib's frontal detector was trained on 80-pixel windows.
HOG_WINDOW = 80
MAX_ENLARGEMENT = 2.0
# A guard for huge stills: HOG on more pixels than this takes seconds on a small board.
MAX_PIXELS = 2_500_000


class HogDetector:
    """dlib's frontal face detector."""

    def __init__(self, least: float = 0.0) -> None:
        """least: the score from which on a face is reported; dlib's own is 0."""
        import dlib

        self._detector: Any = dlib.get_frontal_face_detector()
        self._least = least

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        """Boxes of faces at least `smallest` pixels wide, best score first."""
        grey, factor = _resized_grey(bgr, HOG_WINDOW / smallest)
        boxes, scores, _ = self._detector.run(grey, 0, self._least)
        found = [
            Box(box.left(), box.top(), box.width(), box.height(), float(score)).scaled(1 / factor)
            for box, score in zip(boxes, scores, strict=True)
        ]
        return sorted(found, key=lambda box: -box.score)


class HaarDetector:
    """OpenCV's frontal cascade, as the tutorials compare it with HOG.

    Its boxes are about as large as HOG's, so that what follows need not know who found a face.
    """

    WINDOW = 24
    WORKING_FACE = 60

    def __init__(self, cascade: Path | None = None) -> None:
        """cascade: an XML file; None takes the frontal one that ships with OpenCV."""
        path = cascade or Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
        self._cascade = cv2.CascadeClassifier()
        if not (path.is_file() and self._loads(path)):
            raise ModelError(
                f"OpenCV cannot load the Haar cascade {path}.",
                hint="Reinstall opencv-python-headless below version 5, or use detector: hog.",
            )

    def _loads(self, path: Path) -> bool:
        try:
            return bool(self._cascade.load(str(path)))
        except cv2.error:  # what is no XML at all raises
            return False

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        """Boxes of faces at least `smallest` pixels wide, best score first."""
        grey, factor = _resized_grey(bgr, self.WORKING_FACE / smallest)
        least = max(int(smallest * factor), self.WINDOW)
        boxes, _, weights = self._cascade.detectMultiScale3(
            grey, 1.1, 5, minSize=(least, least), outputRejectLevels=True
        )
        found = [
            Box(x, y, width, height, float(weight)).scaled(1 / factor)
            for (x, y, width, height), weight in zip(boxes, weights, strict=True)
        ]
        return sorted(found, key=lambda box: -box.score)


def _resized_grey(bgr: Pixels, wanted: float) -> tuple[Pixels, float]:
    """Grey picture scaled by `wanted` within limits, and the factor really used."""
    height, width = bgr.shape[:2]
    most = (MAX_PIXELS / (height * width)) ** 0.5
    factor = min(wanted, MAX_ENLARGEMENT, max(most, 1e-3))
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    grey = cv2.cvtColor(cv2.resize(bgr, size, interpolation=way), cv2.COLOR_BGR2GRAY)
    return np.asarray(grey, dtype=np.uint8), size[0] / width
