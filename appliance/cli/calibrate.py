"""`appliance calibrate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from appliance import assemble, matching
from appliance.cli.measuring import (
    Effort,
    effort_of,
    embed,
    embedding_options,
    error_json,
    fail_after,
    say_unreadable,
    spoil,
    with_model,
)
from appliance.cli.session import Session, json_option
from appliance.cli.wording import distances_json, threshold_json, threshold_told
from appliance.config import Config
from appliance.errors import ApplianceError, InputError, ModelError, UsageError
from appliance.evaluation.calibrate import curves, left_out, require_enough
from appliance.evaluation.counts import unreadable
from appliance.evaluation.dataset import (
    Dataset,
    known_people,
    load,
    name_hashes,
    people_sha256,
)
from appliance.evaluation.handicap import measured
from appliance.evaluation.manifest_file import check_holds, check_writable, former, merge
from appliance.evaluation.protocols import gather
from appliance.reports.rates import percent
from appliance.vision.manifest import Calibration, Curve, Entry, Manifest

if TYPE_CHECKING:
    from rich.console import Console


@click.command("calibrate")
@click.option(
    "--from",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Labelled pictures, DIR/NAME/*; LFW's own layout is understood.",
)
@click.option(
    "--model",
    "names",
    multiple=True,
    help="An embedder of the manifest. Repeatable. Default: ours.",
)
@click.option("--all", "every", is_flag=True, help="Every embedder of the manifest.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="MANIFEST",
    help="Write into this manifest, or a new one, instead of the one in use.",
)
@click.option("--dry-run", is_flag=True, help="Fit and tell, and write nothing.")
@click.option(
    "--keep-handicaps",
    is_flag=True,
    help="Do not measure anew what small and blurred faces pay (quicker, and for small sets).",
)
@click.option("--describe", metavar="TEXT", help="What the pictures are, for the manifest.")
@embedding_options
@json_option
@click.pass_obj
def command(session: Session, /, folder: Path, names: tuple[str, ...], **options: Any) -> None:
    """Fit similarity -> false-accept rate of a model on labelled pictures, and keep the curves.

    Needs pictures of strangers in great numbers: what the number of comparisons cannot support is
    refused, and each curve ends where the true rate may be more than ten times the stated one
    (`supported`). Intervals are 95 %, from people drawn anew. Each similarity is told as a
    Euclidean distance as well. Do it only with pictures that
    resemble those of your camera and people: thresholds at the door follow from it.

    Each model is written as soon as it is done, so that a later failure takes nothing of it.

    \b
    Example:
      appliance calibrate --from lfw/ --dry-run
      appliance calibrate --from lfw/ --model mobilefacenet --model mobilefacenet_int8
    """
    every, output, dry_run = (options.pop(name) for name in ("every", "output", "dry_run"))
    describe, keep_handicaps = options.pop("describe"), options.pop("keep_handicaps")
    target = _target(session.config, output, dry_run=dry_run)
    configs = _configs(session, names, every=every)
    source = _manifest_file(session.config)
    if target is not None:
        check_writable(target)
        models = assemble.manifest(session.config)
        check_holds(target, [models.entry(it.model.name, "embedder") for it in configs])
        source = target if target.exists() else source
    asked = Asked(describe, source, keep_handicaps=keep_handicaps)
    effort = effort_of(session, **options)
    dataset = load(folder)
    for config in configs:
        _require_strangers(assemble.manifest(config).entry(config.model.name), dataset)
    done = _Done()
    for config in configs:
        try:
            fit = fit_model(session, config, dataset, effort, asked)
        except ApplianceError as error:
            if not done.told:
                raise
            done.error = error
            break  # what was found out so far is told all the same
        done.told[config.model.name] = fit.told
        say_unreadable(session, fit.told)
        if target is not None:
            _keep(done, target, source, config.model.name, fit.calibration)
    data = {
        "models": done.told,
        "people": len(dataset.people),
        "written": str(target) if done.written else None,
        "not_written": [name for name in done.told if name not in done.written],
    }
    if done.error is not None:
        data["error"] = error_json(done.error)
    session.result(data, lambda console: _for_people(console, data))
    if done.error is not None:
        fail_after(session, done.error)


@dataclass
class _Done:
    """What is told of each model, which of them are in the file, and the first that went wrong."""

    told: dict[str, Any] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    error: ApplianceError | None = None


def _keep(
    done: _Done, target: Path, source: Path, name: str, calibration: Mapping[str, Any]
) -> None:
    """Write one model's calibration; where that fails, the others may still be measured."""
    try:
        merge(target, source, name, calibration)
    except ModelError as error:
        done.error = done.error or error
    else:
        done.written.append(name)


