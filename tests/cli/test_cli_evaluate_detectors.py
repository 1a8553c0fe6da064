"""`evaluate detectors`: its report, its plot, and what becomes of bad input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from appliance import assemble, workbench
from appliance.cli import evaluate_detectors
from appliance.config import Config
from appliance.evaluation.detectors import APPLIANCE, TRACKER, Bench, Setting
from appliance.evaluation.workers import Workers, _begin
from appliance.vision.acquisition import Acquisition, FaceSizes
from tests.cli.runs import Appliance, write
from tests.fakes import FakeClock
from tests.toys import ALICE, BOB, Toy, ToyDetector, ToyMesh, paint

COMMAND = ("evaluate", "detectors")


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two people in the middle, one of them missed once, and a wall; judged in this process."""

    def bench(_config: Config, _mmod: Path | None, setting: Setting) -> Bench:
        found = Acquisition(ToyDetector(), ToyMesh(), FaceSizes(0.6, setting.smallest))
        detectors = {"hog": ToyDetector(), "haar": ToyDetector()}
        return Bench(
            detectors,
            found,
            ToyMesh(),
            seconds=FakeClock().monotonic,
            open_file=assemble.one_file,
            setting=setting,
        )

    def here(
        function: Callable[[object], object], tasks: Sequence[object], workers: Workers
    ) -> Iterator[object]:
        _begin(workers.build, workers.open_picture)
        return map(function, tasks)

    monkeypatch.setattr(workbench, "detector_bench", bench)
    monkeypatch.setattr(workbench, "detectors", lambda *_: {"hog": ToyDetector()})
    monkeypatch.setattr(evaluate_detectors, "each", here)
    folder = tmp_path / "toys"
    pictures = {
        "alice/1.png": [Toy(ALICE)],
        "alice/2.png": [Toy(ALICE, x=290, width=50)],
        "bob/1.png": [Toy(BOB)],
        "no_face/wall.png": [],
    }
    for number, (name, faces) in enumerate(pictures.items()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name, paint(*faces, seed=number))
    return folder


def test_the_contract(toys: Path, appliance: Appliance) -> None:
    told = appliance.json(*COMMAND, toys)
    assert (told.code, told.err) == (0, "")
    data = told.data
    assert (data["labels"], data["with_faces"], data["without_faces"]) == ("centred", 3, 1)
    assert set(data["detectors"]) == {"hog", "haar", APPLIANCE, TRACKER}
    for name in ("hog", "haar", APPLIANCE):
        row = data["detectors"][name]
        assert (row["recall"]["hits"], row["recall"]["n"]) == (2, 3)
        assert (row["false_alarms"]["hits"], row["false_alarms"]["n"]) == (0, 1)
    assert "mmod" in data["missing"]
    assert any("middle" in note for note in data["notes"])


def test_people_get_a_table_and_a_picture(toys: Path, appliance: Appliance) -> None:
    plot = appliance.folder / "plot.svg"
    told = appliance(*COMMAND, toys, "--sample", "1", "--plot", plot)
    assert told.code == 0
    assert "mesh tracker" in told.out
    assert "MMOD was not measured" in told.out
    assert plot.read_text(encoding="utf-8").lstrip().startswith("<?xml")
    assert f"Drawn: {plot}" in told.out


def test_labelled_boxes(toys: Path, appliance: Appliance) -> None:
    rows = ("path,left,top,width,height", "alice/2.png,265,90,50,60", "no_face/wall.png,,,,")
    (toys / "boxes.csv").write_text("\n".join(rows), encoding="utf-8")
    data = appliance.json(*COMMAND, toys).data
    assert (data["labels"], data["overlap"], data["files"]) == ("boxes", 0.5, 2)
    assert data["detectors"]["hog"]["recall"]["hits"] == 1
    assert data["detectors"]["hog"]["false_alarms"]["n"] == 2


def test_unreadable_pictures_are_left_out_and_named(toys: Path, appliance: Appliance) -> None:
    (toys / "bob" / "1.png").write_bytes(b"")
    told = appliance(*COMMAND, toys)
    assert told.code == 0
    assert "Left out: 1.png is empty." in told.err
    for path in toys.rglob("*.png"):
        path.write_text("no picture", encoding="utf-8")
    told = appliance(*COMMAND, toys)
    assert told.code == 3
    assert "None of the pictures can be read" in told.sentence


def test_bad_input(toys: Path, appliance: Appliance, tmp_path: Path) -> None:
    (empty := tmp_path / "empty").mkdir()
    for folder, words in ((empty, "no labelled picture"), (tmp_path / "gone", "not a folder")):
        told = appliance(*COMMAND, folder)
        assert (told.code, words in told.sentence) == (3, True)
    assert "no name of a picture" in appliance(*COMMAND, toys, "--plot", "plot.txt").sentence
    assert appliance(*COMMAND, toys, "--overlap", "2").code == 2
    assert appliance(*COMMAND, toys, "--sample", "0").code == 2
