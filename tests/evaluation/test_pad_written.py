"""The lines and the picture of `evaluate pad`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.errors import InputError
from appliance.evaluation import pad_plot
from appliance.evaluation.pad import Lack, Outcome
from appliance.evaluation.pad_lines import check, json_lines, table, write
from appliance.evaluation.pad_report import Judged, report
from appliance.types import Fault, Suspicion
from tests.evaluation.pads import presented, shown

JUDGED = [
    Judged(
        "print",
        "print/a, b.mp4",
        [
            presented(
                Outcome.SPOOF,
                0.123456789,
                reasons=(Suspicion.FLAT_MOTION, Suspicion.APPEARANCE),
                cues={"relief": 0.5, "moire": float("nan")},
                looked=4,
                judged=2,
                faults={Fault.TOO_SMALL: 2},
                after_s=0.26666,
            ),
            presented(Outcome.UNDETERMINED, 0.5, lack=Lack.MOTION),
        ],
        damage="It breaks off.",
    ),
    Judged("live", "live/1.jpg", [presented(Outcome.NO_FACE, still=True)]),
    Judged("live", "live/2.jpg", unreadable="It is empty."),
]


def test_each_attempt_is_a_json_line() -> None:
    lines = [json.loads(line) for line in json_lines(JUDGED).splitlines()]
    assert [(it["path"], it["attempt"], it["outcome"]) for it in lines] == [
        ("print/a, b.mp4", 1, "spoof"),
        ("print/a, b.mp4", 2, "undetermined"),
        ("live/1.jpg", 1, "no_face"),
        ("live/2.jpg", None, None),
    ]
    first, second, third, last = lines
    assert first["reasons"] == ["flat_motion", "appearance"]
    assert first["cues"] == {"moire": None, "relief": 0.5}
    assert (first["score"], first["after_s"], first["refused"]) == (
        0.123457,
        0.267,
        {"too_small": 2},
    )
    assert second["lack"] == "motion"
    assert third["judged_from"] == "picture"
    assert last["trouble"] == "It is empty."


def test_the_table_has_a_column_for_each_cue() -> None:
    rows = list(csv.DictReader(io.StringIO(table(JUDGED))))
    assert len(rows) == 4
    assert rows[0]["path"] == "print/a, b.mp4"
    assert rows[0]["reasons"] == "flat_motion appearance"
    assert rows[0]["refused"] == "too_small:2"
    assert (rows[0]["cue_relief"], rows[0]["cue_moire"]) == ("0.5", "")
    assert rows[2]["cue_relief"] == ""
    assert (rows[3]["class"], rows[3]["trouble"]) == ("live", "It is empty.")


def test_lines_are_written_whole_over_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "pad.csv"
    path.write_text("older", encoding="utf-8")
    check(path)
    # A name that is no UTF-8, as the file system handed it over.
    write(path, "path\nlive/\udcff.jpg\n")
    assert path.read_bytes() == b"path\nlive/\xff.jpg\n"
    assert [item.name for item in tmp_path.iterdir()] == ["pad.csv"]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("folder", "is no file"), ("no/pad.csv", "does not exist"), ("locked.csv", "read-only")],
)
def test_where_no_lines_could_be_written_is_told_before_the_work(
    tmp_path: Path, name: str, complaint: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "locked.csv").touch(mode=0o444)
    with pytest.raises(InputError, match=complaint):
        check(tmp_path / name)


def test_a_disk_that_is_full_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _other: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="no space left on device"):
        write(tmp_path / "pad.csv", "text")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_drawn_also_of_classes_without_a_response(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra [plot] is not installed")
    ends = [Outcome.LIVE, Outcome.SPOOF, Outcome.UNDETERMINED, Outcome.NO_FACE]
    species = ("print", "a $name that is much too long for its place\x07", "mask", "wall")
    judged = [item for label in ("live", *species[:2]) for item in shown(label, *ends)]
    judged.append(Judged("print", "print/x", [presented(Outcome.SPOOF, 0.2)]))
    judged += shown("wall", Outcome.NO_FACE)
    path = tmp_path / "pad.png"
    pad_plot.draw(path, report(judged, species), judged, "Toys", "A caption. " * 30)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape[1] > 1000
    wrong = np.array([0x0C, 0x41, 0xC2])
    assert (np.abs(picture.astype(int) - wrong).sum(axis=2) < 12).sum() > 1000
