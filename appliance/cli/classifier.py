"""`appliance classifier`: train one on a folder's embeddings, and ask it about pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from appliance import assemble, auto
from appliance.cli.measuring import error_json, fail_after
from appliance.cli.session import Session, from_option, json_option, leave, printable
from appliance.cli.sources import opened_camera
from appliance.config import Config
from appliance.errors import ExitCode, InputError, ModelError, UsageError
from appliance.reports.rates import percent
from appliance.training import (
    classifier_file,
    classifier_kinds,
    classifier_plot,
    files,
    representations,
)
from appliance.training import classifier_training as training
from appliance.training.classifier import KINDS, Classifier, Kind, Prediction
from appliance.training.classifier_confidence import calibration_error, held_out
from appliance.training.classifier_training import Material, Plan, Trained
from appliance.training.classifier_validation import NEAREST, accuracy, confused, known
from appliance.types import Box, Frame, Landmarks
from appliance.vision.manifest import Calibration

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.perception import Perception

UNKNOWN = "unknown"
# The row of a picture without a face; every row has the same keys.
_NOBODY: Mapping[str, Any] = {
    "source": "",
    "name": None,
    "likest": None,
    "confidence": None,
    "similarity": None,
    "box": None,
    "faults": ["no_face"],
}
# How long the camera is looked through for a face.
_LOOK_S = 10.0
# Mistakes that people are told; --json has this many, too.
_CONFUSED = 5
_TITLES = {
    "svm": "support vector machine",
    "knn": "nearest neighbours",
    "mlp": "neural network",
    NEAREST: "nearest template",
}


@click.group("classifier")
def command() -> None:
    """Train a classifier on embeddings (`appliance dataset embed`) and ask it about pictures.

    It is for a desk. A door compares with one person's template instead, at a false-accept rate
    that was measured, and never asks a classifier.

    \b
    Example:
      appliance classifier train embeddings/ --kind svm
      appliance classifier infer embeddings/ --from alice.jpg
    """


@command.command("train")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="svm",
    show_default=True,
    help="Support vector machine, nearest neighbours, or the small neural network (PyTorch).",
)
@click.option("--compare", is_flag=True, help="Measure the other kinds on the same folds as well.")
@click.option(
    "--folds",
    type=click.IntRange(2, 20),
    default=training.FOLDS,
    show_default=True,
    help="Parts that the pictures are held out in.",
)
@click.option(
    "--min-pictures",
    "least",
    type=click.IntRange(2),
    metavar="N",
    help="Leave people with fewer pictures out. Default: a person with one picture is refused.",
)
@click.option(
    "--target-fpir",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=training.TARGET_FPIR,
    show_default=True,
    help="The share of strangers that may be taken for somebody known.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the classifier goes. Default: beside the embeddings.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the embeddings by principal components and t-SNE (.png, .svg, .pdf).",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@json_option
@click.pass_obj
def train(session: Session, /, folder: Path, **options: Any) -> None:
    """Train on DIR/labels.csv and DIR/reps.csv, of the appliance or of OpenFace.

    Every picture is held out once, so that the report says how often a picture that was not
    trained on is named rightly, beside the nearest template, which is how the door compares. The
    confidence is calibrated on those pictures. Who is unknown is decided by the similarity to the
    template of whoever is named: its limit is chosen on people whom the templates do not know.
    The classifier goes to DIR/classifier.json and a file beside it, without pickle.

    \b
    Example:
      appliance classifier train embeddings/ --kind svm
      appliance classifier train embeddings/ --kind mlp --compare --plot faces.png
    """
    started = time.monotonic()
    plot: Path | None = options["plot"]
    if plot is not None:
        classifier_plot.check(plot)
    plan = _plan(session, options)
    found = training.material(representations.read(folder), str(folder), options["least"])
    out = options["out"] or folder
    files.check_writable(out)
    calibration = _calibration(session.config, found)
    with session.progress(f"Training, {plan.kind}", training.steps(found, plan)) as advance:
        done = training.train(found, plan, calibration, advance)
    digest = classifier_file.write(out, done.classifier)
    told = _told(found, plan, done) | {"out": str(out), "sha256": digest, "plot": None}
    error = None if plot is None else _drawn(plot, found, told)
    told["seconds"] = round(time.monotonic() - started, 1)
    session.result(told, lambda console: _for_people(console, told))
    if error is not None:
        fail_after(session, error)


@command.command("infer")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@from_option
@click.option("--multi", is_flag=True, help="Name every face of a picture, from left to right.")
@click.option(
    "--model",
    metavar="NAME",
    help="The embedder, where the classifier does not know its own: one of OpenFace's files.",
)
@click.option("--sha256", metavar="HEX", help="Refuse any classifier but the one with this sum.")
@json_option
@click.pass_obj
def infer(session: Session, /, folder: Path, sources: tuple[Path, ...], **options: Any) -> None:
    """Say whose face is in a picture, by the classifier in DIR: the largest face's, or all.

    The exit code is 0 when every picture shows somebody known, and 1 when somebody is unknown, a
    picture shows no face, or one that was found in a folder cannot be read.

    \b
    Example:
      appliance classifier infer embeddings/ --from alice.jpg
      appliance classifier infer embeddings/ --from party.jpg --multi
    """
    classifier = classifier_file.read(folder, options["sha256"])
    config = _config(session, classifier, options["model"])
    perception = assemble.perception(config, liveness=False, recorded=bool(sources))
    rows: list[dict[str, Any]] = []
    unread: list[str] = []
    for frame in _frames(session, sources, perception, unread):
        faces = _chosen(perception.search(frame), every=options["multi"])
        rows += [_row(perception, classifier, frame, face) for face in faces]
        if not faces:
            rows.append({**_NOBODY, "source": frame.source})
    for why in unread:
        session.say(f"Warning: {printable(why)}")
    told = {
        "kind": classifier.kind,
        "model": config.model.name,
        "least_similarity": round(classifier.least_similarity, 5),
        "predictions": rows,
        "warnings": unread,
    }
    session.result(told, lambda console: _predicted(console, told, multi=options["multi"]))
    known_all = bool(rows) and not unread and all(row["name"] for row in rows)
    leave(ExitCode.OK if known_all else ExitCode.NO)


def _plan(session: Session, options: Mapping[str, Any]) -> Plan:
    """What is to be trained and measured. InputError where a library is missing."""
    kind = cast("Kind", options["kind"])
    classifier_kinds.check(kind)
    others = [it for it in KINDS if options["compare"] and it != kind and _can(session, it)]
    return Plan(kind, tuple(others), options["folds"], options["seed"], options["target_fpir"])


def _can(session: Session, kind: Kind) -> bool:
    """Whether a kind can be compared here; a sentence says why not."""
    try:
        classifier_kinds.check(kind)
    except InputError as error:
        session.say(f"Not compared: {kind}. {error.message}")
        return False
    return True


def _calibration(config: Config, found: Material) -> Calibration | None:
    """Of the model that made the embeddings, where it is still the same one."""
    models = assemble.manifest(config)
    entry = models.entries.get(found.origin.model or "")
    if entry is None or entry.role != "embedder":
        return None
    same = assemble.template_fingerprint(entry, models) == found.origin.fingerprint
    return entry.calibration if same else None


def _config(session: Session, classifier: Classifier, wanted: str | None) -> Config:
    """The config with the classifier's own model. ModelError where that is another by now."""
    name = classifier.origin.model
    if name is None and wanted is None:
        raise UsageError(
            "The classifier does not say which model its embeddings are of.",
            hint="Name it with --model, such as --model openface for what OpenFace wrote.",
        )
    if name is not None and wanted not in (None, name):
        raise ModelError(
            f"The classifier was trained on embeddings of {name!r}, not of {wanted!r}.",
            hint="Leave --model out.",
            code="other_model",
        )
    config = auto.named(session.config, name or str(wanted))
    models = assemble.manifest(config)
    entry = models.entry(config.model.name, "embedder")
    now = assemble.template_fingerprint(entry, models)
    if name is not None and classifier.origin.fingerprint != now:
        raise ModelError(
            f"The classifier was trained with another version of {name!r} or of its alignment "
            f"({classifier.origin.fingerprint}) than the one in use ({now}).",
            hint="Embed the pictures again, and train it anew.",
            code="other_model",
        )
    width = entry.output.shape[-1]
    if width != classifier.origin.dimensions:
        raise ModelError(
            f"The classifier takes {classifier.origin.dimensions} numbers a face, and "
            f"{config.model.name!r} gives {width}.",
            hint="Name the model that the embeddings are of.",
            code="other_model",
        )
    return config


