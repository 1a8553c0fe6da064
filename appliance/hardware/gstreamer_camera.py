"""Jetson CSI cameras, and whatever else GStreamer delivers, through an appsink of python3-gi.

OpenCV's wheels have no GStreamer, so pictures are taken from the pipeline's end ourselves. They
come as BGRx and lose the x only when somebody wants them: a frame left out costs no conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any

import cv2
import numpy as np

from appliance.errors import CameraError
from appliance.hardware.latest import Capture, Format, Handling, LiveCamera
from appliance.ports import Clock

# Why this driver is not yet to be relied upon; None when it has run on its hardware.
UNTESTED = "it has run with GStreamer's test picture only, and never on a Jetson"

# Elements that read a sensor now. Others could replay a file, which must never open a door.
SENSORS = frozenset(
    {"nvarguscamerasrc", "nvv4l2camerasrc", "v4l2src", "libcamerasrc", "aravissrc", "pylonsrc"}
)

# How long a read waits before it looks whether it shall end.
_WAIT_S = 0.5
_OPENED_WITHIN_S = 10.0
_SINK = "appliance_frames"

OpenPipeline = Callable[[str], Capture]


class GstreamerCamera(LiveCamera):
    """A camera by GStreamer, opened at once; see LiveCamera.

    name: what a person would call it. pipeline: from `pipeline_of`.
    Raises CameraError when GStreamer, an element or the sensor is missing, or no picture comes.
    """

    def __init__(
        self,
        name: str,
        pipeline: str,
        clock: Clock,
        *,
        handling: Handling | None = None,
        open_pipeline: OpenPipeline | None = None,
    ) -> None:
        handling = handling or Handling()
        capture = (open_pipeline or open_gstreamer)(pipeline)
        super().__init__(name, capture, clock, handling, partial(_silent, name, handling.timeout_s))


def pipeline_of(source: int | str, wanted: Format) -> str:
    """GStreamer's description of where pictures come from, as gst-launch-1.0 takes it.

    source: the number of a Jetson's CSI sensor, or a description of one's own that begins with
    one of SENSORS; it need not end in a sink.
    """
    if isinstance(source, str):
        return source.strip().rstrip("!").rstrip()
    rate = Fraction(wanted.fps).limit_denominator(1000)
    return (
        f"nvarguscamerasrc sensor-id={source} ! "
        f"video/x-raw(memory:NVMM),width={wanted.width},height={wanted.height},"
        f"framerate={rate.numerator}/{rate.denominator} ! nvvidconv ! video/x-raw,format=BGRx"
    )


def open_gstreamer(pipeline: str, sensors: frozenset[str] = SENSORS) -> Capture:
    """A running pipeline. sensors: the elements it may take pictures from. Raises CameraError."""
    gst = _gstreamer()
    sink = f"appsink name={_SINK} max-buffers=1 drop=true sync=false"
    try:
        built = gst.parse_launch(f"{pipeline} ! videoconvert ! video/x-raw,format=BGRx ! {sink}")
    except gst.glib_error as error:
        raise CameraError(
            f"GStreamer cannot build the camera's pipeline: {error.message}.",
            hint="Check camera.source with gst-launch-1.0; on a Jetson, nvarguscamerasrc comes "
            "with nvidia-l4t-gstreamer.",
        ) from error
    _refuse_files(gst, built, sensors)
    capture = _PipelineCapture(gst, built)
    try:
        capture.start()
    except CameraError:
        capture.release()
        raise
    return capture


class _Gst:
    """The few of GStreamer's names that are used; it is imported when a camera is opened."""

    def __init__(self, gst: Any, glib_error: type[Exception]) -> None:
        self.second: int = gst.SECOND
        self.playing, self.null = gst.State.PLAYING, gst.State.NULL
        self.failed = gst.StateChangeReturn.FAILURE
        self.wrong = gst.MessageType.ERROR | gst.MessageType.EOS
        self.error = gst.MessageType.ERROR
        self.source = gst.ElementFlags.SOURCE
        self.more = gst.IteratorResult.OK
        self.parse_launch = gst.parse_launch
        self.glib_error: Any = glib_error


