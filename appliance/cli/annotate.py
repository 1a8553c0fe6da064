"""`appliance annotate`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance import assemble, workbench
from appliance.cli.measuring import fail_after, noted
from appliance.cli.session import Session, json_option, printable
from appliance.errors import InputError, UsageError
from appliance.evaluation import pad_lines
from appliance.evaluation.place import read_only
from appliance.tracking.drawing import draw
from appliance.tracking.lookback import Lookback
from appliance.tracking.record import Record, Summary
from appliance.tracking.tracks import Tracker

if TYPE_CHECKING:
    from rich.console import Console

    from appliance.ports import Camera
    from appliance.tracking.lookback import Shown

# More tracks than this are told by number.
MOST_LISTED = 20
# By this share of its length a written film may be off without a word.
OFF = 0.1
NO_SOUND = "Sound is not carried over."


@click.command("annotate")
@click.option(
    "--from",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    metavar="VIDEO",
    help="The video whose faces are named.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="VIDEO.mp4",
    help="Where the annotated video goes; an earlier file is replaced.",
)
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a line for each face in each frame as well.",
)
@click.option(
    "--codec",
    type=click.Choice(assemble.VIDEO_CODECS),
    default=assemble.VIDEO_CODECS[0],
    show_default=True,
    help="mpeg4 is quick and plays in players; vp9 plays in browsers too and is far slower; h264 "
    "only where the board has an encoder for it.",
)
@click.option(
    "--any-size",
    is_flag=True,
    help="Name faces also where they are smaller than the quality gate lets through.",
)
@json_option
@click.pass_obj
def command(  # noqa: PLR0913 - the options
    session: Session, *, source: Path, out: Path, table: Path | None, codec: str, any_size: bool
) -> None:
    """Recognise everybody in every frame of a video, and draw it in.

    Each face is followed as a track and compared with everybody enrolled. Green boxes bear a name
    and the similarity, orange ones say unknown, grey ones why nothing can be compared. The mean
    frame rate and the length are kept, the sound is not. Liveness is not judged, and no door is
    near.

    \b
    Example:
      appliance annotate --from hall.mp4 --out hall-named.mp4 --csv hall.csv
    """
    _require_apart(source, out, table)
    assemble.check_video(out)
    if read_only(out):
        raise InputError(
            f"The video {out} cannot be written: it is read-only, or its folder is.",
            hint="Name a file in a folder of yours.",
            code="video_not_written",
        )
    if table is not None:
        pad_lines.check(table)
    started = time.monotonic()
    with ExitStack() as stack:
        camera = stack.enter_context(closing(assemble.one_file(source)))
        fps = camera.fps
        if fps is None:
            raise InputError(
                f"{source} is no video.",
                hint="Give one video; `appliance identify` names the faces of pictures.",
                code="no_video",
            )
        film = Film(session, any_size=any_size)
        worked = time.process_time()
        film.run(camera, out, codec, fps)
        worked = time.process_time() - worked
        broken = [item.reason for item in camera.skipped]
        of_rate = [] if broken else film.of_its_rate(camera.duration, fps)
    spent = Spent(time.monotonic() - started, worked)
    data = {
        "video": str(source),
        "out": str(out),
        "csv": None,
        "codec": codec,
        "sound": False,
        **film.told(fps, spent),
        "warnings": [*broken, *of_rate, *film.warnings],
    }
    error = None
    if table is not None:
        error = noted(data, "csv", table, partial(pad_lines.write, table, film.record.table))
    for warning in data["warnings"]:
        session.say(f"Warning: {printable(warning)}")
    session.result(data, lambda console: _for_people(console, data))
    if error is not None:
        fail_after(session, error)


def _require_apart(source: Path, out: Path, table: Path | None) -> None:
    """UsageError where one file is to be two things."""
    for one, other, what in (
        (source, out, "--from and --out"),
        (source, table, "--from and --csv"),
        (out, table, "--out and --csv"),
    ):
        if other is not None and _same(one, other):
            raise UsageError(f"{what} name the same file.", hint="Give another name.")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return os.path.realpath(one) == os.path.realpath(other)


@dataclass(frozen=True)
class Spent:
    """Seconds. elapsed: of all, the start included. processor: of all cores, for the frames alone.

    The one is what somebody waits; the other is what the work takes where nothing else runs.
    """

    elapsed: float
    processor: float


class Film:
    """One video on its way through the tracker."""

    def __init__(self, session: Session, *, any_size: bool) -> None:
        config = session.config
        with assemble.store(config, create=False) as store:
            self._known = workbench.known_people(config, list(store.people.everybody()))
        self._session = session
        self._perception = workbench.crowd_perception(config, any_size=any_size)
        tracker = Tracker(self._perception, self._known)
        self._lookback = Lookback(tracker, self._perception.stages.mesh)
        self._size = (0, 0)
        self.record = Record()

    @property
    def warnings(self) -> list[str]:
        """What may surprise whoever looks at the result."""
        if not self._known.count:
            return ["nobody is enrolled, so everybody is unknown."]
        small = sum(
            summary.last.identity is None and summary.last.state == "too_small"
            for summary in self.record.tracks.values()
        )
        if not small:
            return []
        least = self._session.config.quality.min_eye_distance
        faces = "one track was" if small == 1 else f"{small} tracks were"
        told = (
            f"{faces} too small to be compared (quality.min_eye_distance: {least:g} pixels). "
            "--any-size compares them all the same, at a higher threshold."
        )
        return [told]

    def of_its_rate(self, claimed_s: float | None, fps: float) -> list[str]:
        """Whether the written film is quicker or slower than the one that was given.

        claimed_s: what that one says it lasts; fps: by which both are counted.
        """
        written_s = self.record.frames / fps
        if claimed_s is None or abs(written_s - claimed_s) <= max(OFF * claimed_s, 1 / fps):
            return []
        told = (
            f"the film lasts {claimed_s:.1f} s and is written with {written_s:.1f} s: its frame "
            f"rate varies, and all it tells of that is {fps:g} a second. Convert it to MP4 before."
        )
        return [told]

    def run(self, camera: Camera, out: Path, codec: str, fps: float) -> None:
        """Write the annotated video. InputError where it cannot be read or written."""
        with ExitStack() as stack:
            writer = None
            advance = stack.enter_context(self._session.progress("Frames", camera.length))
            for frame, seen in self._shown(camera):
                if writer is None:
                    self._size = frame.width, frame.height
                    writer = assemble.video_writer(out, codec, fps, self._size)
                    stack.callback(writer.discard)
                self.record.add(frame, seen)
                draw(frame.bgr, seen)
                writer.write(frame.bgr)
                advance()
            if writer is not None:
                writer.keep()

    def _shown(self, camera: Camera) -> Iterator[Shown]:
        for frame in camera.frames():
            yield from self._lookback.see(frame)
        yield from self._lookback.finish()

    def told(self, fps: float, spent: Spent) -> dict[str, Any]:
        """The result as JSON. fps: the film's."""
        record, config = self.record, self._session.config
        seconds = record.frames / fps
        tracks = [_track_json(number, it) for number, it in sorted(record.tracks.items())]
        return {
            "frames": record.frames,
            "fps": round(fps, 3),
            "seconds": round(seconds, 3),
            "size": list(self._size),
            "faces": record.faces,
            "people": sorted({it["name"] for it in tracks if it["name"]}),
            "tracks": tracks,
            "enrolled": self._known.count,
            "target_far": config.verification.target_far,
            "model": config.model.name,
            "took_s": round(spent.elapsed, 2),
            "frames_per_second": round(record.frames / spent.elapsed, 3),
            "times_real_time": round(seconds / spent.elapsed, 4),
            "processor_s": round(spent.processor, 2),
            "frames_per_processor_second": round(record.frames / max(spent.processor, 1e-3), 1),
            "timings_ms": self._perception.timings.rounded(),
        }


