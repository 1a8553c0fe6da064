"""`appliance train triplet` from pictures to its verdict, with nothing left out or made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.runs import Appliance

pytest.importorskip("torch", reason="PyTorch is not installed (the extra [train])")
pytestmark = [pytest.mark.slow, pytest.mark.data]

SEVERAL, SINGLE, MOST = 150, 300, 4


@pytest.fixture
def people(data: Path, tmp_path: Path) -> Path:
    """150 people with two to four pictures, 300 with one."""
    folder = tmp_path / "people"
    wanted = {True: SEVERAL, False: SINGLE}
    for person in sorted((data / "lfw-dev" / "images").iterdir()):
        pictures = sorted(person.iterdir())[:MOST]
        if wanted[len(pictures) > 1] > 0:
            wanted[len(pictures) > 1] -= 1
            (folder / person.name).mkdir(parents=True)
            for picture in pictures:
                (folder / person.name / picture.name).symlink_to(picture)
    assert not any(wanted.values())
    return folder


def test_the_same_call_gives_the_same_verdict_for_the_same_reasons(
    appliance: Appliance, people: Path
) -> None:
    words = ("train", "triplet", people, "--dry-run", "--tune", "last", "--epochs", "2")
    more = ("--rate", "1e-3", "--cache", appliance.folder / "cache", "--seed", "5")
    one, other = (appliance.json(*words, *more) for _ in range(2))
    assert one.code == (0 if one.data["usable"] else 1)
    assert one.data["usable"] is not bool(one.data["objections"])
    assert sum(one.data["people"].values()) == SEVERAL + SINGLE
    assert len(one.data["epochs"]) == 3
    assert one.data | {"seconds": 0} == other.data | {"seconds": 0}
    if one.data["best_epoch"]:
        full, small = one.data["parity"].values()
        assert full["least_cosine"] > 0.9999
        assert small["least_cosine"] > 0.98
    worse = [
        row["difference"] > 0
        for rates in one.data["judged"].values()
        for pairs in rates.values()
        for row in (pairs, pairs["people"])
    ]
    assert one.data["usable"] is (bool(worse) and not any(worse))
