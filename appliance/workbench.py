"""What the workbench's commands look with, put together; see `assemble` for all that serves a door.

A door loads nothing of this.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from appliance import assemble
from appliance.config import Config
from appliance.errors import ModelError
from appliance.evaluation.detectors import Bench, Setting
from appliance.perception import Perception
from appliance.ports import Detector
from appliance.tracking.identity import Known
from appliance.types import Person
from appliance.vision.alignment import BY_DLIB_68
from appliance.vision.detector import HaarDetector, HogDetector
from appliance.vision.mmod import PUBLISHED, MmodDetector, read_network
from appliance.vision.predictor import SIXTY_EIGHT, ShapePredictor, read_installed


def crowd_perception(config: Config, *, any_size: bool = False) -> Perception:
    """A pipeline for everybody in sight at once: far faces beside near ones, and no liveness.

    any_size: faces count however small they are, which no door allows.
    """
    every = config.detector.model_copy(update={"nearest": config.detector.farthest})
    made = assemble.perception(config.model_copy(update={"detector": every}), liveness=False)
    if not any_size:
        return made
    limits = replace(made.stages.limits, min_eye_distance=0.0)
    return Perception(replace(made.stages, limits=limits), assemble.clock())


def known_people(config: Config, people: Sequence[Person]) -> Known:
    """Everybody enrolled, as faces in a crowd are compared with them."""
    return Known(people, assemble.calibration(config), config.verification.target_far)


def detectors(
    config: Config, mmod: Path | None = None, *, hog_least: float = 0.0
) -> dict[str, Detector]:
    """Every detector that this installation has, by name, to be compared with each other.

    mmod: the file of dlib's convolutional detector; None: the one beside the models, where somebody
    put it, else there is none. hog_least: the score from which on HOG reports a face.
    Raises InputError, ModelError.
    """
    models = assemble.manifest(config)
    found: dict[str, Detector] = {
        "hog": HogDetector(hog_least),
        "haar": HaarDetector(),
        "blazeface": assemble.second_detector(models, config.model.threads),
    }
    beside = models.folder / PUBLISHED
    if mmod is None and beside.is_file():
        mmod = beside
    if mmod is not None:
        found["mmod"] = MmodDetector(read_network(mmod), str(mmod))
    return found


def detector_bench(config: Config, mmod: Path | None, setting: Setting) -> Bench:
    """What compares detectors, on one thread. mmod: see `detectors`. InputError, ModelError."""
    near = max(config.detector.nearest, setting.smallest)
    sizes = {"farthest": setting.smallest, "nearest": near, "driver": "hog"}
    single = config.model_copy(
        update={
            "model": config.model.model_copy(update={"threads": 1}),
            "detector": config.detector.model_copy(update=sizes),
        }
    )
    models = assemble.manifest(single)
    mesh = assemble.face_mesh(single, models)
    return Bench(
        detectors(single, mmod),
        assemble.finder(single, models, mesh),
        mesh,
        seconds=time.process_time,
        open_file=assemble.one_file,
        setting=setting,
    )


def points68(config: Config) -> ShapePredictor | None:
    """The 68 points by dlib, where model.landmarks68 names their file; None where it does not."""
    if config.model.landmarks68 is None:
        return None
    entries = assemble.manifest(config).entries.values()
    entry = next((it for it in entries if it.alignment.name == BY_DLIB_68), None)
    if entry is None or entry.alignment.points_sha256 is None:
        raise ModelError(
            "No model of the manifest says which file of 68 points is the right one.",
            hint="Restore the models that came with this version.",
        )
    path, sha256 = config.model.landmarks68, entry.alignment.points_sha256
    return ShapePredictor(read_installed(path, sha256, entry.name), SIXTY_EIGHT)
