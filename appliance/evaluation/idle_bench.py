"""What an idle door costs: a hall with nobody in it, looked at as the service does.

Each picture comes as a camera sends it (JPEG), so decoding counts; the hall and its noise are
made beforehand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import cv2
import numpy as np

from appliance.evaluation.bench import quantiles
from appliance.types import Frame, Pixels

# Different pictures of one hall; a film shows them over and over.
_PICTURES = 10
# Grey levels by which a sensor's pixels differ from picture to picture (standard deviation).
_NOISE = 3.0


@dataclass(frozen=True)
class Stopwatch:
    """wall: seconds that pass. cpu: seconds that this process's threads have worked."""

    wall: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time


@dataclass
class Idle:
    """Milliseconds of every picture, and what all of them took of a core. seconds: of the film."""

    seconds: float
    decode_ms: list[float] = field(default_factory=list)
    look_ms: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    def told(self) -> dict[str, object]:
        """For JSON. share_of_core: 1.0 is one core that does nothing else."""
        return {
            "decode": quantiles(self.decode_ms),
            "look": quantiles(self.look_ms),
            "share_of_core": float(f"{self.cpu_s / self.seconds:.3g}"),
        }


def film(width: int, height: int, *, moves: bool) -> list[bytes]:
    """JPEG pictures of an empty hall. moves: something passes, which is no person."""
    random = np.random.default_rng(0)
    rough = random.integers(40, 200, (9, 16, 3), dtype=np.uint8)
    hall = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = random.normal(0, _NOISE, (height, width, 3)).astype(np.int8)
    pictures = []
    for number in range(_PICTURES):
        shown = np.clip(hall.astype(np.int16) + np.roll(noise, 37 * number, axis=1), 0, 255)
        picture = shown.astype(np.uint8)
        if moves:
            left = number * (width - width // 8) // _PICTURES
            picture[height // 2 :, left : left + width // 8] //= 2  # a trolley's shadow
        pictures.append(cv2.imencode(".jpg", picture)[1].tobytes())
    return pictures


def time_idle(
    pictures: Sequence[bytes],
    look: Callable[[Frame], object],
    fps: float,
    seconds: float,
    stopwatch: Stopwatch | None = None,
) -> Idle:
    """Look at a film of so many seconds, `fps` pictures a second, as fast as that goes.

    look: what the service does with a picture while nobody is there.
    """
    watch = stopwatch or Stopwatch()
    idle = Idle(seconds)
    for number in range(max(round(fps * seconds), 1)):
        data = np.frombuffer(pictures[number % len(pictures)], np.uint8)
        worked, began = watch.cpu(), watch.wall()
        bgr = cast("Pixels", cv2.imdecode(data, cv2.IMREAD_COLOR))
        decoded = watch.wall()
        look(Frame(bgr, number / fps, "hall", number))
        idle.look_ms.append((watch.wall() - decoded) * 1000)
        idle.decode_ms.append((decoded - began) * 1000)
        idle.cpu_s += watch.cpu() - worked
    return idle
