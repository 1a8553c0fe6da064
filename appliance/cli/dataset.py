"""`appliance dataset`: labelled pictures become aligned crops, and those become embeddings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from appliance import assemble, auto
from appliance.cli.measuring import error_json, fail_after
from appliance.cli.session import Session, json_option, printable
from appliance.config import Config
from appliance.errors import InputError, UsageError
from appliance.evaluation.workers import Workers
from appliance.ports import Aligner
from appliance.training import aligned as crops
from appliance.training import aligning, embedding, files, representations
from appliance.training.aligned import DLIB_5, DLIB_68, MESH, Alignment, LandmarkSet, Settings
from appliance.training.conventions import convention, usual_size
from appliance.training.dataset import DataSet, load
from appliance.vision.manifest import Entry, Manifest

if TYPE_CHECKING:
    from rich.console import Console

# As OpenFace's align-dlib.py calls them.
_FORMER_NAMES = {
    "outerEyesAndNose": "outer_eyes_and_nose",
    "innerEyesAndBottomLip": "inner_eyes_and_bottom_lip",
}
_LANDMARKS = ("outer_eyes_and_nose", "inner_eyes_and_bottom_lip", "five_point")
# What --points names, and the models that are fed with such crops.
_POINTS: Mapping[str, tuple[str, str]] = {
    "dlib5": (DLIB_5, "openface_dlib5"),
    "dlib68": (DLIB_68, "openface_dlib68"),
}
# Pictures that are named for each reason; all are in alignment.json and with --json.
_NAMED = 4


class _Landmarks(click.Choice):  # type: ignore[type-arg] # generic only from click 8.2 on
    """The names, OpenFace's own spelling among them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The project's name."""
        return super().convert(_FORMER_NAMES.get(value, value), param, ctx)


@click.group("dataset")
def command() -> None:
    """Prepare a folder of labelled pictures, RAW/NAME/PICTURE, for training and evaluation.

    \b
    Example:
      appliance dataset align pictures/ aligned/
      appliance dataset embed aligned/ --out embeddings/
    """


@command.command("align")
@click.argument("raw", type=click.Path(path_type=Path))
@click.argument("aligned", type=click.Path(path_type=Path))
@click.option(
    "--landmarks",
    type=_Landmarks(_LANDMARKS),
    default="outer_eyes_and_nose",
    show_default=True,
    help="Which points are laid onto their places. OpenFace's spelling is understood too.",
)
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    metavar="PIXELS",
    help="Pixels a side of the crops. Default: 96, and 112 for five_point.",
)
@click.option(
    "--face",
    type=click.Choice(["largest", "central", "only"]),
    default="largest",
    show_default=True,
    help="Whom to take of several faces; `only`: a picture of several people is left out.",
)
@click.option(
    "--points",
    type=click.Choice(["mesh", "dlib5", "dlib68"]),
    default="mesh",
    show_default=True,
    help="What finds the points. dlib's serve OpenFace's own alignment; the one of 68 points you "
    "install yourself (model.landmarks68).",
)
@click.option("--workers", type=click.IntRange(1, 256), help="Processes. Default: all cores.")
@json_option
@click.pass_obj
def align(session: Session, /, raw: Path, aligned: Path, **options: Any) -> None:
    """Crop the face of every RAW/NAME/PICTURE so that eyes and nose sit in the same place.

    Each crop goes to ALIGNED/NAME/STEM.png. ALIGNED/alignment.json records how they are aligned,
    where each came from, and which pictures have no crop and why. Interrupted, the same command
    goes on where it stopped; after changes in RAW, it does what is new.

    \b
    Example:
      appliance dataset align pictures/ aligned/
      appliance dataset align lfw/ crops/ --landmarks five_point --face central
    """
    started = time.monotonic()
    config = _single(session.config)
    settings = _settings(config, **options)
    aligning.check_folders(raw, aligned)
    data = load(raw)
    aligning.begun(aligned, settings)
    _check_models(config, settings)
    label = f"Aligning pictures, {settings.landmarks}"
    workers = Workers(
        partial(_aligning_bench, config, settings), assemble.one_file, options["workers"]
    )
    with session.progress(label, len(data.pictures)) as advance:
        done = aligning.align(
            data, aligned, settings, aligning.in_processes(workers), advance, assemble.clock()
        )
    told = _alignment_told(data, aligned, done, time.monotonic() - started)
    error = None if done.alignment.crops else _nothing(raw, len(data.pictures))
    if error is not None:
        told["error"] = error_json(error)
    session.result(told, lambda console: _alignment_for_people(console, told))
    if error is not None:
        fail_after(session, error)


@command.command("embed")
@click.argument("aligned", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where labels.csv, reps.csv and representations.npz go.",
)
@click.option(
    "--model",
    metavar="NAME",
    help="An embedder of the manifest that belongs to the alignment. Default: the float one.",
)
@click.option("--workers", type=click.IntRange(1, 256), help="Processes. Default: all cores.")
@json_option
@click.pass_obj
def embed(session: Session, /, aligned: Path, out: Path, **options: Any) -> None:
    """Embed every crop of ALIGNED by the model that its alignment was made for.

    DIR/labels.csv and DIR/reps.csv are those of OpenFace's batch-represent: no header, a line
    `LABEL,PATH` for each crop, and its numbers in the same line of the other file.
    representations.npz holds the same for numpy, representations.json what made them. A model
    that was trained on crops of another alignment is refused.

    \b
    Example:
      appliance dataset embed aligned/ --out embeddings/
      appliance dataset embed aligned/ --out embeddings/ --model openface_int8 --json
    """
    started = time.monotonic()
    alignment = crops.read_alignment(aligned)
    models = assemble.manifest(session.config)
    entry = embedding.choose(models, alignment.settings, options["model"], aligned)
    config = auto.named(_single(session.config), entry.name)
    representations.check_target(out)
    models.read(entry)  # before any process is started
    files.check_writable(out)
    workers = Workers(
        partial(_embedding_bench, config, alignment.size), assemble.one_file, options["workers"]
    )
    shown = crops.shown(aligned, alignment)
    with session.progress(f"Embedding crops, {entry.name}", len(shown)) as advance:
        found = embedding.embed(aligned, alignment, embedding.in_processes(workers), advance)
    mark = assemble.template_fingerprint(entry, models)
    found = representations.made_by(found, entry.name, mark)
    representations.write(out, found)
    told = {
        "model": entry.name,
        "fingerprint": mark,
        "dimensions": found.dimensions,
        "people": len(found.people),
        "rows": len(found.labels),
        "missing": len(alignment.crops) - len(shown),
        "out": str(out),
        "seconds": round(time.monotonic() - started, 1),
    }
    session.result(told, lambda console: _embedding_for_people(console, told))


def _single(config: Config) -> Config:
    """One thread, for a process runs on each core."""
    return config.model_copy(update={"model": config.model.model_copy(update={"threads": 1})})


def _settings(
    config: Config, *, landmarks: str, size: int | None, face: str, points: str, **_: Any
) -> Settings:
    wanted = cast("LandmarkSet", landmarks)
    models = assemble.manifest(config)
    model = _POINTS[points][0] if points != "mesh" else MESH
    settings = Settings.model_validate(
        {
            "landmarks": wanted,
            "size": size or usual_size(wanted),
            "detector": f"{config.detector.driver}+face_detection",
            "landmark_model": model,
            "landmark_sha256": _sum_of_points(models, points),
            "face": face,
        }
    )
    if points != "mesh" and settings.name != _fed(models, points).alignment.name:
        raise UsageError(
            f"--points {points} goes with --landmarks outer_eyes_and_nose --size 96 only.",
            hint="Leave --points out for any other alignment.",
        )
    return settings


def _sum_of_points(models: Manifest, points: str) -> str:
    if points == "mesh":
        return models.entry("face_mesh", "landmarks").sha256
    found, _ = _POINTS[points]
    if found in models.entries:
        return models.entries[found].sha256
    return _fed(models, points).alignment.points_sha256 or ""


def _fed(models: Manifest, points: str) -> Entry:
    """The model that is fed with crops by dlib's points."""
    return models.entry(_POINTS[points][1], "embedder")


