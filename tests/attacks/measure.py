"""What every cue measures of a presentation over time, by the door's own pipeline.

    python -m tests.attacks.measure OUT.jsonl FOLDER [--workers 2]

FOLDER as `appliance evaluate pad` takes it: live/* and SPECIES/*. One line per frame that was
judged: where it comes from, seconds since the face was first followed, the measures, and what the
frame by itself was taken for. Nothing is decided here; `tests.attacks.fit` learns from it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import cv2

from appliance import assemble
from appliance.config import Config
from appliance.perception import Perception
from appliance.types import Frame, LivenessState

# Frames are judged so far apart, seconds, as in an attempt.
APART_S = 0.1


@cache
def _perception() -> Perception:
    # Motion is not asked for here, so that every judged frame is looked at by the network too.
    config = Config.model_validate({"liveness": {"profile": "passive"}, "model": {"threads": 1}})
    return assemble.perception(config, recorded=True)


def rows(frames: Iterator[Frame], by: Perception, longest_s: float) -> Iterator[dict[str, object]]:
    """One per judged frame of one presentation."""
    by.forget()
    watch = by.stages.liveness
    assert watch is not None
    began = last = None
    for frame in frames:
        seen = by.look(frame, embed=False)
        if not seen.faces or seen.quality is None:
            continue
        began = frame.at if began is None else began
        if frame.at - began > longest_s:
            return
        if last is not None and frame.at - last < APART_S - 1e-6:
            continue
        last = frame.at
        found = watch.check(frame, seen.faces[0])
        yield {
            "t": round(frame.at - began, 3),
            "still": frame.still,
            "good": not seen.faults,
            "eyes": round(seen.quality.eye_distance, 1),
            "own": found.state is not LivenessState.SPOOF,
            "cues": {name: round(value, 4) for name, value in found.cues.items()},
        }


def of_file(path: Path, longest_s: float) -> list[dict[str, object]]:
    """All rows of one file."""
    cv2.setNumThreads(1)
    camera = assemble.file_camera([path])
    about = {"label": path.parent.name, "name": path.name}
    return [about | row for row in rows(camera.frames(), _perception(), longest_s)]


def main(words: list[str]) -> int:
    """Measure a folder."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.measure")
    parser.add_argument("out", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args(words)
    paths = sorted(path for path in asked.folder.glob("*/*") if path.suffix not in {".json", ".md"})
    with ProcessPoolExecutor(asked.workers) as pool, asked.out.open("w") as out:
        for number, found in enumerate(pool.map(partial(of_file, longest_s=asked.seconds), paths)):
            for row in found:
                out.write(json.dumps(row) + "\n")
            sys.stderr.write(f"\r{number + 1}/{len(paths)}")
    sys.stderr.write("\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
