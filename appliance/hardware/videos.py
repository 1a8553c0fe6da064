"""Video files as numbered pictures, through OpenCV's FFmpeg."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import cv2

from appliance.errors import InputError
from appliance.hardware.pictures import FORMATS, check_size
from appliance.types import Pixels

# For files that do not say, or say nonsense such as 90000 (their time base).
DEFAULT_FPS = 25.0
_SANE_FPS = (0.5, 240.0)


class Video:
    """One open video file, turned upright as its metadata says; a GIF is one too.

    source: what a person would call it, for messages.
    Raises InputError when it cannot be opened or is too large.
    """

    def __init__(self, path: Path, source: str) -> None:
        # An absolute path: FFmpeg would take "concat:..." or "http:..." for a protocol.
        self._capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        self._source = source
        try:
            self._check()
        except InputError:
            self.close()
            raise
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)

    @property
    def fps(self) -> float:
        """Pictures per second; DEFAULT_FPS where the file does not say."""
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        return fps if _SANE_FPS[0] <= fps <= _SANE_FPS[1] else DEFAULT_FPS

    @property
    def count(self) -> int | None:
        """How many pictures the file claims to hold; None where it does not say."""
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return int(count) if 0 < count < 1e9 else None

    @property
    def duration(self) -> float | None:
        """Seconds that the file claims to last; None where it does not say."""
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        return None if self.count is None or not rate > 0 else self.count / rate

    @property
    def moment(self) -> float:
        """When the picture where `advance` has arrived is shown, in seconds, as the file says."""
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000

    def advance(self) -> bool:
        """Go to the next picture; False at the end, or where the file breaks."""
        return self._capture.grab()

    def picture(self) -> Pixels | None:
        """(height, width, 3) uint8 BGR, where `advance` has arrived; None where it is damaged."""
        read, picture = self._capture.retrieve()
        return cast("Pixels", picture) if read else None

    def close(self) -> None:
        """Give the file back; may be called twice."""
        self._capture.release()

    def _check(self) -> None:
        if not self._capture.isOpened():
            raise InputError(
                f"{self._source} is a video that cannot be opened: it is damaged, cut off, or of "
                "a kind that is not known.",
                hint=f"Record it again or convert it; readable are {FORMATS}.",
            )
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if width <= 0 or height <= 0:
            raise InputError(
                f"{self._source} is a video without a size that can be used: it is damaged, or far "
                "too large.",
                hint="Record it again, or scale it down.",
            )
        check_size(width, height, self._source)
