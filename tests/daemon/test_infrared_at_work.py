"""The service with a second camera that is away: it says so, and lets nobody in."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.daemon.test_run import PATIENCE, configure, service


@pytest.mark.slow
def test_a_second_camera_that_is_away_is_told(tmp_path: Path) -> None:
    camera = {"driver": "files", "source": "hall.avi", "pacing": "real_time", "loop": True}
    configure(tmp_path, camera=camera | {"ir": "infrared.avi"}, liveness={"profile": "passive"})
    with service(tmp_path) as running:
        running.hears("READY=1")
        deadline = time.monotonic() + PATIENCE
        while (status := running.status())["state"] != "degraded":
            assert time.monotonic() < deadline, status
            time.sleep(0.1)
        (vision,) = (part for part in status["parts"] if part["name"] == "vision")
        assert vision["sentence"] == "Infrared: infrared.avi does not exist."
