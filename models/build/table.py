"""One table over all embedders: the same faces, the same pairs, the same clock.

One picture against one picture, over all pairs of people of whom there are several pictures:
quantisers are calibrated on people with a single one. The false-reject rates are those at
thresholds set on these very pairs, so that they compare networks; what a door does at the shipped
thresholds is `appliance evaluate lfw`'s to tell.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.evaluation.dataset import Pair
from appliance.evaluation.rates import Rate, Trials, folded_accuracy
from models.build.contenders import Contender, contenders
from models.build.gallery import Gallery, Vectors, embedded, find_faces
from models.build.job import Job

TARGETS = (1e-3, 1e-4, 1e-5)
# A rate is told where at least so many pairs of strangers pass the threshold.
LEAST_FALSE_ACCEPTS = 10
ROUNDS = 60

Scores = NDArray[np.float32]


def print_table(job: Job) -> None:
    """Measure all contenders and print one line for each."""
    gallery = find_faces(job)
    compare(list(contenders(job)), gallery, job.cache)


def compare(
    entered: Sequence[Contender], gallery: Gallery, cache: Path, rounds: int = ROUNDS
) -> None:
    """Print one line for each contender: what it does on the gallery's faces, what it costs.

    rounds: how often each is timed.
    """
    judged = of_several(gallery.person)
    person = gallery.person[judged]
    people = len(np.unique(person))
    click.echo(f"Error rates on {len(person)} faces of the {people} people with several.")
    header = ["", "aligned by", *(f"FRR@{far:.0e}" for far in TARGETS), "95 % at 1e-04", "accuracy"]
    rows = [[*header, "ms to align", "ms to embed", "bytes"]]
    vectors = [embedded(contender, gallery, cache) for contender in entered]
    times = milliseconds(entered, gallery, rounds)
    for contender, found, taken in zip(entered, vectors, times, strict=True):
        rates = _rates(false_rejects(found[judged], person))
        costs = [*(f"{each:.2f}" for each in taken), str(contender.size)]
        rows.append([*_names(contender), *rates, _accuracy(found, gallery), *costs])
    print_columns(rows)
    click.echo("* not shipped. Times: medians on one thread, taken in turns.")


def of_several(person: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which faces are of people with more than one, (n,); person: (n,) whose each is."""
    people, counts = np.unique(person, return_counts=True)
    return np.isin(person, people[counts > 1])


def false_rejects(vectors: Vectors, person: NDArray[np.int64]) -> dict[float, Rate | None]:
    """Return the false-reject rate at each false-accept rate of `TARGETS`, with its interval.

    vectors: (n, dimensions); person: (n,) whose each is. Every pair counts once. None where the
    pairs of strangers are too few to tell. The interval, by a bootstrap over people, takes the
    threshold for given.
    """
    scores = likenesses(vectors, vectors)
    once = np.triu(np.ones(scores.shape, bool), 1)
    same = person[:, None] == person[None, :]
    row = np.nonzero(once & same)[0]
    whose = np.unique(person, return_inverse=True)[1].astype(np.int32)
    genuine = Trials(scores[once & same], whose[row], whose[row], int(whose.max()) + 1)
    impostors = np.sort(scores[once & ~same])
    rates: dict[float, Rate | None] = {}
    for far in TARGETS:
        passing = int(far * impostors.size)
        if passing < LEAST_FALSE_ACCEPTS:
            rates[far] = None
            continue
        # Just above the best of those that must not pass.
        threshold = np.nextafter(impostors[-1 - passing], np.float32(np.inf))
        rates[far] = genuine.rejected(float(threshold))
    return rates


def likenesses(one: Vectors, other: Vectors) -> Scores:
    """Return (n, m) scores of n against m vectors: minus their squared Euclidean distance.

    Of unit vectors that is twice the cosine less two, so it orders pairs as the cosine does.
    """
    lengths = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None, :]
    return np.asarray(2 * (one @ other.T) - lengths, np.float32)


def pair_scores(vectors: Vectors, gallery: Gallery, pairs: Sequence[Pair]) -> Scores:
    """Return (pairs,) scores of pairs.txt; -inf where no face was found in one of the pictures."""
    row = {int(picture): number for number, picture in enumerate(gallery.picture)}
    scores = np.full(len(pairs), -np.inf, np.float32)
    for number, pair in enumerate(pairs):
        if pair.one in row and pair.other in row:
            apart = vectors[row[pair.one]] - vectors[row[pair.other]]
            scores[number] = -(apart @ apart)
    return scores


def milliseconds(
    entered: Sequence[Contender], gallery: Gallery, rounds: int
) -> list[tuple[float, float]]:
    """Return each contender's median times to align and to embed one face.

    They take turns, so load hits all alike.
    """
    cv2.setNumThreads(1)
    times: list[list[tuple[float, float]]] = [[] for _ in entered]
    for number in np.linspace(0, len(gallery) - 1, rounds).astype(int):
        bgr, face = gallery.face(number)
        for contender, taken in zip(entered, times, strict=True):
            begun = time.perf_counter()
            crop = contender.crop(bgr, face)
            aligned = time.perf_counter()
            contender.embed(crop)
            done = time.perf_counter()
            taken.append((1e3 * (aligned - begun), 1e3 * (done - aligned)))
    medians = [np.median(taken, axis=0) for taken in times]
    return [(float(align), float(embed)) for align, embed in medians]


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns, the first two to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _names(contender: Contender) -> list[str]:
    return [contender.name + ("" if contender.shipped else " *"), contender.aligned_by]


def _rates(rates: Mapping[float, Rate | None]) -> list[str]:
    told = [f"{rate.value:.2%}" if rate else "too few" for rate in rates.values()]
    middle = rates[1e-4]
    return [*told, f"{middle.interval[0]:.1%} to {middle.interval[1]:.1%}" if middle else ""]


def _accuracy(vectors: Vectors, gallery: Gallery) -> str:
    """Return the n-fold accuracy on pairs.txt, where it lies beside the pictures."""
    pairs = gallery.dataset.pairs
    folds = np.array([pair.fold for pair in pairs], np.int64)
    if len(np.unique(folds)) < 2:
        return "no pairs"
    same = np.array([pair.same for pair in pairs])
    mean, _, _ = folded_accuracy(pair_scores(vectors, gallery, pairs), same, folds)
    return f"{mean:.2%}"
