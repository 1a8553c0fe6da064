"""Living people for comparison: a solid synthetic head, and real clips through our sensor."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from appliance.types import Pixels
from tests.attacks.attempt import EYES_MM
from tests.attacks.heads import Head, Performance, natural
from tests.attacks.hold import Hold, Sweep
from tests.attacks.optics import Pinhole, Pose
from tests.attacks.room import backdrop
from tests.attacks.sensor import Capture, drawn_sensor, linear
from tests.attacks.sources import Content


class LiveHead:
    """A head that turns in three dimensions before its own picture's background."""

    def __init__(
        self, head: Head, size: tuple[int, int], seconds: float, rng: np.random.Generator
    ) -> None:
        self._head = head
        self._camera = Pinhole.with_view(*size, rng.uniform(58, 78))
        eyes_px = float(rng.uniform(55, 110))
        self.rest = placed(head, self._camera, eyes_px)
        show = natural(rng, seconds)
        turn = Sweep(
            int(rng.integers(2)),
            float(rng.uniform(1, 5)),
            float(rng.uniform(0.3, 0.7)),
            float(rng.uniform(0, 6.3)),
        )
        grip = replace(show.grip, sweeps=(*show.grip.sweeps, turn))
        self.show = Performance(grip, show.blinks)
        self._hold = Hold(grip, rng)
        hall = backdrop(*size, rng, blur_px=1.5)
        self._behind = head.behind(self._camera, self.rest, hall)
        self._capture = Capture(drawn_sensor(rng, size[0]), *size, rng)

    def picture(self, at: float) -> Pixels:
        """What the camera sends."""
        light = self._behind.copy()
        closed = max((blink.closed(at) for blink in self.show.blinks), default=0.0)
        self._head.see(self._camera, self.rest, self._hold.at(at), closed).over(light)
        return self._capture.expose(light)


def standing(head: Head, camera: Pinhole, rest: Pose) -> Pose:
    """That place, lowered until the picture's lower edge, where the body ends, is out of sight."""
    below = (head.picture.shape[0] - head.between_eyes[1]) * head.mm_per_px
    lowest = camera.height * rest.z / camera.focal / 2 - below
    return Pose(x=rest.x, y=max(rest.y, lowest + 8.0), z=rest.z)


def placed(head: Head, camera: Pinhole, eyes_px: float) -> Pose:
    """Where a head stands whose eyes are to be so far apart."""
    distance = camera.focal * EYES_MM / eyes_px
    return standing(head, camera, Pose(y=-0.1 * camera.height * EYES_MM / eyes_px, z=distance))


class Recaptured:
    """A clip, filling the camera's picture."""

    def __init__(self, content: Content, size: tuple[int, int], rng: np.random.Generator) -> None:
        self._content = content
        self._size = size
        self._capture = Capture(drawn_sensor(rng, size[0]), *size, rng)

    def picture(self, at: float) -> Pixels:
        """What the camera sends."""
        frames = self._content.frames
        frame = frames[min(int(at * self._content.fps), len(frames) - 1)]
        height, width = frame.shape[:2]
        scale = max(self._size[0] / width, self._size[1] / height)
        spare = np.array([self._size[0] - scale * width, self._size[1] - scale * height]) / 2
        matrix = np.array([[scale, 0, spare[0]], [0, scale, spare[1]]])
        flags = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        shown = cv2.warpAffine(frame, matrix, self._size, flags=flags)
        return self._capture.expose(linear(np.asarray(shown, np.uint8)))
