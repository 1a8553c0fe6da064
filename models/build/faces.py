"""Finds the face of a picture with the appliance's own stages, for the reports that measure."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from appliance.types import Landmarks, Pixels
from appliance.vision import manifest
from appliance.vision.acquisition import Acquisition, FaceSizes
from appliance.vision.blazeface import BlazeFace
from appliance.vision.detector import HogDetector
from appliance.vision.interpreter import TfliteModel
from appliance.vision.landmarks import FaceMesh
from models.build.job import BuildError

# LFW's faces are about 0.4 of the picture's side; smaller ones stand in the background.
SIZES = FaceSizes(nearest=0.8, farthest=0.16)


class Finder:
    """The detectors and the face mesh of `models/`, for the one face that a picture is about."""

    def __init__(self, models: Path) -> None:
        """models: the folder of the manifest with the mesh and the second detector."""
        mesh = mesh_of(models)
        entry = manifest.load(models).entry("face_detection", "detector")
        second = BlazeFace(entry, load(models / entry.file))
        self._acquisition = Acquisition(HogDetector(), mesh, SIZES, second)

    def central(self, bgr: Pixels) -> Landmarks | None:
        """Return the landmarks of the face nearest the picture's centre, None without a face."""
        middle = np.array([bgr.shape[1], bgr.shape[0]]) / 2
        faces = self._acquisition.faces(bgr)
        return min(
            faces,
            key=lambda face: float(np.linalg.norm(np.array(face.box.centre) - middle)),
            default=None,
        )


def mesh_of(models: Path) -> FaceMesh:
    """The face mesh of `models`, the folder of the manifest."""
    return FaceMesh(load(models / "face_mesh.tflite"))


def load(path: Path, threads: int = 1) -> TfliteModel:
    """Load a TFLite file."""
    return TfliteModel(path.read_bytes(), name=path.stem, threads=threads)


def read_picture(path: Path) -> Pixels:
    """Return (height, width, 3) uint8 BGR, turned upright as its EXIF tag says."""
    bgr = cv2.imread(str(path))
    if bgr is None:
        raise BuildError(f"{path} is not a picture that OpenCV can read.")
    return np.asarray(bgr, dtype=np.uint8)
