"""`appliance evaluate lfw`: error rates at the shipped thresholds, as figures and a picture.

`evaluate pad` and `evaluate detectors` have modules of their own.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance import assemble, matching
from appliance.cli.evaluate_detectors import detectors
from appliance.cli.evaluate_pad import pad
from appliance.cli.measuring import (
    effort_of,
    embed,
    embedding_options,
    fail_after,
    noted,
    plot_option,
    say_unreadable,
    with_model,
)
from appliance.cli.session import Session, json_option
from appliance.evaluation import det, groups
from appliance.evaluation.dataset import Dataset, known_people, load
from appliance.evaluation.lfw import report
from appliance.evaluation.protocols import Embeddings, gather, single, templates
from appliance.reports.rates import percent

if TYPE_CHECKING:
    from rich.console import Console

PROTOCOLS = ("single", "template_5_1")
TOO_FEW = "too few to state"

LFW_CAVEAT = (
    "Press photographs of mostly adult, mostly frontal, unevenly represented people: "
    "no rate for a group of people, and none for a camera at a door, follows from it."
)
# Of another labelled folder: LFW's is told by its pairs.txt.
FOLDER_CAVEAT = (
    "The rates hold for people and pictures like those of this folder; none for a camera at a "
    "door follows from them."
)

OF_UNKNOWN_PEOPLE = (
    "The calibration does not say whom it was measured on: if these people are among them, the FAR "
    "meets its target by construction."
)
IN_SAMPLE = (
    "of these people are among those whom the calibration was measured on: the FAR meets its "
    "target by construction on them, and only other people's pictures can confirm it."
)
TAUGHT = (
    "of these people are among those whom the network was trained on: it tells them apart better "
    "than anybody else, so the FRR and the FAR flatter it."
)


@click.group("evaluate")
def command() -> None:
    """Measure the appliance on labelled pictures.

    \b
    Example:
      appliance evaluate lfw lfw/
      appliance evaluate pad recordings/
      appliance evaluate detectors lfw/
    """


command.add_command(detectors)
command.add_command(pad)


@command.command("lfw")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", help="Another embedder of the manifest than the configured one.")
@plot_option("the detection error trade-off", "DET.png")
@click.option(
    "--groups",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Groups of people: a CSV with `name` and any group columns. Default: FOLDER/groups.csv.",
)
@embedding_options
@json_option
@click.pass_obj
def lfw(session: Session, /, folder: Path, model: str | None, **options: Any) -> None:
    """Error rates of the shipped model and thresholds on NAME/*.jpg, with or without pairs.txt.

    Nothing is fitted here: thresholds are those of the shipped calibration, and the report says
    (`in_sample`) when that was measured on the same people, null where the calibration does not
    tell. A picture without a face, refused for its quality, or unreadable, counts as a rejection.

    Where there is a groups.csv (`name,age,glasses` and a line a person), the same rates are told
    for each group, against impostors of that group.

    Embeddings are kept in the user's cache folder, so that the next run on the same pictures takes
    seconds; --no-cache leaves nothing behind.

    \b
    Example:
      appliance evaluate lfw lfw/ --json
      appliance evaluate lfw lfw/ --plot det.png
    """
    plot, table = options.pop("plot"), options.pop("groups")
    config = with_model(session.config, model)
    calibration = assemble.calibration(config)
    effort = effort_of(session, **options)
    if plot is not None:
        det.check(plot)
    dataset = load(folder)
    named = _groups(folder, table, dataset)
    started = time.monotonic()
    embedded = embed(session, config, dataset, effort)
    data: dict[str, Any] = report(dataset, embedded, config.model.name, calibration)
    trained = assemble.manifest(config).entry(config.model.name, "embedder").training
    if trained is not None:
        data["people_in_training"] = known_people(dataset, trained)
    is_lfw = dataset.pairs or dataset.missing_pairs
    data["caveat"] = LFW_CAVEAT if is_lfw else FOLDER_CAVEAT
    say_unreadable(session, data)
    if named is not None:
        data["groups"] = groups.report(dataset, embedded, calibration, named)
    error = None
    if plot is not None:
        gathered = gather(dataset, embedded, partial(matching.handicap, calibration))
        error = noted(data, "plot", plot, partial(_draw, plot, data, gathered, calibration.data))
    data["seconds"] = round(time.monotonic() - started, 1)
    session.result(data, lambda console: _for_people(console, data))
    if error is not None:
        fail_after(session, error)


def _groups(folder: Path, named: Path | None, dataset: Dataset) -> groups.Groups | None:
    if named is not None:
        return groups.read(named, dataset)
    usual = folder / groups.FILE_NAME
    return groups.read(usual, dataset) if usual.exists() else None


def _draw(path: Path, data: dict[str, Any], gathered: Embeddings, calibrated_on: str) -> None:
    lines = [
        det.Line("One picture against one", *single(gathered), data["single"]),
        det.Line("Five enrolled, one probe", *templates(gathered), data["template_5_1"]),
    ]
    caption = (
        f"Dots: the shipped thresholds (calibrated on: {calibrated_on}), with 95 % intervals from "
        f"a bootstrap over people. {data['missed']} pictures without a face found and "
        f"{data['refused']} refused for quality count as rejections"
        f"{_unread(data)}. {data['caveat']}"
    )
    if known := _known(data):
        caption += f" {known}"
    heading = f"{data['model']} on {data['images']:,} pictures of {data['people']:,} people"
    det.draw(path, lines, heading, caption)


def _for_people(console: Console, data: dict[str, Any]) -> None:
    from rich.table import Table

    console.print(
        f"{data['model']}: {data['images']} pictures of {data['people']} people, "
        f"{_counted(data, 'missed')} missed, {_counted(data, 'refused')} refused for quality"
        f"{_unread(data)}."
    )
    if accuracy := data.get("accuracy"):
        console.print(
            f"Accuracy over {len(accuracy['folds'])} folds, {accuracy['pairs']} pairs: "
            f"{percent(accuracy['mean'])} (standard error {percent(accuracy['standard_error'])})"
        )
    table = Table("Protocol", "Target FAR", "Threshold", "FAR [95 %]", "FRR [95 %]", box=None)
    for protocol in PROTOCOLS:
        for target, row in data[protocol].items():
            table.add_row(
                protocol,
                target,
                f"{row['threshold']:.4f}",
                _rate(row["far"], row["far_ci"]),
                _rate(row["frr"], row["frr_ci"]),
            )
    console.print(table)
    if known := _known(data):
        console.print(known)
    console.print(data["caveat"])
    if "groups" in data:
        _groups_for_people(console, data["groups"])
    if data.get("plot"):
        console.print(f"Drawn: {data['plot']}", markup=False)


def _groups_for_people(console: Console, told: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    for title, values in told["columns"].items():
        table = Table(escape(title), "People", "Pictures", "Missed", "Refused", box=None)
        table.add_column("Protocol")
        table.add_column("Target FAR")
        table.add_column("FAR [95 %]")
        table.add_column("FRR [95 %]")
        for value, group in values.items():
            shares = [_share(group[kind]) for kind in ("missed", "refused")]
            first = [escape(value), str(group["people"]), str(group["pictures"]), *shares]
            for protocol in PROTOCOLS:
                for target, row in group[protocol].items():
                    few = row["too_few_to_state"]
                    rates = [
                        TOO_FEW if kind in few else _rate(row[kind], row[f"{kind}_ci"])
                        for kind in ("far", "frr")
                    ]
                    table.add_row(*first, protocol, target, *rates)
                    first = [""] * len(first)
        console.print(table)
    if told["unlisted_people"] == 1:
        console.print("1 person is in no group: the file lacks that name.")
    elif told["unlisted_people"]:
        console.print(f"{told['unlisted_people']} people are in no group: the file lacks them.")
    console.print(told["caveat"])


def _known(data: dict[str, Any]) -> str:
    """How far the people are those of the calibration or the training; empty where none is."""
    known = data["people_in_calibration"]
    if known is None:
        return OF_UNKNOWN_PEOPLE
    told = [f"{known} of {data['people']} {IN_SAMPLE}"] if known else []
    if taught := data.get("people_in_training"):
        told.append(f"{taught} of {data['people']} {TAUGHT}")
    return " ".join(told)


def _unread(data: dict[str, Any]) -> str:
    return f", {data['unreadable']} unreadable" if data["unreadable"] else ""


def _counted(data: dict[str, Any], kind: str) -> str:
    low, high = (percent(edge) for edge in data[f"{kind}_ci"])
    return f"{data[kind]} ({low} to {high})"


def _share(share: dict[str, Any]) -> str:
    if share["rate"] is None:
        return f"{share['count']}, {TOO_FEW}"
    return _rate(share["rate"], share["ci"])


def _rate(value: float | None, interval: list[float]) -> str:
    if value is None:
        return "no trials"
    low, high = (f"{100 * edge:.3g}" for edge in interval)
    return f"{percent(value)} [{low}, {high}]".replace("[", "\\[")
