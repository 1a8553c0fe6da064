"""`python -m tests.board.embeddings`: does another processor see and recognise the same?

    python -m tests.board.embeddings --write FILE      on the machine that is believed
    python -m tests.board.embeddings --compare FILE    on the other one [--json ROWS]
    python -m tests.board.embeddings --noise           what noise of one grey level changes here

FILE holds the bundled pictures, decoded, and what every stage of vision made of them: boxes, mesh,
crops, liveness and the embeddings of every shipped network. `--compare` does the same here, twice:
each stage on the *same input* as there, which tells stages apart, and the *whole way* from the
picture's file on, which is what a door does. Exit code 1 where a difference exceeds its limit.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import appliance
from appliance import assemble
from appliance.config import Config
from appliance.errors import ApplianceError, InputError
from appliance.liveness.appearance import SHIPPED, AppearanceCheck, Thresholds
from appliance.liveness.network import Network, recipe_of
from appliance.ports import Aligner, Embedder
from appliance.types import Box, FaceCrop, Landmarks, Pixels
from appliance.vision import manifest
from appliance.vision.blazeface import BlazeFace
from appliance.vision.detector import HogDetector
from appliance.vision.interpreter import TfliteModel
from appliance.vision.landmarks import FaceMesh
from appliance.vision.mesh import region_of_box, region_of_landmarks

PICTURES = Path(appliance.__file__).parent / "demo" / "pictures"
# Of the bundled recording: eyes open, and in the middle of the blink.
FRAMES = (0, 27, 60)
# Faces at least this wide are looked for, as a share of the shorter side.
SMALLEST = 0.2
# dlib's 68-point predictor is not shipped, so no door without it can use this model.
NOT_SHIPPED = frozenset({"openface_dlib68"})

# As the manifest's models are named whose weights, or all of whose arithmetic, are integers.
_INTEGER = ("_int8", "_dynamic")

Values = dict[str, NDArray[Any]]
SAME_INPUT, WHOLE_WAY = "same input", "whole way"


def _largest(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The largest difference of two numbers; endless where there are more of them on one side."""
    if ours.shape != theirs.shape:
        return float("inf")
    if ours.size == 0:
        return 0.0
    return float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max())


