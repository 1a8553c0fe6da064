"""A TFLite external delegate by path: a real one runs, and whatever is none is a clear error."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance import assemble
from appliance.config import Config, parse
from appliance.errors import ExitCode, ModelError
from appliance.vision import external_delegate, parity
from appliance.vision.external_delegate import load_external
from appliance.vision.parity import reference_faces

SOURCE = Path(__file__).with_name("prelu_delegate.c")
UID = os.geteuid()
NAMES = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
PRELUS = 33  # of MobileFaceNet, as `python -m models.build operators mobilefacenet` lists them


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("delegates")


def compiled(folder: Path, name: str, *options: str) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.maxsize < 2**32:
        pytest.skip("no C compiler for 64 bits, so no delegate can be built")
    library = folder / f"{name}.so"
    words = [compiler, "-shared", "-fPIC", *options, "-o", str(library), str(SOURCE)]
    subprocess.run(words, check=True)
    library.chmod(0o755)
    return library


@pytest.fixture(scope="module")
def right(folder: Path) -> Path:
    return compiled(folder, "right", "-DSTEEPER=1.0f")


def configured(path: Path, model: str = "mobilefacenet") -> Config:
    return parse(f"model: {{name: {model}, delegate: {path}}}")


def refused(path: Path, code: str = "bad_delegate", *, uid: int = UID) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load_external(path, uid=uid)
    assert caught.value.code == code
    assert caught.value.exit_code is ExitCode.BAD_DATA
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value


def test_it_computes_its_operators_and_the_embedding_is_the_same(
    right: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = reference_faces()[:4]
    monkeypatch.setattr(parity, "reference_faces", lambda: faces)
    count = ctypes.c_int.in_dll(ctypes.CDLL(str(right)), "computed")
    embedder = assemble.embedder(configured(right))
    assert count.value == PRELUS * len(faces)
    processor = assemble.processor(embedder)
    assert processor is not None
    assert processor.device == f"the delegate {right}"
    assert processor.warning == ""
    assert processor.parity is not None
    assert processor.parity.least > 0.999999
    models = assemble.manifest(configured(right))
    entry = models.entry("mobilefacenet")
    assert embedder.fingerprint == assemble.template_fingerprint(entry, models)


def test_one_that_computes_something_else_runs_no_door(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = compiled(folder, "wrong", "-DSTEEPER=1.05f")
    monkeypatch.setattr(parity, "reference_faces", lambda: reference_faces()[:1])
    with pytest.raises(ModelError, match="computes something else than on the CPU") as caught:
        assemble.placed(configured(wrong))
    assert caught.value.code == "no_parity"
    assert caught.value.hint == "Set model.delegate: cpu."


def test_one_without_its_device_says_why(folder: Path) -> None:
    library = compiled(folder, "refuses", "-DSTEEPER=1.0f", "-DREFUSES")
    assert "cannot be loaded: " in refused(library).message
    assert "there is no such device" in refused(library).message


def test_a_missing_one(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "libnone.so").message


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\necho no library at all\n"])
def test_a_file_that_is_no_library(tmp_path: Path, content: bytes) -> None:
    (file := tmp_path / "lib.so").write_bytes(content)
    assert "is no shared library (ELF)" in refused(file).message


def test_a_folder(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in refused(tmp_path).message


@pytest.mark.skipif(UID == 0, reason="root may read everything")
def test_one_that_may_not_be_read(right: Path, tmp_path: Path) -> None:
    file = shutil.copy(right, tmp_path)
    Path(file).chmod(0)
    assert "cannot be read: Permission denied" in refused(Path(file)).message


def test_a_pipe_is_not_waited_at(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lib.so", 0o600)
    assert "cannot be read: It is no plain file" in refused(tmp_path / "lib.so").message


def test_a_copy_that_ended_too_early(right: Path, tmp_path: Path) -> None:
    content = right.read_bytes()
    for length in (len(content) // 8, len(content) // 2):
        # All that is looked for is there; to load it would end the process.
        (file := tmp_path / "lib.so").write_bytes(content[:length] + " ".join(NAMES).encode())
        assert "ends too early" in refused(file).message


def test_one_for_another_processor(
    right: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = {"x86_64": 183, "aarch64": 62}[platform.machine()]
    content = bytearray(right.read_bytes())
    content[18:20] = machine.to_bytes(2, "little")
    (file := tmp_path / "lib.so").write_bytes(content)
    named = {183: "aarch64", 62: "x86_64"}[machine]
    told = f"is built for another processor: {named}, 64 bits, and this is {platform.machine()}"
    assert told in refused(file).message
    # On a 32-bit system the kernel's name for the processor is another than the linker's.
    monkeypatch.setattr(platform, "machine", lambda: "armv7l")
    assert "and this is arm" in refused(right).message


def test_a_library_that_is_no_delegate(right: Path, tmp_path: Path) -> None:
    content = right.read_bytes().replace(b"tflite_plugin_create", b"another_plugin_makes")
    (file := tmp_path / "lib.so").write_bytes(content)
    assert "no TFLite external delegate: it has no tflite_plugin_create" in refused(file).message


def test_one_that_names_a_function_and_has_it_not(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # The name is in the file, and nothing can be called by it.
    for name in NAMES:
        file = compiled(folder, name, "-DSTEEPER=1.0f", f"-D{name}=another")
        file.write_bytes(file.read_bytes() + name.encode())
        assert f"no TFLite external delegate: it has no {name}" in refused(file).message
    assert capfd.readouterr().err == ""


def test_one_that_others_may_write_is_never_run(right: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(right, tmp_path))
    file.chmod(0o775)
    error = refused(file, "untrusted_delegate")
    assert f"is not run: others than its owner may write {file}" in error.message


def test_nor_one_in_a_folder_that_others_may_write(right: Path, tmp_path: Path) -> None:
    (inside := tmp_path / "open").mkdir()
    file = Path(shutil.copy(right, inside))
    inside.chmod(0o777)
    assert f"may write {inside}" in refused(file, "untrusted_delegate").message
    inside.chmod(0o1777)  # as /tmp is: nobody moves what is another's
    load_external(file, uid=UID)


def test_nor_one_of_another_user(right: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(right, tmp_path))
    if UID == 0:
        os.chown(file, 4711, -1)
        assert f"{file} belongs to another user" in refused(file, "untrusted_delegate").message
    else:
        told = refused(file, "untrusted_delegate", uid=UID + 1).message
        assert "belongs to another user" in told


def test_a_link_leads_to_what_is_looked_at(right: Path, tmp_path: Path) -> None:
    target = Path(shutil.copy(right, tmp_path))
    (link := tmp_path / "link.so").symlink_to(target)
    load_external(link, uid=UID)
    target.chmod(0o777)
    assert f"may write {target}" in refused(link, "untrusted_delegate").message


def test_every_link_on_the_way_is_looked_at(right: Path, tmp_path: Path) -> None:
    # entry.so -> others/mid -> right.so: whoever has the middle decides where it leads.
    (inside := tmp_path / "others").mkdir()
    (inside / "mid").symlink_to(right)
    (entry := tmp_path / "entry.so").symlink_to(inside / "mid")
    load_external(entry, uid=UID)
    inside.chmod(0o777)
    assert f"may write {inside}" in refused(entry, "untrusted_delegate").message
    inside.chmod(0o755)
    if UID == 0:
        os.chown(inside / "mid", 4711, -1, follow_symlinks=False)
        told = refused(entry, "untrusted_delegate").message
        assert f"{inside / 'mid'} belongs to another user (number 4711)" in told


def test_what_is_loaded_is_what_was_looked_at(
    right: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").symlink_to(right.parent)
    loaded: list[str] = []
    module = SimpleNamespace(load_delegate=loaded.append)
    monkeypatch.setattr(external_delegate, "runtime", lambda: module)
    load_external(tmp_path / "folder" / ".." / right.parent.name / right.name, uid=UID)
    assert loaded == [str(right.resolve())]


def test_links_that_lead_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert "cannot be read: Too many levels" in refused(tmp_path / "a").message
