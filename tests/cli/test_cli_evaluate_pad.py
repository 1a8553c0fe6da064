"""`evaluate pad`: its report, its options, and what becomes of bad input."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from appliance import __version__, assemble
from appliance.cli import pad_shown
from appliance.config import Config
from appliance.evaluation.pad import Judge
from tests.cli.runs import OBAMA, Appliance, write
from tests.evaluation.pads import CLIPS, toy_judge
from tests.hardware.picture_files import png_claiming
from tests.toys import ALICE, BOB, Toy, paint

# In this process, where a toy can stand for the judge.
PAD = ("evaluate", "pad", "--workers", "1")


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Painted faces: four live people (one not let in), two species, and a folder of frames."""

    def judge(config: Config, *, any_size: bool) -> Judge:
        return toy_judge(replace(CLIPS, motion_required=config.liveness.motion))

    monkeypatch.setattr(assemble, "pad_judge", judge)
    folder = tmp_path / "toys"
    pictures = {
        "live/1.png": [Toy(ALICE)],
        "live/2.png": [Toy(BOB)],
        "live/3.png": [Toy(ALICE, live=0.5)],
        "live/4.png": [],
        "print/1.png": [Toy(ALICE, live=0.0)],
        "print/2.png": [Toy(BOB, live=0.5)],
        "screen/1.png": [Toy(ALICE, live=1.0)],
        "screen/2.png": [Toy(ALICE, sharp=False)],
    }
    pictures |= {f"screen/clip/{number}.png": [Toy(BOB)] for number in range(5)}
    for number, (name, faces) in enumerate(pictures.items()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name, paint(*faces, seed=number))
    return folder


# --- the report ---------------------------------------------------------------------------


def test_the_contract(toys: Path, appliance: Appliance) -> None:
    told = appliance.json(*PAD, toys, "--fps", "10", "--profile", "passive")
    assert (told.code, told.err) == (0, "")
    data = told.data
    assert (data["bpcer"]["n"], data["bpcer"]["errors"]) == (3, 1)
    assert data["bpcer"]["rate"] == pytest.approx(1 / 3, abs=1e-4)
    assert list(data["apcer"]) == ["print", "screen"]
    for rate in (data["bpcer"], *data["apcer"].values(), data["bpnrr"], *data["apnrr"].values()):
        assert {"rate", "n", "ci"} <= set(rate)
        assert 0 <= rate["ci"][0] <= rate["rate"] <= rate["ci"][1] <= 1
    assert (data["apcer"]["print"]["rate"], data["apcer"]["screen"]["rate"]) == (0.0, 1.0)
    assert data["worst_species"]["species"] == "screen"
    assert data["classes"]["live"]["non_response"]["no_face"] == 1
    assert data["classes"]["screen"]["non_response"]["poor_quality"] == 1
    assert data["classes"]["screen"]["from_clips"] == 1
    assert (data["profile"], data["version"]) == ("passive", __version__)
    assert data["judged_by"]["pictures"] == "the appearance of a single picture, without motion"
    assert all(len(sum_) == 64 for sum_ in data["made_of"].values())
    assert data["caveat"]
    assert not appliance.state.exists()


def test_people_see_a_table_with_the_worst_species(toys: Path, appliance: Appliance) -> None:
    shown = appliance(*PAD, toys, "--fps", "10", "--profile", "passive")
    assert shown.code == 0
    (screen,) = [line for line in shown.out.splitlines() if line.startswith(" screen")]
    for word in ("APCER", "1 (poor quality)", "100 % [15.8, 100]"):
        assert word in screen
    assert "Worst species: screen, APCER 100 %" in shown.out
    assert pad_shown.CAVEAT in shown.out
    (line,) = [line for line in shown.out.splitlines() if line.startswith(" print")]
    assert line.rstrip().endswith("appearance (2)")


def test_where_no_attack_passed_it_is_told_how_many_might(toys: Path, appliance: Appliance) -> None:
    shutil.rmtree(toys / "screen")
    shown = appliance(*PAD, toys, "--profile", "passive")
    assert "No attack passed; least is known of print: up to 84.19 % may pass." in shown.out


def test_the_profile_is_the_configs_unless_one_is_named(toys: Path, appliance: Appliance) -> None:
    appliance.configure(liveness={"profile": "standard"})
    data = appliance.json(*PAD, toys, "--fps", "10").data
    assert data["profile"] == "standard"
    # Painted faces do not move in depth: the clip is no longer let in, the picture still is.
    assert data["classes"]["screen"]["lacks"] == {"motion": 1}
    assert data["classes"]["screen"]["live"] == 1
    assert "1 of the undetermined attempts ended with their recording" in " ".join(data["notes"])
    assert "lets nobody in on a single picture" in " ".join(data["notes"])


