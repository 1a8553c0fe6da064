"""Damaged recordings and configs as they lie on a disk: refused in one sentence, or used."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import config
from appliance.errors import ConfigError, InputError
from appliance.hardware.files import FileCamera
from tests.conftest import ROOT
from tests.fakes import FakeClock
from tests.hardware.picture_files import write_video

# Where a byte is changed, as a share of the file's length, and what it becomes.
DAMAGE = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8)
CUT = st.none() | st.floats(0, 1)
MANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def damaged(good: bytes, damage: list[tuple[float, int]], cut: float | None) -> bytes:
    content = bytearray(good)
    for place, value in damage:
        content[int(place * len(content))] = value
    return bytes(content if cut is None else content[: int(cut * len(content))])


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("recording") / "good.avi"
    return write_video(path, [20, 90, 160, 230]).read_bytes()


@given(damage=DAMAGE, cut=CUT)
@MANY
def test_a_damaged_recording_is_refused_or_shows_pictures(
    recording: bytes, tmp_path: Path, damage: list[tuple[float, int]], cut: float | None
) -> None:
    path = tmp_path / "door.avi"
    path.write_bytes(damaged(recording, damage, cut))
    told = ""
    try:
        with closing(FileCamera([path], FakeClock())) as camera:
            for frame in camera.frames():
                assert frame.bgr.dtype == np.uint8
                assert frame.bgr.ndim == 3
    except InputError as error:
        told = f"{error.message} {error.hint}"
    assert "Traceback" not in told
    assert "\n" not in told


@given(damage=DAMAGE, cut=CUT)
@MANY
def test_a_damaged_config_is_refused_or_means_something(
    tmp_path: Path, damage: list[tuple[float, int]], cut: float | None
) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(damaged((ROOT / "config.yaml").read_bytes(), damage, cut))
    driver, told = None, str(path)
    try:
        driver = config.load(path).door.driver
    except ConfigError as error:
        told = error.message
    assert str(path) in told
    assert "\n" not in told
    assert driver is None  # every key of the door is commented out in it
