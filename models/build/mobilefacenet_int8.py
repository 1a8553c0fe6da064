"""MobileFaceNet in full integers, calibrated on aligned faces and measured on other people's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.build import mobilefacenet
from models.build.accuracy import cosines, embed, false_rejects
from models.build.crops import Crops, aligned_crops
from models.build.floats import write_float
from models.build.job import Job
from models.build.manifest import Entry, register
from models.build.quantise import quantise

ENTRY = replace(
    mobilefacenet.ENTRY,
    name="mobilefacenet_int8",
    file="mobilefacenet_int8.tflite",
    description="MobileFaceNet in int8 within, float32 outside: a third of the size, faster.",
    precision="int8",
)


def build(job: Job) -> None:
    """Write `mobilefacenet_int8.tflite` and what it loses against float32."""
    calibration, judged = aligned_crops(job).split()
    network = mobilefacenet.load_network(job)
    content = quantise(network, calibration.pixels)
    (job.models / ENTRY.file).write_bytes(content)
    register(_measured(content, write_float(network), judged), job.models)


def _measured(content: bytes, reference: bytes, crops: Crops) -> Entry:
    """Return the entry with its fidelity to the float32 file, on people not calibrated on."""
    vectors, expected = embed(content, crops.pixels), embed(reference, crops.pixels)
    near = cosines(vectors, expected)
    rejects, least_rejects = false_rejects(vectors, crops), false_rejects(expected, crops)
    fidelity: dict[str, float | int] = {
        "faces": len(crops),
        "people": len(np.unique(crops.person)),
        "mean_cosine": round(float(near.mean()), 5),
        "min_cosine": round(float(near.min()), 5),
        "float_bytes": len(reference),
    }
    for far, rate in rejects.items():
        fidelity[f"frr_at_far_{far:.0e}"] = round(rate, 5)
        fidelity[f"float_frr_at_far_{far:.0e}"] = round(least_rejects[far], 5)
    return replace(ENTRY, fidelity=fidelity)
