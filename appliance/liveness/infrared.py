"""Whether the face that the camera shows is in the picture of an infrared camera as well.

Displays make light to be seen: the emitters of an OLED or of the white LEDs behind a liquid
crystal end before 800 nm, so to a camera that sees nothing but the light of its own lamp, at 850
or 940 nm, a screen is a sheet of dark glass, whatever it shows. Skin sends back about half of that
light. So a living face is in both pictures, at the place that follows from where the two cameras
look, and a face on a screen is in one of them. A print is another matter: what carbon ink and
toner paint is there in the infrared too.

The rules, before the code:

1. Where the infrared camera gives no picture of the moment, shows nothing at all (its lamp is
   out, its lens is covered), is dazzled at the place, or does not see so far to the side, nothing
   can be told: nobody is live then, and nobody accused.
2. Else the face is there, or it is not. A face counts that two networks find, of the size and at
   the place that `Placement` expects, and that is clearly brighter than the picture's black.
3. One look that misses accuses nobody. See `accuses`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import cv2
import numpy as np

from appliance.ports import SecondSight
from appliance.types import Box, Frame, Landmarks, Pixels
from appliance.vision.scene import SceneLimits, fault_of, measure

# The name of the measure: the share of the looks in which the face was there.
CUE = "infrared"
# Seconds between two pictures of one moment. Both cameras together take about 0.07 s for the next
# picture at 15 a second; a head that is moved quickly goes half its width in this time.
TOGETHER_S = 0.15
# Of the expected place, in widths of the face: 6 cm between the cameras are 0.43 of a mesh that is
# 14 cm wide, at any distance, and 2.5 cm of motion from one picture to the other are 0.18.
ASTRAY_FACES = 0.6
# Beyond that, in widths of the picture: 2 degrees that the cameras are aimed apart, where the
# lens shows 70 degrees.
ASTRAY_PICTURES = 0.025
# Between sizes of the face: lenses of 60 and 78 degrees differ by 1.4, 5 cm more of 40 by 1.12.
UNLIKE = 1.5
# Share of a face that must lie in the infrared picture before anything is said of it.
INSIDE = 0.8
# Grey levels above the picture's black, and multiples of its noise, that a face has at least.
LEAST_LEVEL, LEAST_TIMES_NOISE = 20.0, 5.0
# Percent of the picture's cells at either end that do not count when it is asked whether it shows
# anything: at night a far face is little more.
ODD = 0.2
# Percent of the pixels that are darker than what is taken for black.
BLACK = 1.0
# A region is burnt out where so large a share of it is at this level and more.
BURNT_LEVEL, BURNT_SHARE = 250, 0.5
# Pixels of the side that is searched: a face takes a third of it, which is all that is needed.
SEARCHED = 288
# Looks without a face after which it is called an attack, if they are more than those with one.
MISSES = 5


class Sighting(str, Enum):
    """What one look into the infrared found."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Placement:
    """Where the infrared camera looks, compared with the other one.

    right, down: where the middle of the camera's picture is in the infrared one, from that one's
    middle, in widths of the infrared picture. scale: how large things are there, in widths of the
    infrared picture, where they are 1 in widths of the camera's. Pixels are square in both.
    """

    right: float = 0.0
    down: float = 0.0
    scale: float = 1.0

    def expected(self, face: Box, seen: Frame, infrared: Frame) -> Box:
        """Where the face of `seen` should be in the infrared picture."""
        unit = self.scale * infrared.width / seen.width
        x, y = face.centre
        return _around(
            (x - (seen.width - 1) / 2) * unit
            + (infrared.width - 1) / 2
            + self.right * infrared.width,
            (y - (seen.height - 1) / 2) * unit
            + (infrared.height - 1) / 2
            + self.down * infrared.width,
            face.width * unit,
            face.height * unit,
        )

    @staticmethod
    def measured(face: Box, seen: Frame, found: Box, infrared: Frame) -> Placement:
        """The placement for which `found` is exactly where `face` was expected."""
        scale = found.width / infrared.width / (face.width / seen.width)
        there = Placement(scale=scale).expected(face, seen, infrared).centre
        right, down = (
            (is_at - was_at) / infrared.width
            for is_at, was_at in zip(found.centre, there, strict=True)
        )
        return Placement(right, down, scale)


def fits(found: Box, expected: Box, width: int) -> bool:
    """Whether a face is of the size and at the place expected. width: the picture's, in pixels."""
    astray = ASTRAY_FACES * expected.width + ASTRAY_PICTURES * width
    apart = (abs(here - there) for here, there in zip(found.centre, expected.centre, strict=True))
    return (
        all(each <= astray for each in apart)
        and expected.width / UNLIKE <= found.width <= expected.width * UNLIKE
    )


