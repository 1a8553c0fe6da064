"""What a screen plays: a clip of the person, or a recording made of a picture of the person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from appliance.types import Pixels
from tests.attacks.attempt import EYES_MM, RECORDED, Replay
from tests.attacks.heads import Blink, Head, Performance, head_in, natural
from tests.attacks.hold import Hold
from tests.attacks.living import placed
from tests.attacks.optics import Pinhole
from tests.attacks.room import backdrop
from tests.attacks.sensor import encode
from tests.attacks.sources import Content

_RECORDED_EYES = 84.0
_RECORDED_FPS = 30.0


class Recording(Protocol):
    """Pictures by number."""

    def __getitem__(self, number: int) -> Pixels: ...

    def __len__(self) -> int: ...


class Player:
    """Pictures over time. fps 0: a still. eyes: as Content.eyes, in the pictures' pixels."""

    def __init__(
        self,
        pictures: Recording | Sequence[Pixels],
        fps: float,
        eyes: tuple[float, float, float],
        replay: Replay | None = None,
    ) -> None:
        self._pictures = pictures
        self._fps = fps
        self._replay = replay
        self.eyes = eyes

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        height, width = self._pictures[0].shape[:2]
        return width, height

    def number(self, seconds: float) -> int:
        """Which picture is on the screen."""
        if not self._fps or self._replay is None:
            return 0
        length = len(self._pictures)
        begin = int(self._replay.begin * self._fps) % length
        span = int(np.clip(self._replay.length * self._fps, 2, length - begin))
        step = int(seconds * self._fps)
        if self._replay.swings:
            there = step % max(2 * span - 2, 1)
            return begin + min(there, 2 * span - 2 - there)
        return begin + step % span

    def picture(self, number: int) -> Pixels:
        """(h, w, 3)."""
        return self._pictures[number]


def player(replay: Replay, content: Content, rng: np.random.Generator, *, moving: bool) -> Player:
    """moving: the content is a clip; otherwise its picture is brought to move."""
    if moving:
        return Player(content.frames, content.fps, content.eyes, replay)
    recording = _Recorded(head_in(content), replay, rng)
    return Player(recording, _RECORDED_FPS, recording.eyes, replay)


class _Recorded:
    """A head that was filmed while it did one clean movement, or just waited."""

    def __init__(self, head: Head, replay: Replay, rng: np.random.Generator) -> None:
        wide, high = RECORDED[::-1] if replay.upright else RECORDED
        width, height = round(wide * _RECORDED_EYES), round(high * _RECORDED_EYES)
        self._camera = Pinhole.with_view(width, height, 60)
        self._head = head
        self._rest = placed(head, self._camera, _RECORDED_EYES)
        self._show = _show(replay, rng)
        self._hold = Hold(self._show.grip, rng)
        hall = backdrop(width, height, rng, blur_px=1.5)
        self._behind = encode(head.behind(self._camera, self._rest, hall))
        self._length = round(4.0 * _RECORDED_FPS)
        middle = self._camera.matrix[:2, 2]
        scale = self._camera.focal / self._rest.z
        self.eyes = (
            float(middle[0] + scale * self._rest.x),
            float(middle[1] + scale * self._rest.y),
            EYES_MM * scale,
        )

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, number: int) -> Pixels:
        at = number / _RECORDED_FPS
        closed = max((blink.closed(at) for blink in self._show.blinks), default=0.0)
        moved = self._hold.at(at) + self._show.turned(at)
        return self._head.film(self._camera, self._rest, moved, closed, self._behind)


def _show(replay: Replay, rng: np.random.Generator) -> Performance:
    waiting = natural(rng, 4.0, lively=0.6)
    at = replay.begin + replay.moves_at
    if replay.movement == "blink":
        return Performance(waiting.grip, (Blink(at, float(rng.uniform(0.2, 0.35))),))
    axis, amount = {
        "": (1, 0.0),
        "turn_left": (1, 24.0),
        "turn_right": (1, -24.0),
        "nod": (0, 16.0),
    }[replay.movement]
    turn = (axis, float(amount * rng.uniform(0.85, 1.1)), at, float(rng.uniform(0.9, 1.6)))
    return Performance(waiting.grip, waiting.blinks, (turn,))
