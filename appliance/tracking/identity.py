"""Who a followed face is, from the few of its frames that are worth being embedded.

A face is embedded when its track is new, when it is better seen than before, and now and then
to see whether it still is the same one. What is compared is the mean of the best embeddings, and
each track is compared only when that mean changes: the rate of false accepts is one for each
comparison, so there should be few of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from appliance import matching
from appliance.decision import ROUNDING_S
from appliance.matching import Anybody
from appliance.types import Embedding, Match, Person, Quality
from appliance.vision.manifest import Calibration

# So many embeddings are gathered as soon as they come, and so many are kept.
FIRST, MOST = 3, 5
# Seconds between two embeddings of a track at the least, and when an old one is checked.
INTERVAL_S, OLD_S = 0.1, 0.5
# Seconds without a look that could be compared, after which a followed face bears no name any more.
STALE_S = 2.0
# Handicaps, in similarity: by how much a view must be better to be taken for that alone, and by
# how much the kept ones may be poorer than the best, whose lead they would spoil.
BETTER, AS_GOOD = 0.01, 0.03
# So many embeddings in a row that do not agree with the track's are another person's.
DOUBTS = 2
# Two looks are at one person where two strangers would be so alike once in this many times.
SAME_FAR = 1e-4


@dataclass(frozen=True)
class Identity:
    """nearest: the person who is most similar. name: the same where the threshold is reached.

    match: of `nearest`. All are None where nobody is enrolled.
    """

    name: str | None = None
    nearest: str | None = None
    match: Match | None = None


class Known:
    """Everybody enrolled, and how a face is compared with all of them."""

    def __init__(
        self, people: Sequence[Person], calibration: Calibration, target_far: float
    ) -> None:
        """target_far: for all people together, as `matching.Anybody` shares it out."""
        self._people = Anybody(people)
        self.count = len(people)
        self.names = tuple(person.name for person in people)
        self.calibration = calibration
        self.target_far = target_far

    def require(self, fingerprint: str, model: str) -> None:
        """StoreError unless all templates were made by this model and alignment."""
        self._people.require(fingerprint, model)

    def identified(self, probes: Sequence[Embedding]) -> Identity:
        """Who these embeddings of one face are. probes: one or more."""
        if not self.count:
            return Identity()
        match = self._people.match(probes, self.calibration, self.target_far)
        nearest = self._people.candidates[0][0]
        return Identity(nearest if match.accepted else None, nearest, match)

    def handicap(self, quality: Quality | None) -> float:
        """What a face of this quality pays, in similarity."""
        return matching.handicap(self.calibration, quality)


class Evidence:
    """What is known of one track's identity, and whether another look is worth its time."""

    def __init__(self, known: Known) -> None:
        self._identity: Identity | None = None
        self._known = known
        self._probes: list[Embedding] = []
        self._doubted = 0
        self._suspended = False
        self._at: float | None = None

    @property
    def identity(self) -> Identity | None:
        """Who it is; None: nothing was compared yet, or it may be somebody else by now."""
        return None if self._suspended or self.doubted else self._identity

    @property
    def withheld(self) -> bool:
        """Whether the face may be another one than was compared so far."""
        return self._suspended

    @property
    def doubted(self) -> bool:
        """Whether the latest good look was at another face, and one more decides."""
        return self._doubted > 0

    def suspend(self) -> None:
        """The face may be another one: it bears no name until it is seen to be the same."""
        self._suspended = not self.empty

    def not_seen(self, at: float) -> None:
        """No good look was to be had now; after STALE_S of that it may be anybody."""
        if self._at is not None and at - self._at >= STALE_S - ROUNDING_S:
            self.suspend()

    def wants(self, quality: Quality, at: float, *, check: bool = False) -> bool:
        """Whether a good face should be embedded now. at: seconds, as of `Frame.at`.

        check: see whether it still is the same person, soon as that may be.
        """
        if self._at is None or not self._probes:
            return True
        if at - self._at < INTERVAL_S - ROUNDING_S:
            return False
        if check or self._suspended or self.doubted or len(self._probes) < FIRST:
            return True
        worst = max(self._known.handicap(probe.quality) for probe in self._probes)
        better = worst - self._known.handicap(quality) > BETTER
        return better or at - self._at >= OLD_S - ROUNDING_S

    def take(self, embedding: Embedding, at: float) -> bool:
        """Take one embedding into account; False: this is another person than so far."""
        self._at = at
        if self._suspended:
            alone = self._known.identified([embedding]).name
            if self.likeness(embedding, alone) is None:
                return False
        if self._probes and self._agreement(embedding) is None:
            self._doubted += 1
            return self._doubted < DOUBTS
        self._doubted, self._suspended = 0, False
        if self._kept(embedding):
            self._identity = self._known.identified(self._probes)
        return True

    def likeness(self, embedding: Embedding, alone: str | None) -> float | None:
        """The cosine to a face that comes into sight; None: it is somebody else's, or unknown.

        alone: who that face is by itself. Nobody takes over a name: it has to be the same one. Two
        people may be alike enough to be taken for one track, and not for that person.
        """
        if self._identity is None or alone != self._identity.name:
            return None
        return self._agreement(embedding)

    @property
    def empty(self) -> bool:
        """Whether no frame was good enough so far."""
        return not self._probes

    def _alike(self, embedding: Embedding) -> float:
        mean = matching.fused([probe.vector for probe in self._probes])
        return float(mean @ embedding.vector)

    def _agreement(self, embedding: Embedding) -> float | None:
        """The cosine to the track's mean; None where it is too low for one person's."""
        curves = matching.applicable(self._known.calibration, len(self._probes), 1)
        asked = max(matching.threshold(curve, SAME_FAR) for curve in curves)
        alike = self._alike(embedding)
        return alike if alike >= asked + self._known.handicap(embedding.quality) else None

    def _kept(self, embedding: Embedding) -> bool:
        """Keep the best; whether the new one is among them."""
        off = [self._known.handicap(probe.quality) for probe in (*self._probes, embedding)]
        limit = min(off) + AS_GOOD
        ranked = [int(index) for index in np.argsort(off, kind="stable")]
        # The stable sort prefers what is kept already: no new comparison without a better view.
        best = sorted(index for index in ranked[:MOST] if off[index] <= limit)
        probes = [*self._probes, embedding]
        self._probes = [probes[index] for index in best]
        return best[-1] == len(off) - 1
