"""Network cameras, with a real stream over a real socket."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from appliance.errors import CameraError
from appliance.hardware import rtsp_camera
from appliance.hardware.clock import SystemClock
from appliance.hardware.latest import Handling
from appliance.hardware.rtsp_camera import RtspCamera, host_of
from appliance.hardware.steady import Backoff, SteadyCamera
from appliance.types import Frame, Pixels, Trouble
from appliance.vision.scene import SceneWatch
from tests.hardware.rtsp_server import RtspServer
from tests.hardware.scripted_capture import noisy

LOGIN = "keeper:S3cret%40@"


def plain(level: int) -> Pixels:
    """A picture whose brightness survives the compression."""
    picture = np.full((144, 192, 3), level, np.uint8)
    picture[:72] = 255 - level
    return picture


@pytest.fixture
def server() -> Iterator[RtspServer]:
    server = RtspServer([plain(level) for level in (20, 60, 100)])
    yield server
    server.close()


def _camera(url: str, timeout_s: float = 5) -> RtspCamera:
    handling = Handling(warm_up_frames=0, timeout_s=timeout_s)
    return RtspCamera(url, SystemClock(), handling=handling)


def test_a_stream_gives_frames(server: RtspServer) -> None:
    camera = _camera(server.address())
    frames = list(itertools.islice(camera.frames(), 6))
    camera.close()
    assert all(frame.bgr.shape == (144, 192, 3) for frame in frames)
    for frame in frames:
        level = float(frame.bgr[80:].mean())
        assert min(abs(level - sent) for sent in (20, 60, 100)) < 3
        assert float(frame.bgr[:64].mean()) == pytest.approx(255 - level, abs=6)
    assert {frame.source for frame in frames} == {f"rtsp://127.0.0.1:{server.port}"}
    assert all(one.at < other.at for one, other in itertools.pairwise(frames))


def test_tcp_is_asked_for_and_the_environment_is_as_before(
    server: RtspServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;udp")
    camera = _camera(server.address())
    next(camera.frames())
    camera.close()
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_transport;udp"
    monkeypatch.delenv("OPENCV_FFMPEG_CAPTURE_OPTIONS")
    with rtsp_camera._ffmpeg_options("udp"):
        assert "rtsp_transport;udp" in os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"]
    assert "OPENCV_FFMPEG_CAPTURE_OPTIONS" not in os.environ


def test_user_and_password_are_sent_and_never_told(capfd: pytest.CaptureFixture[str]) -> None:
    server = RtspServer([plain(60), plain(90)], login="keeper:S3cret@")
    camera = _camera(server.address(LOGIN), timeout_s=0.5)
    assert "S3cret" not in next(camera.frames()).source
    server.close()
    with pytest.raises(CameraError) as caught:
        list(camera.frames())
    camera.close()
    told = f"{caught.value.message} {caught.value.hint} {capfd.readouterr()}"
    assert "delivered no picture" in told
    assert "S3cret" not in told
    assert "keeper" not in told


@pytest.mark.parametrize(
    ("login", "path"), [("keeper:wrong@", "/stream"), ("", "/stream"), (LOGIN, "/elsewhere")]
)
def test_a_camera_that_refuses_is_told(
    login: str, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    server = RtspServer([plain(60)], login="keeper:S3cret@")
    with pytest.raises(CameraError, match="answers, but gives no stream") as caught:
        _camera(server.address(login).replace("/stream", path))
    server.close()
    told = f"{caught.value.message} {caught.value.hint}"
    assert "password" in caught.value.hint
    assert "wrong" not in told
    assert "S3cret" not in told
    assert capfd.readouterr() == ("", "")


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(CameraError, match=r"rtsp://127\.0\.0\.1:\d+ does not answer: connection"):
        _camera(f"rtsp://{LOGIN}127.0.0.1:{port}/stream")


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(CameraError, match=r"rtsp://door\.invalid does not answer"):
        _camera(f"rtsp://{LOGIN}door.invalid/stream")


@pytest.mark.parametrize("says", [b"", b"HTTP/1.0 200 OK\r\n\r\n", b"\0" * 5000])
def test_something_else_answers(says: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(2):  # whoever looks whether it answers, and FFmpeg
                client, _ = server.accept()
                with client:
                    client.sendall(says)

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(CameraError, match="gives no stream"):
            _camera(f"rtsp://127.0.0.1:{server.getsockname()[1]}/stream")
        answering.join()


def test_a_stream_that_is_cut_comes_back(server: RtspServer) -> None:
    handling = Handling(warm_up_frames=0, timeout_s=0.2)
    watch = SteadyCamera(
        "door",
        lambda: RtspCamera(server.address(), SystemClock(), handling=handling),
        SystemClock(),
        SceneWatch,
        backoff=Backoff(0.01, 0.01),
    )
    sights = watch.sights()
    for _ in range(3):
        while not isinstance(next(sights), Frame):
            pass
        server.cut()
        while not isinstance(next(sights), Trouble):
            pass
    watch.close()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("rtsp://10.0.0.5/live", "rtsp://10.0.0.5"),
        ("rtsp://keeper:p@ss@10.0.0.5:8554/live?token=1", "rtsp://10.0.0.5:8554"),
        ("rtsps://u:p@[2001:db8::7]:322/x", "rtsps://[2001:db8::7]:322"),
        ("rtsp://cam/user=admin_password=x", "rtsp://cam"),
    ],
)
def test_only_the_host_is_shown(url: str, host: str) -> None:
    assert host_of(url) == host


def test_pictures_that_nobody_wants_are_not_converted(server: RtspServer) -> None:
    camera = _camera(server.address())
    frames = camera.frames()
    next(frames)
    camera.pace(5)
    for _ in range(2):
        next(frames)  # it may be of the time before
    times = [frame.at for frame in itertools.islice(frames, 3)]
    camera.close()
    assert all(other - one >= 0.2 * 0.7 for one, other in itertools.pairwise(times))


def test_noise_is_a_picture_too() -> None:
    server = RtspServer([noisy(1), noisy(2)])
    camera = _camera(server.address())
    assert next(camera.frames()).bgr.shape == (48, 64, 3)
    camera.close()
    server.close()
