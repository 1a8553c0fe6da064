"""Measures OpenFace: against its Torch file, float against 8-bit, and on labelled pairs.

Run `python -m models.build.openface_report --help`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

from appliance.types import Landmarks, Pixels
from appliance.vision.alignment import Alignment, affine, outer_eyes_and_nose
from appliance.vision.embedding import unit
from models.build.faces import Finder, load, read_picture
from models.build.fetch import obtain
from models.build.job import MODELS, BuildError
from models.build.speed import milliseconds

Floats = NDArray[np.float32]
Embed = Callable[[Floats], Floats]

# Where OpenFace's published mean face (align_dlib.py, scaled to its extent) has dlib's points 36,
# 45 and 33, outer eye corners and base of the nose, in a crop of 96 pixels.
PUBLISHED = np.array([(18.64, 16.25), (75.73, 15.18), (47.52, 49.39)], np.float32)

# The face mesh marks the same places a little differently: its eye corners lie farther out and
# higher. Laid onto OpenFace's points they would squeeze the face, so these are where the mesh's
# points 33, 263 and 2 come to lie when dlib's are on the published ones ("targets" prints them).
TARGET = np.array([(17.72, 15.57), (77.31, 14.76), (47.65, 48.65)], np.float32)

FOLD = 600


@dataclass(frozen=True)
class Pair:
    """Two pictures, by path, and whether they show one person."""

    one: Path
    other: Path
    same: bool


@click.group()
def main() -> None:
    """Measure the OpenFace files under models/."""


def _pictures(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--pictures",
        required=True,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of face pictures, PERSON/PERSON_0001.jpg (LFW's layout).",
    )(command)


def _pairs(command: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--pairs",
        "pairs_file",
        required=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="LFW's pairs.txt: folds of 300 matched and 300 mismatched pairs.",
    )(command)


@main.command()
@_pictures
@_pairs
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), required=True)
def report(pictures: Path, pairs_file: Path, cache: Path) -> None:
    """Print fidelity, accuracy on pairs (threshold from the other folds), speed and size.

    --cache is the folder that `python -m models.build fetch openface` filled.
    """
    pairs = read_pairs(pairs_file, pictures)
    crops = _aligned(pairs, Alignment("", 96, TARGET, outer_eyes_and_nose, affine))
    click.echo(f"{len(crops)} faces found and aligned")
    networks: dict[str, Embed] = {
        "torch": _torch(obtain("openface", cache)),
        "openface": _tflite("openface"),
        "openface_int8": _tflite("openface_int8"),
    }
    found = {
        name: {path: unit(network(crop)) for path, crop in crops.items()}
        for name, network in networks.items()
    }
    for one, other in (("torch", "openface"), ("openface", "openface_int8")):
        cosines = [float(found[one][path] @ found[other][path]) for path in crops]
        click.echo(f"cosine {other} to {one}: mean {np.mean(cosines):.6f} min {min(cosines):.6f}")
    for name, embeddings in found.items():
        click.echo(f"{name}: {_accuracy(pairs, embeddings)}")
    _print_speed(next(iter(crops.values())))


@main.command()
@_pictures
@_pairs
@click.option("--count", default=600, help="How many pictures to take.", show_default=True)
def targets(pictures: Path, pairs_file: Path, count: int) -> None:
    """Print where the mesh's points lie when dlib's are where OpenFace puts them.

    dlib's points come from the 5-point predictor in models/; the median is taken over pictures
    that are in no pair, so that the pairs measure the result fairly.
    """
    paired = {path for pair in read_pairs(pairs_file, pictures) for path in (pair.one, pair.other)}
    free = sorted(set(pictures.glob("*/*.jpg")) - paired)
    finder, predict = Finder(MODELS), _five_point_predictor()
    places = []
    for path in free[:: max(1, len(free) // count)][:count]:
        bgr = read_picture(path)
        face = finder.central(bgr)
        if face is not None:
            matrix = affine(predict(bgr, face), PUBLISHED)
            places.append(outer_eyes_and_nose(face) @ matrix[:, :2].T + matrix[:, 2])
    click.echo(f"{len(places)} faces: {np.median(places, axis=0).round(2).tolist()}")


def read_pairs(path: Path, pictures: Path) -> list[Pair]:
    """Read LFW's pairs.txt: "name i j" shows one person, "name i name j" two."""
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return [_pair(row, pictures) for row in rows if row]


