"""A network is compared with another one on the same people, drawn anew together."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.training import comparison
from appliance.training.comparison import Change, Counted, Share, compared, frr
from appliance.training.verdict import objections, tables, told

Floats = NDArray[np.float32]
People = NDArray[np.int64]


def faces(spread: float, people: int = 60, each: int = 4, seed: int = 1) -> tuple[Floats, People]:
    """(vectors, person): every person's pictures around a direction of their own."""
    generator = np.random.default_rng(seed)
    person = np.repeat(np.arange(people, dtype=np.int64), each)
    centres = generator.normal(size=(people, 16))[person]
    raw = centres + spread * generator.normal(size=centres.shape)
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32), person


def test_frr_is_what_counting_gives() -> None:
    vectors, person = faces(0.8, people=12)
    far = 0.01
    genuine: list[float] = []
    strangers: list[float] = []
    for one in range(len(person)):
        for other in range(one + 1, len(person)):
            pairs = genuine if person[one] == person[other] else strangers
            pairs.append(float(vectors[one] @ vectors[other]))
    allowed = int(far * len(strangers))
    threshold = sorted(strangers, reverse=True)[allowed - 1]
    wanted = sum(score < threshold - 1e-7 for score in genuine) / len(genuine)
    assert abs(frr(vectors, person, far).pairs - wanted) < 1e-9


def unlike(*, seed: int = 3) -> tuple[Floats, People]:
    """One person with 40 pictures that are alike, twenty with two that are not."""
    generator = np.random.default_rng(seed)
    person = np.repeat(np.arange(21), [40] + [2] * 20)
    spread = np.where(person == 0, 0.02, 2.0)[:, np.newaxis]
    raw = np.eye(21)[person] + spread * generator.normal(size=(len(person), 21)) / 4
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32), person


def test_over_people_everybody_counts_once() -> None:
    vectors, person = unlike()
    both = frr(vectors, person, 0.01)
    # The one with 780 of the 800 pairs is never rejected, and is one of 21 people.
    assert both.pairs < 20 / 800 + 1e-9
    assert both.people > 0.5
    pairs, people = compared(vectors, vectors, person, (0.02,))
    assert (pairs.counted, people.counted) == ("pairs", "people")
    assert people.before.value == frr(vectors, person, 0.02).people
    assert people.before.interval[0] > 10 * pairs.before.value


def test_whoever_is_drawn_twice_counts_twice() -> None:
    weight, rejected, pairs = np.array([[2, 0, 1, 5], [1, 5, 0, 0], [2, 5, 4, 0]])
    # The second was not drawn, the fourth has a single picture.
    drawn = comparison._drawn(weight.astype(np.float32), rejected, pairs)
    assert drawn == (2 / 8, (2 * 1 / 2 + 0) / 3)


def test_more_faces_than_fit_into_one_block_are_counted_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors, person = faces(0.8)
    whole = frr(vectors, person, 0.003)
    monkeypatch.setattr(comparison, "_BLOCK", 7)
    assert frr(vectors, person, 0.003) == whole


def test_a_network_that_gives_no_numbers_is_not_taken_for_one_that_rejects_nobody() -> None:
    vectors, person = faces(0.8)
    vectors[5] = np.nan
    assert not any(rate <= 1 for rate in frr(vectors, person, 0.01))
    share = Share(float("nan"), (0.0, 1.0))
    assert Change(1e-3, share, share, share).worse


def test_a_network_that_takes_all_for_one_is_not_taken_for_one_that_rejects_nobody() -> None:
    before, person = faces(0.7)
    after = np.zeros_like(before)
    after[:, 0] = 1
    assert frr(after, person, 0.01) == (1.0, 1.0)
    for change in compared(before, after, person, (0.01,)):
        assert change.after == Share(1.0, (1.0, 1.0))
        assert change.worse


def test_a_better_network_is_found_better_with_certainty() -> None:
    before, person = faces(0.9)
    after, _ = faces(0.3)
    change, _ = compared(before, after, person, (0.01,))
    assert change.after.value < change.before.value
    assert not change.worse
    assert change.difference.interval[1] < 0
    assert change.before.value == frr(before, person, 0.01).pairs
    low, high = change.before.interval
    assert low <= change.before.value <= high


def test_the_same_network_is_neither_better_nor_worse() -> None:
    vectors, person = faces(0.7)
    for change in compared(vectors, vectors, person, (0.01,)):
        assert change.difference == Share(0.0, (0.0, 0.0))
        assert not change.worse


def test_a_rate_that_the_strangers_do_not_support_is_left_out() -> None:
    vectors, person = faces(0.7, people=20, each=2)
    assert compared(vectors, vectors, person, (1e-3, 1e-4)) == []


def test_no_rejection_seen_is_no_proof_of_none() -> None:
    vectors, person = faces(0.05, people=30)
    change, _ = compared(vectors, vectors, person, (0.01,))
    assert change.before.value == 0.0
    assert abs(change.before.interval[1] - 3 / 30) < 1e-9


def change(after: float, far: float = 1e-3, counted: Counted = "pairs") -> Change:
    gap = after - 0.4
    return Change(
        far,
        Share(0.4, (0.3, 0.5)),
        Share(after, (0.3, 0.5)),
        Share(gap, (gap - 0.1, gap + 0.1)),
        counted,
    )


def test_a_network_that_rejects_more_at_any_rate_is_objected_to() -> None:
    rates = {
        "it": [change(0.3), change(0.41, 1e-4)],
        "it_int8": [change(0.4), change(0.5, counted="people")],
    }
    assert objections(True, rates) == [
        "it rejects more of the pairs held back at a FAR of 0.0001: 41.00% instead of 40.00%.",
        "it_int8 rejects more of the people held back at a FAR of 0.001: 50.00% instead of 40.00%.",
    ]


def test_no_worse_anywhere_is_no_objection() -> None:
    assert objections(True, {"it": [change(0.4)], "it_int8": [change(0.1)]}) == []


def test_without_a_gain_or_without_any_rate_there_is_an_objection() -> None:
    assert len(objections(False, {})) == 1
    assert "too few strangers" in objections(True, {"it": []})[0]


def test_the_report_names_rates_as_the_others_do() -> None:
    rates = [change(0.3), change(0.2, counted="people"), change(0.3, 1e-4)]
    found = told(rates)
    assert list(found) == ["1e-3", "1e-4"]
    assert (found["1e-3"]["frr_after"], found["1e-3"]["people"]["frr_after"]) == (0.3, 0.2)
    assert tables(rates)[1] == {"far": 1e-3, "counted": "people", "before": 0.4, "after": 0.2}
