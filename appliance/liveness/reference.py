"""A frame of a face that later frames are compared with, corner by corner."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from appliance.liveness.cue import View
from appliance.liveness.relief import in_patch, patch_matrix, relief_of
from appliance.liveness.sheet import SIDE, Doubles, SheetTracker, robust
from appliance.types import Landmarks, Pixels
from appliance.vision.warp import inverse

# Corners that are needed to tell a sheet from a head, and the share of them to be found again.
FEWEST = 28
_FOUND = 0.5
# How far around the mesh the frame is cut, shares of its size.
_AROUND = 0.2


@dataclass(frozen=True, eq=False)
class Cut:
    """A part of a frame, grey, scaled down by a whole factor where the face is large.

    grey: (h, w) uint8. to_cut: (2, 3) from frame pixels to its own.
    """

    grey: Pixels
    to_cut: Doubles


def cut(view: View) -> Cut:
    """The face and a little around it."""
    box, frame = view.face.box, view.frame
    larger = max(box.width, box.height)
    spare = _AROUND * larger
    factor = max(int(larger / SIDE), 1)
    left, top = max(int(box.left - spare), 0), max(int(box.top - spare), 0)
    across = (min(int(box.left + box.width + spare), frame.width) - left) // factor
    down = (min(int(box.top + box.height + spare), frame.height) - top) // factor
    if across < 2 or down < 2:
        return Cut(np.zeros((2, 2), np.uint8), np.eye(2, 3))
    part = frame.bgr[top : top + down * factor, left : left + across * factor]
    if factor > 1:
        small = cv2.resize(part, (across, down), interpolation=cv2.INTER_AREA)
        part = np.asarray(small, dtype=np.uint8)
    # Pixel i of the small picture covers [i*f, i*f + f): its centre is at i*f + (f-1)/2.
    middle = (factor - 1) / 2
    to_cut = np.array([[1, 0, -left - middle], [0, 1, -top - middle]]) / factor
    return Cut(np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), dtype=np.uint8), to_cut)


@dataclass(frozen=True, eq=False)
class Sample:
    """What one frame shows against the reference.

    beyond: (n, 2) what each corner moved beyond a sheet's motion, in thousandths of the distance
    between the eyes; NaN where the corner was lost.
    seen: (2,) the turn out of the picture's plane, in radians, that the corners' depth explains,
    and noise, its standard error. claimed: (2,) the same turn by the pose of the mesh.
    eyes: frame pixels between the eyes in the reference.
    """

    at: float
    beyond: Doubles
    seen: Doubles
    noise: float
    claimed: Doubles
    eyes: float

    @property
    def far(self) -> float:
        """How far the face turned by the pose of the mesh, radians."""
        return float(np.hypot(*self.claimed))


class Reference:
    """One frame's corners and their depths."""

    def __init__(self, view: View) -> None:
        self.at = view.frame.at
        part = cut(view)
        to_patch = patch_matrix(view.face)
        straight = _joined(to_patch, inverse(part.to_cut))
        grey = cv2.warpAffine(part.grey, straight, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        height, width = part.grey.shape
        frame = np.array([[2, 2], [width - 3, 2], [width - 3, height - 3], [2, height - 3]])
        mesh = in_patch(view.face.points, to_patch)
        window = frame @ straight[:, :2].T + straight[:, 2]
        relief = relief_of(np.asarray(grey, dtype=np.uint8), mesh, window)
        self.useful = len(relief.corners) >= FEWEST
        self._tracker = SheetTracker(relief.grey, relief.corners)
        self._unit = 1000 / relief.eyes
        self._eyes = view.eyes
        self._to_affine = np.linalg.pinv(np.column_stack([mesh[:, :2], np.ones(len(mesh))]))
        self._upper = relief.rigid
        self._rigid = mesh[relief.rigid] - mesh[relief.rigid].mean(axis=0)
        # Only the depth that no sheet has tells a head from one.
        terms = self._tracker.powers
        laid = robust(terms, np.column_stack([relief.depth, relief.depth])) if self.useful else None
        self._depth = relief.depth if laid is None else laid.residuals[:, 0]
        self._design = np.column_stack([terms, self._depth])
        self._fewest = max(FEWEST, _FOUND * len(relief.corners))

    def compare(self, view: View) -> Sample | None:
        """What `view` shows; None where too few corners are found again."""
        part = cut(view)
        affine = (self._to_affine @ view.face.points[:, :2].astype(np.float64)).T
        followed = self._tracker.follow(part.grey, _joined(part.to_cut, affine))
        if followed is None or followed.found.sum() < self._fewest:
            return None
        found = followed.found
        fit = robust(self._design[found], followed.beyond[found])
        if fit is None:
            return None
        beyond = followed.beyond
        beyond[found] = fit.residuals + np.outer(self._depth[found], fit.coefficients[-1])
        return Sample(
            view.frame.at,
            beyond * self._unit,
            fit.coefficients[-1],
            float(fit.spread[-1]),
            self._claimed(view.face, affine),
            self._eyes,
        )

    def _claimed(self, face: Landmarks, affine: Doubles) -> Doubles:
        """The turn by the mesh: Umeyama's alignment (PAMI 1991), seen in the reference's plane."""
        points = face.points[self._upper].astype(np.float64)
        left, size, right = np.linalg.svd(self._rigid.T @ (points - points.mean(axis=0)))
        sign = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
        turn = ((left * sign) @ right).T
        scale = float((size * sign).sum() / (self._rigid**2).sum())
        return np.asarray(np.linalg.solve(affine[:, :2], scale * turn[:2, 2]))


def _joined(after: Doubles, before: Doubles) -> Doubles:
    """(2, 3) of two affine maps, `before` first."""
    joined = after[:, :2] @ before
    joined[:, 2] += after[:, 2]
    return np.asarray(joined)