def _pair(row: list[str], pictures: Path) -> Pair:
    match row:
        case [name, one, other]:
            return Pair(_picture(pictures, name, one), _picture(pictures, name, other), same=True)
        case [name, one, rival, other]:
            return Pair(_picture(pictures, name, one), _picture(pictures, rival, other), same=False)
    raise BuildError(f"a line of the pairs file is neither 3 nor 4 words: {' '.join(row)}")


def _picture(pictures: Path, name: str, number: str) -> Path:
    return pictures / name / f"{name}_{int(number):04d}.jpg"


def _aligned(pairs: list[Pair], alignment: Alignment) -> dict[Path, Floats]:
    """Return every paired picture with a face as (1, 96, 96, 3) float32 RGB, 0 to 1."""
    finder = Finder(MODELS)
    crops = {}
    for path in sorted({path for pair in pairs for path in (pair.one, pair.other)}):
        bgr = read_picture(path)
        face = finder.central(bgr)
        if face is not None:
            crop = alignment.crop(bgr, face).bgr[None, :, :, ::-1]
            crops[path] = np.ascontiguousarray(crop, np.float32) * np.float32(1 / 255)
    return crops


def _torch(path: Path) -> Embed:
    """Return the published Torch file as OpenCV runs it."""
    network = cv2.dnn.readNetFromTorch(str(path))

    def embed(crop: Floats) -> Floats:
        network.setInput(crop.transpose(0, 3, 1, 2))
        return np.asarray(network.forward(), np.float32).reshape(-1)

    return embed


def _tflite(name: str) -> Embed:
    model = load(MODELS / f"{name}.tflite")
    return lambda crop: model.run(crop)[0].reshape(-1)


def _five_point_predictor() -> Callable[[Pixels, Landmarks], Floats]:
    """Return what finds both outer eye corners and the nose's base, (3, 2), as dlib marks them."""
    predictor: Any = dlib.shape_predictor(str(MODELS / "landmarks5.dat"))
    detector: Any = dlib.get_frontal_face_detector()

    def predict(bgr: Pixels, face: Landmarks) -> Floats:
        rgb = np.ascontiguousarray(bgr[:, :, ::-1])
        x, y = face.box.centre
        # The predictor expects the detector's own box; the mesh's extent stands in without one.
        box = min(
            [*detector(rgb, 1)] or [_rectangle(face)],
            key=lambda found: np.hypot(found.center().x - x, found.center().y - y),
        )
        parts = predictor(rgb, box).parts()
        points = np.array([(part.x, part.y) for part in parts], np.float32)
        return points[[2, 0, 4]]

    return predict


def _rectangle(face: Landmarks) -> Any:
    box = face.box
    corners = (box.left, box.top, box.left + box.width, box.top + box.height)
    return dlib.rectangle(*(round(corner) for corner in corners))


def _accuracy(pairs: list[Pair], found: Mapping[Path, Floats]) -> str:
    """Return a line: accuracy over the folds, and false rejects at 0.3 % false accepts."""
    known = [
        (float(found[pair.one] @ found[pair.other]), pair.same, index // FOLD)
        for index, pair in enumerate(pairs)
        if pair.one in found and pair.other in found
    ]
    scores, same, fold = (np.array(column) for column in zip(*known, strict=True))
    rates = []
    for left_out in np.unique(fold):
        others = fold != left_out
        threshold = _best_threshold(scores[others], same[others])
        rates.append(float(np.mean((scores[~others] > threshold) == same[~others])))
    impostors = np.sort(scores[~same])[::-1]
    strict = impostors[int(0.003 * len(impostors))]
    rejected = float(np.mean(scores[same] <= strict))
    return (
        f"accuracy {np.mean(rates):.2%} +- {np.std(rates):.2%} over {len(rates)} folds, "
        f"{len(scores)} pairs; FRR {rejected:.1%} at FAR 0.3%"
    )


def _best_threshold(scores: NDArray[Any], same: NDArray[Any]) -> float:
    """Return the midpoint between two neighbouring scores that errs least."""
    order = np.argsort(scores)
    ordered, labels = scores[order], same[order]
    errors = np.cumsum(labels)[:-1] + np.cumsum(~labels[::-1])[::-1][1:]
    best = int(np.argmin(errors))
    return float((ordered[best] + ordered[best + 1]) / 2)


def _print_speed(crop: Floats) -> None:
    for threads in (1, 2):
        names = ("openface", "openface_int8")
        models = {name: load(MODELS / f"{name}.tflite", threads) for name in names}
        for name, taken in milliseconds(models, crop).items():
            size = (MODELS / f"{name}.tflite").stat().st_size
            click.echo(f"{name}: {taken:.2f} ms on {threads} thread(s), {size} bytes")


if __name__ == "__main__":
    main()
