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
import tomli_w
from pydantic import ValidationError

from appliance.cli import train, training_run
from appliance.cli.calibrate import _require_strangers
from appliance.cli.training_run import Judged
from appliance.errors import InputError, ModelError
from appliance.evaluation.dataset import Dataset, Picture, people_sha256, word_hashes
from appliance.training.comparison import Change, Counted, Share
from appliance.training.export import Parity
from appliance.training.fit import Epoch, Fitted
from appliance.training.people import Split
from appliance.vision.manifest import (
    SCHEMA,
    Entry,
    JudgedRate,
    Training,
    load,
    shipped_folder,
)
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
            ("--dry-run", "--name", "n" * 65),
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

    def test_nothing_is_moved_over_a_mounted_disk(
        self, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Path, "is_mount", lambda _: True)
        out = appliance.folder / "disk"
        done = appliance("train", "triplet", appliance.folder, "--out", out)
        assert done.code == 3
        assert "a disk is mounted" in done.sentence

    @pytest.mark.parametrize("name", ["mobilefacenet", "antispoof"])
    def test_the_name_of_a_model_or_file_that_is_there(
        self, appliance: Appliance, name: str
    ) -> None:
        words = ("--dry-run", "--model", "mobilefacenet", "--name", name)
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


def changes(after: float, people: float) -> list[Change]:
    """After a training from 50 %, over pairs and over people."""
    outcome: list[tuple[float, Counted]] = [(after, "pairs"), (people, "people")]
    return [
        Change(
            1e-3,
            Share(0.5, (0.4, 0.6)),
            Share(rate, (0, 1)),
            Share(rate - 0.5, (rate - 0.5, rate - 0.5)),
            counted,
        )
        for rate, counted in outcome
    ]


def as_if(
    monkeypatch: pytest.MonkeyPatch, after: float, best: int = 1, people_after: float = 0.3
) -> list[str]:
    """A training whose outcome is known; the list of what was done with it."""
    done: list[str] = []
    epochs = (Epoch(0, None, 0, 0.5, 0.5), Epoch(1, 0.1, 7, 0.4, 0.4))
    people = Split(np.arange(2), np.arange(2, 4), np.arange(4, 6))
    ground = SimpleNamespace(
        people=people, rows=lambda some: some, before=[0] * 7, usable=np.arange(6), alike=2
    )
    tail = SimpleNamespace(parameters={"1": np.zeros((3, 2))})
    fitted = Fitted(epochs, epochs[best], interrupted=False)
    rates = {"openface_triplet": changes(after, people_after)}
    judged = Judged({"it": Parity(3, 0.99999, 1.0)}, rates)

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
    assert told.data["alike"] == 2
    assert done == ["calibrated"]
    kept = json.loads((out / "report.json").read_text())
    assert kept["trained_parameters"] == 6
    assert kept["written"] == str(out)
    assert [path.name for path in appliance.folder.iterdir() if path.name[0] == "."] == []


