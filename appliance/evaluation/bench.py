"""How long the pipeline takes on this machine, stage by stage and as a whole.

The real pipeline runs, on real pictures: each is looked at once as a new scene (a face is
acquired) and once more as its next frame (the face is tracked).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from appliance.errors import InputError
from appliance.perception import SEARCH_AGAIN_S, Perception
from appliance.types import Embedding, Frame, Pixels

# Stage of the report → stage of `Perception.timings`. detect: from nothing to the landmarks of
# all faces; landmarks: the mesh on a face whose place is known. cues: what looks for life in every
# frame; liveness: what judges those that are compared.
_STAGES: Mapping[str, str] = {
    "detect": "detect",
    "landmarks": "track",
    "align": "align",
    "cues": "cues",
    "liveness": "liveness",
    "embed": "embed",
}
STAGES: tuple[str, ...] = (*_STAGES, "match")
# Soon enough after the first look that the face is followed and not searched anew.
_NEXT_FRAME_S = SEARCH_AGAIN_S / 5


@dataclass(frozen=True)
class Turns:
    """rounds: how often each thing is timed. progress: called after each round. timer: seconds."""

    rounds: int
    progress: Callable[[], None]
    timer: Callable[[], float] = time.perf_counter


@dataclass
class Times:
    """Milliseconds of every run, by stage and for whole frames."""

    stages: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in STAGES})
    tracked: list[float] = field(default_factory=list)
    acquired: list[float] = field(default_factory=list)


def usable(perception: Perception, frames: Sequence[Frame]) -> list[Frame]:
    """The frames that show one good face: nothing else runs the whole pipeline.

    InputError when there is none.
    """
    good = [frame for frame in frames if _embedded(perception, frame) is not None]
    if not good:
        raise InputError(
            "None of the pictures shows one good face, so there is nothing to time.",
            hint="Give upright pictures of one face each; `appliance verify` tells what is amiss.",
        )
    return good


def time_pipeline(
    perception: Perception,
    match: Callable[[Embedding], object],
    frames: Sequence[Frame],
    turns: Turns,
) -> Times:
    """Look at usable frames in turn, one a round; each is acquired, then tracked.

    match: compares an embedding as an attempt does.
    """
    times = Times()
    for number in range(turns.rounds):
        _time_one(perception, match, frames[number % len(frames)], times, turns.timer)
        turns.progress()
    return times


def _embedded(perception: Perception, frame: Frame) -> Embedding | None:
    perception.forget()
    return perception.look(frame).embedding


def _time_one(
    perception: Perception,
    match: Callable[[Embedding], object],
    frame: Frame,
    times: Times,
    timer: Callable[[], float],
) -> None:
    perception.forget()
    for shown, whole in ((frame, times.acquired), (_next(frame), times.tracked)):
        totals, calls = dict(perception.timings.total_ms), dict(perception.timings.calls)
        started = timer()
        seen = perception.look(shown)
        spent = (timer() - started) * 1000
        if seen.tracked is not (whole is times.tracked) or seen.embedding is None:
            continue  # the face was lost: this look was neither of the two
        whole.append(spent)
        for stage, name in _STAGES.items():
            if perception.timings.calls.get(name, 0) > calls.get(name, 0):
                so_far = perception.timings.total_ms[name]
                times.stages[stage].append(so_far - totals.get(name, 0.0))
        started = timer()
        match(seen.embedding)
        times.stages["match"].append((timer() - started) * 1000)


def _next(frame: Frame) -> Frame:
    """A moment later, when everything has moved a little: what follows corners has work to do."""
    moved = np.ascontiguousarray(np.roll(frame.bgr, (1, 2), axis=(0, 1)))
    return replace(frame, bgr=moved, at=frame.at + _NEXT_FRAME_S)


def quantiles(times_ms: Sequence[float]) -> dict[str, float] | None:
    """The median and the 95th percentile; None where nothing ran."""
    if not times_ms:
        return None
    middle, high = np.percentile(np.asarray(times_ms), (50, 95))
    return {"p50_ms": _rounded(float(middle)), "p95_ms": _rounded(float(high))}


def _rounded(ms: float) -> float:
    return float(f"{ms:.4g}")


def as_from_a_camera(bgr: Pixels, width: int, height: int) -> Pixels:
    """A portrait on a grey ground of the camera's size, for the detector's time goes by pixels.

    bgr: (rows, columns, 3) uint8. Returns (height, width, 3) uint8.
    """
    scale = min(height / bgr.shape[0], width / bgr.shape[1])
    inner = (max(round(bgr.shape[1] * scale), 1), max(round(bgr.shape[0] * scale), 1))
    small = cv2.resize(bgr, inner, interpolation=cv2.INTER_AREA)
    canvas = np.full((height, width, 3), 128, np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = small
    return canvas
