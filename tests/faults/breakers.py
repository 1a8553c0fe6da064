"""Breaks the program from within while it runs, as files in the folder FAULTS say.

Put into the program's process before it starts (see Rig, breakable): a camera that is unplugged or
changes its pictures' size, a stage that raises or hangs, a wall clock that jumps. Everything else
is the program itself.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from appliance import assemble
from appliance.config import Config
from appliance.daemon import house
from appliance.errors import CameraError
from appliance.hardware import steady
from appliance.hardware.clock import SystemClock
from appliance.ports import Camera
from appliance.types import Frame
from appliance.vision.embedding import TfliteEmbedder

UNPLUGGED, SIZES, RAISES, HANGS, HOLDS_ALL, CLOCK = (
    "unplugged",
    "sizes",
    "raises",
    "hangs",
    "holds-all",
    "clock",
)
_FOREVER_S = 3600
_SIZES = ((480, 480), (120, 160), (33, 480), (480, 31), (2, 2), (300, 400))


class Switches:
    """The files by which a test breaks parts of a running program, and mends them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def set(self, name: str, value: str = "") -> None:
        """Break, whole or not at all."""
        draft = self._folder / f".{name}"
        draft.write_text(value, encoding="utf-8")
        draft.replace(self._folder / f"switch-{name}")

    def mend(self, name: str) -> None:
        """Undo; may be called twice."""
        (self._folder / f"switch-{name}").unlink(missing_ok=True)

    def get(self, name: str) -> str | None:
        """The value, or None where nothing is broken."""
        try:
            return (self._folder / f"switch-{name}").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None


class _Unreliable:
    """A camera between the real one and whoever looks."""

    def __init__(self, camera: Camera, switches: Switches) -> None:
        self._camera = camera
        self._switches = switches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._camera, name)

    def frames(self) -> Iterator[Frame]:
        for number, frame in enumerate(self._camera.frames()):
            _refuse_unplugged(self._switches)
            if self._switches.get(SIZES) is None:
                yield frame
                continue
            height, width = _SIZES[number % len(_SIZES)]
            bgr = np.ascontiguousarray(frame.bgr[:height, :width])
            yield Frame(**{**vars(frame), "bgr": bgr})


def _refuse_unplugged(switches: Switches) -> None:
    if switches.get(UNPLUGGED) is not None:
        raise CameraError("The camera was unplugged.", hint="Plug it in.")


def break_in() -> None:
    """Put the breakers into this process; nothing is broken until a switch says so."""
    switches = Switches(Path(os.environ["FAULTS"]))
    open_camera, embed, now = assemble.camera, TfliteEmbedder.embed, SystemClock.now

    def camera(config: Config) -> Any:
        _refuse_unplugged(switches)
        return _Unreliable(open_camera(config), switches)

    def broken_embed(self: TfliteEmbedder, crop: Any) -> Any:
        if switches.get(RAISES) is not None:
            raise RuntimeError("a stage raises")
        if switches.get(HANGS) is not None:
            time.sleep(_FOREVER_S)
        if switches.get(HOLDS_ALL) is not None:
            # As a library does that never gives Python's lock back: no thread goes on.
            ctypes.PyDLL(None).sleep(_FOREVER_S)
        return embed(self, crop)

    def jumped(self: SystemClock) -> datetime:
        return now(self) + timedelta(seconds=float(switches.get(CLOCK) or 0))

    for place, name, broken in (
        (assemble, "camera", camera),
        (TfliteEmbedder, "embed", broken_embed),
        (SystemClock, "now", jumped),
    ):
        setattr(place, name, broken)
    # Nobody waits half a minute for each trial.
    within = os.environ.get("FAULTS_VISION_WITHIN_S")
    if within is not None:
        setattr(house, "VISION_WITHIN_S", float(within))  # noqa: B010 - a constant to all others
    first = os.environ.get("FAULTS_FIRST_WAIT_S")
    if first is not None:
        steady.Backoff.__init__.__kwdefaults__ = None
        steady.Backoff.__init__.__defaults__ = (float(first), 10 * float(first))
