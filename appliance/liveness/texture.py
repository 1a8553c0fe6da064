"""What displays do to a face in the picture, seen without a network.

Two measures, each with its reason in its own module: a wave across the skin (`moire`), and bands
that travel down the face and not down the scene (`bands`). Both show a display when they are high
and say nothing when they are low, so they are never given below what living faces reach: the
absence of a pattern is no sign of life.
docs/liveness.md has what they were measured at, and what else was tried and dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from appliance.liveness.bands import Bands
from appliance.liveness.cue import View
from appliance.liveness.moire import moire

MOIRE, BANDS = "moire", "bands"
# Decibels that living faces reach: the 99th percentile of single pictures of those for fitting
# (moiré), and of windows of 1.6 s (bands), rounded up.
CALM_MOIRE, CALM_BANDS = 5.0, 4.0
# Every so many frames; the work of the two falls on different ones.
_MOIRE_EVERY, _BANDS_EVERY = 6, 2
# Samples of moiré whose median counts: it comes and goes with focus and shake.
_SAMPLES = 6


class TextureCue:
    """Port Cue: `moire` and `bands` in decibels."""

    def __init__(self) -> None:
        self._frames = 0
        self._moire: deque[float] = deque(maxlen=_SAMPLES)
        self._bands = Bands()

    def see(self, view: View) -> None:
        """A frame in which one face is tracked."""
        number, self._frames = self._frames, self._frames + 1
        if number % _MOIRE_EVERY == 0:
            found = moire(view.grey, view.face)
            if found is not None:
                self._moire.append(found)
        if number % _BANDS_EVERY == 1:
            self._bands.see(view.grey, view.face)

    def measures(self) -> Mapping[str, float]:
        """`moire` from the first frame on, `bands` after about a second."""
        found: dict[str, float] = {}
        if self._moire:
            found[MOIRE] = max(float(np.median(self._moire)), CALM_MOIRE)
        bands = self._bands.measure()
        if bands is not None:
            found[BANDS] = max(bands, CALM_BANDS)
        return found

    def forget(self) -> None:
        """What comes next may be another face."""
        self._frames = 0
        self._moire.clear()
        self._bands.forget()