def _manifest_file(config: Config) -> Path:
    return assemble.manifest(config).folder / "manifest.toml"


def _target(config: Config, output: Path | None, *, dry_run: bool) -> Path | None:
    if dry_run and output is not None:
        raise UsageError("--output and --dry-run contradict each other.", hint="Give one of them.")
    return None if dry_run else output or _manifest_file(config)


def _configs(session: Session, names: tuple[str, ...], *, every: bool) -> list[Config]:
    """A config for each model that is to be calibrated. ModelError for one that cannot be."""
    if every and names:
        raise UsageError("--all and --model contradict each other.", hint="Give one of them.")
    models = assemble.manifest(session.config)
    embedders = [item.name for item in models.entries.values() if item.role == "embedder"]
    wanted = embedders if every else list(dict.fromkeys(names)) or [session.config.model.name]
    configs = [with_model(session.config, name) for name in wanted]
    if every:
        return [config for config in configs if _usable(session, models, config)]
    for config in configs:
        _require(models, config)
    return configs


def _require_strangers(entry: Entry, dataset: Dataset) -> None:
    """InputError where a network was trained on some of these people, or may not be used at all.

    It tells them apart better than anybody whom it has never seen, so thresholds measured on them
    would let strangers in.
    """
    if entry.training is not None and (why := entry.training.objection) is not None:
        raise ModelError(
            f"{entry.name} must not stand at a door, for {why}.",
            hint="Train anew: `appliance train triplet` calibrates what it finds fit for use.",
            code="not_fit",
        )
    known = (known_people(dataset, entry.training) or 0) if entry.training else 0
    # One or two may only share a hash (see name_hashes), and would move no threshold.
    if known > 1 + len(dataset.people) // 1000:
        raise InputError(
            f"{entry.name} was trained on {known} of the {len(dataset.people)} people in these "
            "pictures, so no threshold can be measured on them.",
            hint="Give pictures of other people; those it was not trained on calibrated it when "
            "it was made.",
            code="trained_on",
        )


def _usable(session: Session, models: Manifest, config: Config) -> bool:
    try:
        _require(models, config)
    except ModelError as error:
        session.say(f"{config.model.name} is left out: {error.message}")
        return False
    return True


def _require(models: Manifest, config: Config) -> None:
    models.read(models.entry(config.model.name, "embedder"))
    assemble.aligner(config)


@dataclass(frozen=True)
class Fit:
    """What is told of one model, and what its manifest gets."""

    told: dict[str, Any]
    calibration: dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What the manifest is to say of the pictures, and whether old handicaps will do.

    source: the manifest whose calibration is replaced.
    """

    describe: str | None
    source: Path
    keep_handicaps: bool


def _handicaps(
    session: Session, config: Config, dataset: Dataset, effort: Effort
) -> dict[str, dict[str, Any]]:
    """What small and what unsharp faces pay, measured anew. InputError where people are few."""
    try:
        found = measured(spoil(session, config, dataset, effort))
    except InputError as error:
        raise InputError(
            error.message,
            hint=f"{error.hint} --keep-handicaps leaves those that the manifest holds.",
            code=error.code,
        ) from None
    return {measure: risen.table() for measure, risen in found.items()}


def fit_model(
    session: Session, config: Config, dataset: Dataset, effort: Effort, asked: Asked
) -> Fit:
    """Measure one model."""
    before = former(asked.source, config.model.name)
    embedded = embed(session, config, dataset, effort)
    require_enough(gather(dataset, embedded))  # before more is measured in vain
    measured_now: dict[str, Any] = {}
    poor = before or Calibration(data="", curves={})
    if asked.keep_handicaps and not poor.handicaps:
        session.say(f"{config.model.name} has no handicaps to keep: {NOBODY_PAYS}")
    if not asked.keep_handicaps:
        measured_now = {"handicaps": _handicaps(session, config, dataset, effort)}
        poor = Calibration(data="", curves={}, **measured_now)
    # Scores are what a door compares: less what a poor picture pays.
    handicap = partial(matching.handicap, poor)
    found = curves(gather(dataset, embedded, handicap))
    missed = sum(item.missed for item in embedded)
    unread = unreadable(dataset, embedded)
    told = {
        "images": len(embedded),
        "missed": missed,
        "refused": sum(item.fault is not None for item in embedded) - missed - unread.count,
        "unreadable": unread.count,
        "unreadable_files": list(unread.files),
        "refused_for": dict(Counter(item.fault for item in embedded if item.fault)),
        "curves": {
            name: _told(table, config.verification.target_far) for name, table in found.items()
        },
        "left_out": left_out(found),
        "target_far": config.verification.target_far,
    }
    people = people_sha256(dataset)
    same = before is not None and before.people_sha256 == people
    kept = before.data if same and before is not None else _description(dataset)
    calibration = {
        "data": asked.describe or kept,
        "people_sha256": people,
        "people_hashes": name_hashes(dataset),
        **measured_now,
        "curves": found,
    }
    return Fit(told | measured_now, calibration)


def _description(dataset: Dataset) -> str:
    return f"{len(dataset.pictures)} pictures of {len(dataset.people)} people"


_TOLD = ("trials", "people", "people_enrolled", "supported", "tail")


def _told(table: dict[str, Any], target_far: float) -> dict[str, Any]:
    """One curve for the report: its bounds a row each, with pairs for intervals."""
    columns = table["bounds"]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return {
        **{name: table[name] for name in _TOLD},
        "rates": [
            {
                "far": row["far"],
                "similarity": row["similarity"],
                "similarity_ci": [row["similarity_low"], row["similarity_high"]],
                "far_ci": [row["far_low"], row["far_high"]],
                **distances_json(row["similarity"]),
            }
            for row in rows
        ],
        "at_target": _at_target(table, target_far),
    }


def _at_target(table: dict[str, Any], target_far: float) -> dict[str, float | None] | None:
    """What the config's rate asks for; None of a curve that no manifest would take."""
    try:
        curve = Curve.model_validate(table)
    except ValidationError:
        return None
    similarity = matching.threshold(curve, target_far)
    return {"similarity": round(similarity, 5), **threshold_json(similarity)}


