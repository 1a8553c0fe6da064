"""What docs/cameras.md says of drivers and limits is what the program does."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from appliance import assemble
from appliance.config import CameraConfig, Config
from appliance.hardware.gstreamer_camera import SENSORS
from appliance.hardware.steady import Backoff
from appliance.types import TroubleKind
from appliance.vision.scene import SceneLimits

TEXT = (Path(__file__).parent.parent / "docs" / "cameras.md").read_text(encoding="utf-8")
DRIVERS = get_args(CameraConfig.model_fields["driver"].annotation)


@pytest.mark.parametrize("driver", DRIVERS)
def test_each_driver_says_how_far_it_was_tried(driver: str) -> None:
    (row,) = (line for line in TEXT.splitlines() if line.startswith(f"| `{driver}` |"))
    source = "rtsp://door/x" if driver == "rtsp" else "0"
    camera = CameraConfig.model_validate({"driver": driver, "source": source})
    why = assemble.untested_camera(Config(camera=camera))
    assert f"untested: {why}" in row if why else "untested" not in row


def test_every_trouble_is_explained() -> None:
    for kind in TroubleKind:
        assert f"\n| `{kind.value}` |" in TEXT


def test_the_limits_are_those_of_the_program() -> None:
    limits, backoff = SceneLimits(), Backoff()
    longest = max(backoff.wait() for _ in range(20))
    for told in (
        f"grey level of {limits.dark:g} ",
        f"{limits.plain:g} grey levels apart",
        f"burnt out ({limits.burnt:g} and more)",
        f"same picture for {limits.frozen_s:g} s",
        f"for {limits.enter_s:g} s",
        f"below {limits.least_height} pixels",
        f"up to {longest:g} s",
    ):
        assert told in TEXT, told


def test_every_sensor_of_gstreamer_is_named() -> None:
    assert all(f"`{name}`" in TEXT for name in SENSORS)
