"""What every passive cue is shown, and what it answers.

A cue looks at one thing, knows nothing of the others, and says what it measured in its own unit;
`liveness.fusion` alone knows what a measure is worth. A measure that cannot be told yet is absent,
which is neither for the person nor against.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np

from appliance.types import Frame, Landmarks, Pixels
from appliance.vision.mesh import eye_centres


class View:
    """One frame with the one face in it; what several cues need of it is made once."""

    def __init__(self, frame: Frame, face: Landmarks) -> None:
        self.frame = frame
        self.face = face

    @cached_property
    def grey(self) -> Pixels:
        """The whole frame's luma, (height, width) uint8."""
        return np.asarray(cv2.cvtColor(self.frame.bgr, cv2.COLOR_BGR2GRAY), dtype=np.uint8)

    @cached_property
    def eyes(self) -> float:
        """Pixels between the eye centres, as they appear."""
        left, right = eye_centres(self.face.points)
        return float(np.linalg.norm(right[:2] - left[:2]))


class Cue(Protocol):
    """One passive cue over the frames of one attempt."""

    def see(self, view: View) -> None:
        """A frame in which one face is tracked, in order. Cheap: it is called for each."""
        ...

    def measures(self) -> Mapping[str, float]:
        """What has been found so far, by the measure's name; finite numbers."""
        ...

    def forget(self) -> None:
        """What comes next may be another person, or another scene."""
        ...
