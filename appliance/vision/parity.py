"""Whether another processor makes of real faces what the CPU makes of them.

A template and the thresholds belong to what the TFLite file computes on the CPU. A GPU may round
otherwise, and a wrong kernel may give every face the same vector, by which everybody would be let
in. So whatever else is to run a network is compared with the CPU first, on faces that come along,
each time it is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from appliance.errors import ModelError
from appliance.types import Floats, Pixels
from appliance.vision.interpreter import Network, network_input
from appliance.vision.manifest import Entry

# Below this the vectors are not the calibrated ones: at 0.9999 a similarity of 0.4 moves by at most
# 0.013, and by a tenth of that in the mean over directions.
LEAST_COSINE = 0.9999
# The bundled portraits, aligned, side by side; written by `python -m models.build`.
FACES = Path(__file__).with_name("reference_faces.png")


@dataclass(frozen=True)
class Parity:
    """The cosines between two runs of one network over `faces` pictures of faces."""

    least: float
    median: float
    faces: int

    @property
    def holds(self) -> bool:
        """Whether templates and thresholds of the one are good for the other."""
        return self.least >= LEAST_COSINE

    def __str__(self) -> str:
        return f"cosine to the CPU {self.least:.6f} at worst, {self.median:.6f} in the median"


def reference_faces() -> list[Pixels]:
    """The faces that come along, and each mirrored and darker: (112, 112, 3) BGR each."""
    row = cv2.imread(str(FACES))
    if row is None:
        raise ModelError(
            f"The file {FACES} is missing or damaged.", hint="Install the appliance anew."
        )
    side = row.shape[0]
    plain = [row[:, left : left + side] for left in range(0, row.shape[1], side)]
    varied = [it for face in plain for it in (face, cv2.flip(face, 1), face // 2)]
    return [np.ascontiguousarray(face, np.uint8) for face in varied]


def compare(one: Network, other: Network, entry: Entry) -> Parity:
    """Run both on the reference faces. ModelError where one gives no usable vector."""
    side = entry.alignment.size
    faces = [
        face if face.shape[0] == side else cv2.resize(face, (side, side))
        for face in reference_faces()
    ]
    cosines = []
    for face in faces:
        tensor = network_input(np.asarray(face, np.uint8), entry)
        cosines.append(_cosine(one.run(tensor)[0], other.run(tensor)[0], entry))
    return Parity(min(cosines), median(cosines), len(cosines))


def _cosine(one: Floats, other: Floats, entry: Entry) -> float:
    left, right = one.reshape(-1).astype(np.float64), other.reshape(-1).astype(np.float64)
    lengths = float(np.linalg.norm(left) * np.linalg.norm(right))
    if left.shape != right.shape or not np.isfinite(lengths) or lengths < 1e-12:
        raise ModelError(
            f"Run on another processor, the network {entry.name!r} gives no usable vector."
        )
    return float(left @ right) / lengths
