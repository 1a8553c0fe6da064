"""What a poor probe pays is taken off in every protocol, for strangers and for the person alike."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from appliance.evaluation.embed import Embedded
from appliance.evaluation.lfw import report
from appliance.evaluation.protocols import Embeddings, gather, single, templates
from appliance.evaluation.rates import Trials
from appliance.matching import handicap
from appliance.types import Quality
from appliance.vision.manifest import Calibration, Handicap
from tests.evaluation.worlds import at, cosine, crowd, dataset, flat
from tests.toys import CALIBRATION

GOOD = Quality(80.0, 0.3, 120.0, 0.0, 0.0, 0.0, 0.0)
POOR = replace(GOOD, sharpness=0.1)
PAID = 0.25
CALIBRATED = Calibration(
    data="made up",
    curves=CALIBRATION.curves,
    handicaps={"sharpness": Handicap(value=(0.2, 0.1), similarity=(0, PAID))},
)


def good(degrees: float) -> Embedded:
    return replace(at(degrees), quality=GOOD)


def poor(degrees: float) -> Embedded:
    return replace(at(degrees), quality=POOR)


def gathered(people: list[list[Embedded]]) -> Embeddings:
    return gather(dataset(people), flat(people), partial(handicap, CALIBRATED))


def scores(trials: Trials) -> list[float]:
    return [float(score) for score in trials.scores]


def test_of_a_pair_the_later_picture_is_the_probe_and_pays() -> None:
    genuine, impostor = single(gathered([[good(0), poor(60)], [good(90)]]))
    assert scores(genuine) == pytest.approx([cosine(60) - PAID])
    assert scores(impostor) == pytest.approx([cosine(90), cosine(30)], abs=1e-6)
    genuine, _ = single(gathered([[poor(0), good(60)], [good(90)]]))
    assert scores(genuine) == pytest.approx([cosine(60)])


def test_against_a_template_the_probe_pays_whosever_it_is() -> None:
    people = [[*[good(0)] * 5, poor(60)], [*[good(90)] * 5, poor(90)]]
    genuine, impostor = templates(gathered(people))
    assert scores(genuine) == pytest.approx([cosine(60) - PAID, cosine(0) - PAID])
    own, other = scores(impostor)[:6], scores(impostor)[6:]
    assert own == pytest.approx([0.0] * 5 + [-PAID], abs=1e-6)
    assert other == pytest.approx([0.0] * 5 + [cosine(30) - PAID], abs=1e-6)


def test_of_several_probes_the_worst_one_decides() -> None:
    people = [[*[good(0)] * 5, good(0), poor(0), good(0)], [good(90)] * 8]
    genuine, _ = templates(gathered(people), 3)
    assert scores(genuine)[0] == pytest.approx(1 - PAID)


def test_a_report_on_poor_pictures_rejects_more_and_lets_fewer_strangers_in() -> None:
    def told(quality: Quality) -> tuple[float, float]:
        rows = crowd(people=30, pictures=7, spread=0.8)
        people = [[replace(item, quality=quality) for item in row] for row in rows]
        row = report(dataset(people), flat(people), "toy", CALIBRATED)["single"]
        assert isinstance(row, dict)
        return row["1e-3"]["frr"], row["1e-3"]["far"]

    sharp, dull = told(GOOD), told(POOR)
    assert dull[0] > sharp[0]
    assert dull[1] < sharp[1]
    assert np.isfinite([*sharp, *dull]).all()
