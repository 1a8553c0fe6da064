from __future__ import annotations

import pytest

from appliance.errors import ConfigError, HardwareError
from appliance.hardware.steady_keys import RETRY_S, SteadyKeys
from tests.fakes import FakeClock


class _Keys:
    trouble = "The keypad is tired."

    def __init__(self) -> None:
        self.closed = 0

    def next_key(self, timeout: float) -> str | None:
        return "7"

    def close(self) -> None:
        self.closed += 1


def test_a_keypad_that_cannot_be_had_is_tried_again_now_and_then() -> None:
    clock, inner = FakeClock(), _Keys()
    tries: list[float] = []

    def open_keys() -> _Keys:
        tries.append(clock.monotonic())
        if len(tries) < 3:
            raise HardwareError("Line 4 is in use.")
        return inner

    keys = SteadyKeys(open_keys, clock)
    assert keys.trouble == "Line 4 is in use."
    found = [keys.next_key(0.5) for _ in range(50)]
    assert tries == [0.0, RETRY_S, 2 * RETRY_S]
    assert found == [None] * 40 + ["7"] * 10
    assert keys.trouble == "The keypad is tired."
    keys.close()
    keys.close()
    assert inner.closed == 1
    clock.advance(60)
    assert keys.next_key(0.5) is None
    assert len(tries) == 3


def test_a_mistake_in_the_config_leaves() -> None:
    def open_keys() -> _Keys:
        raise ConfigError("A line stands twice.")

    with pytest.raises(ConfigError):
        SteadyKeys(open_keys, FakeClock())
