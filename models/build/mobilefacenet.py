"""MobileFaceNet in float32: the published weights, for one face at a time.

The published file takes two faces and spells PReLU with five operators. Here it is one PRELU,
and 1x1 convolutions with nothing between them are multiplied out.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from models.build.accuracy import cosines, embed
from models.build.crops import aligned_crops
from models.build.fetch import MEMBERS, obtain
from models.build.floats import write_float
from models.build.job import BuildError, Job
from models.build.manifest import Alignment, Entry, Input, Output, register
from models.build.network import PIXEL_MEAN, PIXEL_SCALE, Network, merge_linear, read_published

DIMENSIONS = 192
# Rounding in another order explains less than this.
LEAST_COSINE = 0.99999
PARITY_FACES = 64

ENTRY = Entry(
    name="mobilefacenet",
    role="embedder",
    file="mobilefacenet.tflite",
    licence="MIT",
    weights_licence="Apache-2.0",
    description="MobileFaceNet, 192 numbers from one aligned face; the default embedder.",
    precision="float32",
    runtime="tflite",
    source=MEMBERS["mobilefacenet"].source(),
    input=Input((1, 112, 112, 3), "float32", "rgb", mean=PIXEL_MEAN, scale=PIXEL_SCALE),
    alignment=Alignment("five_point_112", 112),
    output=Output((1, DIMENSIONS), "float32", normalised=False, similarity="cosine"),
)


def build(job: Job) -> None:
    """Write `mobilefacenet.tflite`, after checking it against the published file."""
    content = write_float(load_network(job))
    published = obtain("mobilefacenet", job.cache)
    least = _parity(content, published, _faces(job))
    click.echo(f"mobilefacenet against the published file: least cosine {least:.7f}")
    if least < LEAST_COSINE:
        raise BuildError("the rebuilt MobileFaceNet is not the published one.")
    (job.models / ENTRY.file).write_bytes(content)
    register(ENTRY, job.models)


def load_network(job: Job) -> Network:
    """Return the published network with its linear pairs multiplied out."""
    return merge_linear(read_published(obtain("mobilefacenet", job.cache)))


def _faces(job: Job) -> NDArray[np.uint8]:
    """Return up to 64 aligned faces, or as much noise where no pictures were named."""
    if job.pictures is not None:
        pixels = aligned_crops(job).pixels
        return pixels[:: max(1, len(pixels) // PARITY_FACES)]
    noise = np.random.default_rng(0).integers(0, 256, (PARITY_FACES, 112, 112, 3))
    return noise.astype(np.uint8)


def _parity(content: bytes, published: Path, pixels: NDArray[np.uint8]) -> float:
    """Return the least cosine between the rebuilt and the published network's embeddings."""
    return float(cosines(embed(content, pixels), embed(published.read_bytes(), pixels)).min())
