"""Which comparisons are made, counted by hand on sets small enough for that."""

from __future__ import annotations

import math

import numpy as np
import pytest

from appliance.evaluation import protocols
from appliance.evaluation.dataset import Pair
from appliance.evaluation.embed import Embedded
from appliance.evaluation.protocols import ENROLLED, gather, pair_scores, single, templates
from appliance.evaluation.rates import Trials
from tests.evaluation.worlds import MISSED, at, cosine, crowd, dataset, flat, refused_at

INF = math.inf


def gathered(people: list[list[Embedded]]) -> protocols.Embeddings:
    return gather(dataset(people), flat(people))


def scores(trials: Trials) -> list[float]:
    return sorted(trials.scores.tolist())


def test_every_picture_meets_every_other_once() -> None:
    genuine, impostor = single(gathered([[at(0), at(10), at(30)], [at(90)], [at(180), at(200)]]))
    assert scores(genuine) == pytest.approx(sorted(cosine(it) for it in (10, 20, 30, 20)))
    strangers = (90, 80, 60, 180, 170, 150, 200, 190, 170, 90, 110)
    assert scores(impostor) == pytest.approx(sorted(cosine(it) for it in strangers), abs=1e-6)


def test_missed_and_refused_pictures_are_rejections_of_their_person_and_of_nobody_else() -> None:
    genuine, impostor = single(gathered([[at(0), MISSED, at(10)], [at(90), refused_at(0)]]))
    assert scores(genuine) == [-INF, -INF, -INF, pytest.approx(cosine(10))]
    assert len(impostor.scores) == 2
    assert genuine.rejected(0.5).value == 0.75


def test_blocks_of_the_comparison_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    people = crowd(people=7, pictures=3, spread=0.5)
    people[2][1] = MISSED
    whole = [scores(it) for it in single(gathered(people))]
    monkeypatch.setattr(protocols, "_BLOCK", 4)
    parts = [scores(it) for it in single(gathered(people))]
    assert [len(it) for it in whole] == [21, 20 * 19 // 2 - (7 * 3 - 2)]
    for one, other in zip(whole, parts, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_the_pairs_of_the_listing_are_scored_in_its_order() -> None:
    people = [[at(0), at(60), refused_at(120)], [at(90), MISSED]]
    pairs = [(0, 1), (0, 3), (3, 4), (1, 2)]
    listed = [Pair(one, other, same=True, fold=0) for one, other in pairs]
    found = pair_scores(gathered(people), listed)
    # LFW's protocol knows no quality gate: what a door would refuse is scored all the same.
    assert found.tolist() == pytest.approx([0.5, 0.0, -INF, 0.5], abs=1e-6)


def test_five_pictures_make_a_template_and_the_later_ones_are_probes() -> None:
    # Six and five pictures: only the first person leaves a probe.
    people = [[at(0)] * 5 + [at(60)], [at(90)] * 5]
    genuine, impostor = templates(gathered(people))
    assert scores(genuine) == [pytest.approx(0.5)]
    # All pictures of the one knock at the other one's template; that its owner has no picture left
    # to knock with does not matter.
    knocking = [0.0] * 5 + [0.0] * 5 + [cosine(30)]
    assert scores(impostor) == pytest.approx(knocking, abs=1e-6)


def test_enrolment_goes_on_until_it_has_five_and_misses_later_are_rejections() -> None:
    people = [[at(0), MISSED, *[at(0)] * 4, MISSED, at(60), refused_at(0)], [at(90)] * 6]
    genuine, _ = templates(gathered(people))
    assert scores(genuine) == [-INF, -INF, pytest.approx(0.5), pytest.approx(1.0)]


def test_whoever_has_too_few_usable_pictures_is_not_enrolled_but_still_an_impostor() -> None:
    people = [[at(0)] * 6, [at(90)] * 4 + [MISSED] * 5]
    genuine, impostor = templates(gathered(people))
    assert scores(genuine) == [pytest.approx(1.0)]
    assert len(impostor.scores) == 4


def test_probes_are_averaged_in_groups_and_a_missed_one_rejects_its_group() -> None:
    people = [
        [at(0)] * ENROLLED + [at(-30), at(0), at(30), at(0), MISSED, at(0), at(0)],
        [at(80), at(90), at(100), at(0)],
    ]
    genuine, impostor = templates(gathered(people), probes=3)
    # Seven later pictures make two groups; the seventh has no company.
    assert scores(genuine) == [-INF, pytest.approx(1.0)]
    assert scores(impostor) == pytest.approx([0.0], abs=1e-6)


def test_a_template_of_noisy_pictures_is_better_than_one_picture() -> None:
    people = crowd(people=12, pictures=8, spread=1.2)
    data = gathered(people)
    one, several = single(data)[0], templates(data)[0]
    three = templates(data, probes=3)[0]
    assert one.scores.mean() + 0.1 < several.scores.mean() < three.scores.mean() - 0.1


def test_without_enough_pictures_there_are_no_trials() -> None:
    genuine, impostor = templates(gathered([[at(0)], [at(90)]]))
    assert (genuine.scores.size, impostor.scores.size) == (0, 0)
    assert np.isnan(genuine.rejected(0.5).value)
