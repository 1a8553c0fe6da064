"""What lies around the face: does it stand still behind a head, or is it carried along with it?

The camera at a door is mounted, so what is behind a living person stands still while the head
moves. A photograph or a screen that is held up brings surroundings of its own: they move with the
face as one plane, up to an edge beyond which the true background stands still.

How it is measured: a picture of the last second is moved as the face has moved since (the
similarity between the meshes), and what that changes is compared, cell by cell, with what has
really changed (a matched filter):

    along = <changed, expected> / <expected, expected>

0 where a cell stands still and 1 where it is carried along. Plain cells, along whose edges the
motion cannot be seen, expect nothing and have no say. The expected and the real change come from
different frames, so that noise adds nothing to either.

A camera that is held in a hand moves the whole picture as well. It does so with a living person
too, whose head is nearer than the wall: what tells the two apart is in `parallax`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.liveness.cue import View
from appliance.liveness.parallax import Parallax
from appliance.types import Floats, Frame, Landmarks, Pixels
from appliance.vision.mesh import CHIN, FOREHEAD, LEFT_EYE_OUTER, RIGHT_EYE_OUTER

# How many times the face's size is looked at, and the face's largest size then, in pixels.
SPAN, FACE = 5.0, 80.0
# Pixels of a cell's side, and how far from its middle it sees.
CELL, REACH = 6, 5.0
# Seconds between two looks, and after which the picture that is compared with is replaced.
STEP_S, WINDOW_S = 0.095, 1.0
# Longer without a face than that, and it may be another scene.
GAP_S = 0.5
# Looks at one picture before it has a say.
LEAST_LOOKS = 3
# The face must have moved so much (root mean square, in face sizes), well beyond the mesh's
# trembling, and the picture of the face so well along with it.
LEAST_MOTION, LEAST_ALONG = 0.01, 0.5
# Squared grey levels that the motion must change in a cell, and beyond which it weighs no more.
LEAST_CHANGE, MOST_CHANGE = 0.7, 10.0
# Cells that must have a say at one side.
LEAST_CELLS = 4
# A cell is carried from the first on, and stands still up to the second.
CARRIED, STILL = 0.6, 0.25
# Where hair, ears and neck end, beside the face and above it; where the shoulders begin, and how
# far they reach; where the near surroundings end. All in face sizes.
BESIDE, ABOVE, SHOULDERS, BODY, NEAR = 0.32, 0.48, 0.15, 1.5, 1.2
# How far the head reaches behind the face, in face sizes: what a turned head shows of it.
DEEP = 0.6
# Below the first ratio of parallax face and surroundings begin to count as one plane, below the
# second they do.
SOLID, PLANE = 0.15, 0.08
# From this share of carried surroundings on it is worth asking whether they are one plane.
SUSPECT = 0.2

Cells = NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """The part of the frame around the face, and by how much it is made smaller: 1, 2, 4, ..."""

    left: int
    top: int
    columns: int
    rows: int
    factor: int

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the thumbnail."""
        return self.columns // self.factor, self.rows // self.factor

    @property
    def cells(self) -> tuple[int, int]:
        """Columns and rows of its cells."""
        width, height = self.size
        return width // CELL, height // CELL

    @classmethod
    def around(cls, points: Floats, frame: Frame) -> Cut | None:
        """None where too little of the picture is around the face to be worth it."""
        low, high = points.min(axis=0), points.max(axis=0)
        face = float((high - low).max())
        centre, half = (low + high) / 2, SPAN / 2 * face
        left, top = np.maximum(centre - half, 0).astype(int)
        right, bottom = np.minimum(centre + half, (frame.width, frame.height)).astype(int)
        factor = 1
        while face > FACE * factor:
            factor *= 2
        step = CELL * factor
        columns, rows = int(right - left) // step * step, int(bottom - top) // step * step
        if min(columns, rows) < 4 * step:
            return None
        return cls(int(left), int(top), columns, rows, factor)

    def thumbnail(self, frame: Frame) -> Pixels:
        """(rows, columns) uint8 luma, each pixel the mean of factor x factor."""
        part = frame.bgr[self.top : self.top + self.rows, self.left : self.left + self.columns]
        # Halving is what OpenCV does fast, and the colours are best left off a smaller picture.
        if self.factor > 1:
            part = _halved(part)
        grey = np.asarray(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        while grey.shape[1] > self.size[0]:
            grey = _halved(grey)
        return grey

    def within(self, points: Floats) -> Floats:
        """Frame pixels (n, 2 or more) to the thumbnail's."""
        shift = (self.factor - 1) / 2
        moved = (points[:, :2] - (self.left + shift, self.top + shift)) / self.factor
        return np.asarray(moved, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Zones:
    """Which cells are what, at one position of the face; all (rows, columns) bool."""

    face: NDArray[np.bool_]
    person: NDArray[np.bool_]
    near: NDArray[np.bool_]

    @classmethod
    def of(cls, points: Floats, back: Floats, cells: tuple[int, int]) -> Zones:
        """points: (n, 2) in the thumbnail. back: (2,) see `back_of`."""
        low, high = points.min(axis=0), points.max(axis=0)
        size = float((high - low).max())
        x = (np.arange(cells[0]) * CELL + (CELL - 1) / 2)[np.newaxis, :]
        y = (np.arange(cells[1]) * CELL + (CELL - 1) / 2)[:, np.newaxis]
        rim = 0.1 * size
        face = (x > low[0] + rim) & (x < high[0] - rim) & (y > low[1] + rim) & (y < high[1] - rim)
        low, high = np.minimum(low, low + back * size), np.maximum(high, high + back * size)
        # From a cell's nearer rim, and from where the smoothing still mixes nothing in.
        beside = np.maximum(np.maximum(low[0] - x, x - high[0]) - REACH, 0) / size
        above = np.maximum(low[1] - y - REACH, 0) / size
        body = (y > high[1] - SHOULDERS * size) & (beside < BODY)
        head = (beside < BESIDE) & (above < ABOVE)
        person = body | head
        return cls(face, person, (beside < NEAR) & (above < NEAR) & ~person)


@dataclass(eq=False)
class _Reference:
    """One picture of the recent past, and what the looks since have said of each of its cells."""

    at: float
    cut: Cut
    pixels: Pixels
    picture: Floats
    points: Floats
    zones: Zones
    sides: tuple[NDArray[np.bool_], ...]
    real: Cells
    expected: Cells
    looked_at: float
    second: tuple[Floats, Floats] | None = None
    looks: int = 0
    way: float = 0.0
    parallax: Parallax | None = None

    @property
    def face(self) -> float:
        """The face's size in the thumbnail."""
        return float(np.ptp(self.points, axis=0).max())


@dataclass(frozen=True)
class Tally:
    """What one picture's cells say together.

    follow: share of the near surroundings, 0 to 1, that is carried along with the face, on two
    sides at least: a wide hat, a hand or somebody who passes by is on one side, a sheet on all.
    standing: share of all surroundings that stands still. weight: of the cells that had a say.
    """

    follow: float
    standing: float
    weight: float

    @property
    def held(self) -> float:
        """1 where half is carried along and half stands still, as around something held up.

        0 where all stands still, as behind a head, and where all moves, as with the camera.
        """
        return min(4 * self.follow * self.standing, 1.0)


class Surroundings:
    """The cue; see `measures`."""

    def __init__(self) -> None:
        self._reference: _Reference | None = None
        self._past: list[Tally] = []
        self._apart = np.zeros(2)  # squared: moved, missed one plane

    def see(self, view: View) -> None:
        """Look at every frame that is due, and at the first two."""
        frame = view.frame
        if frame.still:
            return
        reference = self._reference
        if reference is None or self._is_old(reference, frame):
            self._begin(view)
        elif reference.second is None:
            reference.second = self._picture(reference.cut, frame)[1], self._points(view)
        elif frame.at - reference.looked_at >= STEP_S:
            reference.looked_at = frame.at
            self._look(reference, reference.second, view)

    def measures(self) -> Mapping[str, float]:
        """What the surroundings do, absent before the face has moved and where they are plain.

        surroundings_follow: share of the near surroundings that is carried along with the face.
        surroundings_depth: by how much face and carried surroundings miss one plane, as a ratio
            of their motion; absent where nothing is carried.
        surroundings_held: share of the near surroundings that is carried along by something held
            up: where the rest stands still, or where all is one plane with the face. 0 to 1.
        """
        tallies = [*self._past, *self._present()]
        if not tallies:
            return {}
        weights = [tally.weight for tally in tallies]
        follow = float(np.average([tally.follow for tally in tallies], weights=weights))
        held = float(np.average([tally.held for tally in tallies], weights=weights))
        found = {"surroundings_follow": follow}
        moved, missed = self._apart
        if moved > 0:
            depth = float(np.sqrt(missed / moved))
            found["surroundings_depth"] = depth
            held = max(held, follow * min(max((SOLID - depth) / (SOLID - PLANE), 0.0), 1.0))
        found["surroundings_held"] = held
        return found

    def forget(self) -> None:
        """What comes next may be another person, or another scene."""
        self._reference = None
        self._past.clear()
        self._apart = np.zeros(2)

    @staticmethod
    def _is_old(reference: _Reference, frame: Frame) -> bool:
        gone = frame.at - reference.at
        late = frame.at - reference.looked_at > GAP_S
        right = reference.cut.left + reference.cut.columns
        bottom = reference.cut.top + reference.cut.rows
        return not 0 <= gone < WINDOW_S or late or right > frame.width or bottom > frame.height

    @staticmethod
    def _points(view: View) -> Floats:
        return np.ascontiguousarray(view.face.points[:, :2])

    @staticmethod
    def _picture(cut: Cut, frame: Frame) -> tuple[Pixels, Floats]:
        """The thumbnail, and the same with less noise."""
        pixels = cut.thumbnail(frame)
        smooth = cv2.GaussianBlur(pixels.astype(np.float32), (5, 5), 1.0)
        return pixels, np.asarray(smooth, dtype=np.float32)

    def _begin(self, view: View) -> None:
        self._past.extend(self._present())
        points = self._points(view)
        cut = Cut.around(points, view.frame)
        if cut is None:
            self._reference = None
            return
        pixels, picture = self._picture(cut, view.frame)
        points = cut.within(points)
        x = (np.arange(cut.cells[0]) * CELL + (CELL - 1) / 2)[np.newaxis, :]
        left, right = x < points[:, 0].min(), x > points[:, 0].max()
        columns, rows = cut.cells
        self._reference = _Reference(
            view.frame.at,
            cut,
            pixels,
            picture,
            points,
            Zones.of(points, back_of(view.face), cut.cells),
            tuple(np.broadcast_to(s, (rows, columns)) for s in (left, ~left & ~right, right)),
            np.zeros((rows, columns)),
            np.zeros((rows, columns)),
            view.frame.at,
        )

    def _look(self, reference: _Reference, other: tuple[Floats, Floats], view: View) -> None:
        cut, (second, second_points) = reference.cut, other
        pixels, picture = self._picture(cut, view.frame)
        points = cut.within(self._points(view))
        motion = similarity(cut.within(second_points), points)
        expected = _moved(reference.picture, motion) - reference.picture
        again = _moved(second, motion) - second
        # Where the head has come to, it hides what is behind it.
        there = Zones.of(points, back_of(view.face), cut.cells)
        free = ~(there.person ^ reference.zones.person)
        reference.real += _together(expected, picture - second, cut) * free
        reference.expected += _together(expected, again, cut) * free
        reference.looks += 1
        centre = np.append(points.mean(axis=0), 1.0)
        before = cut.within(second_points).mean(axis=0)
        reference.way += float(np.square((centre[:2] - before) / reference.face).sum())
        if reference.looks % 2 == 0:  # it is the dearest part, and says the same each time
            self._weigh_depth(reference, pixels, motion)

    def _weigh_depth(
        self, reference: _Reference, pixels: Pixels, motion: NDArray[np.float64]
    ) -> None:
        """Where surroundings seem to be carried along, see whether they are one plane."""
        tally = _told(reference)
        if tally is None or tally.follow < SUSPECT:
            return
        if reference.parallax is None:
            cell = np.ones((CELL, CELL), dtype=np.uint8)
            around = np.kron(reference.zones.near.astype(np.uint8), cell)
            reference.parallax = Parallax(reference.pixels, reference.points, around)
        apart = reference.parallax.apart(pixels, motion)
        if apart is not None:
            self._apart += np.square(apart)

    def _present(self) -> list[Tally]:
        told = None if self._reference is None else _told(self._reference)
        return [] if told is None else [told]


def _told(reference: _Reference) -> Tally | None:
    """None where the face has not moved enough, and where its surroundings are plain."""
    looks, zones = reference.looks, reference.zones
    if looks < LEAST_LOOKS or (reference.way / looks) ** 0.5 < LEAST_MOTION:
        return None
    change = reference.expected / looks
    says = change > LEAST_CHANGE
    along = reference.real / np.maximum(reference.expected, 1e-9)
    weight = np.minimum(change, MOST_CHANGE) * says
    face = weight * zones.face
    if float((face * along).sum()) < LEAST_ALONG * max(float(face.sum()), 1e-9):
        return None
    sides = [side & zones.near for side in reference.sides]
    sides = [side for side in sides if says[side].sum() >= LEAST_CELLS]
    if len(sides) < 2:
        return None
    carried = weight * (along > CARRIED)
    shares = sorted(float(carried[side].sum() / weight[side].sum()) for side in sides)
    outside = weight * ~zones.person
    everything = float(outside.sum())
    standing = float((outside * (along < STILL)).sum()) / everything
    return Tally(shares[-2], standing, everything)


def back_of(face: Landmarks) -> Floats:
    """(2,) how far the back of the head is shifted in the picture, in face sizes; 0 from ahead."""
    across = face.points[RIGHT_EYE_OUTER] - face.points[LEFT_EYE_OUTER]
    down = face.points[CHIN] - face.points[FOREHEAD]
    inwards = np.cross(across, down)
    return np.asarray(DEEP * inwards[:2] / max(float(np.linalg.norm(inwards)), 1e-9), np.float32)


def similarity(before: Floats, after: Floats) -> NDArray[np.float64]:
    """The (2, 3) matrix of shift, turn and scale that brings (n, 2) points nearest to others.

    Umeyama's least squares without reflection, in complex numbers.
    """
    one, other = before.astype(float) @ (1, 1j), after.astype(float) @ (1, 1j)
    there, here = one.mean(), other.mean()
    turn = np.vdot(one - there, other - here) / np.vdot(one - there, one - there).real
    shift = here - turn * there
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _halved(picture: Pixels) -> Pixels:
    size = picture.shape[1] // 2, picture.shape[0] // 2
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _moved(picture: Floats, motion: NDArray[np.float64]) -> Floats:
    size = picture.shape[1], picture.shape[0]
    moved = cv2.warpAffine(picture, motion, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.float32)


def _together(one: Floats, other: Floats, cut: Cut) -> Floats:
    """Covariances within the cells: what changes a whole cell alike is light, not motion."""
    return _per_cell(one * other, cut) - _per_cell(one, cut) * _per_cell(other, cut)


def _per_cell(values: Floats, cut: Cut) -> Floats:
    """Means over the cells."""
    return np.asarray(cv2.resize(values, cut.cells, interpolation=cv2.INTER_AREA), np.float32)