def _frames(
    session: Session, sources: Sequence[Path], perception: Perception, unread: list[str]
) -> Iterator[Frame]:
    """All frames of the files; of the camera the first that shows a face, or else its last.

    unread: is told of files that could not be used, and why.
    """
    if sources:
        with (
            closing(assemble.file_camera(sources)) as pictures,
            session.progress("Looking at pictures", pictures.length) as advance,
        ):
            for frame in pictures.frames():
                yield frame
                advance()
            unread += [item.reason for item in pictures.skipped]
        return
    clock = assemble.clock()
    with opened_camera(session, sources) as camera:
        until, last = clock.monotonic() + _LOOK_S, None
        for frame in camera.frames():
            last = frame
            if perception.search(frame) or clock.monotonic() >= until:
                break
        if last is not None:
            yield last


def _chosen(faces: Sequence[Landmarks], *, every: bool) -> list[Landmarks]:
    if every:
        return sorted(faces, key=lambda face: face.box.centre[0])
    return sorted(faces, key=lambda face: -face.box.area)[:1]


def _row(
    perception: Perception, classifier: Classifier, frame: Frame, face: Landmarks
) -> dict[str, Any]:
    seen = perception.describe(frame, face, embed=False)
    answer: Prediction = classifier.predict(perception.embed(frame, face).vector[None])[0]
    return {
        "source": frame.source,
        "name": answer.name,
        "likest": answer.likest,
        "confidence": round(answer.confidence, 5),
        "similarity": round(answer.similarity, 5),
        "box": _rounded(face.box),
        "faults": [fault.value for fault in seen.faults],
    }


