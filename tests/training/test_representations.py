"""Embeddings as files: OpenFace's own format, and what is not taken for embeddings."""

from __future__ import annotations

import csv
import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import InputError
from appliance.training import files, representations
from appliance.training.aligned import Settings
from appliance.training.files import check_writable
from appliance.training.representations import Representations, read, write

WAY = Settings(
    landmarks="five_point", size=112, detector="hog+face_detection", landmark_model="face_mesh"
)
PATHS = ("crops/alice/1.png", "crops/alice/2.png", 'crops/Zoë, "née" 😀/1.png')


def some(model: str = "mobilefacenet") -> Representations:
    vectors = np.random.default_rng(7).normal(size=(3, 5)).astype(np.float32)
    vectors[0, :3] = (1e-9, -0.0, 1 / 3)
    labels = np.array([1, 1, 2], np.int64)
    return Representations(vectors, labels, ("alice", 'Zoë, "née" 😀'), PATHS, model, "f00d", WAY)


def openface(folder: Path, labels: str, reps: str) -> Path:
    """A folder as batch-represent leaves it."""
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv").write_text(labels, encoding="utf-8")
    (folder / "reps.csv").write_text(reps, encoding="utf-8")
    return folder


def test_every_bit_comes_back(tmp_path: Path) -> None:
    written = some()
    write(tmp_path / "deep" / "out", written)
    found = read(tmp_path / "deep" / "out")
    assert found.vectors.dtype == np.float32
    assert found.vectors.tobytes() == written.vectors.tobytes()
    assert found.labels.tolist() == [1, 1, 2]
    assert found.names == ("alice", "alice", 'Zoë, "née" 😀')
    assert (found.people, found.paths) == (written.people, PATHS)
    assert (found.model, found.fingerprint, found.alignment) == ("mobilefacenet", "f00d", WAY)


def test_the_files_are_batch_represents(tmp_path: Path) -> None:
    write(tmp_path, some())
    labels = (tmp_path / "labels.csv").read_text(encoding="utf-8").splitlines()
    assert labels[:2] == ["1,crops/alice/1.png", "1,crops/alice/2.png"]
    assert next(csv.reader([labels[2]])) == ["2", PATHS[2]]
    rows = (tmp_path / "reps.csv").read_text(encoding="ascii").splitlines()
    assert [len(row.split(",")) for row in rows] == [5, 5, 5]
    assert np.float32(rows[0].split(",")[2]) == np.float32(1 / 3)


def test_the_arrays_need_no_pickle(tmp_path: Path) -> None:
    write(tmp_path, some())
    with np.load(tmp_path / "representations.npz", allow_pickle=False) as found:
        assert sorted(found) == ["labels", "names", "paths", "vectors"]
        assert found["vectors"].tobytes() == some().vectors.tobytes()
        assert found["names"].tolist() == list(some().names)


def test_what_openface_wrote_is_read(tmp_path: Path) -> None:
    # A path with a bare comma, and a number that is left out where a folder was empty.
    folder = openface(
        tmp_path / "o", "2,./al/ann, b/1.png\n4,./al/cy/1.png\n\n", "0.1,0.25\n-1,2e-3\n"
    )
    found = read(folder)
    assert (found.people, found.labels.tolist()) == (("ann, b", "cy"), [1, 2])
    assert found.vectors.tolist() == np.array([[0.1, 0.25], [-1, 0.002]], np.float32).tolist()
    assert (found.model, found.fingerprint, found.alignment) == (None, None, None)


def test_names_in_the_place_of_paths_are_read(tmp_path: Path) -> None:
    """OpenFace's later batch_represent.py numbers people as they come, and gives no path."""
    found = read(openface(tmp_path / "o", "1,J. Doe\n2,ann\n1,J. Doe\n", "1,0\n0,1\n1,1\n"))
    assert found.names == ("J. Doe", "ann", "J. Doe")
    bare = read(openface(tmp_path / "p", "1,1.png\n2,./2.JPG\n", "1,0\n0,1\n"))
    assert bare.people == ("person-1", "person-2")


