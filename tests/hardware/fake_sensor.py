"""A sensor in the place of picamera2's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from appliance.hardware.picamera2_camera import Request
from tests.hardware.scripted_capture import noisy


class FakeRequest:
    """A finished picture whose rows are padded; it counts how many are out."""

    def __init__(self, seed: int, out: set[int]) -> None:
        self._seed = seed
        self._out = out
        out.add(seed)

    def make_array(self, name: str) -> Any:
        assert name == "main"
        padded = np.zeros((48, 80, 3), np.uint8)
        padded[:, :64] = noisy(self._seed)
        return padded[:, :64]

    def release(self) -> None:
        self._out.remove(self._seed)


class FakeSensor:
    """What picamera2 does, as far as it is used: one request after the other."""

    def __init__(self, *, fails_at: str = "", pictures: int = 10_000) -> None:
        self._fails_at = fails_at
        self._left = pictures
        self.given = 0
        self.did: list[str] = []
        self.asked: dict[str, Any] = {}
        self.out: set[int] = set()
        self.most_out = 0

    def _do(self, what: str) -> None:
        self.did.append(what)
        if what == self._fails_at:
            raise RuntimeError("Camera __init__ sequence did not complete.")

    def create_video_configuration(self, **settings: Any) -> Mapping[str, Any]:
        self.asked = settings
        return settings

    def configure(self, configuration: Mapping[str, Any]) -> None:
        assert configuration is self.asked
        self._do("configure")

    def start(self) -> None:
        self._do("start")

    def capture_request(self, *, wait: float) -> Request:
        assert wait > 0
        self._left -= 1
        if self._left < 0:
            raise TimeoutError
        time.sleep(0.001)
        request = FakeRequest(self.given, self.out)
        self.given += 1
        self.most_out = max(self.most_out, len(self.out))
        return request

    def stop(self) -> None:
        self._do("stop")

    def close(self) -> None:
        self._do("close")
