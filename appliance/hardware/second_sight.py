"""The pictures of a second, infrared camera, to be asked for by their time.

Few of them are ever looked at, so they are kept small and grey, and while nobody asks, only now
and then one is decoded.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from appliance.errors import ApplianceError
from appliance.hardware.steady import SLOWEST_FPS
from appliance.ports import Camera, Clock, Watch
from appliance.types import Frame, Pixels

# Pixels of the longer side that a picture is shrunk to.
LARGEST = 640
# Seconds for which pictures are kept; those that are asked about are at most a fraction as old.
KEPT_S = 0.5
# Pictures that are kept at most, whatever the camera's rate; each takes 0.3 MB.
MOST_KEPT = 16
# Seconds without a question after which nobody is there.
ASLEEP_AFTER_S = 5.0

_JOIN_S = 3.0

_LOG = logging.getLogger(__name__)


class KeptSight:
    """Port SecondSight over a camera that is watched for years.

    watch: becomes this object's own, and is closed with it. All of its pictures are taken while
    there are questions, and not only as many as the first camera gives: where the lamp lights
    every second picture, every second one could be just those in the dark.
    """

    def __init__(self, watch: Watch, clock: Clock) -> None:
        self._watch = watch
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: deque[Frame] = deque(maxlen=MOST_KEPT)
        self._trouble = "The infrared camera is being opened."
        self._asked = clock.monotonic() - ASLEEP_AFTER_S
        self._awake = False
        self._watch.pace(SLOWEST_FPS)
        self._thread = threading.Thread(target=self._run, name="infrared", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str:
        """Why no picture can come at the moment, in a sentence; empty while they come."""
        with self._lock:
            return self._trouble

    def near(self, at: float) -> Sequence[Frame]:
        """The pictures kept, nearest in time first; asking keeps the camera awake."""
        with self._lock:
            self._asked = self._clock.monotonic()
            kept, wake = tuple(self._kept), not self._awake
            self._awake = True
        if wake:
            self._watch.pace(None)
        return sorted(kept, key=lambda frame: abs(frame.at - at))

    def close(self) -> None:
        """Give the device back; may be called twice."""
        self._watch.close()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            for sight in self._watch.sights():
                if isinstance(sight, Frame):
                    self._keep(sight)
                else:
                    self._tell(f"Infrared: {sight.sentence}")
                self._fall_asleep()
        except Exception as error:  # noqa: BLE001 - whatever it was: degraded, not ended
            _LOG.exception("the infrared camera is not looked at any more")
            self._tell(f"Infrared: {type(error).__name__}: {error}.")

    def _keep(self, frame: Frame) -> None:
        small = _small(frame)
        with self._lock:
            while self._kept and not 0 <= small.at - self._kept[0].at <= KEPT_S:
                self._kept.popleft()
            self._kept.append(small)
        self._tell("")

    def _tell(self, trouble: str) -> None:
        with self._lock:
            news, self._trouble = trouble != self._trouble, trouble
        if news:
            _LOG.info("%s", trouble or "Infrared: the camera delivers.")

    def _fall_asleep(self) -> None:
        with self._lock:
            asleep = self._awake and self._clock.monotonic() - self._asked >= ASLEEP_AFTER_S
            if asleep:
                self._awake = False
        if asleep:
            self._watch.pace(SLOWEST_FPS)


class FileSight:
    """Port SecondSight over a recording: as far as is asked for, by the times in it.

    open_camera: opens it at its beginning, and again where a question goes back in time. So it
    runs beside the first camera's recording however fast that is shown; both have to begin at one
    moment, and to be of one length where they are played over and over.
    """

    def __init__(self, open_camera: Callable[[], Camera]) -> None:
        self._open_camera = open_camera
        self._camera: Camera | None = None
        self._frames: Iterator[Frame] = iter(())
        self._kept: deque[Frame] = deque(maxlen=MOST_KEPT)
        self._asked = 0.0
        self._closed = False
        self._trouble = ""
        self.near(0.0)  # so that a file that cannot be read is told before somebody stands there

    @property
    def trouble(self) -> str:
        """Why no picture can come any more, in a sentence; empty while they come."""
        return self._trouble

    def near(self, at: float) -> Sequence[Frame]:
        """The pictures around this time of the recording, nearest first."""
        try:
            self._go_to(at)
        except ApplianceError as error:
            self._trouble = f"Infrared: {error.message}"
            self._frames = iter(())
            self._kept.clear()
        return sorted(self._kept, key=lambda frame: abs(frame.at - at))

    def close(self) -> None:
        """Give the file back; may be called twice."""
        self._closed = True
        self._kept.clear()
        self._give_back()

    def _go_to(self, at: float) -> None:
        if self._closed:
            return
        if self._camera is None or at < self._asked:
            self._give_back()
            self._kept.clear()
            self._camera = self._open_camera()
            self._frames = self._camera.frames()
            self._trouble = ""
        self._asked = at
        while not self._kept or self._kept[-1].at < at:
            frame = next(self._frames, None)
            if frame is None:
                self._trouble = self._trouble or "Infrared: all of the recording has been shown."
                return
            self._kept.append(_small(frame))

    def _give_back(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


def _small(frame: Frame) -> Frame:
    """The frame in grey, no larger than LARGEST; its three channels share one memory."""
    bgr = frame.bgr
    factor = LARGEST / max(frame.width, frame.height)
    if factor < 1:
        size = max(round(frame.width * factor), 1), max(round(frame.height * factor), 1)
        bgr = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA), np.uint8)
    grey: Pixels = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8)
    return replace(frame, bgr=np.broadcast_to(grey[:, :, np.newaxis], (*grey.shape, 3)))
