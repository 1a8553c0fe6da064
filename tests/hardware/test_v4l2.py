"""The live camera, with captures that misbehave; no real one is needed."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from appliance.errors import CameraError
from appliance.hardware import latest
from appliance.hardware.latest import Format, Handling
from appliance.hardware.v4l2 import V4l2Camera, open_v4l2
from appliance.types import Pixels
from tests.fakes import FakeClock
from tests.hardware.scripted_capture import ScriptedCapture, Step, noisy
from tests.patience import patient

Build = Callable[..., V4l2Camera]


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "video0"
    path.touch()
    return path


@pytest.fixture
def build(device: Path) -> Iterator[Build]:
    """Builds cameras on a capture and cleans up behind their threads."""
    built: list[tuple[V4l2Camera, ScriptedCapture]] = []

    def build(capture: ScriptedCapture, **options: Any) -> V4l2Camera:
        clock, wanted = options.pop("clock", FakeClock()), options.pop("wanted", None)
        handling = Handling(**{"warm_up_frames": 0, "timeout_s": 0.05, **options})
        camera = V4l2Camera(device, clock, wanted=wanted, handling=handling, open_capture=capture)
        built.append((camera, capture))
        return camera

    yield build
    for camera, capture in built:
        capture.unhang()
        camera.close()


def _one_by_one(*steps: Step) -> ScriptedCapture:
    return ScriptedCapture(steps, paced=True)


def test_frames_are_told_when_and_from_where(build: Build, device: Path) -> None:
    clock = FakeClock(monotonic=7.0)
    capture = _one_by_one(noisy(1), noisy(2))
    frames = build(capture, clock=clock, timeout_s=5).frames()
    capture.allow()
    first = next(frames)
    clock.advance(0.5)
    capture.allow()
    second = next(frames)
    assert (first.source, first.at, first.sequence) == (str(device), 7.0, 0)
    assert (second.source, second.at, second.sequence) == (str(device), 7.5, 1)
    assert np.array_equal(first.bgr, noisy(1))
    assert np.array_equal(second.bgr, noisy(2))


def test_what_is_asked_of_the_camera(build: Build, device: Path) -> None:
    capture = _one_by_one()
    camera = build(capture, wanted=Format(640, 480, 30.0, "yuyv"))
    assert capture.asked == [(device, Format(640, 480, 30.0, "yuyv"))]
    assert camera.live is True
    assert camera.length is None


def test_warm_up_frames_are_dropped(build: Build) -> None:
    capture = _one_by_one(noisy(1), "fails", noisy(2), noisy(3))
    capture.allow(4)
    frame = next(build(capture, warm_up_frames=2, timeout_s=5).frames())
    assert np.array_equal(frame.bgr, noisy(3))
    assert frame.sequence == 0


@pytest.mark.parametrize(("rotate", "turns"), [(0, 0), (90, -1), (180, 2), (270, 1)])
def test_the_picture_is_turned_upright(build: Build, rotate: int, turns: int) -> None:
    capture = _one_by_one(noisy(1))
    capture.allow()
    frame = next(build(capture, rotate=rotate, timeout_s=5).frames())
    assert np.array_equal(frame.bgr, np.rot90(noisy(1), turns))


def test_the_latest_frame_wins(build: Build) -> None:
    capture = _one_by_one(*(noisy(seed) for seed in range(5)), "hangs")
    frames = build(capture, timeout_s=5).frames()
    capture.allow()
    assert np.array_equal(next(frames).bgr, noisy(0))
    capture.allow(5)  # four more, then it hangs: nothing newer can come
    newest = next(frames)
    while not np.array_equal(newest.bgr, noisy(4)):
        newest = next(frames)


def test_a_frame_is_given_once(build: Build) -> None:
    capture = _one_by_one(noisy(1))
    capture.allow()
    frames = build(capture).frames()
    next(frames)
    with pytest.raises(CameraError, match=r"delivered no picture for 0\.05 s"):
        next(frames)


def test_a_camera_that_hangs_is_told_and_does_not_hang_the_door(build: Build) -> None:
    capture = ScriptedCapture(["hangs"])
    with pytest.raises(CameraError, match=r"delivered no picture for 0\.05 s") as caught:
        next(build(capture).frames())
    assert caught.value.exit_code == 4
    assert "pixel_format: any" in caught.value.hint


@pytest.mark.parametrize("step", ["fails", "raises"])
def test_failing_reads_are_tried_again(build: Build, step: Step) -> None:
    capture = ScriptedCapture([step, step, noisy(1)])
    assert np.array_equal(next(build(capture, timeout_s=5).frames()).bgr, noisy(1))


@pytest.mark.parametrize(
    "step",
    [
        "fails",
        "raises",
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 3), np.uint16),
    ],
)
def test_a_camera_that_gives_nothing_usable_is_silent(build: Build, step: Step) -> None:
    with pytest.raises(CameraError, match="delivered no picture"):
        next(build(ScriptedCapture(repeat(step))).frames())


def test_a_camera_that_went_away_was_unplugged(build: Build, device: Path) -> None:
    camera = build(ScriptedCapture(repeat("fails")))
    device.unlink()
    with pytest.raises(CameraError, match=r"video0 was unplugged"):
        next(camera.frames())


def test_it_goes_on_after_a_silence(build: Build) -> None:
    capture = _one_by_one(noisy(1))
    camera = build(capture)
    with pytest.raises(CameraError):
        next(camera.frames())
    capture.allow()
    camera._handling = Handling(timeout_s=5)
    assert next(camera.frames()).sequence == 0


def test_the_same_picture_over_and_over_is_a_frozen_camera(build: Build) -> None:
    clock = FakeClock()
    still, moved = noisy(1), noisy(2)
    capture = _one_by_one(still, still, still, still, moved)
    camera = build(capture, clock=clock, frozen_s=10, timeout_s=5)
    frames = camera.frames()
    for _ in range(3):
        capture.allow()
        next(frames)
        clock.advance(4.0)
    capture.allow()
    with pytest.raises(CameraError, match="frozen"):
        next(frames)
    capture.allow()
    for _ in range(500):
        if not camera._reader.frozen:
            break
        time.sleep(0.01)
    assert np.array_equal(next(camera.frames()).bgr, moved)


def test_darkness_is_not_a_frozen_camera(build: Build) -> None:
    clock = FakeClock()
    capture = ScriptedCapture(repeat(np.zeros((8, 8, 3), np.uint8)), paced=True)
    frames = build(capture, clock=clock, frozen_s=10, timeout_s=5).frames()
    for _ in range(5):
        capture.allow()
        next(frames)
        clock.advance(6.0)


def test_a_picture_that_shows_nothing_is_not_a_frozen_camera(build: Build) -> None:
    clock = FakeClock()
    covered = np.zeros((48, 64, 3), np.uint8)
    covered[2:4, 2:20] = 235  # the camera writes its name into it
    capture = ScriptedCapture(repeat(covered), paced=True)

    def shows(bgr: Pixels) -> bool:
        return bool(bgr.mean() > 20)

    frames = build(capture, clock=clock, frozen_s=10, timeout_s=5, shows=shows).frames()
    for _ in range(5):
        capture.allow()
        next(frames)
        clock.advance(6.0)


def test_another_size_than_asked_is_taken_as_it_comes(build: Build) -> None:
    capture = _one_by_one(noisy(1, 480, 640), noisy(2, 120, 160))
    frames = build(capture, wanted=Format(1280, 720), timeout_s=5).frames()
    capture.allow()
    assert next(frames).bgr.shape == (480, 640, 3)
    capture.allow()
    assert next(frames).bgr.shape == (120, 160, 3)


def test_a_picture_that_would_fill_the_memory_is_refused(build: Build) -> None:
    huge = np.lib.stride_tricks.as_strided(noisy(1), (5000, 9000, 3), (0, 0, 1))
    with pytest.raises(CameraError, match="pictures of 9000 x 5000, which is more than"):
        next(build(ScriptedCapture([huge]), timeout_s=5).frames())


def test_a_grey_sensor_gives_three_channels(build: Build) -> None:
    capture = _one_by_one(noisy(1)[:, :, 0].copy())
    capture.allow()
    frame = next(build(capture, timeout_s=5).frames())
    assert frame.bgr.shape == (48, 64, 3)
    assert np.array_equal(frame.bgr[:, :, 2], noisy(1)[:, :, 0])


def test_closing_twice_releases_once_and_in_the_reading_thread(build: Build) -> None:
    capture = ScriptedCapture(noisy(seed) for seed in count())
    camera = build(capture)
    next(camera.frames())
    camera.close()
    camera.close()
    assert capture.released_by == ["camera"]
    with pytest.raises(CameraError, match="has been closed"):
        next(camera.frames())


def test_closing_does_not_wait_for_a_driver_that_hangs(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latest, "_JOIN_S", 0.01)
    capture = ScriptedCapture(["hangs"])
    camera = build(capture)
    camera.close()
    assert capture.released_by == []
    assert latest.left_behind() == 1
    capture.unhang()
    camera._reader._thread.join(patient(5))
    assert capture.released_by == ["camera, left behind"]
    assert latest.left_behind() == 0


def test_a_device_that_does_not_open_is_told(build: Build) -> None:
    capture = ScriptedCapture([], opened=False)
    with pytest.raises(CameraError, match="cannot be opened") as caught:
        build(capture)
    assert "v4l2-ctl" in caught.value.hint
    assert capture.released_by == ["MainThread"]


def test_a_device_that_does_not_open_because_another_holds_it(build: Build, device: Path) -> None:
    holding = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with (
        device.open() as held,
        subprocess.Popen(
            holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[held.fileno()]
        ) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(CameraError, match=rf"in use by process {process.pid} \(python"):
            build(ScriptedCapture([], opened=False))
        process.communicate()


def test_an_absent_device_names_those_that_exist(device: Path) -> None:
    with pytest.raises(CameraError, match="video9 does not exist") as caught:
        open_v4l2(device.with_name("video9"), Format())
    assert str(device) in caught.value.hint
    with pytest.raises(CameraError, match="does not exist"):
        V4l2Camera(device / "video9", FakeClock())


def test_a_file_is_not_a_camera(device: Path) -> None:
    with pytest.raises(CameraError, match="video0 is not a camera"):
        open_v4l2(device, Format())


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.EACCES, "This user may not use the camera"),
        (errno.EBUSY, "is in use by another program"),
        (errno.EIO, "cannot be opened: input/output error"),
    ],
)
def test_what_the_kernel_says_is_told(
    device: Path, code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: Any, *arguments: Any) -> int:
        if path == device:
            raise OSError(code, os.strerror(code), str(path))
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(CameraError, match=told) as caught:
        open_v4l2(device, Format())
    assert caught.value.exit_code == 4
    assert ("group video" in caught.value.hint) is (code == errno.EACCES)


def _answer(flags: int) -> Callable[[int, int, bytearray], int]:
    def ioctl(_: int, request: int, capability: bytearray) -> int:
        assert request == 0x80685600
        capability[84:92] = (0x85200001).to_bytes(4, "little") + flags.to_bytes(4, "little")
        return 0

    return ioctl


class _RecordingCapture:
    """Stands for cv2.VideoCapture and notes what it is told."""

    told: list[tuple[object, ...]]

    def __init__(self, *arguments: object) -> None:
        type(self).told = [arguments]

    def set(self, *arguments: object) -> bool:
        self.told.append(arguments)
        return True


@pytest.mark.skipif(sys.byteorder == "big", reason="the answer is written for little endian")
def test_the_format_comes_before_the_size(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "ioctl", _answer(0x04200001))
    monkeypatch.setattr(cv2, "VideoCapture", _RecordingCapture)
    open_v4l2(device, Format(640, 480, 30.0, "mjpg"))
    assert _RecordingCapture.told == [
        (str(device), cv2.CAP_V4L2),
        (cv2.CAP_PROP_FOURCC, 0x47504A4D),
        (cv2.CAP_PROP_FRAME_WIDTH, 640),
        (cv2.CAP_PROP_FRAME_HEIGHT, 480),
        (cv2.CAP_PROP_FPS, 30.0),
        (cv2.CAP_PROP_BUFFERSIZE, 1),
    ]
    open_v4l2(device, Format(pixel_format="any"))
    assert cv2.CAP_PROP_FOURCC not in {told[0] for told in _RecordingCapture.told}


@pytest.mark.skipif(sys.byteorder == "big", reason="the answer is written for little endian")
def test_a_metadata_node_is_not_a_camera(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A UVC camera's second node: the whole device captures, this node only gives metadata.
    monkeypatch.setattr(fcntl, "ioctl", _answer(0x04A00000))
    with pytest.raises(CameraError, match="is not a camera"):
        open_v4l2(device, Format())
