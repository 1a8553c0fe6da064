"""Presentations as files: a clip of nearly lossless JPEGs, and beside it what was drawn for it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2

from appliance.errors import InputError
from appliance.types import Frame

QUALITY = 97


def write_clip(path: Path, frames: Iterable[Frame], fps: float, *, lossless: bool = False) -> int:
    """Write an AVI; the number of frames. InputError where it cannot be written."""
    writer: cv2.VideoWriter | None = None
    number = 0
    for frame in frames:
        if writer is None:
            writer = _writer(path, fps, (frame.width, frame.height), lossless=lossless)
        writer.write(frame.bgr)
        number += 1
    if writer is not None:
        writer.release()
    return number


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Beside clip.avi: clip.json."""
    text = json.dumps(record, indent=1, allow_nan=False, default=str)
    path.with_suffix(".json").write_text(f"{text}\n", encoding="utf-8")


def _writer(path: Path, fps: float, size: tuple[int, int], *, lossless: bool) -> cv2.VideoWriter:
    backend = cv2.CAP_FFMPEG if lossless else cv2.CAP_OPENCV_MJPEG
    code = cv2.VideoWriter.fourcc(*("FFV1" if lossless else "MJPG"))
    writer = cv2.VideoWriter(str(path), backend, code, fps, size)
    if not writer.isOpened():
        raise InputError(f"{path} cannot be written.", hint="Name a folder that can be written to.")
    if not lossless:
        writer.set(cv2.VIDEOWRITER_PROP_QUALITY, QUALITY)
    return writer
