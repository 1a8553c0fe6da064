"""Embeddings against a template, and what a similarity is worth as a false-accept rate.

The similarity is the cosine. A calibration curve, measured on other people, says for a number of
enrolled and of probe pictures at which false-accept rate each similarity would be the threshold.
Config only ever states the rate (`verification.target_far`); the threshold follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from appliance.errors import ModelError, StoreError
from appliance.types import Embedding, Floats, Match, Person, Quality, Template
from appliance.vision.manifest import Calibration, Curve, Handicap

# Frames of one attempt must show one person: pairs of pictures agree when they reach the
# similarity that two strangers reach with this probability.
AGREEMENT_FAR = 1e-3


def fused(vectors: Sequence[Floats]) -> Floats:
    """(dimensions,) the normalised mean of (dimensions,) unit vectors."""
    mean = np.mean(np.stack(list(vectors)), axis=0)
    norm = float(np.linalg.norm(mean))
    if norm < 1e-6:
        raise ModelError("The frames of this face point into opposite directions; nothing is left.")
    return np.asarray(mean / norm, dtype=np.float32)


def make_template(embeddings: Sequence[Embedding], model: str) -> Template:
    """A template of at least one embedding; all must share one fingerprint."""
    prints = {item.fingerprint for item in embeddings}
    if len(prints) != 1:
        raise ModelError("A template needs at least one embedding, all of one model.")
    vectors = np.stack([item.vector for item in embeddings])
    return Template(vectors, fused(list(vectors)), model, prints.pop())


def similarity(template: Template, probes: Sequence[Embedding]) -> float:
    """Cosine between the template's mean and the probes' mean.

    StoreError when a fingerprint differs: vectors of another model are never compared.
    """
    if any(probe.fingerprint != template.fingerprint for probe in probes):
        raise StoreError(
            f"This template was made with another model or alignment ({template.model}).",
            hint="Enrol the person again with the configured model: `appliance enroll --replace`.",
            code="other_model",
        )
    return float(np.dot(template.mean, fused([probe.vector for probe in probes])))


class Claimed:
    """1:1: the probes against the one person who is claimed."""

    def __init__(self, person: Person, again: Callable[[], Person | None] | None = None) -> None:
        """again: looks the person up anew, so that one removed meanwhile is not let in."""
        self._person = person
        self._again = again
        self.count = person.template.count

    def require(self, fingerprint: str, model: str) -> None:
        """StoreError unless the template was made by the configured model and alignment."""
        require(self._person, fingerprint, model)

    def match(
        self, probes: Sequence[Embedding], calibration: Calibration, target_far: float
    ) -> Match:
        """Compare the fused probes of one attempt with the person's template.

        StoreError when the person was removed or enrolled anew since the attempt began.
        """
        now = self._again() if self._again else self._person
        if now is None or not _is_the_same(now, self._person):
            raise StoreError(
                f"{self._person.name!r} was removed or enrolled anew during this attempt.",
                hint="Try again.",
                code="changed_meanwhile",
            )
        return compare(self._person.template, probes, calibration, target_far)


class Anybody:
    """1:N: the probes against everybody; `candidates` afterwards, most similar first.

    With N people each comparison gets an N-th of the target false-accept rate (Bonferroni), so
    that the rate holds for all of them together.
    """

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = people
        self.count = min((person.template.count for person in people), default=0)
        self.candidates: list[tuple[str, Match]] = []

    def require(self, fingerprint: str, model: str) -> None:
        """StoreError unless all templates were made by the configured model and alignment."""
        for person in self._people:
            require(person, fingerprint, model)

    def match(
        self, probes: Sequence[Embedding], calibration: Calibration, target_far: float
    ) -> Match:
        """The match of the most similar person."""
        each = target_far / len(self._people)
        found = [
            (person.name, compare(person.template, probes, calibration, each))
            for person in self._people
        ]
        self.candidates = sorted(found, key=lambda item: -item[1].similarity)
        return self.candidates[0][1]


def _is_the_same(one: Person, other: Person) -> bool:
    # Not by the date alone: a clock may stand still or be set back.
    same_face = np.array_equal(one.template.vectors, other.template.vectors)
    return same_face and one.updated == other.updated


def require(person: Person, fingerprint: str, model: str) -> None:
    """Refuse a template of another model or alignment before anything is compared with it."""
    template = person.template
    if template.fingerprint != fingerprint:
        raise StoreError(
            f"The template of {person.name!r} was made with {template.model} "
            f"({template.fingerprint}), but the configured model is {model} ({fingerprint}); "
            "they cannot be compared.",
            hint="Enrol the person again with `--replace`, or configure the former model.",
            code="other_model",
        )


def compare(
    template: Template,
    probes: Sequence[Embedding],
    calibration: Calibration,
    target_far: float,
) -> Match:
    """Compare the fused probes of one attempt with a template.

    The worst probe's handicap raises the threshold, and is taken off before the similarity is
    looked up as a false-accept rate.
    """
    curves = applicable(calibration, template.count, len(probes))
    off = max((handicap(calibration, probe.quality) for probe in probes), default=0.0)
    return judged(similarity(template, probes), curves, target_far, off)


def judged(value: float, curves: Sequence[Curve], target_far: float, off: float) -> Match:
    """What a cosine is worth. curves: those that bound it; off: the handicap, in similarity."""
    worst = max(curves, key=lambda curve: false_accept_rate(curve, value - off))
    return Match(
        similarity=value,
        threshold=max(threshold(curve, target_far) for curve in curves) + off,
        target_far=target_far,
        far=false_accept_rate(worst, value - off),
        handicap=off,
        far_is_bound=value - off >= worst.similarity[-1],
    )


def handicap(calibration: Calibration, quality: Quality | None) -> float:
    """By how much strangers look more alike when a face is as small or unsharp as this one.

    Measured with both faces that poor, which is the worst case: a poor face is *less* like a
    stranger's good one. So the probe alone decides. A face whose quality nobody measured pays as
    the poorest one that was.
    """
    if quality is None:
        return max((curve.similarity[-1] for curve in calibration.handicaps.values()), default=0.0)
    values = {"eye_distance": quality.eye_distance, "sharpness": quality.sharpness}
    off = [_taken_off(curve, values[measure]) for measure, curve in calibration.handicaps.items()]
    return max(off, default=0.0)


def _taken_off(curve: Handicap, value: float) -> float:
    """The handicap at a value; below the poorest one measured it goes on rising as it did there."""
    if value >= curve.value[-1]:
        return float(np.interp(-value, -np.asarray(curve.value), curve.similarity))
    (near, far), (less, most) = curve.value[-2:], curve.similarity[-2:]
    return most + (far - value) * (most - less) / (near - far)


def agreement(calibration: Calibration) -> float:
    """The cosine that two frames of one attempt must reach to be one person's."""
    return max(threshold(curve, AGREEMENT_FAR) for curve in applicable(calibration, 1, 1))


