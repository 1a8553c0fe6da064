"""Whether a followed face is still the one that was there a frame ago, by its looks alone. Pure.

The mesh follows whatever face it finds: across a cut of the film, or from one person to another who
steps before him, it goes on as if nothing had happened. A face itself changes little from one frame
to the next once it is laid onto the template, however the head moves; another face does not fit.
This asks no network, so it is asked in each frame.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from appliance.types import Floats, Landmarks, Pixels
from appliance.vision.alignment import FIVE_POINT_112

# Rows and columns of the 112-pixel crop that are face of anybody, and the cells that are compared:
# coarse, so that a blink or a word changes few of them.
_FACE: Final = (slice(24, 108), slice(20, 92))
_CELLS: Final = (18, 21)
# The correlation below which another face is there. Chosen on few recordings, five people of one
# office at 30 frames a second: one person keeps above 0.79, and cuts between people in the same
# place stay below 0.67. It is a first sieve: of 10,831 pairs of pictures of ten other people 1.7 %
# are more alike than this. What slips through is told by the embedding at the next search, which
# takes the name back (`tracks`). Who turns the head quickly at few frames a second falls below as
# well; that costs a look and a moment without a name.
BREAK: Final = 0.7


def view(bgr: Pixels, face: Landmarks) -> Floats:
    """What the face looks like. bgr: (height, width, 3) uint8; a unit vector without mean."""
    crop = FIVE_POINT_112.crop(bgr, face).bgr[_FACE]
    cells = cv2.resize(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), _CELLS, interpolation=cv2.INTER_AREA)
    values = cells.astype(np.float32).ravel()
    values -= values.mean()
    norm = float(np.linalg.norm(values))
    return values / norm if norm > 0 else values


def breaks(before: Floats, now: Floats) -> bool:
    """Whether another face stands where one was. Both as `view` gives them."""
    return float(before @ now) < BREAK
