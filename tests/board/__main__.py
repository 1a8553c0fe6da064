"""`tests/board/run`: the appliance on an emulated ARM64 board, and what it kept of its promises.

    tests/board/run [SCENE]... [--jobs 1] [--fresh] [--keep] [--json] [--list] [--out FOLDER]
                    [--installed DISK]
    tests/board/run --judge FOLDER           the table of an earlier run, from its logs
    tests/board/run --sabotage [NAME]...     each promise broken once, see sabotage.py

Prints one table, computed from the logs in FOLDER. Exits with 1 when a promise was broken, with 2
when it was called wrongly, with 4 when there is no board to be had.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType

from tests.board import image, installed, scenes
from tests.board.board import Board
from tests.board.host import BoardError
from tests.board.image import Say
from tests.board.jobs import side_by_side
from tests.board.table import Result, Row, all_kept, as_json, from_json, minutes, table

# In this order, what is not named here afterwards: what needs a board that works comes later.
_TO_ITS_END = "the scene runs to its end"
_FIRST = ("boot", "unlock", "inputs", "faults", "power", "clock")


def main(words: Sequence[str]) -> int:
    """Run what is asked for; the exit code."""
    if "--sabotage" in words:
        from tests.board import sabotage  # which plays the scenes of this module

        return sabotage.main([word for word in words if word != "--sabotage"])
    known = all_scenes()
    asked = _asked(words, known)
    if asked.list:
        for name, scene in known.items():
            sys.stdout.write(f"{name:10} {(scene.__doc__ or '').splitlines()[0]}\n")
        return 0
    if asked.judge is not None:
        return _told(judged(known, asked.judge, asked.scenes), asked)
    # QEMU ends with this process, disks and all else in the `finally` blocks.
    signal.signal(signal.SIGTERM, _interrupted)
    began = time.monotonic()
    try:
        board = _board(asked)
    except BoardError as error:
        sys.stderr.write(f"{error}\n")
        return 4
    _say(f"the logs go to {board.folder}")
    names = asked.scenes or usual(known)
    if asked.jobs > 1:
        results = _side_by_side(names, board, asked.jobs)
    else:
        results = [play(known[name], board) for name in names]
    (board.folder / "results.json").write_text(as_json(results))
    whole = f"{minutes(time.monotonic() - began)} by the host's clock, the image included"
    whole += f"; {asked.jobs} at a time" if asked.jobs > 1 else ""
    (board.folder / "table.md").write_text(f"{table(results)}{whole}.\n")
    code = _told(results, asked)
    _say(f"{whole}.")
    return code


def judged(
    known: Mapping[str, ModuleType], folder: Path, names: Sequence[str] = ()
) -> list[Result]:
    """The results of an earlier run, computed anew from the logs in its folder.

    names: of these scenes; of all where none is named.

    Scenes whose judge needs more than a folder, or that did not run, are left out.
    """
    saved = folder / "results.json"
    earlier = from_json(saved.read_text()) if saved.exists() else []
    seconds = {result.scene: result.seconds for result in earlier}
    return [
        Result(name, _rows(partial(scene.judge, folder / name), _say), seconds.get(name, 0.0))
        for name, scene in known.items()
        if hasattr(scene, "judge")
        and (folder / name / "lines.log").exists()
        and (not names or name in names)
    ]


def _told(results: Sequence[Result], asked: argparse.Namespace) -> int:
    sys.stdout.write(as_json(results) if asked.json else table(results))
    return 0 if all_kept(results) else 1


def all_scenes() -> Mapping[str, ModuleType]:
    """The modules of `scenes` that are scenes, by name: those with NAME and run(board)."""
    found: dict[str, ModuleType] = {}
    for entry in pkgutil.iter_modules(scenes.__path__):
        module = importlib.import_module(f"{scenes.__name__}.{entry.name}")
        if hasattr(module, "NAME") and hasattr(module, "run"):
            found[module.NAME] = module
    order = [name for name in _FIRST if name in found]
    return {name: found[name] for name in [*order, *sorted(found.keys() - set(order))]}


def usual(known: Mapping[str, ModuleType]) -> list[str]:
    """The scenes that are played where none is named: all but those that take hours."""
    return [name for name, scene in known.items() if not getattr(scene, "ONLY_WHEN_NAMED", False)]


def play(scene: ModuleType, board: Board) -> Result:
    """A scene's rows; one that does not run to its end has a broken row that says why."""
    began = time.monotonic()
    board.say(f"{scene.NAME} ...")
    rows = _rows(lambda: scene.run(board), board.say)
    seconds = time.monotonic() - began
    board.say(f"  {seconds:.0f} s")
    return Result(scene.NAME, rows, seconds)


def _side_by_side(names: Sequence[str], board: Board, jobs: int) -> list[Result]:
    """Each scene by a process of its own: QEMU wants a thread that lives as long as it does."""
    own = [sys.executable, "-m", "tests.board", "--json", "--installed", str(board.image.disk)]
    own += ["--keep"] if board.keep else []
    told = side_by_side([[*own, "--out", str(board.folder), name] for name in names], jobs)
    return [_result(name, text) for name, text in zip(names, told, strict=True)]


def _result(name: str, text: str) -> Result:
    why = "its process ended without a word"
    found = from_json(text) if text else []
    return found[0] if found else Result(name, (Row(_TO_ITS_END, why, ok=False),), 0)


def _rows(told: Callable[[], Sequence[Row]], say: Say) -> tuple[Row, ...]:
    try:
        return tuple(told())
    except Exception as error:  # noqa: BLE001 - whatever it is, the other scenes are to run
        say(traceback.format_exc())
        why = f"{type(error).__name__}: {error}"
        return (Row(_TO_ITS_END, why, ok=False),)


def _board(asked: argparse.Namespace) -> Board:
    cache = image.cache_folder()
    base = image.base(cache, _say, fresh=asked.fresh)
    if asked.installed is not None:
        if not asked.installed.is_file():
            raise BoardError(f"There is no disk {asked.installed}.")
        ready = installed.at(asked.installed, base)
    else:
        ready = installed.installed(cache, base, _say, fresh=asked.fresh)
    folder = asked.out or Path(tempfile.mkdtemp(prefix="board-run-"))
    folder.mkdir(parents=True, exist_ok=True)
    return Board(ready, folder, _say, keep=asked.keep)


def _asked(words: Sequence[str], known: Mapping[str, ModuleType]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/board/run",
        description="Runs the appliance on an emulated ARM64 board and prints what it kept.",
    )
    parser.add_argument(
        "scenes", nargs="*", metavar="SCENE", help="all of them where none is named"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="so many boards at a time, a core each"
    )
    parser.add_argument("--fresh", action="store_true", help="build the image anew")
    parser.add_argument("--keep", action="store_true", help="keep the disks of the machines")
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    parser.add_argument("--list", action="store_true", help="name the scenes")
    parser.add_argument("--out", type=Path, help="the folder for the logs; a new one by default")
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help="only read an earlier run")
    parser.add_argument(
        "--sabotage", action="store_true", help="break each promise once; more by --sabotage --help"
    )
    parser.add_argument(
        "--installed", type=Path, metavar="DISK", help="a disk that was installed before, as it is"
    )
    asked = parser.parse_args(words)
    if asked.jobs < 1:
        parser.error("--jobs wants a number from 1 on")
    unknown = [name for name in asked.scenes if name not in known]
    if unknown:
        parser.error(f"there is no scene {', '.join(unknown)}; there is {', '.join(known)}")
    return asked


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _interrupted(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
