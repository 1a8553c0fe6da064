"""`appliance explain`: what every stage sees in one picture, as pictures and a page."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import appliance
from appliance import assemble, workbench
from appliance.cli.measuring import with_model
from appliance.cli.session import Session, json_option, json_text, leave, printable
from appliance.errors import ExitCode, InputError
from appliance.explanation import drawn, folder, page, report
from appliance.explanation.distances import fixed
from appliance.explanation.look import HOG_DOUBT, Seen, Tools, compared, look, nearest
from appliance.reports.rates import percent

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.config import Config
    from appliance.types import Frame, Person

# How many of the nearest people are told.
MOST_PEOPLE = 5


@click.command("explain")
@click.argument("picture", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder for the page and its pictures: a new or empty one, or an earlier explanation.",
)
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    metavar="PICTURE",
    help="Another picture, whose face is compared with the first one's.",
)
@click.option("--model", help="Another embedder of the manifest than the configured one.")
@click.option(
    "--mmod",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="dlib's convolutional detector, which does not come with the appliance, to look as well.",
)
@json_option
@click.pass_obj
def command(session: Session, /, picture: Path, out: Path, **options: Any) -> None:
    """Show what the appliance sees in PICTURE: as PNG files, and as one page that holds them all.

    Faces by each detector, the gradients that HOG looks at, the mesh and the 68 landmarks, what is
    measured of the quality, the aligned crop, the embedding, and how near the people are who are
    enrolled: as cosine, as squared and as plain Euclidean distance. With several faces the largest
    is explained. Nothing is decided, counted or unlocked.

    DIR then holds biometric data; it is made for its owner alone. Exits with 1 where no face is
    found, and shows what was looked at all the same.

    \b
    Example:
      appliance explain door.jpg --out explained
      appliance explain door.jpg --like alice.jpg --out explained
    """
    folder.check(out)
    config = with_model(session.config, options["model"])
    first = _picture(picture)
    second = None if options["like"] is None else _picture(options["like"])
    with assemble.store(config, create=False) as store:
        people = list(store.people.everybody())
    tools = _tools(config, options["mmod"])
    seen = look(tools, first, _smallest(config, first))
    other = None if second is None else look(tools, second, _smallest(config, second))
    data, files = _explained(config, tools, seen, people)
    if other is not None:
        files |= _like(config, data, seen, other)
    data["files"] = {name: str(out / name) for name in sorted({*files, folder.PAGE, folder.MARK})}
    files[folder.PAGE] = page.draw(data, files)
    files[folder.MARK] = f"{json_text(data)}\n".encode()
    folder.write(out, files)
    session.result(data, lambda console: _for_people(console, data, out))
    told = data["decision"], data.get("like", data)["decision"]
    leave(ExitCode.NO if "no_face" in told else ExitCode.OK)


def _picture(path: Path) -> Frame:
    """The one picture of a file. InputError for what is none."""
    if _is_folder(path):
        raise InputError(
            f"{path} is a folder.", hint="One picture is explained at a time: name its file."
        )
    with closing(assemble.one_file(path)) as camera:
        frame = next(iter(camera.frames()))
    if not frame.still:
        raise InputError(
            f"{path} is a video.",
            hint="One picture is explained: save the frame that you mean as a picture.",
        )
    return frame


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # opening it will tell why
        return False


def _smallest(config: Config, frame: Frame) -> float:
    """The farthest face that a door serves, in this picture's pixels."""
    return config.detector.farthest * min(frame.width, frame.height)


def _tools(config: Config, mmod: Path | None) -> Tools:
    predictor = workbench.points68(config)
    return Tools(
        assemble.perception(config, liveness=False),
        workbench.detectors(config, mmod, hog_least=HOG_DOUBT),
        None if predictor is None else predictor.points,
    )


def _explained(
    config: Config, tools: Tools, seen: Seen, people: list[Person]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The report and the files, but for the other picture."""
    files, hog = drawn.of_picture(seen)
    data: dict[str, Any] = {
        "format": report.FORMAT,
        "version": appliance.__version__,
        **report.seen_json(seen),
        "hog": {"scale": round(hog.scale, 4), "cell": 8, "bins": 9},
        "distances": report.distances_json(),
    }
    if seen.face is None:
        return data, files
    data |= report.face_json(seen.face, tools.perception.stages.limits, config.model.name)
    files |= drawn.of_face(seen, seen.face)
    calibration, far = assemble.calibration(config), config.verification.target_far
    found, others = nearest(seen.face, people, calibration, far)
    data["nearest"] = report.nearest_json(found, others, MOST_PEOPLE)
    if found:
        template = next(it.template for it in people if it.name == found[0].name)
        names = ("nearest.png", "nearest_product.png")
        files |= drawn.of_other(seen.face, template.mean, names)
    return data, files


def _like(config: Config, data: dict[str, Any], seen: Seen, other: Seen) -> dict[str, bytes]:
    """The files of the other picture; what it is like goes into the report."""
    told = report.seen_json(other)
    data["like"] = {key: told[key] for key in ("picture", "width", "height", "decision", "faces")}
    one, face = seen.face, other.face
    if face is None:
        return {}
    if one is None:
        return drawn.of_like(face)
    calibration, far = assemble.calibration(config), config.verification.target_far
    found = compared(one, face, other.frame.source, calibration, far)
    data["like"]["compared"] = report.compared_json(found)
    names = ("like_embedding.png", "like_product.png")
    return drawn.of_like(face) | drawn.of_other(one, face.embedding.vector, names)


def _for_people(console: Console, data: dict[str, Any], out: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    def say(line: str) -> None:
        console.print(printable(line), markup=False)

    counts = ", ".join(f"{name} {len(boxes)}" for name, boxes in data["detections"].items())
    faces = "1 face" if len(data["faces"]) == 1 else f"{len(data['faces'])} faces"
    say(f"{data['picture']}: {faces} confirmed by the mesh; found by {counts}.")
    if data["decision"] == "no_face":
        console.print("[bold red]no_face[/]")
    else:
        quality = data["quality"]
        faults = ", ".join(quality["faults"])
        if len(data["faces"]) > 1:
            say("The largest face is explained; a door refuses several faces.")
        console.print(f"Quality: {'good' if quality['good'] else faults}")
        for name, row in quality["measures"].items():
            if not row["ok"]:
                console.print(f"  {name} {row['value']:g} {row['unit']}")
    rows = list(data.get("nearest", {}).get("people", ()))
    rows += [data["like"]["compared"]] if "compared" in data.get("like", {}) else []
    if rows:
        table = Table("Like", "Cosine", "Squared distance", "Distance", "Threshold", "", box=None)
        for row in rows:
            ways = (fixed(row[key]) for key in ("similarity", "squared_distance", "distance"))
            mark = "[green]reaches it[/]" if row["accepted"] else "[red]does not[/]"
            table.add_row(Text(printable(row["name"])), *ways, fixed(row["threshold"]), mark)
        console.print(table)
        far = percent(rows[0]["target_far"])
        say(f"Threshold: the cosine for a false-accept rate of {far}, one against one.")
        say(f"Distances: {data['distances']['conversion']}.")
    if data.get("like", {}).get("decision") == "no_face":
        say(f"No face was found in {data['like']['picture']}.")
    if others := data.get("nearest", {}).get("other_model"):
        say(f"Never compared, enrolled with another model: {', '.join(others)}.")
    say(f"Page: {out / folder.PAGE}")
    shown = "the picture" if data["decision"] == "no_face" else "a face, and an embedding"
    say(f"It holds {shown}: biometric data, yours to delete.")
