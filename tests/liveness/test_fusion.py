"""The score of all cues: what each may do to it, and what its file must hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ModelError
from appliance.liveness import fusion
from appliance.liveness.fusion import REACH, Fusion, load
from appliance.types import Suspicion

SHIPPED = load()
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@given(st.dictionaries(st.sampled_from([*SHIPPED.measures, "unknown"]), NUMBERS))
def test_whatever_was_measured_the_score_is_a_probability(measured: dict[str, float]) -> None:
    opinion = Fusion(SHIPPED).judge(measured)
    assert 0 <= opinion.score <= 1
    assert set(opinion.reasons) <= set(Suspicion)


@pytest.mark.parametrize("name", SHIPPED.measures)
@given(low=st.floats(-1e6, 1e6), high=st.floats(-1e6, 1e6))
def test_more_of_a_measure_moves_the_score_one_way_and_not_beyond_its_reach(
    name: str, low: float, high: float
) -> None:
    weight = SHIPPED.measures[name]
    low, high = min(low, high), max(low, high)
    moves = weight.moves(high) - weight.moves(low)
    assert moves * weight.weight >= 0
    assert abs(moves) <= 2 * REACH * abs(weight.weight)
    assert weight.moves(weight.neutral) == 0


@pytest.mark.parametrize("name", SHIPPED.measures)
def test_what_is_no_number_never_speaks_for_life(name: str) -> None:
    clean = Fusion(SHIPPED).judge({}).score
    assert Fusion(SHIPPED).judge({name: float("nan")}).score <= clean


def test_a_stricter_target_keeps_more_people_and_lowers_the_threshold() -> None:
    judge = Fusion(SHIPPED)
    found = [judge.threshold(bpcer) for bpcer in (0.02, 0.03, 0.05, 0.1)]
    assert found == sorted(found)
    assert judge.threshold(SHIPPED.bpcer[0]) == pytest.approx(SHIPPED.score[0])


def test_whoever_has_nothing_against_them_passes_at_every_target() -> None:
    judge = Fusion(SHIPPED)
    spotless = judge.judge({"appearance": 1.0, "surroundings_held": 0.0}).score
    assert all(spotless >= judge.threshold(bpcer) for bpcer in SHIPPED.bpcer)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"score": [0.5, 0.5, 0.9]}, "rising"),
        ({"bpcer": [0.1]}, "rising"),
        ({"intercept": "nan"}, "intercept"),
        ({"relief": -1}, "relief"),
        ({"surprise": 1}, "surprise"),
        ({"measures": {"moire": {"suspicion": "moon"}}}, "suspicion"),
        ({"measures": {}}, "missing or unknown: appearance, bands"),
    ],
)
def test_a_damaged_file_is_a_model_error_that_says_where(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    good = {
        **SHIPPED.model_dump(mode="json"),
        "bpcer": [0.001, 0.01, 0.1],
        "score": [0.1, 0.5, 0.9],
    }
    path = tmp_path / "weights.json"
    path.write_text(json.dumps(good))
    assert fusion.load(path).intercept == SHIPPED.intercept
    path.write_text(json.dumps(good | change))
    with pytest.raises(ModelError, match=says):
        fusion.load(path)


def test_a_missing_file_and_no_json_are_model_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        fusion.load(tmp_path / "none.json")
    (tmp_path / "cut.json").write_text("{")
    with pytest.raises(ModelError, match="the file"):
        fusion.load(tmp_path / "cut.json")
