"""A machine whose service has been ready before: saved once in a run, and gone on from by scenes.

An emulated boot takes minutes, and scenes about what happens to a running service need none of
their own. Its state lies on a disk of its own, see `statedisk`.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.board import statedisk
from tests.board.board import Board
from tests.board.host import BoardError
from tests.board.machine import Machine, Options

_SAVED = "ready"
# The root with the machine's memory and its key for SSH, and the appliance's state.
_DISK = "disk.qcow2"
_PARTS = (_DISK, "disk.ssh", "disk.ssh.pub", statedisk.STATE)


@contextmanager
def ready(board: Board, name: str) -> Iterator[Machine]:
    """A machine that serves, with logs in the run's folder `name` and disks of its own."""
    options = again(board, name)
    with board.machine(options) as machine:
        board.wait_until_ready(machine)
        yield machine
    if not board.keep:
        (options.folder / statedisk.STATE).unlink(missing_ok=True)


def again(board: Board, name: str) -> Options:
    """What starts the saved machine on copies of its disks, with logs in the folder `name`."""
    stock, folder = board.folder / "warm", board.folder / name
    stock.mkdir(parents=True, exist_ok=True)
    # Scenes that run side by side save one.
    with (stock / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stock / "saved").exists():
            _save(board, stock)
    folder.mkdir(parents=True, exist_ok=True)
    for part in _PARTS:
        shutil.copy(stock / part, folder / part)
    options = Options(board.image, folder / _DISK, folder)
    return replace(options, arguments=(*statedisk.plain(folder), "-loadvm", _SAVED))


def save(machine: Machine, name: str) -> None:
    """Save a running machine into its own disks; it stands still afterwards. BoardError."""
    # Or what it still does while it is saved would be seen and yet not have happened.
    machine.qmp("stop")
    words = {"command-line": f"savevm {name}"}
    refused = machine.qmp("human-monitor-command", **words)
    if refused:
        raise BoardError(f"The machine cannot be saved: {refused.strip()}")


def _save(board: Board, stock: Path) -> None:
    options = board.options(stock.name, append=statedisk.QUIETLY)
    statedisk.make_plain(stock)
    machine = Machine.start(replace(options, arguments=statedisk.plain(stock)))
    try:
        # The service as it is; what a sabotaged board does to it comes later.
        statedisk.move_in(machine)
        Board.wait_until_ready(board, machine)
        save(machine, _SAVED)
    finally:
        machine.kill()
    (stock / "saved").touch()
