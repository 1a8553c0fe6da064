"""A small network looks at the texture and the surroundings of a face in one frame.

It sees what print and screens do to a picture: paper, borders, moiré, flat light. It does not see
motion, and a good enough replay will pass it; see SECURITY.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from appliance.types import Frame, Landmarks, Liveness, LivenessState, Pixels, Region
from appliance.vision.interpreter import TfliteModel, network_input
from appliance.vision.manifest import Entry
from appliance.vision.warp import region_matrix, warp

CUE = "appearance"
# How much farther the surroundings may reach beyond the picture on one side than on the other,
# as a share of their width. A sheet held half out of the picture hides the edge that betrays it.
LOPSIDED = 0.08


@dataclass(frozen=True)
class Thresholds:
    """Live from `live` on, an attack below `attack`, undetermined between them."""

    attack: float
    live: float


@dataclass(frozen=True)
class Context:
    """The square around a face that the network is shown; what lies outside the picture is black.

    side: its side over the larger side of the mesh's box. drop: how far its centre lies below
    the box's, in box heights.
    """

    side: float
    drop: float

    def region(self, landmarks: Landmarks) -> Region:
        """Upright, as the network was trained."""
        box = landmarks.box
        x, y = box.centre
        return Region(x, y + self.drop * box.height, self.side * max(box.width, box.height))


class AppearanceCheck:
    """The anti-spoof network of the manifest; port LivenessCheck."""

    def __init__(
        self, entry: Entry, model: TfliteModel, context: Context, thresholds: Thresholds
    ) -> None:
        self._entry = entry
        self._model = model
        self._context = context
        self._thresholds = thresholds

    def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        """Judge one frame by its appearance alone.

        A face at the edge of the picture is never called live (see `is_lopsided`): what the network
        needs to see of its surroundings on one side is outside.
        """
        score = self.score(frame.bgr, landmarks)
        state = self._state(score)
        region = self._context.region(landmarks)
        if state is LivenessState.LIVE and is_lopsided(region, frame.width, frame.height):
            state = LivenessState.UNDETERMINED
        return Liveness(state, score, {CUE: score})

    def score(self, bgr: Pixels, landmarks: Landmarks) -> float:
        """The probability of a live face, 0 to 1."""
        size = self._entry.alignment.size
        crop = warp(bgr, region_matrix(self._context.region(landmarks), size), size)
        (output, *_) = self._model.run(network_input(crop, self._entry))
        logits = output.reshape(-1)
        weights = np.exp(logits - logits.max())
        return float(weights[self._entry.output.live_index or 0] / weights.sum())

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
