"""The cheapest pairs, compared with SciPy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from appliance.tracking.assignment import NEVER, assign


@st.composite
def matrices(draw: st.DrawFn) -> NDArray[np.float64]:
    rows, columns = draw(st.integers(0, 5)), draw(st.integers(0, 5))
    numbers = st.integers(0, 9).map(float)
    cells = draw(st.lists(numbers, min_size=rows * columns, max_size=rows * columns))
    return np.array(cells, np.float64).reshape(rows, columns)


@settings(deadline=None)
@given(matrices())
def test_no_set_of_pairs_is_cheaper_than_the_one_found(costs: NDArray[np.float64]) -> None:
    pairs = assign(costs)
    best = linear_sum_assignment(costs)
    assert len(pairs) == min(costs.shape)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert sum(costs[pair] for pair in pairs) == costs[best].sum()


def test_the_nearest_is_given_up_for_the_least_sum() -> None:
    # Greedy would take 1 and be left with 9.
    assert assign(np.array([[1.0, 2.0], [2.0, 9.0]])) == [(0, 1), (1, 0)]


def test_what_may_not_be_paired_is_left_alone() -> None:
    costs = np.array([[NEVER, 0.5], [NEVER, 0.1]])
    assert assign(costs) == [(1, 1)]
    assert assign(np.full((2, 3), NEVER)) == []


def test_as_many_pairs_as_can_be_are_made_although_fewer_would_cost_less() -> None:
    assert assign(np.array([[0.0, 100.0], [1.0, NEVER]])) == [(0, 1), (1, 0)]
