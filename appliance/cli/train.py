"""`appliance train triplet`: fine-tune an embedder on pictures of people, and judge it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import training_run
from appliance.cli.measuring import Effort, effort_of, embedding_options, error_json, fail_after
from appliance.cli.session import Session, json_option, leave
from appliance.cli.training_run import Ground, Judged, Order, Trained
from appliance.errors import ExitCode, InputError, UsageError
from appliance.evaluation import det
from appliance.evaluation.place import read_only
from appliance.reports.rates import percent
from appliance.training import export, learning_plot, verdict
from appliance.training.fit import STEERED_AT, Epoch, Settings
from appliance.training.libraries import require_pytorch
from appliance.training.mining import MARGIN

if TYPE_CHECKING:
    from rich.console import Console


@click.group("train")
def command() -> None:
    """Train a network further on pictures of people; on a desk, never at the door.

    \b
    Example:
      appliance train triplet pictures/ --out tuned/
    """


@command.command("triplet")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="MODELS",
    help="The folder of models to make. Not with --dry-run.",
)
@click.option("--dry-run", is_flag=True, help="Train, judge and tell; write no model.")
@click.option(
    "--model", default="openface", show_default=True, help="The float32 embedder to begin from."
)
@click.option("--name", help="What the new model is called. Default: MODEL_triplet.")
@click.option(
    "--tune",
    type=click.Choice(["head", "last", "stage"]),
    default="stage",
    show_default=True,
    help="What is trained: a linear head, the last layer, or the last stage with it.",
)
@click.option(
    "--margin",
    type=click.FloatRange(0, 4, min_open=True),
    default=MARGIN,
    show_default=True,
    help="FaceNet's alpha: how much farther, in squared distance, a stranger is to be.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 10_000),
    default=Settings.epochs,
    show_default=True,
    help="Passes over the people, at most.",
)
@click.option(
    "--patience",
    type=click.IntRange(1, 10_000),
    default=Settings.patience,
    show_default=True,
    help="Epochs without a gain on people held back, after which training ends.",
)
@click.option(
    "--rate",
    type=click.FloatRange(1e-7, 1),
    default=Settings.rate,
    show_default=True,
    help="How large a step is (Adam).",
)
@click.option(
    "--batch",
    type=click.IntRange(8, 20_000),
    default=Settings.batch,
    show_default=True,
    help="Faces among which triplets are looked for.",
)
@click.option(
    "--train-share",
    type=click.FloatRange(0.05, 0.9),
    default=0.35,
    show_default=True,
    help="Share of the people that is trained on.",
)
@click.option(
    "--steer-share",
    type=click.FloatRange(0.05, 0.5),
    default=0.3,
    show_default=True,
    help="Share that says when to stop. The rest judges, and both calibrate.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all chance.")
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=Settings.threads,
    show_default=True,
    help="Of PyTorch. Another number may give other last digits.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw loss and false rejects by epoch into this file (.png, .svg or .pdf).",
)
@click.option("--describe", metavar="TEXT", help="What the pictures are, for the manifest.")
@embedding_options
@json_option
@click.pass_obj
def triplet(session: Session, /, folder: Path, **options: Any) -> None:
    """Train the last part of an embedder by triplets, as FaceNet was (Schroff et al., 2015).

    DIR/NAME/* are pictures of people, as `calibrate` takes them; they are aligned here, as the door
    does it. Nobody takes two parts: some people are trained on, some say when to stop, and the rest
    judge the exported files. MODELS becomes a folder for `model.directory`: the models in use and,
    beside them, the new one in float32 and int8, calibrated on people it was not trained on.

    Where either file rejects more of the people who judge than the network did before, nothing is
    written and the exit code is 1. Ctrl-C ends training, and the best so far is judged.

    \b
    Example:
      appliance train triplet lfw/ --out tuned/ --plot course.png
      appliance train triplet lfw/ --dry-run --tune head --seed 1
    """
    require_pytorch()
    plot: Path | None = options.pop("plot")
    order = _order(options)
    effort = effort_of(session, options["workers"], options["cache"], no_cache=options["no_cache"])
    if plot is not None:
        det.check(plot)
    started = time.monotonic()
    ground = training_run.prepare(session, order, folder, effort)
    trained = training_run.learn(session, order, ground, effort, partial(_shown, session))
    if trained.fitted.interrupted:
        session.say(
            f"Training was interrupted after epoch {trained.fitted.epochs[-1].number}; "
            f"the best so far, epoch {trained.fitted.best.number}, is kept and judged."
        )
    data = _finished(session, order, ground, trained, effort)
    error = None
    if plot is not None:
        error = _drawn(plot, trained, data)
    data["seconds"] = round(time.monotonic() - started, 1)
    data.pop("_changes", None)
    session.result(data, lambda console: _for_people(console, data))
    if error is not None:
        fail_after(session, error)
    if not data["usable"]:
        leave(ExitCode.NO)


def _order(options: Mapping[str, Any]) -> Order:
    """What the options ask for. UsageError, InputError."""
    out: Path | None = options["out"]
    if (out is None) is not options["dry_run"]:
        raise UsageError(
            "Give either --out MODELS or --dry-run.",
            hint="--out names the folder of models to make; --dry-run only trains and judges.",
        )
    if options["train_share"] + options["steer_share"] > 0.95:
        raise UsageError(
            "--train-share and --steer-share leave nobody to judge.",
            hint="Together at most 0.95.",
        )
    if out is not None:
        _check_place(out)
    model = options["model"]
    name = options["name"] or f"{model}_triplet"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise UsageError(
            f"--name {name!r} is no name for a model.",
            hint="Letters, digits, hyphens and underscores, 64 at most, a letter or digit first.",
        )
    keys = ("margin", "epochs", "patience", "rate", "batch", "seed", "threads")
    return Order(
        model=model,
        name=name,
        tune=options["tune"],
        course=Settings(**{key: options[key] for key in keys}),
        train=options["train_share"],
        steer=options["steer_share"],
        # Where a link leads: a folder cannot be moved into the place of the link itself.
        out=None if out is None else out.resolve(),
        describe=options["describe"],
    )


def _check_place(out: Path) -> None:
    """InputError where no folder could be made there; asked before long work."""
    where = out.resolve()
    try:
        taken = where.exists() and (not where.is_dir() or any(where.iterdir()))
        mount = where.is_mount()
        if not taken and not mount and where.parent.is_dir() and not read_only(where):
            return
    except OSError as error:
        raise InputError(f"{out} cannot be read: {error.strerror}.") from error
    if taken:
        raise InputError(
            f"{out} is there already, and not empty.",
            hint="Name a new folder; nothing is written over.",
            code="not_empty",
        )
    if mount:
        raise InputError(
            f"{out} is where a disk is mounted, and the finished folder is moved into place whole.",
            hint="Name a new folder on that disk.",
            code="not_written",
        )
    raise InputError(
        f"The folder {out.parent} does not exist, or may not be written to.",
        hint="Make it first, as this user.",
        code="not_written",
    )


@contextmanager
def _shown(session: Session, epochs: int) -> Iterator[Callable[[Epoch], None]]:
    """A bar with the loss and the rate of people held back, on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    console = session.error_console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("Training", total=epochs)

        def tell(epoch: Epoch) -> None:
            loss = "no triplet" if epoch.loss is None else f"loss {epoch.loss:.4f}"
            rate = f"FRR at FAR {STEERED_AT:g} {epoch.frr:.1%}"
            bar.update(task, completed=epoch.number, description=f"Training, {loss}, {rate}")

        yield tell


def _begun(order: Order, ground: Ground, trained: Trained) -> dict[str, Any]:
    """What is told of the training itself."""
    people = {"train": ground.people.train, "steer": ground.people.steer}
    people["judge"] = ground.people.judge
    fitted = trained.fitted
    return {
        "model": order.model,
        "tune": order.tune,
        "margin": order.course.margin,
        "seed": order.course.seed,
        "people": {part: len(some) for part, some in people.items()},
        "pictures": {part: len(ground.rows(some)) for part, some in people.items()},
        "left_out": len(ground.before) - len(ground.usable),
        "alike": ground.alike,
        "trained_parameters": int(
            sum(math.prod(value.shape) for value in trained.tail.parameters.values())
        ),
        "epochs": [
            {
                "epoch": epoch.number,
                "loss": None if epoch.loss is None else round(epoch.loss, 6),
                "triplets": epoch.triplets,
                "frr": round(epoch.frr, 5),
                "frr_pairs": round(epoch.frr_pairs, 5),
            }
            for epoch in fitted.epochs
        ],
        "best_epoch": fitted.best.number,
        "interrupted": fitted.interrupted,
    }


def _finished(
    session: Session, order: Order, ground: Ground, trained: Trained, effort: Effort
) -> dict[str, Any]:
    """Export, judge, and where that goes well calibrate and publish; the report of it all."""
    gain = trained.fitted.best.number > 0
    data = _begun(order, ground, trained)
    data |= {"judged": {}, "parity": {}, "written": None, "_changes": []}
    if not gain:
        return data | {"objections": verdict.objections(gain, {}), "usable": False}
    with training_run.workshop(order, ground, trained) as shop:
        judged = training_run.judge(session, shop, trained, effort)
        objections = verdict.objections(gain, judged.changes)
        data |= _judged_json(judged) | {"objections": objections, "usable": not objections}
        data["_changes"] = judged.changes[order.name]
        if objections or order.out is None:
            return data
        told = training_run.calibrate(session, shop, judged, effort)
        data["calibration"] = {
            name: {key: told[name][key] for key in ("images", "missed", "refused", "curves")}
            for name in told
        }
        data["written"] = str(order.out)
        shown = {key: value for key, value in data.items() if key[0] != "_"}
        export.published(shop.draft, order.out, shown)
    return data


def _judged_json(judged: Judged) -> dict[str, Any]:
    return {
        "judged": {name: verdict.told(rates) for name, rates in judged.changes.items()},
        "parity": {
            name: {
                "faces": near.faces,
                "least_cosine": round(near.least, 6),
                "mean_cosine": round(near.mean, 6),
            }
            for name, near in judged.parity.items()
        },
    }


def _drawn(path: Path, trained: Trained, data: dict[str, Any]) -> InputError | None:
    """Draw, and note it in the report. The error where the picture could not be written."""
    heading = f"{data['model']}, {data['tune']} trained by triplets, margin {data['margin']:g}"
    try:
        learning_plot.draw(path, trained.fitted, data["_changes"], heading)
    except InputError as error:
        data |= {"plot": None, "error": error_json(error)}
        return error
    data["plot"] = str(path)
    return None


def _for_people(console: Console, data: dict[str, Any]) -> None:
    from rich.table import Table

    parts = ", ".join(
        f"{data['people'][part]:,} people {verb} ({data['pictures'][part]:,} pictures)"
        for part, verb in (("train", "trained on"), ("steer", "steer"), ("judge", "judge"))
    )
    console.print(f"{parts}; {data['left_out']} pictures that a door refuses left out.")
    if data["alike"]:
        console.print(
            f"{data['alike']} people share a name's words or a photograph with another, and got "
            "the same part."
        )
    first, best = data["epochs"][0], data["epochs"][data["best_epoch"]]
    console.print(
        f"{data['trained_parameters']:,} parameters of {data['model']} trained ({data['tune']}); "
        f"{data['epochs'][-1]['epoch']} epochs, the best {data['best_epoch']}: of the people who "
        f"steer, FRR over people at FAR {STEERED_AT:g} {percent(first['frr'])} before and "
        f"{percent(best['frr'])} then."
    )
    columns = ("FRR before [95 %]", "FRR after [95 %]", "Change")
    table = Table("File", "FAR", "Over", *columns, box=None)
    for name, rates in data["judged"].items():
        for far, row in rates.items():
            table.add_row(name, far, "pairs", *_row(row))
            table.add_row(name, far, "people", *_row(row["people"]))
    if data["judged"]:
        console.print(table)
        console.print(
            "On the people who judge: they were neither trained on nor steered by. Over people, "
            "everybody counts once; over pairs, those with many pictures count more."
        )
    for name, near in data["parity"].items():
        console.print(
            f"{name} against PyTorch on {near['faces']} faces: cosine least "
            f"{near['least_cosine']:.6f}, mean {near['mean_cosine']:.6f}."
        )
    for why in data["objections"]:
        console.print(why, markup=False)
    if not data["usable"]:
        console.print("It must not stand at a door: no model was written.")
    elif data["written"] is None:
        console.print("It could stand at a door; --dry-run writes nothing.")
    else:
        console.print(f"Written to {data['written']}.", markup=False)


def _row(row: Mapping[str, Any]) -> Sequence[str]:
    low, high = row["difference_ci"]
    return (
        _rate(row["frr_before"], row["frr_before_ci"]),
        _rate(row["frr_after"], row["frr_after_ci"]),
        f"{100 * row['difference']:+.2f} points \\[{100 * low:+.2f}, {100 * high:+.2f}]",
    )


def _rate(value: float, interval: Sequence[float]) -> str:
    return f"{percent(value)} \\[{percent(interval[0])}, {percent(interval[1])}]"
