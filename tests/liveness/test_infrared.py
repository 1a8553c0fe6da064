"""Whether the face is in the infrared picture too.

No infrared camera was at hand: the pictures are synthetic, made of the bundled portraits' red
channel, another gamma, noise, a second place to look from, and black where a telephone is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import cv2
import numpy as np
import pytest

from appliance.liveness import infrared
from appliance.liveness.infrared import CUE, MISSES, InfraredCheck, Placement, Sighting, fits
from appliance.types import Box, Frame, Landmarks, Pixels
from tests import portraits
from tests.toys import mesh_in

PRESENT, ABSENT, UNKNOWN = Sighting.PRESENT, Sighting.ABSENT, Sighting.UNKNOWN
SIZE = (640, 480)
AT = 10.0


@dataclass
class Shows:
    """A sight that has these pictures."""

    pictures: list[Frame] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    trouble: str = ""

    def near(self, at: float) -> Sequence[Frame]:
        self.asked.append(at)
        return sorted(self.pictures, key=lambda it: abs(it.at - at))

    def close(self) -> None:
        self.pictures.clear()


@cache
def seen_at_a_door(name: str) -> tuple[Frame, Landmarks]:
    """The portrait before a camera, and its face."""
    portrait = portraits.picture(name)
    factor = 360 / portrait.shape[0]
    small = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[:, :640]
    bgr = np.full((360, 640, 3), 90, np.uint8)
    left = (640 - small.shape[1]) // 2
    bgr[:, left : left + small.shape[1]] = small
    found = portraits.face(name)
    points = (found.points * factor + (left, 0, 0)).astype(np.float32)
    return Frame(bgr, AT, "door"), Landmarks(points, found.presence)


def lamp_lit(name: str = "obama.jpg", *, gamma: float = 0.8, top: float = 190.0) -> Pixels:
    """The portrait as a second camera beside could see it: grey, 640 x 480, 13 pixels aside."""
    red = (seen_at_a_door(name)[0].bgr[..., 2] / 255.0) ** gamma * top
    height, width = red.shape
    unit = SIZE[0] / width
    move = np.array([[unit, 0, 13.0], [0, unit, (SIZE[1] - height * unit) / 2]])
    seen = cv2.warpAffine(red, move, SIZE, flags=cv2.INTER_AREA)
    return noisy(seen)


def noisy(seen: Pixels | np.ndarray, seed: int = 1) -> Pixels:
    noise = np.random.default_rng(seed).normal(6.0, 2.0, seen.shape)
    grey = np.clip(seen + noise, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def place(name: str = "obama.jpg") -> Box:
    """Where the face is in that picture."""
    frame, face = seen_at_a_door(name)
    there = Frame(np.zeros((480, 640, 3), np.uint8), AT, "ir")
    return Placement(13 / 640).expected(face.box, frame, there)


def with_telephone(seen: Pixels, level: float = 6.0, name: str = "obama.jpg") -> Pixels:
    """A dark sheet of glass where the face is, in a lit hand."""
    box, held = place(name), seen.copy()
    top, left = max(round(box.top - 0.3 * box.height), 0), max(round(box.left - 0.1 * box.width), 0)
    bottom, right = round(box.top + 1.2 * box.height), round(box.left + 1.1 * box.width)
    glass = np.full(held[top:bottom, left:right].shape[:2], level - 6.0)
    held[top:bottom, left:right] = noisy(glass)
    return held


def looked(
    *pictures: Pixels | Frame, placement: Placement | None = None, name: str = "obama.jpg"
) -> Sighting:
    sight = Shows([it if isinstance(it, Frame) else Frame(it, AT, "ir") for it in pictures])
    check = InfraredCheck(portraits.acquisition().glance, placement or Placement())
    check.through(sight)
    return check.look(*seen_at_a_door(name))


class TestOneLook:
    @pytest.mark.parametrize("name", portraits.NAMES)
    def test_finds_a_face_that_the_lamp_lights(self, name: str) -> None:
        assert looked(lamp_lit(name), name=name) is PRESENT

    @pytest.mark.parametrize(("gamma", "top"), [(0.5, 220.0), (2.0, 220.0), (1.0, 90.0)])
    def test_finds_it_however_the_camera_renders_it(self, gamma: float, top: float) -> None:
        assert looked(lamp_lit(gamma=gamma, top=top)) is PRESENT

    def test_misses_the_face_on_a_screen(self) -> None:
        assert looked(with_telephone(lamp_lit())) is ABSENT

    def test_does_not_take_a_faint_picture_for_a_face(self) -> None:
        faint = lamp_lit(top=16.0)
        held, box = with_telephone(lamp_lit()), place()
        rows = slice(max(round(box.top), 0), round(box.top + box.height))
        columns = slice(round(box.left), round(box.left + box.width))
        held[rows, columns] = faint[rows, columns]
        assert looked(held) is not PRESENT

    def test_misses_a_face_at_another_place(self) -> None:
        elsewhere = np.roll(lamp_lit(), round(1.4 * place().width), axis=1)
        assert looked(elsewhere) is not PRESENT
        assert looked(lamp_lit(), placement=Placement(right=-0.3)) is not PRESENT

    def test_misses_a_face_of_another_size(self) -> None:
        assert looked(lamp_lit(), placement=Placement(13 / 640, 0, 0.5)) is not PRESENT

    @pytest.mark.parametrize("level", [0, 255])
    def test_can_tell_nothing_by_a_lamp_that_is_out_or_dazzles(self, level: int) -> None:
        assert looked(np.full((480, 640, 3), level, np.uint8)) is UNKNOWN

    def test_can_tell_nothing_of_a_face_that_is_burnt_out(self) -> None:
        burnt, box = lamp_lit(), place()
        cv2.rectangle(
            burnt,
            (int(box.left), int(box.top)),
            (int(box.left + box.width), int(box.top + box.height)),
            (255, 255, 255),
            -1,
        )
        assert looked(burnt) is UNKNOWN

    def test_can_tell_nothing_beyond_the_edge(self) -> None:
        assert looked(lamp_lit(), placement=Placement(right=0.5)) is UNKNOWN

    @pytest.mark.parametrize("late", [0.16, -0.16, 60.0])
    def test_can_tell_nothing_by_a_picture_of_another_moment(self, late: float) -> None:
        assert looked(Frame(lamp_lit(), AT + late, "ir")) is UNKNOWN
        assert looked(Frame(lamp_lit(), AT + 0.14 * (1 if late > 0 else -1), "ir")) is PRESENT

    def test_passes_over_the_pictures_between_two_flashes(self) -> None:
        dark = noisy(np.zeros((480, 640)))
        assert looked(Frame(dark, AT, "ir"), Frame(lamp_lit(), AT - 0.03, "ir")) is PRESENT
        held = with_telephone(lamp_lit())
        assert looked(Frame(dark, AT, "ir"), Frame(held, AT - 0.03, "ir")) is ABSENT

    def test_can_tell_nothing_without_a_camera(self) -> None:
        assert looked() is UNKNOWN
        check = InfraredCheck(portraits.acquisition().glance, Placement())
        assert check.look(*seen_at_a_door("obama.jpg")) is UNKNOWN


class TestPlacement:
    SEEN = Frame(np.zeros((720, 1280, 3), np.uint8), 0.0, "door")
    THERE = Frame(np.zeros((480, 640, 3), np.uint8), 0.0, "ir")

    def test_the_middle_is_the_middle_whatever_the_two_sizes(self) -> None:
        box = Placement().expected(Box(589.5, 309.5, 100, 100), self.SEEN, self.THERE)
        assert box.centre == pytest.approx((319.5, 239.5))
        assert box.width == pytest.approx(50)

    def test_measured_is_what_expects_the_face_where_it_was(self) -> None:
        face, found = Box(700, 200, 140, 170), Box(410, 120, 90, 109)
        placement = Placement.measured(face, self.SEEN, found, self.THERE)
        expected = placement.expected(face, self.SEEN, self.THERE)
        assert expected.centre == pytest.approx(found.centre)
        assert expected.width == pytest.approx(found.width)

    @pytest.mark.parametrize("far", [0.4, 0.7, 1.5])
    def test_six_centimetres_beside_fit_at_any_distance_without_a_setting(self, far: float) -> None:
        focal = 0.714  # in widths: 70 degrees
        for apart in (-0.06, 0.06):
            seen, there = (
                self._face(focal, x, far, it) for x, it in ((0.1, 1280), (0.1 + apart, 640))
            )
            assert fits(there, Placement().expected(seen, self.SEEN, self.THERE), 640)

    def test_twenty_centimetres_beside_do_not(self) -> None:
        seen, there = self._face(0.714, 0.0, 0.6, 1280), self._face(0.714, 0.2, 0.6, 640)
        assert not fits(there, Placement().expected(seen, self.SEEN, self.THERE), 640)

    @staticmethod
    def _face(focal: float, x: float, far: float, width: int) -> Box:
        """A face of 14 by 18 cm, x metres beside the axis, through a pinhole."""
        unit, height = focal * width / far, 720 if width == 1280 else 480
        middle = (width - 1) / 2 + x * unit, (height - 1) / 2
        size = 0.14 * unit, 0.18 * unit
        return Box(middle[0] - size[0] / 2, middle[1] - size[1] / 2, *size)


class Scripted(InfraredCheck):
    """One whose looks come out as told."""

    def __init__(self) -> None:
        super().__init__(lambda _: (), Placement())
        self.next = PRESENT

    def _looked(self, frame: Frame, face: Landmarks) -> Sighting:
        return self.next

    def sees(self, *found: Sighting) -> bool:
        for self.next in found:
            self.look(Frame(np.zeros((9, 9, 3), np.uint8), 0.0, "door"), mesh_in(Box(0, 0, 5, 5)))
        return self.accuses


class TestManyLooks:
    def test_accuse_after_so_many_misses_and_not_before(self) -> None:
        check = Scripted()
        assert not check.sees(*[ABSENT] * (MISSES - 1))
        assert check.sees(ABSENT)

    def test_accuse_nobody_who_is_seen_as_often(self) -> None:
        check = Scripted()
        assert not check.sees(*[PRESENT, ABSENT] * 20)
        assert check.measures() == {CUE: 0.5}
        assert check.sees(ABSENT)

    def test_that_could_not_tell_do_not_count(self) -> None:
        check = Scripted()
        assert not check.sees(*[UNKNOWN] * 50)
        assert not check.enough
        assert check.measures() == {}

    def test_of_somebody_else_are_forgotten(self) -> None:
        check = Scripted()
        assert check.sees(*[ABSENT] * MISSES)
        check.forget()
        assert not check.accuses
        assert check.measures() == {}

    def test_seldom_miss_a_living_face_so_often_by_chance(self) -> None:
        """What the docstring of `accuses` says, by drawing attempts of thirty looks."""
        random = np.random.default_rng(5)
        attempts = 20_000
        missed = random.random((attempts, 30)) < 0.1
        absent = np.cumsum(missed, axis=1)
        accused = (absent >= MISSES) & (absent > np.cumsum(~missed, axis=1))
        assert accused.any(axis=1).mean() < 0.0015


def test_asking_wakes_the_camera_before_the_first_look() -> None:
    sight = Shows()
    check = InfraredCheck(lambda _: (), Placement())
    check.expect(1.0)
    check.through(sight)
    check.expect(2.0)
    assert sight.asked == [2.0]


def test_the_window_holds_every_face_that_fits() -> None:
    expected = Box(300, 200, 60, 75)
    window = infrared._window(expected, TestPlacement.THERE)
    astray = infrared.ASTRAY_FACES * 60 + infrared.ASTRAY_PICTURES * 640
    largest = Box(330 + astray - 45, 237.5 + astray - 56, 90, 112)
    assert fits(largest, expected, 640)
    assert window.left + window.width >= largest.left + largest.width
    assert window.top + window.height >= largest.top + largest.height
