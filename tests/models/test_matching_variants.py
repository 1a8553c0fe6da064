"""The study of comparing: its protocols on faces whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from models.build.matching import ENROLLED, VARIANTS, Faces, Variant, _frr, _single, _templates

DIMENSIONS = 32
SHIPPED = VARIANTS[0]


def faces(people: int, each: int, noise: float, seed: int = 0) -> Faces:
    """Everybody a direction of their own, every picture a little beside it."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.normal(size=(people, DIMENSIONS)), each, axis=0)
    straight, mirrored = (
        (centres + noise * generator.normal(size=centres.shape)).astype(np.float32)
        for _ in range(2)
    )
    person = np.repeat(np.arange(people), each)
    return Faces(straight, mirrored, person, np.ones(len(person)))


def test_the_shipped_way_counts_every_pair_and_every_later_picture_once() -> None:
    crowd = faces(people=7, each=8, noise=0.1)
    genuine, impostor = _single(SHIPPED, crowd)
    assert (len(genuine), len(impostor)) == (7 * 28, 56 * 55 // 2 - 7 * 28)
    genuine, impostor = _templates(SHIPPED, crowd, 1)
    assert (len(genuine), len(impostor)) == (7 * (8 - ENROLLED), 7 * 6 * 8)
    # Groups of three: 0-2, 3-5 (begun before the template's end), and nothing of the last two.
    genuine, impostor = _templates(SHIPPED, crowd, 3)
    assert (len(genuine), len(impostor)) == (0, 7 * 6 * 2)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda it: it.name)
def test_no_variant_rejects_faces_that_are_plain_to_tell_apart(variant: Variant) -> None:
    crowd = faces(people=60, each=9, noise=0.05)
    assert _frr(*_templates(variant, crowd, 1)).max() == 0
    assert _frr(*_templates(variant, crowd, 3)).max() == 0


def test_averaging_two_noisy_looks_helps() -> None:
    crowd = faces(people=60, each=9, noise=1.2)
    shipped, both = (_frr(*_single(VARIANTS[index], crowd)) for index in (0, 1))
    assert (both < shipped).all()


def test_the_rate_is_that_of_the_threshold_which_keeps_the_false_accepts() -> None:
    impostor = np.linspace(0, 1, 100_001, dtype=np.float32)
    genuine = np.array([0.9995, 0.9985, 0.99995], np.float32)
    assert _frr(genuine, impostor).tolist() == pytest.approx([1 / 3, 2 / 3, 1])
