from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from appliance.debounce import Debounced, debounce

HOLD = 0.05


def values(*readings: tuple[float, bool]) -> list[bool | None]:
    """What counts after each reading."""
    state, seen = Debounced(), []
    for now, reading in readings:
        state = debounce(state, reading, now, HOLD)
        seen.append(state.value)
    return seen


def test_nothing_is_known_before_a_reading_has_stood() -> None:
    assert values((0, True), (0.02, True), (0.05, True)) == [None, None, True]


def test_bouncing_is_not_told() -> None:
    settled = [(0.0, False), (0.05, False)]
    bouncing = [(0.1 + n / 100, n % 2 == 0) for n in range(6)]
    after = [(0.2, True), (0.24, True), (0.26, True)]
    assert values(*settled, *bouncing, *after) == [None, False, *[False] * 6, False, False, True]


def test_a_disturbance_shorter_than_the_hold_is_forgotten() -> None:
    assert values((0, False), (1, False), (1.02, True), (1.04, False), (1.09, True)) == [
        None,
        *[False] * 4,
    ]


@given(st.lists(st.tuples(st.floats(0, 0.2), st.booleans()), max_size=60))
def test_what_counts_stood_and_alternates(steps: list[tuple[float, bool]]) -> None:
    state, now, history = Debounced(), 0.0, []
    for wait, reading in steps:
        now += wait
        before, state = state, debounce(state, reading, now, HOLD)
        history.append((now, reading))
        if state.value is not before.value:
            # All readings of the hold before now agree with what counts now, and reach back.
            stood = history[::-1]
            agreeing = []
            for at, level in stood:
                if level is not state.value:
                    break
                agreeing.append(at)
            assert now - agreeing[-1] >= HOLD
            edges = [before.value, state.value]
            assert all(one is not other for one, other in pairwise(edges))
            assert state.value is not None
