"""MobileFaceNet with int8 weights and activations that the runtime quantises at every call.

Nothing has to be calibrated: each tensor's range is its own. Needs a runtime whose XNNPACK has
dynamically quantised convolutions; older ones run it correctly, but slowly.
"""

from __future__ import annotations

from dataclasses import replace

from models.build import mobilefacenet
from models.build.accuracy import fidelity
from models.build.crops import aligned_crops
from models.build.floats import write_float
from models.build.job import Job
from models.build.manifest import register

ENTRY = replace(
    mobilefacenet.ENTRY,
    name="mobilefacenet_dynamic",
    file="mobilefacenet_dynamic.tflite",
    description="MobileFaceNet with int8 weights, activations quantised as they come.",
    precision="int8",
)


def build(job: Job) -> None:
    """Write `mobilefacenet_dynamic.tflite` and what it loses against float32."""
    _, judged = aligned_crops(job).split()
    network = mobilefacenet.load_network(job)
    content = write_float(network, storage="int8")
    (job.models / ENTRY.file).write_bytes(content)
    measured = fidelity(content, write_float(network), judged)
    register(replace(ENTRY, fidelity=measured), job.models)
