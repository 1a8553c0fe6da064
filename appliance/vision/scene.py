"""Does the camera show anything at all? Black, covered, over-exposed or frozen pictures do not.

A camera that is dark or covered looks to the rest of the pipeline like a hall with nobody in it,
and a frozen one like a person who keeps still; both must be noticed and told.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from appliance.types import Frame, Pixels, TroubleKind

# The picture is judged by the mean grey levels of so many cells; of very large pictures only
# some rows are looked at.
_WIDTH, _HEIGHT = 64, 36
_ROWS_OF_A_CELL = 4
# Percent of the cells at either end that do not count.
_ODD = 1.0
# The same for a picture that stands still: a camera may write a name and the date into it, which
# stand out from the blackest one.
_WRITTEN = 10.0


@dataclass(frozen=True)
class SceneLimits:
    """Grey levels are 0 to 255, times seconds of `Frame.at`.

    dark: the picture is dark when not even one cell in a hundred reaches this. A face of that
    brightness is refused anyway.
    burnt, burnt_share: over-exposed when so large a share of the cells is this bright.
    plain: covered when darkest and brightest cell (1st and 99th percentile) are closer than this.
    least_height, least_width: pixels below which a picture is of no use.
    clearance, burnt_clearance: by how many grey levels, and by what share of burnt-out cells, a
    picture must be better than these limits to be good again.
    enter_s, leave_s: how long a picture must be bad, or good again, until that is believed.
    frozen_s: how long one and the same picture may be shown; a sensor always has some noise.
    """

    dark: float = 32.0
    burnt: float = 250.0
    burnt_share: float = 0.9
    plain: float = 24.0
    least_height: int = 120
    least_width: int = 120
    clearance: float = 8.0
    burnt_clearance: float = 0.1
    enter_s: float = 2.0
    leave_s: float = 0.5
    frozen_s: float = 10.0


@dataclass(frozen=True)
class Light:
    """What was measured of one picture, in grey levels of its cells.

    darkest, brightest: without the odd ones, 1st and 99th percentile where nothing else was asked
    for. burnt: share (0 to 1) of burnt-out cells.
    """

    darkest: float
    brightest: float
    burnt: float


def measure(bgr: Pixels, burnt: float, odd: float = _ODD) -> Light:
    """Measure a picture.

    bgr: (height, width, 3) uint8. burnt: from which grey level on it is. odd: percent of the cells
    that are passed over at either end.
    """
    step = max(bgr.shape[0] // (_HEIGHT * _ROWS_OF_A_CELL), 1)
    small = cv2.resize(bgr[::step], (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    darkest, brightest = np.percentile(grey, (odd, 100 - odd))
    return Light(float(darkest), float(brightest), float((grey >= burnt).mean()))


def fault_of(light: Light, limits: SceneLimits, *, was_bad: bool = False) -> TroubleKind | None:
    """What is amiss with one picture by itself. was_bad: it must be better than the limits."""
    levels = limits.clearance if was_bad else 0.0
    share = limits.burnt_clearance if was_bad else 0.0
    if light.brightest < limits.dark + levels:
        return TroubleKind.DARK
    if light.burnt >= limits.burnt_share - share:
        return TroubleKind.OVEREXPOSED
    if light.brightest - light.darkest < limits.plain + levels:
        return TroubleKind.COVERED
    return None


def fault_of_still(bgr: Pixels, limits: SceneLimits) -> TroubleKind:
    """What is amiss where one and the same picture comes for long. bgr: (height, width, 3) uint8.

    FROZEN only where most of it clearly shows something: with a hand before the lens a sensor
    clips, or its noise is compressed away, and what comes then is as still.
    """
    light = measure(bgr, limits.burnt, _WRITTEN)
    return fault_of(light, limits, was_bad=True) or TroubleKind.FROZEN


def shows_something(bgr: Pixels) -> bool:
    """Whether a camera that gives this picture over and over is frozen, not dark or covered."""
    return fault_of_still(bgr, SceneLimits()) is TroubleKind.FROZEN


class SceneWatch:
    """Follows one camera from frame to frame: a fault counts when it lasts, and so does its end."""

    def __init__(self, limits: SceneLimits | None = None) -> None:
        self._limits = limits or SceneLimits()
        self._fault: TroubleKind | None = None
        self._doubt_since: float | None = None
        self._last: Frame | None = None
        self._still_since = 0.0

    def see(self, frame: Frame) -> TroubleKind | None:
        """What is amiss with the scene, judged at every frame in order; None: nothing.

        A frame that is too small to show anybody is amiss at once, and so no reason to forget.
        """
        if frame.height < self._limits.least_height or frame.width < self._limits.least_width:
            return TroubleKind.WRONG_SIZE
        if self._last is not None and frame.at < self._last.at:  # a source that began anew
            self._fault = self._doubt_since = self._last = None
        self._judge_light(frame)
        if not self._stands_still(frame):
            return self._fault
        return self._fault or fault_of_still(frame.bgr, self._limits)

    def _judge_light(self, frame: Frame) -> None:
        was_bad = self._fault is not None
        light = measure(frame.bgr, self._limits.burnt)
        found = fault_of(light, self._limits, was_bad=was_bad)
        if (found is not None) is was_bad:
            # From dark to covered at once: either way nothing is seen.
            self._fault, self._doubt_since = found, None
            return
        if self._doubt_since is None:
            self._doubt_since = frame.at
        lasts = self._limits.leave_s if was_bad else self._limits.enter_s
        if frame.at - self._doubt_since >= lasts:
            self._fault, self._doubt_since = found, None

    def _stands_still(self, frame: Frame) -> bool:
        if self._last is None or not frame.repeats(self._last):
            self._still_since = frame.at
        self._last = frame
        return frame.at - self._still_since >= self._limits.frozen_s
