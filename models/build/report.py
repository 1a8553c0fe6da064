"""Measures the built MobileFaceNet files side by side."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
import numpy as np

from appliance.vision.interpreter import TfliteModel, runtime
from models.build import mobilefacenet, mobilefacenet_dynamic, mobilefacenet_int8
from models.build.accuracy import TARGETS, Vectors, cosines, embed, false_rejects
from models.build.crops import Crops, aligned_crops
from models.build.floats import write_float
from models.build.job import BuildError, Job
from models.build.quantise import network_inputs
from models.build.speed import milliseconds

COLUMNS = ["", *(f"FRR@{far:.0e}" for far in TARGETS), "mean cos", "min cos"]
COST_COLUMNS = ["", "ms, 1 thread", "ms, 2 threads", "bytes", "operators", "partitions"]


def print_report(job: Job) -> None:
    """Print error rates, fidelity to float32, and cost of every precision."""
    crops = aligned_crops(job)
    _, judged = crops.split()
    files = {
        "float32": _read(job.models / mobilefacenet.ENTRY.file),
        "float16": write_float(mobilefacenet.load_network(job), storage="float16"),
        "dynamic": _read(job.models / mobilefacenet_dynamic.ENTRY.file),
        "int8": _read(job.models / mobilefacenet_int8.ENTRY.file),
    }
    people = len(np.unique(judged.person))
    click.echo(f"{len(judged)} faces of {people} people, none seen by the quantiser.")
    vectors = {name: embed(content, judged.pixels) for name, content in files.items()}
    _print_table([COLUMNS, *(_accuracy_row(name, vectors, judged) for name in files)])
    _print_table([COST_COLUMNS, *_cost_rows(files, judged)])
    for name, content in files.items():
        operators = ", ".join(f"{kind} {count}" for kind, count in _operators(content).items())
        click.echo(f"{name}: {operators}")


def _read(path: Path) -> bytes:
    """Return a built file, or say that it has to be built first."""
    if not path.exists():
        raise BuildError(f"{path.name} is not there yet: run `python -m models.build make` first.")
    return path.read_bytes()


def _accuracy_row(name: str, vectors: dict[str, Vectors], crops: Crops) -> list[str]:
    """Return one line about how well a file tells people apart."""
    rejects = false_rejects(vectors[name], crops)
    near = cosines(vectors[name], vectors["float32"])
    rates = [f"{rejects[far]:.2%}" for far in TARGETS]
    return [name, *rates, f"{near.mean():.4f}", f"{near.min():.4f}"]


def _cost_rows(files: dict[str, bytes], crops: Crops) -> list[list[str]]:
    """Return one line per file about time, size and operators."""
    tensor = network_inputs(crops.pixels[:1])
    times = []
    for threads in (1, 2):
        models = {
            name: TfliteModel(content, name=name, threads=threads)
            for name, content in files.items()
        }
        times.append(milliseconds(models, tensor))
    rows = []
    for name, content in files.items():
        counts = _operators(content)
        delegates = counts["DELEGATE"]
        operators = sum(counts.values()) - delegates
        took = [f"{each[name]:.2f}" for each in times]
        rows.append([name, *took, str(len(content)), str(operators), str(delegates)])
    return rows


def _operators(content: bytes) -> Counter[str]:
    """Count a model's operators by kind; DELEGATE is one per part that XNNPACK runs."""
    interpreter = runtime().Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    # Private, and the only place where the runtime tells: a report may lean on it.
    details = interpreter._get_ops_details()  # noqa: SLF001
    return Counter(item["op_name"] for item in details)


def _print_table(rows: list[list[str]]) -> None:
    """Print rows as right-aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    click.echo()
