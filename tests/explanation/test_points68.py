"""The 68 points that are read off the mesh."""

from __future__ import annotations

import numpy as np

from appliance.explanation.points68 import LINES, MESH_OF_68, of_mesh
from appliance.types import Box
from appliance.vision.alignment import outer_eyes_and_nose
from appliance.vision.mesh import LEFT_EYE, RIGHT_EYE, region_of_box
from tests.portraits import mesh, picture
from tests.toys import mesh_in


def test_every_point_has_one_of_its_own() -> None:
    assert len(MESH_OF_68) == len(set(MESH_OF_68)) == 68
    assert set(MESH_OF_68) <= set(range(468))


def test_every_point_is_drawn_once() -> None:
    drawn = [number for members, _ in LINES.values() for number in members]
    assert sorted(drawn) == list(range(68))


def test_the_eyes_are_the_eyes() -> None:
    assert set(MESH_OF_68[36:42]) <= set(LEFT_EYE)
    # 385 and 380 belong to the ring of the other eye's lids, as 160 and 144 do here.
    assert set(MESH_OF_68[42:48]) <= set(RIGHT_EYE)


def test_openface_finds_its_three_points_by_their_numbers() -> None:
    face = mesh_in(Box(10, 20, 100, 120))
    assert np.array_equal(of_mesh(face)[[36, 45, 33]], outer_eyes_and_nose(face))


def test_a_face_has_them_in_their_places() -> None:
    face = mesh().locate(picture("obama.jpg"), region_of_box(Box(381, 148, 233, 233)))
    points = of_mesh(face)
    x, y = points[:, 0], points[:, 1]
    assert (np.diff(x[:17]) > 0).all()  # the jaw, from ear to ear
    assert y[:17].argmax() == 8  # the chin
    assert (np.diff(x[17:27]) > 0).all()  # both brows
    assert (np.diff(y[27:31]) > 0).all()  # down the nose
    assert (np.diff(x[31:36]) > 0).all()
    assert y[17:27].max() < y[36:48].min() < y[36:48].max() < y[30] < y[33] < y[48:68].min()
    assert y[50:53].max() < y[61:64].max() < y[65:68].min() < y[56:59].min()  # lips, from above
