"""Who belongs to whom at the least total cost: the assignment problem, solved exactly. Pure.

Kuhn, "The Hungarian method for the assignment problem", Naval Research Logistics Quarterly 1955,
in the form with potentials and shortest augmenting paths (Jonker and Volgenant, Computing 1987).
A handful of faces a frame: the few lines need no library.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# What may not be paired.
NEVER = float("inf")


def assign(costs: NDArray[np.float64]) -> list[tuple[int, int]]:
    """(row, column) pairs, each row and column at most once, rows ascending.

    costs: (rows, columns), finite or NEVER. As many pairs as can be are made, and of these sets
    the cheapest.
    """
    if not costs.size:
        return []
    if costs.shape[0] > costs.shape[1]:
        return sorted((row, column) for column, row in assign(costs.T))
    allowed = np.isfinite(costs)
    # One pair that may not be costs more than all that may.
    spread = float(np.abs(costs[allowed]).sum()) if allowed.any() else 0.0
    columns = _columns(np.where(allowed, costs, 2 * spread + 1.0))
    return [(row, column) for row, column in enumerate(columns) if allowed[row, column]]


def _columns(costs: NDArray[np.float64]) -> list[int]:
    """The column of each row; rows are not more than columns, all costs finite."""
    rows, columns = costs.shape
    owner = np.full(columns, -1)
    of_row, of_column = np.zeros(rows), np.zeros(columns)
    for row in range(rows):
        _seat(row, costs, owner, of_row, of_column)
    return [int(np.flatnonzero(owner == row)[0]) for row in range(rows)]


def _seat(
    start: int,
    costs: NDArray[np.float64],
    owner: NDArray[np.int_],
    of_row: NDArray[np.float64],
    of_column: NDArray[np.float64],
) -> None:
    """Find a column for one more row, moving others along the cheapest chain (Dijkstra)."""
    columns = len(owner)
    distance, came_from = np.full(columns, np.inf), np.full(columns, -1)
    done = np.zeros(columns, bool)
    row, column, so_far = start, -1, 0.0
    while True:
        reduced = so_far + costs[row] - of_row[row] - of_column
        nearer = ~done & (reduced < distance)
        distance[nearer], came_from[nearer] = reduced[nearer], column
        column = int(np.argmin(np.where(done, np.inf, distance)))
        so_far = float(distance[column])
        done[column] = True
        if owner[column] < 0:
            break
        row = int(owner[column])
    seated = done & (owner >= 0)
    of_row[start] += so_far
    of_row[owner[seated]] += so_far - distance[seated]
    of_column[done] -= so_far - distance[done]
    while column >= 0:
        before = int(came_from[column])
        owner[column] = start if before < 0 else owner[before]
        column = before
