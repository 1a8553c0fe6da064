"""A small network looks at the texture and the surroundings of a face in one frame.

It sees what print and screens do to a picture: paper, borders, moiré, flat light. It does not see
motion, and a good enough replay will pass it; see SECURITY.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from appliance.types import Frame, Landmarks, Liveness, LivenessState, Pixels, Region
from appliance.vision.interpreter import TfliteModel
from appliance.vision.manifest import Entry
from appliance.vision.warp import region_matrix, warp

CUE = "appearance"


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
        """Judge one frame by its appearance alone."""
        score = self.score(frame.bgr, landmarks)
        return Liveness(self._state(score), score, {CUE: score}, "appearance of one frame")

    def score(self, bgr: Pixels, landmarks: Landmarks) -> float:
        """The probability of a live face, 0 to 1."""
        size = self._entry.alignment.size
        crop = warp(bgr, region_matrix(self._context.region(landmarks), size), size)
        tensor = (crop[np.newaxis].astype(np.float32) - self._entry.input.mean) * np.float32(
            self._entry.input.scale
        )
        (output, *_) = self._model.run(np.asarray(tensor, dtype=np.float32))
        values = output.reshape(-1)
        if self._entry.output.activation == "softmax":
            values = np.exp(values - values.max())
            values = values / values.sum()
        return float(values[self._entry.output.live_index or 0])

    def _state(self, score: float) -> LivenessState:
        if score < self._thresholds.attack:
            return LivenessState.SPOOF
        live = score >= self._thresholds.live
        return LivenessState.LIVE if live else LivenessState.UNDETERMINED
