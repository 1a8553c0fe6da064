"""Cosine and distances say the same of unit vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cli.wording import distances_json, threshold_json, threshold_told
from appliance.explanation import page, report
from appliance.explanation.distances import (
    KNOWN,
    fixed,
    of_cosine,
    of_distance,
    of_squared,
    of_threshold,
)
from appliance.explanation.look import Compared
from appliance.types import Match


def test_the_three_are_those_of_real_vectors() -> None:
    pair = np.random.default_rng(0).normal(size=(2, 128))
    one, other = pair / np.linalg.norm(pair, axis=1, keepdims=True)
    alike = of_cosine(float(one @ other))
    assert alike.distance == pytest.approx(float(np.linalg.norm(one - other)))
    assert alike.squared == pytest.approx(float(np.sum(np.square(one - other))))


@settings(deadline=None)  # a busy machine is no fault of the arithmetic
@given(st.floats(-1, 1))
def test_each_way_leads_back(cosine: float) -> None:
    alike = of_cosine(cosine)
    for back in (of_squared(alike.squared), of_distance(alike.distance)):
        assert back.cosine == pytest.approx(cosine, abs=1e-12)
    assert 0 <= alike.squared <= 4
    assert 0 <= alike.distance <= 2


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0004, "0.000"), (-0.0006, "-0.001"), (0.5, "0.500")]
)
def test_nought_has_no_sign(value: float, text: str) -> None:
    assert fixed(value) == text


def test_rounding_beyond_one_is_one() -> None:
    assert of_cosine(1 + 1e-7) == of_cosine(1)
    assert of_cosine(1).distance == 0
    assert of_cosine(-1 - 1e-7).squared == 4


def test_a_threshold_that_nothing_reaches_is_no_distance() -> None:
    assert of_threshold(1.02) is None
    assert threshold_json(1.02) == {"distance": None, "squared_distance": None}
    assert threshold_told(1.02).startswith("none")
    assert (
        threshold_json(0.98)
        == distances_json(0.98)
        == {
            "distance": 0.2,
            "squared_distance": 0.04,
        }
    )
    match = Match(0.97, 1.02, 1e-9, 1e-6, 0.1, far_is_bound=True)
    row = report.compared_json(Compared("alice", of_cosine(0.97), match))
    assert row["threshold_squared_distance"] is None
    told = "".join(page._comparisons("", "", [page._comparison(row)])) + "".join(page._worth(row))
    assert ">none<" in told
    assert "No two faces" in told
    assert "at a rate of at most 1e-06" in told
    assert "Every second stranger" in "".join(page._worth(row | {"far": 0.5}))


def test_the_thresholds_of_the_tutorials() -> None:
    openface, facenet = KNOWN
    # Squared 0.99, as compare.py of OpenFace prints it; 0.52 of numpy.linalg.norm.
    assert openface.alike.cosine == pytest.approx(1 - 0.99 / 2)
    assert openface.alike.distance == pytest.approx(0.995, abs=1e-3)
    assert facenet.alike.squared == pytest.approx(0.2704)
    assert facenet.alike.cosine == pytest.approx(0.8648)
