"""Embeddings on a plane: by their principal components, and by t-SNE.

The principal components keep distances as well as a plane can; t-SNE (van der Maaten and Hinton,
2008) keeps neighbours and tells nothing by the distance between groups.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from appliance.evaluation import det
from appliance.evaluation.sheet import FAINT, INK, LINE
from appliance.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Ten that are told apart also with the commoner kinds of colour blindness, with their shapes
# (after Paul Tol's muted scheme).
_COLOURS = (
    *("#332288", "#cc6677", "#117733", "#ddaa33", "#88ccee"),
    *("#882255", "#44aa99", "#999933", "#aa4499", "#4477aa"),
)
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
_REST = "#c9d1d9"
_LONGEST_NAME = 26
_PERPLEXITY = 30.0

check = det.check

_Plane = NDArray[np.float64]


def draw(
    path: Path, vectors: Floats, classes: NDArray[np.int64], people: Sequence[str], heading: str
) -> None:
    """Write the picture. InputError where that fails. check(path) has passed.

    vectors: (rows, d) unit vectors. The ten people with most pictures have a colour and a shape.
    """
    from matplotlib.figure import Figure

    shown = [int(it) for it in np.argsort(-np.bincount(classes), kind="stable")][: len(_COLOURS)]
    by_parts, kept = components(vectors)
    figure = Figure(figsize=(12.6, 6.2), dpi=150, facecolor="white")
    left = figure.add_axes((0.02, 0.13, 0.4, 0.74))
    right = figure.add_axes((0.44, 0.13, 0.4, 0.74))
    for axes, plane, title in (
        (left, by_parts, f"Principal components ({100 * kept:.0f} % of the variance)"),
        (right, neighbours(vectors), "t-SNE"),
    ):
        _scatter(axes, plane, classes, people, shown)
        axes.set_title(title, loc="left", fontsize=10, color=FAINT)
    figure.text(0.02, 0.975, heading, va="top", fontsize=12.5, color=INK, fontweight="bold")
    right.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.02),
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
        handletextpad=0.3,
    )
    caption = (
        f"{len(classes):,} pictures of {len(people):,} people"
        + (f", the {len(shown)} with most pictures in colour" if people[len(shown) :] else "")
        + ". Distances on the left are those between the embeddings as far as a plane shows them; "
        "on the right only who is near to whom has a meaning."
    )
    figure.text(
        0.02, 0.09, "\n".join(textwrap.wrap(caption, 190)), va="top", fontsize=8, color=FAINT
    )
    det.save(figure, path)


def components(vectors: Floats) -> tuple[_Plane, float]:
    """(rows, 2) the first two principal components, and the share of the variance they keep."""
    from sklearn.decomposition import PCA

    parts = min(2, *vectors.shape)
    found = PCA(parts, svd_solver="full").fit(vectors)
    plane = np.zeros((len(vectors), 2))
    plane[:, :parts] = found.transform(vectors)
    return plane, float(np.sum(found.explained_variance_ratio_))


def neighbours(vectors: Floats) -> _Plane:
    """(rows, 2) by t-SNE, begun from the principal components, so that it is always the same."""
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    start = components(vectors)[0]
    start = (start / max(float(start[:, 0].std()), 1e-12) * 1e-4).astype(np.float32)
    found = TSNE(2, perplexity=perplexity, init=start, random_state=0).fit_transform(vectors)
    return np.asarray(found, np.float64)


def _scatter(
    axes: Axes,
    plane: _Plane,
    classes: NDArray[np.int64],
    people: Sequence[str],
    shown: Sequence[int],
) -> None:
    others = ~np.isin(classes, shown)
    if others.any():
        x, y = plane[others].T
        axes.scatter(x, y, s=5, color=_REST, linewidths=0, label="all others")
    for who, colour, shape in zip(shown, _COLOURS, _SHAPES, strict=False):
        x, y = plane[classes == who].T
        axes.scatter(
            x,
            y,
            s=22,
            color=colour,
            marker=shape,
            linewidths=0.4,
            edgecolors="white",
            label=_short(people[who]),
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    for side in axes.spines.values():
        side.set_color(LINE)


def _short(name: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in name)
    cut = shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 3]}..."
    # A dollar sign would begin a formula, and a leading underscore hide it from the legend.
    return cut.replace("$", r"\$").replace("_", " ").strip() or "?"