@pytest.mark.parametrize(
    ("labels", "reps", "told"),
    [
        ("1,a/x/1.png\n", "1,2\n3,4\n", "1 rows in labels.csv, but 2"),
        ("1,a/x/1.png\n2,a/y/1.png\n", "1,2\n3,4,5\n", "no table of numbers"),
        ("1,a/x/1.png\n", "1,two\n", "no table of numbers"),
        ("1,a/x/1.png\n", "1,nan\n", "a number that is none"),
        ("1,a/x/1.png\n2,a/y/1.png\n", "1,2\n1e39,3\n", "too large, in row 2"),
        (f"{10**19},a/x/1.png\n", "1,2\n", "no label and path"),
        ("1,a/x/1.png\n", "\n", "holds no numbers"),
        ("1,a/x/1.png\n", "1,2é\n", "holds no numbers"),
        ("label,path\n1,a/x/1.png\n", "1,2\n", "no label and path"),
        ("1\n", "1,2\n", "no label and path"),
        ('1,"a/x', "1,2\n", "no CSV file"),
        ("1,a/x/1.png\n1,a/y/1.png\n", "1,2\n3,4\n", "label 1 to 'x' and to 'y'"),
        ("1,a/x/1.png\n2,b/x/1.png\n", "1,2\n3,4\n", "one name two labels"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, labels: str, reps: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read(openface(tmp_path / "o", labels, reps))


def _append(folder: Path) -> None:
    with (folder / "labels.csv").open("a", encoding="utf-8") as file:
        file.write("2,crops/bob/1.png\n")
    with (folder / "reps.csv").open("a", encoding="utf-8") as file:
        file.write("1,2,3,4,5\n")


def _exchange(folder: Path) -> None:
    path = folder / "reps.csv"
    path.write_text(path.read_text(encoding="ascii").replace("0.3333", "0.4444"), encoding="ascii")


def _break_off(folder: Path) -> None:
    (folder / "representations.json").unlink()


def _garble(folder: Path) -> None:
    (folder / "representations.json").write_text("{", encoding="utf-8")


def _rename(folder: Path) -> None:
    path = folder / "representations.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, "people": ["alice"]}), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_append, "labels.csv was altered"),
        (_exchange, "reps.csv was altered"),
        (_break_off, "unfinished"),
        (_garble, "cannot be understood"),
        (_rename, "of nobody"),
    ],
)
def test_what_was_altered_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    write(tmp_path, some())
    spoil(tmp_path)
    with pytest.raises(InputError, match=told):
        read(tmp_path)


def test_a_second_run_takes_the_place_of_the_first(tmp_path: Path) -> None:
    write(tmp_path, some())
    write(tmp_path, replace(some("openface"), vectors=some().vectors[:, :2]))
    assert (read(tmp_path).model, read(tmp_path).dimensions) == ("openface", 2)
    assert len(list(tmp_path.iterdir())) == 4


def test_files_that_somebody_else_wrote_stay(tmp_path: Path) -> None:
    openface(tmp_path, "1,a/x/1.png\n", "1,2\n")
    with pytest.raises(InputError, match="left alone"):
        write(tmp_path, some())
    assert sorted(item.name for item in tmp_path.iterdir()) == ["labels.csv", "reps.csv"]


@pytest.mark.parametrize("room", [30, 600])  # for the labels' table, or for no array
def test_a_full_disk_leaves_the_earlier_embeddings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    write(tmp_path, some())
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    whole = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if len(data) > room:
            whole(self, data[:room])
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="no space left on device"):
        write(tmp_path, some("openface"))
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before
    assert read(tmp_path).model == "mobilefacenet"


def test_an_exchange_that_breaks_off_leaves_nothing_that_is_taken_for_embeddings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, some())
    whole = Path.replace

    def broken(self: Path, target: Path) -> Path:
        if target.name == "reps.csv":
            raise KeyboardInterrupt
        return whole(self, target)

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, some("openface"))
    assert sorted(item.suffix for item in tmp_path.iterdir()) == [".csv", ".csv", ".npz"]
    with pytest.raises(InputError, match="unfinished"):
        read(tmp_path)


def test_a_folder_that_takes_nothing_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(tmp_path / "new" / "out")
    assert list((tmp_path / "new" / "out").iterdir()) == []

    def closed(_: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", closed)
    with pytest.raises(InputError, match="out cannot be written: read-only file system"):
        check_writable(tmp_path / "new" / "out")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"):
        check_writable(tmp_path / "file" / "out")


def test_what_is_no_set_of_embeddings_is_not_written(tmp_path: Path) -> None:
    for wrong in (
        replace(some(), paths=PATHS[:2]),
        replace(some(), labels=np.array([1, 2, 3], np.int64)),
        replace(some(), vectors=np.full((3, 5), np.nan, np.float32)),
        Representations(np.zeros((0, 5), np.float32), np.zeros(0, np.int64), (), ()),
    ):
        with pytest.raises(InputError):
            write(tmp_path / "out", wrong)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"holds no labels\.csv"):
        read(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        read(tmp_path / "out")


def test_the_model_is_added_afterwards() -> None:
    named = representations.made_by(replace(some(), model=None), "openface", "beef")
    assert (named.model, named.fingerprint, named.paths) == ("openface", "beef", PATHS)


def test_tables_may_be_larger_than_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `embed` writes of some hundred thousand crops is read again."""
    vectors = np.random.default_rng(7).normal(size=(200, 5)).astype(np.float32)
    labels, paths = np.ones(200, np.int64), tuple(f"crops/alice/{it}.png" for it in range(200))
    write(tmp_path, Representations(vectors, labels, ("alice",), paths, "toy", "f00d", WAY))
    monkeypatch.setattr(files, "MOST_BYTES", (tmp_path / "reps.csv").stat().st_size - 1)
    assert read(tmp_path).vectors.tobytes() == vectors.tobytes()