def test_a_profile_that_is_off_measures_nothing(toys: Path, appliance: Appliance) -> None:
    appliance.configure(liveness={"profile": "off"})
    told = appliance(*PAD, toys)
    assert told.code == 2
    assert "off" in told.sentence
    assert appliance(*PAD, toys, "--profile", "passive").code == 0


def test_several_attempts_on_a_clip_are_told_to_be_tied(toys: Path, appliance: Appliance) -> None:
    for number in range(5, 9):
        write(toys / "screen" / "clip" / f"{number}.png", paint(Toy(BOB), seed=100 + number))
    words = (*PAD, toys, "--profile", "passive", "--fps", "10")
    one, every = (appliance.json(*words, "--attempts", it).data for it in ("1", "all"))
    assert (one["apcer"]["screen"]["n"], every["apcer"]["screen"]["n"]) == (2, 4)
    assert (one["attempts"], every["attempts"]) == (1, "all")
    assert every["apcer"]["screen"]["ci_method"] == "bootstrap_over_clips"
    assert "not independent" in " ".join(every["notes"])


def test_pictures_of_a_folder_can_be_shown_apart(toys: Path, appliance: Appliance) -> None:
    data = appliance.json(*PAD, toys, "--profile", "passive", "--separate").data
    assert data["classes"]["screen"]["from_pictures"] == 7


def test_under_a_challenge_recorded_people_are_told_to_prove_nothing(
    toys: Path, appliance: Appliance
) -> None:
    (toys / "screen" / "clip").rename(toys / "live" / "clip")
    data = appliance.json(*PAD, toys, "--profile", "strict").data
    assert data["challenge"] == "random"
    assert "cannot answer a challenge" in " ".join(data["notes"])


def test_what_is_missing_is_told(toys: Path, appliance: Appliance) -> None:
    (toys / "mask").mkdir()
    (toys / "print" / "list.odt").touch()
    for picture in (toys / "live").iterdir():
        picture.unlink()
    told = appliance.json(*PAD, toys, "--profile", "passive")
    assert (told.code, told.data["bpcer"]["rate"], told.data["ignored"]) == (0, None, 1)
    notes = " ".join(told.data["notes"])
    for words in ("live/ is empty", "mask/ is empty", "1 file is no picture"):
        assert words in notes
    assert "not measured" in appliance(*PAD, toys).out


# --- the real pipeline --------------------------------------------------------------------


def test_real_faces_and_what_is_no_presentation(
    tmp_path: Path, spoilt: Path, appliance: Appliance
) -> None:
    live, odd = tmp_path / "set" / "live", tmp_path / "set" / "odd"
    live.mkdir(parents=True)
    odd.mkdir()
    shutil.copy(OBAMA, live)
    for name in ("two.jpg", "small.jpg", "nobody.png", "wide.png", "text.jpg", "no-frames.avi"):
        shutil.copy(spoilt / name, odd)
    (odd / "bomb.png").write_bytes(png_claiming(20_000, 20_000))
    os.mkfifo(odd / "pipe.mp4")
    told = appliance.json(*PAD, tmp_path / "set")
    assert told.code == 0
    data = told.data
    assert (data["bpcer"]["rate"], data["bpcer"]["n"]) == (0.0, 1)
    assert (data["apcer"]["odd"]["n"], data["unreadable"]) == (0, 5)
    assert data["classes"]["odd"]["non_response"] == {
        "no_face": 1,
        "several_faces": 1,
        "poor_quality": 1,
    }
    assert "wide.png is too large: 20000 x 10 pixels" in told.err
    assert "--any-size judges smaller faces too" in " ".join(data["notes"])


@pytest.mark.slow
def test_a_face_too_small_for_a_door_is_judged_where_that_is_asked_for(
    tmp_path: Path, spoilt: Path, appliance: Appliance
) -> None:
    (live := tmp_path / "set" / "live").mkdir(parents=True)
    shutil.copy(spoilt / "small.jpg", live)
    door, subsystem = (
        appliance.json(*PAD, tmp_path / "set", *words).data for words in ((), ("--any-size",))
    )
    assert (door["bpcer"]["n"], door["any_size"]) == (0, False)
    assert (subsystem["bpcer"]["n"], subsystem["any_size"]) == (1, True)


