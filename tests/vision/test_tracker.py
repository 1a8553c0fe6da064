"""Following a face: with the real mesh on real pictures, and with a scripted one at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.types import Box, Landmarks, Pixels, Region
from appliance.vision.tracker import follow
from tests.portraits import face, mesh, picture
from tests.toys import mesh_in

NAME = "obama.jpg"


def shifted(bgr: Pixels, x: int, y: int) -> Pixels:
    """The picture moved, grey where nothing is known."""
    moved = np.full_like(bgr, 128)
    height, width = bgr.shape[:2]
    moved[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)] = bgr[
        max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)
    ]
    return moved


@pytest.mark.parametrize(("x", "y"), [(0, 0), (25, 0), (-20, 30), (40, -40)])
def test_a_face_that_moves_is_followed_to_where_it_is(x: int, y: int) -> None:
    before = face(NAME)
    now = follow(mesh(), shifted(picture(NAME), x, y), before)
    assert now is not None
    moved = now.points[:, :2] - before.points[:, :2]
    assert np.median(moved, axis=0) == pytest.approx((x, y), abs=0.03 * before.box.width)


def test_a_walk_is_followed_step_by_step_and_home_again() -> None:
    bgr, known = picture(NAME), face(NAME)
    now: Landmarks | None = known
    for step in [*range(0, 200, 25), *range(200, -1, -25)]:
        assert now is not None, step
        now = follow(mesh(), shifted(bgr, step, 0), now)
    assert now is not None
    assert now.box.overlap(known.box) > 0.9


def test_a_face_that_is_gone_is_lost() -> None:
    bgr = picture(NAME)
    for empty in (np.full_like(bgr, 128), np.zeros_like(bgr), shifted(bgr, 600, 0)):
        assert follow(mesh(), empty, face(NAME)) is None


class Scripted:
    """A mesh with one answer."""

    def __init__(self, answer: Landmarks) -> None:
        self.answer = answer
        self.looked: list[Region] = []

    def locate(self, bgr: Pixels, region: Region) -> Landmarks:
        self.looked.append(region)
        return self.answer


@pytest.mark.parametrize(
    ("shift", "presence", "kept"),
    [(0, 1.0, True), (50, 1.0, True), (60, 1.0, False), (0, 0.71, True), (0, 0.69, False)],
)
def test_a_doubtful_face_or_one_that_jumped_is_lost(
    shift: float,
    presence: float,
    kept: bool,  # noqa: FBT001 - a case of the table
) -> None:
    before = mesh_in(Box(100, 100, 100, 120))
    answer = mesh_in(Box(100 + shift, 100, 100, 120), presence)
    scripted = Scripted(answer)
    now = follow(scripted, np.zeros((10, 10, 3), np.uint8), before)
    assert now is (answer if kept else None)
    (region,) = scripted.looked
    assert (region.x, region.y) == pytest.approx(before.box.centre)
