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
# What the scores of all pictures for all people may take, and how many such tables there are while
# a temperature is looked for, besides one for each kind and for the nearest template.
_MOST_BYTES = 8 << 30
_TABLES = 6


@dataclass(frozen=True, eq=False)
class Material:
    """What is trained on.

    vectors: (rows, d) float32 unit vectors. classes: (rows,) int64 of 0..n-1, at least two rows
    of each. people: n names. left_out: the people who have too few pictures. copies: rows that
    have the same numbers as an earlier one, as of a picture that is there twice.
    """

    vectors: Floats
    classes: NDArray[np.int64]
    people: tuple[str, ...]
    origin: Origin
    left_out: tuple[str, ...] = ()
    copies: int = 0


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
    """A classifier, and what was measured.

    limit: from which similarity on somebody is known. limits: (n,) the same for the pictures of
    each person as if that person were not there (see `classifier_unknown.without_each`). held: of
    each kind, and of the nearest template.
    """

    classifier: Classifier
    limit: Limit
    limits: NDArray[np.float64]
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
    vectors, left_out = unit(found.vectors)[rows], set(there) - set(kept)
    return Material(
        vectors,
        place[labels][rows].astype(np.int64),
        tuple(found.people[who] for who in kept),
        Origin(found.model, found.fingerprint, found.dimensions),
        tuple(found.people[who] for who in sorted(left_out)),
        len(vectors) - len(np.unique(vectors, axis=0)),
    )


def train(
    known: Material, plan: Plan, calibration: Calibration | None, advance: Callable[[], None]
) -> Trained:
    """Hold pictures out to measure, then train on all of them.

    calibration: the model's own, where it is known. `advance` is called `steps(known, plan)` times.
    InputError `too_large` where the scores would not fit into memory.
    """
    _require_room(known, plan)
    folds = count_of(known.classes, plan.folds)
    held = validate(plan.kinds, known.vectors, known.classes, folds, plan.seed, advance)
    estimator = classifier_kinds.fit(plan.kind, known.vectors, known.classes, plan.seed)
    advance()
    likely = templates(known.vectors, known.classes, len(known.people))
    strangers = (known.vectors, known.classes, likely, plan.target_fpir, calibration)
    limit = classifier_unknown.limit(*strangers)
    classifier = Classifier(
        kind=plan.kind,
        people=known.people,
        estimator=estimator,
        templates=likely,
        temperature=temperature(held[plan.kind].scores, known.classes),
        least_similarity=limit.similarity,
        origin=known.origin,
    )
    return Trained(classifier, limit, classifier_unknown.without_each(*strangers), held, folds)


def _require_room(known: Material, plan: Plan) -> None:
    table = len(known.classes) * len(known.people) * 8
    needed = table * (len(plan.kinds) + 1 + _TABLES)
    if needed > _MOST_BYTES:
        raise InputError(
            f"The scores of {len(known.classes):,} pictures for {len(known.people):,} people take "
            f"{needed / (1 << 30):.1f} GiB of memory, more than {_MOST_BYTES >> 30}.",
            hint="Train on fewer people, such as those with many pictures (--min-pictures), or "
            "without --compare.",
            code="too_large",
        )


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
