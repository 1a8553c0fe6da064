"""How the board's suite is called, and what becomes of a scene that fails."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.board import __main__ as suite
from tests.board import host, image, installed
from tests.board.board import Board
from tests.board.host import BoardError
from tests.board.image import Image
from tests.board.jobs import side_by_side
from tests.board.logs import Logs
from tests.board.machine import RELAY
from tests.board.scenes import boot
from tests.board.table import Row


def a_board(folder: Path) -> Board:
    nothing = folder / "nothing"
    return Board(Image(nothing, "raw", nothing, nothing), folder, lambda text: None)


def a_scene(rows: list[Row] | Exception) -> ModuleType:
    def run(board: Board) -> list[Row]:
        if isinstance(rows, Exception):
            raise rows
        return rows

    scene = ModuleType("scene")
    vars(scene).update(NAME="scene", run=run)
    return scene


def test_the_scenes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert suite.main(["--list"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("boot")
    assert "\nunlock" in told


@pytest.mark.parametrize("words", [["bot"], ["--frsh"], ["boot", "--out"]])
def test_what_cannot_be_meant_ends_with_two(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        suite.main(words)
    assert ended.value.code == 2
    assert "tests/board/run: error: " in capsys.readouterr().err


def test_an_unknown_scene_is_told_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        suite.main(["bot"])
    assert "there is no scene bot; there is boot, unlock" in capsys.readouterr().err


def test_a_machine_without_the_programs_is_told_which_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APPLIANCE_BOARD_CACHE", str(tmp_path))
    monkeypatch.setattr(host, "_which", lambda name: None if "qemu" in name else "/bin/true")
    assert suite.main(["boot"]) == 4
    said = capsys.readouterr().err
    assert "sudo apt install qemu-system-arm qemu-user-static qemu-utils" in said
    assert "Traceback" not in said


def test_the_image_is_built_by_root_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(host, "_which", lambda name: "/bin/true")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(BoardError, match="with sudo"):
        image.base(tmp_path, lambda text: None)


def test_a_scene_that_fails_is_a_broken_row_and_the_others_run(tmp_path: Path) -> None:
    result = suite.play(a_scene(BoardError("The board did not answer.")), a_board(tmp_path))
    assert not result.ok
    assert result.rows[0].measured == "BoardError: The board did not answer."


def test_a_scene_without_rows_has_kept_nothing(tmp_path: Path) -> None:
    assert not suite.play(a_scene([]), a_board(tmp_path)).ok
    assert suite.play(a_scene([Row("it runs", "it ran", ok=True)]), a_board(tmp_path)).ok


def test_the_board_asks_pip_for_what_the_project_needs_there() -> None:
    wanted = installed.requirements()
    assert any(word.startswith("ai-edge-litert") for word in wanted)
    assert any(word.startswith("lgpio") for word in wanted)
    assert not any(word.startswith(("tflite-runtime", "tomli>", "evdev-binary")) for word in wanted)
    assert not any(";" in word for word in wanted)


def test_the_board_gets_what_the_installer_needs_and_no_tests() -> None:
    names = {str(path) for path in installed.sources()}
    assert {"install.sh", "pyproject.toml", "systemd/appliance.service"} <= names
    assert not any(name.startswith("tests/") for name in names)


def test_an_earlier_run_is_judged_anew_from_its_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = Logs(tmp_path / "boot")
    logs.reset(0)
    logs.drive(50, RELAY, 0)
    logs.pulse(55, RELAY, 0.5)
    logs.ask(70, boot._SHOW, "ActiveState=active\nSubState=running\nNRestarts=0\nWatchdogUSec=20s")
    logs.ask(75, boot._SYSTEM, "RuntimeWatchdogUSec=1min\nactive\n")
    logs.ask(80, boot._DOCTOR, {"checks": []})
    logs.ask(150, boot._SHOW, "ActiveState=active\nSubState=running\nNRestarts=0\nWatchdogUSec=20s")
    logs.write()
    assert suite.main(["--judge", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert "BROKEN | 1 times high in 150 s of the host with 1 resets" in told
    assert "unlock" not in told


def test_commands_run_side_by_side_and_tell_in_their_own_order(tmp_path: Path) -> None:
    """The first waits for what only the second makes, so neither waits for the other's end."""
    made = tmp_path / "made"
    first = f"until test -e {made}; do sleep 0.05; done; echo first"
    told = side_by_side([["sh", "-c", it] for it in (first, f"touch {made}; echo second")], 2)
    assert told == ["first\n", "second\n"]


def test_no_more_run_at_a_time_than_there_are_jobs(tmp_path: Path) -> None:
    alone = f"mkdir {tmp_path}/busy && sleep 0.2 && rmdir {tmp_path}/busy && echo alone"
    assert side_by_side([["sh", "-c", alone]] * 2, 1) == ["alone\n"] * 2


def test_what_died_without_a_word_is_a_broken_row() -> None:
    result = suite._result("boot", "")
    assert not result.ok
    assert result.rows[0].measured == "its process ended without a word"