def _check_models(config: Config, settings: Settings) -> None:
    """ModelError, before any process is started, where what all of them load is not there."""
    models = assemble.manifest(config)
    for name in ("face_mesh", "face_detection"):
        models.read(models.entry(name))
    _aligner(config, settings)


def _aligner(config: Config, settings: Settings) -> Aligner:
    """ModelError where dlib's predictor is asked for and not there."""
    for found, fed in _POINTS.values():
        if settings.landmark_model == found:
            return assemble.aligner(auto.named(config, fed))
    return convention(settings)


def _aligning_bench(config: Config, settings: Settings) -> aligning.Bench:
    return aligning.Bench(assemble.acquisition(config), _aligner(config, settings), settings.face)


def _embedding_bench(config: Config, size: int) -> embedding.Bench:
    return embedding.Bench(assemble.embedder(config), size)


def _nothing(raw: Path, pictures: int) -> InputError:
    return InputError(
        f"None of the {pictures} pictures of {raw} could be aligned.",
        hint="alignment.json says why; is a face of at least 36 pixels in each?",
        code="nothing_aligned",
    )


def _alignment_told(
    data: DataSet, aligned: Path, done: aligning.Outcome, seconds: float
) -> dict[str, Any]:
    found: Alignment = done.alignment
    shown = {crop.person for crop in found.crops}
    return {
        "aligned": str(aligned),
        **found.settings.model_dump(mode="json"),
        "people": len(shown),
        "pictures": len(data.pictures),
        "crops": found.pictures,
        "made": done.made,
        "kept": done.kept,
        "left_over": list(done.left),
        "failed": [item.model_dump(mode="json") for item in found.failed],
        "people_without_crop": [name for name in data.people if name not in shown],
        "people_without_picture": list(data.empty),
        "loose": data.loose,
        "other_files": data.others,
        "seconds": round(seconds, 1),
    }