class InfraredCheck:
    """Looks for the face of an attempt in the infrared; see the module.

    faces: finds them in a part of a picture, (height, width, 3) uint8, in its pixels. Until
    `through` has given it a camera, nothing can be told.
    """

    def __init__(
        self, faces: Callable[[Pixels], Sequence[Landmarks]], placement: Placement
    ) -> None:
        self._faces = faces
        self._placement = placement
        self._limits = SceneLimits()
        self._sight: SecondSight | None = None
        self._counts = dict.fromkeys(Sighting, 0)

    def through(self, sight: SecondSight | None) -> None:
        """Look through this from now on; None: through nothing, and then nobody is live."""
        self._sight = sight
        self.forget()

    def expect(self, at: float) -> None:
        """A face is followed, at this time of its frame: pictures will be asked for."""
        if self._sight is not None:
            self._sight.near(at)

    def look(self, frame: Frame, face: Landmarks) -> Sighting:
        """Whether the face of this frame is in the infrared picture of the same moment."""
        found = self._looked(frame, face)
        self._counts[found] += 1
        return found

    @property
    def accuses(self) -> bool:
        """Whether the face was missing for so often that it is an attack.

        MISSES looks, and more without a face than with one: at 10 % of looks that miss a living
        face, one after the other by chance, that is one attempt in a thousand, at 2 % one in two
        million. Looks that could not tell do not count.
        """
        absent = self._counts[Sighting.ABSENT]
        return absent >= MISSES and absent > self._counts[Sighting.PRESENT]

    @property
    def enough(self) -> bool:
        """Whether so many looks could tell that a frame that is not live needs none."""
        return self._counts[Sighting.PRESENT] + self._counts[Sighting.ABSENT] >= MISSES

    def measures(self) -> Mapping[str, float]:
        """CUE: the share of the looks, of those that could tell, in which the face was there."""
        present, absent = self._counts[Sighting.PRESENT], self._counts[Sighting.ABSENT]
        return {CUE: present / (present + absent)} if present + absent else {}

    def forget(self) -> None:
        """Another person may stand there from the next frame on."""
        self._counts = dict.fromkeys(Sighting, 0)

    def _looked(self, frame: Frame, face: Landmarks) -> Sighting:
        near = () if self._sight is None else self._sight.near(frame.at)
        for picture in near:
            if abs(picture.at - frame.at) > TOGETHER_S:
                break
            # Some lamps light every second picture only: the others show nothing.
            light = measure(picture.bgr, self._limits.burnt, ODD)
            if fault_of(light, self._limits) is None:
                return self._judged(frame, face.box, picture)
        return Sighting.UNKNOWN

    def _judged(self, frame: Frame, face: Box, picture: Frame) -> Sighting:
        expected = self._placement.expected(face, frame, picture)
        if _inside(expected, picture) < INSIDE:
            return Sighting.UNKNOWN
        window = _window(expected, picture)
        whole = picture.bgr[..., 0]
        grey = _cut(whole, window)
        there = _cut_box(grey, expected, window)
        if float((there >= BURNT_LEVEL).mean()) >= BURNT_SHARE:
            return Sighting.UNKNOWN
        for box in self._boxes(grey, window):
            if fits(box, expected, picture.width):
                bright = _is_bright(_cut_box(grey, box, window), whole)
                return Sighting.PRESENT if bright else Sighting.UNKNOWN
        return Sighting.ABSENT

    def _boxes(self, grey: Pixels, window: Box) -> Iterator[Box]:
        """The faces in a window, in pixels of the picture that it was cut from."""
        factor = min(SEARCHED / window.width, 1.0)
        side = round(window.width * factor)
        small = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
        for face in self._faces(np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), np.uint8)):
            box = face.box.scaled(window.width / side)
            yield replace(box, left=box.left + window.left, top=box.top + window.top)


def _around(x: float, y: float, width: float, height: float) -> Box:
    return Box(x - width / 2, y - height / 2, width, height)


def _inside(box: Box, picture: Frame) -> float:
    """The share of the box that lies in the picture."""
    across = min(box.left + box.width, picture.width) - max(box.left, 0.0)
    down = min(box.top + box.height, picture.height) - max(box.top, 0.0)
    return max(across, 0.0) * max(down, 0.0) / box.area if box.area > 0 else 0.0


def _window(expected: Box, picture: Frame) -> Box:
    """The square in which a face that fits lies whole, in whole pixels; it may reach outside."""
    side = max(expected.width, expected.height) * (UNLIKE + 2 * ASTRAY_FACES)
    side = round(side + 2 * ASTRAY_PICTURES * picture.width)
    x, y = expected.centre
    return Box(round(x - side / 2), round(y - side / 2), side, side)


def _cut(grey: Pixels, window: Box) -> Pixels:
    """The part of a picture; black where the window reaches outside."""
    left, top, side = int(window.left), int(window.top), int(window.width)
    part = np.zeros((side, side), np.uint8)
    height, width = grey.shape
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    part[y0 - top : y1 - top, x0 - left : x1 - left] = grey[y0:y1, x0:x1]
    return part


def _cut_box(grey: Pixels, box: Box, window: Box) -> Pixels:
    """The part of the window that the box covers, at least a pixel of it."""
    left, top = max(int(box.left - window.left), 0), max(int(box.top - window.top), 0)
    right, bottom = int(box.left - window.left + box.width), int(box.top - window.top + box.height)
    return grey[top : max(bottom, top + 1), left : max(right, left + 1)]


def _is_bright(face: Pixels, whole: Pixels) -> bool:
    """Whether the face stands out from the picture's own black and noise."""
    black = float(np.percentile(whole[::4, ::4], BLACK))
    above = float(face.mean()) - black
    return above >= max(LEAST_LEVEL, LEAST_TIMES_NOISE * _noise(face))


def _noise(grey: Pixels) -> float:
    """The noise's standard deviation, in grey levels, with what the face shows left out.

    Immerkaer, "Fast Noise Variance Estimation", CVIU 64(2), 1996: a mask that is blind to edges;
    the median in place of the mean, for wrinkles and lashes are left in it all the same.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    rough = np.abs(cv2.filter2D(grey, cv2.CV_32F, mask))
    return float(np.median(rough)) / (6 * 0.6745)
