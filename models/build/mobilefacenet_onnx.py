"""MobileFaceNet's twin in ONNX, for TensorRT and CUDA: written from the shipped TFLite file.

And the faces by which a board is asked whether its GPU computes what the CPU does: the bundled
portraits, aligned.
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.vision.alignment import FIVE_POINT_112
from appliance.vision.onnx_runtime import CPU, OnnxModel
from appliance.vision.parity import FACES, LEAST_COSINE
from models.build.accuracy import Vectors, cosines, embed
from models.build.crops import aligned_crops
from models.build.faces import Finder, read_picture
from models.build.job import BuildError, Job
from models.build.manifest import register_twin
from models.build.mobilefacenet import ENTRY
from models.build.onnx_graph import to_onnx
from models.build.quantise import network_inputs

FILE = "mobilefacenet.onnx"
# As many faces of other people as are compared.
MOST_FACES = 1000
PORTRAITS = Path(__file__).resolve().parents[2] / "appliance" / "demo" / "pictures"


def build(job: Job) -> None:
    """Write `mobilefacenet.onnx`, after comparing it with the TFLite file, and the faces."""
    source = (job.models / ENTRY.file).read_bytes()
    content = to_onnx(source, ENTRY.name)
    _write_faces(job)
    pixels = _faces(job)
    near = cosines(embed_twin(content, pixels), embed(source, pixels))
    click.echo(
        f"the ONNX twin against {ENTRY.file} on {len(pixels)} faces: cosine least "
        f"{near.min():.7f}, median {np.median(near):.7f}"
    )
    if near.min() < LEAST_COSINE:
        raise BuildError("the ONNX twin computes something else than the TFLite file.")
    (job.models / FILE).write_bytes(content)
    told = {
        "file": FILE,
        "runtime": "onnx",
        "faces": len(pixels),
        # Rounded down: what is stated was reached. Cosines of float32 may exceed 1 by rounding.
        "least_cosine": min(1.0, int(near.min() * 1e6) / 1e6),
        "median_cosine": min(1.0, int(float(np.median(near)) * 1e6) / 1e6),
    }
    register_twin(ENTRY.name, told, job.models)


def embed_twin(content: bytes, pixels: NDArray[np.uint8]) -> Vectors:
    """Return (n, dimensions) unit vectors of (n, 112, 112, 3) RGB faces, by ONNX Runtime's CPU."""
    model = OnnxModel(content, name=ENTRY.name, provider=CPU, threads=2)
    vectors = np.stack([model.run(network_inputs(face[None]))[0][0] for face in pixels])
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _faces(job: Job) -> NDArray[np.uint8]:
    """Return up to 1000 aligned RGB faces of the job's pictures, or the bundled ones."""
    if job.pictures is None:
        return _bundled(Finder(job.models))
    pixels = aligned_crops(job).pixels
    return pixels[:: max(1, len(pixels) // MOST_FACES)]


def _bundled(finder: Finder) -> NDArray[np.uint8]:
    """Return the bundled portraits' faces, (n, 112, 112, 3) RGB."""
    crops = []
    for path in sorted(PORTRAITS.glob("*.jpg")):
        bgr = read_picture(path)
        face = finder.central(bgr)
        if face is None:
            raise BuildError(f"no face is found in {path}.")
        crops.append(cv2.cvtColor(FIVE_POINT_112.crop(bgr, face).bgr, cv2.COLOR_BGR2RGB))
    return np.stack(crops).astype(np.uint8)


def _write_faces(job: Job) -> None:
    """Write the bundled faces side by side, where the appliance looks for them."""
    row = np.concatenate(list(_bundled(Finder(job.models))), axis=1)
    cv2.imwrite(str(FACES), cv2.cvtColor(row, cv2.COLOR_RGB2BGR))
    click.echo(f"{FACES.name}: {FACES.stat().st_size} bytes")
