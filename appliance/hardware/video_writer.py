"""Writing a video file with OpenCV's FFmpeg: whole under its name, or not there at all.

What can be written is what the library was built with. opencv-python's wheels have MPEG-4 Part 2
and VP9; H.264 they have only by way of a board's own encoder (V4L2 memory-to-memory). OpenCV says
nothing of a frame that could not be written, so the finished file is looked at before it gets its
name. It carries no sound.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

import cv2

from appliance.errors import InputError
from appliance.hardware.quiet import quiet_opencv
from appliance.types import Pixels

# By the names that people know: what a container calls them.
CODECS: Final = {"mpeg4": "mp4v", "vp9": "vp09", "h264": "avc1"}
SUFFIX: Final = ".mp4"
# While this is all that is left of the disk, the film cannot be finished; looked at so often.
LEAST_FREE: Final = 2_000_000
LOOK_EVERY: Final = 50
_NOT_WRITTEN: Final = "video_not_written"


class VideoWriter:
    """One MP4 file in the making; `keep` gives it its name, `discard` leaves nothing of it."""

    def __init__(self, path: Path, codec: str, fps: float, size: tuple[int, int]) -> None:
        """codec: of CODECS. fps: frames a second. size: width and height in pixels.

        An odd width or height loses its last column or row, which the codecs ask for. InputError
        where nothing can be written there, or not with this codec.
        """
        quiet_opencv()
        self._path = path
        self._size = size
        self._count = 0
        # FFmpeg chooses the container by the name's end.
        self._draft = path.with_name(f".{path.stem[:40]}.{secrets.token_hex(4)}{SUFFIX}")
        try:
            os.close(os.open(self._draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            raise self._failed((error.strerror or str(error)).lower()) from error
        code = cv2.VideoWriter.fourcc(*CODECS[codec])
        # An absolute path: FFmpeg would take "concat:..." for a protocol.
        name = str(self._draft.absolute())
        self._writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, code, fps, size)
        if not self._writer.isOpened():
            self.discard()
            raise InputError(
                f"This OpenCV cannot write {codec} videos of {size[0]} x {size[1]} pixels.",
                hint=f"Choose another codec: {', '.join(sorted(CODECS.keys() - {codec}))}.",
                code="no_such_codec",
            )

    def write(self, bgr: Pixels) -> None:
        """Append a frame: (height, width, 3) uint8, scaled where its size is another."""
        if self._count % LOOK_EVERY == 0:
            self._require_space()
        if (bgr.shape[1], bgr.shape[0]) != self._size:
            # OpenCV would leave it out, and the film would become shorter.
            bgr = cv2.resize(bgr, self._size, interpolation=cv2.INTER_AREA).astype("uint8")
        self._writer.write(bgr)
        self._count += 1

    def keep(self) -> None:
        """Finish the file and give it its name. InputError when it is not what was written."""
        self._writer.release()
        try:
            self._require_whole()
            with self._draft.open("rb") as file:
                os.fsync(file.fileno())
            self._draft.replace(self._path)
        except OSError as error:
            self.discard()
            raise self._failed((error.strerror or str(error)).lower()) from error
        except InputError:
            self.discard()
            raise

    def discard(self) -> None:
        """Leave nothing; also after `keep`, which it does not undo."""
        self._writer.release()
        with suppress(FileNotFoundError):
            self._draft.unlink()

    def _require_space(self) -> None:
        try:
            free = shutil.disk_usage(self._draft.parent).free
        except OSError as error:
            raise self._failed((error.strerror or str(error)).lower()) from error
        if free < LEAST_FREE:
            raise self._failed("no space left on the device")

    def _require_whole(self) -> None:
        """The file says how many frames it holds, and the last one can be decoded."""
        film = cv2.VideoCapture(str(self._draft.absolute()), cv2.CAP_FFMPEG)
        try:
            count = int(film.get(cv2.CAP_PROP_FRAME_COUNT)) if film.isOpened() else 0
            whole = 0 < count == self._count
            if whole:
                film.set(cv2.CAP_PROP_POS_FRAMES, count - 1)
                whole = film.read()[0]
        finally:
            film.release()
        if not whole:
            raise self._failed("what arrived there is not what was written; is the disk full?")

    def _failed(self, why: str) -> InputError:
        return InputError(
            f"The video {self._path} cannot be written: {why.rstrip('.')}.",
            hint="Name a file in a folder of yours, on a disk with room.",
            code=_NOT_WRITTEN,
        )


def check(path: Path) -> None:
    """InputError where no video could be written; to be asked before long work."""
    if path.suffix.lower() != SUFFIX:
        raise InputError(
            f"{path} is no name of a video that can be written.", hint=f"Let it end in {SUFFIX}."
        )
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no file.", hint="Name a file for the video.")
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} does not exist.", hint="Make it first.")
