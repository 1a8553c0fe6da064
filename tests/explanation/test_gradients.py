"""The histograms of gradients, and how they are drawn."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from appliance.explanation.gradients import BINS, CELL, CLIP, gradients, histograms, normalised
from appliance.explanation.strokes import draw, glyphs
from appliance.types import Pixels


def noise(seed: int = 0) -> Pixels:
    """Six by five cells of soft texture, from light to dark without ends."""
    grey = np.random.default_rng(seed).normal(128, 60, (6 * CELL, 5 * CELL)).clip(0, 255)
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.5), np.uint8)


def waves(degrees: float) -> Pixels:
    """Light and dark in turns in a direction; the edges run at a right angle to it."""
    y, x = np.mgrid[:64, :64]
    angle = np.radians(degrees)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / 12)
    return np.asarray(np.rint(128 + 100 * wave), np.uint8)


def test_a_slope_is_told_in_grey_levels_a_pixel_and_by_its_direction() -> None:
    slope = np.tile(np.arange(0, 120, 3, dtype=np.uint8), (16, 1))
    strength, direction = gradients(slope)
    assert strength[:, 1:-1] == pytest.approx(3)
    assert direction[:, 1:-1] == pytest.approx(0)
    _, down = gradients(np.ascontiguousarray(slope.T))
    assert down[1:-1] == pytest.approx(np.pi / 2)


@pytest.mark.parametrize("number", range(BINS))
def test_each_bin_stands_for_its_direction(number: int) -> None:
    found = histograms(waves((number + 0.5) * 180 / BINS))
    inside = found[2:-2, 2:-2].sum(axis=(0, 1))
    assert inside.argmax() == number
    assert inside[number] > 0.8 * inside.sum()


def test_a_pixel_is_shared_without_loss() -> None:
    grey = noise()
    # Away from the rim every pixel's shares of the cells around it add up to one.
    near = np.zeros_like(grey)
    near[2 * CELL : 4 * CELL, 2 * CELL : 3 * CELL] = 1
    masked = np.where(near, grey, 128).astype(np.uint8)
    strength, _ = gradients(masked)
    assert histograms(masked).sum() == pytest.approx(float(strength.sum()), rel=1e-5)


def test_a_mirror_mirrors_cells_and_directions() -> None:
    grey = noise()
    found = histograms(grey)
    assert np.allclose(histograms(grey[:, ::-1].copy()), found[:, ::-1, ::-1], rtol=1e-3, atol=0.05)
    assert np.allclose(histograms(grey[::-1].copy()), found[::-1, :, ::-1], rtol=1e-3, atol=0.05)


def test_dark_on_light_is_light_on_dark() -> None:
    grey = noise()
    assert np.allclose(histograms(255 - grey), histograms(grey), atol=1e-2)


def test_the_light_makes_next_to_no_difference() -> None:
    grey = noise()
    darker = np.asarray(np.rint(grey * 0.7 + 20), np.uint8)
    one, other = normalised(histograms(grey)), normalised(histograms(darker))
    # What is left is that grey levels are whole numbers, and the limit to noise.
    assert np.abs(one - other).mean() < 0.05 * CLIP
    assert one.max() <= CLIP


def test_an_even_picture_has_no_edges() -> None:
    assert normalised(histograms(np.full((40, 40), 77, np.uint8))).max() == 0
    flicker = np.random.default_rng(1).integers(127, 129, (40, 40)).astype(np.uint8)
    assert normalised(histograms(flicker)).max() < 0.6 * CLIP


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 23), (31, 16)])
def test_what_is_left_over_is_part_of_no_cell(height: int, width: int) -> None:
    found = histograms(np.zeros((height, width), np.uint8))
    assert found.shape == (height // CELL, width // CELL, BINS)
    assert draw(normalised(found), 10).shape == (height // CELL * 10, width // CELL * 10, 3)


def test_strokes_run_along_the_edges() -> None:
    # Stripes that change downwards have edges that run across.
    drawn = draw(normalised(histograms(waves(90))), 17)[..., 2].astype(int)
    cell = drawn[3 * 17 : 4 * 17, 3 * 17 : 4 * 17]
    assert cell[8].sum() > 3 * cell[:, 8].sum()
    upright = draw(normalised(histograms(waves(0))), 17)[..., 2].astype(int)
    cell = upright[3 * 17 : 4 * 17, 3 * 17 : 4 * 17]
    assert cell[:, 8].sum() > 3 * cell[8].sum()


def test_the_strokes_of_all_bins_differ() -> None:
    shapes = glyphs(21).reshape(BINS, -1)
    alike = np.asarray(np.corrcoef(shapes))[~np.eye(BINS, dtype=bool)]
    assert alike.max() < 0.7
    assert (shapes.sum(axis=1) > 21).all()