def _rounded(box: Box) -> list[int]:
    return [round(it) for it in (box.left, box.top, box.width, box.height)]


def _drawn(path: Path, found: Material, told: dict[str, Any]) -> InputError | None:
    """Draw, and note it in the report. The error where the picture could not be written."""
    heading = f"Embeddings by {found.origin.model or 'unknown model'}"
    try:
        classifier_plot.draw(path, found.vectors, found.classes, found.people, heading)
    except InputError as error:
        told["error"] = error_json(error)
        return error
    told["plot"] = str(path)
    return None


def _told(found: Material, plan: Plan, done: Trained) -> dict[str, Any]:
    held = done.held[plan.kind]
    shares = held_out(held.scores, found.classes, held.fold)
    limit = done.classifier.least_similarity
    return {
        "kind": plan.kind,
        "model": found.origin.model,
        "fingerprint": found.origin.fingerprint,
        "dimensions": found.origin.dimensions,
        "people": len(found.people),
        "pictures": len(found.classes),
        "left_out": list(found.left_out),
        "copies": found.copies,
        "folds": done.folds,
        "accuracy": {name: _accuracy(done, name, found) for name in done.held},
        "confidence": {
            "temperature": round(done.classifier.temperature, 6),
            "calibration_error": round(calibration_error(shares, found.classes), 5),
        },
        "unknown": {
            "target_fpir": plan.target_fpir,
            "least_similarity": round(limit, 5),
            "of_strangers": round(done.limit.own, 5),
            "of_calibration": None if done.limit.shipped is None else round(done.limit.shipped, 5),
            "strangers": done.limit.strangers,
            "known": {
                key: round(value, 5)
                for key, value in vars(known(held, found.classes, done.limits)).items()
            },
        },
        "confused": [
            {"of": found.people[who], "named": found.people[said], "pictures": often}
            for who, said, often in confused(held, found.classes)[:_CONFUSED]
        ],
    }


def _accuracy(done: Trained, name: str, found: Material) -> dict[str, Any]:
    measured = accuracy(done.held[name], found.classes)
    return {
        "pictures": round(measured.pictures, 5),
        "people": round(measured.people, 5),
        "standard_error": round(measured.standard_error, 5),
        "folds": [round(share, 5) for share in measured.folds],
    }


