"""Each species as a whole: it shows a face, it is the same again, and it says what it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.types import Floats, Frame
from appliance.vision.mesh import region_of_landmarks
from tests.attacks import injected
from tests.attacks.__main__ import main
from tests.attacks.attempt import MOVEMENTS, Species, Strength
from tests.attacks.heads import Head
from tests.attacks.living import placed
from tests.attacks.optics import Pinhole
from tests.attacks.present import head_of, live_3d, live_recaptured, plan, present
from tests.attacks.sensor import encode
from tests.attacks.sources import CLIPS, Source, Split, live_clips, source_from, split_of
from tests.portraits import acquisition, mesh, picture


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A small picture of a person, and one of another for the attacker: quick to search."""
    folder = tmp_path_factory.mktemp("people")
    for name in ("obama.jpg", "biden.jpg"):
        whole = picture(name)[: picture(name).shape[1]]
        scale = 330 / whole.shape[0]
        small = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / name.replace("jpg", "png")), small)
    return source_from(folder / "obama.png", "Barack_Obama", peers=[folder / "biden.png"])


def first(source: Source, species: Species, strength: Strength, seed: int = 1) -> Frame:
    return next(present(source, species, strength, seed, seconds=0.05, fps=20.0))


@pytest.mark.parametrize(
    "species",
    [
        Species.MATTE_PRINT,
        Species.PHONE_SCREEN,
        *(
            pytest.param(it, marks=pytest.mark.slow)
            for it in Species
            if it not in {Species.MATTE_PRINT, Species.PHONE_SCREEN}
        ),
    ],
)
def test_each_species_still_shows_one_face_and_says_that_it_is_synthetic(
    victim: Source, species: Species
) -> None:
    frame = first(victim, species, Strength.STRONG)
    assert frame.bgr.shape == (360, 640, 3)
    assert frame.bgr.dtype == np.uint8
    assert frame.source.startswith(f"synthetic {species.value} strong")
    assert len(acquisition().glance(frame.bgr)) == 1
    asked = plan(victim, species, Strength.STRONG, 1)
    assert 30 < asked.eyes_px < 130


def test_the_same_seed_shows_the_same_and_another_another(victim: Source) -> None:
    shown = [first(victim, Species.PHONE_SCREEN, Strength.WEAK, seed).bgr for seed in (4, 4, 5)]
    assert np.array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[0], shown[2])


def test_everything_that_was_drawn_is_recorded_as_synthetic(victim: Source) -> None:
    for species in Species:
        record = plan(victim, species, Strength.MEDIUM, 3).record()
        told = json.loads(json.dumps(record))
        assert told["synthetic"] is True
        assert told["species"] == species.value
        assert told["person"] == "Barack_Obama"


def test_strong_prints_are_larger_quieter_and_nearer_to_the_edge_than_weak_ones(
    victim: Source,
) -> None:
    def mean(strength: Strength, what: str) -> float:
        plans = [plan(victim, Species.MATTE_PRINT, strength, seed) for seed in range(30)]
        found = [getattr(asked.medium, what, 0) or getattr(asked.grip, what) for asked in plans]
        return float(np.mean(found))

    assert mean(Strength.STRONG, "width_mm") > 1.5 * mean(Strength.WEAK, "width_mm")
    assert mean(Strength.STRONG, "drift_mm") < 0.5 * mean(Strength.WEAK, "drift_mm")


def test_the_shown_eyes_are_as_far_apart_as_planned(victim: Source) -> None:
    asked = plan(victim, Species.MATTE_PRINT, Strength.MEDIUM, 2)
    frame = first(victim, Species.MATTE_PRINT, Strength.MEDIUM, 2)
    (face,) = acquisition().glance(frame.bgr)
    left, right = face.points[[33, 133], :2].mean(0), face.points[[362, 263], :2].mean(0)
    assert np.linalg.norm(right - left) == pytest.approx(asked.eyes_px, rel=0.12)