def test_photographed_attacks_are_told_from_living_faces(
    data: Path, tmp_path: Path, appliance: Appliance
) -> None:
    for path in (data / "pad").iterdir():
        label = path.stem.split("_")[0]
        (tmp_path / "set" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / label / path.name).symlink_to(path)
    told = appliance.json(*PAD, tmp_path / "set", "--profile", "standard").data
    assert (told["bpcer"]["rate"], told["bpcer"]["n"]) == (0.0, 3)
    assert {name: (it["rate"], it["n"]) for name, it in told["apcer"].items()} == {
        "attack": (0.0, 1),
        "print": (0.0, 2),
    }


# --- files --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_picture_is_drawn(toys: Path, appliance: Appliance) -> None:
    pytest.importorskip("matplotlib", reason="the extra [plot] is not installed")
    plot = appliance.folder / "pad.png"
    told = appliance.json(*PAD, toys, "--plot", plot)
    assert (told.code, told.data["plot"]) == (0, str(plot))
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_lines_are_written(toys: Path, appliance: Appliance) -> None:
    table, lines = (appliance.folder / f"pad.{kind}" for kind in ("csv", "jsonl"))
    told = appliance.json(*PAD, toys, "--csv", table, "--jsonl", lines)
    assert (told.code, told.data["csv"], told.data["jsonl"]) == (0, str(table), str(lines))
    assert len(table.read_text(encoding="utf-8").splitlines()) == 10
    rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    assert {row["path"] for row in rows} >= {"live/1.png", "screen/clip"}


@pytest.mark.parametrize(
    "words", [("--plot", "pad.txt"), ("--csv", "nowhere/pad.csv"), ("--jsonl", "toys")]
)
def test_a_place_that_cannot_be_written_is_told_before_the_work(
    words: tuple[str, str], toys: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(*_: object, **__: object) -> None:
        raise AssertionError("the work began")

    monkeypatch.setattr(assemble, "pad_judge", judge)
    monkeypatch.chdir(toys.parent)
    told = appliance(*PAD, toys, *words)
    assert told.code == 3
    assert told.sentence


def test_a_place_that_fails_after_the_work_leaves_the_report(
    toys: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _other: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    words = (*PAD, toys, "--csv", appliance.folder / "pad.csv")
    told = appliance.json(*words)
    assert (told.code, told.data["csv"]) == (3, None)
    assert told.data["error"]["code"] == "lines_not_written"
    assert "cannot be written: no space left on device" in told.data["error"]["message"]
    assert told.data["bpcer"]["n"] == 3


# --- bad input ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ([], "is not a folder"),
        (["set/print/1.jpg"], "holds no folder that is called live"),
        (["set/live/", "set/print/"], "holds no picture and no clip"),
        (["set/live/1.jpg", "set/print/2.mp4"], "None of the files can be read"),
    ],
)
def test_what_cannot_be_measured_exits_3_with_a_sentence(
    made: list[str], words: str, tmp_path: Path, toys: Path, appliance: Appliance
) -> None:
    shutil.rmtree(toys)
    for name in made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    told = appliance(*PAD, tmp_path / "set")
    assert told.code == 3
    assert words in told.sentence
    assert appliance.json(*PAD, tmp_path / "set").error["message"]


@pytest.mark.parametrize("value", ["0", "many", "-1", "10001", "1.5"])
def test_a_number_of_attempts_is_a_number_or_all(value: str, appliance: Appliance) -> None:
    told = appliance.json(*PAD, ".", f"--attempts={value}")
    assert (told.code, told.error["code"]) == (2, "usage")
    assert "nor all" in told.error["message"]


def test_a_plot_without_its_library_says_how_to_get_it(
    toys: Path, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.evaluation.det.find_spec", lambda _name: None)
    told = appliance.json(*PAD, toys, "--plot", appliance.folder / "pad.png")
    assert (told.code, told.error["code"]) == (3, "missing_library")


def test_names_that_a_terminal_would_obey_are_shown_escaped(
    toys: Path, appliance: Appliance
) -> None:
    (toys / "print").rename(toys / "pr\x1b[31mint [bold]")
    (toys / "live" / "bad\x07.png").touch()
    shown = appliance(*PAD, toys, "--profile", "passive")
    assert shown.code == 0
    assert "\x1b" not in shown.out + shown.err
    assert "\x07" not in shown.err
    assert r"pr\x1b[31mint [bold]" in shown.out


def test_living_people_alone_can_be_measured(toys: Path, appliance: Appliance) -> None:
    for species in ("print", "screen"):
        shutil.rmtree(toys / species)
    shown = appliance(*PAD, toys)
    assert shown.code == 0
    assert "There is no attack, so APCER was not measured." in shown.out
