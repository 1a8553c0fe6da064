"""Enrolling on the command line: what is refused, what is warned of, and what to expect."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.cli.runs import BIDEN, OBAMA, OBAMA2, OBAMA3, Appliance, Outcome, read, write

ALICE = ("--from", OBAMA, "--from", OBAMA2)


def enroll(appliance: Appliance, name: str, *words: str | Path) -> Outcome:
    return appliance.json("enroll", "--name", name, *words)


def worded(told: Outcome) -> str:
    return " ".join(told.data["warnings"])


def last_record(appliance: Appliance) -> dict[str, Any]:
    detail: dict[str, Any] = appliance.json("audit", "tail").data["records"][-1]["detail"]
    return detail


@pytest.fixture
def mirrored(tmp_path: Path) -> Path:
    """Another picture of the second person."""
    return write(tmp_path / "mirrored.png", np.asarray(read(BIDEN)[:, ::-1], np.uint8))


def test_two_pictures_of_somebody_else_refuse_the_set(appliance: Appliance, mirrored: Path) -> None:
    told = appliance("enroll", "--name", "alice", *ALICE, "--from", OBAMA3, "--from", BIDEN,
                     "--from", mirrored)  # fmt: skip
    assert told.code == 3
    assert told.sentence == (
        "“biden.jpg” and “mirrored.png” show somebody else than the other 3 usable pictures."
    )
    assert appliance.json("people", "list").data == {"people": []}


def test_a_picture_saved_anew_or_made_smaller_counts_once(
    appliance: Appliance, tmp_path: Path
) -> None:
    picture = read(OBAMA)
    cv2.imwrite(str(tmp_path / "again.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 60])
    small = cv2.resize(picture, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    write(tmp_path / "smaller.png", np.asarray(small, np.uint8))
    copies = ("--from", tmp_path / "again.jpg", "--from", tmp_path / "smaller.png")
    told = enroll(appliance, "alice", *ALICE, *copies)
    assert told.data["frames_used"] == 2
    assert told.data["frames_rejected"] == [
        {"source": "again.jpg", "reason": "duplicate"},
        {"source": "smaller.png", "reason": "duplicate"},
    ]


def test_a_face_that_is_enrolled_under_another_name_is_warned_of(enrolled: Appliance) -> None:
    told = enroll(enrolled, "bob", "--from", OBAMA3)
    assert told.code == 0
    (found,) = told.data["looks_like"]
    assert set(found) == {"name", "similarity", "far", "accepted"}
    assert (found["name"], found["accepted"]) == ("alice", True)
    assert "this looks like 'alice', already enrolled (similarity 0." in worded(told)
    assert "cannot tell them apart" in worded(told)
    assert f"Warning: {told.data['warnings'][-1]}" in told.err
    assert last_record(enrolled)["looks_like"] == ["alice"]


def test_a_stranger_looks_like_nobody(enrolled: Appliance) -> None:
    told = enroll(enrolled, "bob", "--from", BIDEN)
    assert told.data["looks_like"] == []
    assert "already enrolled" not in worded(told)
    assert "looks_like" not in last_record(enrolled)


def test_replacing_a_person_by_somebody_else_is_warned_of(enrolled: Appliance) -> None:
    told = enroll(enrolled, "Alice", "--replace", "--from", BIDEN)
    assert told.code == 0
    assert not told.data["before"]["accepted"]
    assert "this does not look like the 'Alice' enrolled before (similarity " in worded(told)
    assert (last_record(enrolled)["replace"], last_record(enrolled)["like_before"]) == (True, False)


def test_replacing_a_person_by_her_own_new_pictures_is_no_news(enrolled: Appliance) -> None:
    told = enroll(enrolled, "alice", "--replace", "--from", OBAMA3)
    assert told.data["before"]["accepted"]
    assert told.data["looks_like"] == []
    assert "does not look like" not in worded(told)
    assert last_record(enrolled)["like_before"] is True


def test_a_template_of_another_model_cannot_vouch_for_the_new_one(enrolled: Appliance) -> None:
    enrolled.configure(model={"name": "openface"})
    told = enroll(enrolled, "alice", "--replace", *ALICE)
    assert (told.code, told.data["before"]) == (0, None)
    assert "was of another model" in worded(told)


def test_a_template_that_cannot_be_opened_hinders_nobody_else(enrolled: Appliance) -> None:
    with closing(sqlite3.connect(enrolled.state / "appliance.db")) as connection, connection:
        connection.execute("UPDATE person SET sealed = zeroblob(length(sealed))")
    told = enroll(enrolled, "bob", "--from", BIDEN)
    assert told.code == 0
    assert "could not be checked whether this face is enrolled" in worded(told)


def test_what_is_expected_needs_three_frames(appliance: Appliance) -> None:
    assert enroll(appliance, "bob", *ALICE).data["expected_frr"] is None
    told = enroll(appliance, "alice", *ALICE, "--from", OBAMA3)
    expected = told.data["expected_frr"]
    assert set(expected) == {"value", "low", "high", "frames", "target_far", "flatters"}
    assert 0 <= expected["low"] <= expected["value"] <= expected["high"] <= 1
    assert (expected["frames"], expected["flatters"]) == (3, False)
    assert expected["target_far"] == pytest.approx(1e-5)
    said = appliance("enroll", "--name", "carol", *ALICE, "--from", OBAMA3).out
    assert "Expected to be rejected: " in said
    assert "from 3 frames) at a false-accept rate of 0.001 %." in said


def test_the_poses_are_counted(appliance: Appliance) -> None:
    told = enroll(appliance, "alice", *ALICE, "--from", OBAMA3)
    assert list(told.data["poses"]) == ["straight", "left", "right", "up", "down"]
    assert sum(told.data["poses"].values()) == told.data["frames_used"] == 3


def test_the_camera_is_told_what_to_show(appliance: Appliance, films: dict[str, Path]) -> None:
    """A configured camera asks for poses, also where a recording stands in for it."""
    # In float32, alike on every processor: how much a pixel's trembling changes a quantised
    # embedding is the processor's affair, and a Cortex-A76 took two such frames for two.
    appliance.configure(
        camera={"driver": "files", "source": str(films["alice"])}, model={"name": "mobilefacenet"}
    )
    told = appliance.json("enroll", "--name", "alice")
    assert told.code == 0
    assert "Look straight at the camera. (" in told.err
    assert "of 10 frames)" in told.err
    # It trembles, but it is one picture.
    assert told.data["frames_used"] == 1
    assert "the face was not seen " in worded(told)


def test_a_turning_head_gives_several_poses(appliance: Appliance, data: Path) -> None:
    clip = data / "clips" / "head-pose-face-detection-female.gif"
    appliance.configure(camera={"driver": "files", "source": str(clip)}, enrolment={"frames": 5})
    told = appliance.json("enroll", "--name", "alice")
    assert told.code == 0
    assert told.data["poses"]["left"] > 0
    assert told.data["poses"]["right"] > 0
    assert told.data["expected_frr"]["flatters"] is True


def test_somebody_who_stands_still_is_still_five_frames(appliance: Appliance, data: Path) -> None:
    told = enroll(appliance, "alice", "--from", data / "clips" / "single_face.mp4")
    assert told.data["frames_used"] >= 5
    assert {item["reason"] for item in told.data["frames_rejected"]} <= {"duplicate"}
    assert told.data["expected_frr"]["flatters"] is True
    assert "all frames show the face looking straight" in worded(told)
