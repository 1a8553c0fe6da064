"""Keeps the chatter of OpenCV and its codecs off standard error.

People get one sentence per fault from the error tree; libjpeg, libpng and FFmpeg would print
their own beside it. What libjpeg says is also the only sign of a picture damaged in the middle.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from threading import Lock

import cv2

_CHATTER = (
    b"Corrupt JPEG", b"Premature end of JPEG", b"Invalid SOS", b"Unsupported", b"Warning:",
    b"libpng", b"[ WARN:", b"[ERROR:", b"[ INFO:", b"OpenCV:",
)  # fmt: skip
# OpenCV's LOG_LEVEL_SILENT.
_SILENT = 0
_one_at_a_time = Lock()


def quiet_opencv() -> None:
    """Silence OpenCV's log and FFmpeg's; OPENCV_LOG_LEVEL and OPENCV_FFMPEG_LOGLEVEL still win.

    Call it before the first video is opened: FFmpeg's level is read once.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        # Where the function lives differs between the releases of 4.x.
        home = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
        home.setLogLevel(_SILENT)


@contextlib.contextmanager
def codec_warnings() -> Iterator[list[bytes]]:
    """Catch what codecs print while the block runs; the list is filled at its end.

    It redirects the file descriptor of the whole process, so keep the block short; lines that
    are not from a codec (another thread's log) are passed on afterwards.
    """
    lines: list[bytes] = []
    with _one_at_a_time:
        try:
            real = os.dup(2)
        except OSError:  # a service may run without standard error
            yield lines
            return
        caught = os.memfd_create("codec-warnings", os.MFD_CLOEXEC)
        os.dup2(caught, 2)
        try:
            yield lines
        finally:
            os.dup2(real, 2)
            size = os.fstat(caught).st_size
            printed = os.pread(caught, size, 0).splitlines(keepends=True)
            os.close(caught)
            lines += [line for line in printed if line.startswith(_CHATTER)]
            for line in printed:
                if not line.startswith(_CHATTER):
                    os.write(real, line)
            os.close(real)
