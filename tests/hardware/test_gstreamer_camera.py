"""Pictures from GStreamer: the pipelines that are asked for, and real ones where it is there."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import shutil
import sys
import time

import numpy as np
import pytest

from appliance.errors import CameraError
from appliance.hardware.clock import SystemClock
from appliance.hardware.gstreamer_camera import (
    GstreamerCamera,
    open_gstreamer,
    pipeline_of,
)
from appliance.hardware.latest import Capture, Format, Handling

HANDLING = Handling(warm_up_frames=0, timeout_s=5)


def _gstreamer_is_here() -> bool:
    return bool(importlib.util.find_spec("gi") and shutil.which("gst-inspect-1.0"))


real = pytest.mark.skipif(
    not _gstreamer_is_here(),
    reason="GStreamer and its bindings (gstreamer1.0-tools, python3-gi) are not installed",
)
# The bindings' own importer is of an older kind.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ImportWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gi.*"),
]


def _test_picture(pipeline: str) -> Capture:
    return open_gstreamer(pipeline, frozenset({"videotestsrc"}))


def test_a_sensor_of_a_jetson_is_asked_for_by_number() -> None:
    assert pipeline_of(1, Format(1280, 720, 29.97)) == (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1280,height=720,"
        "framerate=2997/100 ! nvvidconv ! video/x-raw,format=BGRx"
    )


@pytest.mark.parametrize("written", ["v4l2src", " v4l2src ! ", "v4l2src !"])
def test_a_pipeline_of_ones_own_needs_no_end(written: str) -> None:
    assert pipeline_of(written, Format()) == "v4l2src"


def test_without_the_bindings_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(CameraError, match="GStreamer cannot be used") as caught:
        open_gstreamer("v4l2src")
    assert "python3-gi" in caught.value.hint


@real
@pytest.mark.parametrize("width", [640, 642, 1283])
def test_a_real_pipeline_gives_frames(width: int) -> None:
    pipeline = f"videotestsrc is-live=true pattern=smpte ! video/x-raw,width={width},height=480"
    camera = GstreamerCamera(
        "test", pipeline, SystemClock(), handling=HANDLING, open_pipeline=_test_picture
    )
    first, second = itertools.islice(camera.frames(), 2)
    camera.close()
    assert first.bgr.shape == (480, width, 3)
    assert not np.shares_memory(first.bgr, second.bgr)
    blue, green, red = first.bgr[10, width * 13 // 14]  # the last bar is blue
    assert blue > 150
    assert max(green, red) < 60


@real
def test_a_real_pipeline_is_paced() -> None:
    pipeline = "videotestsrc is-live=true pattern=snow ! video/x-raw,framerate=60/1"
    camera = GstreamerCamera(
        "test", pipeline, SystemClock(), handling=HANDLING, open_pipeline=_test_picture
    )
    camera.pace(10)
    # The first two may be of the time before.
    times = [frame.at for frame in itertools.islice(camera.frames(), 2, 5)]
    camera.close()
    assert all(other - one >= 0.1 * 0.7 for one, other in itertools.pairwise(times))


@real
@pytest.mark.parametrize(
    ("pipeline", "told"),
    [
        ("videotestsrc", "takes pictures from videotestsrc, which is no sensor"),
        ("filesrc location=/etc/hostname ! decodebin", "takes pictures from filesrc"),
        ("multifilesrc location=x%d.jpg ! jpegdec", "takes pictures from multifilesrc"),
        ("uridecodebin uri=file:///etc/hostname", "takes pictures from uridecodebin"),
        ("videotestsrc ! mux. v4l2src ! videomixer name=mux", "from videotestsrc, which"),
        ("identity", "takes pictures from nothing"),
        ("no_such_element", 'cannot build the camera\'s pipeline: no element "no_such_element"'),
        ("v4l2src device=/dev/video63", "failed: Cannot identify device '/dev/video63'"),
        ("!", "cannot build the camera's pipeline: syntax error"),
    ],
)
def test_what_is_no_camera_is_refused(pipeline: str, told: str) -> None:
    with pytest.raises(CameraError, match=told) as caught:
        open_gstreamer(pipeline)
    assert caught.value.exit_code == 4
    assert caught.value.hint


@real
@pytest.mark.parametrize(
    ("pipeline", "told"),
    [
        ("videotestsrc num-buffers=2", "pipeline has ended"),
        ("videotestsrc ! identity error-after=2", r"identity\d failed"),
    ],
)
def test_a_pipeline_that_ends_is_told(pipeline: str, told: str) -> None:
    def play() -> None:
        camera = GstreamerCamera(
            "test", pipeline, SystemClock(), handling=HANDLING, open_pipeline=_test_picture
        )
        with contextlib.closing(camera):
            list(camera.frames())

    with pytest.raises(CameraError, match=told):  # at the latest when frames are wanted
        play()


@real
def test_closing_ends_the_pipeline_soon() -> None:
    camera = GstreamerCamera(
        "test",
        "videotestsrc is-live=true ! video/x-raw,framerate=1/5",
        SystemClock(),
        handling=HANDLING,
        open_pipeline=_test_picture,
    )
    began = time.monotonic()
    camera.close()
    assert not camera._reader._thread.is_alive()
    assert time.monotonic() - began < HANDLING.timeout_s
