"""`appliance evaluate pad`: the attacks that pass for a living person, the people who do not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import appliance
from appliance import assemble
from appliance.cli.measuring import fail_after, noted, plot_option
from appliance.cli.pad_shown import CAVEAT, for_people, notes
from appliance.cli.session import Session, json_option, printable
from appliance.errors import InputError, UsageError
from appliance.evaluation import pad_lines, pad_plot
from appliance.evaluation.pad_files import find
from appliance.evaluation.pad_report import Judged, report
from appliance.evaluation.pad_run import Showing, fitting, run

if TYPE_CHECKING:
    from appliance.config import Config

ALL = "all"
_MOST_ATTEMPTS = 10_000
OF_PICTURES = "the appearance of a single picture, without motion"
_OF_CLIPS: Mapping[str, str] = {
    "passive": "appearance and the passive cues of a recording",
    "standard": "appearance, the passive cues and a motion in depth that must be seen",
    "strict": "appearance, the passive cues, a motion in depth and an answered challenge",
}


def _attempts(_context: click.Context, _option: click.Parameter, value: str) -> int | None:
    """A number, or None for all."""
    if value == ALL:
        return None
    if value.isdecimal() and 1 <= int(value) <= _MOST_ATTEMPTS:
        return int(value)
    raise click.BadParameter(f"{value!r} is neither a number up to {_MOST_ATTEMPTS} nor {ALL}.")


@click.command("pad")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--profile",
    type=click.Choice(["passive", "standard", "strict"]),
    help="Measure this profile instead of the configured liveness.profile.",
)
@click.option(
    "--attempts",
    callback=_attempts,
    default="1",
    metavar="N|all",
    help="How many attempts to make on a long clip, one after the other. Default: 1.",
)
@click.option(
    "--any-size",
    is_flag=True,
    help="Judge faces also where they are smaller than the quality gate lets through.",
)
@click.option(
    "--fps",
    type=click.FloatRange(0.5, 240),
    help="Frames a second that are looked at, and that a folder of frames was taken with. "
    "Default: camera.fps.",
)
@click.option(
    "--seed",
    type=int,
    default=0,
    help="What challenges are drawn by: another number asks for other movements. Default: 0.",
)
@click.option(
    "--separate",
    is_flag=True,
    help="Take each picture of a sub-folder for a presentation of its own, not for a clip's frame.",
)
@plot_option("rates, outcomes and scores")
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a line for each attempt, with its outcome, reasons and cues, as CSV.",
)
@click.option(
    "--jsonl",
    "lines",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The same as JSON lines.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    help="Processes. Default: all cores, as far as the free memory reaches.",
)
@json_option
@click.pass_obj
def pad(session: Session, /, folder: Path, **options: Any) -> None:
    """Error rates of the liveness check on FOLDER/live/* and FOLDER/SPECIES/*.

    Each picture, clip, or sub-folder with the frames of a clip is one presentation: an attempt is
    made on it with the pipeline and the rules of a door, in which whoever is seen is taken for the
    one who was claimed. The terms are those of ISO/IEC 30107-3:

    APCER, for each species: the share of attacks taken for a living person. BPCER: the share of
    living persons who were not, whether they were called an attack or stayed undetermined. A
    presentation in which no face is found, or several, or none that the quality gate lets through,
    got no response: it counts in neither, and is told apart (APNRR, BPNRR).

    A single picture is judged by its appearance alone and never opens a door by itself.

    \b
    Example:
      appliance evaluate pad recordings/ --json
      appliance evaluate pad recordings/ --profile strict --plot pad.png --csv pad.csv
    """
    plot, files = options["plot"], {"csv": options["table"], "jsonl": options["lines"]}
    config = _with_profile(session.config, options["profile"])
    _check_places(plot, files)
    found = find(folder, separate=options["separate"])
    fps = options["fps"] or config.camera.fps
    showing = Showing(assemble.one_file, options["attempts"], fps, options["seed"])
    build = partial(assemble.pad_judge, config, any_size=options["any_size"])
    count = options["workers"] or fitting(os.cpu_count() or 1)
    started = time.monotonic()
    label = f"Judging presentations, {config.liveness.profile}"
    with session.progress(label, len(found.all)) as advance:
        judged = run(found.all, build, showing, count, advance)
    data = {
        **_settings(config),
        "any_size": options["any_size"],
        "attempts": showing.attempts or ALL,
        "fps": showing.fps,
        "seed": showing.seed,
        **report(judged, found.species),
        "ignored": len(found.ignored),
    }
    data["notes"] = notes(data, config, found)
    data["caveat"] = CAVEAT
    errors = _written(data, judged, plot, files)
    data["seconds"] = round(time.monotonic() - started, 1)
    _say_unreadable(session, data)
    session.result(data, lambda console: for_people(console, data))
    for error in errors:
        fail_after(session, error)


def _with_profile(config: Config, profile: str | None) -> Config:
    if profile is not None:
        liveness = config.liveness.model_copy(update={"profile": profile})
        return config.model_copy(update={"liveness": liveness})
    if config.liveness.profile == "off":
        raise UsageError(
            "The config's liveness.profile is off, so there is nothing to measure.",
            hint="Give --profile passive, standard or strict.",
        )
    return config


def _check_places(plot: Path | None, files: Mapping[str, Path | None]) -> None:
    if plot is not None:
        pad_plot.check(plot)
    for path in files.values():
        if path is not None:
            pad_lines.check(path)


def _settings(config: Config) -> dict[str, Any]:
    """What the rates were measured with."""
    wanted = config.liveness
    return {
        "version": appliance.__version__,
        "profile": wanted.profile,
        "challenge": wanted.challenges,
        "target_bpcer": wanted.target_bpcer,
        "judged_by": {"clips": _OF_CLIPS[wanted.profile], "pictures": OF_PICTURES},
        "made_of": assemble.liveness_identity(config),
    }


def _say_unreadable(session: Session, data: Mapping[str, Any]) -> None:
    for kind, verb in (("unreadable", "left out"), ("damaged", "judged as far as they go")):
        if not data[kind]:
            continue
        session.say(f"{kind.capitalize()}, and {verb}:")
        for item in data[f"{kind}_files"]:
            session.say(f"  {printable(item['name'])}: {printable(item['reason'])}")
        if data[kind] > len(data[f"{kind}_files"]):
            session.say(f"  and {data[kind] - len(data[f'{kind}_files'])} more.")


# --- files --------------------------------------------------------------------------------


def _written(
    data: dict[str, Any],
    judged: Sequence[Judged],
    plot: Path | None,
    files: Mapping[str, Path | None],
) -> list[InputError]:
    """Write what was asked for, and note it in the report. The errors of what failed."""
    texts = {"csv": pad_lines.table, "jsonl": pad_lines.json_lines}
    tasks: dict[str, tuple[Path, Callable[[], None]]] = {
        kind: (path, partial(_write_lines, path, texts[kind], judged))
        for kind, path in files.items()
        if path is not None
    }
    if plot is not None:
        tasks["plot"] = (plot, partial(_draw, plot, data, judged))
    found = [noted(data, kind, path, task) for kind, (path, task) in tasks.items()]
    return [error for error in found if error is not None]


def _write_lines(path: Path, text: Callable[[Sequence[Judged]], str], of: Sequence[Judged]) -> None:
    pad_lines.write(path, text(of))


def _draw(path: Path, data: Mapping[str, Any], judged: Sequence[Judged]) -> None:
    attempts = sum(it["attempts"] for it in data["classes"].values())
    heading = f"Liveness profile {data['profile']}: {attempts:,} attempts"
    caption = (
        "APCER: attacks of one species taken for live, of those that got a response. BPCER: living "
        "people not taken for live, also where undetermined. Terms of ISO/IEC 30107-3. "
        f"{' '.join(data['notes'])} {CAVEAT}"
    )
    pad_plot.draw(path, data, judged, heading, caption)
