"""What all live cameras have in common: a thread reads, and the latest frame wins."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, cast

import cv2
import numpy as np

from appliance.errors import CameraError
from appliance.hardware.pace import Pacer
from appliance.hardware.warm_up import WarmUp
from appliance.ports import Clock
from appliance.types import Frame, Pixels

Rotation = Literal[0, 90, 180, 270]
# Of a picture of 8K; each takes 100 MB.
MOST_PIXELS = 7680 * 4320
# The code of the error that says so; the others of a camera have CameraError's own.
FROZEN = "camera_frozen"

_LOG = logging.getLogger(__name__)

_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
# How long to wait after a failed read, so that a camera that fails at once does not spin.
_RETRY_S = 0.02
# How long closing waits for a read that hangs in the driver.
_JOIN_S = 2.5
# Reads that may hang at a time, in the whole process; each holds a thread and the device.
MOST_LEFT_BEHIND = 3
_LEFT_BEHIND = "camera, left behind"


def left_behind() -> int:
    """How many reads of cameras that have been closed still hang in their drivers."""
    return sum(thread.name == _LEFT_BEHIND for thread in threading.enumerate())


class Capture(Protocol):
    """What a driver does: one call at a time, all from one thread. cv2.VideoCapture is one.

    Each may raise CameraError when the camera will not deliver any more.
    """

    def grab(self) -> bool:
        """Wait for the next picture; False when none came. May block, but not for ever."""
        ...

    def retrieve(self) -> tuple[bool, Any]:
        """(True, the picture grabbed last, in memory of its own) or (False, anything)."""
        ...

    def release(self) -> None:
        """Give the device back."""
        ...


@dataclass(frozen=True)
class Format:
    """What is asked of a camera; it gives what it can. width, height: pixels.

    pixel_format: for cameras of several; the others know one that suits them.
    """

    width: int = 1280
    height: int = 720
    fps: float = 15.0
    pixel_format: Literal["mjpg", "yuyv", "any"] = "mjpg"


def _is_not_plain(bgr: Pixels) -> bool:
    return int(bgr.min()) != int(bgr.max())


@dataclass(frozen=True)
class Handling:
    """What becomes of the pictures.

    rotate: degrees clockwise that turn them upright. warm_up_frames: see WarmUp. timeout_s:
    seconds without a picture, and frozen_s: seconds of one and the same picture, after which
    `frames` raises. shows: whether a picture shows anything; one that does not may come over and
    over, for in the dark a sensor clips to plain black, and that is not frozen.
    """

    rotate: Rotation = 0
    warm_up_frames: int = 5
    timeout_s: float = 5.0
    frozen_s: float = 10.0
    shows: Callable[[Pixels], bool] = _is_not_plain


class LiveCamera:
    """A live camera whose latest frame wins.

    A thread reads, so that a driver that hangs cannot hang the door, and so that whoever is slow
    gets the newest picture and not the oldest in a queue. The drivers build on this.
    name: what a person would call it, without secrets. capture: opened already. silent: makes the
    error for a camera that delivers nothing.
    Frames: `at` is the clock's monotonic time when the picture arrived.
    """

    live = True
    length = None

    def __init__(
        self,
        name: str,
        capture: Capture,
        clock: Clock,
        handling: Handling,
        silent: Callable[[], CameraError],
    ) -> None:
        self._name = name
        self._handling = handling
        self._silent = silent
        self._closed = False
        self._sequence = 0
        self._reader = _Reader(name, capture, clock, handling)

    def frames(self) -> Iterator[Frame]:
        """The newest frame, again and again, each once. Raises CameraError."""
        while True:
            yield self._next()
            self._sequence += 1

    def pace(self, fps: float | None) -> None:
        """Hand over at most `fps` frames a second; None: all. The others are not decoded."""
        self._reader.pacer.set(fps)

    def close(self) -> None:
        """Give the device back; may be called twice, and from any thread.

        A read that hangs in the driver is left behind; it gives the device back when it returns.
        """
        self._closed = True
        self._reader.stop()

    def _next(self) -> Frame:
        newest = None if self._closed else self._reader.wait(self._handling.timeout_s)
        if self._closed:
            raise CameraError(f"The camera {self._name} has been closed.", hint="Open it anew.")
        if self._reader.failure is not None:
            raise self._reader.failure
        if newest is None:
            raise self._frozen() if self._reader.frozen else self._silent()
        return replace(newest, sequence=self._sequence)

    def _frozen(self) -> CameraError:
        return CameraError(
            f"The camera {self._name} is frozen: it delivers the same picture over and over.",
            hint="Unplug it and plug it in again; if that recurs, try another cable or port.",
            code=FROZEN,
        )


class _Reader:
    """Reads in a thread; only the thread touches the capture, which is not made for several."""

    def __init__(self, name: str, capture: Capture, clock: Clock, handling: Handling) -> None:
        self._name = name
        self._capture = capture
        self._clock = clock
        self._handling = handling
        self._warm_up = WarmUp(handling.warm_up_frames)
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._previous: Frame | None = None
        self._stopping = threading.Event()
        self.pacer = Pacer()
        self.frozen = False
        self.failure: CameraError | None = None
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> Frame | None:
        """The newest picture that was not taken yet; None when none comes, or it is frozen."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._newest is None and not self._over:
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            newest, self._newest = self._newest, None
            return None if self.frozen else newest

    @property
    def _over(self) -> bool:
        return self.frozen or self.failure is not None or self._stopping.is_set()

    def stop(self) -> None:
        """Ask the thread to end, and give it a moment to do so."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(_JOIN_S)
        if self._thread.is_alive():
            self._thread.name = _LEFT_BEHIND

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if not self._read():
                    self._stopping.wait(_RETRY_S)
        except CameraError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - foreign drivers raise what they like
            told = str(error) or type(error).__name__
            self._fail(CameraError(f"The camera {self._name} failed: {told}."))
        finally:
            self._release()

    def _release(self) -> None:
        try:
            self._capture.release()
        except Exception:  # noqa: BLE001 - foreign drivers raise what they like
            # Nothing is left to be done with it: the next one who opens it hears what is amiss.
            _LOG.exception("The camera %s could not be given back", self._name)

    def _fail(self, error: CameraError) -> None:
        with self._changed:
            self.failure = error
            self._changed.notify_all()

    def _read(self) -> bool:
        """One turn; False when no picture came."""
        try:
            if not self._capture.grab():
                return False
            at = self._clock.monotonic()
            if self._warm_up.over and not self.pacer.due(at):
                return True
            read, picture = self._capture.retrieve()
        except cv2.error:
            return False
        bgr = _three_channels(picture) if read else None
        if bgr is None:
            return False
        if bgr.shape[0] * bgr.shape[1] > MOST_PIXELS:
            raise self._too_large(bgr)
        if not self._warm_up.drops(bgr, at):
            self._publish(bgr, at)
        return True

    def _too_large(self, bgr: Pixels) -> CameraError:
        return CameraError(
            f"The camera {self._name} delivers pictures of {bgr.shape[1]} x {bgr.shape[0]}, which "
            "is more than can be handled.",
            hint="Set it to 1280 x 720.",
        )

    def _publish(self, bgr: Pixels, at: float) -> None:
        if self._handling.rotate:
            bgr = cast("Pixels", cv2.rotate(bgr, _ROTATIONS[self._handling.rotate]))
        frame = Frame(bgr, at, self._name)
        frozen = self._is_frozen(frame)
        with self._changed:
            self.frozen = frozen
            self._newest = frame
            self._changed.notify_all()

    def _is_frozen(self, frame: Frame) -> bool:
        """True when nothing changed for too long: a real sensor always has some noise."""
        if self._previous is None or not frame.repeats(self._previous):
            self._previous = frame
            return False
        lasts = frame.at - self._previous.at >= self._handling.frozen_s
        return lasts and self._handling.shows(frame.bgr)


def _three_channels(picture: Any) -> Pixels | None:
    """BGR, or None for what is no picture."""
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or not picture.size:
        return None
    if picture.ndim == 2:  # a monochrome or infra-red sensor
        return cast("Pixels", cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    return picture if picture.ndim == 3 and picture.shape[2] == 3 else None
