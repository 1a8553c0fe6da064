"""`python -m tests.attacks.texture_table`: what the texture cue measures of life and of attacks.

    python -m tests.attacks.texture_table [--split fit|score] [--count 8] [--seconds 2]
        [--species NAME]... [--clips FOLDER] [--pictures 300] [--window 1.5] [--rows FILE.jsonl]

Living people: each clip of the split, or with --clips those of a folder, cut into windows, as it
was recorded, at about 15 frames a second; single pictures of lfw-dev, for moiré alone. Attacks:
`count` of each species and strength. The real samples of pad/ are listed picture by picture.
Windows of one clip are not independent: the table describes, it proves no rate.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import thread_time

import cv2
import numpy as np

from appliance.errors import InputError
from appliance.liveness.cue import View
from appliance.liveness.moire import moire
from appliance.liveness.texture import BANDS, MOIRE, TextureCue
from appliance.types import Frame, Landmarks, Pixels
from tests.attacks.attempt import Species
from tests.attacks.geometry_table import recorded, shown, tracked
from tests.attacks.sources import Split, live_clips, sources
from tests.conftest import data_folder
from tests.portraits import acquisition

Row = Mapping[str, float | str]
Seen = Sequence[tuple[Frame, Landmarks]]

_FPS = 15
_LIVING = ("live", "live_3d", "live_recaptured")


def thinned(frames: Iterable[Frame]) -> Iterator[Frame]:
    """About as many frames a second as a door camera sends."""
    due = 0.0
    for frame in frames:
        if frame.at >= due - 0.01:
            due = frame.at + 1 / _FPS
            yield frame


def windows(seen: Seen, length: float, kind: str) -> Iterator[Row]:
    """The measures at the end of each window of `length` seconds; windows follow one another."""
    begin = seen[0][0].at if seen else 0.0
    while seen and begin + length <= seen[-1][0].at + 0.1:
        part = [one for one in seen if begin <= one[0].at < begin + length]
        if len(part) > 1:
            yield measured(part, kind)
        begin += length


def measured(part: Seen, kind: str) -> Row:
    """One window's row. ms: processor time of one frame, without making its luma."""
    cue = TextureCue()
    spent = 0.0
    for frame, face in part:
        view = View(frame, face)
        # Every cue needs the luma; none is charged for it.
        assert view.grey.size
        began = thread_time()
        cue.see(view)
        spent += thread_time() - began
    began = thread_time()
    found = cue.measures()
    spent += thread_time() - began
    return {"kind": kind, "ms": 1000 * spent / len(part), **found}


def still(picture: Pixels, kind: str) -> Row | None:
    """Moiré of a single picture, turned until a face is found in it."""
    for turns in range(4):
        turned = np.ascontiguousarray(np.rot90(picture, turns))
        faces = acquisition().faces(turned)
        if faces:
            found = moire(np.asarray(cv2.cvtColor(turned, cv2.COLOR_BGR2GRAY), np.uint8), faces[0])
            return None if found is None else {"kind": kind, "ms": 0.0, MOIRE: found}
    return None


def pictures(folder: Path, split: Split, count: int) -> Iterator[Row]:
    """The real samples one by one, and people of lfw-dev together."""
    for path in sorted((folder / "pad").glob("*.*")):
        yield from _still(path, f"pad/{path.name}")
    for source in sources(folder, split, pictures=count):
        if not source.moving:
            yield from _still(source.path, "live pictures")


def _still(path: Path, kind: str) -> Iterator[Row]:
    picture = cv2.imread(str(path))
    row = None if picture is None else still(np.asarray(picture, np.uint8), kind)
    if row is not None:
        yield row


def rows(asked: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """All windows of all presentations."""
    split = Split(asked.split)
    clips = [clip.path for clip in live_clips(folder, split)]
    if asked.clips is not None:
        clips = sorted(path for path in asked.clips.iterdir() if path.is_file())
    for path in clips if "live" in asked.species else []:
        yield from windows(
            list(tracked(thinned(recorded(path)))), asked.window, f"live {path.stem}"
        )
    yield from pictures(folder, split, asked.pictures)
    people = sources(folder, split, pictures=asked.count)
    for number in range(asked.count):
        for kind, frames in shown(people[(number * 7) % len(people)], number, asked):
            yield from _presented(kind, frames, asked.window)


def _presented(kind: str, frames: Iterator[Frame], length: float) -> Iterator[Row]:
    """Nothing, and a word about it, for a source that cannot be shown."""
    try:
        yield from windows(list(tracked(frames)), length, kind)
    except InputError as error:
        sys.stderr.write(f"{kind}: {error.message}\n")


def table(found: Sequence[Row]) -> str:
    """How many windows tell, and quantiles 1, 10, 50, 90, 99 % of each measure."""
    lines = []
    some: list[float]
    for kind in sorted({str(row["kind"]) for row in found}):
        own = [row for row in found if row["kind"] == kind]
        line = f"{kind:36} {len(own):4}"
        for name in (MOIRE, BANDS):
            values = [float(row[name]) for row in own if name in row]
            some = np.percentile(values, [1, 10, 50, 90, 99]).tolist() if values else []
            line += f" | {name} {len(values):4}: " + " ".join(f"{value:5.2f}" for value in some)
        lines.append(f"{line} | ms {np.mean([float(row['ms']) for row in own]):.2f}")
    return "\n".join(lines)


def main(words: Sequence[str]) -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.texture_table")
    kinds = [*_LIVING, *(species.value for species in Species)]
    parser.add_argument("--species", action="append", choices=kinds)
    parser.add_argument("--split", choices=[split.value for split in Split], default="fit")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--window", type=float, default=1.5)
    parser.add_argument("--clips", type=Path, help="a folder of clips of living people")
    parser.add_argument("--pictures", type=int, default=300, help="people of lfw-dev")
    parser.add_argument("--rows", type=Path, help="where each window is written as JSON")
    asked = parser.parse_args(words)
    asked.species = asked.species or kinds
    folder = data_folder()
    if folder is None:
        sys.stderr.write("No measuring data: set APPLIANCE_DATA to a folder with clips/.\n")
        return 3
    cv2.setNumThreads(1)
    found = []
    for row in rows(asked, folder):
        found.append(row)
        if asked.rows is not None:
            with asked.rows.open("a") as out:
                out.write(json.dumps(row) + "\n")
    sys.stdout.write(table(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
