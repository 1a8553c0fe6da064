"""Cutting turned squares out of a picture: where things land, and what shrinking does to them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.types import Pixels, Region
from appliance.vision.warp import apply, inverse, region_matrix, warp

SIZE = 96
WHITE = 255


def white(width: int, height: int) -> Pixels:
    return np.full((height, width, 3), WHITE, np.uint8)


def disc(width: int, height: int, x: float, y: float, radius: float) -> Pixels:
    """A soft white disc on black whose centre is exact to a fraction of a pixel."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    grey = np.clip(radius + 0.5 - np.hypot(across - x, down - y), 0, 1) * 255
    return np.repeat(grey[..., np.newaxis], 3, axis=2).astype(np.uint8)


def centre_of_mass(crop: Pixels) -> tuple[float, float]:
    grey = crop[..., 0].astype(float)
    down, across = np.indices(grey.shape)
    return float((across * grey).sum() / grey.sum()), float((down * grey).sum() / grey.sum())


_REGIONS = st.builds(
    Region,
    st.floats(-500, 2000),
    st.floats(-500, 2000),
    st.floats(10, 3000),
    st.floats(-math.pi, math.pi),
)
_POINTS = st.tuples(st.floats(-1000, 3000), st.floats(-1000, 3000))


@given(_REGIONS, _POINTS)
def test_into_the_crop_and_back_is_where_it_began(
    region: Region, point: tuple[float, float]
) -> None:
    matrix = region_matrix(region, SIZE)
    there = apply(matrix, np.array([point], np.float32))
    back = apply(inverse(matrix), there)
    assert back[0] == pytest.approx(point, abs=0.05)


@given(_REGIONS)
def test_the_middle_of_the_region_is_the_middle_of_the_crop(region: Region) -> None:
    there = apply(region_matrix(region, SIZE), np.array([(region.x, region.y)], np.float32))
    assert there[0] == pytest.approx(((SIZE - 1) / 2,) * 2, abs=0.05)


def test_a_turned_region_is_cut_level() -> None:
    # Two eyes that lean by 30 degrees come out in one row.
    angle = math.radians(30)
    eyes = np.array([(100, 100), (100 + math.cos(angle) * 50, 100 + math.sin(angle) * 50)])
    region = Region(float(eyes[:, 0].mean()), float(eyes[:, 1].mean()), 100, angle)
    left, right = apply(region_matrix(region, SIZE), eyes.astype(np.float32))
    assert left[1] == pytest.approx(right[1], abs=1e-3)
    assert right[0] - left[0] == pytest.approx(50 / 100 * SIZE)


def test_at_its_own_size_a_part_is_copied_as_it_is() -> None:
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (200, 300, 3), np.uint8)
    crop = warp(picture, region_matrix(Region(50 + 47.5, 20 + 47.5, SIZE), SIZE), SIZE)
    assert np.array_equal(crop, picture[20 : 20 + SIZE, 50 : 50 + SIZE])


@pytest.mark.parametrize("shrink", [0.5, 1.0, 1.9, 1.99, 2.0, 2.01, 2.5, 3.0, 4.7, 8.0, 11.3])
@pytest.mark.parametrize("degrees", [0, 25, -90])
def test_what_is_in_the_middle_stays_there_however_much_it_shrinks(
    shrink: float, degrees: float
) -> None:
    side = shrink * SIZE
    width, height = 1301, 1207
    # Anywhere, and on no pixel's centre.
    x, y = 640.3, 611.8
    picture = disc(width, height, x, y, side / 5)
    crop = warp(picture, region_matrix(Region(x, y, side, math.radians(degrees)), SIZE), SIZE)
    assert centre_of_mass(crop) == pytest.approx(((SIZE - 1) / 2,) * 2, abs=0.1)
    # And its size is that of a fifth of the crop.
    area = float(crop[..., 0].astype(float).sum() / 255)
    assert area == pytest.approx(math.pi * (SIZE / 5) ** 2, rel=0.02)


def test_both_ways_of_shrinking_put_a_face_in_the_same_place() -> None:
    """One picture at two sizes: the larger takes the averaging way, the smaller does not."""
    random = np.random.default_rng(1)
    small = cv2.resize(random.integers(0, 256, (30, 30, 3), np.uint8), (300, 300))
    large = cv2.resize(np.asarray(small, np.uint8), (1200, 1200), interpolation=cv2.INTER_CUBIC)
    one = warp(np.asarray(small, np.uint8), region_matrix(Region(149.5, 149.5, 150), SIZE), SIZE)
    # Pixel centres: x in the small picture is 4x + 1.5 in the large one.
    other = warp(np.asarray(large, np.uint8), region_matrix(Region(599.5, 599.5, 600), SIZE), SIZE)
    shift, _ = cv2.phaseCorrelate(one[..., 1].astype(float), other[..., 1].astype(float))
    assert shift == pytest.approx((0, 0), abs=0.1)
    assert np.abs(one.astype(int) - other).mean() < 4


@pytest.mark.parametrize("shrink", [2.0, 5.0, 9.0])
def test_fine_stripes_become_grey_and_not_false_ones(shrink: float) -> None:
    picture = white(1000, 1000)
    picture[:, ::2] = 0
    crop = warp(picture, region_matrix(Region(500, 500, shrink * SIZE), SIZE), SIZE)
    assert crop.std() < 26  # 127 for stripes that survive
    assert crop.mean() == pytest.approx(127.5, abs=4)


@pytest.mark.parametrize("shrink", [0.7, 1.0, 2.0, 3.5, 5.0, 8.0, 10.0])
def test_a_crop_from_inside_a_white_picture_is_white_to_its_edge(shrink: float) -> None:
    crop = warp(white(1200, 1200), region_matrix(Region(600, 600, shrink * SIZE), SIZE), SIZE)
    assert crop.min() == WHITE


@pytest.mark.parametrize("shrink", [1.0, 4.0])
def test_outside_the_picture_is_black(shrink: float) -> None:
    side = shrink * SIZE
    crop = warp(white(1200, 1200), region_matrix(Region(0, 600, side), SIZE), SIZE)
    assert crop[:, : SIZE // 2 - 2].max() == 0
    assert crop[:, SIZE // 2 + 2 :].min() == WHITE


@pytest.mark.parametrize(
    "region", [Region(-900, -900, 96), Region(5000, 5, 960), Region(-99, 50, 199)]
)
def test_a_crop_from_nowhere_is_black(region: Region) -> None:
    crop = warp(white(100, 100), region_matrix(region, SIZE), SIZE)
    assert crop.shape == (SIZE, SIZE, 3)
    assert crop.max() <= WHITE
    assert crop[:, : SIZE - 2].max() == 0


def test_the_picture_itself_is_left_alone() -> None:
    picture = white(500, 500)
    before = picture.copy()
    crop = warp(picture, region_matrix(Region(250, 250, 400), SIZE), SIZE)
    crop[:] = 0
    assert np.array_equal(picture, before)
