"""Pictures dropped while exposure settles."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle, islice

import numpy as np
import pytest

from appliance.hardware.warm_up import LONGEST_S, WarmUp


def dropped(frames: int, levels: Iterable[float], interval: float = 0.1) -> int:
    """How many pictures of these brightnesses are dropped."""
    warm_up = WarmUp(frames)
    for number, level in enumerate(levels):
        picture = np.full((90, 160, 3), level, np.uint8)
        if not warm_up.drops(picture, number * interval):
            assert warm_up.over
            assert not warm_up.drops(np.zeros((90, 160, 3), np.uint8), 99.0)
            return number
    raise AssertionError("all dropped")


@pytest.mark.parametrize("frames", [0, 1, 2, 5, 15])
def test_of_a_steady_picture_as_many_as_asked(frames: int) -> None:
    assert dropped(frames, [100] * 20) == frames


def test_more_while_the_brightness_changes() -> None:
    rising = [10, 40, 80, 120, 150, 165, 172, 175, 176, 176, 176]
    assert dropped(2, rising) == 9


def test_what_never_settles_is_used_after_a_while() -> None:
    flicker = islice(cycle([50, 150]), 100)
    assert dropped(2, flicker, interval=0.1) == round(LONGEST_S / 0.1)


def test_as_many_as_asked_even_if_that_takes_longer() -> None:
    assert dropped(30, [100] * 40, interval=1.0) == 30


def test_zero_means_none_whatever_comes() -> None:
    assert dropped(0, [0, 255]) == 0


def test_a_tiny_picture_has_a_brightness_too() -> None:
    warm_up = WarmUp(1)
    assert warm_up.drops(np.zeros((1, 1, 3), np.uint8), 0.0)
    assert not warm_up.drops(np.zeros((1, 1, 3), np.uint8), 0.1)
