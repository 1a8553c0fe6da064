"""One suite for every camera."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import ApplianceError, CameraError, InputError
from appliance.hardware.clock import SystemClock
from appliance.hardware.files import FileCamera
from appliance.hardware.latest import Handling
from appliance.hardware.v4l2 import V4l2Camera
from appliance.ports import Camera
from appliance.types import Frame
from tests.hardware import picture_files as make
from tests.hardware.scripted_capture import ScriptedCapture, noisy

Build = Callable[[Path], Camera]


def _pictures(folder: Path) -> FileCamera:
    for number in range(5):
        path = folder / f"{number}.png"
        path.write_bytes(make.encoded(noisy(number), ".png"))
    return FileCamera([folder], SystemClock())


def _video(folder: Path) -> FileCamera:
    clip = make.write_video(folder / "clip.avi", [0, 40, 80, 120, 160])
    return FileCamera([clip], SystemClock())


def _v4l2(folder: Path) -> V4l2Camera:
    capture = ScriptedCapture(noisy(seed) for seed in itertools.count())
    return V4l2Camera(
        folder / "video0", SystemClock(), open_capture=capture, handling=Handling(warm_up_frames=1)
    )


CAMERAS: dict[str, Build] = {"pictures": _pictures, "video": _video, "v4l2": _v4l2}


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
    assert camera.live is isinstance(camera, V4l2Camera)


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


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        FileCamera([tmp_path / "gone.jpg"], SystemClock())
    with pytest.raises(CameraError, match="does not exist"):
        V4l2Camera(tmp_path / "video0", SystemClock())