def test_a_link_to_an_empty_folder_is_followed(
    appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_if(monkeypatch, 0.3)
    (appliance.folder / "there").mkdir()
    link = appliance.folder / "link"
    link.symlink_to("there")
    told = appliance.json("train", "triplet", appliance.folder, "--out", link)
    assert told.code == 0
    assert (appliance.folder / "there" / "report.json").is_file()


@pytest.mark.parametrize(
    ("after", "best", "people"), [(0.51, 1, 0.3), (0.3, 1, 0.51), (0.3, 0, 0.3)]
)
def test_a_worse_network_is_refused_and_leaves_nothing(
    appliance: Appliance, monkeypatch: pytest.MonkeyPatch, after: float, best: int, people: float
) -> None:
    done = as_if(monkeypatch, after, best, people)
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
    assert "rejects more of the pairs held back" in told.out
    assert "must not stand at a door" in told.out


def lean(table: dict[str, Any]) -> dict[str, Any]:
    """Without what TOML has no word for."""
    return {
        key: lean(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


def acquitted(seen: Dataset, *rates: JudgedRate) -> Training:
    return Training(
        parent="openface",
        parent_sha256="0" * 64,
        people_sha256=people_sha256(seen),
        people_hashes=word_hashes(seen),
        judged=rates,
    )


BETTER = JudgedRate(far=1e-3, counted="pairs", before=0.5, after=0.4)
WORSE = JudgedRate(far=1e-4, counted="people", before=0.5, after=0.5001)


def data(first: int, last: int) -> Dataset:
    people = [f"person{number}" for number in range(first, last)]
    return Dataset(people, [Picture(Path(f"{name}.jpg"), 0) for name in people])


def test_no_threshold_is_measured_on_people_who_were_trained_on() -> None:
    entry: Any = SimpleNamespace(name="tuned", training=acquitted(data(0, 50), BETTER))
    _require_strangers(entry, data(50, 90))
    with pytest.raises(InputError, match="trained on 10 of the 50 people") as refused:
        _require_strangers(entry, data(40, 90))
    assert refused.value.code == "trained_on"


def test_folders_that_were_only_spelt_anew_are_no_strangers() -> None:
    seen = [f"Zoë_Dai-{number}" for number in range(50)]
    entry: Any = SimpleNamespace(
        name="tuned", training=acquitted(Dataset(seen, data(0, 50).pictures), BETTER)
    )
    for names in (seen, [name.lower().replace("_", " ") for name in seen]):
        with pytest.raises(InputError, match="trained on 50 of the 50 people"):
            _require_strangers(entry, Dataset(names, []))


@pytest.mark.parametrize("judged", [(), (BETTER, WORSE)])
def test_a_network_that_was_not_acquitted_is_not_calibrated(judged: tuple[JudgedRate, ...]) -> None:
    training = acquitted(data(0, 50), *judged)
    entry: Any = SimpleNamespace(name="tuned", training=training)
    with pytest.raises(ModelError, match="must not stand at a door") as refused:
        _require_strangers(entry, data(50, 90))
    assert refused.value.code == "not_fit"


@pytest.mark.parametrize("judged", [(), (BETTER, WORSE)])
def test_no_manifest_gives_thresholds_to_a_network_that_was_not_acquitted(
    tmp_path: Path, judged: tuple[JudgedRate, ...]
) -> None:
    ours = load(shipped_folder()).entry("openface")
    plain = ours.model_dump(by_alias=True, mode="json")
    assert ours.calibration is not None
    fit = Entry.model_validate(
        plain | {"training": acquitted(data(0, 50), BETTER).model_dump(mode="json")}
    )
    assert fit.calibration == ours.calibration
    unfit = plain | {"training": acquitted(data(0, 50), *judged).model_dump(mode="json")}
    with pytest.raises(ValidationError, match="must not have a calibration"):
        Entry.model_validate(unfit)
    path = tmp_path / "manifest.toml"
    table = lean(unfit)
    del table["name"]
    path.write_text(tomli_w.dumps({"schema": SCHEMA, "models": {"openface": table}}))
    with pytest.raises(ModelError, match=r"malformed: the model 'openface' must not") as refused:
        load(tmp_path)
    assert "Value error" not in refused.value.message
    assert Entry.model_validate(unfit | {"calibration": None}).calibration is None


def test_a_trained_network_says_on_whom_it_was_trained() -> None:
    """Without it nobody could keep those people from measuring its thresholds."""
    told = acquitted(data(0, 50), BETTER).model_dump(mode="json")
    assert Training.model_validate(told).people_hashes
    with pytest.raises(ValidationError, match="people_hashes"):
        Training.model_validate(told | {"people_hashes": ""})


def test_those_who_were_trained_on_do_not_come_back_as_judges() -> None:
    ours = load(shipped_folder()).entry("openface")
    training_run.require_trainable(ours)
    again = ours.model_copy(update={"training": acquitted(data(0, 50), BETTER)})
    with pytest.raises(ModelError, match="trained on some people already") as refused:
        training_run.require_trainable(again)
    assert refused.value.code == "not_trainable"
    assert "openface" in refused.value.hint


@pytest.mark.parametrize("available", [800.0, None])
def test_faces_that_do_not_fit_into_memory_are_refused_before_they_are_cut_out(
    monkeypatch: pytest.MonkeyPatch, available: float | None
) -> None:
    monkeypatch.setattr(training_run, "available_memory_mb", lambda: available)
    training_run.require_memory(400_000_000, 9)
    with pytest.raises(InputError, match="9 faces holds 2,001 MB") as refused:
        training_run.require_memory(2_001_000_000, 9)
    assert refused.value.code == "too_large"
