"""What is seen in a frame, and when the whole picture is searched again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from appliance.perception import UNCLEAR_S, Perception, Stages
from appliance.types import (
    Box,
    Embedding,
    FaceCrop,
    Fault,
    Frame,
    LivenessState,
    Pixels,
)
from appliance.vision.alignment import OUTER_EYES_AND_NOSE_96
from tests.fakes import FakeClock
from tests.toys import (
    ALICE,
    BOB,
    FINGERPRINT,
    Toy,
    ToyDetector,
    ToyEmbedder,
    ToyLiveness,
    scene,
    toy_perception,
    vector_of,
)


class CountingDetector(ToyDetector):
    """Notes how many times it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        self.asked += 1
        return super().detect(bgr, smallest)


def story(frames: Sequence[Frame]) -> list[tuple[str, bool]]:
    """Per frame: what was seen, and whether the whole picture was searched."""
    detector = CountingDetector()
    perception = toy_perception(detector=detector)
    told = []
    for frame in frames:
        before = detector.asked
        seen = perception.look(frame)
        what = seen.faults[0].value if seen.faults else "tracked" if seen.tracked else "found"
        told.append((what, detector.asked > before))
    return told


def test_a_good_frame_comes_with_everything_that_is_known() -> None:
    seen = toy_perception().look(scene(0.0, Toy(ALICE)))
    assert seen.faults == ()
    assert seen.quality is not None
    assert seen.quality.good
    assert seen.quality.eye_distance == pytest.approx(0.4 * 99, abs=0.1)
    assert seen.crop is not None
    assert seen.crop.bgr.shape == (112, 112, 3)
    assert seen.liveness.state is LivenessState.LIVE
    assert seen.embedding is not None
    assert seen.embedding.vector @ vector_of(ALICE, spread=0) > 0.9
    # What a poor picture pays is looked up by it.
    assert seen.embedding.quality == seen.quality


def test_a_poor_frame_is_neither_judged_nor_embedded() -> None:
    seen = toy_perception().look(scene(0.0, Toy(ALICE, sharp=False)))
    assert seen.faults == (Fault.BLURRED,)
    assert seen.quality is not None
    assert (seen.liveness.state, seen.embedding) == (LivenessState.NOT_CHECKED, None)


def test_nothing_is_embedded_that_nobody_asked_for() -> None:
    seen = toy_perception().look(scene(0.0, Toy(ALICE)), embed=False)
    assert (seen.faults, seen.embedding) == ((), None)
    assert seen.liveness.state is LivenessState.NOT_CHECKED


def test_a_face_is_found_once_and_then_followed() -> None:
    walk = [scene(i / 10, Toy(ALICE, x=120 + 5 * i)) for i in range(5)]
    assert story(walk) == [("found", True), *[("tracked", False)] * 4]


def test_while_somebody_is_followed_the_picture_is_searched_twice_a_second() -> None:
    told = story([scene(i / 10, Toy(ALICE)) for i in range(11)])
    assert [index for index, (_, searched) in enumerate(told) if searched] == [0, 5, 10]


def test_somebody_who_steps_beside_is_seen_within_half_a_second() -> None:
    alone = [scene(i / 10, Toy(ALICE, x=100, width=80)) for i in range(3)]
    both = [
        scene(0.3 + i / 10, Toy(ALICE, x=100, width=80), Toy(BOB, x=240, width=80))
        for i in range(3)
    ]
    assert [what for what, _ in story([*alone, *both])][-1] == "several_faces"


def test_somebody_far_behind_is_no_second_face() -> None:
    seen = toy_perception().look(scene(0.0, Toy(ALICE, x=100), Toy(BOB, x=280, width=40)))
    assert seen.faults == ()
    assert seen.embedding is not None
    assert int(np.argmax(seen.embedding.vector)) == ALICE


def test_an_empty_hall_is_searched_once_and_then_only_now_and_then() -> None:
    empty = [scene(i / 10) for i in range(8)]
    told = story(empty)
    assert {what for what, _ in told} == {"no_face"}
    assert [index for index, (_, searched) in enumerate(told) if searched] == [0, 5]


def test_whoever_comes_in_is_searched_for_in_the_very_frame() -> None:
    assert [what for what, _ in story([scene(0.0), scene(0.1), scene(0.2, Toy(ALICE))])] == [
        "no_face",
        "no_face",
        "found",
    ]


def test_a_face_that_jumps_is_searched_for_anew_and_not_followed() -> None:
    told = story([scene(0.0, Toy(ALICE, x=60, width=80)), scene(0.1, Toy(BOB, x=250, width=80))])
    assert told == [("found", True), ("found", True)]


def test_time_that_goes_back_means_another_recording() -> None:
    told = story([scene(5.0, Toy(ALICE)), scene(5.1, Toy(ALICE)), scene(0.0, Toy(BOB))])
    assert [what for what, _ in told] == ["found", "tracked", "found"]


def named(source: str, at: float, *faces: Toy) -> Frame:
    return replace(scene(at, *faces), source=source)


