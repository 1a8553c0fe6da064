"""`python -m tests.attacks.geometry_table`: what the geometry cue measures of life and of attacks.

    python -m tests.attacks.geometry_table [--split fit|score] [--count 8] [--seconds 2]
        [--species NAME]... [--rows FILE.jsonl] [--window 1.0]...

`mesh` is what a homography leaves of the mesh's own motion, in thousandths of the eyes' distance:
the network draws a head's relief into every picture, so it tells little.

Living people: each clip of the split, cut into windows, as it was recorded; the same through the
synthetic sensor (live_recaptured); solid synthetic heads (live_3d). Attacks: `count` of each
species and strength. A row of the table is one kind of presentation and one length of window.
Windows of one clip overlap and are not independent: the table describes, it proves no rate.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import process_time

import cv2
import numpy as np

from appliance.errors import InputError
from appliance.hardware.videos import Video
from appliance.liveness.cue import View
from appliance.liveness.geometry import GeometryCue
from appliance.types import Frame, Landmarks
from appliance.vision.tracker import follow
from tests.attacks.attempt import Species, Strength
from tests.attacks.present import live_3d, live_recaptured, present
from tests.attacks.sources import Source, Split, live_clips, sources
from tests.conftest import data_folder
from tests.portraits import acquisition, mesh

Row = Mapping[str, float | str]

# Seconds between the beginnings of two windows of one clip.
_HOP_S = 0.4
_SEEDS = 1000
MEASURES = ("relief", "beyond", "turn", "parallax", "mesh")
# The table counts the windows that reach this relief.
_REACHED = 3.0


def tracked(frames: Iterable[Frame]) -> Iterator[tuple[Frame, Landmarks]]:
    """The one face, followed as at the door."""
    last: Landmarks | None = None
    for frame in frames:
        last = follow(mesh(), frame.bgr, last) if last is not None else None
        if last is None:
            faces = acquisition().faces(frame.bgr)
            last = faces[0] if faces else None
        if last is not None:
            yield frame, last


def recorded(path: Path) -> Iterator[Frame]:
    """A clip's frames."""
    video = Video(path, path.name)
    number = 0
    while video.advance():
        picture = video.picture()
        if picture is not None:
            yield Frame(picture, number / video.fps, f"{path.name}#{number}", number)
        number += 1
    video.close()


def windows(seen: Sequence[tuple[Frame, Landmarks]], length: float, kind: str) -> Iterator[Row]:
    """The measures at the end of each window of `length` seconds."""
    if not seen:
        return
    begin = seen[0][0].at
    while begin + length <= seen[-1][0].at + 0.01:
        part = [one for one in seen if begin <= one[0].at <= begin + length]
        if len(part) >= 2:
            yield measured(part, kind, length)
        begin += max(_HOP_S, length / 2)


def measured(part: Sequence[tuple[Frame, Landmarks]], kind: str, length: float) -> Row:
    """One window's row."""
    cue = GeometryCue()
    spent = process_time()
    eyes = 0.0
    for frame, face in part:
        view = View(frame, face)
        cue.see(view)
        eyes = view.eyes
    found = cue.measures()
    spent = 1000 * (process_time() - spent) / len(part)
    mesh_alone = mesh_residual([face for _, face in part]) / eyes
    return {"kind": kind, "window": length, "eyes": eyes, "ms": spent, "mesh": mesh_alone, **found}


def mesh_residual(faces: Sequence[Landmarks]) -> float:
    """The cue that was not built: how badly a homography explains the mesh, thousandths of a pixel.

    The largest root mean square over the mesh's points, from the first frame to any later one.
    """
    worst = 0.0
    first = faces[0].points[:, :2].astype(np.float64)
    for face in faces[1:]:
        now = face.points[:, :2].astype(np.float64)
        homography, _ = cv2.findHomography(first, now)
        if homography is not None:
            laid = cv2.perspectiveTransform(first[None], homography)[0]
            worst = max(worst, float(np.sqrt(((laid - now) ** 2).sum(axis=1).mean())))
    return 1000 * worst


def rows(asked: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """All windows of all presentations."""
    split = Split(asked.split)
    for clip in live_clips(folder, split) if "live" in asked.species else []:
        seen = list(tracked(recorded(clip.path)))
        for length in asked.window:
            yield from windows(seen, length, f"live {clip.name}")
    people = sources(folder, split, pictures=asked.count)
    for number in range(asked.count):
        source = people[(number * 7) % len(people)]
        for kind, frames in shown(source, number, asked):
            try:
                seen = list(tracked(frames))
            except InputError as error:
                sys.stderr.write(f"{kind}: {error.message}\n")
                continue
            for length in asked.window:
                yield from windows(seen, length, kind)


def shown(
    source: Source, number: int, asked: argparse.Namespace
) -> Iterator[tuple[str, Iterator[Frame]]]:
    """The presentations made of one source, by kind."""
    if "live_3d" in asked.species:
        yield "live_3d", live_3d(source, number, seconds=asked.seconds)
    if "live_recaptured" in asked.species and source.moving:
        yield "live_recaptured", live_recaptured(source, number, seconds=asked.seconds)
    for species in Species:
        for strength in Strength:
            if species.value in asked.species:
                seed = _SEEDS + number
                frames = present(source, species, strength, seed, seconds=asked.seconds)
                yield f"{species.value} {strength.value}", frames


def table(found: Sequence[Row]) -> str:
    """Quantiles of each measure by kind and window."""
    lines = []
    for kind, window in sorted({(str(row["kind"]), float(row["window"])) for row in found}):
        own = [row for row in found if row["kind"] == kind and row["window"] == window]
        told = [float(row["relief"]) for row in own if "relief" in row]
        reached = sum(value >= _REACHED for value in told)
        some: Sequence[float]
        line = f"{kind:32} {window:3.1f} s {len(own):4} told {len(told):4}"
        line += f" relief>={_REACHED:.0f}: {reached:4}"
        for name in MEASURES:
            values = [float(row[name]) for row in own if name in row]
            some = np.percentile(values, [5, 50, 95, 100]).tolist() if values else []
            line += f" | {name} " + (" ".join(f"{value:.2f}" for value in some) or "-")
        lines.append(f"{line} | ms {np.mean([float(row['ms']) for row in own]):.2f}")
    return "\n".join(lines)


def main(words: Sequence[str]) -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.geometry_table")
    kinds = ["live", "live_3d", "live_recaptured", *(species.value for species in Species)]
    parser.add_argument("--species", action="append", choices=kinds)
    parser.add_argument("--split", choices=[split.value for split in Split], default="fit")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--window", type=float, action="append")
    parser.add_argument("--rows", type=Path, help="where each window is written as JSON")
    asked = parser.parse_args(words)
    asked.species = asked.species or kinds
    asked.window = asked.window or [1.0]
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
