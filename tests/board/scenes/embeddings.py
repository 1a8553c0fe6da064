"""Embeddings: the installed board sees the bundled pictures as this machine does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.board import embeddings
from tests.board.board import Board
from tests.board.embeddings import SAME_INPUT, WHOLE_WAY
from tests.board.evidence import read
from tests.board.host import BoardError
from tests.board.table import Row

NAME = "embeddings"
_FOLDER = "/var/tmp/embeddings"  # noqa: S108 - the guest's own, where root alone works
_RECORD = "pc.npz"
# The rows go to standard output alone, whatever the comparison's own table says.
_COMPARE = (
    f"cd {_FOLDER} && OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 /opt/appliance/bin/python"
    f" embeddings.py --compare {_RECORD} --json rows.json >&2; cat rows.json"
)


def run(board: Board) -> list[Row]:
    """Let the board look at what was recorded here; then judge the logs."""
    options = board.options(NAME)
    record = options.folder / _RECORD
    embeddings.write(record, embeddings.record())
    with board.machine(options) as machine:
        board.wait_until_ready(machine)
        # It would look at the camera meanwhile, and the emulated board is slow enough.
        machine.ssh("systemctl stop appliance", check=True)
        machine.put(record, _FOLDER)
        machine.put(Path(embeddings.__file__), _FOLDER)
        machine.ssh("uname -m", check=True)
        machine.ssh(_COMPARE, timeout_s=3600)
    record.unlink()
    return judge(options.folder)


def judge(folder: Path) -> list[Row]:
    """The rows, from the logs in a folder."""
    evidence = read(folder)
    answer = evidence.last("--compare")
    try:
        told = json.loads(answer.out)
    except ValueError as error:
        raise BoardError(f"The comparison told nothing: {answer.err.strip()[-300:]}") from error
    machine = evidence.last("uname").out.strip()
    integer = [row for row in told if embeddings.is_integer(row["stage"])]
    vectors = [row for row in told if row["stage"].startswith("embedding") and row not in integer]
    stages = [row for row in told if row not in integer and row not in vectors]
    return [
        _row(f"{machine}: every stage of vision gives what it gives here", SAME_INPUT, stages),
        _row(f"{machine}: float embeddings of the same crops", SAME_INPUT, vectors),
        _row(f"{machine}: integer embeddings of the same crops", SAME_INPUT, integer),
        _row(f"{machine}: from the picture's file to the crop", WHOLE_WAY, stages),
        _row(f"{machine}: from the picture's file to the embedding", WHOLE_WAY, vectors + integer),
    ]


def _row(promise: str, way: str, told: Sequence[dict[str, Any]]) -> Row:
    """One row for some of the stages; what is told are the differences nearest to their limit."""
    of_way = [row for row in told if row["way"] == way]
    nearest = sorted(of_way, key=lambda row: -_share(row))
    measured = "; ".join(
        f"{row['stage']} {row['largest']:.2g} {row['unit']} (limit {row['limit']:g})"
        for row in nearest[:3]
    )
    largest = f"largest of {len(of_way)} differences: {measured}" if of_way else "nothing was told"
    return Row(promise, largest, bool(of_way) and all(row["ok"] for row in of_way))


def _share(row: dict[str, Any]) -> float:
    if row["limit"] > 0:
        return float(row["largest"] / row["limit"])
    return float("inf") if row["largest"] > 0 else 0.0
