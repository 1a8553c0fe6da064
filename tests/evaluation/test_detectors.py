"""What counts as found, as a false alarm, and how sure the shares are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import InputError
from appliance.evaluation.detector_files import Labelled, find
from appliance.evaluation.detectors import (
    APPLIANCE,
    TRACKER,
    Bench,
    Outcome,
    Setting,
    matched,
    report,
    share_json,
)
from appliance.evaluation.rates import exact_interval
from appliance.types import Box, Frame, Pixels
from appliance.vision.acquisition import Acquisition, FaceSizes
from tests.fakes import FakeClock
from tests.toys import ALICE, BOB, Toy, ToyCamera, ToyDetector, ToyMesh, paint

LEFT, RIGHT = Toy(ALICE, x=80, width=80), Toy(BOB, x=240, width=80)
# Where they are painted.
AT_LEFT, AT_RIGHT = Box(40, 72, 80, 96), Box(200, 72, 80, 96)


class Slow(ToyDetector):
    """Takes its time, and sees one face too many."""

    def __init__(self, clock: FakeClock, also: Box | None = None) -> None:
        self._clock = clock
        self._also = also

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        self._clock.advance(0.02)
        found = super().detect(bgr, smallest)
        return [*found, self._also] if self._also else found


@pytest.fixture
def judge() -> Callable[..., Outcome]:
    def judged(
        *faces: Toy, truth: tuple[Box, ...] | None, also: Box | None = None, smallest: float = 0.1
    ) -> Outcome:
        clock = FakeClock()
        frame = Frame(paint(*faces), 0.0, "picture", still=True)
        bench = Bench(
            {"slow": Slow(clock, also)},
            Acquisition(ToyDetector(), ToyMesh(), FaceSizes(0.6, smallest)),
            ToyMesh(),
            seconds=clock.monotonic,
            open_file=lambda _: ToyCamera([frame]),
            setting=Setting(0.5, smallest),
        )
        (outcome,) = bench.judge(Labelled(Path("picture"), "somebody", truth))
        return outcome

    return judged


def test_labelled_faces_are_found_each_once(judge: Callable[..., Outcome]) -> None:
    answers = judge(LEFT, RIGHT, truth=(AT_LEFT, AT_RIGHT)).answers
    assert [(it.found, it.faces, it.alarms) for it in answers.values()][:2] == [(2, 2, 0)] * 2
    assert list(answers) == ["slow", APPLIANCE, TRACKER]
    assert answers["slow"].ms == pytest.approx(20)


def test_a_box_on_nothing_and_a_second_box_are_false_alarms(judge: Callable[..., Outcome]) -> None:
    for also in (Box(0, 0, 30, 30), Box(42, 70, 80, 96)):
        answer = judge(LEFT, truth=(AT_LEFT,), also=also).answers["slow"]
        assert (answer.found, answer.faces, answer.alarms) == (1, 1, 1)


def test_a_face_that_is_too_small_is_missed(judge: Callable[..., Outcome]) -> None:
    answers = judge(LEFT, truth=(AT_LEFT,), smallest=0.5).answers
    assert answers["slow"].found == answers[APPLIANCE].found == 0
    assert TRACKER not in answers  # there was nothing to follow


def test_somebody_behind_the_one_in_the_middle_counts_as_nothing(
    judge: Callable[..., Outcome],
) -> None:
    both = judge(Toy(ALICE), Toy(BOB, x=290, width=50), truth=None).answers["slow"]
    assert (both.found, both.faces, both.alarms) == (1, 1, None)
    behind = judge(Toy(BOB, x=290, width=50), truth=None).answers["slow"]
    assert (behind.found, behind.faces, behind.alarms) == (0, 1, None)


def test_without_a_face_only_false_alarms_count(judge: Callable[..., Outcome]) -> None:
    answers = judge(truth=(), also=Box(0, 0, 30, 30)).answers
    assert [(it.found, it.faces, it.alarms) for it in answers.values()] == [
        (0, 0, 1),
        (0, 0, 0),
        (0, 0, 0),
    ]
    # A face where none should be is what the tracker stays with.
    assert judge(Toy(ALICE), truth=()).answers[TRACKER].alarms == 1


def test_the_tracker_follows_a_face_that_moves(judge: Callable[..., Outcome]) -> None:
    answer = judge(Toy(ALICE), truth=None).answers[TRACKER]
    assert (answer.found, answer.faces, answer.alarms) == (1, 1, None)


def test_the_surest_box_chooses_first() -> None:
    face = Box(0, 0, 100, 100)
    sure, unsure = Box(5, 0, 100, 100, 0.9), Box(0, 0, 100, 100, 0.1)
    assert matched([unsure, sure], [face], 0.5) == 1
    assert matched([Box(0, 0, 100, 40)], [face], 0.5) == 0
    assert matched([Box(0, 0, 100, 40)], [face], 0.3) == 1
    assert matched([], [face], 0.5) == matched([sure], [], 0.5) == 0


def test_a_share_of_independent_trials_has_an_exact_interval() -> None:
    told = share_json([(str(number), number < 9) for number in range(10)])
    assert (told["hits"], told["n"], told["rate"]) == (9, 10, 0.9)
    assert told["ci"] == pytest.approx(exact_interval(9, 10), abs=1e-5)
    assert share_json([]) == {"rate": None, "hits": 0, "n": 0, "ci": [0.0, 1.0]}


def test_one_persons_pictures_are_no_independent_trials() -> None:
    alone = [(f"{number}", number % 5 != 0) for number in range(100)]
    together = [(f"{number % 5}", number % 5 != 0) for number in range(100)]
    wide, narrow = (share_json(trials)["ci"] for trials in (together, alone))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_a_single_clip_says_little_of_others() -> None:
    frames = [("hall.mp4", number < 3) for number in range(60)]
    low, high = share_json(frames)["ci"]
    assert low == 0
    assert high > 0.9


def test_the_report_counts_what_was_read(judge: Callable[..., Outcome]) -> None:
    outcomes = [
        judge(LEFT, truth=(AT_LEFT,)),
        judge(LEFT, truth=(AT_LEFT,), smallest=0.5),
        judge(truth=(), also=Box(0, 0, 9, 9)),
        Outcome("x", why="x.jpg is empty."),
    ]
    told = report(outcomes)
    assert (told["frames"], told["with_faces"], told["without_faces"]) == (3, 2, 1)
    assert told["unreadable"] == ["x.jpg is empty."]
    assert told["median_size"] == [320, 240]
    slow = told["detectors"]["slow"]
    assert (slow["recall"]["hits"], slow["recall"]["n"]) == (1, 2)
    assert (slow["false_alarms"]["hits"], slow["false_alarms"]["n"]) == (1, 3)
    assert slow["false_alarms"]["boxes"] == 1
    assert slow["ms"] == {"p50": 20.0, "p95": 20.0}
    assert told["detectors"][TRACKER]["recall"]["n"] == 1


# --- folders ------------------------------------------------------------------------------


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_one_person_a_folder(tmp_path: Path) -> None:
    tree(tmp_path, "images/bob/1.jpg", "images/ann/1.jpg", "images/ann/2.png", "images/ann/.x.jpg")
    found = find(tree(tmp_path, "no_face/wall.png", "no_face/hall.mp4", "no_face/notes.txt"))
    assert found.kind == "centred"
    assert [(it.path.name, it.group, it.has_face) for it in found.files] == [
        ("1.jpg", "ann", True),
        ("2.png", "ann", True),
        ("1.jpg", "bob", True),
        ("hall.mp4", "no_face/hall.mp4", False),
        ("wall.png", "no_face/wall.png", False),
    ]


def test_a_sample_is_of_different_people_and_can_be_drawn_again(tmp_path: Path) -> None:
    names = [f"p{person}/{number}.jpg" for person in range(20) for number in range(3)]
    tree(tmp_path, *names, "no_face/wall.png")
    first, again, other = (find(tmp_path, 8, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert first.total == 61
    faces = [it for it in first.files if it.has_face]
    assert len(faces) == len({it.group for it in faces}) == 8
    assert len(first.files) == 9
    assert len(find(tmp_path, 100).files) == 21


def boxes(root: Path, text: str) -> Path:
    tree(root, "one.jpg", "two.jpg")
    (root / "boxes.csv").write_text(text, encoding="utf-8")
    return root


def test_boxes_from_a_table(tmp_path: Path) -> None:
    text = "path,left,top,width,height,person\none.jpg,1,2,30,40,ann\none.jpg,5,6,7,8.5,ann\n"
    found = find(boxes(tmp_path, text + "two.jpg,,,,,\n"))
    assert found.kind == "boxes"
    one, two = found.files
    assert (one.group, one.faces) == ("ann", (Box(1, 2, 30, 40), Box(5, 6, 7, 8.5)))
    assert (two.group, two.faces, two.has_face) == ("two.jpg", (), False)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("path,left,top\n", "lacks the column 'width'"),
        ("path,left,top,width,height\nnine.jpg,1,2,3,4\n", r"line 2: there is no file nine\.jpg"),
        (f"path,left,top,width,height\n{'x' * 300},1,2,3,4\n", "line 2: there is no file xxx"),
        ("path,left,top,width,height\none.jpg,1,2,3,x\n", "line 2: 1,2,3,x is no box"),
        ("path,left,top,width,height\none.jpg,1,2,0,4\n", "is no box"),
        ("path,left,top,width,height\none.jpg,1,2,nan,4\n", "is no box"),
        ("path,left,top,width,height\none.jpg,1,2,,4\n", "is no box"),
        ("path,left,top,width,height\n", "holds no labelled picture"),
    ],
)
def test_a_table_that_is_wrong_is_told_by_its_line(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        find(boxes(tmp_path, text))


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        find(tmp_path / "missing")
    with pytest.raises(InputError, match="file name too long"):
        find(tmp_path / ("x" * 300))
    with pytest.raises(InputError, match="holds no labelled picture"):
        find(tmp_path)
    (tmp_path / "boxes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        find(tmp_path)
