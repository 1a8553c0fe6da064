"""models/manifest.toml: a model is handed out as the bytes that it names, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import ExitCode, ModelError
from appliance.vision import manifest

WEIGHTS = b"these are weights"
ENTRY = f"""
schema = 1
[models.tiny]
role = "embedder"
file = "tiny.tflite"
licence = "MIT"
weights_licence = "MIT"
description = "A model for tests."
precision = "float32"
runtime = "tflite"
sha256 = "{hashlib.sha256(WEIGHTS).hexdigest()}"
bytes = {len(WEIGHTS)}
a_key_of_a_later_version = 1
source = {{ registry = "npm", package = "p", version = "1", member = "m" }}
input = {{ shape = [1, 112, 112, 3], dtype = "float32", colour = "rgb", mean = 127.5, scale = 1.0 }}
alignment = {{ name = "five_point_112", size = 112 }}
output = {{ shape = [1, 192], dtype = "float32" }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "manifest.toml").write_text(ENTRY, encoding="utf-8")
    (tmp_path / "tiny.tflite").write_bytes(WEIGHTS)
    return tmp_path


def read(folder: Path) -> bytes:
    found = manifest.load(folder)
    return found.read(found.entry("tiny", "embedder"))


def refused(call: Callable[[], object]) -> ModelError:
    with pytest.raises(ModelError) as caught:
        call()
    assert caught.value.exit_code is ExitCode.BAD_DATA
    return caught.value


def test_a_model_is_the_bytes_that_were_hashed(folder: Path) -> None:
    assert read(folder) == WEIGHTS


def test_every_shipped_model_is_the_one_the_manifest_names() -> None:
    shipped = manifest.load(manifest.shipped_folder())
    sizes = {name: len(shipped.read(entry)) for name, entry in shipped.entries.items()}
    assert sizes == {name: entry.bytes for name, entry in shipped.entries.items()}
    assert {"mobilefacenet", "openface", "face_mesh", "antispoof"} <= set(sizes)


