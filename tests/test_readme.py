"""The README's examples are run, and what it lists is complete."""

from __future__ import annotations

import re
import shlex
import shutil
from contextlib import closing
from pathlib import Path

import click
import cv2
import pytest

from appliance.assemble import file_camera
from appliance.cli.main import cli, run
from appliance.config import parse
from appliance.errors import ExitCode
from tests.conftest import ROOT, data_folder

README = (ROOT / "README.md").read_text(encoding="utf-8")
BUNDLED = ROOT / "appliance" / "demo" / "pictures"
# What the README's files stand for. Alice is the person of the bundled recording.
RECORDING = BUNDLED / "single_face.mp4"
ALICE = {"straight.png": 2.0, "smiling.png": 0.0, "another.png": 1.0}
PICTURES = {
    "somebody-else.jpg": "biden.jpg",
    "two-people.jpg": "two_people.jpg",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[list[str], set[int]]]:
    """The README's `$ appliance` lines in order, with the exit codes that it states."""
    lines = [line for block in blocks("console") for line in block.splitlines()]
    return [
        (shlex.split(line.removeprefix("$ "), comments=True), codes(line))
        for line in lines
        if line.startswith("$ appliance ")
    ]


def codes(line: str) -> set[int]:
    stated = re.search(r"# exits ([^:]*)", line)
    return {int(code) for code in re.findall(r"\d+", stated.group(1))} if stated else {0}


def picture(name: str) -> Path:
    """A bundled picture, or the same one among the measuring data."""
    data = data_folder()
    places = [BUNDLED, *([data / "stills"] if data else [])]
    found = [place / name for place in places if (place / name).is_file()]
    if not found:
        pytest.skip(f"{name} is neither bundled nor among the measuring data")
    return found[0]


def take_picture(path: Path, at: float) -> None:
    """What the recording shows at so many seconds."""
    with closing(file_camera([RECORDING])) as camera:
        frame = next(frame for frame in camera.frames() if frame.at >= at)
    cv2.imwrite(str(path), frame.bgr)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (album := tmp_path / "photos-of-alice").mkdir()
    for name, at in ALICE.items():
        take_picture(album / name, at)
    take_picture(tmp_path / "alice.jpg", 1.5)
    for name, stands_for in PICTURES.items():
        shutil.copy(picture(stands_for), tmp_path / name)
    shutil.copy(RECORDING, tmp_path / "alice-at-the-door.avi")
    (tmp_path / "passphrase.txt").write_text("correct horse battery staple\n", encoding="utf-8")
    (config,) = [block for block in blocks("yaml") if block.startswith("# config.yaml")]
    (tmp_path / "config.yaml").write_text(config, encoding="utf-8")
    return tmp_path


def test_the_examples_do_what_the_readme_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("APPLIANCE_CONFIG", str(folder / "config.yaml"))
    lines = examples()
    assert len(lines) > 15
    for words, expected in lines:
        code = run(words[1:])
        said = capfd.readouterr()
        assert code in expected, f"{shlex.join(words)} exits {code}\n{said.out}{said.err}"
    assert (folder / "state" / "appliance.db").is_file()


def test_the_console_blocks_hold_only_commands() -> None:
    for block in blocks("console"):
        assert all(line.startswith("$ ") for line in block.splitlines())


@pytest.mark.parametrize("block", blocks("yaml"))
def test_the_configurations_are_valid(block: str) -> None:
    parse(block)
    # What is commented out is meant to be used.
    parse(block.replace("\n  # ", "\n  "))


def commands() -> list[str]:
    """Every command and subcommand, as it is typed."""
    context = click.Context(cli)
    found = []
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            found += [f"{name} {inner}" for inner in command.list_commands(context)]
        else:
            found.append(name)
    return found


def test_every_command_stands_in_the_readme() -> None:
    plain = README.replace("appliance --json ", "appliance ")
    missing = [name for name in commands() if not re.search(rf"appliance {name}\b", plain)]
    assert missing == []


def test_every_exit_code_stands_in_the_readme() -> None:
    stated = [int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)]
    assert stated == [int(code) for code in ExitCode]


@pytest.mark.parametrize(
    "page",
    [
        ROOT / "README.md",
        ROOT / "SECURITY.md",
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").rglob("*.md"),
    ],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    inner = [link for link in links if "://" not in link]
    assert [link for link in inner if not (page.parent / link).exists()] == []
