"""How well an embedder tells people apart, and how near it is to another one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from appliance.vision.interpreter import TfliteModel
from models.build.crops import Crops
from models.build.quantise import network_inputs

TARGETS = (1e-3, 1e-4, 1e-5)

Vectors = NDArray[np.float32]


def embed(content: bytes, pixels: NDArray[np.uint8]) -> Vectors:
    """Return (n, dimensions) unit vectors of (n, 112, 112, 3) RGB faces."""
    model = TfliteModel(content, name="embedder", threads=2)
    batch = model.input_shape[0]  # two in the published file; the same face twice will do
    vectors = np.stack(
        [model.run(network_inputs(np.stack([face] * batch)))[0][0] for face in pixels]
    )
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def cosines(one: Vectors, other: Vectors) -> NDArray[np.float64]:
    """Return (n,) cosines between two embedders' unit vectors of the same faces."""
    return np.asarray(np.einsum("nd,nd->n", one, other, dtype=np.float64))


def false_rejects(vectors: Vectors, crops: Crops) -> dict[float, float]:
    """Return the false-reject rate at each false-accept rate of `TARGETS`.

    One picture against one picture, every pair once; the threshold is the one that just keeps
    the false-accept rate on these very pairs.
    """
    one, other = np.triu_indices(len(crops), 1)
    scores = (vectors @ vectors.T)[one, other]
    same = crops.person[one] == crops.person[other]
    impostors = np.sort(scores[~same])[::-1]
    thresholds = {far: impostors[int(far * impostors.size)] for far in TARGETS}
    return {far: float((scores[same] <= least).mean()) for far, least in thresholds.items()}


def fidelity(content: bytes, reference: bytes, crops: Crops) -> dict[str, float | int]:
    """Return what a smaller file loses against the reference, for the manifest."""
    vectors, expected = embed(content, crops.pixels), embed(reference, crops.pixels)
    near = cosines(vectors, expected)
    rejects, least_rejects = false_rejects(vectors, crops), false_rejects(expected, crops)
    measured: dict[str, float | int] = {
        "faces": len(crops),
        "people": len(np.unique(crops.person)),
        "mean_cosine": round(float(near.mean()), 5),
        "min_cosine": round(float(near.min()), 5),
        "float_bytes": len(reference),
    }
    for far in TARGETS:
        measured[f"frr_at_far_{far:.0e}"] = round(rejects[far], 5)
        measured[f"float_frr_at_far_{far:.0e}"] = round(least_rejects[far], 5)
    return measured
