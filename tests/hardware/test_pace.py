"""Which frames pass when fewer are wanted than come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hardware.pace import EARLY, Pacer


def passed(pacer: Pacer, times: list[float]) -> list[float]:
    return [at for at in times if pacer.due(at)]


def test_without_a_pace_all_pass() -> None:
    assert passed(Pacer(), [0.0, 0.1, 0.1, 0.2]) == [0.0, 0.1, 0.1, 0.2]


def test_every_third_of_fifteen_is_five() -> None:
    pacer = Pacer()
    pacer.set(5)
    times = [number / 15 for number in range(15)]
    assert passed(pacer, times) == times[::3]


def test_a_jittering_camera_at_its_own_pace_loses_nothing() -> None:
    pacer = Pacer()
    pacer.set(15)
    random = np.random.default_rng(1)
    times = [number / 15 + float(random.uniform(-0.01, 0.01)) for number in range(1, 500)]
    assert passed(pacer, times) == times


def test_nobody_catches_up_on_frames_of_long_ago() -> None:
    pacer = Pacer()
    pacer.set(2)
    assert passed(pacer, [0.0, 10.0, 10.1, 10.2, 10.3, 10.4, 10.6]) == [0.0, 10.0, 10.4]


def test_another_pace_holds_at_once() -> None:
    pacer = Pacer()
    pacer.set(0.1)
    assert passed(pacer, [0.0, 1.0]) == [0.0]
    pacer.set(None)
    assert passed(pacer, [1.1, 1.2]) == [1.1, 1.2]


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_a_pace_must_be_above_zero(fps: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Pacer().set(fps)


@given(
    steps=st.lists(st.floats(0, 2), max_size=60),
    fps=st.floats(0.2, 60),
)
def test_never_more_than_the_pace(steps: list[float], fps: float) -> None:
    pacer = Pacer()
    pacer.set(fps)
    given_ = passed(pacer, list(np.cumsum(steps)))
    for first, one in enumerate(given_):
        for count, other in enumerate(given_[first:]):
            # So many frames later, so many intervals have passed but for the one that was early.
            assert (other - one) * fps >= count - EARLY - 1e-6 * max(other * fps, 1)
