"""`appliance classifier`: what is refused before any work, and the tutorial's line."""

from __future__ import annotations

import json
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance import assemble
from appliance.cli import classifier as cli
from appliance.config import Config
from appliance.errors import InputError
from appliance.training import classifier_file, classifier_plot, representations
from appliance.training.classifier import Classifier, Origin
from appliance.training.representations import Representations
from tests.cli.runs import BIDEN, OBAMA, OBAMA2, OBAMA3, Appliance

pytestmark = pytest.mark.skipif(
    find_spec("sklearn") is None or find_spec("skops") is None,
    reason="scikit-learn and skops come with the extras [dev] and [train]",
)

MODEL, WIDTH = "mobilefacenet", 192


def embeddings(folder: Path, counts: tuple[int, ...] = (4, 4), model: str | None = MODEL) -> Path:
    random = np.random.default_rng(2)
    labels = np.repeat(np.arange(1, len(counts) + 1), counts)
    centres = random.normal(size=(len(counts), WIDTH))
    vectors = centres[labels - 1] + 0.3 * random.normal(size=(len(labels), WIDTH))
    people = tuple(f"person{number}" for number in range(len(counts)))
    paths = tuple(f"{people[label - 1]}/{row}.png" for row, label in enumerate(labels))
    written = Representations(vectors.astype(np.float32), labels, people, paths, model, "f00d")
    representations.write(folder, written)
    return folder


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Classifier]:
    """What `train` would have written: writing it loads all of scikit-learn."""
    written: list[Classifier] = []

    def write(_: Path, classifier: Classifier) -> str:
        written.append(classifier)
        return "5" * 64

    monkeypatch.setattr(classifier_file, "write", write)
    return written


def there(monkeypatch: pytest.MonkeyPatch, origin: Origin) -> None:
    """A classifier of such an origin lies in every folder."""
    found = Classifier(
        "svm", ("a", "b"), None, np.eye(2, origin.dimensions, dtype=np.float32), 1.0, 0.5, origin
    )
    monkeypatch.setattr(classifier_file, "read", lambda *_: found)


def mark(model: str) -> str:
    models = assemble.manifest(Config())
    return assemble.template_fingerprint(models.entry(model, "embedder"), models)


def test_training_tells_what_it_measured(
    appliance: Appliance, kept: list[Classifier], tmp_path: Path
) -> None:
    done = appliance.json("classifier", "train", embeddings(tmp_path / "e", (4, 4, 4)))
    assert done.code == 0
    told: dict[str, Any] = json.loads(done.out)
    assert (told["kind"], told["people"], told["pictures"], told["folds"]) == ("svm", 3, 12, 4)
    assert told["accuracy"]["svm"]["pictures"] == 1.0
    assert set(told["accuracy"]) == {"svm", "nearest_template"}
    assert told["unknown"]["strangers"] == 3
    assert told["unknown"]["least_similarity"] == pytest.approx(kept[0].least_similarity, abs=1e-5)
    # Another fingerprint than the shipped model's: its calibration says nothing about these.
    assert told["unknown"]["of_calibration"] is None
    assert kept[0].people == ("person0", "person1", "person2")


def test_people_read_a_table(appliance: Appliance, kept: list[Classifier], tmp_path: Path) -> None:
    done = appliance(
        "classifier", "train", embeddings(tmp_path / "e", (4, 4, 1)), "--kind", "knn",
        "--min-pictures", "2",
    )  # fmt: skip
    assert done.code == 0
    assert "1 person is left out for having too few pictures" in done.out
    assert "nearest template" in done.out
    assert "Unknown below a similarity of" in done.out
    assert kept[0].kind == "knn"


@pytest.mark.parametrize(
    ("counts", "code"), [((6,), "one_class"), ((4, 1, 4), "single_picture")], ids=str
)
def test_too_little_to_train_on_is_refused(
    appliance: Appliance, tmp_path: Path, counts: tuple[int, ...], code: str
) -> None:
    done = appliance.json("classifier", "train", embeddings(tmp_path / "e", counts))
    assert (done.code, done.error["code"]) == (3, code)


def spoil(folder: Path, labels: str, reps: str) -> Path:
    folder.mkdir()
    (folder / "labels.csv").write_text(labels, encoding="utf-8")
    (folder / "reps.csv").write_text(reps, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("labels", "reps"),
    [
        ("", ""),
        ("1,a/1.png\n2,b/1.png\n", "1,2,3\n1,2\n"),
        ("1,a/1.png\n2,b/1.png\n", "1,2\n3,nan\n"),
        ("1,a/1.png\n2,b/1.png\n2,b/2.png\n", "1,2\n3,4\n"),
        ("1,a/1.png\n1,b/1.png\n", "1,2\n3,4\n"),
        ("a/1.png,1\n", "1,2\n"),
    ],
    ids=("empty", "two models", "no number", "more labels", "two names", "turned round"),
)
def test_files_that_make_no_sense_are_refused(
    appliance: Appliance, tmp_path: Path, labels: str, reps: str
) -> None:
    done = appliance("classifier", "train", spoil(tmp_path / "e", labels, reps))
    assert done.code == 3
    assert done.sentence


