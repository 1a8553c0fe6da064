"""What stands in for a camera in the demo: a picture, a stretch of a recording, a print held up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from appliance import assemble
from appliance.demo import paper
from appliance.errors import InputError
from appliance.types import Box, Frame, Pixels

# One picture stands in for a person who stands still: (right, down, larger) per frame.
_SWAY = ((0, 0, 1.0), (6, 3, 1.01), (-5, 4, 1.02))
_FRAME_INTERVAL_S = 0.2


@dataclass(frozen=True)
class Shot:
    """A picture, or what a recording shows from `begin` to `end` (seconds)."""

    path: Path
    begin: float = 0.0
    end: float = float("inf")

    def __str__(self) -> str:
        whole = self.begin == 0 and self.end == float("inf")
        if whole:
            return self.path.name
        end = "" if self.end == float("inf") else f"{self.end:g}"
        return f"{self.path.name}, {self.begin:g} to {end or 'the last'} s"


class StillCamera:
    """Plays one picture as if its person stood before a camera for a moment; never live."""

    live = False
    moves = False

    def __init__(self, path: Path) -> None:
        self._files = assemble.file_camera([path])
        self.length = len(_SWAY)

    def frames(self) -> Iterator[Frame]:
        """The picture, a little moved each time. Raises InputError."""
        for frame in self._files.frames():
            for number, sway in enumerate(_SWAY):
                at = number * _FRAME_INTERVAL_S
                yield Frame(_moved(frame.bgr, *sway), at, frame.source, number, still=True)

    def pace(self, fps: float | None) -> None:
        """The few frames there are all count."""

    def close(self) -> None:
        """Give the file back."""
        self._files.close()


class ClipCamera:
    """Plays a stretch of a recording; never live."""

    live = False
    moves = True
    length = None

    def __init__(self, shot: Shot) -> None:
        self._shot = shot
        self._files = assemble.file_camera([shot.path])

    def frames(self) -> Iterator[Frame]:
        """The frames of the stretch. Raises InputError."""
        for frame in self._files.frames():
            if frame.at > self._shot.end:
                return
            if frame.at >= self._shot.begin:
                yield frame

    def pace(self, fps: float | None) -> None:
        """Hand over at most so many frames a second."""
        self._files.pace(fps)

    def close(self) -> None:
        """Give the file back."""
        self._files.close()


class PrintCamera:
    """Plays somebody who holds a photograph up; never live."""

    live = False
    moves = True
    length = round(paper.FPS * paper.SECONDS)

    def __init__(self, photograph: Pixels, face: Box, scene: Pixels, source: str) -> None:
        self._parts = (photograph, face, scene, source)

    def frames(self) -> Iterator[Frame]:
        """The sheet in a hand."""
        return paper.held_up(*self._parts)

    def pace(self, fps: float | None) -> None:
        """There are few enough."""

    def close(self) -> None:
        """Nothing is held."""


DemoCamera = StillCamera | ClipCamera | PrintCamera


def camera_of(shot: Shot) -> DemoCamera:
    """What plays a shot. InputError where its file is missing or of no known kind."""
    with closing(assemble.file_camera([shot.path])) as files:
        first = None
        with suppress(InputError):
            first = next(files.frames(), None)
    return StillCamera(shot.path) if first is None or first.still else ClipCamera(shot)


def _moved(bgr: Pixels, right: int, down: int, larger: float) -> Pixels:
    height, width = bgr.shape[:2]
    middle = np.array(
        [[larger, 0, (1 - larger) * width / 2], [0, larger, (1 - larger) * height / 2]]
    )
    matrix = middle + np.array([[0, 0, right], [0, 0, down]])
    moved = cv2.warpAffine(bgr, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.uint8)
