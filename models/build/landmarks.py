"""The second face detector and the landmark models, all copied unchanged from their packages."""

from __future__ import annotations

import shutil

from models.build.fetch import MEMBERS, obtain
from models.build.job import Job
from models.build.manifest import Alignment, Entry, Input, Output, register

FACE_DETECTION = Entry(
    name="face_detection",
    role="detector",
    file="face_detection.tflite",
    licence="Apache-2.0",
    weights_licence="Apache-2.0",
    description="BlazeFace, short range: near faces that HOG is blind to.",
    precision="float16",
    runtime="tflite",
    source=MEMBERS["face_detection"].source(),
    input=Input((1, 128, 128, 3), "float32", "rgb", mean=127.5, scale=1 / 127.5),
    alignment=Alignment("none", 128),
    output=Output((1, 896, 16), "float32", normalised=False),
)

FACE_MESH = Entry(
    name="face_mesh",
    role="landmarks",
    file="face_mesh.tflite",
    licence="Apache-2.0",
    weights_licence="Apache-2.0",
    description="468 face landmarks and a presence score from one square crop around a face.",
    precision="float16",
    runtime="tflite",
    source=MEMBERS["face_mesh"].source(),
    input=Input((1, 192, 192, 3), "float32", "rgb", mean=0.0, scale=1 / 255),
    alignment=Alignment("none", 192),
    output=Output((1, 1, 1, 1404), "float32", normalised=False),
)

LANDMARKS5 = Entry(
    name="landmarks5",
    role="landmarks5",
    file="landmarks5.dat",
    licence="CC0-1.0",
    weights_licence="CC0-1.0",
    description="Eye corners and the base of the nose inside a face box, by regression trees.",
    precision="float32",
    runtime="dlib",
    source=MEMBERS["landmarks5"].source(),
    input=Input((0, 0, 3), "uint8", "rgb", mean=0.0, scale=1.0),
    alignment=Alignment("none", 0),
    output=Output((5, 2), "int64", normalised=False),
)


def build(job: Job) -> None:
    """Copy the files into `job.models` and register them."""
    for entry in (FACE_DETECTION, FACE_MESH, LANDMARKS5):
        shutil.copyfile(obtain(entry.name, job.cache), job.models / entry.file)
        register(entry, job.models)
