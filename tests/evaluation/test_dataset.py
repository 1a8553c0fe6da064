"""Folders of labelled faces and LFW's pairs.txt."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import InputError
from appliance.evaluation.dataset import (
    Dataset,
    Pair,
    known_people,
    load,
    name_hashes,
    people_sha256,
)
from appliance.vision.manifest import Calibration


@pytest.fixture
def lfw(tmp_path: Path) -> Path:
    """alice has three pictures, bob two, and carol a folder without any."""
    for name, count in (("alice", 3), ("bob", 2), ("carol", 0)):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for number in range(1, count + 1):
            (folder / f"{name}_{number:04d}.jpg").touch()
    (tmp_path / "images" / "alice" / "notes.txt").touch()
    return tmp_path


def with_pairs(folder: Path, text: str) -> Dataset:
    (folder / "pairs.txt").write_text(text, encoding="utf-8")
    return load(folder)


def names(dataset: Dataset) -> list[str]:
    return [picture.path.name for picture in dataset.pictures]


def test_pictures_are_read_in_order_and_everything_else_is_left_out(lfw: Path) -> None:
    dataset = load(lfw)
    assert list(dataset.people) == ["alice", "bob"]
    assert names(dataset) == [
        "alice_0001.jpg",
        "alice_0002.jpg",
        "alice_0003.jpg",
        "bob_0001.jpg",
        "bob_0002.jpg",
    ]
    assert [picture.person for picture in dataset.pictures] == [0, 0, 0, 1, 1]
    assert (list(dataset.pairs), dataset.missing_pairs) == ([], 0)


def test_the_folders_may_lie_at_the_top(lfw: Path) -> None:
    assert load(lfw / "images") == load(lfw)


def test_pairs_are_read_with_tabs_and_blank_lines_and_get_their_folds(lfw: Path) -> None:
    dataset = with_pairs(
        lfw,
        "2\t1\nalice\t1\t3\nalice\t2\tbob\t1\n   \nbob 1 2\nbob\t2\talice\t3\n\n",
    )
    assert list(dataset.pairs) == [
        Pair(0, 2, same=True, fold=0),
        Pair(1, 3, same=False, fold=0),
        Pair(3, 4, same=True, fold=1),
        Pair(4, 2, same=False, fold=1),
    ]
    assert dataset.missing_pairs == 0


def test_pairs_of_pictures_that_are_not_there_are_counted_and_keep_the_folds(lfw: Path) -> None:
    dataset = with_pairs(lfw, "2 1\nalice 1 9\nalice 1 dave 1\nbob 1 2\nbob 1 alice 1\n")
    assert list(dataset.pairs) == [
        Pair(3, 4, same=True, fold=1),
        Pair(3, 0, same=False, fold=1),
    ]
    assert dataset.missing_pairs == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1 1\nalice 1\n", 2),
        ("1 1\nalice one 2\n", 2),
        ("1 1\nalice 1 2\nalice 1 bob\n", 3),
        ("1 1\nalice 1 2\n\nalice 1 bob two\n", 4),
        ("1 1\nalice 1 bob 2 3\n", 2),
    ],
)
def test_a_malformed_line_is_named_by_its_number(lfw: Path, text: str, line: int) -> None:
    with pytest.raises(InputError, match=rf"pairs\.txt, line {line}: ") as caught:
        with_pairs(lfw, text)
    assert "NAME 1 OTHER 3" in caught.value.hint


@pytest.mark.parametrize("text", ["", "\n\n", "alice 1 2\n", "10 0\n", "²\n"])
def test_a_listing_without_its_header_is_refused(lfw: Path, text: str) -> None:
    with pytest.raises(InputError, match="does not begin with its header") as caught:
        with_pairs(lfw, text)
    assert "10 300" in caught.value.hint


def test_a_listing_that_is_no_text_is_refused(lfw: Path) -> None:
    (lfw / "pairs.txt").write_bytes(b"1 1\n\xff\xfe\n")
    with pytest.raises(InputError, match=r"pairs\.txt cannot be read"):
        load(lfw)


def test_fewer_than_two_people_are_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "alice").mkdir()
    (tmp_path / "alice" / "1.png").touch()
    with pytest.raises(InputError, match="pictures of 1 people"):
        load(tmp_path)


def test_what_is_no_folder_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        load(tmp_path / "missing")


def test_the_real_listing_is_read_whole(data: Path) -> None:
    folder = data / "lfw-dev"
    if not folder.is_dir():
        pytest.skip("the measuring data has no lfw-dev")
    dataset = load(folder)
    assert (len(dataset.people), len(dataset.pictures)) == (2835, 6165)
    assert (len(dataset.pairs), dataset.missing_pairs) == (3000, 0)
    assert [sum(pair.fold == fold for pair in dataset.pairs) for fold in range(5)] == [600] * 5
    person = [picture.person for picture in dataset.pictures]
    for pair in dataset.pairs:
        assert (person[pair.one] == person[pair.other]) is pair.same


def people(*names: str) -> Dataset:
    return Dataset(list(names), [])


def calibrated_on(known: Dataset, *, hashes: bool = True) -> Calibration:
    return Calibration(
        data="",
        curves={},
        people_sha256=people_sha256(known),
        people_hashes=name_hashes(known) if hashes else "",
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("Ann", "Ben", "Cid"), 3),
        (("Cid", "Ann"), 2),
        (("Ann", "Dan"), 1),
        (("Dan", "Eve"), 0),
        (("AnnBen", "ann"), 0),
    ],
)
def test_who_was_calibrated_on_is_known_by_name(names: tuple[str, ...], expected: int) -> None:
    calibration = calibrated_on(people("Ann", "Ben", "Cid"))
    assert known_people(people(*names), calibration) == expected


def test_a_calibration_without_names_knows_all_or_cannot_tell() -> None:
    calibration = calibrated_on(people("Ann", "Ben"), hashes=False)
    assert known_people(people("Ben", "Ann"), calibration) == 2
    assert known_people(people("Ann", "Cid"), calibration) is None
    assert known_people(people("Ann"), Calibration(data="", curves={})) is None


def test_few_strangers_are_taken_for_known_and_the_list_stays_small() -> None:
    known = people(*(f"person {number}" for number in range(2835)))
    calibration = calibrated_on(known)
    assert known_people(known, calibration) == 2835
    strangers = people(*(f"stranger {number}" for number in range(20_000)))
    taken = known_people(strangers, calibration)
    assert taken is not None
    assert taken < 20
    assert len(calibration.people_hashes) == 4 * 2835
    # The same names hash to something else in another set: lists cannot be laid side by side.
    other = name_hashes(people(*known.people[1:]))
    shared = {other[i : i + 4] for i in range(0, len(other), 4)}
    own = calibration.people_hashes
    assert sum(own[i : i + 4] in shared for i in range(0, len(own), 4)) < 20
