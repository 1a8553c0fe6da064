"""From "there may be a face somewhere" to the landmarks of every face that counts.

The detector looks for near faces first, on a small copy of the picture, and for farther ones
only when there was none: most frames at a door show either nobody or one near face. A second
detector of another kind then looks over the whole picture once, for a face that the first one is
blind to; it may be the nearest. A face is believed when the mesh, looking at the box, says that
one is there.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.ports import Detector, LandmarkModel
from appliance.types import Box, Landmarks, Pixels
from appliance.vision.mesh import region_of_box, region_of_landmarks

# A second person counts when the face is at least this share of the first one's width;
# smaller ones stand well behind and are not who claims.
RIVAL_SHARE = 0.5
# The mesh's presence below which a box was no face.
PRESENCE = 0.5
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
    """Detector, second detector and mesh together."""

    def __init__(
        self,
        detector: Detector,
        mesh: LandmarkModel,
        sizes: FaceSizes,
        second: Detector | None = None,
    ) -> None:
        self._detector = detector
        self._mesh = mesh
        self._sizes = sizes
        self._second = second

    def faces(self, bgr: Pixels) -> list[Landmarks]:
        """The faces of a picture, largest first; those far behind the first may be missing."""
        shorter = min(bgr.shape[:2])
        found: list[Landmarks] = []
        for smallest in self._sizes.ladder(shorter):
            found = self._confirmed(bgr, self._detector.detect(bgr, smallest))
            if found:
                found = self._with_rivals(bgr, found, smallest, shorter)
                break
        return self._with_overlooked(bgr, found, self._sizes.farthest * shorter)

    def glance(self, bgr: Pixels) -> list[Landmarks]:
        """The faces that the second detector sees: quick, and blind to far ones."""
        if self._second is None:
            return self.faces(bgr)
        smallest = self._sizes.farthest * min(bgr.shape[:2])
        return self._confirmed(bgr, self._second.detect(bgr, smallest))

    def _with_overlooked(
        self, bgr: Pixels, found: list[Landmarks], smallest: float
    ) -> list[Landmarks]:
        """Add the faces that only the second detector sees."""
        if self._second is None:
            return found
        boxes = self._second.detect(bgr, smallest)
        new = [box for box in boxes if not any(box.overlap(f.box) > SAME_FACE for f in found)]
        overlooked = self._confirmed(bgr, new)
        missing = [face for face in overlooked if not any(_same(face, other) for other in found)]
        return _largest_first(found + missing)

    def _with_rivals(
        self, bgr: Pixels, found: list[Landmarks], smallest: float, shorter: int
    ) -> list[Landmarks]:
        """Search finer where the pass that found the first face was too coarse for a second."""
        rival = max(RIVAL_SHARE * found[0].box.width, self._sizes.farthest * shorter)
        if rival >= smallest:
            return found
        finer = self._confirmed(bgr, self._detector.detect(bgr, rival))
        missing = [face for face in found if not any(_same(face, other) for other in finer)]
        return _largest_first(finer + missing)

    def _confirmed(self, bgr: Pixels, boxes: list[Box]) -> list[Landmarks]:
        faces: list[Landmarks] = []
        for box in boxes:
            face = self._two_passes(bgr, box)
            if face is not None and not any(_same(face, other) for other in faces):
                faces.append(face)
        return _largest_first(faces)

    def _two_passes(self, bgr: Pixels, box: Box) -> Landmarks | None:
        first = self._mesh.locate(bgr, region_of_box(box))
        if first.presence < PRESENCE:
            return None
        second = self._mesh.locate(bgr, region_of_landmarks(first))
        return second if second.presence >= PRESENCE else None


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
