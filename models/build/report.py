"""Measures MobileFaceNet side by side in every precision that was tried."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from appliance.vision.interpreter import TfliteModel
from models.build import mobilefacenet, mobilefacenet_dynamic, mobilefacenet_int8
from models.build.accuracy import TARGETS, Vectors, cosines, embed, false_rejects
from models.build.crops import Crops, aligned_crops
from models.build.floats import write_float
from models.build.job import BuildError, Job
from models.build.operators import operators, partitions, summary
from models.build.quantise import network_inputs
from models.build.speed import milliseconds

THREADS = (1, 2)
HEADER = [
    "",
    *(f"FRR@{far:.0e}" for far in TARGETS),
    "mean cos",
    "min cos",
    *(f"ms, {threads} thr." for threads in THREADS),
    "float32/x",
    "bytes",
    "operators",
    "partitions",
]


def print_report(job: Job) -> None:
    """Print error rates, fidelity to float32, and cost of every precision, one line each."""
    crops = aligned_crops(job)
    _, judged = crops.split()
    network = mobilefacenet.load_network(job)
    files = {
        "float32": _read(job.models / mobilefacenet.ENTRY.file),
        "float16 weights": write_float(network, storage="float16"),
        "int8 weights": write_float(network, storage="int8 widened"),
        "dynamic": _read(job.models / mobilefacenet_dynamic.ENTRY.file),
        "int8": _read(job.models / mobilefacenet_int8.ENTRY.file),
    }
    people = len(np.unique(judged.person))
    click.echo(f"{len(judged)} faces of {people} people, none seen by the quantiser.")
    vectors = {name: embed(content, judged.pixels) for name, content in files.items()}
    costs = _costs(files, judged)
    _print_table([HEADER, *([*_accuracy(name, vectors, judged), *costs[name]] for name in files)])
    for name, content in files.items():
        click.echo(f"{name}: {summary(operators(content))}")


def _read(path: Path) -> bytes:
    """Return a built file, or say that it has to be built first."""
    if not path.exists():
        raise BuildError(f"{path.name} is not there yet: run `python -m models.build make` first.")
    return path.read_bytes()


def _accuracy(name: str, vectors: dict[str, Vectors], crops: Crops) -> list[str]:
    """Return how well a file tells people apart, and how near it is to float32."""
    rejects = false_rejects(vectors[name], crops)
    near = cosines(vectors[name], vectors["float32"])
    rates = [f"{rejects[far]:.2%}" for far in TARGETS]
    return [name, *rates, f"{near.mean():.4f}", f"{near.min():.4f}"]


def _costs(files: dict[str, bytes], crops: Crops) -> dict[str, list[str]]:
    """Return every file's times, how much faster than float32 on one thread, size, operators."""
    tensor = network_inputs(crops.pixels[:1])
    times = []
    for threads in THREADS:
        models = {
            name: TfliteModel(content, name=name, threads=threads)
            for name, content in files.items()
        }
        times.append(milliseconds(models, tensor))
    costs = {}
    for name, content in files.items():
        listed = operators(content)
        took = [f"{each[name]:.2f}" for each in times]
        gain = f"{times[0]['float32'] / times[0][name]:.2f}"
        size = [str(len(content)), str(len(listed)), str(partitions(listed))]
        costs[name] = [*took, gain, *size]
    return costs


def _print_table(rows: list[list[str]]) -> None:
    """Print rows as right-aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    click.echo()
