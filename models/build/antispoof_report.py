"""Measures the anti-spoof network: against its ONNX file, in 8 bits, and beside another network.

Run `python -m models.build.antispoof_report --help`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.liveness.appearance import SHIPPED, TIGHT
from appliance.types import LivenessState, Pixels
from appliance.vision.onnx_runtime import runtime
from models.build.antispoof_material import Face, Material, people, single
from models.build.antispoof_precision import print_precisions
from models.build.antispoof_subjects import Subject, rivals, shipped, shipped_network
from models.build.faces import Finder, load
from models.build.fetch import obtain
from models.build.job import MODELS

Floats = NDArray[np.float32]

SIZE = 128
FILE = MODELS / "antispoof.tflite"
# How many crops are compared with the ONNX file, and with 8 bits of each kind.
PARITY_CROPS = 200
PRECISION_CROPS = 400
SPEED_RUNS = 100

_MATERIAL = click.Path(exists=True, path_type=Path)


@click.command()
@click.option(
    "--pictures",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of live faces, PERSON/*.jpg (LFW's layout).",
)
@click.option("--count", default=400, help="How many of them of each half.", show_default=True)
@click.option("--live", multiple=True, type=_MATERIAL, help="Picture, clip, or a folder of them.")
@click.option("--attack", multiple=True, type=_MATERIAL, help="Picture, clip, or a folder of them.")
@click.option(
    "--cache",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that `python -m models.build fetch antispoof antispoof_rival` filled.",
)
def main(
    *, pictures: Path, count: int, live: Sequence[Path], attack: Sequence[Path], cache: Path
) -> None:
    """Print parity with the ONNX file, speed, 8 bits, and who takes what for live."""
    cv2.setNumThreads(1)  # times are those of one thread
    finder = Finder(MODELS)
    materials = people(pictures, count, finder)
    materials += [single(path, finder, live=True) for path in live]
    materials += [single(path, finder, live=False) for path in attack]
    published = obtain("antispoof", cache)
    crops = {kind: list(_crops(materials, live=kind)) for kind in (True, False)}
    _print_parity(published, crops[True][:PARITY_CROPS])
    _print_speed(materials[0].faces[0])
    if len(crops[False]) > 1:
        print_precisions(published, FILE.read_bytes(), crops[True], crops[False])
    network = shipped_network()
    _print_table(materials, [*shipped(network), *rivals(cache)])


def _crops(materials: Sequence[Material], *, live: bool) -> Iterator[Pixels]:
    """Yield what the network is shown of PRECISION_CROPS faces at most, spread over them all."""
    faces = [face for it in materials if it.live is live for face in it.faces]
    for index, face in enumerate(faces[:: max(1, len(faces) // PRECISION_CROPS)]):
        yield SHIPPED[index % len(SHIPPED)].crop(face.frame.bgr, face.landmarks, SIZE)


def _print_parity(published: Path, crops: Sequence[Pixels]) -> None:
    session = runtime().InferenceSession(str(published), providers=["CPUExecutionProvider"])
    model = load(FILE)
    cosines, differences = [], []
    for crop in crops:
        tensor = crop[None].astype(np.float32)
        theirs: Any = session.run(None, {"input": tensor.transpose(0, 3, 1, 2)})[0]
        ours = model.run(tensor)[0]
        one, other = theirs.reshape(-1), ours.reshape(-1)
        cosines.append(float(one @ other / np.linalg.norm(one) / np.linalg.norm(other)))
        differences.append(float(np.abs(_softmax(theirs) - _softmax(ours)).max()))
    click.echo(
        f"ONNX against TFLite on {len(crops)} crops: cosine of logits lowest {min(cosines):.7f}, "
        f"probabilities differ by at most {max(differences):.1e}"
    )


def _softmax(logits: Floats) -> NDArray[np.float64]:
    """Return (3,) probabilities."""
    powers = np.exp(logits.reshape(-1).astype(np.float64) - float(logits.max()))
    return np.asarray(powers / powers.sum())


def _print_speed(face: Face) -> None:
    tensor = TIGHT.crop(face.frame.bgr, face.landmarks, SIZE)[None].astype(np.float32)
    model = load(FILE)
    times = []
    for _ in range(SPEED_RUNS):
        begun = time.process_time()
        model.run(tensor)
        times.append(1e3 * (time.process_time() - begun))
    click.echo(
        f"antispoof: {np.median(times):.2f} ms of one processor a run on one thread, "
        f"{min(times):.2f} the quickest of {SPEED_RUNS}"
    )


def _print_table(materials: Sequence[Material], subjects: Sequence[Subject]) -> None:
    """Print the share of faces that each subject gets wrong: live ones refused, attacks passed.

    What stays undetermined does not pass.
    """
    spent = {it.name: Cost() for it in subjects}
    width = max(len(it.name) for it in materials) + 2
    head = "".join(f"{it.name:>15}" for it in subjects)
    click.echo(f"\n{'wrong, of all faces':{width + 7}}{'files':>6}{'faces':>7}{'missed':>8}{head}")
    for material in materials:
        cells = "".join(_cell(material, subject, spent[subject.name]) for subject in subjects)
        kind = "live" if material.live else "attack"
        counts = f"{material.files:>6}{len(material.faces):>7}{material.missed:>8}"
        click.echo(f"{kind:7}{material.name:{width}}{counts}{cells}")
    means = "".join(f"{spent[it.name].mean_ms:>12.1f} ms" for it in subjects)
    click.echo(f"{'a judgement, of one processor':{width + 28}}{means}")


@dataclass
class Cost:
    """Processor time spent, in seconds, and on how many faces."""

    seconds: float = 0.0
    faces: int = 0

    @property
    def mean_ms(self) -> float:
        """Milliseconds a face."""
        return 1e3 * self.seconds / max(self.faces, 1)


def _cell(material: Material, subject: Subject, cost: Cost) -> str:
    every = -(-len(material.faces) // subject.most) if subject.most else 1
    faces = material.faces[:: max(every, 1)]
    if not faces:
        return f"{'no face':>15}"
    begun = time.process_time()
    found = [subject.check.check(it.frame, it.landmarks).state for it in faces]
    cost.seconds += time.process_time() - begun
    cost.faces += len(faces)
    wrong = [(state is LivenessState.LIVE) != material.live for state in found]
    return f"{np.mean(wrong):>15.1%}"


if __name__ == "__main__":
    main()
