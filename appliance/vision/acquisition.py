"""From "there may be a face somewhere" to the landmarks of every face that counts.

The detector looks for near faces first, on a small copy of the picture, and for farther ones
only when there was none: most frames at a door show either nobody or one near face. A face is
believed when the mesh, looking at the detector's box, says that one is there.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.ports import Detector, LandmarkModel
from appliance.types import Box, Landmarks, Pixels
from appliance.vision.mesh import region_of_box, region_of_landmarks

# A second person counts when the face is at least this share of the first one's width;
# smaller ones stand well behind and are not who claims.
RIVAL_SHARE = 0.5
# The mesh's presence below which a box was no face; a weak box needs more of it.
PRESENCE = 0.5
WEAK_BOX_PRESENCE = 0.9
# Two boxes that overlap more than this are one face.
SAME_FACE = 0.3


@dataclass(frozen=True)
class FaceSizes:
    """The widths of the nearest and farthest face served, as shares of the shorter side."""

    nearest: float
    farthest: float

    def ladder(self, shorter_side: int) -> list[float]:
        """Smallest widths in pixels to look for, pass by pass, falling."""
        least = self.farthest * shorter_side
        steps = [max(self.nearest / 2 * shorter_side, least)]
        while steps[-1] > least:
            # A last step that is hardly finer than the one before would cost as much again.
            steps.append(steps[-1] / 2 if steps[-1] / 2 > 1.5 * least else least)
        return steps


class Acquisition:
    """Detector and mesh together."""

    def __init__(self, detector: Detector, mesh: LandmarkModel, sizes: FaceSizes) -> None:
        self._detector = detector
        self._mesh = mesh
        self._sizes = sizes

    def faces(self, bgr: Pixels) -> list[Landmarks]:
        """The faces of a picture, largest first; those far behind the first may be missing."""
        shorter = min(bgr.shape[:2])
        boxes: list[Box] = []
        for smallest in self._sizes.ladder(shorter):
            boxes = self._detector.detect(bgr, smallest)
            found = self._confirmed(bgr, [box for box in boxes if box.score >= 0], PRESENCE)
            if found:
                return self._with_rivals(bgr, found, smallest, shorter)
        # Nobody at any size: only now are weak boxes of the finest pass worth the mesh's time.
        return self._confirmed(bgr, boxes, WEAK_BOX_PRESENCE)

    def _with_rivals(
        self, bgr: Pixels, found: list[Landmarks], smallest: float, shorter: int
    ) -> list[Landmarks]:
        """Search finer where the pass that found the first face was too coarse for a second."""
        rival = max(RIVAL_SHARE * found[0].box.width, self._sizes.farthest * shorter)
        if rival >= smallest:
            return found
        boxes = [box for box in self._detector.detect(bgr, rival) if box.score >= 0]
        finer = self._confirmed(bgr, boxes, PRESENCE)
        missing = [face for face in found if not any(_same(face, other) for other in finer)]
        return _largest_first(finer + missing)

    def _confirmed(self, bgr: Pixels, boxes: list[Box], presence: float) -> list[Landmarks]:
        faces: list[Landmarks] = []
        for box in boxes:
            face = self._two_passes(bgr, box, presence)
            if face is not None and not any(_same(face, other) for other in faces):
                faces.append(face)
        return _largest_first(faces)

    def _two_passes(self, bgr: Pixels, box: Box, presence: float) -> Landmarks | None:
        first = self._mesh.locate(bgr, region_of_box(box))
        if first.presence < presence:
            return None
        second = self._mesh.locate(bgr, region_of_landmarks(first))
        return second if second.presence >= presence else None


def _largest_first(faces: list[Landmarks]) -> list[Landmarks]:
    return sorted(faces, key=lambda face: -face.box.area)


def rivals(faces: list[Landmarks]) -> int:
    """How many of the faces are near enough to be the one who claims."""
    if not faces:
        return 0
    least = RIVAL_SHARE * faces[0].box.width
    return sum(face.box.width >= least for face in faces)


def _same(one: Landmarks, other: Landmarks) -> bool:
    return one.box.overlap(other.box) > SAME_FACE
