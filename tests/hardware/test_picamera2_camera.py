"""The Raspberry Pi's cameras, with a sensor that stands for picamera2's."""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Iterator

import numpy as np
import pytest

from appliance.errors import CameraError
from appliance.hardware.clock import SystemClock
from appliance.hardware.latest import Format, Handling
from appliance.hardware.picamera2_camera import PicameraCamera, open_picamera2
from tests.hardware.fake_sensor import FakeRequest, FakeSensor
from tests.hardware.scripted_capture import noisy

HANDLING = Handling(warm_up_frames=0, timeout_s=2)


@pytest.fixture
def sensor() -> Iterator[FakeSensor]:
    sensor = FakeSensor()
    yield sensor
    assert not sensor.out, "requests that were never given back"


def _camera(sensor: FakeSensor) -> PicameraCamera:
    wanted = Format(640, 480, 30.0)
    return PicameraCamera(
        1, SystemClock(), wanted=wanted, handling=HANDLING, open_sensor=lambda _: sensor
    )


def test_what_is_asked_of_the_sensor(sensor: FakeSensor) -> None:
    camera = _camera(sensor)
    frame = next(camera.frames())
    camera.close()
    assert sensor.asked["main"] == {"size": (640, 480), "format": "RGB888"}
    assert sensor.asked["controls"] == {"FrameRate": 30.0}
    assert frame.source == "sensor 1"
    assert any(np.array_equal(frame.bgr, noisy(seed)) for seed in range(frame.sequence, 10_000))
    assert sensor.did == ["configure", "start", "stop", "close"]


def test_a_picture_that_nobody_wants_is_given_back_unread(
    sensor: FakeSensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = FakeRequest.make_array

    def noted(request: FakeRequest, name: str) -> object:
        read.append(name)
        return real(request, name)

    monkeypatch.setattr(FakeRequest, "make_array", noted)
    camera = _camera(sensor)
    camera.pace(0.001)
    next(camera.frames())
    before, given = len(read), sensor.given
    while sensor.given < given + 50:
        time.sleep(0.001)
    camera.close()
    assert len(read) <= before + 1  # one may have been on its way when the pace was set
    assert sensor.most_out == 1


def test_a_sensor_that_falls_silent_is_told() -> None:
    camera = _camera(FakeSensor(pictures=0))
    with pytest.raises(CameraError, match="sensor 1 delivered no picture"):
        next(camera.frames())
    camera.close()


@pytest.mark.parametrize("step", ["configure", "start"])
def test_a_sensor_that_does_not_start_is_told_and_given_back(step: str) -> None:
    sensor = FakeSensor(fails_at=step)
    with pytest.raises(CameraError, match=r"sensor 1 cannot be opened: Camera __init__") as caught:
        _camera(sensor)
    assert caught.value.exit_code == 4
    assert sensor.did[-1] == "close"


def test_a_sensor_that_cannot_be_given_back_is_told_to_whoever_reads_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    camera = _camera(FakeSensor(fails_at="stop"))
    next(camera.frames())
    camera.close()
    assert "sensor 1 could not be given back" in caplog.text


def test_a_sensor_that_fails_twice_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sensor = FakeSensor(fails_at="start")
    monkeypatch.setattr(sensor, "close", lambda: sensor._do("start"))
    with pytest.raises(CameraError, match="sensor 1 cannot be opened"):
        _camera(sensor)


def test_a_sensor_that_another_program_holds_is_told() -> None:
    def busy(_: int) -> FakeSensor:
        raise RuntimeError("Device or resource busy")

    with pytest.raises(CameraError, match="resource busy"):
        PicameraCamera(0, SystemClock(), open_sensor=busy)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(CameraError, match="picamera2 cannot be used") as caught:
        open_picamera2(0)
    assert "python3-picamera2" in caught.value.hint


@pytest.mark.parametrize(("count", "told"), [(0, "there is none"), (1, "there are 1, counted")])
def test_a_sensor_that_is_not_there(monkeypatch: pytest.MonkeyPatch, count: int, told: str) -> None:
    class Picamera2:
        @staticmethod
        def global_camera_info() -> list[str]:
            return ["imx708"] * count

        def __init__(self, number: int) -> None:
            assert number < count

    library = types.ModuleType("picamera2")
    library.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", library)
    with pytest.raises(CameraError, match=f"no sensor {count}: {told}"):
        open_picamera2(count)
    if count:
        assert isinstance(open_picamera2(0), Picamera2)