def test_a_solid_head_shows_what_a_plane_cannot_and_closes_its_eyes(victim: Source) -> None:
    head: Head = head_of(victim.path)
    camera = Pinhole.with_view(640, 360, 66)
    rest = placed(head, camera, 90.0)

    def points(yaw: float, closed: float) -> Floats:
        light = np.full((360, 640, 3), 0.3, np.float32)
        head.see(camera, rest, np.array([0, yaw, 0, 0, 0, 0.0]), closed).over(light)
        picture = encode(light)
        (face,) = acquisition().glance(picture)
        return mesh().locate(picture, region_of_landmarks(face)).points

    still, turned, shut = points(0, 0), points(12, 0), points(0, 1)

    def nose_aside(found: Floats) -> float:
        eyes = found[[33, 133, 362, 263], :2]
        wide = eyes[3, 0] - eyes[0, 0]
        return float((found[1, 0] - eyes[:, 0].mean()) / wide)

    def opening(found: Floats) -> float:
        up, low, corner, other = found[[159, 145, 33, 133], :2]
        return float(np.linalg.norm(up - low) / np.linalg.norm(corner - other))

    # The nose stands out by a third of the distance between the eyes.
    assert abs(nose_aside(turned) - nose_aside(still)) > 0.04
    assert opening(shut) < 0.85 * opening(still)


def test_a_solid_control_says_that_it_is_synthetic(victim: Source) -> None:
    frames = list(live_3d(victim, 1, seconds=0.1, fps=20))
    assert [frame.source for frame in frames] == [
        "synthetic live_3d obama 1#0",
        "synthetic live_3d obama 1#1",
    ]


def test_nobody_is_on_both_sides_of_the_split() -> None:
    sides = {person: split_of(person) for person in CLIPS.values()}
    fit = {name for name, person in CLIPS.items() if sides[person] is Split.FIT}
    assert {"single_face.mp4", "office/book.mkv", "office/hungry.mkv"} <= fit
    assert not fit & {"office/eat.mkv", "office/milk.mkv", "head-pose-face-detection-female.gif"}
    # SHA-256 of the name begins with an even digit, or an odd one.
    assert split_of("Barack_Obama") is Split.SCORE
    assert split_of("Joe_Biden") is not None


def test_every_movement_of_a_replay_can_be_drawn(victim: Source) -> None:
    shown = {
        asked.replay.movement
        for seed in range(40)
        if (asked := plan(victim, Species.WRONG_CHALLENGE_REPLAY, "weak", seed)).replay
    }
    assert shown == set(MOVEMENTS)


def stream() -> list[Frame]:
    rng = np.random.default_rng(2)
    return [
        Frame(rng.integers(0, 255, (4, 4, 3), np.uint8), number / 15, "camera", number)
        for number in range(20)
    ]


def test_injected_streams_are_wrong_in_the_way_they_say() -> None:
    frames = stream()
    gives = {name: list(inject(frames)) for name, inject in injected.INJECTIONS.items()}
    assert all(frame.repeats(frames[0]) for frame in gives["frozen"])
    assert gives["doubled"][7].repeats(gives["doubled"][6])
    assert not gives["doubled"][7].repeats(gives["doubled"][8])
    assert gives["looped"][9].repeats(frames[1])
    assert {frame.at for frame in gives["standing_time"]} == {0.0}
    assert min(np.diff([frame.at for frame in gives["backward_time"]])) < 0
    assert max(np.diff([frame.at for frame in gives["rushed"]])) < 0.001
    assert max(np.diff([frame.at for frame in gives["leaping_time"]])) > 20
    assert all(len(given) == len(frames) for given in gives.values())


def test_make_writes_clips_and_what_was_drawn_for_them(victim: Source, tmp_path: Path) -> None:
    stills = tmp_path / "data" / "stills"
    stills.mkdir(parents=True)
    shutil.copyfile(victim.path, stills / "obama.jpg")
    words = ["make", str(tmp_path / "out"), "--data", str(tmp_path / "data"), "--count", "1"]
    words += ["--species", "matte_print", "--strength", "strong", "--seconds", "0.2"]
    assert main([*words, "--split", "score"]) == 0
    (clip,) = (tmp_path / "out" / "matte_print").glob("*.avi")
    assert clip.name.startswith("synthetic_strong_")
    record = json.loads(clip.with_suffix(".json").read_text(encoding="utf-8"))
    assert record["synthetic"] is True
    assert record["strength"] == "strong"


def test_without_material_one_sentence_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["make", str(tmp_path / "out"), "--data", str(tmp_path)]) == 3
    assert "--data" in capsys.readouterr().err


@pytest.mark.slow
def test_clips_of_living_people_go_through_the_sensor(data: Path) -> None:
    source = live_clips(data, Split.FIT)[0]
    frames = list(live_recaptured(source, 3, seconds=0.2))
    assert len(frames) == 3
    assert all(acquisition().faces(frame.bgr) for frame in frames)
