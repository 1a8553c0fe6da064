"""`python -m tests.attacks.surroundings_table`: what surroundings and injected frames measure.

    python -m tests.attacks.surroundings_table [--split fit|score] [--count 8] [--seconds 2]
        [--species NAME]... [--clip FILE]...

Living people: each clip of the split, and each `--clip`, cut into presentations of `--seconds`;
attacks: `count` of each species and strength. A row tells how many there were, in how many the
measure could be told, and its lowest, middle and highest value. Presentations cut from one clip are
not independent: the table describes, it proves no rate.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import thread_time

import cv2
import numpy as np

from appliance.liveness.cue import View
from appliance.liveness.injected import Injected
from appliance.liveness.surroundings import Surroundings
from appliance.types import Frame, Landmarks
from tests.attacks.attempt import Species, Strength
from tests.attacks.geometry_table import recorded, tracked
from tests.attacks.present import present
from tests.attacks.sources import Split, live_clips, sources
from tests.conftest import data_folder

MEASURES = (
    "surroundings_follow",
    "surroundings_depth",
    "surroundings_held",
    "injected_again",
    "injected_times",
    "injected_cut",
)
_SEEDS = 3000
# A recording's last piece counts when it is at least that long, seconds.
_LEAST_S = 1.0

Found = Mapping[str, float]


def measured(seen: Iterable[tuple[Frame, Landmarks]]) -> Found:
    """Both cues at the end of one presentation, and their milliseconds per frame."""
    around, injected = Surroundings(), Injected(live=False)
    spent = count = 0.0
    for frame, face in seen:
        view = View(frame, face)
        begin = thread_time()
        around.see(view)
        injected.see(view)
        spent += thread_time() - begin
        count += 1
    return {**around.measures(), **injected.measures(), "ms": 1000 * spent / max(count, 1)}


def pieces(path: Path, seconds: float) -> Iterator[list[tuple[Frame, Landmarks]]]:
    """A recording, cut."""
    piece: list[tuple[Frame, Landmarks]] = []
    for one in tracked(recorded(path)):
        if piece and one[0].at - piece[0][0].at >= seconds:
            yield piece
            piece = []
        piece.append(one)
    if piece and piece[-1][0].at - piece[0][0].at >= _LEAST_S:
        yield piece


def rows(asked: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Found]]:
    """Every presentation, and what kind it is of."""
    split = Split(asked.split)
    live = [clip.path for clip in live_clips(folder, split)] if "live" in asked.species else []
    for path in [*live, *asked.clip]:
        for piece in pieces(path, asked.seconds):
            yield f"live {path.stem}", measured(piece)
    people = sources(folder, split, pictures=max(asked.count, 1))
    for number in range(asked.count):
        source = people[(number * 7) % len(people)]
        for species in Species:
            for strength in Strength if species.value in asked.species else ():
                shown = present(source, species, strength, _SEEDS + number, seconds=asked.seconds)
                yield f"{species.value} {strength.value}", measured(tracked(shown))


def line(kind: str, own: Sequence[Found]) -> str:
    """One kind's row."""
    text = f"{kind:34} {len(own):3}"
    for name in MEASURES:
        values = [found[name] for found in own if name in found]
        text += f" | {name.replace('surroundings_', '')} {len(values):3}"
        if values:
            text += f" {min(values):5.2f} {np.median(values):5.2f} {max(values):5.2f}"
        else:
            text += " " * 18
    return f"{text} | ms {np.mean([found['ms'] for found in own]):.2f}"


def main(words: Sequence[str]) -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.surroundings_table")
    kinds = ["live", *(species.value for species in Species)]
    parser.add_argument("--species", action="append", choices=kinds)
    parser.add_argument("--split", choices=[split.value for split in Split], default="fit")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--clip", action="append", type=Path, default=[])
    asked = parser.parse_args(words)
    asked.species = asked.species or kinds
    folder = data_folder()
    if folder is None:
        sys.stderr.write("No measuring data: set APPLIANCE_DATA to a folder with clips/.\n")
        return 3
    cv2.setNumThreads(1)
    found: dict[str, list[Found]] = defaultdict(list)
    for kind, values in rows(asked, folder):
        found[kind].append(values)
    for kind in sorted(found):
        sys.stdout.write(line(kind, found[kind]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
