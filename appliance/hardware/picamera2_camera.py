"""Raspberry Pi cameras, by libcamera through picamera2.

Its second, small YUV stream is not used: scaling a picture down for the detector takes a small
share of what the detector takes (docs/cameras.md), and one stream keeps all drivers alike.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, cast

import numpy as np

from appliance.errors import CameraError
from appliance.hardware.latest import Capture, Format, Handling, LiveCamera
from appliance.ports import Clock

# Why this driver is not yet to be relied upon; None when it has run on its hardware.
UNTESTED = "it has never run on a Raspberry Pi"

# Seconds within which a running sensor delivers, at the slowest rate and the longest exposure.
_WAIT_S = 4.0
# As few as it runs smoothly with: they lie in memory that a small board has little of.
_BUFFERS = 4


class Request(Protocol):
    """One picture that libcamera has finished."""

    def make_array(self, name: str) -> Any:
        """The pixels of a stream, copied: (height, width, 3) uint8."""
        ...

    def release(self) -> None:
        """Give the buffer back."""
        ...


class Sensor(Protocol):
    """What is used of picamera2.Picamera2."""

    def create_video_configuration(self, **settings: Any) -> Mapping[str, Any]:
        """A configuration for `configure`."""
        ...

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Choose streams and rates."""
        ...

    def start(self) -> None:
        """Begin to deliver."""
        ...

    def capture_request(self, *, wait: float) -> Request:
        """The next picture; TimeoutError after `wait` seconds."""
        ...

    def stop(self) -> None:
        """Deliver no more."""
        ...

    def close(self) -> None:
        """Give the sensor back."""
        ...


OpenSensor = Callable[[int], Sensor]


class PicameraCamera(LiveCamera):
    """A sensor on the camera connector, opened at once; see LiveCamera.

    sensor: its number, as `rpicam-hello --list-cameras` counts.
    Raises CameraError when picamera2 or the sensor is missing, or another program holds it.
    """

    def __init__(
        self,
        sensor: int,
        clock: Clock,
        *,
        wanted: Format | None = None,
        handling: Handling | None = None,
        open_sensor: OpenSensor | None = None,
    ) -> None:
        handling = handling or Handling()
        name = f"sensor {sensor}"
        capture = _started(name, open_sensor or open_picamera2, sensor, wanted or Format())
        super().__init__(name, capture, clock, handling, partial(_silent, name, handling.timeout_s))


def open_picamera2(sensor: int) -> Sensor:
    """The real one. Raises CameraError, or whatever picamera2 raises."""
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise CameraError(
            f"The program library picamera2 cannot be used: {error}.",
            hint="Install python3-picamera2, and let the environment see the system's packages: "
            "`python3 -m venv --system-site-packages`.",
        ) from error
    count = len(Picamera2.global_camera_info())
    if sensor >= count:
        found = "there is none" if not count else f"there are {count}, counted from 0"
        raise CameraError(
            f"libcamera knows no sensor {sensor}: {found}.",
            hint="Check the ribbon cable with the power off; `rpicam-hello --list-cameras` tells.",
        )
    return cast("Sensor", Picamera2(sensor))


def _started(name: str, open_sensor: OpenSensor, number: int, wanted: Format) -> Capture:
    """A sensor that delivers. It speaks of its troubles in RuntimeError and its like."""
    try:
        sensor = open_sensor(number)
        try:
            _start(sensor, wanted)
        except Exception:
            sensor.close()
            raise
    except CameraError:
        raise
    except Exception as error:
        told = str(error) or type(error).__name__
        raise CameraError(
            f"The camera {name} cannot be opened: {told}.",
            hint="Stop other programs that use it, and try a smaller camera.width and height.",
        ) from error
    return _SensorCapture(name, sensor)


def _start(sensor: Sensor, wanted: Format) -> None:
    configuration = sensor.create_video_configuration(
        # In memory this is blue, green, red: OpenCV's order.
        main={"size": (wanted.width, wanted.height), "format": "RGB888"},
        controls={"FrameRate": wanted.fps},
        buffer_count=_BUFFERS,
    )
    sensor.configure(configuration)
    sensor.start()


class _SensorCapture:
    """A sensor as the reading thread wants it."""

    def __init__(self, name: str, sensor: Sensor) -> None:
        self._name = name
        self._sensor = sensor
        self._request: Request | None = None

    def grab(self) -> bool:
        self._give_back()
        try:
            self._request = self._sensor.capture_request(wait=_WAIT_S)
        except TimeoutError as error:
            raise _silent(self._name, _WAIT_S) from error
        return True

    def retrieve(self) -> tuple[bool, Any]:
        if self._request is None:
            return False, None
        # Rows may be padded; the copy holds the picture alone.
        picture = np.ascontiguousarray(self._request.make_array("main"))
        self._give_back()
        return True, picture

    def release(self) -> None:
        self._give_back()
        try:
            self._sensor.stop()
        finally:
            self._sensor.close()

    def _give_back(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None


def _silent(name: str, timeout_s: float) -> CameraError:
    return CameraError(
        f"The camera {name} delivered no picture for {timeout_s:g} s.",
        hint="Check the ribbon cable with the power off; `rpicam-hello` shows whether it works.",
    )
