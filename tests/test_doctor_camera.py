"""What doctor says of the camera, and what is told of an address that holds a password."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from appliance import assemble, doctor
from appliance.config import Config, parse
from appliance.doctor import Check, Status
from appliance.errors import CameraError, ConfigError
from appliance.types import Frame, Pixels
from tests.toys import Toy, ToyCamera, paint

LOGIN = "keeper:S3cret"
RTSP = f"{{driver: rtsp, source: 'rtsp://{LOGIN}@192.0.2.7:8554/S3cret?key=S3cret'}}"

Examine = Callable[..., Check]


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """What the camera's check finds in this picture."""

    def examined(picture: Pixels, camera: str = "{width: 320, height: 240}") -> Check:
        config = parse(f"store: {{path: {tmp_path / 'state'}}}\ncamera: {camera}")
        monkeypatch.setattr(
            assemble, "camera", lambda _: ToyCamera([Frame(picture, 0.0, "camera")])
        )
        return next(check for check in doctor.examine(config) if check.name == "camera")

    return examined


def test_a_camera_that_sees_is_told_with_its_size_and_that_its_driver_is_untested(
    examine: Examine,
) -> None:
    found = examine(paint(Toy(1)))
    assert found.status is Status.OK
    assert found.detail == (
        "/dev/video0 delivers 320 x 240; untested driver: it has never run with a camera"
    )


@pytest.mark.parametrize(
    ("level", "told"), [(3, "all dark"), (255, "burnt out"), (120, "something covered the lens")]
)
def test_a_camera_that_shows_nothing_is_told(examine: Examine, level: int, told: str) -> None:
    found = examine(np.full((240, 320, 3), level, np.uint8))
    assert found.status is Status.WARN
    assert told in found.detail
    assert found.hint


def test_another_size_than_asked_is_told_but_not_a_turned_one(examine: Examine) -> None:
    assert "not the 640 x 480" in examine(paint(Toy(1)), "{width: 640, height: 480}").detail
    assert "asked for" not in examine(paint(Toy(1)), "{width: 240, height: 320}").detail


def test_a_network_camera_is_told_of_and_its_password_is_not(examine: Examine) -> None:
    found = examine(paint(Toy(1)), RTSP)
    assert found.status is Status.WARN
    assert found.detail.startswith("rtsp://192.0.2.7:8554 delivers 320 x 240; untested driver")
    assert "nothing proves" in found.detail
    assert "S3cret" not in f"{found}"


def test_a_camera_that_fails_fails_the_check(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    del examine

    def gone(_: Config) -> ToyCamera:
        raise CameraError("The camera is gone.", hint="Look for it.")

    monkeypatch.setattr(assemble, "camera", gone)
    found = next(it for it in doctor.examine(Config()) if it.name == "camera")
    assert (found.status, found.detail, found.hint) == (
        Status.FAIL,
        "The camera is gone.",
        "Look for it.",
    )


@pytest.mark.parametrize(
    ("camera", "name"),
    [
        ("{driver: picamera2}", "sensor 0"),
        ("{driver: picamera2, source: 1}", "sensor 1"),
        ("{driver: picamera2, source: '1'}", "sensor 1"),
        ("{driver: gstreamer, source: 2}", "sensor 2"),
        ("{driver: gstreamer, source: 'v4l2src device=/dev/x key=S3cret ! a'}", "v4l2src"),
        (RTSP, "rtsp://192.0.2.7:8554"),
        ("{source: 3}", "/dev/video3"),
        ("{driver: files, source: clip.mp4}", "clip.mp4"),
    ],
)
def test_what_a_camera_is_called(camera: str, name: str) -> None:
    config = parse(f"camera: {camera}")
    assert assemble.camera_name(config) == name
    assert "S3cret" not in json.dumps(config.model_dump(mode="json"))
    # What was hidden can be read again by whoever is handed the config as JSON.
    assert Config.model_validate_json(config.model_dump_json()).camera.driver


@pytest.mark.parametrize(
    ("camera", "told"),
    [
        ("{driver: rtsp}", "must be an address such as rtsp://"),
        ("{driver: rtsp, source: 'http://keeper:S3cret@cam/x'}", "must be an address"),
        ("{driver: rtsp, source: '/srv/S3cret.mp4'}", "must be an address"),
        ("{driver: rtsp, source: 'rtsp://keeper:S3cret@/x'}", "must be an address"),
        ("{driver: rtsp, source: 'rtsp://keeper:S3cret@cam:99999/x'}", "must be an address"),
        ("{driver: rtsp, source: 'rtsp://keeper:S3cret@[cam/x'}", "must be an address"),
        (
            "{driver: rtsp, source: ['rtsp://keeper:S3cret@cam/x']}",
            "is expected, not what is written",
        ),
        ("{driver: rtsp, source: 'rtsp://keeper:p@S3cret/w@cam/x'}", "%2F"),
        ("{driver: rtsp, source: 'rtsp://S3cret:12/3@cam/x'}", "%2F"),
        ("{driver: rtsp, source: 'rtsp://S3cret:12#3@cam/x'}", "%23"),
        ("{driver: 'rtsp://keeper:S3cret@cam/x'}", "camera.driver"),
        ("{driver: picamera2, source: imx708}", "must be the number of the sensor"),
        ("{driver: picamera2, source: /dev/video0x}", "must be the number of the sensor"),
    ],
)
def test_a_source_that_does_not_suit_is_refused_without_repeating_it(
    camera: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        parse(f"camera: {camera}")
    assert "S3cret" not in f"{caught.value.message} {caught.value.hint}"
