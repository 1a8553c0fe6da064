"""`python -m tests.attacks`: write synthetic presentation attacks as clips, to be measured.

    python -m tests.attacks make OUT [--species NAME]... [--strength weak|medium|strong|all]
        [--count 200] [--split fit|score] [--seconds 2] [--fps 15] [--size 640x360] [--seed 1]
    python -m tests.attacks look OUT.png [--species NAME]... [--split fit|score]

`make` writes OUT/SPECIES/*.avi with a JSON of everything that was drawn beside each, and the
living people of the same split in OUT/live; `look` draws a contact sheet.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from appliance.errors import ApplianceError, InputError
from appliance.types import Frame
from tests.attacks.attempt import REPLAYS, Species, Strength, generator
from tests.attacks.files import write_clip, write_record
from tests.attacks.present import live_3d, plan, present
from tests.attacks.sources import Source, Split, live_clips, read, sources
from tests.conftest import data_folder

# Attacks of which many can only be made from pictures, since there are few people in clips.
_CLIP_SHARE = 0.2
_CLIP_SHARE_OF_REPLAYS = 0.4


def main(words: Sequence[str]) -> int:
    """Do what is asked for; the exit code."""
    asked = _asked(words)
    # Frames are made one after the other: more threads than one only get in each other's way.
    cv2.setNumThreads(1)
    try:
        if asked.command == "make":
            _make(asked)
        else:
            _look(asked)
    except ApplianceError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n".strip() + "\n")
        return int(error.exit_code)
    return 0


def _asked(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks")
    parser.add_argument("command", choices=["make", "look"])
    parser.add_argument("out", type=Path)
    names = [species.value for species in Species]
    parser.add_argument("--species", action="append", choices=names)
    parser.add_argument("--strength", choices=[*(s.value for s in Strength), "all"], default="all")
    parser.add_argument("--count", type=int, default=200, help="attempts of each species")
    parser.add_argument("--split", choices=[s.value for s in Split], default=Split.SCORE.value)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--size", type=_size, default=(640, 360), help="such as 1280x720")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, help="the measuring data (default: where tests look)")
    parser.add_argument("--pictures", type=int, default=400, help="people of lfw-dev at most")
    parser.add_argument("--solid", type=int, default=0, help="synthetic living heads to write too")
    return parser.parse_args(words)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) >= 160 <= int(height)):
        raise argparse.ArgumentTypeError("write it as 640x360; no side is shorter than 160 pixels")
    return int(width), int(height)


def _make(asked: argparse.Namespace) -> None:
    people = _people(asked)
    attempts = list(_attempts(asked, people))
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        alive = live_clips(_data(asked), asked.split)
        task = progress.add_task("live", total=len(alive) + asked.solid + len(attempts))
        for source in alive:
            _write_live(asked.out / "live", source)
            progress.advance(task)
        for number in range(asked.solid):
            _write_solid(asked, people, number)
            progress.advance(task)
        for species, strength, source, seed in attempts:
            progress.update(task, description=species.value)
            _write(asked, species, strength, source, seed)
            progress.advance(task)


def _attempts(
    asked: argparse.Namespace, people: Sequence[Source]
) -> Iterator[tuple[Species, Strength, Source, int]]:
    """As many of each species as asked for, the strengths in turn."""
    strengths = list(Strength) if asked.strength == "all" else [Strength(asked.strength)]
    for name in asked.species or [species.value for species in Species]:
        for number in range(asked.count):
            species, strength = Species(name), strengths[number % len(strengths)]
            source = chosen(people, species, asked.seed, number)
            yield species, strength, source, 1000 * asked.seed + number


def chosen(people: Sequence[Source], species: Species, seed: int, number: int) -> Source:
    """The source of one attempt: a clip now and then, a picture of another person else."""
    rng = generator("chosen", seed, species, number)
    share = _CLIP_SHARE_OF_REPLAYS if species in REPLAYS else _CLIP_SHARE
    moving = rng.random() < share
    fitting = [source for source in people if source.moving is moving] or list(people)
    # Pictures in turn, so that as many people as possible are shown.
    place = int(rng.integers(len(fitting))) if moving else number % len(fitting)
    return fitting[place]


def _write(
    asked: argparse.Namespace, species: Species, strength: Strength, source: Source, seed: int
) -> None:
    folder = asked.out / species.value
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"synthetic_{strength.value}_{seed}_{source.name}.avi"
    how = {"seconds": asked.seconds, "fps": asked.fps, "size": asked.size}
    write_clip(path, present(source, species, strength, seed, **how), asked.fps)
    write_record(path, plan(source, species, strength, seed, size=asked.size).record())


def _write_live(folder: Path, source: Source) -> None:
    """The part of a clip that shows the person, without loss."""
    folder.mkdir(parents=True, exist_ok=True)
    content = read(source.path)
    frames = (
        Frame(bgr, number / content.fps, source.name, number)
        for number, bgr in enumerate(content.frames)
    )
    path = folder / f"{source.name}.avi"
    write_clip(path, frames, content.fps, lossless=True)
    write_record(path, {"synthetic": False, "kind": "live", "source": source.name})


def _write_solid(asked: argparse.Namespace, people: Sequence[Source], number: int) -> None:
    folder = asked.out / "live"
    folder.mkdir(parents=True, exist_ok=True)
    still = [source for source in people if not source.moving]
    source = still[number % len(still)]
    path = folder / f"synthetic_live_3d_{number}_{source.name}.avi"
    how = {"seconds": asked.seconds, "fps": asked.fps, "size": asked.size}
    write_clip(path, live_3d(source, number, **how), asked.fps)
    write_record(path, {"synthetic": True, "kind": "live control", "source": source.name})


def _look(asked: argparse.Namespace) -> None:
    """Four frames of an attempt of each strength to a row."""
    rows = []
    asked.count = 3
    for species, strength, source, seed in _attempts(asked, _people(asked)):
        how = {"seconds": asked.seconds, "fps": asked.fps, "size": asked.size}
        frames = [frame.bgr for frame in present(source, species, strength, seed, **how)]
        picks = np.linspace(0, len(frames) - 1, 4).astype(int)
        row = np.hstack([cv2.resize(frames[pick], (480, 270)) for pick in picks])
        text = f"synthetic {species.value} {strength.value} {source.name}"
        cv2.putText(row, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 255), 2)
        rows.append(row)
    if not cv2.imwrite(str(asked.out), np.vstack(rows)):
        raise InputError(f"{asked.out} cannot be written.", hint="Name a PNG in a folder of yours.")


def _people(asked: argparse.Namespace) -> list[Source]:
    found = sources(_data(asked), asked.split, pictures=asked.pictures)
    if not found:
        raise InputError(
            f"{_data(asked)} holds no clips and no pictures of people.",
            hint="Name the folder that holds clips/ and lfw-dev/ with --data.",
        )
    return found


def _data(asked: argparse.Namespace) -> Path:
    folder: Path | None = asked.data or data_folder()
    if folder is None:
        raise InputError(
            "There is no measuring data to make attacks of.",
            hint="Name the folder that holds clips/ and lfw-dev/ with --data.",
        )
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
