"""The demonstration: what it says, what it shows, what it leaves."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from appliance.demo import sheet
from tests.cli.runs import BIDEN, OBAMA, OBAMA3, Appliance, read

SWAP = ("--enrol", OBAMA, "--genuine", BIDEN, "--impostor", OBAMA3)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, to see what is left in it."""
    (folder := tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def decisions(data: dict[str, Any]) -> list[tuple[str, str | None, bool]]:
    return [(step["title"], step["decision"], step["opened"]) for step in data["steps"]]


def test_the_demo(appliance: Appliance, temporary: Path) -> None:
    appliance.configure(liveness={"profile": "standard"})
    out = appliance.folder / "out"
    told = appliance("demo", "--out", out, "--json")
    assert told.code == 0
    data = told.data
    assert (data["enrolled"]["name"], data["enrolled"]["frames_used"] >= 2) == ("alice", True)
    assert decisions(data) == [
        ("the same person", "accept", True),
        ("another person", "reject", False),
        ("a printed photograph of the same person", "spoof", False),
        ("an empty hall", "no_face", False),
        ("a damaged file", None, False),
    ]
    same, other, printed, _, damaged = data["steps"]
    assert same["similarity"] >= same["threshold"] > 0.35 > other["similarity"]
    assert same["liveness"] > 0.6 > printed["liveness"]
    assert [step["liveness_profile"] for step in data["steps"]][:3] == [
        "standard", "passive", "standard",
    ]  # fmt: skip
    assert (same["liveness_reasons"], printed["liveness_reasons"]) == ([], ["surroundings"])
    assert same["timings_ms"]["total"] > 0
    assert damaged["error"].endswith("is a damaged JPEG file: it breaks off before its end.")
    assert [event["state"] for event in data["lock_history"]].count("unlocked") == 1
    assert data["lock_history"][0] == {"at_s": 0, "state": "locked", "cause": "start"}
    assert data["lock_history"][-1]["state"] == "locked"

    assert data["contact_sheet"] == str(out / "contact-sheet.png")
    assert [path.name for path in out.iterdir()] == ["contact-sheet.png"]
    picture = read(out / "contact-sheet.png")
    # First and last frame enrolled and five attempts, two cards a row.
    assert picture.shape == (
        4 * sheet.CARD_HEIGHT + 5 * sheet.MARGIN,
        2 * sheet.CARD_WIDTH + 3 * sheet.MARGIN,
        3,
    )
    assert list(temporary.iterdir()) == []
    assert not appliance.state.exists()


@pytest.mark.slow
def test_swapped_pictures_swap_the_verdicts(appliance: Appliance, temporary: Path) -> None:
    told = appliance("demo", "--out", appliance.folder, "--json", *SWAP)
    assert told.code == 0
    assert decisions(told.data)[:2] == [
        ("the same person", "reject", False),
        ("another person", "accept", True),
    ]


def test_people_read_an_account(appliance: Appliance, temporary: Path) -> None:
    appliance.configure(liveness={"profile": "standard"})
    told = appliance("demo", "--out", appliance.folder)
    assert (told.code, told.err) == (0, "")
    for words in (
        "Enrolling 'alice' from single_face.mp4, 1.9 to the last s.",
        "accept  the same person (single_face.mp4, 0 to 1.9 s): Welcome.",
        "reject  another person (biden.jpg): The face was not recognised.",
        "spoof  a printed photograph of the same person (made from single_face.mp4): This does",
        "profile standard; against it: surroundings",
        "no_face  an empty hall (empty-hall.png): No face was seen.",
        "refused  a damaged file: damaged.jpg is a damaged JPEG file",
        "similarity 0.9",
        "Simulated lock:",
        "unlocked",
        f"Contact sheet: {appliance.folder / 'contact-sheet.png'}",
    ):
        assert words in told.out


@pytest.mark.parametrize("option", ["--genuine", "--impostor", "--enrol"])
@pytest.mark.parametrize("kind", ["missing.jpg", "text.jpg", "album", "empty.jpg"])
def test_a_picture_that_cannot_be_used(
    option: str, kind: str, appliance: Appliance, spoilt: Path, temporary: Path
) -> None:
    told = appliance.json("demo", "--out", appliance.folder / "out", option, spoilt / kind)
    assert told.code == 3
    assert kind in told.error["message"]
    assert list(temporary.iterdir()) == []
    assert not (appliance.folder / "out").exists()


def test_a_sheet_that_cannot_be_written(appliance: Appliance, temporary: Path) -> None:
    """And the demo never drives the configured door."""
    appliance.configure(door={"driver": "gpiozero", "chip": 63, "pin": 17})
    told = appliance.json("demo", "--out", "/proc/nowhere")
    assert told.code == 3
    assert told.error["message"].startswith(
        "The contact sheet /proc/nowhere/contact-sheet.png cannot be written: "
    )
    assert list(temporary.iterdir()) == []
    assert not appliance.state.exists()
