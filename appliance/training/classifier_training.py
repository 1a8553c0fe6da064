"""Trains a classifier on a folder's embeddings, and measures it on pictures held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InputError
from appliance.training import classifier_kinds, classifier_unknown
from appliance.training.classifier import Classifier, Kind, Origin, templates, unit
from appliance.training.classifier_confidence import temperature
from appliance.training.classifier_unknown import Limit
from appliance.training.classifier_validation import Held, count_of, validate
from appliance.training.representations import Representations
from appliance.types import Floats
from appliance.vision.manifest import Calibration

FOLDS = 5
TARGET_FPIR = 0.01
# How many people a sentence names.
_NAMED = 3


@dataclass(frozen=True, eq=False)
class Material:
    """What is trained on.

    vectors: (rows, d) float32 unit vectors. classes: (rows,) int64 of 0..n-1, at least two rows
    of each. people: n names. left_out: the people who have too few pictures.
    """

    vectors: Floats
    classes: NDArray[np.int64]
    people: tuple[str, ...]
    origin: Origin
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is wanted. compared: further kinds that are measured and not kept."""

    kind: Kind
    compared: tuple[Kind, ...] = ()
    folds: int = FOLDS
    seed: int = 0
    target_fpir: float = TARGET_FPIR

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """All that are measured, the one that is kept first."""
        return (self.kind, *self.compared)


@dataclass(frozen=True, eq=False)
class Trained:
    """A classifier, and what was measured. held: of each kind, and of the nearest template."""

    classifier: Classifier
    limit: Limit
    held: dict[str, Held]
    folds: int


def material(found: Representations, where: str, least: int | None = None) -> Material:
    """The embeddings of everybody who has enough pictures.

    least: people with fewer pictures are left out; None: nobody is, and a person with a single
    picture is refused, for whoever is trained on that one cannot be measured. InputError also when
    fewer than two people are left.
    """
    labels = np.asarray(found.labels, np.int64) - 1
    counts = np.bincount(labels, minlength=len(found.people))
    there = [who for who in range(len(found.people)) if counts[who]]
    if least is None:
        _refuse_single([found.people[who] for who in there if counts[who] < 2], where)
    kept = [who for who in there if counts[who] >= (least or 2)]
    if len(kept) < 2:
        raise _too_few([found.people[who] for who in kept], len(there), where)
    place = np.full(len(found.people), -1)
    place[kept] = np.arange(len(kept))
    rows = place[labels] >= 0
    return Material(
        unit(found.vectors)[rows],
        place[labels][rows].astype(np.int64),
        tuple(found.people[who] for who in kept),
        Origin(found.model, found.fingerprint, found.dimensions),
        tuple(found.people[who] for who in there if who not in set(kept)),
    )


def train(
    known: Material, plan: Plan, calibration: Calibration | None, advance: Callable[[], None]
) -> Trained:
    """Hold pictures out to measure, then train on all of them.

    calibration: the model's own, where it is known. `advance` is called `steps(known, plan)` times.
    """
    folds = count_of(known.classes, plan.folds)
    held = validate(plan.kinds, known.vectors, known.classes, folds, plan.seed, advance)
    estimator = classifier_kinds.fit(plan.kind, known.vectors, known.classes, plan.seed)
    advance()
    likely = templates(known.vectors, known.classes, len(known.people))
    limit = classifier_unknown.limit(
        known.vectors, known.classes, likely, plan.target_fpir, calibration
    )
    classifier = Classifier(
        kind=plan.kind,
        people=known.people,
        estimator=estimator,
        templates=likely,
        temperature=temperature(held[plan.kind].scores, known.classes),
        least_similarity=limit.similarity,
        origin=known.origin,
    )
    return Trained(classifier, limit, held, folds)


def steps(known: Material, plan: Plan) -> int:
    """How often `train` reports progress."""
    return count_of(known.classes, plan.folds) * len(plan.kinds) + 1


def _refuse_single(names: Sequence[str], where: str) -> None:
    if not names:
        return
    some = ", ".join(repr(name) for name in names[:_NAMED]) + (", ..." if names[_NAMED:] else "")
    have = "have one picture each" if names[1:] else "has one picture"
    raise InputError(
        f"{some} {have} in {where}; a classifier is trained on two at least, so that it can be "
        "tried on one of them.",
        hint="Add pictures, or leave such people out with --min-pictures 2.",
        code="single_picture",
    )


def _too_few(kept: Sequence[str], there: int, where: str) -> InputError:
    if there < 2:
        told = f"{where} holds the pictures of one person; a classifier tells at least two apart."
    elif not kept:
        told = f"Nobody in {where} has as many pictures as --min-pictures asks for."
    else:
        told = f"Only {kept[0]!r} has as many pictures in {where} as --min-pictures asks for."
    return InputError(
        told, hint="Add a folder of pictures for each further person.", code="one_class"
    )
