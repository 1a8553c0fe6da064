"""Classifiers as files: what was altered, forged or mistaken is refused, and nothing in it runs."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.errors import InputError
from appliance.training import classifier_file, files
from appliance.training.classifier import Classifier, Kind, Origin
from appliance.training.classifier_file import RECORD

pytestmark = pytest.mark.skipif(
    find_spec("sklearn") is None or find_spec("skops") is None,
    reason="scikit-learn and skops come with the extras [dev] and [train]",
)

WIDTH = 8
PEOPLE = ("alice", "Zoë 😀", "bob")


def classifier(kind: Kind = "svm", seed: int = 1) -> Classifier:
    from appliance.training.classifier_kinds import fit

    random = np.random.default_rng(seed)
    centres = np.eye(3, WIDTH)
    classes = np.repeat(np.arange(3), 3)
    vectors = (centres[classes] + 0.05 * random.normal(size=(9, WIDTH))).astype(np.float32)
    return Classifier(
        kind,
        PEOPLE,
        fit(kind, vectors, classes, 0),
        centres.astype(np.float32),
        0.25,
        0.5,
        Origin("toy", "f00d", WIDTH),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    classifier_file.write(folder, classifier())
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A classifier to be spoilt; skops, which wrote it, takes seconds to be loaded."""
    for path in written.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A classifier whose estimator is none, for what is refused without looking into it."""
    content = b"anything"
    digest = hashlib.sha256(content).hexdigest()
    name = f"classifier-{digest[:16]}.skops"
    (tmp_path / name).write_bytes(content)
    told = {
        "format": 1,
        "kind": "svm",
        "model": "toy",
        "fingerprint": "f00d",
        "dimensions": WIDTH,
        "people": PEOPLE,
        "temperature": 0.25,
        "least_similarity": 0.5,
        "scikit_learn": metadata.version("scikit-learn"),
        "file": {"name": name, "sha256": digest, "size": len(content)},
    }
    (tmp_path / RECORD).write_text(json.dumps(told), encoding="utf-8")
    return tmp_path


def estimator_of(folder: Path) -> Path:
    return next(folder.glob("*.skops"))


def rewrite(folder: Path, **changes: Any) -> None:
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    record |= changes
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")


def forge(folder: Path, content: bytes) -> None:
    """Put another estimator there, as somebody does who can write both files."""
    estimator_of(folder).unlink()
    digest = hashlib.sha256(content).hexdigest()
    name = f"classifier-{digest[:16]}.skops"
    (folder / name).write_bytes(content)
    rewrite(folder, file={"name": name, "sha256": digest, "size": len(content)})


def refused(folder: Path, code: str, sha256: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        classifier_file.read(folder, sha256)
    assert (caught.value.code, int(caught.value.exit_code)) == (code, 3)
    assert caught.value.hint
    return caught.value.message


def zipped(schema: object, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.slow
def test_it_comes_back_and_answers_the_same(folder: Path) -> None:
    vectors = np.random.default_rng(3).normal(size=(20, WIDTH)).astype(np.float32)
    back = classifier_file.read(folder, classifier_file.sha256(folder).upper())
    assert back.predict(vectors) == classifier().predict(vectors)
    assert (back.people, back.origin) == (PEOPLE, Origin("toy", "f00d", WIDTH))


@pytest.mark.slow
def test_a_new_one_takes_the_place_of_the_old(folder: Path) -> None:
    old, before = estimator_of(folder), classifier_file.sha256(folder)
    after = classifier_file.write(folder, classifier("knn", seed=2))
    assert not old.exists()
    assert before != after
    assert classifier_file.read(folder).kind == "knn"
    assert refused(folder, "altered", before).startswith(str(folder / RECORD))


@pytest.mark.slow
def test_an_interrupted_writing_leaves_the_old_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_off(path: Path, data: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "replace_json", breaks_off)
    with pytest.raises(KeyboardInterrupt):
        classifier_file.write(folder, classifier("knn", seed=2))
    assert classifier_file.read(folder).kind == "svm"


def test_what_the_appliance_did_not_write_stays(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import skops

    class Skops:
        @staticmethod
        def dumps(_: object) -> bytes:
            return b"another"

    monkeypatch.setattr(skops, "io", Skops, raising=False)  # it takes seconds to be loaded
    monkeypatch.setitem(sys.modules, "skops.io", Skops)
    before = estimator_of(record)
    (record / "classifier-mine.skops").write_bytes(b"mine")
    classifier_file.write(record, replace(classifier("knn"), estimator=None))
    assert not before.exists()
    assert (record / "classifier-mine.skops").read_bytes() == b"mine"


def test_an_altered_estimator_is_refused(record: Path) -> None:
    path = estimator_of(record)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "was altered after it was written" in refused(record, "altered")


def test_an_estimator_that_is_gone_is_told(record: Path) -> None:
    estimator_of(record).unlink()
    assert "is not there" in refused(record, "missing_file")


def test_a_folder_without_classifier_is_told(tmp_path: Path) -> None:
    assert "holds no classifier.json" in refused(tmp_path, "no_classifier")


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"kind": "pickle"},
        {"people": ["alice"]},
        {"people": ["alice", "alice", "bob"]},
        {"temperature": 0},
        {"temperature": "hot"},
        {"dimensions": -1},
        {"least_similarity": 17.0},
        {"surprise": 1},
        {"file": {"name": "../../etc/passwd", "sha256": "0" * 64, "size": 1}},
        {"file": None},
    ],
    ids=str,
)
def test_a_record_that_makes_no_sense_is_refused(record: Path, changes: dict[str, Any]) -> None:
    rewrite(record, **changes)
    refused(record, "bad_classifier")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[" * 100_000, b"null"],
    ids=("empty", "begun", "no text", "deep", "nothing"),
)
def test_a_record_that_is_none_is_refused(record: Path, content: bytes) -> None:
    (record / RECORD).write_bytes(content)
    refused(record, "bad_classifier")


def test_names_that_were_changed_are_noticed_by_whoever_kept_the_sum(record: Path) -> None:
    kept = classifier_file.sha256(record)
    rewrite(record, people=["mallory", "Zoë 😀", "bob"])
    assert "SHA-256 is another" in refused(record, "altered", kept)


def test_another_version_of_scikit_learn_is_refused(record: Path) -> None:
    rewrite(record, scikit_learn="1.0.2")
    assert "1.0.2" in refused(record, "other_version")


FOREIGN = {
    "a function": {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "FunctionNode",
        "content": {"module_path": "os", "function": "system"},
    },
    "an object": {"__class__": "Popen", "__module__": "subprocess", "__loader__": "ObjectNode"},
    "another estimator": {
        "__class__": "KNeighborsClassifier",
        "__module__": "sklearn.neighbors._classification",
        "__loader__": "ObjectNode",
    },
    "a trusted type by another loader": {
        "__class__": "LinearSVC",
        "__module__": "sklearn.svm._classes",
        "__loader__": "ReduceNode",
    },
    "no class at all": {"__loader__": "OperatorFuncNode"},
    "deep inside": {"x": [[{"y": {"__class__": "eval", "__module__": "builtins"}}]]},
}


@pytest.mark.parametrize("node", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_forged_file_is_refused_before_anything_of_it_is_loaded(
    record: Path, node: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)  # whoever imports it fails
    whole = {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode"}
    forge(record, zipped({**whole, "content": {"estimator": node}}))
    assert "nothing of it was loaded" in refused(record, "untrusted")


HARMLESS = {
    "__class__": "LinearSVC",
    "__module__": "sklearn.svm._classes",
    "__loader__": "ObjectNode",
}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a zip",
        zipped([]),
        zipped({"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode"}),
        zipped({}, **{"evil.pkl": b"cos\nsystem\n(S'true'\ntR."}),
        zipped(HARMLESS, **{"../1.npy": b""}),
    ],
    ids=("empty", "no zip", "no node", "broken off", "a pickle", "a way out"),
)
def test_a_file_that_is_none_of_skops_is_refused(
    record: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)  # whoever imports it fails
    forge(record, content)
    refused(record, "bad_classifier")


def test_two_members_of_one_name_are_refused(record: Path) -> None:
    """What is checked must be what is loaded."""
    buffer = io.BytesIO(zipped(HARMLESS))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("schema.json", json.dumps(HARMLESS))
    forge(record, buffer.getvalue())
    assert "(ValueError)" in refused(record, "bad_classifier")


def test_a_bomb_is_not_unpacked(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier_file, "_MOST_BYTES", 100_000)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b"[" * 200_000)
    forge(record, buffer.getvalue())
    refused(record, "bad_classifier")


def test_a_tree_of_types_that_is_far_too_large_is_not_read(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier_file, "_MOST_OF_TREE", 1000)
    forge(record, zipped([0] * 999))
    assert "(ValueError)" in refused(record, "bad_classifier")


@pytest.mark.slow
@pytest.mark.parametrize(
    "held",
    [
        {"estimator": None, "templates": np.zeros((3, WIDTH))},
        {"templates": np.zeros((3, WIDTH))},
        {"estimator": "own", "templates": np.zeros((2, WIDTH))},
        {"estimator": "own", "templates": np.full((3, WIDTH), np.nan)},
        {"estimator": "fewer", "templates": np.eye(3, WIDTH)},
        {"estimator": "unfitted", "templates": np.eye(3, WIDTH)},
    ],
    ids=("none", "missing", "templates", "no numbers", "fewer people", "unfitted"),
)
def test_an_estimator_that_does_not_fit_its_record_is_refused(
    folder: Path, held: dict[str, Any]
) -> None:
    import skops.io
    from sklearn.svm import LinearSVC

    own = classifier().estimator
    fewer = LinearSVC().fit(np.eye(2, WIDTH), [0, 1])
    known = {"own": own, "fewer": fewer, "unfitted": LinearSVC()}
    if isinstance(held.get("estimator"), str):
        held = held | {"estimator": known[held["estimator"]]}
    forge(folder, skops.io.dumps(held))
    refused(folder, "bad_classifier")


def test_without_the_libraries_a_sentence_says_so(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.delitem(sys.modules, "skops.io", raising=False)
    assert "scikit-learn and skops" in refused(record, "missing_library")


@pytest.mark.slow
def test_a_folder_that_takes_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError):
        classifier_file.write(tmp_path / "file", replace(classifier(), people=PEOPLE))