def _alignment_for_people(console: Console, told: dict[str, Any]) -> None:
    from rich.table import Table

    kept = f" ({told['kept']} of them by an earlier run)" if told["kept"] else ""
    console.print(
        printable(
            f"{told['crops']} of {told['pictures']} pictures aligned into {told['aligned']}{kept}: "
            f"{told['people']} people, {told['landmarks']}, {told['size']} x {told['size']} "
            f"pixels, {told['seconds']} s."
        ),
        markup=False,
    )
    if told["failed"]:
        table = Table("Not aligned", "Pictures", "Which", box=None)
        for why, names in _by_reason(told["failed"]):
            table.add_row(why.replace("_", " "), str(len(names)), _named(names))
        console.print(table)
    for text in _remarks(told):
        console.print(text, markup=False)


def _by_reason(failed: Sequence[Mapping[str, str]]) -> list[tuple[str, list[str]]]:
    """The names for each reason, the most frequent reason first."""
    found: dict[str, list[str]] = {}
    for item in failed:
        found.setdefault(item["why"], []).append(item["picture"])
    return sorted(found.items(), key=lambda entry: -len(entry[1]))


def _named(names: Sequence[str]) -> str:
    from rich.markup import escape

    some = ", ".join(printable(name) for name in names[:_NAMED])
    return escape(some + (", ..." if len(names) > _NAMED else ""))


def _remarks(told: Mapping[str, Any]) -> list[str]:
    """What a person might not expect."""
    remarks = []
    if told["people_without_crop"]:
        names = [printable(name) for name in told["people_without_crop"]]
        some = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        remarks.append(f"Nobody to be seen in any picture of: {some}.")
    if told["people_without_picture"]:
        folders = len(told["people_without_picture"])
        remarks.append(f"{'1 folder' if folders == 1 else f'{folders} folders'} without a picture.")
    if loose := told["loose"]:
        remarks.append(
            "1 picture lies in no person's folder and is nobody's."
            if loose == 1
            else f"{loose} pictures lie in no person's folder and are nobody's."
        )
    if told["left_over"]:
        crops = len(told["left_over"])
        remarks.append(
            "1 crop is left over of a picture that is gone; it counts no more, and may be deleted."
            if crops == 1
            else f"{crops} crops are left over of pictures that are gone; they count no more, and "
            "may be deleted."
        )
    return remarks


def _embedding_for_people(console: Console, told: dict[str, Any]) -> None:
    console.print(
        printable(
            f"{told['rows']} crops of {told['people']} people embedded by {told['model']} into "
            f"{told['out']}: {told['dimensions']} numbers each, {told['seconds']} s."
        ),
        markup=False,
    )
    if missing := told["missing"]:
        which = "1 crop that was made is" if missing == 1 else f"{missing} crops that were made are"
        console.print(f"{which} there no more.")
