"""Files as presentations: clips, folders of frames, and what cannot be read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from appliance import host
from appliance.errors import InputError
from appliance.evaluation import pad_run
from appliance.evaluation.pad import Outcome
from appliance.evaluation.pad_files import Presentation
from appliance.evaluation.pad_report import Judged
from appliance.evaluation.pad_run import PROCESS_MB, Showing, fitting, run, show
from appliance.types import Frame
from tests.evaluation.pads import LIVE, SPOOF, FilmCamera, film, toy_judge
from tests.toys import ALICE, Toy, scene


class Shelf:
    """Opens film cameras by the file's name; a text is why the file cannot be read."""

    def __init__(self, content: Mapping[str, Sequence[Frame] | str]) -> None:
        self._content = content
        self.opened: list[FilmCamera] = []

    def __call__(self, path: Path) -> FilmCamera:
        content = self._content[path.name]
        if isinstance(content, str):
            raise InputError(content)
        self.opened.append(FilmCamera(content))
        return self.opened[-1]


def presentation(*names: str, label: str = "live") -> Presentation:
    return Presentation(label, "/".join((label, *names[:1])), [Path("clip") / it for it in names])


def one(shelf: Shelf, *names: str, attempts: int | None = 1, fps: float = 15.0) -> Judged:
    return show(toy_judge(), presentation(*names), Showing(shelf, attempts, fps))


def test_a_clip_is_paced_as_the_door_looks_and_given_back() -> None:
    shelf = Shelf({"1.mp4": film(LIVE, LIVE, LIVE)})
    judged = one(shelf, "1.mp4", fps=12.0)
    assert [it.outcome for it in judged.attempts] == [Outcome.LIVE]
    assert (judged.label, judged.name, judged.unreadable) == ("live", "live/1.mp4", None)
    (camera,) = shelf.opened
    assert (camera.paced, camera.closed) == ([12.0], True)


def test_pictures_of_a_folder_are_frames_that_follow_each_other() -> None:
    stills = {f"{number}.png": film(LIVE, begin=7.0 + number)[:1] for number in range(4)}
    fast = one(Shelf(stills), *stills, fps=30.0)
    (slow,) = one(Shelf(stills), *stills, fps=10.0).attempts
    assert fast.attempts[0].outcome is Outcome.UNDETERMINED
    assert (slow.outcome, slow.still) == (Outcome.LIVE, False)


def test_photographs_in_a_folder_that_are_no_frames_of_a_clip_are_judged_one_by_one() -> None:
    places = [(60, 65), (255, 170), (150, 65), (60, 175)]
    photographs: dict[str, Sequence[Frame] | str] = {
        f"{number}.jpg": [scene(float(number), Toy(ALICE, x=x, y=y, width=100))]
        for number, (x, y) in enumerate(places)
    }
    photographs["9.jpg"] = "9.jpg is empty."
    judged = one(Shelf(photographs), *photographs)
    assert [(it.outcome, it.still) for it in judged.attempts] == [(Outcome.LIVE, True)] * 4
    assert (judged.apart, judged.damage) == (True, "9.jpg is empty.")
    assert not one(Shelf({"1.mp4": film(LIVE, LIVE, LIVE)}), "1.mp4").apart


def test_a_bad_frame_of_a_folder_is_left_out_and_told() -> None:
    frames: dict[str, Sequence[Frame] | str] = {
        f"{number}.png": film(LIVE, begin=7.0 + number)[:1] for number in range(4)
    }
    frames["1.png"] = "1.png is empty."
    judged = one(Shelf(frames), *frames, fps=10.0)
    assert [it.outcome for it in judged.attempts] == [Outcome.LIVE]
    assert judged.damage == "1.png is empty."


def test_a_folder_without_a_frame_that_can_be_read_is_unreadable() -> None:
    judged = one(Shelf({"1.png": "1.png is empty.", "2.png": "2.png is empty."}), "1.png", "2.png")
    assert (judged.attempts, judged.unreadable) == ((), "1.png is empty.")


def test_a_file_that_cannot_be_read_is_told() -> None:
    judged = one(Shelf({"1.jpg": "1.jpg is too large."}), "1.jpg")
    assert (judged.attempts, judged.unreadable) == ((), "1.jpg is too large.")


def test_a_clip_that_breaks_off_is_judged_as_far_as_it_goes() -> None:
    class Broken(FilmCamera):
        def __init__(self) -> None:
            super().__init__(film(LIVE, LIVE), [("1.mp4", "1.mp4 breaks off.")])

    showing = Showing(lambda _: Broken(), 1, 15.0)
    judged = show(toy_judge(), presentation("1.mp4"), showing)
    assert [it.outcome for it in judged.attempts] == [Outcome.UNDETERMINED]
    assert judged.damage == "1.mp4 breaks off."


def test_all_are_judged_in_order_in_this_process() -> None:
    shelf = Shelf({"1.mp4": film(LIVE, LIVE, LIVE), "2.mp4": film(SPOOF), "3.mp4": "It is empty."})
    told: list[str] = []
    judged = run(
        [presentation(name) for name in ("1.mp4", "2.mp4", "3.mp4")],
        toy_judge,
        Showing(shelf, 1, 15.0),
        1,
        lambda: told.append("one"),
    )
    assert [[it.outcome for it in item.attempts] for item in judged] == [
        [Outcome.LIVE],
        [Outcome.SPOOF],
        [],
    ]
    assert len(told) == 3


def test_as_many_processes_as_the_memory_has_room_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for free, count in ((100.0, 1), (2.5 * PROCESS_MB, 2), (99 * PROCESS_MB, 4), (None, 4)):
        monkeypatch.setattr(pad_run, "available_memory_mb", lambda free=free: free)
        assert fitting(4) == count
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemFree: 1 kB\nMemAvailable:   1000000 kB\n")
    assert host.available_memory_mb(tmp_path) == 1024.0
    assert host.available_memory_mb(tmp_path / "nowhere") is None


def open_by_path(path: Path) -> FilmCamera:
    return FilmCamera(film(SPOOF if "attack" in path.name else LIVE, LIVE, LIVE))


def working_judge() -> object:
    # Says where it is, so that the test can tell that it was elsewhere.
    (Path(os.environ["PAD_TEST_FOLDER"]) / str(os.getpid())).touch()
    return toy_judge()


@pytest.mark.slow
def test_several_processes_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAD_TEST_FOLDER", str(tmp_path))
    shown = [presentation(f"{kind}{n}.mp4") for n in range(3) for kind in ("attack", "person")]
    showing = Showing(open_by_path, 1, 15.0)
    outcomes = [
        [it.outcome for item in run(shown, working_judge, showing, count, lambda: None)  # type: ignore[arg-type]
         for it in item.attempts]
        for count in (1, 2)
    ]  # fmt: skip
    assert outcomes[0] == outcomes[1] == [Outcome.SPOOF, Outcome.LIVE] * 3
    assert {path.name for path in tmp_path.iterdir()} - {str(os.getpid())}