@pytest.mark.parametrize("words", [("train",), ("infer", "--from", str(OBAMA))], ids=str)
def test_an_empty_folder_is_refused(
    appliance: Appliance, tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = appliance("classifier", *words, tmp_path)
    assert done.code == 3
    assert str(tmp_path) in done.sentence


def test_a_plot_that_cannot_be_drawn_is_refused_before_the_work(
    appliance: Appliance, kept: list[Classifier], tmp_path: Path
) -> None:
    folder = embeddings(tmp_path / "e")
    done = appliance("classifier", "train", folder, "--plot", tmp_path / "faces.txt")
    assert (done.code, kept) == (3, [])


def test_a_folder_that_takes_nothing_is_told_before_the_work(
    appliance: Appliance, kept: list[Classifier], tmp_path: Path
) -> None:
    folder = embeddings(tmp_path / "e")
    (tmp_path / "file").touch()
    done = appliance("classifier", "train", folder, "--out", tmp_path / "file" / "out")
    assert (done.code, kept) == (3, [])


def test_what_was_measured_is_told_though_it_cannot_be_drawn(
    appliance: Appliance,
    kept: list[Classifier],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise InputError("The disk is full.", code="not_written")

    monkeypatch.setattr(classifier_plot, "draw", full)
    done = appliance.json(
        "classifier", "train", embeddings(tmp_path / "e"), "--plot", tmp_path / "faces.png"
    )
    assert (done.code, len(kept)) == (3, 1)
    assert done.data["accuracy"]["svm"]["pictures"] == 1.0
    assert (done.data["plot"], done.data["error"]["code"]) == (None, "not_written")


class Empty:
    """A pipeline that sees nobody."""

    def search(self, _: object) -> list[Any]:
        return []


def test_a_damaged_picture_of_a_folder_is_not_passed_over_in_silence(
    appliance: Appliance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there(monkeypatch, Origin("openface", mark("openface"), 128))
    monkeypatch.setattr(assemble, "perception", lambda *_, **__: Empty())
    (tmp_path / "1.jpg").write_bytes(OBAMA.read_bytes())
    (tmp_path / "2.jpg").write_bytes(BIDEN.read_bytes()[:9000])
    done = appliance.json("classifier", "infer", "anywhere", "--from", tmp_path)
    assert done.code == 1
    assert [(row["source"], row["faults"]) for row in done.data["predictions"]] == [
        ("1.jpg", ["no_face"])
    ]
    assert len(done.data["warnings"]) == 1
    assert "2.jpg" in done.data["warnings"][0]
    assert "2.jpg" in done.err


def test_a_camera_that_ends_without_a_face_gives_its_last_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Camera:
        def frames(self) -> list[str]:
            return ["first", "last"]

    monkeypatch.setattr(cli, "opened_camera", lambda *_: nullcontext(Camera()))
    shown: list[object] = [*cli._frames(None, (), Empty(), [])]  # type: ignore[arg-type] # stand-ins
    assert shown == ["last"]


@pytest.mark.parametrize(
    ("origin", "words", "code", "said"),
    [
        (Origin("openface", "0" * 16, 128), (), 3, "another version of 'openface'"),
        (Origin("gone", "0" * 16, 128), (), 3, "gone"),
        (Origin("openface", "0" * 16, 128), ("--model", MODEL), 3, "not of 'mobilefacenet'"),
        (Origin(None, None, 128), (), 2, "does not say which model"),
        (Origin(None, None, 128), ("--model", MODEL), 3, "gives 192"),
    ],
)
def test_a_classifier_of_another_model_is_refused(  # noqa: PLR0917 - one case each
    appliance: Appliance,
    monkeypatch: pytest.MonkeyPatch,
    origin: Origin,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    there(monkeypatch, origin)
    done = appliance("classifier", "infer", "anywhere", "--from", OBAMA, *words)
    assert done.code == code
    assert said in done.sentence


def test_the_line_is_openfaces() -> None:
    told = {"least_similarity": 0.5}
    row = {
        "source": "1.jpg",
        "name": "alice",
        "likest": "alice",
        "confidence": 0.8642,
        "similarity": 0.7,
        "box": [100, 0, 50, 50],
    }
    assert cli._sentence(row, told, multi=False) == "Predict alice with 0.86 confidence."
    assert cli._sentence(row, told, multi=True) == "Predict alice @ x=125 with 0.86 confidence."
    stranger = cli._sentence(row | {"name": None, "similarity": 0.2}, told, multi=False)
    assert stranger.startswith("Predict unknown: most like alice")
    assert cli._sentence({"source": "1.jpg", "name": None}, told, multi=False).startswith("No face")


@pytest.mark.slow
def test_from_pictures_to_names(appliance: Appliance, tmp_path: Path) -> None:
    """Two pictures of Obama and one of Biden, twice: the third of Obama is his, nobody else's."""
    for name, path in {
        "obama/1.jpg": OBAMA,
        "obama/2.jpg": OBAMA2,
        "biden/1.jpg": BIDEN,
        "biden/2.jpg": BIDEN,
    }.items():
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(path.read_bytes())
    crops, folder = tmp_path / "crops", tmp_path / "e"
    way = ("--landmarks", "five_point", "--workers", "1")
    assert appliance("dataset", "align", tmp_path / "raw", crops, *way).code == 0
    assert appliance("dataset", "embed", crops, "--out", folder, "--workers", "1").code == 0
    done = appliance.json("classifier", "train", folder)
    assert done.code == 0
    told = json.loads(done.out)
    assert told["unknown"]["of_calibration"] is not None
    words = ("classifier", "infer", folder, "--sha256", told["sha256"])
    known = appliance(*words, "--from", OBAMA3)
    assert known.code == 0
    assert known.out.startswith("Predict obama with 0.")
    assert known.out.endswith(" confidence.\n")
    several = appliance.json(*words, "--from", OBAMA3, "--from", BIDEN, "--multi")
    rows = json.loads(several.out)["predictions"]
    assert [row["name"] for row in rows] == ["obama", "biden"]
    other = appliance("classifier", "infer", folder, "--sha256", "0" * 64, "--from", OBAMA3)
    assert other.code == 3