def _rms(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The root mean square of the differences; endless where there are more numbers on one side."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.sqrt(np.mean((ours.astype(np.float64) - theirs.astype(np.float64)) ** 2)))


def _chord(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Distance of two unit vectors: no similarity to any template can differ by more."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.linalg.norm(ours.astype(np.float64) - theirs.astype(np.float64)))


@dataclass(frozen=True)
class Limit:
    """How one stage is compared. same_input, whole_way: the largest difference allowed, in `unit`.

    stage: how the stage's name begins. ending: how it ends, one of these.
    """

    stage: str
    unit: str
    same_input: float
    whole_way: float
    of: Callable[[NDArray[Any], NDArray[Any]], float] = _largest
    ending: tuple[str, ...] = ("",)

    def fits(self, stage: str) -> bool:
        """Whether this is the stage's."""
        return stage.startswith(self.stage) and stage.endswith(self.ending)


# The first that fits counts. Where the limits come from:
# - same input, floats: another order of additions, a few units in the last place of 24 bits,
#   layer upon layer. Thresholds are written with five decimals, so 1e-5 of a similarity is nothing.
# - same input, integers: a rounding that falls to the other side moves all that follows. Where two
#   machines' roundings have nothing in common they differ by at most sqrt(2) of what the rounding
#   changes on one; float and dynamic embeddings of these faces lie 0.020 to 0.028 apart.
# - crops and the mesh's input are warped in fixed point, which may end one grey level aside.
# - whole way: recordings become colours by instructions of the processor's own, up to two grey
#   levels aside. The yardstick is the camera: nothing may change by more than about what noise of a
#   single grey level changes on one machine (`python -m tests.board.embeddings --noise`).
LIMITS = (
    Limit("pixels", "levels", 0, 2),
    Limit("hog", "px", 1e-4, 0.1),
    Limit("blazeface", "px", 1e-3, 0.5),
    Limit("mesh", "px", 0.1, 0.5),
    Limit("presence", "probability", 1e-4, 1e-3),
    # dlib's predictor rounds its points to whole pixels: one of them aside moves the whole crop.
    Limit("crop", "levels rms", 0.1, 25, _rms, ("_dlib5",)),
    Limit("crop", "levels rms", 0.1, 3, _rms),
    Limit("liveness", "probability", 1e-5, 5e-3),
    Limit("embedding", "similarity", 0.04, 0.1, _chord, _INTEGER),
    Limit("embedding", "similarity", 1e-5, 0.12, _chord, ("_dlib5",)),
    Limit("embedding", "similarity", 1e-5, 0.08, _chord),
)


@dataclass(frozen=True)
class Compared:
    """The largest difference of one stage over all pictures. where: the picture that showed it."""

    stage: str
    way: str
    unit: str
    largest: float
    limit: float
    where: str

    @property
    def ok(self) -> bool:
        """Whether it is within its limit."""
        return self.largest <= self.limit


class Eye:
    """Every stage of vision that a door uses, one thread each."""

    def __init__(self) -> None:
        models = manifest.load(manifest.shipped_folder())

        def network(name: str) -> TfliteModel:
            return TfliteModel(models.read(models.entry(name)), name=name, threads=1)

        antispoof = models.entry("antispoof", "liveness")
        self._hog = HogDetector()
        self._blaze = BlazeFace(
            models.entry("face_detection", "detector"), network("face_detection")
        )
        self._mesh = FaceMesh(network("face_mesh"))
        self._life = AppearanceCheck(
            Network("antispoof", network("antispoof"), recipe_of(antispoof)),
            SHIPPED,
            Thresholds(attack=0.4, live=0.6),
        )
        self._embedders: dict[str, tuple[Aligner, Embedder]] = {}
        for name, entry in sorted(models.entries.items()):
            if entry.role == "embedder" and name not in NOT_SHIPPED:
                config = Config.model_validate({"model": {"name": name, "threads": 1}})
                self._embedders[name] = assemble.aligner(config), assemble.embedder(config)

    def look(self, pixels: Pixels, given: Mapping[str, NDArray[Any]] | None = None) -> Values:
        """What every stage makes of a picture. pixels: (height, width, 3) uint8 BGR.

        given: what another machine made of it; then each stage gets its input from there.
        """
        ours: Values = {"pixels": pixels}
        source = ours if given is None else given
        smallest = SMALLEST * min(pixels.shape[:2])
        ours["hog"] = _of_boxes(self._hog.detect(pixels, smallest))
        ours["blazeface"] = _of_boxes(self._blaze.detect(pixels, smallest))
        if not len(source["hog"]):
            raise InputError("A bundled picture shows no face to the detector, so none compares.")
        face = self._locate(pixels, Box(*source["hog"][0]))
        ours["mesh"], ours["presence"] = face.points, np.array(face.presence)
        seen = Landmarks(source["mesh"], float(source["presence"]))
        ours["liveness"] = np.array(self._life.score(pixels, seen))
        for name, (aligner, embedder) in self._embedders.items():
            crop = aligner.crop(pixels, seen)
            ours[f"crop {crop.alignment}"] = crop.bgr
            shown = FaceCrop(source[f"crop {crop.alignment}"], crop.alignment)
            ours[f"embedding {name}"] = embedder.embed(shown).vector
        return ours

    def _locate(self, pixels: Pixels, box: Box) -> Landmarks:
        first = self._mesh.locate(pixels, region_of_box(box))
        return self._mesh.locate(pixels, region_of_landmarks(first))


def _of_boxes(boxes: Sequence[Box]) -> NDArray[np.float64]:
    """(n, 5): left, top, width, height in pixels, and the score."""
    rows = [(box.left, box.top, box.width, box.height, box.score) for box in boxes]
    return np.array(rows, np.float64).reshape(-1, 5)


def pictures() -> Iterator[tuple[str, Pixels]]:
    """The bundled pictures and a few frames of the bundled recording, BGR."""
    for path in sorted(PICTURES.glob("*.jpg")):
        bgr = cv2.imread(str(path))
        if bgr is None:
            raise InputError(f"The bundled picture {path} cannot be read.")
        yield path.name, np.asarray(bgr, dtype=np.uint8)
    (clip,) = PICTURES.glob("*.mp4")
    recording = cv2.VideoCapture(str(clip))
    for index in range(max(FRAMES) + 1):
        there, bgr = recording.read()
        if not there:
            raise InputError(f"The bundled recording {clip} ends before frame {index}.")
        if index in FRAMES:
            yield f"{clip.name} {index}", np.asarray(bgr, dtype=np.uint8)
    recording.release()


def is_integer(stage: str) -> bool:
    """Whether a stage is a network that rounds to integers on its way."""
    return stage.endswith(_INTEGER)


def record() -> Values:
    """What this machine makes of every picture, by `PICTURE/stage`."""
    eye = Eye()
    return {
        f"{name}/{stage}": value
        for name, pixels in pictures()
        for stage, value in eye.look(pixels).items()
    }


def compare(theirs: Mapping[str, NDArray[Any]]) -> list[Compared]:
    """How far what this machine makes of the pictures lies from `theirs`, stage by stage."""
    eye = Eye()
    rows: dict[tuple[str, str], Compared] = {}
    for name, pixels in pictures():
        given = {key[len(name) + 1 :]: theirs[key] for key in theirs if key.startswith(f"{name}/")}
        if "pixels" not in given:
            raise InputError(f"The record holds nothing of {name}, so it is of another version.")
        for way, ours in (
            (SAME_INPUT, eye.look(given["pixels"], given)),
            (WHOLE_WAY, eye.look(pixels)),
        ):
            for row in compared(way, name, ours, given):
                before = rows.get((way, row.stage))
                if before is None or not row.largest <= before.largest:
                    rows[way, row.stage] = row
    return list(rows.values())


def compared(
    way: str, name: str, ours: Mapping[str, NDArray[Any]], theirs: Mapping[str, NDArray[Any]]
) -> Iterator[Compared]:
    """One row for each stage of one picture; a stage that one side lacks differs endlessly."""
    for stage in dict.fromkeys([*theirs, *ours]):
        if way == SAME_INPUT and stage == "pixels":
            continue  # they are the input
        limit = next(item for item in LIMITS if item.fits(stage))
        both = stage in ours and stage in theirs
        yield Compared(
            stage,
            way,
            limit.unit,
            limit.of(ours[stage], theirs[stage]) if both else float("inf"),
            limit.same_input if way == SAME_INPUT else limit.whole_way,
            name,
        )


def noise() -> list[Compared]:
    """How much changes on one machine where every pixel is up to one grey level aside."""
    eye, chance = Eye(), np.random.default_rng(0)
    rows: dict[str, Compared] = {}
    for name, pixels in pictures():
        aside = pixels.astype(np.int16) + chance.integers(-1, 2, pixels.shape)
        noisy = np.clip(aside, 0, 255).astype(np.uint8)
        for row in compared(WHOLE_WAY, name, eye.look(noisy), eye.look(pixels)):
            if row.stage not in rows or row.largest > rows[row.stage].largest:
                rows[row.stage] = row
    return list(rows.values())


def write(path: Path, values: Mapping[str, NDArray[Any]]) -> None:
    """Write a record: an .npz of plain arrays."""
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **values)


def read(path: Path) -> Values:
    """Read a record. InputError where it is none."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no record of embeddings: {error}.") from error


def main(words: Sequence[str]) -> int:
    """Do what is asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.board.embeddings")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--write", type=Path, metavar="FILE")
    asked.add_argument("--compare", type=Path, metavar="FILE")
    asked.add_argument("--noise", action="store_true", help="what one grey level changes here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON as well")
    told = parser.parse_args(words)
    # One thread: the order in which numbers are added is then the same in every run.
    cv2.setNumThreads(1)
    try:
        if told.write is not None:
            write(told.write, record())
            return 0
        rows = noise() if told.noise else compare(read(told.compare))
    except ApplianceError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n".strip() + "\n")
        return int(error.exit_code)
    if told.json is not None:
        content = json.dumps([{**asdict(row), "ok": row.ok} for row in rows], indent=1)
        told.json.write_text(content + "\n", encoding="utf-8")
    _show(rows)
    return 0 if all(row.ok for row in rows) else 1


def _show(rows: Sequence[Compared]) -> None:
    table = Table(title=f"{platform.machine()}: the largest differences")
    for heading in ("stage", "compared on", "largest", "limit", "unit", "in", ""):
        table.add_column(heading, justify="right" if heading in {"largest", "limit"} else "left")
    for row in rows:
        numbers = f"{row.largest:.3g}", f"{row.limit:g}"
        verdict = "ok" if row.ok else "[red]differs[/red]"
        table.add_row(row.stage, row.way, *numbers, row.unit, row.where, verdict)
    Console(width=120).print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
