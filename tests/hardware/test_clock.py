"""The system's clock."""

from __future__ import annotations

from datetime import timedelta

from appliance.hardware.clock import SystemClock
from appliance.ports import Clock


def test_it_moves_forward_and_knows_its_time_zone() -> None:
    clock: Clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.01)
    clock.sleep(-1)
    assert clock.monotonic() - before >= 0.01
    assert clock.now().utcoffset() == timedelta(0)
