"""Measures the anti-spoof network: against its ONNX file, and on live and attack material.

Run `python -m models.build.antispoof_report --help`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from appliance.types import Landmarks, Pixels, Region
from appliance.vision.interpreter import TfliteModel
from appliance.vision.warp import region_matrix, warp
from models.build.faces import Finder, load, read_picture
from models.build.fetch import obtain
from models.build.job import MODELS, BuildError
from models.build.speed import milliseconds

Floats = NDArray[np.float32]

SIZE = 128

# Side of the crop, as a multiple of the longer side of the mesh's upright extent.
CONTEXT = 1.4

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
@click.option(
    "--cache",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder that `python -m models.build fetch antispoof` filled.",
)
def main(
    pictures: Path, count: int, live: tuple[Path, ...], attack: tuple[Path, ...], cache: Path
) -> None:
    """Print parity with the ONNX file, live probabilities, and the threshold for BPCER 1 %."""
    finder, model = Finder(MODELS), load(MODELS / "antispoof.tflite")
    paths = sorted(pictures.glob("*/*.jpg"))
    chosen = np.random.default_rng(0).permutation(len(paths))[:count]
    crops = [crop for index in chosen for crop in face_crops(read_picture(paths[index]), finder)]
    _print_parity(obtain("antispoof", cache), model, crops[:PARITY_CROPS])
    _print_speed(crops[0])
    scores = np.array([live_probability(model, crop) for crop in crops])
    marks = (0, 0.5, 1, 2, 5, 10, 50)
    spread = " ".join(f"{mark}%:{np.percentile(scores, mark):.3f}" for mark in marks)
    click.echo(f"{len(scores)} pictures, percentiles of live probability: {spread}")
    click.echo(f"BPCER at 0.5 on them: {np.mean(scores < 0.5):.2%}")
    for word, given in (("live", live), ("attack", attack)):
        for path in given:
            _print_path(word, path, finder, model)


def context_crop(bgr: Pixels, face: Landmarks) -> Pixels:
    """Return the (128, 128, 3) uint8 BGR square around a face that the network judges.

    It is upright, centred on the landmarks' extent, and black outside the picture. Black matters:
    with replicated edges a sheet held close to the camera is taken for a live face.
    """
    box = face.box
    x, y = box.centre
    region = Region(x, y, CONTEXT * max(box.width, box.height))
    return warp(bgr, region_matrix(region, SIZE), SIZE)


def live_probability(model: TfliteModel, crop: Pixels) -> float:
    """Return the softmax of class 0 for one (128, 128, 3) uint8 BGR crop."""
    return float(_softmax(model.run(crop[None].astype(np.float32))[0])[0])


def face_crops(bgr: Pixels, finder: Finder) -> Iterator[Pixels]:
    """Yield the crop of a picture's central face; nothing where no face is found."""
    face = finder.central(bgr)
    if face is not None:
        yield context_crop(bgr, face)


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


def _print_path(word: str, path: Path, finder: Finder, model: TfliteModel) -> None:
    crops = [crop for bgr in _frames(path) for crop in face_crops(bgr, finder)]
    if not crops:
        click.echo(f"{word} {path.name}: no face found")
        return
    scores = [live_probability(model, crop) for crop in crops]
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
