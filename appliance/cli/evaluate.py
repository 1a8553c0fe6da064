"""`appliance evaluate lfw`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance import assemble
from appliance.cli.measuring import effort_of, embed, embedding_options, with_model
from appliance.cli.session import Session, json_option, percent
from appliance.evaluation.dataset import load
from appliance.evaluation.lfw import report

if TYPE_CHECKING:
    from rich.console import Console

LFW_CAVEAT = (
    "Press photographs of mostly adult, mostly frontal, unevenly represented people: "
    "no rate for a group of people, and none for a camera at a door, follows from it."
)

IN_SAMPLE = (
    "These are the people whom the calibration was measured on: the FAR meets its target by "
    "construction here, and only other people's pictures can confirm it."
)


@click.group("evaluate")
def command() -> None:
    """Measure the appliance on labelled pictures.

    \b
    Example:
      appliance evaluate lfw lfw/
    """


@command.command("lfw")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", help="Another embedder of the manifest than the configured one.")
@embedding_options
@json_option
@click.pass_obj
def lfw(session: Session, /, folder: Path, model: str | None, **options: Any) -> None:
    """Error rates of the shipped model and thresholds on NAME/*.jpg, with or without pairs.txt.

    Nothing is fitted here: thresholds are those of the shipped calibration, and the report says
    (`in_sample`) when that was measured on the same people. A picture without a face, or refused
    for its quality, counts as a rejection.

    Embeddings are kept in the user's cache folder, so that the next run on the same pictures takes
    seconds; --no-cache leaves nothing behind.

    \b
    Example:
      appliance evaluate lfw lfw/ --json
    """
    config = with_model(session.config, model)
    calibration = assemble.calibration(config)
    effort = effort_of(session, **options)
    dataset = load(folder)
    started = time.monotonic()
    embedded = embed(session, config, dataset, effort)
    data: dict[str, Any] = report(dataset, embedded, config.model.name, calibration)
    data |= {"caveat": LFW_CAVEAT, "seconds": round(time.monotonic() - started, 1)}
    session.result(data, lambda console: _for_people(console, data))


def _for_people(console: Console, data: dict[str, Any]) -> None:
    from rich.table import Table

    console.print(
        f"{data['model']}: {data['images']} pictures of {data['people']} people, "
        f"{data['missed']} missed, {data['refused']} refused for quality."
    )
    if accuracy := data.get("accuracy"):
        console.print(
            f"Accuracy over {len(accuracy['folds'])} folds, {accuracy['pairs']} pairs: "
            f"{percent(accuracy['mean'])} (standard error {percent(accuracy['standard_error'])})"
        )
    table = Table("Protocol", "Target FAR", "Threshold", "FAR [95 %]", "FRR [95 %]", box=None)
    for protocol in ("single", "template_5_1"):
        for target, row in data[protocol].items():
            table.add_row(
                protocol,
                target,
                f"{row['threshold']:.4f}",
                _rate(row["far"], row["far_ci"]),
                _rate(row["frr"], row["frr_ci"]),
            )
    console.print(table)
    if data["in_sample"]:
        console.print(IN_SAMPLE)
    console.print(data["caveat"])


def _rate(value: float | None, interval: list[float]) -> str:
    if value is None:
        return "no trials"
    low, high = (f"{100 * edge:.3g}" for edge in interval)
    return f"{percent(value)} [{low}, {high}]".replace("[", "\\[")
