"""Passive cue: a picture, flat or bent, moves as a sheet does; a living head does not.

A head that turns moves its nose against its cheeks, and a face that lives stirs. A sheet does
neither, however it is held, tilted, shaken or bent. Corners in the face are followed from a
reference frame on, and what a sheet can do is taken off (see `sheet`); what is left is noise for a
picture. Noise changes from frame to frame, life goes on: the product of what is left in one frame
and in the next has the mean zero for noise, whatever its strength, and the motion's mean square
for life. The motion has to show in the median corner, so neither a finger that passes nor one
patch of glare makes it.

The cue cannot see that a moving picture is not a face: a recording on a display moves as the
recorded head did. The mesh is asked for the pose only, for it sees a head in every picture.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from appliance.liveness.cue import View
from appliance.liveness.reference import FEWEST, Reference, Sample
from appliance.liveness.sheet import Doubles, median

# Looked at this often, seconds; more often costs and shows the same. Just below 1/15 s.
EVERY_S = 0.06
# What was seen longer ago tells nothing of who is there now, seconds.
WINDOW_S = 3.0
# A reference serves until it is this old, seconds, or the face turned this far, radians.
_OLDEST_S = 2.0
_FARTHEST = 0.3
# A blurred frame may lose the corners; a new reference is taken only when it lasts, seconds.
_LOST_S = 0.2
# Frames that are needed, and the share of them in which a corner must be found to count.
FEWEST_SAMPLES = 6
_STEADY = 0.7
# Motion that glare and the curl of paper leave, thousandths of the eyes' distance, and that
# compression leaves, frame pixels: it is no noise that averages out, and is reckoned with as if it
# were always there.
_LEFT_BY_SHEET = 1.5
_LEFT_BY_CODEC = 0.08
# Neighbouring corners share their noise: so many are worth one.
_ALIKE = 4
# The standard error of a median over that of a mean.
_OF_MEDIAN = 1.2533
# The least turn, degrees, at which a parallax is told; the mesh's own noise is below it.
_LEAST_TURN = 1.5
# A fast turn uses references up: so many are kept.
_MOST_REFERENCES = 12
# Frames of one reference that show a turn, and the parallax that a sheet seemed to have.
_FEWEST_TURNS = 2
_LEFT_OF_PARALLAX = 0.1


@dataclass(frozen=True)
class Stir:
    """Motion beyond a sheet's, as one reference and the frames compared with it tell.

    relief: in units of its noise. beyond: the root mean square of the median corner, in
    thousandths of the distance between the eyes.
    """

    relief: float
    beyond: float


@dataclass(frozen=True)
class Turn:
    """Turns out of the picture's plane, of one reference or of several.

    energy: of the mesh's turn, in squared units of the noise of the corners'. seen: its product
    with the corners' turn, in the same units. square: sum of the mesh's squared turns, radians.
    frames: how many there were.
    """

    energy: float
    seen: float
    square: float
    frames: int

    @property
    def degrees(self) -> float:
        """Root mean square."""
        return math.degrees(math.sqrt(self.square / max(self.frames, 1)))

    @property
    def parallax(self) -> float:
        """The share of the mesh's turn that the corners' depth confirms."""
        return self.seen / (self.energy + 1e-12)

    @property
    def significance(self) -> float:
        """The parallax in units of what noise and the imperfect taking off of a sheet leave."""
        return self.parallax / math.hypot(1 / math.sqrt(self.energy + 1e-12), _LEFT_OF_PARALLAX)


def stirred(samples: Sequence[Sample]) -> Stir | None:
    """None where there are too few frames or corners."""
    if len(samples) < FEWEST_SAMPLES:
        return None
    beyond = np.stack([sample.beyond for sample in samples])
    steady = np.isfinite(beyond[..., 0]).mean(axis=0) >= _STEADY
    if steady.sum() < FEWEST // 2:
        return None
    slow, noise = _moved(beyond[:, steady])
    left = _LEFT_BY_SHEET**2 + (1000 * _LEFT_BY_CODEC / samples[0].eyes) ** 2
    error = (noise + left) * _OF_MEDIAN / math.sqrt(2 * (len(samples) - 1))
    error /= math.sqrt(steady.sum() / _ALIKE)
    return Stir(slow / error, math.sqrt(max(slow, 0.0)))


def turned(samples: Sequence[Sample]) -> Turn:
    """The turns from their own mean, so that what the reference's own noise adds is taken off."""
    if len(samples) < _FEWEST_TURNS:
        return Turn(0.0, 0.0, 0.0, 0)
    claimed = np.stack([sample.claimed for sample in samples])
    seen = np.stack([sample.seen for sample in samples])
    weight = np.array([1 / sample.noise**2 for sample in samples])[:, None]
    claimed = claimed - (weight * claimed).sum(axis=0) / weight.sum()
    seen = seen - (weight * seen).sum(axis=0) / weight.sum()
    return Turn(
        float((weight * claimed**2).sum()),
        float((weight * claimed * seen).sum()),
        float((claimed**2).sum()),
        len(samples),
    )


