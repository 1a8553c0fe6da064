"""Training by triplets until people who are held back no longer gain by it.

Batches as FaceNet's (arXiv:1503.03832, section 3.2): all pairs of one person's pictures as anchor
and positive, semi-hard negatives from the whole batch. Pictures of people with a single one are
among them, for they are strangers to everybody. Everything that is drawn comes from one seed, and
threads add numbers up in one order: the same call gives the same network, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.training.comparison import frr
from appliance.training.libraries import pytorch
from appliance.training.mining import MARGIN, semi_hard, squared_distances
from appliance.training.tail import Tail
from appliance.types import Floats

# The rate at which people who are held back say how far training has come.
STEERED_AT = 1e-3
# Faces that go through the network at a time where nothing is learnt.
_CHUNK = 512

People = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Faces:
    """What the trained part is fed with.

    features: (n, height, width, channels) float32 at the cut; mirrored: the same of the mirrored
    crops, None where they are not used; person: (n,) whose.
    """

    features: Floats
    person: People
    mirrored: Floats | None = None


@dataclass(frozen=True)
class Settings:
    """How to train. rate: Adam's step. batch: faces; each_person: of one person in it, at most.

    patience: epochs without a gain after which training ends.
    """

    margin: float = MARGIN
    epochs: int = 30
    patience: int = 8
    rate: float = 1e-4
    batch: int = 1800
    each_person: int = 40
    seed: int = 0
    threads: int = 2


@dataclass(frozen=True)
class Epoch:
    """What one pass gave; number 0 is the network as it was. loss: mean of all triplets.

    loss is None where there was none. frr: at STEERED_AT, of the people who steer, each of whom
    counts once: over pairs, those few with most of the pictures would steer alone. frr_pairs: over
    all their pairs.
    """

    number: int
    loss: float | None
    triplets: int
    frr: float
    frr_pairs: float


@dataclass(frozen=True)
class Fitted:
    """The course of training. best: its epoch with the lowest FRR, the earliest of equals."""

    epochs: tuple[Epoch, ...]
    best: Epoch
    interrupted: bool


def fit(
    tail: Tail, train: Faces, steer: Faces, settings: Settings, tell: Callable[[Epoch], None]
) -> Fitted:
    """Train `tail`, and leave it as it was in its best epoch. tell: hears of every epoch.

    Ctrl-C ends training and not more: what was best so far stays. Before the first epoch is done
    there is nothing to keep, and KeyboardInterrupt goes on.
    """
    torch = pytorch()
    generator = np.random.default_rng(settings.seed)
    with _repeatable(settings):
        optimiser = torch.optim.Adam(tail.parameters.values(), lr=settings.rate)
        epochs = [Epoch(0, None, 0, *_judged(tail, steer))]
        tell(epochs[0])
        best, kept, interrupted = epochs[0], tail.snapshot(), False
        try:
            while epochs[-1].number - best.number < settings.patience:
                if epochs[-1].number >= settings.epochs:
                    break
                loss, count = _pass(tail, train, settings, optimiser, generator)
                done = Epoch(len(epochs), loss, count, *_judged(tail, steer))
                if done.frr < best.frr:
                    best, kept = done, tail.snapshot()
                epochs.append(done)
                tell(done)
        except KeyboardInterrupt:
            if len(epochs) == 1:
                raise
            interrupted = True
    tail.restore(kept)
    return Fitted(tuple(epochs), best, interrupted)


@contextmanager
def _repeatable(settings: Settings) -> Iterator[None]:
    """Threads that add gradients up in whatever order they come would change the last digits."""
    torch = pytorch()
    threads = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)


def embedded(tail: Tail, features: Floats) -> Floats:
    """(n, dimensions) unit vectors of (n, height, width, channels) features."""
    torch = pytorch()
    with torch.no_grad():
        parts = [
            tail(torch.from_numpy(np.ascontiguousarray(features[first : first + _CHUNK]))).numpy()
            for first in range(0, len(features), _CHUNK)
        ]
    return np.asarray(np.concatenate(parts), np.float32)


def _judged(tail: Tail, steer: Faces) -> tuple[float, float]:
    """FRR of the people who steer, over people and over pairs."""
    vectors = _numbers(embedded(tail, steer.features))
    rejected = frr(vectors, steer.person, STEERED_AT)
    return rejected.people, rejected.pairs


def _numbers(vectors: Floats) -> Floats:
    """The same. InputError where training has left the numbers behind: nothing is learnt there."""
    if not np.isfinite(vectors).all():
        raise InputError(
            "Training went astray: the network gives values that are no finite numbers.",
            hint="Take smaller steps: a lower --rate.",
            code="training_diverged",
        )
    return vectors


def _pass(
    tail: Tail, train: Faces, settings: Settings, optimiser: Any, generator: np.random.Generator
) -> tuple[float | None, int]:
    """One pass: (mean cost of a triplet, how many there were)."""
    torch = pytorch()
    total, count = 0.0, 0
    for rows in batches(train.person, settings, generator):
        features = torch.from_numpy(_drawn(train, rows, generator))
        embedding = tail(features)
        vectors = _numbers(embedding.detach().numpy())
        found = semi_hard(squared_distances(vectors), train.person[rows], settings.margin)
        if not len(found):
            continue
        loss = triplet_loss(embedding, found.anchor, found.positive, found.negative, settings)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(found)
        count += len(found)
    return (total / count if count else None), count


def triplet_loss(
    embedding: Any, anchor: People, positive: People, negative: People, settings: Settings
) -> Any:
    """Mean of max(0, |a-p|^2 - |a-n|^2 + margin). embedding: (n, dimensions) PyTorch, unit rows."""
    here, same, other = (embedding[_rows(rows)] for rows in (anchor, positive, negative))
    near = ((here - same) ** 2).sum(dim=1)
    far = ((here - other) ** 2).sum(dim=1)
    return (near - far + settings.margin).clamp(min=0).mean()


def _rows(rows: People) -> Any:
    return pytorch().from_numpy(rows)


def batches(
    person: People, settings: Settings, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Rows of one pass's batches, about `settings.batch` each, everybody with two pictures once.

    The people with one picture are dealt out over the batches, as many as there is room for.
    """
    people, inverse, counts = np.unique(person, return_inverse=True, return_counts=True)
    several = generator.permutation(np.flatnonzero(counts >= 2))
    alone = generator.permutation(np.flatnonzero(counts[inverse] == 1))
    sizes = np.minimum(counts[several], settings.each_person)
    number = max(1, round(float(sizes.sum() + alone.size) / settings.batch))
    number = min(number, max(len(several) // 2, 1))  # one person alone has no strangers
    of_rows = [np.flatnonzero(inverse == one) for one in range(len(people))]
    for some, others in zip(
        np.array_split(several, number), np.array_split(alone, number), strict=True
    ):
        rows = [
            generator.permutation(of_rows[one])[: settings.each_person] for one in some.tolist()
        ]
        room = max(settings.batch - sum(map(len, rows)), 0)
        yield np.concatenate([*rows, others[:room]]).astype(np.int64)


def _drawn(train: Faces, rows: NDArray[np.int64], generator: np.random.Generator) -> Floats:
    """The faces of a batch, each as it is or mirrored."""
    features = train.features[rows]
    if train.mirrored is not None:
        flip = generator.random(len(rows)) < 0.5
        features[flip] = train.mirrored[rows[flip]]
    return np.ascontiguousarray(features)
