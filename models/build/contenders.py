"""The embedders that the table compares: those that are shipped, and references that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlib
import numpy as np

from appliance.types import FaceCrop, Floats, Landmarks, Pixels
from appliance.vision import alignment, embedding, interpreter, manifest, mesh, predictor, warp
from appliance.vision.alignment import (
    BY_DLIB_5,
    BY_DLIB_68,
    FIVE_POINT_112,
    OUTER_EYES_AND_NOSE_96,
    PredictedAlignment,
)
from appliance.vision.embedding import TfliteEmbedder, unit
from appliance.vision.interpreter import TfliteModel
from appliance.vision.manifest import Entry, Manifest
from appliance.vision.onnx_runtime import runtime
from appliance.vision.predictor import FIVE, SIXTY_EIGHT, ShapePredictor
from models.build.fetch import fetched, obtain
from models.build.job import Job
from models.build.keys import key, sources

Crop = Callable[[Pixels, Landmarks], FaceCrop]
Embed = Callable[[FaceCrop], Floats]
Aligners = dict[str, tuple[str, Crop, bytes]]

# The chip that dlib's ResNet was trained on.
CHIP_SIDE, CHIP_PADDING = 150, 0.25

# Beside the files, what decides what a crop is, and what feeds a shipped network.
_CROPPING = (alignment, mesh, predictor, warp)
_FEEDING = (embedding, interpreter)


@dataclass(frozen=True, eq=False)
class Contender:
    """One network behind one alignment.

    aligned_by: whose points align. crop: from a frame (BGR) and a face's mesh to what the network
    sees. embed: from that to a vector; vectors are compared by their Euclidean distance, which
    orders pairs of unit vectors as their cosine does. size: of the network's file in bytes.
    key: names what the vectors depend on beside the faces.
    """

    name: str
    aligned_by: str
    shipped: bool
    crop: Crop
    embed: Embed
    size: int
    key: str


def contenders(job: Job) -> Iterator[Contender]:
    """Yield the shipped embedders, then the references.

    dlib's 68 points take part only where `python -m models.build fetch landmarks68` was run.
    """
    yield from shipped_contenders(manifest.load(job.models), fetched("landmarks68", job.cache))
    yield _resnet(obtain("resnet", job.cache), job.models / "landmarks5.dat")
    yield _candidate(obtain("candidate", job.cache))


def shipped_contenders(models: Manifest, sixty_eight: Path | None) -> Iterator[Contender]:
    """Yield every embedder of the manifest, OpenFace behind each alignment.

    sixty_eight: the file of dlib's 68 points, if it is at hand.
    """
    embedders = [entry for entry in models.entries.values() if entry.role == "embedder"]
    for entry in embedders:
        if entry.alignment.name == FIVE_POINT_112.name:
            yield _shipped(models, entry, "mesh", FIVE_POINT_112.crop)
    by_mesh = OUTER_EYES_AND_NOSE_96
    five = models.read(models.entry("landmarks5", "landmarks5"))
    aligners: Aligners = {
        "mesh": (by_mesh.name, by_mesh.crop, b""),
        "dlib 5": _by_dlib(BY_DLIB_5, five, FIVE),
    }
    if sixty_eight is not None:
        aligners["dlib 68"] = _by_dlib(BY_DLIB_68, sixty_eight.read_bytes(), SIXTY_EIGHT)
    for entry in embedders:
        if entry.alignment.name == by_mesh.name:
            for aligned_by, (name, crop, points) in aligners.items():
                realigned = entry.alignment.model_copy(update={"name": name})
                fed = entry.model_copy(update={"alignment": realigned})
                yield _shipped(models, fed, aligned_by, crop, points)


def _by_dlib(name: str, content: bytes, wanted: tuple[int, int, int]) -> tuple[str, Crop, bytes]:
    """Return OpenFace's alignment by one of dlib's predictors."""
    points = ShapePredictor(content, wanted)
    return name, PredictedAlignment(name, points.outer_eyes_and_nose).crop, content


def _shipped(
    models: Manifest, entry: Entry, aligned_by: str, crop: Crop, points: bytes = b""
) -> Contender:
    """Return a network of the manifest, on one thread. points: the file that aligns, if any."""
    content = models.read(entry)
    network = TfliteEmbedder(entry, TfliteModel(content, name=entry.name, threads=1), "")
    fed = entry.model_dump_json(include={"input", "alignment"})
    return Contender(
        name=entry.name,
        aligned_by=aligned_by,
        shipped=True,
        crop=crop,
        embed=lambda face: network.embed(face).vector,
        size=len(content),
        key=key([content, points, fed, sources(_CROPPING), sources(_FEEDING)]),
    )


def _resnet(path: Path, five: Path) -> Contender:
    """Return dlib's ResNet as dlib runs it: a chip of 150 pixels by five points, 128 numbers.

    King, "High quality face recognition with deep metric learning" (dlib, 2017). Not normalised:
    its author compares by Euclidean distance.
    """
    network: Any = dlib.face_recognition_model_v1(str(path))
    predictor_file = five.read_bytes()
    predict = ShapePredictor(predictor_file, FIVE)

    def crop(bgr: Pixels, face: Landmarks) -> FaceCrop:
        rgb = np.ascontiguousarray(bgr[:, :, ::-1])
        chip = dlib.get_face_chip(rgb, predict.shape(bgr, face), CHIP_SIDE, CHIP_PADDING)
        return FaceCrop(np.asarray(chip[:, :, ::-1]), "dlib_chip_150")

    def embed(face: FaceCrop) -> Floats:
        rgb = np.ascontiguousarray(face.bgr[:, :, ::-1])
        return np.array(network.compute_face_descriptor(rgb), np.float32)

    content = path.read_bytes()
    made = f"{CHIP_SIDE} {CHIP_PADDING} {dlib.__version__}"
    name = "dlib ResNet"
    return Contender(
        name,
        "dlib 5",
        False,
        crop,
        embed,
        len(content),
        key([content, predictor_file, made, sources(_CROPPING)]),
    )


def _candidate(path: Path) -> Contender:
    """Return the embedder of faceplugin-face-recognition-js by ONNX Runtime, on one thread.

    112 x 112 BGR, x = (pixel - 127) / 128, 512 numbers.
    """
    onnxruntime = runtime()
    content = path.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def embed(face: FaceCrop) -> Floats:
        tensor = (face.bgr.astype(np.float32) - np.float32(127)) / np.float32(128)
        (output,) = session.run(None, {"input": tensor.transpose(2, 0, 1)[None]})
        return unit(np.asarray(output, np.float32).reshape(-1))

    return Contender(
        name="fr_feature",
        aligned_by="mesh",
        shipped=False,
        crop=FIVE_POINT_112.crop,
        embed=embed,
        size=len(content),
        key=key([content, "bgr 127 128", sources(_CROPPING)]),
    )
