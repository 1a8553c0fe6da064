"""The bundled pictures of real faces, and the real stages on them, each made once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from appliance.types import Landmarks, Pixels
from appliance.vision import manifest
from appliance.vision.acquisition import Acquisition, FaceSizes
from appliance.vision.blazeface import BlazeFace
from appliance.vision.detector import HogDetector
from appliance.vision.embedding import TfliteEmbedder
from appliance.vision.interpreter import TfliteModel
from appliance.vision.landmarks import FaceMesh
from appliance.vision.quality import QualityLimits

FOLDER = Path(__file__).parents[1] / "appliance" / "demo" / "pictures"
NAMES = ("biden.jpg", "obama.jpg", "obama2.jpg", "obama3.jpg")
LIMITS = QualityLimits(
    min_eye_distance=25,
    min_sharpness=0.07,
    min_brightness=25,
    max_brightness=225,
    max_clipped=0.2,
    max_yaw=55,
    max_pitch=40,
    max_roll=45,
)


@cache
def picture(name: str) -> Pixels:
    """(height, width, 3) BGR."""
    return read(FOLDER / name)


def read(path: Path) -> Pixels:
    bgr = cv2.imread(str(path))
    assert bgr is not None, f"{path} cannot be read"
    return np.asarray(bgr, dtype=np.uint8)


@cache
def network(name: str) -> TfliteModel:
    """A shipped network."""
    shipped = manifest.load(manifest.shipped_folder())
    return TfliteModel(shipped.read(shipped.entry(name)), name=name, threads=1)


@cache
def mesh() -> FaceMesh:
    return FaceMesh(network("face_mesh"))


@cache
def blazeface() -> BlazeFace:
    entry = manifest.load(manifest.shipped_folder()).entry("face_detection", "detector")
    return BlazeFace(entry, network("face_detection"))


@cache
def acquisition() -> Acquisition:
    return Acquisition(HogDetector(), mesh(), FaceSizes(nearest=0.6, farthest=0.12), blazeface())


def embedder(name: str) -> TfliteEmbedder:
    entry = manifest.load(manifest.shipped_folder()).entry(name, "embedder")
    return TfliteEmbedder(entry, network(name), entry.sha256[:16])


@cache
def face(name: str) -> Landmarks:
    """The landmarks of the one face of a bundled picture."""
    (found,) = acquisition().faces(picture(name))
    return found
