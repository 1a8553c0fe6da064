"""`appliance train triplet`: what it refuses before any long work, and whom it lets stand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from appliance.cli import train, training_run
from appliance.cli.calibrate import _require_strangers
from appliance.cli.training_run import Judged
from appliance.errors import InputError
from appliance.evaluation.dataset import Dataset, Picture, name_hashes, people_sha256
from appliance.training.comparison import Change, Share
from appliance.training.export import Parity
from appliance.training.fit import Epoch, Fitted
from appliance.training.people import Split
from tests.cli.runs import Appliance

NOTHING = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def pytorch_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were: nothing here comes so far that it would be loaded."""
    monkeypatch.setattr(train, "require_pytorch", lambda: None)


def test_without_pytorch_one_sentence_says_what_to_install(
    appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    done = appliance.json("train", "triplet", appliance.folder, "--dry-run")
    assert (done.code, done.error["code"]) == (3, "missing_library")
    assert "[train]" in done.error["hint"]


@pytest.mark.usefixtures("pytorch_is_there")
class TestRefusals:
    @pytest.mark.parametrize(
        "words",
        [
            (),
            ("--out", "new", "--dry-run"),
            ("--dry-run", "--train-share", "0.6", "--steer-share", "0.4"),
            ("--dry-run", "--name", "a/b"),
            ("--dry-run", "--margin", "0"),
        ],
    )
    def test_what_cannot_be_meant(self, appliance: Appliance, words: tuple[str, ...]) -> None:
        assert appliance("train", "triplet", appliance.folder, *words).code == 2

    def test_nothing_is_written_over(self, appliance: Appliance) -> None:
        taken = appliance.folder / "taken"
        taken.mkdir()
        (taken / "something").touch()
        done = appliance("train", "triplet", appliance.folder, "--out", taken)
        assert done.code == 3
        assert "is there already" in done.sentence

    def test_a_folder_that_cannot_be_made(self, appliance: Appliance) -> None:
        out = appliance.folder / "no" / "such"
        done = appliance("train", "triplet", appliance.folder, "--out", out)
        assert done.code == 3
        assert "does not exist" in done.sentence

    @pytest.mark.parametrize("model", ["openface_int8", "mobilefacenet_dynamic"])
    def test_training_begins_from_float32(self, appliance: Appliance, model: str) -> None:
        done = appliance("train", "triplet", appliance.folder, "--dry-run", "--model", model)
        assert done.code == 3
        assert "float32" in done.sentence

    def test_the_name_of_a_model_that_is_there(self, appliance: Appliance) -> None:
        words = ("--dry-run", "--model", "mobilefacenet", "--name", "mobilefacenet")
        done = appliance("train", "triplet", appliance.folder, *words)
        assert done.code == 3
        assert "already" in done.sentence

    @pytest.mark.parametrize("place", ["", "later"])
    def test_crops_are_refused_for_their_alignment_may_be_another(
        self, appliance: Appliance, place: str
    ) -> None:
        crops = appliance.folder / "crops"
        (crops / place).mkdir(parents=True)
        (crops / place / "alignment.json").write_text("{}")
        words = ("--dry-run", "--model", "mobilefacenet")
        done = appliance.json("train", "triplet", crops, *words)
        assert (done.code, done.error["code"]) == (3, "aligned_folder")

    def test_a_folder_of_one_person(self, appliance: Appliance) -> None:
        (appliance.folder / "people" / "alice").mkdir(parents=True)
        cv2.imwrite(str(appliance.folder / "people" / "alice" / "1.png"), NOTHING)
        words = ("--dry-run", "--model", "mobilefacenet")
        done = appliance("train", "triplet", appliance.folder / "people", *words)
        assert done.code == 3
        assert "at least two" in done.sentence


def change(after: float) -> Change:
    gap = after - 0.5
    return Change(1e-3, Share(0.5, (0.4, 0.6)), Share(after, (0, 1)), Share(gap, (gap, gap)))


def as_if(monkeypatch: pytest.MonkeyPatch, after: float, best: int = 1) -> list[str]:
    """A training whose outcome is known; the list of what was done with it."""
    done: list[str] = []
    epochs = (Epoch(0, None, 0, 0.5), Epoch(1, 0.1, 7, 0.4))
    people = Split(np.arange(2), np.arange(2, 4), np.arange(4, 6))
    ground = SimpleNamespace(
        people=people, rows=lambda some: some, before=[0] * 7, usable=np.arange(6)
    )
    tail = SimpleNamespace(parameters={"1": np.zeros((3, 2))})
    fitted = Fitted(epochs, epochs[best], interrupted=False)
    judged = Judged({"it": Parity(3, 0.99999, 1.0)}, {"openface_triplet": [change(after)]})

    def calibrate(*_: object) -> dict[str, Any]:
        done.append("calibrated")
        return {"openface_triplet": {"images": 1, "missed": 0, "refused": 0, "curves": {}}}

    monkeypatch.setattr(train, "require_pytorch", lambda: None)
    for name, answer in {
        "prepare": lambda *_: ground,
        "learn": lambda *_: SimpleNamespace(tail=tail, fitted=fitted),
        "files_of": lambda *_: (),
        "judge": lambda *_: judged,
        "calibrate": calibrate,
    }.items():
        monkeypatch.setattr(training_run, name, answer)
    return done


def test_a_better_network_is_calibrated_and_written(
    appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = as_if(monkeypatch, 0.3)
    out = appliance.folder / "tuned"
    told = appliance.json("train", "triplet", appliance.folder, "--out", out)
    assert told.code == 0
    assert told.data["usable"] is True
    assert told.data["written"] == str(out)
    assert told.data["judged"]["openface_triplet"]["1e-3"]["frr_after"] == 0.3
    assert done == ["calibrated"]
    kept = json.loads((out / "report.json").read_text())
    assert kept["trained_parameters"] == 6
    assert [path.name for path in appliance.folder.iterdir() if path.name[0] == "."] == []


@pytest.mark.parametrize(("after", "best"), [(0.51, 1), (0.3, 0)])
def test_a_worse_network_is_refused_and_leaves_nothing(
    appliance: Appliance, monkeypatch: pytest.MonkeyPatch, after: float, best: int
) -> None:
    done = as_if(monkeypatch, after, best)
    before = sorted(appliance.folder.iterdir())
    told = appliance.json("train", "triplet", appliance.folder, "--out", appliance.folder / "tuned")
    assert told.code == 1
    assert told.data["usable"] is False
    assert told.data["written"] is None
    assert len(told.data["objections"]) == 1
    assert done == []
    assert sorted(appliance.folder.iterdir()) == before


def test_people_are_told_that_it_must_not_stand_at_a_door(
    appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_if(monkeypatch, 0.6)
    told = appliance("train", "triplet", appliance.folder, "--dry-run")
    assert told.code == 1
    assert "rejects more of the people held back" in told.out
    assert "must not stand at a door" in told.out


def test_no_threshold_is_measured_on_people_who_were_trained_on() -> None:
    def data(first: int, last: int) -> Dataset:
        people = [f"person{number}" for number in range(first, last)]
        return Dataset(people, [Picture(Path(f"{name}.jpg"), 0) for name in people])

    seen = data(0, 50)
    training: Any = SimpleNamespace(
        people_sha256=people_sha256(seen), people_hashes=name_hashes(seen)
    )
    entry: Any = SimpleNamespace(name="tuned", training=training)
    _require_strangers(entry, data(50, 90))
    with pytest.raises(InputError, match="trained on 10 of the 50 people") as refused:
        _require_strangers(entry, data(40, 90))
    assert refused.value.code == "trained_on"
