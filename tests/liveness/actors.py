"""Somebody whose signs follow a script: what a camera would show of them, without a camera."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from appliance.liveness.signs import Signs
from appliance.types import Ask

# Seconds of going there, staying and coming back, as people take them.
TIMES = {
    Ask.BLINK: (0.08, 0.06, 0.12),
    Ask.TURN_LEFT: (0.4, 0.3, 0.4),
    Ask.TURN_RIGHT: (0.4, 0.3, 0.4),
    Ask.NOD: (0.3, 0.05, 0.3),
    Ask.OPEN_MOUTH: (0.3, 0.6, 0.3),
    Ask.SMILE: (0.3, 0.8, 0.4),
}
Script = Sequence[tuple[float, Ask]]


def lasts(movement: Ask) -> float:
    """Seconds from the beginning of a movement to its end."""
    return sum(TIMES[movement])


def play(
    script: Script,
    seconds: float,
    *,
    fps: float = 15.0,
    jitter: float = 0.0,
    seed: int = 0,
    start: float = 0.0,
    size: float = 100.0,
) -> Iterator[Signs]:
    """Frames of somebody who begins each movement of the script at its second.

    jitter: of the mesh, 1 for a face with 30 pixels between the eyes.
    """
    noise = np.random.default_rng(seed)
    for number in range(round(seconds * fps)):
        at = start + number / fps
        done = dict.fromkeys(TIMES, 0.0)
        for begins, movement in script:
            done[movement] = max(done[movement], _share(movement, at - begins))
        tremble = noise.normal(0, jitter, 8)
        openness = 1 - 0.45 * done[Ask.BLINK] - 0.15 * done[Ask.NOD]  # who bows looks down
        yield Signs(
            at=at,
            yaw=30 * (done[Ask.TURN_LEFT] - done[Ask.TURN_RIGHT]) + 0.5 * tremble[0],
            pitch=-5 + 16 * done[Ask.NOD] + 0.6 * tremble[1],
            roll=0.2 * tremble[2],
            left_eye=0.30 * openness * (1 - 0.15 * done[Ask.SMILE]) + 0.008 * tremble[3],
            right_eye=0.29 * openness * (1 - 0.15 * done[Ask.SMILE]) + 0.008 * tremble[4],
            gap=0.02
            + 0.5 * done[Ask.OPEN_MOUTH]
            + 0.22 * done[Ask.SMILE]
            + 0.004 * abs(tremble[5]),
            width=0.53 * (1 + 0.3 * done[Ask.SMILE] - 0.08 * done[Ask.OPEN_MOUTH])
            + 0.006 * tremble[6],
            size=size,
        )


def _share(movement: Ask, since: float) -> float:
    """How far the movement is made, 0 to 1, so long after it began."""
    there, stay, back = TIMES[movement]
    if not 0 < since < there + stay + back:
        return 0.0
    if since < there:
        return 0.5 - 0.5 * math.cos(math.pi * since / there)
    if since < there + stay:
        return 1.0
    return 0.5 + 0.5 * math.cos(math.pi * (since - there - stay) / back)
