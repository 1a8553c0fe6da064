"""A folder of people's pictures becomes a database: who is enrolled, who is not, and why."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from appliance import assemble
from appliance.cli.enroll_folder import MEASURED_FRR
from appliance.cli.main import INTERRUPTED
from appliance.enrolment import roll
from appliance.errors import StoreError
from appliance.reports.rates import percent
from appliance.store.people import SqlitePeople
from appliance.vision.manifest import load
from tests.cli.runs import Appliance, write
from tests.conftest import ROOT
from tests.toys import ALICE, BOB, CAROL, Toy, paint, toy_perception

# It never changes, and takes longer to read than all else here.
MANIFEST = cache(load)


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Painted faces in the place of people."""
    monkeypatch.setattr(assemble, "load", MANIFEST)
    monkeypatch.setattr(assemble, "perception", lambda *_, **__: toy_perception())


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Alice in five pictures, Bob in one; Eve cannot be enrolled, nor can what is called 'x/y'."""
    folder = tmp_path / "images"
    (folder / "alice").mkdir(parents=True)
    for number in range(5):
        write(folder / "alice" / f"{number}.png", paint(Toy(ALICE), seed=number))
    write(folder / "bob.png", paint(Toy(BOB)))
    write(folder / "eve.png", paint(Toy(CAROL, x=80, width=80), Toy(BOB, x=240, width=80)))
    (folder / "notes.txt").write_text("not a picture", encoding="utf-8")
    (folder / ".hidden.png").write_text("nor this", encoding="utf-8")
    return folder


def statuses(told: dict[str, object]) -> dict[str, str]:
    people = told["people"]
    assert isinstance(people, list)
    return {item["name"]: item["status"] for item in people}


def test_everybody_is_enrolled_who_can_be(appliance: Appliance, images: Path) -> None:
    told = appliance.json("enroll", "--from-folder", images)
    assert told.code == 3  # for Eve
    assert statuses(told.data) == {"alice": "enrolled", "bob": "enrolled", "eve": "refused"}
    assert [told.data[key] for key in ("enrolled", "replaced", "left_alone", "refused")] == [
        2,
        0,
        0,
        1,
    ]
    alice, bob, eve = told.data["people"]
    assert (alice["frames_used"], bob["frames_used"]) == (5, 1)
    assert alice["template"]["count"] == 5
    assert eve["error"]["code"] == "no_usable_frames"
    assert "several faces" in eve["error"]["message"]
    assert told.data["passed_over"] == ["notes.txt"]
    listed = appliance.json("people", "list").data["people"]
    assert [(item["name"], item["count"]) for item in listed] == [("alice", 5), ("bob", 1)]
    events = [it["event"] for it in appliance.json("audit", "tail").data["records"]]
    assert events.count("enrolled") == 2


def test_who_is_there_already_is_left_alone_unless_replaced(
    appliance: Appliance, images: Path
) -> None:
    (images / "eve.png").unlink()
    assert appliance.json("enroll", "--from-folder", images).code == 0
    before = appliance.snapshot()
    again = appliance.json("enroll", "--from-folder", images)
    assert (again.code, statuses(again.data)) == (0, {"alice": "left_alone", "bob": "left_alone"})
    assert appliance.snapshot().keys() == before.keys()
    anew = appliance.json("enroll", "--from-folder", images, "--replace")
    assert (anew.code, statuses(anew.data)) == (0, {"alice": "replaced", "bob": "replaced"})


def test_a_dry_run_tells_the_same_and_keeps_nobody(appliance: Appliance, images: Path) -> None:
    # The same face twice is seen although nobody is kept.
    write(images / "robert.png", paint(Toy(BOB), seed=9))
    told = appliance.json("enroll", "--from-folder", images, "--dry-run")
    assert told.code == 3
    assert statuses(told.data)["alice"] == "enrolled"
    robert = next(item for item in told.data["people"] if item["name"] == "robert")
    assert [item["name"] for item in robert["looks_like"]] == ["bob"]
    assert not appliance.state.exists()


def test_one_picture_a_person_warns_of_what_to_expect(appliance: Appliance, images: Path) -> None:
    appliance.configure(enrolment={"min_frames_for_door": 5})
    told = appliance.json("enroll", "--from-folder", images)
    (warning,) = told.data["warnings"]
    assert warning.startswith("one person has fewer than 5 usable pictures, so a door does not")
    assert "enrolment.min_frames_for_door" in warning
    assert (
        "rejects 5.9 % of a person's pictures by one enrolled picture, and 2.1 % by five" in warning
    )
    appliance.configure(verification={"target_far": 1e-3}, enrolment={"min_frames_for_door": 5})
    told = appliance.json("enroll", "--from-folder", images, "--replace")
    assert "was not measured" in told.data["warnings"][0]


def test_what_is_expected_is_what_the_readme_says() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, rates in MEASURED_FRR.items():
        (row,) = re.findall(rf"^\| `{name}`.*$", table, re.MULTILINE)
        single, five = (
            [float(it) for it in re.findall(r"([\d.]+) % \[", cell)] for cell in row.split("|")[3:5]
        )
        assert {far: tuple(percent(it) for it in pair) for far, pair in rates.items()} == {
            far: (percent(one / 100), percent(other / 100))
            for far, one, other in zip((1e-4, 1e-5), single, five, strict=True)
        }


def test_two_entries_of_one_name_are_both_refused(appliance: Appliance, images: Path) -> None:
    write(images / "Bob.png", paint(Toy(CAROL)))
    told = appliance.json("enroll", "--from-folder", images)
    assert {it["name"]: it["error"]["code"] for it in told.data["people"] if it.get("error")} == {
        "Bob": "same_name",
        "bob": "same_name",
        "eve": "no_usable_frames",
    }


def test_a_folder_or_a_file_that_is_no_name_or_picture_is_refused_by_itself(
    appliance: Appliance, images: Path
) -> None:
    (images / "empty").mkdir()
    (images / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    write(images / "\u200b.png", paint(Toy(CAROL)))
    told = appliance.json("enroll", "--from-folder", images)
    codes = {it["name"]: it["error"]["code"] for it in told.data["people"] if it.get("error")}
    assert codes["\u200b"] == "bad_name"
    assert codes.keys() == {"empty", "torn", "\u200b", "eve"}
    assert (told.code, told.data["enrolled"]) == (3, 2)


def test_people_read_a_table(appliance: Appliance, images: Path) -> None:
    told = appliance("enroll", "--from-folder", images)
    assert told.code == 3
    assert re.search(r"^ *bob +bob.png +enrolled +1", told.out, re.MULTILINE)
    assert re.search(r"^ *eve +eve.png +refused .*several faces", told.out, re.MULTILINE)
    assert (
        "2 enrolled, 0 replaced, 0 left alone as they are enrolled already, 1 refused." in told.out
    )
    assert "Passed over, for they are no pictures: notes.txt." in told.out


def test_a_store_that_fails_in_the_middle_tells_who_was_enrolled(
    appliance: Appliance, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = SqlitePeople.add

    def add(self: SqlitePeople, name: str, *rest: object, **more: object) -> object:
        if name == "bob":
            raise StoreError("The disk is full.")
        return keep(self, name, *rest, **more)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(SqlitePeople, "add", add)
    told = appliance.json("enroll", "--from-folder", images)
    assert told.code == 3
    assert statuses(told.data) == {"alice": "enrolled"}
    assert told.data["error"]["message"] == "The disk is full."
    assert [it["name"] for it in appliance.json("people", "list").data["people"]] == ["alice"]


def test_what_was_interrupted_goes_on_where_it_stopped(
    appliance: Appliance, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (images / "eve.png").unlink()
    keep = SqlitePeople.add

    def add(self: SqlitePeople, name: str, *rest: object, **more: object) -> object:
        if name == "bob":
            keep(self, name, *rest, **more)  # type: ignore[arg-type]  # handed on as it came
            raise KeyboardInterrupt  # kept, and not recorded yet
        return keep(self, name, *rest, **more)  # type: ignore[arg-type]  # handed on as it came

    with monkeypatch.context() as during:
        during.setattr(SqlitePeople, "add", add)
        assert appliance("enroll", "--from-folder", images).code == INTERRUPTED
    assert [it["name"] for it in appliance.json("people", "list").data["people"]] == ["alice"]
    again = appliance.json("enroll", "--from-folder", images)
    assert (again.code, statuses(again.data)) == (0, {"alice": "left_alone", "bob": "enrolled"})
    events = [it["event"] for it in appliance.json("audit", "tail").data["records"]]
    assert events.count("enrolled") == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--from-folder", "nowhere"), 3),
        (("--from-folder", "config.yaml"), 3),
        (("--from-folder", "hollow"), 3),
        (("--from-folder", "hollow", "--name", "alice"), 2),
        (("--from-folder", "hollow", "--from", "hollow"), 2),
        (("--name", "alice", "--dry-run"), 2),
        (("--from", "hollow"), 2),
    ],
)
def test_what_cannot_be_meant_is_told(
    words: tuple[str, ...], code: int, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(appliance.folder)
    (appliance.folder / "hollow").mkdir()
    told = appliance("enroll", *words)
    assert told.code == code
    assert told.sentence


def test_a_person_is_called_as_the_file_or_the_folder(tmp_path: Path) -> None:
    (tmp_path / "Anna_Kournikova").mkdir()
    (tmp_path / "j.r. tolkien.JPG").touch()
    read = roll.read(tmp_path)
    assert [entry.name for entry in read.entries] == ["Anna_Kournikova", "j.r. tolkien"]
    assert read.passed_over == ()
