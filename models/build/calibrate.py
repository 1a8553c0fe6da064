"""Measures a model's curve similarity -> false-accept rate and keeps it in the manifest."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click
import tomli_w

from appliance import assemble
from appliance.config import Config, ModelConfig
from appliance.evaluation.calibrate import calibration
from appliance.evaluation.dataset import load, people_sha256
from appliance.evaluation.embed import embed_all
from appliance.evaluation.protocols import gather
from appliance.evaluation.workers import Workers
from models.build.manifest import FILE_NAME, HEADER, read

DESCRIPTION = (
    "Labeled Faces in the Wild, deep-funneled, people of sets 1 to 5 of people.txt; "
    "all impostor pairs of pictures that pass the quality limits"
)


def calibrate(
    name: str,
    data: Path,
    folder: Path,
    description: str = DESCRIPTION,
    landmarks68: Path | None = None,
) -> None:
    """Embed DATA (NAME/*.jpg) with model `name` of `folder` and write its curves.

    landmarks68: dlib's file of 68 points, for the model that needs it.
    """
    config = Config(model=ModelConfig(name=name, directory=folder, landmarks68=landmarks68))
    dataset = load(data)
    paths = [picture.path for picture in dataset.pictures]
    with click.progressbar(length=len(paths), label=name) as bar:
        embedded = embed_all(
            paths,
            Workers(partial(assemble.evaluation_perception, config), assemble.one_file),
            lambda: bar.update(1),
        )
    measured = calibration(gather(dataset, embedded), description, people_sha256(dataset))
    write(name, measured, folder)


def write(name: str, measured: dict[str, Any], folder: Path) -> None:
    """Put the curves of one model into the manifest and keep all else."""
    manifest = read(folder)
    manifest["models"][name]["calibration"] = measured
    (folder / FILE_NAME).write_text(HEADER + tomli_w.dumps(manifest), encoding="utf-8")
    for protocol, curve in measured["curves"].items():
        click.echo(f"{name} {protocol}: {curve['trials']} impostor trials")
