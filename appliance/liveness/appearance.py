"""A small network looks at the texture and the surroundings of a face in one frame.

It sees what print and screens do to a picture: paper, borders, moiré, flat light. It does not see
motion, and a good enough replay will pass it; see SECURITY.md.

It is shown more than one square around the face, and what it answers is averaged: a tight one has
more of the skin, a wide one more of what the face is held in. models/README.md has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from appliance.liveness.network import Network
from appliance.types import Frame, Landmarks, Liveness, LivenessState, Pixels, Region
from appliance.vision.warp import Matrix, warp

CUE = "appearance"
# How much farther the tight square may reach beyond the picture on one side than on the other,
# as a share of its width. A sheet held half out of the picture hides the edge that betrays it.
LOPSIDED = 0.08


@dataclass(frozen=True)
class Thresholds:
    """Live from `live` on, an attack below `attack`, undetermined between them."""

    attack: float
    live: float


@dataclass(frozen=True)
class Context:
    """The part of the picture around a face that a network is shown, upright.

    side: its side over the larger side of the mesh's box. drop: how far its centre lies below
    the box's, in box heights. outside: what becomes of a square that reaches beyond the picture:
    `black` fills it up, `inside` moves and shrinks it until it fits. stretch: it has the
    proportions of the mesh's box and is stretched to a square, as MiniFASNet was trained.
    """

    side: float
    drop: float = 0.0
    outside: Literal["black", "inside"] = "black"
    stretch: bool = False

    def crop(self, bgr: Pixels, landmarks: Landmarks, size: int) -> Pixels:
        """The (size, size, 3) uint8 that the network is shown."""
        return warp(bgr, self._matrix(landmarks, bgr.shape[1], bgr.shape[0], size), size)

    def region(self, landmarks: Landmarks) -> Region:
        """The square, wherever the picture ends."""
        x, y = self._centre(landmarks)
        box = landmarks.box
        return Region(x, y, self.side * max(box.width, box.height))

    def _centre(self, landmarks: Landmarks) -> tuple[float, float]:
        box = landmarks.box
        x, y = box.centre
        return x, y + self.drop * box.height

    def _matrix(self, landmarks: Landmarks, width: int, height: int, size: int) -> Matrix:
        x, y = self._centre(landmarks)
        box = landmarks.box
        longer = max(box.width, box.height)
        across = self.side * (box.width if self.stretch else longer)
        down = self.side * (box.height if self.stretch else longer)
        if self.outside == "inside":
            fits = min(1.0, (width - 1) / across, (height - 1) / down)
            across, down = across * fits, down * fits
            x = min(max(x, across / 2), width - 1 - across / 2)
            y = min(max(y, down / 2), height - 1 - down / 2)
        right, below = size / across, size / down
        middle = (size - 1) / 2
        return np.array([[right, 0.0, middle - right * x], [0.0, below, middle - below * y]])


# The tight square: what lies outside is black. The wide one keeps inside, for black says "attack"
# of everybody who stands near: on live faces that fill the picture black alone was wrong in most.
TIGHT = Context(1.4)
WIDE = Context(2.0, outside="inside")
SHIPPED = (TIGHT, WIDE)


class AppearanceCheck:
    """An anti-spoof network, one frame at a time."""

    def __init__(
        self, network: Network, contexts: Sequence[Context], thresholds: Thresholds
    ) -> None:
        """contexts: at least one; the network runs once for each."""
        if not contexts:
            raise ValueError("a network that is shown nothing judges nothing")
        self._network = network
        self._contexts = tuple(contexts)
        self._thresholds = thresholds

    def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        """Judge one frame by its appearance alone.

        A face at the edge of the picture is never called live (see `is_lopsided`): what the network
        needs to see of its surroundings on one side is outside. A picture by itself has no next
        frame with the face in its middle, so there the first, tight square decides alone: the black
        in it counts against whoever is not wholly in the picture.
        """
        aside = is_lopsided(TIGHT.region(landmarks), frame.width, frame.height)
        shown = self._contexts[:1] if aside and frame.still else self._contexts
        score = self._score(frame.bgr, landmarks, shown)
        state = self._state(score)
        if aside and state is LivenessState.LIVE:
            state = LivenessState.UNDETERMINED
        return Liveness(state, score, {CUE: score})

    def score(self, bgr: Pixels, landmarks: Landmarks) -> float:
        """The probability of a live face, 0 to 1, from all contexts."""
        return self._score(bgr, landmarks, self._contexts)

    def _score(self, bgr: Pixels, landmarks: Landmarks, shown: Sequence[Context]) -> float:
        size = self._network.size
        odds = [self._network.log_odds(it.crop(bgr, landmarks, size)) for it in shown]
        return 1 / (1 + math.exp(-sum(odds) / len(odds)))

    def _state(self, score: float) -> LivenessState:
        if score < self._thresholds.attack:
            return LivenessState.SPOOF
        live = score >= self._thresholds.live
        return LivenessState.LIVE if live else LivenessState.UNDETERMINED


def is_lopsided(region: Region, width: int, height: int) -> bool:
    """Whether the region reaches out of a width by height picture on one side only."""
    half = region.side / 2
    across = max(half - region.x, 0.0) - max(region.x + half - width, 0.0)
    down = max(half - region.y, 0.0) - max(region.y + half - height, 0.0)
    return max(abs(across), abs(down)) > LOPSIDED * region.side