def _for_people(console: Console, told: dict[str, Any]) -> None:
    from rich.table import Table

    model = told["model"] or "a model that nobody recorded"
    console.print(
        f"{told['people']} people, {told['pictures']} pictures, {told['dimensions']} numbers each "
        f"of {printable(model)}; {told['folds']} folds.",
        markup=False,
    )
    if told["left_out"]:
        left = len(told["left_out"])
        who = "1 person is" if left == 1 else f"{left} people are"
        console.print(f"{who} left out for having too few pictures.")
    if told["copies"]:
        many = told["copies"]
        which = "1 picture is a copy" if many == 1 else f"{many} pictures are copies"
        console.print(
            f"{which}: held out, a copy is easy, for its twin was trained on, or, where that has "
            "another name, hopeless."
        )
    table = Table("Held-out pictures", "Named rightly", "Mean over people", "Worst fold", box=None)
    for name, row in told["accuracy"].items():
        spread = f"± {percent(row['standard_error'])}"
        table.add_row(
            _TITLES[name],
            f"{percent(row['pictures'])} {spread}",
            percent(row["people"]),
            percent(min(row["folds"])),
        )
    console.print(table)
    for line in _limits(told):
        console.print(printable(line), markup=False)
    for item in told["confused"]:
        line = f"  {item['pictures']} of {item['of']} named {item['named']}"
        console.print(printable(line), markup=False)
    if told["plot"]:
        console.print(f"Drawn: {printable(told['plot'])}", markup=False)
    console.print(f"Kept in {printable(told['out'])}, SHA-256 {told['sha256']}", markup=False)


def _limits(told: dict[str, Any]) -> list[str]:
    """The sentences about the confidence and about strangers."""
    unknown, off = told["unknown"], told["confidence"]["calibration_error"]
    seen = unknown["known"]
    limit = f"{unknown['least_similarity']:.3f}"
    then = f"{percent(seen['right'])} are named rightly, {percent(seen['unknown'])} are unknown"
    lines = [
        f"The confidence is off the accuracy by {percent(off)} in the mean.",
        f"Unknown below a similarity of {limit}, which {_source(unknown)}.",
        f"Held-out pictures of known people: {then}, {percent(seen['wrong'])} named wrongly.",
    ]
    if told["confused"]:
        lines.append(f"Named wrongly by the {_TITLES[told['kind']]}, before that limit:")
    return lines


def _source(unknown: dict[str, Any]) -> str:
    people, target = unknown["strangers"], percent(unknown["target_fpir"])
    own, shipped = unknown["of_strangers"], unknown["of_calibration"]
    if shipped is not None and shipped >= own:
        return (
            f"the model's calibration gives for {target} of strangers among {people} people (each "
            f"of the {people} as a stranger to the others gives {own:.3f}, but they are few)"
        )
    few = " (they are few)" if people * unknown["target_fpir"] < 3 else ""
    return f"{target} of strangers reach, each of the {people} people being one to the others{few}"


def _predicted(console: Console, told: dict[str, Any], *, multi: bool) -> None:
    several = len({row["source"] for row in told["predictions"]}) > 1
    shown = None
    for row in told["predictions"]:
        if several and row["source"] != shown:
            shown = row["source"]
            console.print(f"=== {printable(shown)} ===", markup=False)
        console.print(printable(_sentence(row, told, multi=multi)), markup=False)
    if not told["predictions"]:
        console.print("There was nothing to look at.")


def _sentence(row: dict[str, Any], told: dict[str, Any], *, multi: bool) -> str:
    """The line that OpenFace's classifier prints, and its own for whoever is unknown."""
    if row.get("likest") is None:
        return "No face was found."
    where = f" @ x={row['box'][0] + row['box'][2] // 2}" if multi else ""
    if row["name"] is None:
        return (
            f"Predict {UNKNOWN}{where}: most like {row['likest']}, but its similarity of "
            f"{row['similarity']:.3f} is below {told['least_similarity']:.3f}."
        )
    return f"Predict {row['name']}{where} with {row['confidence']:.2f} confidence."
