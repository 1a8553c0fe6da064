"""One suite for every camera."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import ApplianceError, CameraError, InputError
from appliance.hardware.clock import SystemClock
from appliance.hardware.files import FileCamera
from appliance.hardware.gstreamer_camera import GstreamerCamera, pipeline_of
from appliance.hardware.latest import Format, Handling
from appliance.hardware.picamera2_camera import PicameraCamera
from appliance.hardware.rtsp_camera import RtspCamera
from appliance.hardware.v4l2 import V4l2Camera
from appliance.ports import Camera
from appliance.types import Frame
from tests.hardware import picture_files as make
from tests.hardware.fake_sensor import FakeSensor
from tests.hardware.scripted_capture import ScriptedCapture, noisy
from tests.patience import patient

Build = Callable[[Path], Camera]


def _pictures(folder: Path) -> FileCamera:
    for number in range(5):
        path = folder / f"{number}.png"
        path.write_bytes(make.encoded(noisy(number), ".png"))
    return FileCamera([folder], SystemClock())


def _video(folder: Path) -> FileCamera:
    clip = make.write_video(folder / "clip.avi", [0, 40, 80, 120, 160])
    return FileCamera([clip], SystemClock())


def _scripted() -> ScriptedCapture:
    """Stands where a driver's hardware is missing; what the driver makes of it is real."""
    return ScriptedCapture(noisy(seed) for seed in itertools.count())


def _v4l2(folder: Path) -> V4l2Camera:
    device = folder / "video0"
    return V4l2Camera(device, SystemClock(), open_capture=_scripted(), handling=HANDLING)


def _picamera2(_: Path) -> PicameraCamera:
    return PicameraCamera(0, SystemClock(), handling=HANDLING, open_sensor=lambda _: FakeSensor())


def _gstreamer(_: Path) -> GstreamerCamera:
    pipeline = pipeline_of(0, Format())
    return GstreamerCamera(
        "sensor 0", pipeline, SystemClock(), handling=HANDLING, open_pipeline=lambda _: _scripted()
    )


def _rtsp(_: Path) -> RtspCamera:
    return RtspCamera(
        "rtsp://keeper:S3cret@door/stream",
        SystemClock(),
        handling=HANDLING,
        open_stream=lambda *_: _scripted(),
    )


HANDLING = Handling(warm_up_frames=1)
CAMERAS: dict[str, Build] = {
    "pictures": _pictures,
    "video": _video,
    "v4l2": _v4l2,
    "picamera2": _picamera2,
    "gstreamer": _gstreamer,
    "rtsp": _rtsp,
}


@pytest.fixture(params=list(CAMERAS))
def camera(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Camera]:
    camera = CAMERAS[request.param](tmp_path)
    yield camera
    camera.close()


def _five(camera: Camera) -> list[Frame]:
    return list(itertools.islice(camera.frames(), 5))


def test_frames_are_colour_pictures_in_memory_of_their_own(camera: Camera) -> None:
    frames = _five(camera)
    assert len(frames) == 5
    for frame in frames:
        assert frame.bgr.dtype == np.uint8
        assert frame.bgr.shape == (48, 64, 3)
        assert frame.bgr.flags.c_contiguous
        assert (frame.height, frame.width) == (48, 64)
    for one, other in itertools.combinations(frames, 2):
        assert not np.shares_memory(one.bgr, other.bgr)


def test_time_grows_and_numbers_count(camera: Camera) -> None:
    frames = _five(camera)
    assert all(one.at < other.at for one, other in itertools.pairwise(frames))
    assert [frame.sequence for frame in frames] == [0, 1, 2, 3, 4]
    assert all(frame.source for frame in frames)


def test_a_length_is_the_number_of_frames(camera: Camera) -> None:
    if camera.length is None:
        assert camera.live
    else:
        assert len(list(camera.frames())) == camera.length


def test_only_a_sensor_is_live(camera: Camera) -> None:
    assert camera.live is not isinstance(camera, FileCamera)


def test_closing_twice_is_closing_once_and_ends_the_frames(camera: Camera) -> None:
    frames = camera.frames()
    next(frames)
    camera.close()
    camera.close()
    with pytest.raises(ApplianceError, match="closed") as caught:
        next(frames)
    assert isinstance(caught.value, CameraError if camera.live else InputError)
    with pytest.raises(type(caught.value), match="closed"):
        next(camera.frames())


def test_a_pace_leaves_frames_out(camera: Camera) -> None:
    camera.pace(8)
    frames = camera.frames()
    for _ in range(2):
        next(frames)  # it may be of the time before
    times = [frame.at for frame in itertools.islice(frames, 3)]
    assert len(times) == 3 or not camera.live
    assert all(other - one >= 0.7 / 8 for one, other in itertools.pairwise(times))
    camera.pace(None)


def test_a_pace_must_be_above_zero(camera: Camera) -> None:
    with pytest.raises(ValueError, match="above 0"):
        camera.pace(0)


def test_a_camera_that_is_closed_ends_the_wait_of_another_thread(camera: Camera) -> None:
    told: list[Exception] = []

    def wait() -> None:
        try:
            for _ in camera.frames():
                time.sleep(0.001)
        except ApplianceError as error:
            told.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    camera.close()
    waiting.join(patient(5))
    assert not waiting.is_alive()
    assert not told or "closed" in str(told[0])


def test_no_camera_tells_a_password(camera: Camera) -> None:
    told = next(camera.frames()).source
    camera.close()
    with pytest.raises(ApplianceError) as caught:
        next(camera.frames())
    assert "S3cret" not in f"{told} {caught.value.message} {caught.value.hint}"


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        FileCamera([tmp_path / "gone.jpg"], SystemClock())
    with pytest.raises(CameraError, match="does not exist"):
        V4l2Camera(tmp_path / "video0", SystemClock())
