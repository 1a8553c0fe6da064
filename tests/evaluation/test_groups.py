"""Groups of people: what their file may say, and rates among their members."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.errors import InputError
from appliance.evaluation.dataset import Dataset
from appliance.evaluation.embed import Embedded
from appliance.evaluation.groups import Groups, read, report
from tests.evaluation.worlds import MISSED, at, crowd, dataset, flat, refused_at
from tests.toys import CALIBRATION

NAMES = Dataset(["Ann", "Ben", "Cid"], [])


def written(folder: Path, text: str) -> Path:
    path = folder / "groups.csv"
    path.write_text(text, encoding="utf-8")
    return path


def told(people: list[list[Embedded]], groups: Groups) -> dict[str, Any]:
    found = report(dataset(people), flat(people), CALIBRATION, groups)
    again: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return again


@pytest.mark.parametrize(
    "text",
    [
        "name,age,glasses\nAnn,30,yes\nCid,,no\n",
        "\ufeffname,age,glasses\r\nAnn,30,yes\r\nCid,,no\r\n",
        "age, glasses ,name\n30,yes, Ann\n\n,no,Cid\n",
        'name,age,glasses\n"Ann","30","yes"\nCid,"",no',
    ],
)
def test_a_table_of_groups_is_read(tmp_path: Path, text: str) -> None:
    found = read(written(tmp_path, text), NAMES)
    assert found.members == {"age": {"30": [0]}, "glasses": {"yes": [0], "no": [2]}}
    assert found.unlisted == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "its first line is no header"),
        ("Ann,30\n", "its first line is no header"),
        ("name\nAnn\n", "its first line is no header"),
        ("name,age,age\nAnn,1,2\n", "its header has an empty or a repeated title"),
        ("name,age,\nAnn,1,2\n", "its header has an empty or a repeated title"),
        ("name,age\nAnn\n", "line 2 has 1 cells, not 2"),
        ("name,age\nAnn,1\nBen,1,2\n", "line 3 has 3 cells, not 2"),
        ("name,age\nAnn,1\nDan,1\n", "line 3 names 'Dan', who has no pictures"),
        ("name,age\nAnn,1\nBen,2\nAnn,1\n", "'Ann' stands in line 2 and in line 4"),
        ('name,age\nAnn,"1\n', "it cannot be read"),
    ],
)
def test_a_table_that_is_none_is_refused_with_a_sentence(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read(path, NAMES)
    assert caught.value.code == "bad_groups"
    assert caught.value.message.startswith(f"{path} is no table of groups: {complaint}")
    assert "\n" not in caught.value.message


def test_what_is_no_text_and_what_is_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("name,age\nJosé,1\n".encode("latin-1"))
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("latin.csv", "nowhere.csv", ".", "pipe.csv"):
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path / name, NAMES)


def test_rates_are_those_of_the_group_against_its_own_strangers() -> None:
    # One half are eighty people who are easily told apart, the other half eighty who are not.
    clear = crowd(80, 7, 0.3)
    alike = [[at(0.01 * (7 * i + j)) for j in range(7)] for i in range(80)]
    # In 64 dimensions against two: the same size, so that both live in one world.
    wide = [[Embedded(_padded(item)) for item in row] for row in alike]
    groups = Groups({"kind": {"clear": list(range(80)), "alike": list(range(80, 160))}}, 0)
    found = told([*clear, *wide], groups)["columns"]["kind"]
    for value, far in (("clear", 0.0), ("alike", 1.0)):
        row = found[value]["single"]["1e-3"]
        assert (found[value]["people"], found[value]["pictures"]) == (80, 560)
        assert (row["far"], row["frr"]) == (pytest.approx(far, abs=0.01), 0.0)
        # All pairs of pictures of different people of the group, and of nobody else.
        assert row["impostor_trials"] == 560 * 559 // 2 - 80 * 21
        assert row["too_few_to_state"] == []
        assert found[value]["template_5_1"]["1e-3"]["genuine_trials"] == 160


def _padded(item: Embedded) -> Any:
    assert item.vector is not None
    return np.concatenate([item.vector, np.zeros(62, np.float32)]).astype(np.float32)


def test_a_rate_that_the_trials_cannot_support_is_not_stated() -> None:
    people = crowd(78, 7, 0.3)
    single = told(people, Groups({"all": {"yes": range(78)}}, 0))["columns"]["all"]["yes"]["single"]
    # 3,003 pairs of strangers: enough for one in a thousand, too few for less, though each pair is
    # compared 49 times.
    assert {name: row["too_few_to_state"] for name, row in single.items()} == {
        "1e-3": [],
        "1e-4": ["far"],
        "1e-5": ["far"],
    }
    assert (single["1e-4"]["far"], single["1e-4"]["far_ci"]) == (None, None)
    assert single["1e-4"]["frr"] == 0.0


def test_of_a_few_people_nothing_is_stated() -> None:
    people = crowd(29, 12, 0.3)
    group = told(people, Groups({"all": {"yes": range(29)}}, 0))["columns"]["all"]["yes"]
    assert group["single"]["1e-3"]["too_few_to_state"] == ["far", "frr"]
    assert group["missed"] == {"count": 0, "rate": None, "ci": None}


def test_missed_and_refused_pictures_are_counted_in_their_group() -> None:
    people = [
        [MISSED if i < 3 else refused_at(5.0 * i) if i < 5 else at(5.0 * i)] for i in range(60)
    ]
    found = told(people, Groups({"half": {"first": range(30), "last": range(30, 60)}}, 0))
    first, last = found["columns"]["half"]["first"], found["columns"]["half"]["last"]
    assert (first["missed"]["count"], first["missed"]["rate"]) == (3, 0.1)
    # The textbook's 3 of 30.
    assert first["missed"]["ci"] == pytest.approx([0.0211, 0.2653], abs=1e-4)
    assert first["missed"]["ci_method"] == "clopper_pearson"
    assert (first["refused"]["count"], last["refused"]["count"], last["missed"]["count"]) == (
        2,
        0,
        0,
    )


def test_unreadable_pictures_are_not_refused_ones() -> None:
    people = [[Embedded(None, "bad_input") if i < 4 else at(6.0 * i)] for i in range(60)]
    found = told(people, Groups({"half": {"first": range(30), "last": range(30, 60)}}, 0))
    groups = found["columns"]["half"]
    assert [groups[half]["unreadable"] for half in ("first", "last")] == [4, 0]
    assert groups["first"]["refused"]["count"] == groups["first"]["missed"]["count"] == 0


def test_the_caveat_stands_beside_the_figures_and_the_unlisted_are_counted() -> None:
    found = told(crowd(3, 2, 0.3), Groups({"kind": {"a": [0, 1]}}, 1))
    assert "impostors are of the same group" in found["caveat"]
    assert found["unlisted_people"] == 1
