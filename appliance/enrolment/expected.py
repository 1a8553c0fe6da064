"""How often this very person is expected to be rejected: an estimate from the enrolled frames.

Each frame is compared with the mean of the others, which is what a later picture of the person is
compared with, less one frame. The similarities are taken for a normal distribution of unknown mean
and variance; its posterior under the usual prior (Gelman et al., "Bayesian Data Analysis", 3rd ed.,
section 3.2) says how often a further picture stays below the threshold, which is Student's t, and
how far that may be off with so few frames. The prophecy formula of Spearman and Brown (British
Journal of Psychology, 1910) makes up for the frame that each mean lacks.

The estimate is as good as the frames are varied. Those of one recording, of one day, with or
without glasses, look more alike than the days to come, and then it flatters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.enrolment.one_person import against_the_rest
from appliance.matching import applicable, threshold
from appliance.types import Floats, Template
from appliance.vision.manifest import Calibration

# Fewer similarities than this have no spread to speak of.
LEAST_FRAMES = 3
_DRAWS = 10_000
_EDGES = (0.025, 0.975)
# The interval always reaches this far: spectacles, a hand, a bad light are in no five frames, and
# tails are longer than a normal distribution's. Of people with an estimate below 0.1 %, 0.5 % of
# further pictures were rejected (Labeled Faces in the Wild, half of its people).
_UNFORESEEN = 5e-3
# Frames that are exactly as similar as each other would promise certainty.
_LEAST_SPREAD = 1e-4


@dataclass(frozen=True)
class ExpectedFrr:
    """Share of single good pictures of the person that are rejected, and its 95 % interval.

    frames: how many similarities it rests on. target_far: at whose threshold.
    """

    value: float
    low: float
    high: float
    frames: int
    target_far: float


def expected_frr(
    template: Template,
    calibration: Calibration,
    target_far: float,
    handicaps: Sequence[float] | None = None,
) -> ExpectedFrr | None:
    """The estimate for one picture against this template; None for fewer than LEAST_FRAMES.

    handicaps: what each of the template's frames would have taken off its similarity at the door.
    """
    if template.count < LEAST_FRAMES:
        return None
    curves = applicable(calibration, template.count, 1)
    asked = max(threshold(curve, target_far) for curve in curves)
    off = np.zeros(template.count) if handicaps is None else np.asarray(handicaps)
    value, low, high = below(_prophesied(template.vectors) - off, asked)
    return ExpectedFrr(value, low, high, template.count, target_far)


def below(similarities: NDArray[np.float64], asked: float) -> tuple[float, float, float]:
    """The probability that one more similarity stays below `asked`, and its 95 % interval."""
    count = len(similarities)
    spread = max(float(similarities.std(ddof=1)), _LEAST_SPREAD)
    # Drawn rather than integrated: the same few lines give the value and the interval.
    random = np.random.default_rng(0)
    deviation = spread * np.sqrt((count - 1) / random.chisquare(count - 1, _DRAWS))
    mean = similarities.mean() + deviation * random.standard_normal(_DRAWS) / np.sqrt(count)
    scaled = (mean - asked) / (deviation * math.sqrt(2))
    rates = np.array([math.erfc(item) / 2 for item in scaled])
    value = float(rates.mean())
    low, high = (float(edge) for edge in np.quantile(rates, _EDGES))
    # Few draws far out may carry the mean beyond the interval; the greater is then the bound.
    return value, low, max(high, value, _UNFORESEEN)


def _prophesied(vectors: Floats) -> NDArray[np.float64]:
    """(n,) each frame's similarity to a mean of n others, from that to the n - 1 there are."""
    count = len(vectors)
    alike = float(((vectors @ vectors.T).sum() - count) / (count * (count - 1)))
    alike = max(alike, 1e-3)
    grown = _reliability(count, alike) / _reliability(count - 1, alike)
    return np.asarray(against_the_rest(vectors), np.float64) * grown


def _reliability(count: int, alike: float) -> float:
    return math.sqrt(count / (1 + (count - 1) * alike))
