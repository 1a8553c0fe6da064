"""What looking for life costs: processor milliseconds per followed frame, on one thread.

    python -m tests.attacks.cost CLIP... [--width 1280]

Processor time, so that other programs count less. cues: what runs on every frame in which the face
is followed; mesh: what follows it, to compare with. `models.build.antispoof_report` times the
network.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from appliance import assemble
from appliance.config import Config
from appliance.hardware.clock import SystemClock
from appliance.perception import Perception
from appliance.types import Frame


class ProcessorClock(SystemClock):
    """Counts what this thread uses: decoding has threads of its own."""

    def monotonic(self) -> float:
        """Seconds of processor time."""
        return time.thread_time()


def frames(path: Path, width: int | None) -> Iterator[Frame]:
    """The clip at 15 frames a second, enlarged where asked for."""
    camera = assemble.file_camera([path])
    camera.pace(15.0)
    for frame in camera.frames():
        if width is None or frame.width == width:
            yield frame
            continue
        height = round(frame.height * width / frame.width)
        larger = cv2.resize(frame.bgr, (width, height), interpolation=cv2.INTER_CUBIC)
        yield Frame(np.asarray(larger, np.uint8), frame.at, frame.source, frame.sequence)


def main(words: list[str]) -> int:
    """Print one line a clip."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.cost")
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--width", type=int)
    asked = parser.parse_args(words)
    cv2.setNumThreads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for profile in ("standard", "strict"):
        config = Config.model_validate({"liveness": {"profile": profile}, "model": {"threads": 1}})
        stages = assemble.perception(config, recorded=True).stages
        for path in asked.clips:
            by, followed = Perception(stages, ProcessorClock()), 0
            for frame in frames(path, asked.width):
                followed += by.look(frame, embed=False).quality is not None
            spent, calls = by.timings.total_ms, by.timings.calls
            cues, mesh = (spent.get(it, 0.0) / max(calls.get(it, 0), 1) for it in ("cues", "track"))
            sys.stdout.write(
                f"{profile} {path.name}: {followed} followed frames, cues {cues:.2f} ms, "
                f"mesh {mesh:.2f} ms\n"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