def _for_people(console: Console, data: dict[str, Any]) -> None:
    from rich.table import Table

    for name, model in data["models"].items():
        console.print(
            f"{name}: {model['images']} pictures of {data['people']} people, "
            f"{model['missed']} missed, {model['refused']} refused for quality"
            + (f", {model['unreadable']} unreadable." if model["unreadable"] else ".")
        )
        columns = ("Protocol", "FAR", "Similarity [95 %]", "Distance", "Squared")
        table = Table(*columns, "FAR there, 95 %", box=None)
        for protocol, curve in model["curves"].items():
            for row in curve["rates"]:
                low, high = row["similarity_ci"]
                least, most = (percent(edge) for edge in row["far_ci"])
                similarity = f"{row['similarity']:.4f} \\[{low:.4f}, {high:.4f}]"
                distances = (f"{row[key]:.4f}" for key in ("distance", "squared_distance"))
                far = f"{row['far']:g}"
                table.add_row(protocol, far, similarity, *distances, f"{least} to {most}")
        console.print(table)
        for protocol, curve in model["curves"].items():
            console.print(
                f"{protocol}: {curve['trials']:,} comparisons of strangers support rates "
                f"down to {curve['supported']:g} ({curve['people_enrolled']:,} people enrolled)."
            )
        _targets_for_people(console, model)
        if model["left_out"]:
            console.print(f"{', '.join(model['left_out'])}: left out. {LEFT_OUT}")
        for measure, pays in model.get("handicaps", {}).items():
            steps = zip(pays["value"], pays["similarity"], strict=True)
            told = ", ".join(f"{value:g}: {more:.3f}" for value, more in steps)
            console.print(f"Added to the threshold by {measure.replace('_', ' ')}: {told}.")
        lowest = max(curve["supported"] for curve in model["curves"].values())
        if model["target_far"] < lowest:
            console.print(f"verification.target_far is {model['target_far']:g}: {BELOW_SUPPORT}")
    where = data["written"]
    console.print(f"Written to {where}." if where else "Nothing was written.", markup=False)
    if where and data["not_written"]:
        console.print(f"Not written: {', '.join(data['not_written'])}.", markup=False)


def _targets_for_people(console: Console, model: dict[str, Any]) -> None:
    """What the config's rate asks for, by protocol."""
    for protocol, curve in model["curves"].items():
        if (asked := curve["at_target"]) is None:
            continue
        console.print(
            f"{protocol}: verification.target_far of {model['target_far']:g} asks for a "
            f"similarity of {asked['similarity']:.4f}, a Euclidean distance of "
            f"{threshold_told(asked['similarity'])}."
        )


NOBODY_PAYS = "small and blurred faces are compared as if they were good ones."
LEFT_OUT = (
    "Too few people have so many pictures, so templates of more than five pictures get the "
    "thresholds of five."
)
BELOW_SUPPORT = (
    "lower than that. The threshold then follows a straight line beyond the curve's end, "
    "which asks for more similarity than was measured to be needed."
)
