"""dlib's five-point shape predictor: eye corners and the nose's base by regression trees.

Kazemi and Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees",
CVPR 2014. It stays for OpenFace's own alignment; the face mesh is the appliance's own choice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import ModelError
from appliance.types import Floats, Landmarks, Pixels

# The predictor was trained on the boxes of dlib's HOG detector: squares around the mesh's centre,
# of this share of the mesh's larger side (median over 400 pictures of LFW).
BOX_SIDE = 0.94
# Of the five points: both outer eye corners, left one first as seen in the picture, and the nose.
OUTER_EYES_AND_NOSE = (2, 0, 4)


class FivePointPredictor:
    """Finds the points on a face whose mesh is known."""

    def __init__(self, path: Path) -> None:
        """path: the predictor's file, already checked. ModelError when dlib cannot load it."""
        import dlib

        self._rectangle: Any = dlib.rectangle
        try:
            self._predictor: Any = dlib.shape_predictor(str(path))
        except RuntimeError as error:
            raise ModelError(
                f"dlib cannot load the shape predictor {path}: {error}.",
                hint="Restore the models that came with this version.",
            ) from error

    def outer_eyes_and_nose(self, bgr: Pixels, landmarks: Landmarks) -> Floats:
        """(3, 2): both outer eye corners and the nose's base, in frame pixels."""
        box = landmarks.box
        side = BOX_SIDE * max(box.width, box.height)
        x, y = box.centre
        left, top = x - side / 2, y - side / 2
        corners = (round(edge) for edge in (left, top, left + side, top + side))
        shape = self._predictor(np.ascontiguousarray(bgr[:, :, ::-1]), self._rectangle(*corners))
        points = [(shape.part(index).x, shape.part(index).y) for index in OUTER_EYES_AND_NOSE]
        return np.array(points, np.float32)
