"""What the scene `embeddings` makes of what the board answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.board.embeddings import SAME_INPUT, WHOLE_WAY
from tests.board.host import BoardError
from tests.board.logs import Logs
from tests.board.scenes import embeddings
from tests.board.table import Row

STAGES = ("hog", "mesh", "embedding mobilefacenet", "embedding mobilefacenet_int8")


def told(*wrong: tuple[str, str]) -> list[dict[str, object]]:
    """The board's rows: every stage both ways; `wrong` ones beyond their limit."""
    return [
        {
            "stage": stage,
            "way": way,
            "unit": "px",
            "largest": 2.0 if (stage, way) in wrong else 0.5,
            "limit": 1.0,
            "ok": (stage, way) not in wrong,
        }
        for stage in STAGES
        for way in (SAME_INPUT, WHOLE_WAY)
    ]


def judged(folder: Path, answer: object = None) -> list[Row]:
    logs = Logs(folder)
    logs.reset(0)
    logs.ask(60, "uname -m", "aarch64\n")
    logs.ask(70, embeddings._COMPARE, told() if answer is None else answer)
    return embeddings.judge(logs.write())


def outcome(folder: Path, answer: object) -> list[bool]:
    return [row.ok for row in judged(folder, answer)]


def test_what_lies_within_its_limits_is_kept(tmp_path: Path) -> None:
    assert outcome(tmp_path, told()) == [True] * 5


@pytest.mark.parametrize(
    ("stage", "way", "row"),
    [
        ("mesh", SAME_INPUT, 0),
        ("embedding mobilefacenet", SAME_INPUT, 1),
        ("embedding mobilefacenet_int8", SAME_INPUT, 2),
        ("hog", WHOLE_WAY, 3),
        ("embedding mobilefacenet_int8", WHOLE_WAY, 4),
    ],
)
def test_each_difference_breaks_its_own_row(tmp_path: Path, stage: str, way: str, row: int) -> None:
    assert outcome(tmp_path, told((stage, way))) == [number != row for number in range(5)]


def test_stages_that_are_not_told_keep_no_promise(tmp_path: Path) -> None:
    only = [row for row in told() if row["stage"] == "hog"]
    assert outcome(tmp_path, only) == [True, False, False, True, False]


def test_a_comparison_that_broke_off_is_said(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="told nothing"):
        outcome(tmp_path, "Segmentation fault")
