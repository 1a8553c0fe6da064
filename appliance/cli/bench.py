"""`appliance bench`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cv2
from rich.markup import escape

from appliance import assemble, cold_start, matching
from appliance.cli.bench_models import bench_models
from appliance.cli.hosts import host_json, on_what, print_host, processor_json
from appliance.cli.session import Session, from_option, json_option, leave
from appliance.daemon.idle import MOVING_S, STILL_S, Lookout
from appliance.demo.story import PORTRAITS
from appliance.errors import UsageError
from appliance.evaluation.bench import (
    Turns,
    as_from_a_camera,
    quantiles,
    time_pipeline,
    usable,
)
from appliance.evaluation.idle_bench import film, time_idle
from appliance.host import conditions
from appliance.types import Frame, Person
from appliance.vision.scene import SceneWatch

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.config import Config
    from appliance.perception import Perception

# More frames of a recording are not read: they would show nothing new and fill the memory.
MOST_FRAMES = 30
# An attempt compares three probes with a template of five.
_ENROLLED, _PROBES = 5, 3
_NAMES = {
    "detect": "find the face (detector and mesh)",
    "landmarks": "follow the face (mesh)",
    "align": "align",
    "cues": "look for life (all cues but appearance)",
    "liveness": "judge life (appearance and all cues)",
    "embed": "embed",
    "match": "match",
}


@click.command("bench")
@from_option
@click.option(
    "--models",
    is_flag=True,
    help="Compare the embedders on this machine and keep what `model.name: auto` means.",
)
@click.option(
    "--repick",
    is_flag=True,
    help="With --models: change the pick although people enrolled with it must enrol again.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="How often each thing is timed.",
)
@json_option
@click.pass_obj
def command(
    session: Session, sources: tuple[Path, ...], *, models: bool, repick: bool, rounds: int
) -> None:
    """Time the pipeline on this machine, or compare its embedders.

    Without --from, the bundled portraits stand before a camera of the configured size. Times are
    those of the machine as it is: whatever else runs on it makes them longer, so the load average
    is told. Leave the devices in peace meanwhile; no camera and no lock is touched.

    \b
    Example:
      appliance bench
      appliance bench --models
    """
    if repick and not models:
        raise UsageError("--repick goes with --models: it is the pick of a model that it changes.")
    if models and sources:
        raise UsageError(
            "--from does not go with --models.",
            hint="The embedders are compared on the bundled pictures, whose people are known.",
        )
    if models:
        leave(bench_models(session, rounds, repick=repick))
    config = session.config
    before = conditions()
    data = _measured(session, config, _frames(config, sources), rounds)
    data["host"] = host_json(config, before)
    session.result(data, lambda console: _for_people(console, data))


def _frames(config: Config, sources: Sequence[Path]) -> list[Frame]:
    """What was given, or the bundled portraits, as frames of the configured camera's size."""
    if sources:
        with closing(assemble.file_camera(sources)) as camera:
            return list(islice(camera.frames(), MOST_FRAMES))
    wanted = config.camera
    with closing(assemble.file_camera(PORTRAITS)) as camera:
        return [
            Frame(as_from_a_camera(it.bgr, wanted.width, wanted.height), it.at, it.source)
            for it in camera.frames()
        ]


def _measured(
    session: Session, config: Config, frames: Sequence[Frame], rounds: int
) -> dict[str, Any]:
    perception = assemble.perception(config)
    good = usable(perception, frames)
    match = _match(config, perception, good[0])
    with session.progress("Looking at frames", rounds) as advance:
        times = time_pipeline(perception, match, good, Turns(rounds, advance))
    idle = _idle(config, perception)
    started = _cold_start(config, good[0])
    return {
        "model": config.model.name,
        "processor": processor_json(assemble.processor(perception.stages.embedder)),
        "frames": {
            "used": len(good),
            "skipped": len(frames) - len(good),
            "sizes": sorted({f"{frame.width}x{frame.height}" for frame in good}),
        },
        "rounds": rounds,
        "stages": {name: quantiles(each) for name, each in times.stages.items()},
        "tracked_frame": quantiles(times.tracked),
        "acquired_frame": quantiles(times.acquired),
        "idle": idle,
        "cold_start_ms": started.ms,
        "rss_mb": started.rss_mb,
    }


def _match(config: Config, perception: Perception, frame: Frame) -> Any:
    """What an attempt does with its embeddings, against a template of this face."""
    perception.forget()
    seen = perception.look(frame).embedding
    if seen is None:  # `usable` has looked at it
        raise AssertionError(frame.source)
    template = matching.make_template([seen] * _ENROLLED, config.model.name)
    now = assemble.clock().now()
    claimed = matching.Claimed(Person("bench", template, now, now))
    calibration, far = assemble.calibration(config), config.verification.target_far
    return lambda embedding: claimed.match([embedding] * _PROBES, calibration, far)


def _idle(config: Config, perception: Perception) -> dict[str, Any]:
    """What the service costs while nobody is there: nothing moves, or something does."""
    wanted = config.camera
    told: dict[str, Any] = {
        "looks_per_s": wanted.idle_fps,
        "size": f"{wanted.width}x{wanted.height}",
    }
    # Long enough that each search of the whole picture comes once, or as often as it would.
    for name, moves, seconds in (("still", False, STILL_S), ("moving", True, 5 * MOVING_S)):
        scene = SceneWatch()
        lookout = Lookout(
            glance=lambda frame: len(perception.glance(frame)),
            search=lambda frame: len(perception.search(frame)),
        )
        pictures = film(wanted.width, wanted.height, moves=moves)

        def look(
            frame: Frame, scene: SceneWatch = scene, lookout: Lookout = lookout
        ) -> tuple[object, object]:
            return scene.see(frame), lookout.faces(frame)

        told[name] = time_idle(pictures, look, wanted.idle_fps, seconds).told()
    return told


def _cold_start(config: Config, frame: Frame) -> cold_start.ColdStart:
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "frame.bmp"  # without loss: as good a frame as it was
        picture.write_bytes(cv2.imencode(picture.suffix, frame.bgr)[1].tobytes())
        return cold_start.measure(config, picture)


def _for_people(console: Console, data: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("Stage", "Median ms", "95 % within", box=None)
    for name, told in data["stages"].items():
        table.add_row(_NAMES[name], *_columns(told))
    table.add_row("a frame, its face tracked", *_columns(data["tracked_frame"]), style="bold")
    table.add_row("a frame, its face acquired", *_columns(data["acquired_frame"]), style="bold")
    console.print(table)
    idle = data["idle"]
    console.print(
        f"With nobody there, at {idle['looks_per_s']:g} looks a second at {idle['size']}: "
        f"{idle['still']['share_of_core']:.1%} of one core, "
        f"{idle['moving']['share_of_core']:.1%} while something moves"
    )
    memory = "" if data["rss_mb"] is None else f", {data['rss_mb']:.0f} MB of memory at most"
    console.print(
        f"From a cold start to the first embedding: {data['cold_start_ms']:.0f} ms{memory}"
    )
    frames = data["frames"]
    console.print(
        f"{escape(data['model'])}{on_what(data['processor'])}, {data['rounds']} rounds over "
        f"{frames['used']} frames ({', '.join(frames['sizes'])}), "
        f"{frames['skipped']} without one good face"
    )
    print_host(console, data["host"])


def _columns(told: dict[str, float] | None) -> tuple[str, str]:
    return ("-", "-") if told is None else (f"{told['p50_ms']:.2f}", f"{told['p95_ms']:.2f}")