def _gstreamer() -> _Gst:
    try:
        import gi

        gi.require_version("Gst", "1.0")
        gi.require_version("GstApp", "1.0")
        from gi.repository import GLib, Gst, GstApp
    except (ImportError, ValueError) as error:
        raise CameraError(
            f"GStreamer cannot be used: {error}.",
            hint="Install python3-gi and gir1.2-gst-plugins-base-1.0, and let the environment see "
            "the system's packages: `python3 -m venv --system-site-packages`.",
        ) from error
    del GstApp  # what was wanted of it is that an appsink has its methods
    Gst.init(None)
    return _Gst(Gst, GLib.Error)


def _refuse_files(gst: _Gst, pipeline: Any, sensors: frozenset[str]) -> None:
    """A file never opens a door, neither as a source of GStreamer's."""
    sources = {
        element.get_factory().get_name()
        for element in _elements(gst, pipeline)
        if element.flags & gst.source
    }
    if not sources or sources - sensors:
        pipeline.set_state(gst.null)
        told = ", ".join(sorted(sources - sensors)) or "nothing"
        raise CameraError(
            f"The camera's pipeline takes pictures from {told}, which is no sensor.",
            hint=f"Begin camera.source with one of {', '.join(sorted(sensors))}.",
        )


def _elements(gst: _Gst, pipeline: Any) -> Iterator[Any]:
    found = pipeline.iterate_recurse()
    while True:
        result, element = found.next()
        if result != gst.more:
            return
        yield element


class _PipelineCapture:
    """The end of a pipeline as the reading thread wants it."""

    def __init__(self, gst: _Gst, pipeline: Any) -> None:
        self._gst = gst
        self._pipeline = pipeline
        self._sink = pipeline.get_by_name(_SINK)
        self._sample: Any = None

    def start(self) -> None:
        """Raises CameraError when it does not begin to play."""
        if self._pipeline.set_state(self._gst.playing) == self._gst.failed:
            raise self._complaint() or CameraError("GStreamer cannot start the camera's pipeline.")
        result, _, _ = self._pipeline.get_state(round(_OPENED_WITHIN_S * self._gst.second))
        if result == self._gst.failed:
            raise self._complaint() or CameraError("GStreamer cannot start the camera's pipeline.")

    def grab(self) -> bool:
        self._sample = self._sink.try_pull_sample(round(_WAIT_S * self._gst.second))
        if self._sample is None and (complaint := self._complaint()) is not None:
            raise complaint
        return self._sample is not None

    def retrieve(self) -> tuple[bool, Any]:
        if self._sample is None:
            return False, None
        shape = self._sample.get_caps().get_structure(0)
        height, width = shape.get_value("height"), shape.get_value("width")
        buffer = self._sample.get_buffer()
        # A copy, whatever the bindings' version: the buffer itself belongs to GStreamer.
        data = np.frombuffer(buffer.extract_dup(0, height * width * 4), np.uint8)
        self._sample = None
        if data.size != height * width * 4:
            return False, None
        return True, cv2.cvtColor(data.reshape(height, width, 4), cv2.COLOR_BGRA2BGR)

    def release(self) -> None:
        self._sample = None
        self._pipeline.set_state(self._gst.null)

    def _complaint(self) -> CameraError | None:
        """What GStreamer says is amiss."""
        message = self._pipeline.get_bus().pop_filtered(self._gst.wrong)
        if message is None:
            return None
        if message.type != self._gst.error:
            return CameraError("The camera's pipeline has ended.", hint="Check the sensor's cable.")
        error, _ = message.parse_error()
        return CameraError(
            f"GStreamer's {message.src.get_name()} failed: {error.message.rstrip('.')}.",
            hint="Check the sensor's cable, and camera.source with gst-launch-1.0.",
        )


def _silent(name: str, timeout_s: float) -> CameraError:
    return CameraError(
        f"The camera {name} delivered no picture for {timeout_s:g} s.",
        hint="Check the sensor's cable; on a Jetson, `sudo systemctl restart nvargus-daemon`.",
    )
