"""Draws a model's handicaps: how much more alike strangers become as a face's quality falls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.config import QualityConfig
from appliance.evaluation.degrade import (
    OUT_OF_FOCUS,
    SMALLER,
    Kind,
    Level,
    measure_of,
    spoilt_picture,
)
from appliance.types import Landmarks, Pixels
from appliance.vision.alignment import FIVE_POINT_112
from appliance.vision.mesh import region_of_landmarks
from appliance.vision.quality import QualityLimits, assess
from models.build import manifest
from models.build.faces import Finder, mesh_of, read_picture
from models.build.job import MODELS, BuildError

PORTRAIT = MODELS.parent / "appliance" / "demo" / "pictures" / "obama.jpg"
INK, BAND, REFUSED = "#1f4e79", "#9dbfe0", "#f3d9d3"


def draw(name: str, path: Path) -> None:
    """Draw the handicaps of model `name` of the manifest into `path` (.png or .svg)."""
    calibration = manifest.read(MODELS)["models"].get(name, {}).get("calibration", {})
    tables = calibration.get("handicaps")
    if not tables:
        message = f"{name} has no handicaps yet: `appliance calibrate` measures them."
        raise BuildError(message)
    from matplotlib.figure import Figure

    limits = QualityConfig()
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=(3, 1.25))
    curves, faces = halves
    left, right = curves.subplots(1, 2)
    _curve(left, tables["eye_distance"], limits.min_eye_distance)
    left.set_xlabel("pixels between the eyes (head turned back)")
    left.set_ylabel("rise of what one stranger in a thousand\nor in ten thousand reaches")
    _curve(right, tables["sharpness"], limits.min_sharpness)
    right.set_xlabel("sharpness of the aligned face")
    rows = faces.subplots(1, len(SMALLER) + len(OUT_OF_FOCUS))
    _portraits(list(rows), QualityLimits(**limits.model_dump()))
    figure.suptitle(f"{name}: what a poor picture adds to the threshold", fontsize=12)
    figure.savefig(path, dpi=110)


def _curve(axes: Any, table: dict[str, list[float]], limit: float) -> None:
    value = np.array(table["value"])
    axes.axvspan(0, limit, color=REFUSED, label="refused")
    axes.fill_between(
        value, table["low"], table["high"], color=BAND, label="measured, 95 % over people"
    )
    axes.plot(value, table["similarity"], color=INK, marker="o", label="charged")
    axes.axhline(0, color="#888888", linewidth=0.8)
    axes.set_xlim(value.max() * 1.05, value.min() * 0.9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")


def _portraits(places: Sequence[Any], limits: QualityLimits) -> None:
    """One face at the sizes and blurs of the curves, as the embedder is given it."""
    bgr = read_picture(PORTRAIT)
    face = Finder(MODELS).central(bgr)
    if face is None:
        message = f"no face is found in {PORTRAIT}."
        raise BuildError(message)
    kinds: list[tuple[Kind, float]] = [("smaller", degree) for degree in SMALLER]
    kinds += [("out of focus", degree) for degree in OUT_OF_FOCUS]
    for axes, (kind, degree) in zip(places, kinds, strict=True):
        crop, eyes, sharp = _seen(bgr, face, Level(kind, degree), limits)
        axes.imshow(crop)
        told = f"{eyes:.0f} pixels" if kind == "smaller" else f"sharpness {sharp:.2f}"
        axes.set_title(told, fontsize=7)
        axes.set_axis_off()


def _seen(
    bgr: Pixels, face: Landmarks, level: Level, limits: QualityLimits
) -> tuple[NDArray[np.uint8], float, float]:
    spoilt, near = spoilt_picture(bgr, face, level, measure_of(face))
    found = mesh_of(MODELS).locate(spoilt, region_of_landmarks(near))
    crop = FIVE_POINT_112.crop(spoilt, found)
    quality = assess(spoilt, found, crop, limits)
    rgb = np.asarray(cv2.cvtColor(crop.bgr, cv2.COLOR_BGR2RGB), np.uint8)
    return rgb, quality.eye_distance, quality.sharpness
