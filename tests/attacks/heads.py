"""A living head from one picture: the picture on its own depth, turned in three dimensions.

The depth is the face mesh's inside the face and that of a rounded head outside; the neck gives
way, the shoulders only sway. What it cannot show: parts that the picture hides, so turns stay
below about 25 degrees. Everything made of it is synthetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.types import Pixels
from tests.attacks.attempt import EYES_MM
from tests.attacks.hold import Grip, Sweep
from tests.attacks.optics import Array, Field, Pinhole, Pose
from tests.attacks.sensor import Light, linear
from tests.attacks.sheet import Seen, Window, tripled
from tests.attacks.sources import Content

# Contours of the face mesh.
FACE_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
UPPER_LIDS = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133),
    (362, 398, 384, 385, 386, 387, 388, 466, 263),
)
LOWER_LIDS = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133),
    (362, 382, 381, 380, 374, 373, 390, 249, 263),
)
BROWS = ((46, 53, 52, 65, 55), (285, 295, 282, 283, 276))

# The joint between skull and spine, from the point between the eyes.
NECK_MM = np.array([0.0, 90.0, 95.0])
_WORK_EYES = 84.0
_GRID = 8
_ROUNDS = 6


@dataclass(frozen=True)
class Blink:
    """begin, length: seconds. A lid closes in the first third of a blink and opens slower."""

    begin: float
    length: float

    def closed(self, seconds: float) -> float:
        """0 open, 1 closed."""
        share = (seconds - self.begin) / self.length
        if not 0 < share < 1:
            return 0.0
        rising = share / 0.3 if share < 0.3 else 1.0 if share < 0.45 else (1 - share) / 0.55
        return float(rising * rising * (3 - 2 * rising))


@dataclass(frozen=True)
class Performance:
    """What a head does: sways, turns on purpose (sweeps), and blinks."""

    grip: Grip
    blinks: tuple[Blink, ...]
    turns: tuple[tuple[int, float, float, float], ...] = ()

    def turned(self, seconds: float) -> Array:
        """(6,) of single movements there and back: axis, amount, begin, length of each."""
        moved = np.zeros(6)
        for axis, amount, begin, length in self.turns:
            share = np.clip((seconds - begin) / length, 0, 1)
            moved[axis] += amount * np.sin(np.pi * share) ** 2
        return moved


def natural(rng: np.random.Generator, seconds: float, *, lively: float = 1.0) -> Performance:
    """Somebody who waits at a door: sway of some mm, a few degrees, a blink in 2 to 6 s.

    Blinks last 0.15 to 0.35 s.
    """
    sweeps = tuple(
        Sweep(axis, float(lively * rng.uniform(0.5, amount)), float(rng.uniform(0.2, 0.7)), phase)
        for axis, amount, phase in zip(
            (0, 1, 2), (4.0, 6.0, 2.0), rng.uniform(0, 6.3, 3).tolist(), strict=True
        )
    )
    grip = Grip(
        lively * float(rng.uniform(1, 4)), lively * float(rng.uniform(0.3, 1)), 0, 0, sweeps
    )
    blinks, at = [], float(rng.uniform(0.2, 3))
    while at < seconds:
        blinks.append(Blink(at, float(rng.uniform(0.15, 0.35))))
        at += float(rng.uniform(2, 6))
    return Performance(grip, tuple(blinks))


class Head:
    """The person of a picture, before that picture's own background."""

    def __init__(self, content: Content) -> None:
        picture, corner = _around(content)
        x, y, eyes = content.eyes
        found = content.face.points - np.array([*corner, 0.0], np.float32)
        zoom = float(np.clip(_WORK_EYES / eyes, 0.5, 3.0))
        height, width = picture.shape[:2]
        size = round(width * zoom), round(height * zoom)
        flags = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
        self.picture = np.asarray(cv2.resize(picture, size, interpolation=flags), np.uint8)
        # A pixel's centre is at a whole number.
        self.points = np.asarray(found * zoom, np.float64)
        self.points[:, :2] += (zoom - 1) / 2
        self.between_eyes = (np.array([x, y]) - corner) * zoom + (zoom - 1) / 2
        self.mm_per_px = EYES_MM / (eyes * zoom)
        mask = _person(picture, found)
        self.alpha = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR), np.float32)
        empty = _emptied(picture, mask)
        self.background = np.asarray(cv2.resize(empty, size, interpolation=cv2.INTER_CUBIC))
        self._alpha8 = np.asarray(np.round(255 * self.alpha), np.uint8)
        self._depth, self._follows = self._relief()
        self._open = self._layer(self.picture)

    @property
    def nose_mm(self) -> float:
        """How far the nose's tip stands before the plane of the eyes."""
        eyes = self.points[[33, 133, 362, 263], 2].mean()
        return float((eyes - self.points[1, 2]) * self.mm_per_px)

    def mm(self, points: Array) -> Array:
        """(n, 2) pixels of the picture to mm from between the eyes."""
        return np.asarray((points - self.between_eyes) * self.mm_per_px)

    def see(self, camera: Pinhole, rest: Pose, moved: Array, closed: float) -> Seen:
        """The head at `rest` moved by (6,) degrees and mm, lids `closed`, in linear light."""
        layer = self._layer(self._blinked(closed)) if closed > 0.02 else self._open
        map_x, map_y = self._maps(camera, rest, moved)
        shown = cv2.remap(layer, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        light = np.asarray(cv2.cvtColor(shown, cv2.COLOR_BGRA2BGR), np.float32)
        covered = tripled(np.asarray(cv2.extractChannel(shown, 3), np.float32))
        return Seen(Window(0, 0, camera.width, camera.height), light, covered)

    def film(
        self, camera: Pinhole, rest: Pose, moved: Array, closed: float, behind: Pixels
    ) -> Pixels:
        """As `see`, before `behind`, but as a telephone's recording: sRGB pixels."""
        picture = self._blinked(closed) if closed > 0.02 else self.picture
        map_x, map_y = self._maps(camera, rest, moved)
        flags, rim = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
        shown = cv2.remap(picture, map_x, map_y, flags, borderMode=rim)
        covered = cv2.remap(self._alpha8, map_x, map_y, flags, borderMode=cv2.BORDER_CONSTANT)
        share = cv2.cvtColor(covered, cv2.COLOR_GRAY2BGR)
        person = cv2.multiply(shown, share, scale=1 / 255)
        rest_of = cv2.multiply(behind, cv2.bitwise_not(share), scale=1 / 255)
        return np.asarray(cv2.add(person, rest_of), np.uint8)

    def behind(self, camera: Pinhole, rest: Pose, hall: Light) -> Light:
        """(height, width, 3): a room in the colours of the picture's background.

        hall: linear light of a drawn room. The picture's own background is too blurred to show
        anybody; the drawn room gives it things that stand still.
        """
        scale = camera.focal / rest.z * self.mm_per_px
        where = camera.matrix[:2, 2] + camera.focal * np.array([rest.x, rest.y]) / rest.z
        shift = where - scale * self.between_eyes
        # Worked out at an eighth of the size: nothing finer is left of it.
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]) / 8
        size = (camera.width // 8, camera.height // 8)
        flags, rim = cv2.INTER_AREA, cv2.BORDER_REFLECT_101
        shown = cv2.warpAffine(self.background, matrix, size, flags=flags, borderMode=rim)
        far = cv2.GaussianBlur(shown, (0, 0), 0.5 * EYES_MM / self.mm_per_px * scale / 8)
        far = cv2.resize(far, (camera.width, camera.height), interpolation=cv2.INTER_CUBIC)
        structure = np.clip(hall / hall.mean(axis=(0, 1)), 0.5, 2.0)
        return np.asarray(linear(np.asarray(far, np.uint8)) * structure, np.float32)

    @property
    def facing(self) -> Array:
        """(3, 3): how the face is turned in the picture; columns are its right, down and back."""
        solid = self.points * self.mm_per_px
        right = solid[263] - solid[33]
        down = solid[152] - solid[10]
        right = right / np.linalg.norm(right)
        down = down - (down @ right) * right
        down /= np.linalg.norm(down)
        return np.column_stack([right, down, np.cross(right, down)])

    @property
    def skin(self) -> Array:
        """(3,) mean BGR linear light of the face."""
        return mean_skin(self.picture, self.points)

    def _layer(self, picture: Pixels) -> Light:
        light = linear(picture) * self.alpha[..., np.newaxis]
        return np.dstack([light, self.alpha])

    def _maps(self, camera: Pinhole, rest: Pose, moved: Array) -> tuple[Field, Field]:
        """Where in the picture each camera pixel looks: a fixed-point search on a coarse grid."""
        step = _GRID
        nodes_x, nodes_y = self._nodes()
        flat = (np.stack([nodes_x, nodes_y], -1) - self.between_eyes) * self.mm_per_px
        scale, centre = camera.focal / rest.z, camera.matrix[:2, 2]
        still = centre + scale * (flat + np.array([rest.x, rest.y]))
        error = (self._projected(camera, rest, moved, flat) - still).astype(np.float32)
        across = np.arange(-step, camera.width + 2 * step, step)
        down = np.arange(-step, camera.height + 2 * step, step)
        wanted = np.stack(np.meshgrid(across + (step - 1) / 2, down + (step - 1) / 2), -1)
        to_px = 1 / (scale * self.mm_per_px)
        offset = self.between_eyes - np.array([rest.x, rest.y]) / self.mm_per_px
        found = (wanted - centre) * to_px + offset
        for _ in range(_ROUNDS):
            where = (found / _GRID).astype(np.float32)
            wrong = cv2.remap(
                error,
                where[..., 0],
                where[..., 1],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            found = (wanted - wrong - centre) * to_px + offset
        size = found.shape[1] * step, found.shape[0] * step
        every = cv2.resize(found.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        part = every[step : step + camera.height, step : step + camera.width]
        map_x, map_y = cv2.split(part)
        return np.asarray(map_x, np.float32), np.asarray(map_y, np.float32)

    def _projected(self, camera: Pinhole, rest: Pose, moved: Array, flat: Array) -> Array:
        solid = np.concatenate([flat, self._depth[..., np.newaxis]], axis=-1)
        turn = Pose(*moved[:3].tolist()).rotation
        turned = (solid - NECK_MM) @ turn.T + NECK_MM - solid
        solid = solid + self._follows[..., np.newaxis] * turned
        placed = solid + moved[3:] + np.array([rest.x, rest.y, rest.z])
        return camera.project(placed.reshape(-1, 3)).reshape(*flat.shape)

    def _nodes(self) -> tuple[Array, Array]:
        height, width = self.picture.shape[:2]
        across = np.arange(0, width + _GRID, _GRID, dtype=np.float64)
        down = np.arange(0, height + _GRID, _GRID, dtype=np.float64)
        x, y = np.meshgrid(across, down)
        return x, y

    def _relief(self) -> tuple[Array, Array]:
        """Depth in mm at each node, and how far it follows the head's turning (0..1)."""
        x, y = self._nodes()
        eyes = EYES_MM / self.mm_per_px
        plane = self.points[[33, 133, 362, 263], 2].mean()
        face = np.column_stack([self.points[:, :2], self.points[:, 2] - plane])
        oval = face[list(FACE_OVAL)]
        middle = oval[:, :2].mean(axis=0)
        # The skull goes back behind the face's rim as far as it goes out.
        ring = oval.copy()
        ring[:, :2] = middle + 1.3 * (oval[:, :2] - middle)
        ring[:, 2] += 0.45 * eyes
        wide = oval.copy()
        wide[:, :2] = middle + 2.2 * (oval[:, :2] - middle)
        wide[:, 2] = oval[:, 2].mean() + 0.6 * eyes
        depth = _interpolated(np.concatenate([face, ring, wide]), x, y, 0.07 * eyes)
        chin = self.points[152, 1]
        neck = np.clip(1 - (y - chin - 0.1 * eyes) / (1.3 * eyes), 0, 1)
        follows = neck * neck * (3 - 2 * neck)
        return depth * self.mm_per_px, follows

    def _blinked(self, closed: float) -> Pixels:
        """The upper lids drawn down over the eyes by that share."""
        picture = self.picture.copy()
        for numbers in zip(UPPER_LIDS, LOWER_LIDS, BROWS, strict=True):
            lines = [self.points[list(line), :2] for line in numbers]
            _draw_lid(self.picture, picture, lines, closed)
        return picture


@lru_cache(maxsize=6)
def head_in(content: Content) -> Head:
    """The head of a source's best frame; made once while it is in use."""
    return Head(content)


def mean_skin(picture: Pixels, points: Array) -> Array:
    """(3,) mean BGR linear light within the face's outline."""
    inside = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(inside, [points[list(FACE_OVAL), :2].astype(np.int32)], 255)
    return np.asarray(cv2.mean(linear(picture), inside)[:3])


def _draw_lid(source: Pixels, picture: Pixels, lines: Sequence[Array], closed: float) -> None:
    """lines: (n, 2) of upper lid, lower lid and the brow's lower edge."""
    upper, lower, brow = (line[np.argsort(line[:, 0])] for line in lines)
    left, right = int(np.ceil(upper[0, 0])), int(np.floor(upper[-1, 0]))
    top, bottom = int(brow[:, 1].min()), int(np.ceil(lower[:, 1].max())) + 2
    if right - left < 3 or bottom - top < 3 or left < 0 or top < 0:
        return
    columns = np.arange(left, right + 1, dtype=np.float64)
    lid = np.interp(columns, upper[:, 0], upper[:, 1])
    low = np.interp(columns, lower[:, 0], lower[:, 1])
    above = np.interp(columns, brow[:, 0], brow[:, 1])
    # Skin is taken from below the brow; the lid's margin goes down to the lower lid.
    crease = lid - 0.75 * (lid - above)
    skin = lid - 0.2 * (lid - above)
    margin = lid + closed * 1.1 * (low - lid)
    y = np.arange(top, bottom, dtype=np.float64)[:, np.newaxis]
    # The lashes' own shadow, just above the eye, is not stretched with the skin.
    end = lid + closed * (skin - lid)
    stretched = crease + (y - crease) * (end - crease) / np.maximum(margin - crease, 1e-6)
    from_y = np.where((y > crease) & (y < margin), stretched, y)
    from_x = np.broadcast_to(columns, from_y.shape)
    part = cv2.remap(source, from_x.astype(np.float32), from_y.astype(np.float32), cv2.INTER_LINEAR)
    # The lashes' shadow along the margin.
    near = np.exp(-(((y - margin) / 1.2) ** 2)) * closed * 0.4
    picture[top:bottom, left : right + 1] = part * (1 - near[..., np.newaxis])


def _around(content: Content) -> tuple[Pixels, Array]:
    """The part of the picture that can come into view, and its upper left corner (x, y)."""
    picture = content.frames[content.best]
    x, y, eyes = content.eyes
    height, width = picture.shape[:2]
    left, top = max(int(x - 5 * eyes), 0), max(int(y - 4 * eyes), 0)
    right, bottom = min(int(x + 5 * eyes), width), min(int(y + 8 * eyes), height)
    return np.ascontiguousarray(picture[top:bottom, left:right]), np.array([left, top], np.float64)


def _interpolated(known: Array, x: Array, y: Array, reach: float) -> Array:
    """Weights that fall with the fourth power of the distance: smooth, no extrapolation."""
    nodes = np.stack([x.ravel(), y.ravel()], -1).astype(np.float32)
    spots = known[:, :2].astype(np.float32)
    square = (nodes**2).sum(1)[:, np.newaxis] + (spots**2).sum(1) - 2 * nodes @ spots.T
    weights = 1 / (np.maximum(square, 0) + np.float32(reach**2)) ** 2
    depth = weights @ known[:, 2].astype(np.float32) / weights.sum(axis=1)
    return np.asarray(depth.reshape(x.shape), np.float64)


def _person(picture: Pixels, points: NDArray[np.float32]) -> Field:
    """(height, width) 0..1: where the person is (GrabCut, Rother et al., SIGGRAPH 2004)."""
    height, width = picture.shape[:2]
    shrink = max(max(height, width) / 250, 1.0)
    small = cv2.resize(
        picture, (round(width / shrink), round(height / shrink)), interpolation=cv2.INTER_AREA
    )
    spots = (points[:, :2] / shrink).astype(np.float64)
    marks = _first_guess(small.shape[:2], spots)
    back, fore = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(1)
    cv2.grabCut(small, marks, (0, 0, 1, 1), back, fore, 3, cv2.GC_INIT_WITH_MASK)
    person = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8)
    person = cv2.morphologyEx(person, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, labels = cv2.connectedComponents(person)
    middle = spots.mean(axis=0).astype(int)
    person = (labels == labels[middle[1], middle[0]]).astype(np.float32)
    person = cv2.GaussianBlur(person, (0, 0), 0.9)
    return np.asarray(
        cv2.resize(person, (width, height), interpolation=cv2.INTER_LINEAR), np.float32
    )


def _first_guess(shape: tuple[int, ...], spots: Array) -> Pixels:
    """Surely the face, perhaps hair and shoulders, surely not what is far to the sides above."""
    height, width = shape[0], shape[1]
    oval = spots[list(FACE_OVAL)]
    middle, tall = oval.mean(axis=0), np.ptp(oval[:, 1])
    wide = max(float(np.ptp(oval[:, 0])), 0.65 * tall)
    marks = np.full((height, width), cv2.GC_BGD, np.uint8)
    centre = (int(middle[0]), int(middle[1] - 0.08 * tall))
    cv2.ellipse(marks, centre, (int(0.85 * wide), int(0.9 * tall)), 0, 0, 360, cv2.GC_PR_BGD, -1)
    cv2.ellipse(marks, centre, (int(0.62 * wide), int(0.68 * tall)), 0, 0, 360, cv2.GC_PR_FGD, -1)
    chin = middle[1] + 0.55 * tall
    body = [
        (middle[0] - 0.4 * wide, chin - 0.1 * tall),
        (middle[0] + 0.4 * wide, chin - 0.1 * tall),
        (middle[0] + 1.6 * wide, chin + 0.9 * tall),
        (middle[0] + 1.9 * wide, height + 2),
        (middle[0] - 1.9 * wide, height + 2),
        (middle[0] - 1.6 * wide, chin + 0.9 * tall),
    ]
    cv2.fillPoly(marks, [np.array(body, np.int32)], cv2.GC_PR_FGD)
    core = [(middle[0] - 0.3 * wide, chin), (middle[0] + 0.3 * wide, chin)]
    core += [(middle[0] + 0.6 * wide, height + 2), (middle[0] - 0.6 * wide, height + 2)]
    cv2.fillPoly(marks, [np.array(core, np.int32)], cv2.GC_FGD)
    cv2.fillPoly(marks, [oval.astype(np.int32)], cv2.GC_FGD)
    return marks


def _emptied(picture: Pixels, person: Field) -> Pixels:
    """The picture without the person: what is around is drawn inwards, and blurred."""
    height, width = picture.shape[:2]
    size = (max(width // 3, 8), max(height // 3, 8))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    near = cv2.resize(person, size, interpolation=cv2.INTER_AREA) > 0.02
    hole = cv2.dilate(near.astype(np.uint8), np.ones((5, 5), np.uint8))
    filled = cv2.resize(cv2.inpaint(small, hole, 3, cv2.INPAINT_TELEA), (width, height))
    filled = cv2.GaussianBlur(filled, (0, 0), width / 120)
    nobody = (person < 0.02).astype(np.float32)
    away = np.minimum(cv2.GaussianBlur(nobody, (0, 0), 2.0), nobody)[..., np.newaxis]
    return np.asarray(picture * away + filled * (1 - away), np.uint8)
