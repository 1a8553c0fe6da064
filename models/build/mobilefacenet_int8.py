"""MobileFaceNet in full integers, calibrated on aligned faces and measured on other people's."""

from __future__ import annotations

from dataclasses import replace

from models.build import mobilefacenet
from models.build.accuracy import fidelity
from models.build.crops import aligned_crops
from models.build.floats import write_float
from models.build.job import Job
from models.build.manifest import register
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
    measured = fidelity(content, write_float(network), judged)
    register(replace(ENTRY, fidelity=measured), job.models)