@pytest.mark.parametrize("place", [0, len(WEIGHTS) // 2, len(WEIGHTS) - 1])
def test_one_changed_byte_is_refused_by_the_files_name(folder: Path, place: int) -> None:
    path = folder / "tiny.tflite"
    changed = bytearray(WEIGHTS)
    changed[place] ^= 1
    path.write_bytes(bytes(changed))
    error = refused(lambda: read(folder))
    assert error.code == "changed_model"
    assert str(path) in error.message
    assert "appliance models verify" in error.hint


@pytest.mark.parametrize("content", [b"", WEIGHTS[:-1], WEIGHTS + b"!"])
def test_a_file_of_another_length_is_a_changed_one(folder: Path, content: bytes) -> None:
    (folder / "tiny.tflite").write_bytes(content)
    error = refused(lambda: read(folder))
    assert error.code == "changed_model"
    assert f"{len(content)} bytes instead of {len(WEIGHTS)}" in error.message


@pytest.mark.parametrize("name", ["tiny.tflite", "manifest.toml"])
def test_a_missing_file_is_named_with_what_restores_it(folder: Path, name: str) -> None:
    (folder / name).unlink()
    error = refused(lambda: read(folder))
    assert error.code == "missing_model"
    assert str(folder / name) in error.message
    assert "git checkout -- models" in error.hint


def test_what_cannot_be_read_is_no_model(folder: Path) -> None:
    (folder / "tiny.tflite").unlink()
    (folder / "tiny.tflite").mkdir()
    assert "cannot be read" in refused(lambda: read(folder)).message


@pytest.mark.parametrize("content", [b"schema = ", b"schema = 1\nschema = 1\n", b"\xff\xfe"])
def test_a_manifest_that_is_no_toml_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.toml").write_bytes(content)
    error = refused(lambda: manifest.load(folder))
    assert f"{folder / 'manifest.toml'} cannot be read" in error.message


@pytest.mark.parametrize("schema", ["2", '"1"', "0"])
def test_a_manifest_of_another_schema_is_refused(folder: Path, schema: str) -> None:
    text = ENTRY.replace("schema = 1", f"schema = {schema}", 1)
    (folder / "manifest.toml").write_text(text, encoding="utf-8")
    error = refused(lambda: manifest.load(folder))
    assert "not 1" in error.message
    assert "came with this version" in error.hint


def test_an_empty_manifest_has_no_schema(folder: Path) -> None:
    (folder / "manifest.toml").write_text("", encoding="utf-8")
    assert "has schema None" in refused(lambda: manifest.load(folder)).message


@pytest.mark.parametrize(
    ("written", "instead", "told"),
    [
        ('role = "embedder"', 'role = "friend"', "role"),
        ("bytes = ", "bytes = -", "bytes"),
        ('file = "tiny.tflite"', 'file = "../../etc/passwd"', "file"),
        ('sha256 = "', 'sha256 = "x', "sha256"),
        ('colour = "rgb"', 'colour = "green"', "input.colour"),
        ('precision = "float32"', "", "precision"),
        ('runtime = "tflite"', 'runtime = "tflite"\nname = "other"', "name"),
    ],
)
def test_a_malformed_entry_is_refused_with_its_first_fault(
    folder: Path, written: str, instead: str, told: str
) -> None:
    assert written in ENTRY
    (folder / "manifest.toml").write_text(ENTRY.replace(written, instead), encoding="utf-8")
    error = refused(lambda: manifest.load(folder))
    assert "is malformed: " in error.message
    assert told in error.message


@pytest.mark.parametrize("models", ["models = 3", 'models = "none"', "[models]\ntiny = 1"])
def test_models_that_are_no_tables_are_refused(folder: Path, models: str) -> None:
    (folder / "manifest.toml").write_text(f"schema = 1\n{models}\n", encoding="utf-8")
    assert "is malformed" in refused(lambda: manifest.load(folder)).message


def test_an_unknown_name_is_answered_with_those_that_exist() -> None:
    shipped = manifest.load(manifest.shipped_folder())
    error = refused(lambda: shipped.entry("mobilfacenet", "embedder"))
    assert "no embedder called 'mobilfacenet'" in error.message
    assert "mobilefacenet" in error.hint
    assert "face_mesh" not in error.hint


def test_a_model_of_another_role_is_not_handed_out(folder: Path) -> None:
    found = manifest.load(folder)
    assert found.entry("tiny").role == "embedder"
    assert "no liveness called 'tiny'" in refused(lambda: found.entry("tiny", "liveness")).message


def test_the_fingerprint_is_of_all_that_decides_what_a_vector_means(folder: Path) -> None:
    entry = manifest.load(folder).entry("tiny")
    mesh = entry.model_copy(update={"name": "mesh", "sha256": "1" * 64})
    renamed = entry.model_copy(update={"name": "other", "description": "moved"})
    retrained = entry.model_copy(update={"sha256": "0" * 64})
    swapped = entry.input.model_copy(update={"colour": "bgr"})
    realigned = entry.alignment.model_copy(update={"name": "outer_eyes_and_nose_96"})
    prints = [
        manifest.fingerprint(entry, [mesh]),
        manifest.fingerprint(renamed, [mesh]),
        manifest.fingerprint(retrained, [mesh]),
        manifest.fingerprint(entry.model_copy(update={"input": swapped}), [mesh]),
        manifest.fingerprint(entry.model_copy(update={"alignment": realigned}), [mesh]),
        manifest.fingerprint(entry, [mesh.model_copy(update={"sha256": "2" * 64})]),
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 5
    assert all(len(item) == 16 for item in prints)


def test_no_two_shipped_embedders_share_a_fingerprint() -> None:
    shipped = manifest.load(manifest.shipped_folder())
    embedders = [entry for entry in shipped.entries.values() if entry.role == "embedder"]
    prints = {manifest.fingerprint(entry, []) for entry in embedders}
    assert len(prints) == len(embedders) >= 4
