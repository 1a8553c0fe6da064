"""A capture that does what a script says, in the place of cv2.VideoCapture."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from appliance.hardware.latest import Format
from appliance.types import Pixels

Step = Pixels | Exception | Literal["fails", "raises", "hangs"]


def noisy(seed: int, height: int = 48, width: int = 64) -> Pixels:
    """A picture with noise, as a sensor's; never twice the same."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class ScriptedCapture:
    """Gives each step as soon as `allow` permits it, and hangs at the end of the script.

    paced: one step per `allow()`; otherwise as fast as it is read.
    """

    def __init__(self, steps: Iterable[Step], *, opened: bool = True, paced: bool = False) -> None:
        self._steps = iter(steps)
        self._opened = opened
        self._paced = paced
        self._allowed = threading.Semaphore(0)
        self._unhang = threading.Event()
        self._grabbed: Pixels | None = None
        self.retrieved = 0
        self.asked: list[tuple[Path, Format]] = []
        self.released_by: list[str] = []

    def __call__(self, device: Path, wanted: Format) -> ScriptedCapture:
        self.asked.append((device, wanted))
        return self

    def allow(self, steps: int = 1) -> None:
        for _ in range(steps):
            self._allowed.release()

    def unhang(self) -> None:
        self._paced = False
        self._unhang.set()
        self._allowed.release()

    def isOpened(self) -> bool:  # noqa: N802
        return self._opened

    def grab(self) -> bool:
        if self._paced:
            self._allowed.acquire()
        step = next(self._steps, "hangs")
        self._grabbed = None
        if isinstance(step, np.ndarray):
            self._grabbed = step
            return True
        if isinstance(step, Exception):
            raise step
        if step == "raises":
            raise cv2.error("select() timeout")
        if step == "hangs":
            self._unhang.wait()
        return False

    def retrieve(self) -> tuple[bool, Any]:
        self.retrieved += 1
        return self._grabbed is not None, self._grabbed

    def release(self) -> None:
        self.released_by.append(threading.current_thread().name)