def _track_json(number: int, summary: Summary) -> dict[str, Any]:
    identity = summary.last.identity
    match = identity.match if identity else None
    return {
        "track": number,
        "name": summary.last.name,
        "state": summary.last.state,
        "nearest": identity.nearest if identity else None,
        "similarity": None if match is None else round(match.similarity, 4),
        "threshold": None if match is None else round(match.threshold, 4),
        "first_s": round(summary.first_s, 3),
        "last_s": round(summary.last_s, 3),
        "frames": summary.frames,
        "frames_named": summary.named,
    }


def _for_people(console: Console, data: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    frames = "1 frame" if data["frames"] == 1 else f"{data['frames']} frames"
    tracks = "1 track" if len(data["tracks"]) == 1 else f"{len(data['tracks'])} tracks"
    faces = "1 face" if data["faces"] == 1 else f"{data['faces']} faces"
    console.print(
        f"{frames} ({data['seconds']:.1f} s at {data['fps']:g} a second), {faces} in {tracks}.",
        markup=False,
    )
    if data["tracks"]:
        table = Table("Track", "Who", "Similarity", "Threshold", "From", "To", "Frames", box=None)
        for item in data["tracks"][:MOST_LISTED]:
            who = item["name"] or item["state"].replace("_", " ")
            scores = [_score(item[key]) for key in ("similarity", "threshold")]
            times = [f"{item[key]:.2f} s" for key in ("first_s", "last_s")]
            table.add_row(str(item["track"]), Text(who), *scores, *times, _frames(item))
        console.print(table)
        if (more := len(data["tracks"]) - MOST_LISTED) > 0:
            console.print(f"and {more} more (--json tells all).")
    console.print(
        f"{data['took_s']:.1f} s in all: {data['frames_per_second']:.3g} frames a second, "
        f"{data['times_real_time']:.2g} times real time. The frames took {data['processor_s']:.2f} "
        f"s of processor time: {data['frames_per_processor_second']:.3g} a second.",
        markup=False,
    )
    written = data["out"] + (f" and {data['csv']}" if data["csv"] else "")
    console.print(f"Written to {printable(written)}. {NO_SOUND}", markup=False)


def _frames(item: Mapping[str, Any]) -> str:
    """In how many a track was seen; and where its name was withheld in some, in how many not."""
    seen, named = item["frames"], item["frames_named"]
    return f"{named} of {seen}" if item["name"] and named < seen else str(seen)


def _score(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
