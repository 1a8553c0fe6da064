"""From boxes to faces: near before far, rivals always, and a second pair of eyes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.types import Box, Landmarks, Pixels, Region
from appliance.vision.acquisition import Acquisition, FaceSizes, rivals
from tests.portraits import NAMES, acquisition, face, picture
from tests.toys import mesh_in

BLANK = np.zeros((1000, 1600, 3), np.uint8)
SIZES = FaceSizes(nearest=0.6, farthest=0.075)


class Scripted:
    """A detector and a mesh that know where the faces are; `asked` keeps every search."""

    def __init__(self, faces: Sequence[Box], presence: float = 1.0) -> None:
        self.boxes = list(faces)
        self.presence = presence
        self.asked: list[float] = []
        self.looks = 0

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        self.asked.append(smallest)
        found = [box for box in self.boxes if box.width >= smallest]
        return sorted(found, key=lambda box: -box.score)

    def locate(self, bgr: Pixels, region: Region) -> Landmarks:
        self.looks += 1
        for box in self.boxes:
            if abs(region.x - box.centre[0]) + abs(region.y - box.centre[1]) < box.width / 2:
                return mesh_in(box, self.presence)
        return mesh_in(Box(region.x, region.y, 1, 1), presence=0.0)

    def find(self) -> list[tuple[float, float]]:
        """The middles of the faces found, in their order."""
        found = Acquisition(self, self, SIZES).faces(BLANK)
        return [(round(it.box.centre[0]), round(it.box.width + 1)) for it in found]


def at(x: float, width: float, score: float = 1.0) -> Box:
    return Box(x - width / 2, 400 - width / 2, width, width, score)


# --- the ladder ---------------------------------------------------------------------------


def test_the_search_goes_from_near_to_far_by_halves_and_ends_at_the_farthest() -> None:
    assert SIZES.ladder(1000) == [300, 150, 75]
    # A last step hardly finer than the one before is left out.
    assert FaceSizes(0.6, 0.12).ladder(1000) == [300, 120]
    assert FaceSizes(0.6, 0.3).ladder(1000) == [300]
    assert FaceSizes(0.5, 0.5).ladder(1000) == [500]


@given(st.floats(0.05, 1), st.floats(0.05, 1), st.integers(10, 8000))
def test_a_ladder_falls_to_the_farthest_face_and_leaves_out_none(
    one: float, other: float, side: int
) -> None:
    sizes = FaceSizes(nearest=max(one, other), farthest=min(one, other))
    steps = sizes.ladder(side)
    assert steps[-1] == sizes.farthest * side
    assert steps[0] <= sizes.nearest * side
    for before, later in pairwise(steps):
        assert before / 3 * 0.999 <= later < before


def test_an_empty_picture_is_searched_at_every_size() -> None:
    nobody = Scripted([])
    assert (nobody.find(), nobody.asked, nobody.looks) == ([], [300, 150, 75], 0)


def test_a_near_face_ends_the_search_once_no_rival_could_be_smaller() -> None:
    near = Scripted([at(800, 700)])
    assert (near.find(), near.asked) == ([(800, 700)], [300])


def test_a_far_face_is_found_by_the_finest_search() -> None:
    far = Scripted([at(800, 120)])
    assert (far.find(), far.asked) == ([(800, 120)], [300, 150, 75])


# --- two faces ----------------------------------------------------------------------------


def test_two_near_faces_are_both_reported_the_larger_first() -> None:
    assert Scripted([at(400, 350), at(1200, 500)]).find() == [(1200, 500), (400, 350)]


def test_a_rival_too_small_for_the_first_search_is_searched_for() -> None:
    pair = Scripted([at(400, 400), at(1200, 210)])
    assert pair.find() == [(400, 400), (1200, 210)]
    assert pair.asked == [300, pytest.approx(200, abs=1)]


def test_whoever_is_less_than_half_as_wide_does_not_cost_another_search() -> None:
    pair = Scripted([at(400, 640), at(1200, 200)])
    assert (pair.find(), pair.asked) == ([(400, 640)], [300])


def test_a_face_that_the_finer_search_loses_is_kept() -> None:
    class Fickle(Scripted):
        """Sees the large face only when it looks for large ones."""

        def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
            found = super().detect(bgr, smallest)
            return found if smallest >= 300 else [box for box in found if box.width < 300]

    assert Fickle([at(400, 400), at(1200, 250)]).find() == [(400, 400), (1200, 250)]


def test_one_face_in_two_boxes_is_one_face() -> None:
    assert Scripted([at(800, 400), at(810, 390, score=0.5)]).find() == [(800, 400)]


def test_rivals_are_those_at_least_half_as_wide_as_the_first() -> None:
    faces = [mesh_in(Box(0, 0, width + 1, width + 1)) for width in (400, 200, 199)]
    assert [rivals(faces[:count]) for count in range(4)] == [0, 1, 2, 2]


# --- belief -------------------------------------------------------------------------------


def test_a_box_that_the_mesh_does_not_believe_is_no_face() -> None:
    assert Scripted([at(800, 400)], presence=0.4).find() == []
    assert Scripted([at(800, 400)], presence=0.6).find() == [(800, 400)]


# --- the second detector ------------------------------------------------------------------


class Other:
    """A second detector with boxes of its own; `asked` keeps every search."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self._boxes = list(boxes)
        self.asked: list[float] = []

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        self.asked.append(smallest)
        return self._boxes


class Blind(Scripted):
    """A scene whose faces the first detector sees only left of `beyond`."""

    def __init__(self, faces: Sequence[Box], beyond: float, presence: float = 1.0) -> None:
        super().__init__(faces, presence)
        self._beyond = beyond

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        return [box for box in super().detect(bgr, smallest) if box.left < self._beyond]

    def find_with(self, second: Other) -> list[tuple[float, float]]:
        found = Acquisition(self, self, SIZES, second).faces(BLANK)
        return [(round(it.box.centre[0]), round(it.box.width + 1)) for it in found]


def test_a_face_that_only_the_second_detector_sees_is_found_in_one_more_look() -> None:
    profile, second = at(800, 400), Other([at(805, 390)])
    assert Blind([profile], beyond=0).find_with(second) == [(800, 400)]
    assert second.asked == [75]


def test_an_overlooked_face_that_is_larger_comes_first() -> None:
    scene = Blind([at(400, 300), at(1200, 500)], beyond=500)
    assert scene.find_with(Other([at(1200, 500)])) == [(1200, 500), (400, 300)]


def test_a_face_that_both_detectors_see_is_one_face_and_costs_no_further_look() -> None:
    scene = Blind([at(800, 400)], beyond=1600)
    alone = scene.find()
    looks = scene.looks
    assert scene.find_with(Other([at(810, 380)])) == alone == [(800, 400)]
    assert scene.looks == 2 * looks


def test_what_the_second_detector_sees_needs_the_mesh_as_well() -> None:
    scene = Blind([at(800, 400)], beyond=0, presence=0.4)
    assert scene.find_with(Other([at(800, 400)])) == []


# --- real pictures ------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_portrait_holds_one_face(name: str) -> None:
    known = face(name)
    assert known.presence > 0.9
    assert known.points.shape == (468, 3)


def test_two_portraits_side_by_side_hold_two_faces() -> None:
    one, other = picture("obama.jpg")[:900], picture("biden.jpg")[:900]
    found = acquisition().faces(np.ascontiguousarray(np.hstack([one, other])))
    assert rivals(found) == len(found) == 2
    assert {it.box.centre[0] > one.shape[1] for it in found} == {True, False}
