"""Which operators a TFLite file holds, and who runs each: XNNPACK or TFLite's own kernels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from appliance.errors import ModelError
from appliance.vision import manifest
from appliance.vision.interpreter import runtime
from models.build.job import BuildError

# What the runtime calls the node that stands for a part of the graph.
DELEGATE = "DELEGATE"


@dataclass(frozen=True)
class Operator:
    """One operator of a file, in the file's order.

    kind: its name in TFLite's schema. result: dtype and shape of its first output.
    partition: which of XNNPACK's parts of the graph it is in, from 1; None if TFLite runs it.
    """

    kind: str
    result: str
    partition: int | None = None

    @property
    def runner(self) -> str:
        """Whose kernel computes it."""
        return "TFLite" if self.partition is None else "XNNPACK"


def operators(content: bytes) -> list[Operator]:
    """Return a TFLite file's operators, as the installed runtime divides them."""
    interpreter = runtime().Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    # Private, and the only place where the runtime tells: a report may lean on it.
    nodes = interpreter._get_ops_details()  # noqa: SLF001
    tensors = {each["index"]: each for each in interpreter.get_tensor_details()}
    listed = {
        node["index"]: Operator(node["op_name"], _description(tensors[node["outputs"][0]]))
        for node in nodes
        if node["op_name"] != DELEGATE
    }
    parts = [node for node in nodes if node["op_name"] == DELEGATE]
    for partition, part in enumerate(parts, 1):
        for index in _inside(part, nodes):
            listed[index] = replace(listed[index], partition=partition)
    return list(listed.values())


def partitions(listed: Sequence[Operator]) -> int:
    """Return in how many parts XNNPACK runs them."""
    return len({each.partition for each in listed} - {None})


def summary(listed: Sequence[Operator]) -> str:
    """Return one line: how many operators of each kind each of the two runs."""
    counts = Counter((each.runner, each.kind) for each in listed)
    runners = []
    for runner in sorted({each.runner for each in listed}, reverse=True):
        kinds = [f"{kind} {count}" for (who, kind), count in counts.items() if who == runner]
        runners.append(f"{runner}: {', '.join(kinds)}")
    return "; ".join(runners)


def print_operators(name: str, folder: Path) -> None:
    """Print every operator of the model `name` of `folder` and who runs it."""
    shipped = manifest.load(folder)
    try:
        entry = shipped.entry(name)
        if entry.runtime != "tflite":
            raise BuildError(f"{name} is no TFLite file: it has no operators to list.")
        listed = operators(shipped.read(entry))
    except ModelError as error:
        raise BuildError(f"{error} {error.hint}") from error
    width = max(len(each.kind) for each in listed)
    for number, each in enumerate(listed):
        part = "" if each.partition is None else f", partition {each.partition}"
        click.echo(f"{number:3}  {each.kind:{width}}  {each.result:25}  {each.runner}{part}")
    own = sum(each.partition is None for each in listed)
    click.echo(
        f"{name}: {len(listed)} operators, {len(listed) - own} run by XNNPACK in "
        f"{partitions(listed)} partition(s), {own} by TFLite itself."
    )
    click.echo(summary(listed))


def _inside(part: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> set[int]:
    """Return the indices of the operators that a delegate's node stands for.

    The runtime lists them beside it without saying so. Whatever is needed for the node's outputs
    and is not among its inputs is computed within.
    """
    maker = {
        tensor: node for node in nodes if node["op_name"] != DELEGATE for tensor in node["outputs"]
    }
    given = set(part["inputs"])
    found: set[int] = set()
    wanted = list(part["outputs"])
    while wanted:
        node = maker[wanted.pop()]
        if node["index"] not in found:
            found.add(node["index"])
            wanted += [each for each in node["inputs"] if each in maker and each not in given]
    return found


def _description(tensor: Mapping[str, Any]) -> str:
    """Return a tensor's dtype and shape, "int8 1x56x56x64"."""
    return f"{np.dtype(tensor['dtype']).name} {'x'.join(str(side) for side in tensor['shape'])}"
