"""Recordings played over and over for as long as an attempt lasts, which a short clip does not.

    python -m tests.attacks.looped FOLDER... [--profile strict] [--seed 1]

Each folder is one species; each recording in it is shown to one attempt from its beginning, and
again from its beginning when it ends, as a thief's telephone would. One line a folder: how many
attempts let it in, with a 95 % interval.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import cv2

from appliance import assemble
from appliance.config import Config
from appliance.evaluation.pad import Judge, Outcome
from appliance.evaluation.rates import exact_interval
from appliance.types import Frame

# The longest attempt that any profile allows, seconds.
LONGEST_S = 40.0


@cache
def _judge(profile: str) -> Judge:
    config = {"liveness": {"profile": profile}, "model": {"threads": 1}}
    return assemble.pad_judge(Config.model_validate(config), any_size=True)


def over_and_over(path: Path) -> Iterator[Frame]:
    """The recording's frames, at 15 a second, until LONGEST_S."""
    camera = assemble.file_camera([path])
    camera.pace(15.0)
    shown = list(camera.frames())
    number, at = 0, 0.0
    while at < LONGEST_S:
        frame = shown[number % len(shown)]
        yield Frame(frame.bgr, at, f"{path.name}#{number}", number)
        number, at = number + 1, at + 1 / 15


def outcome(path: Path, profile: str, seed: int) -> str:
    """How one attempt ends."""
    cv2.setNumThreads(1)
    (shown,) = _judge(profile).judge(over_and_over(path), seed=f"{seed} {path.name}")
    return shown.outcome.value


def main(words: list[str]) -> int:
    """Print one line a folder."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.looped")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--profile", default="strict", choices=["passive", "standard", "strict"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args(words)
    with ProcessPoolExecutor(asked.workers) as pool:
        for folder in asked.folders:
            paths = sorted(folder.glob("*.avi"))
            judged = partial(outcome, profile=asked.profile, seed=asked.seed)
            found = Counter(pool.map(judged, paths))
            passed = found[Outcome.LIVE.value]
            low, high = exact_interval(passed, len(paths))
            sys.stdout.write(
                f"{folder.name} under {asked.profile}: {passed} of {len(paths)} let in "
                f"[{low:.1%}, {high:.1%}]; {dict(found)}\n"
            )
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
