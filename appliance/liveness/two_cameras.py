"""Whether a second camera is what it is taken for: an infrared one, beside the first, alight."""

from __future__ import annotations

from enum import Enum

import cv2
import numpy as np

from appliance.types import Frame, Pixels
from appliance.vision.scene import SceneLimits, fault_of, measure

_CELLS = (64, 36)
# Grey levels: two pictures of one sensor differ by less in the mean, and what a lamp of its own
# lights differs from daylight by more.
SAME = 4.0
# Spread of Cr and Cb, in levels, that brightness does not explain: a cast over the whole picture
# grows with it, as behind an infrared filter before a sensor for colours; things of several
# colours differ whatever their brightness.
COLOURED = 3.0


class Amiss(str, Enum):
    """What is wrong with the second camera's picture."""

    SAME = "same"
    COLOURED = "coloured"
    DARK = "dark"


def amiss(seen: Frame, infrared: Frame) -> Amiss | None:
    """What is amiss with a picture of the second camera. seen: the first one's of that moment."""
    limits = SceneLimits()
    if fault_of(measure(infrared.bgr, limits.burnt), limits) is not None:
        return Amiss.DARK
    first, second = _cells(seen.bgr), _cells(infrared.bgr)
    if float(cv2.absdiff(_grey(first), _grey(second)).mean()) < SAME:
        return Amiss.SAME
    return Amiss.COLOURED if _colours(second) > COLOURED else None


def _colours(bgr: Pixels) -> float:
    """The spread of the colours, without a cast."""
    values = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb), np.float64).reshape(-1, 3)
    level = np.stack([values[:, 0], np.ones(len(values))], axis=1)
    cast, *_ = np.linalg.lstsq(level, values[:, 1:], rcond=None)
    return float((values[:, 1:] - level @ cast).std(axis=0).max())


def _cells(bgr: Pixels) -> Pixels:
    return np.asarray(cv2.resize(bgr, _CELLS, interpolation=cv2.INTER_AREA), np.uint8)


def _grey(bgr: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8)
