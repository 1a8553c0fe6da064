"""Whom a new template looks like: somebody enrolled under another name, or not its predecessor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from appliance.matching import applicable, judged
from appliance.types import Person, Template
from appliance.vision.manifest import Calibration

# Two strangers' templates look alike this often, which is worth a look at the two.
REMARKABLE_FAR = 1e-3


@dataclass(frozen=True)
class Likeness:
    """How alike two templates are.

    similarity: cosine of the two means. far: the share of strangers who come this close, or a
    bound of it where fewer were measured. accepted: the one would be let in as the other at the
    door's target rate.
    """

    name: str
    similarity: float
    far: float
    accepted: bool
    far_is_bound: bool


def likeness(
    new: Template, person: Person, calibration: Calibration, target_far: float, off: float = 0.0
) -> Likeness | None:
    """Compare with one person; None when the fingerprints differ: that is never compared.

    off: the handicap of the new template's faces.
    """
    old = person.template
    if old.fingerprint != new.fingerprint:
        return None
    similarity = float(new.mean @ old.mean)
    match = judged(similarity, applicable(calibration, old.count, new.count), target_far, off)
    return Likeness(person.name, similarity, match.far, match.accepted, match.far_is_bound)


def look_alikes(
    new: Template,
    others: Iterable[Person],
    calibration: Calibration,
    target_far: float,
    off: float = 0.0,
) -> list[Likeness]:
    """Those who are remarkably like the new template, most similar first."""
    compared = (likeness(new, person, calibration, target_far, off) for person in others)
    found = [it for it in compared if it and (it.accepted or it.far <= REMARKABLE_FAR)]
    return sorted(found, key=lambda item: -item.similarity)
