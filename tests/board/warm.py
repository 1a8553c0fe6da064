"""A machine whose service has been ready before: saved once in a run, and gone on from by scenes.

An emulated boot takes minutes, and scenes about what happens to a running service need none of
their own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.board.board import Board
from tests.board.host import BoardError
from tests.board.machine import Machine

_SAVED = "ready"
_KEY = "key"


@contextmanager
def ready(board: Board, name: str) -> Iterator[Machine]:
    """A machine that serves, with logs in the run's folder `name` and a disk of its own."""
    stock = board.folder / "warm"
    if not (stock / "saved").exists():
        _save(board, stock)
    options = board.options(name)
    shutil.copyfile(stock / "disk.qcow2", options.disk)
    with board.machine(replace(options, arguments=("-loadvm", _SAVED))) as machine:
        # The guest knows the key of the run that was saved.
        shutil.copyfile(stock / _KEY, machine.key)
        board.wait_until_ready(machine)
        yield machine


def save(machine: Machine, name: str) -> None:
    """Save a running machine into its own disks; it stands still afterwards. BoardError."""
    # Or what it still does while it is saved would be seen and yet not have happened.
    machine.qmp("stop")
    words = {"command-line": f"savevm {name}"}
    refused = machine.qmp("human-monitor-command", **words)
    if refused:
        raise BoardError(f"The machine cannot be saved: {refused.strip()}")


def _save(board: Board, stock: Path) -> None:
    options = board.options(stock.name)
    machine = Machine.start(options)
    try:
        # The service as it is; what a sabotaged board does to it comes later.
        Board.wait_until_ready(board, machine)
        save(machine, _SAVED)
        shutil.copyfile(machine.key, stock / _KEY)
    finally:
        machine.kill()
    (stock / "saved").touch()