@pytest.mark.parametrize(
    ("source", "of"),
    [
        ("clip.mp4#0", "clip.mp4"),
        ("clip.mp4#12", "clip.mp4"),
        ("a/clip.mp4#12", "a/clip.mp4"),
        ("take#2.mp4#12", "take#2.mp4"),
        ("a#1.jpg", "a#1.jpg"),
        ("a#2.jpg", "a#2.jpg"),
        ("a#.jpg", "a#.jpg"),
        ("a#", "a#"),
        ("a#-1", "a#-1"),
        ("/dev/video0", "/dev/video0"),
        ("", ""),
    ],
)
def test_a_scene_is_the_source_without_the_number_of_a_videos_frame(source: str, of: str) -> None:
    assert named(source, 0.0).scene == of


def test_nobody_is_followed_from_a_clip_into_the_picture_after_it() -> None:
    alice = Toy(ALICE, x=100, width=80)
    clip = [named(f"clip.mp4#{i}", i / 10, alice) for i in range(3)]
    picture = named("two.jpg", 0.3, alice, Toy(BOB, x=240, width=80))
    assert story([*clip, picture]) == [
        ("found", True),
        ("tracked", False),
        ("tracked", False),
        ("several_faces", True),
    ]
    # As one more frame of the clip the second face waits for the next search of the whole.
    assert story([*clip, replace(picture, source="clip.mp4#3")])[-1] == ("tracked", False)


def test_pictures_whose_names_hold_a_number_are_scenes_of_their_own() -> None:
    alice = Toy(ALICE, x=100, width=80)
    album = [
        named("a#1.jpg", 0.0, alice),
        named("a#2.jpg", 0.1, alice, Toy(BOB, x=240, width=80)),
        named("a#3.jpg", 0.2),
        named("a#4.jpg", 0.3, alice),
    ]
    assert story(album) == [
        ("found", True),
        ("several_faces", True),
        ("no_face", True),
        ("found", True),
    ]


def test_a_picture_after_an_empty_one_is_searched_even_where_little_has_changed() -> None:
    """The motion gate compares within a scene only."""
    told = story([named("one.jpg", 0.0), named("other.jpg", 0.1), named("other.jpg", 0.2)])
    assert told == [("no_face", True), ("no_face", True), ("no_face", False)]


def test_after_forgetting_the_next_frame_is_searched_whole() -> None:
    perception = toy_perception()
    perception.look(scene(0.0, Toy(ALICE)))
    perception.forget()
    assert not perception.look(scene(0.1, Toy(ALICE))).tracked


def test_a_still_with_several_people_can_be_described_face_by_face() -> None:
    frame = scene(0.0, Toy(ALICE, x=80, width=80), Toy(BOB, x=240, width=100))
    perception = toy_perception()
    faces = perception.search(frame)
    found = [perception.describe(frame, face).embedding for face in faces]
    # Largest first.
    assert [int(np.argmax(it.vector)) for it in found if it is not None] == [BOB, ALICE]


def test_a_model_with_another_alignment_gets_its_own_crop_and_quality_keeps_the_usual_one() -> None:
    class Other(ToyEmbedder):
        alignment = OUTER_EYES_AND_NOSE_96.name

        def embed(self, crop: FaceCrop) -> Embedding:
            self.got = (crop.alignment, crop.bgr.shape)
            return Embedding(vector_of(ALICE), FINGERPRINT)

    embedder = Other()
    plain = toy_perception(embedder=embedder)
    stages: Stages = replace(plain.stages, alignment=OUTER_EYES_AND_NOSE_96)
    seen = Perception(stages, FakeClock()).look(scene(0.0, Toy(ALICE)))
    assert embedder.got == ("outer_eyes_and_nose_96", (96, 96, 3))
    assert seen.crop is not None
    assert seen.crop.alignment == "five_point_112"


def test_timings_add_up_by_stage() -> None:
    clock = FakeClock()

    class Slow(ToyEmbedder):
        def embed(self, crop: FaceCrop) -> Embedding:
            clock.advance(0.25)
            return super().embed(crop)

    perception = toy_perception(clock, embedder=Slow())
    for at in (0.0, 0.1):
        perception.look(scene(at, Toy(ALICE)))
    assert perception.timings.rounded()["embed"] == 500.0
    assert perception.timings.calls == {
        "detect": 1,
        "track": 1,
        "align": 4,
        "cues": 2,
        "liveness": 2,
        "embed": 2,
    }


# --- who moves must be recognisable -------------------------------------------------------


def test_what_an_unclear_face_does_counts_only_for_a_moment() -> None:
    """Else a stranger out of focus could move, and then hold up a photograph of Alice."""
    life = ToyLiveness(moving=3)
    perception = toy_perception(FakeClock(), liveness=life)
    for number in range(10):
        perception.look(scene(number / 10, Toy(BOB, sharp=False)))
    assert life.seen == 0
    found = perception.look(scene(1.0, Toy(ALICE))).liveness
    assert (life.seen, found.motion) == (1, False)


def test_a_blur_in_a_quick_turn_loses_nothing_and_a_long_one_all() -> None:
    life = ToyLiveness()
    perception = toy_perception(FakeClock(), liveness=life)
    clear = [scene(number / 10, Toy(ALICE)) for number in range(3)]
    blurred = [scene(0.3 + number / 10, Toy(ALICE, sharp=False)) for number in range(4)]
    for frame in (*clear, *blurred):
        perception.look(frame)
    assert life.seen == len(clear) + len(blurred)
    perception.look(scene(0.2 + UNCLEAR_S + 0.1, Toy(ALICE, sharp=False)))
    assert life.seen == 0
