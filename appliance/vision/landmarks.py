"""The 468-point face mesh network.

Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs",
arXiv:1907.06724. It sees a square around a face, turned so that the eyes are level.
"""

from __future__ import annotations

import cv2
import numpy as np

from appliance.types import Landmarks, Pixels, Region
from appliance.vision.interpreter import TfliteModel
from appliance.vision.warp import apply, inverse, region_matrix, warp


class FaceMesh:
    """The mesh network; port LandmarkModel."""

    def __init__(self, model: TfliteModel) -> None:
        self._model = model
        self._size = model.input_shape[1]

    def locate(self, bgr: Pixels, region: Region) -> Landmarks:
        """Landmarks of the face inside `region`, in frame pixels."""
        matrix = region_matrix(region, self._size)
        crop = cv2.cvtColor(warp(bgr, matrix, self._size), cv2.COLOR_BGR2RGB)
        tensor = crop[np.newaxis].astype(np.float32) * np.float32(1 / 255)
        mesh, presence = self._model.run(tensor)
        local = mesh.reshape(-1, 3)
        points = np.empty_like(local)
        points[:, :2] = apply(inverse(matrix), local[:, :2])
        # Depth comes in the crop's pixels; the same scale turns it into the frame's.
        points[:, 2] = local[:, 2] * np.float32(region.side / self._size)
        return Landmarks(points, float(1 / (1 + np.exp(-presence.reshape(-1)[0]))))
