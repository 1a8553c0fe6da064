"""What all cues together are worth: a small logistic score, and what in it speaks against life.

Each measure moves the log-odds by weight * (value - neutral) / scale, cut off at REACH, so that no
single cue can outvote all others by being absurd; a measure that is absent moves nothing. Neutral
is the value at which the measure tells nothing. Most cues only speak against life: that a picture
looks alive is no reason to overlook that it moves like a sheet. The weights were fitted by logistic
regression on people other than those on whom the rates in docs/liveness.md were measured.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from appliance.errors import ModelError
from appliance.types import Suspicion

# What is weighed; each is measured by one of the cues.
MEASURES = frozenset(
    {"appearance", "surroundings_held", "parallax", "moire", "bands"}
    | {"injected_again", "injected_times", "injected_cut", "injected_same"}
)
# How many scales a measure can count for, in either direction.
REACH = 3.0
# By how much a cue must lower the log-odds to be named among the reasons.
TELLING = 0.5
FILE = Path(__file__).with_name("weights.json")


_REINSTALL = "Install this version of the appliance anew."


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Weight(_Strict):
    """What one measure is worth. weight > 0: larger values speak for life.

    only_against: where the absence of what the measure shows is no sign of life.
    """

    suspicion: Suspicion
    neutral: float
    scale: float = Field(gt=0)
    weight: float
    only_against: bool = False

    def moves(self, value: float) -> float:
        """By how much the value moves the log-odds of life."""
        # A value that is not a number must not count for life.
        if not math.isfinite(value):
            return -abs(self.weight) * REACH
        by = self.weight * min(max((value - self.neutral) / self.scale, -REACH), REACH)
        return min(by, 0.0) if self.only_against else by


_Rates = tuple[Annotated[float, Field(gt=0, lt=1)], ...]


class Weights(_Strict):
    """The shipped file.

    bpcer[i]: share of living people's presentations whose score is below score[i], both rising.
    relief: the least motion in depth that a living head must show, in units of its noise.
    """

    about: str
    intercept: float
    relief: float = Field(gt=0)
    measures: Mapping[str, Weight]
    bpcer: _Rates
    score: _Rates

    @model_validator(mode="after")
    def _curve_rises(self) -> Weights:
        same = len(self.bpcer) == len(self.score) >= 2
        rises = same and all(np.diff(self.bpcer) > 0) and all(np.diff(self.score) > 0)
        if not rises:
            raise ValueError("bpcer and score must be two rising lists of one length")
        return self


@dataclass(frozen=True)
class Opinion:
    """score: probability of life, 0 to 1. reasons: what lowers it, the gravest first."""

    score: float
    reasons: tuple[Suspicion, ...]


class Fusion:
    """The score of one window."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    @property
    def relief(self) -> float:
        """The least motion in depth, in units of its noise, that a living head must show."""
        return self._weights.relief

    def judge(self, measures: Mapping[str, float]) -> Opinion:
        """measures: by name; those that have no weight are for the record only."""
        moved: dict[Suspicion, float] = {}
        for name, weight in self._weights.measures.items():
            if name in measures:
                by = weight.moves(measures[name])
                moved[weight.suspicion] = moved.get(weight.suspicion, 0.0) + by
        odds = self._weights.intercept + sum(moved.values())
        against = sorted((by, why) for why, by in moved.items() if by <= -TELLING)
        return Opinion(1 / (1 + math.exp(-odds)), tuple(why for _, why in against))

    def threshold(self, bpcer: float) -> float:
        """The score below which this share of living people's presentations fell."""
        logits = np.log(np.array(self._weights.score) / (1 - np.array(self._weights.score)))
        at = np.interp(math.log(bpcer), np.log(self._weights.bpcer), logits)
        return float(1 / (1 + np.exp(-at)))


def fingerprint(path: Path = FILE) -> str:
    """SHA-256 of the file, in hexadecimal. ModelError where it is missing."""
    return hashlib.sha256(_content(path)).hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.", hint=_REINSTALL) from error


def load(path: Path = FILE) -> Weights:
    """The shipped weights. ModelError where the file is missing or damaged."""
    try:
        weights = Weights.model_validate_json(_content(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ModelError(f"{path}: {where}: {first['msg']}.", hint=_REINSTALL) from error
    if set(weights.measures) != MEASURES:  # one that is missing would be overlooked at the door
        odd = ", ".join(sorted(set(weights.measures) ^ MEASURES))
        raise ModelError(f"{path}: measures: missing or unknown: {odd}.", hint=_REINSTALL)
    return weights