def applicable(calibration: Calibration, enrolled: int, probes: int) -> list[Curve]:
    """The curves that bound a comparison; the strictest of them counts.

    Frames of one recording look alike: they are worth something between one picture and as many
    independent ones, so the curves of fewer enrolled and of fewer probe pictures apply as well,
    and between two measured numbers of enrolled pictures also the larger one's.
    """
    curves = list(calibration.curves.values())
    most = max(c.enrolled for c in curves)
    next_ = min((c.enrolled for c in curves if c.enrolled >= enrolled), default=most)
    least = min(c.probes for c in curves)
    chosen = [c for c in curves if c.enrolled <= next_ and c.probes <= max(probes, least)]
    if not chosen:
        raise ModelError("The model's calibration holds no curve for this comparison.")
    return chosen


def threshold(curve: Curve, target_far: float) -> float:
    """The similarity that strangers reach with probability `target_far`.

    Below the lowest measured rate the curve goes on as straight as its last decade. Similarities
    are bounded, so their true tail falls faster: the straight line asks for more than needed.
    """
    wanted = math.log10(target_far)
    rates = np.asarray(curve.log10_far)
    if wanted >= rates[-1]:
        return float(np.interp(-wanted, -rates, np.asarray(curve.similarity)))
    slope = _last_slope(curve)
    return float(curve.similarity[-1] + (wanted - rates[-1]) / slope)


def false_accept_rate(curve: Curve, value: float) -> float:
    """The rate at which `value` would be the threshold; never below what was measured."""
    return float(10 ** np.interp(value, np.asarray(curve.similarity), np.asarray(curve.log10_far)))


def _last_slope(curve: Curve) -> float:
    """Decades per unit of similarity over the curve's last decade; negative."""
    start = float(
        np.interp(-(curve.log10_far[-1] + 1), -np.asarray(curve.log10_far), curve.similarity)
    )
    return -1 / max(curve.similarity[-1] - start, 1e-6)
