"""Measures the anti-spoof network: against its ONNX file, and on live and attack material.

Run `python -m models.build.antispoof_report --help`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from appliance.liveness.appearance import AppearanceCheck, Context, Thresholds
from appliance.types import Landmarks, Pixels
from appliance.vision import manifest
from appliance.vision.interpreter import TfliteModel
from appliance.vision.warp import region_matrix, warp
from models.build.faces import Finder, load, read_picture
from models.build.fetch import obtain
from models.build.job import MODELS, BuildError
from models.build.speed import milliseconds

Floats = NDArray[np.float32]

SIZE = 128

# What is compared with the ONNX file, and how many frames are taken of a clip.
PARITY_CROPS = 200
CLIP_FRAMES = 25


@click.command()
@click.option(
    "--pictures",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of live faces, PERSON/*.jpg (LFW's layout).",
)
@click.option("--count", default=1500, help="How many of them, drawn at random.", show_default=True)
@click.option(
    "--live", multiple=True, type=click.Path(exists=True, path_type=Path), help="Picture or clip."
)
@click.option(
    "--attack", multiple=True, type=click.Path(exists=True, path_type=Path), help="Picture or clip."
)
@click.option("--side", default=1.4, help="The crop's side, see Context.", show_default=True)
@click.option("--drop", default=0.0, help="How far it lies lower.", show_default=True)
@click.option(
    "--cache",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that `python -m models.build fetch antispoof` filled.",
)
def main(  # noqa: PLR0913 - one argument per option
    *,
    pictures: Path,
    count: int,
    live: tuple[Path, ...],
    attack: tuple[Path, ...],
    side: float,
    drop: float,
    cache: Path,
) -> None:
    """Print parity with the ONNX file, the speed, and live probabilities on each material."""
    subject = _subject(Context(side, drop))
    paths = sorted(pictures.glob("*/*.jpg"))
    chosen = np.random.default_rng(0).permutation(len(paths))[:count]
    seen = [found for index in chosen for found in subject.faces(read_picture(paths[index]))]
    crops = [subject.crop(bgr, face) for bgr, face in seen[:PARITY_CROPS]]
    _print_parity(obtain("antispoof", cache), subject.model, crops)
    _print_speed(crops[0])
    scores = np.array([subject.check.score(bgr, face) for bgr, face in seen])
    marks = (0, 0.5, 1, 2, 5, 10, 50)
    spread = " ".join(f"{mark}%:{np.percentile(scores, mark):.3f}" for mark in marks)
    click.echo(f"{len(scores)} pictures, percentiles of live probability: {spread}")
    for threshold in (0.4, 0.5, 0.6):
        click.echo(f"BPCER at {threshold} on them: {np.mean(scores < threshold):.2%}")
    for word, given in (("live", live), ("attack", attack)):
        for path in given:
            _print_path(word, path, subject)


@dataclass(frozen=True)
class Subject:
    """What is measured: the appliance's own check, and what it needs around it."""

    finder: Finder
    model: TfliteModel
    context: Context
    check: AppearanceCheck

    def faces(self, bgr: Pixels) -> Iterator[tuple[Pixels, Landmarks]]:
        """Yield the picture with its central face; nothing where no face is found."""
        face = self.finder.central(bgr)
        if face is not None:
            yield bgr, face

    def crop(self, bgr: Pixels, face: Landmarks) -> Pixels:
        """Return the (128, 128, 3) uint8 BGR square that the network judges."""
        return warp(bgr, region_matrix(self.context.region(face), SIZE), SIZE)


def _subject(context: Context) -> Subject:
    entry = manifest.load(MODELS).entry("antispoof", "liveness")
    model = load(MODELS / entry.file)
    check = AppearanceCheck(entry, model, context, Thresholds(attack=0.0, live=1.0))
    return Subject(Finder(MODELS), model, context, check)


def _softmax(logits: Floats) -> NDArray[np.float64]:
    """Return (3,) probabilities."""
    powers = np.exp(logits.reshape(-1).astype(np.float64) - float(logits.max()))
    return np.asarray(powers / powers.sum())


def _frames(path: Path) -> Iterator[Pixels]:
    """Yield a picture, or about CLIP_FRAMES frames spread over a clip."""
    if path.suffix.lower() in {".jpg", ".jpeg", ".png"}:
        yield read_picture(path)
        return
    clip = cv2.VideoCapture(str(path))
    if not clip.isOpened():
        raise BuildError(f"{path} is neither a picture nor a clip that OpenCV can read.")
    step = max(1, int(clip.get(cv2.CAP_PROP_FRAME_COUNT)) // CLIP_FRAMES)
    index = 0
    while True:
        there, bgr = clip.read()
        if not there:
            return
        if index % step == 0:
            yield np.asarray(bgr, dtype=np.uint8)
        index += 1


def _print_path(word: str, path: Path, subject: Subject) -> None:
    seen = [found for bgr in _frames(path) for found in subject.faces(bgr)]
    if not seen:
        click.echo(f"{word} {path.name}: no face found")
        return
    scores = [subject.check.score(bgr, face) for bgr, face in seen]
    click.echo(
        f"{word} {path.name}: {len(scores)} face(s), lowest {min(scores):.3f} "
        f"median {np.median(scores):.3f} highest {max(scores):.3f}"
    )


def _print_parity(published: Path, model: TfliteModel, crops: list[Pixels]) -> None:
    session = onnxruntime.InferenceSession(str(published), providers=["CPUExecutionProvider"])
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


def _print_speed(crop: Pixels) -> None:
    for threads in (1, 2):
        model = load(MODELS / "antispoof.tflite", threads)
        taken = milliseconds({"antispoof": model}, crop[None].astype(np.float32))["antispoof"]
        click.echo(f"antispoof: {taken:.2f} ms on {threads} thread(s)")


if __name__ == "__main__":
    main()
