"""Cosine and distances say the same of unit vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.explanation.distances import KNOWN, of_cosine, of_distance, of_squared


def test_the_three_are_those_of_real_vectors() -> None:
    pair = np.random.default_rng(0).normal(size=(2, 128))
    one, other = pair / np.linalg.norm(pair, axis=1, keepdims=True)
    alike = of_cosine(float(one @ other))
    assert alike.distance == pytest.approx(float(np.linalg.norm(one - other)))
    assert alike.squared == pytest.approx(float(np.sum(np.square(one - other))))


@given(st.floats(-1, 1))
def test_each_way_leads_back(cosine: float) -> None:
    alike = of_cosine(cosine)
    for back in (of_squared(alike.squared), of_distance(alike.distance)):
        assert back.cosine == pytest.approx(cosine, abs=1e-12)
    assert 0 <= alike.squared <= 4
    assert 0 <= alike.distance <= 2


def test_rounding_beyond_one_is_one() -> None:
    assert of_cosine(1 + 1e-7) == of_cosine(1)
    assert of_cosine(1).distance == 0
    assert of_cosine(-1 - 1e-7).squared == 4


def test_the_thresholds_of_the_tutorials() -> None:
    openface, facenet = KNOWN
    # Squared 0.99, as compare.py of OpenFace prints it; 0.52 of numpy.linalg.norm.
    assert openface.alike.cosine == pytest.approx(1 - 0.99 / 2)
    assert openface.alike.distance == pytest.approx(0.995, abs=1e-3)
    assert facenet.alike.squared == pytest.approx(0.2704)
    assert facenet.alike.cosine == pytest.approx(0.8648)