def _moved(beyond: Doubles) -> tuple[float, float]:
    """Mean square of what goes on from frame to frame, and of what does not; median corner's."""
    found = np.isfinite(beyond[..., 0])
    centred = np.where(found[..., None], beyond, 0.0)
    centred -= centred.sum(axis=0) / found.sum(axis=0)[:, None]
    centred[~found] = 0.0
    # A steady corner is found in two frames running at least once.
    both = found[:-1] & found[1:]
    pairs = both.sum(axis=0)
    before, after = centred[:-1], centred[1:]
    goes_on = np.einsum("tnc,tnc->n", before, after) / pairs
    change = np.where(both[..., None], after - before, 0.0)
    changes = np.einsum("tnc,tnc->n", change, change) / (2 * pairs)
    return median(goes_on), median(changes)


@dataclass(eq=False)
class _Compared:
    """A reference, and what the frames after it showed."""

    reference: Reference
    samples: list[Sample] = field(default_factory=list)
    _told: tuple[int, tuple[Stir | None, Turn]] | None = None

    def told(self) -> tuple[Stir | None, Turn]:
        """What they tell together; reckoned anew only when there are more of them."""
        count = len(self.samples)
        if self._told is None or self._told[0] != count:
            self._told = count, (stirred(self.samples), turned(self.samples))
        return self._told[1]


class GeometryCue:
    """Port Cue.

    Measures, of the last WINDOW_S:
    `relief`: motion that no sheet makes, in units of its noise. About 0 for a picture, however it
    moves; absent where too little was seen. It is the larger of two: what goes on in the median
    corner, and the parallax where the face turned.
    `beyond`: the former in thousandths of the distance between the eyes (root mean square).
    `turn`: how far the face turned by its mesh, degrees (root mean square from the mean).
    `parallax`: the share of that turn that the corners' depth confirms, 0 for a picture and
    towards 1 for a head; absent where the turn is hardly more than the mesh's own noise.
    """

    def __init__(self) -> None:
        self._kept: deque[_Compared] = deque(maxlen=_MOST_REFERENCES)
        self._at = -math.inf
        self._found: Mapping[str, float] | None = None

    def see(self, view: View) -> None:
        """See Cue."""
        at = view.frame.at
        if 0 <= at - self._at < EVERY_S:
            return
        if at < self._at:
            self.forget()
        self._at = at
        self._found = None
        while self._kept and at - self._kept[0].reference.at > WINDOW_S:
            self._kept.popleft()
        if not self._compared(view):
            reference = Reference(view)
            if reference.useful:
                self._kept.append(_Compared(reference))

    def _compared(self, view: View) -> bool:
        """Whether the last reference still serves."""
        if not self._kept:
            return False
        reference, samples = self._kept[-1].reference, self._kept[-1].samples
        if view.frame.at - reference.at > _OLDEST_S:
            return False
        sample = reference.compare(view)
        if sample is None:
            last = samples[-1].at if samples else reference.at
            return view.frame.at - last <= _LOST_S
        samples.append(sample)
        return sample.far < _FARTHEST

    def measures(self) -> Mapping[str, float]:
        """See Cue."""
        if self._found is None:
            self._found = self._measured()
        return self._found

    def _measured(self) -> Mapping[str, float]:
        told = [one.told() for one in self._kept]
        stirs = [stir for stir, _ in told if stir is not None]
        turns = [turn for _, turn in told]
        turn = Turn(
            sum(one.energy for one in turns),
            sum(one.seen for one in turns),
            sum(one.square for one in turns),
            sum(one.frames for one in turns),
        )
        measures: dict[str, float] = {}
        if stirs:
            best = max(stirs, key=lambda one: one.relief)
            measures = {"relief": best.relief, "beyond": best.beyond}
        if turn.frames >= FEWEST_SAMPLES:
            measures["turn"] = turn.degrees
            if turn.degrees >= _LEAST_TURN:
                measures["parallax"] = turn.parallax
                measures["relief"] = max(measures.get("relief", -math.inf), turn.significance)
        return measures

    def forget(self) -> None:
        """See Cue."""
        self._kept.clear()
        self._at = -math.inf
        self._found = None
