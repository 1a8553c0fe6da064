"""From frames to a template: good ones, of one person, each once, spread over the recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from appliance.enrolment.collect import MOST_FRAMES, Look, Policy, Rejected
from appliance.enrolment.enrol import Enrolled, enrol
from appliance.enrolment.poses import plan
from appliance.errors import InputError
from appliance.perception import Perception
from appliance.types import Fault, Frame, Landmarks, Pixels, Pose, Region
from appliance.vision.acquisition import Acquisition, FaceSizes
from appliance.vision.mesh import LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from tests.fakes import FakeClock
from tests.toys import (
    ALICE,
    BOB,
    CAROL,
    FINGERPRINT,
    Toy,
    ToyCamera,
    ToyDetector,
    ToyMesh,
    scene,
    toy_perception,
    vector_of,
)

ALL = Policy(frames=None, interval_s=0.1, agreement=0.3, belonging=0.4, halves=0.5)


def pictures(*toys: Toy | None) -> list[Frame]:
    """A folder: one picture a second."""
    return [scene(float(at), *([toy] if toy else [])) for at, toy in enumerate(toys)]


def film(seconds: float, fps: float) -> list[Frame]:
    return [scene(index / fps, Toy(ALICE)) for index in range(round(seconds * fps))]


def from_frames(frames: list[Frame], policy: Policy = ALL) -> Enrolled:
    return enrol(frames, toy_perception(), policy)


def seconds(done: Enrolled) -> list[float]:
    return [int(source.partition("#")[2]) / 1000 for source in done.used]


def test_good_pictures_of_one_person_become_a_template() -> None:
    done = from_frames(pictures(*[Toy(ALICE)] * 5))
    assert (done.template.count, done.template.fingerprint) == (5, FINGERPRINT)
    assert (done.template.model, list(done.rejected)) == ("toy", [])
    assert np.linalg.norm(done.template.mean) == pytest.approx(1)
    # The mean of five lies nearer to the person than any one of them.
    alone = done.template.vectors @ vector_of(ALICE, spread=0)
    assert done.template.mean @ vector_of(ALICE, spread=0) > alone.max()


def test_one_good_picture_is_enough_to_enrol() -> None:
    assert from_frames(pictures(Toy(ALICE))).template.count == 1


def test_every_picture_left_out_is_listed_with_its_reason() -> None:
    done = from_frames(
        pictures(Toy(ALICE), None, Toy(ALICE, sharp=False), Toy(BOB), Toy(ALICE), Toy(ALICE))
    )
    assert done.used == ["film#0", "film#4000", "film#5000"]
    assert list(done.rejected) == [
        Rejected("film#1000", "no_face"),
        Rejected("film#2000", "blurred"),
        Rejected("film#3000", "another_face"),
    ]


def test_files_that_could_not_be_read_are_listed_as_well() -> None:
    done = enrol(
        pictures(Toy(ALICE)), toy_perception(), ALL, skipped=lambda: [("notes.jpg", "no picture")]
    )
    assert list(done.rejected) == [Rejected("notes.jpg", "no picture")]


def test_the_same_picture_given_twice_counts_once() -> None:
    first = scene(0.0, Toy(ALICE), seed=1)
    again = Frame(first.bgr, 1.0, "a copy")
    done = from_frames([first, again, scene(2.0, Toy(ALICE))])
    assert done.used == ["film#0", "film#2000"]
    assert list(done.rejected) == [Rejected("a copy", "duplicate")]


def test_copies_of_one_stranger_do_not_outvote_the_person() -> None:
    stranger = scene(0.0, Toy(BOB), seed=1)
    copies = [Frame(stranger.bgr, float(at), f"copy {at}") for at in range(5)]
    done = from_frames([*copies, *[scene(10.0 + i, Toy(ALICE)) for i in range(3)]])
    assert done.template.count == 3
    assert Rejected("copy 0", "another_face") in done.rejected


@pytest.mark.parametrize(
    "people", [(ALICE, BOB), (ALICE, ALICE, BOB, BOB), (ALICE, ALICE, BOB, CAROL)]
)
def test_pictures_without_a_clear_majority_are_refused(people: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        from_frames(pictures(*[Toy(who) for who in people]))
    assert caught.value.code == "several_people"
    assert f"The {len(people)} usable pictures" in caught.value.message


def test_two_pictures_of_somebody_else_are_refused_by_name() -> None:
    """One may be a bad crop; two that agree with each other are a person."""
    with pytest.raises(InputError) as caught:
        from_frames(pictures(*[Toy(ALICE)] * 6, Toy(BOB), Toy(BOB)))
    assert caught.value.code == "several_people"
    assert caught.value.message == (
        "“film#6000” and “film#7000” show somebody else than the other 6 usable pictures."
    )


def test_many_pictures_of_somebody_else_are_told_by_number() -> None:
    with pytest.raises(InputError) as caught:
        from_frames(pictures(*[Toy(ALICE)] * 6, *[Toy(BOB)] * 5))
    assert caught.value.message.startswith(
        "“film#6000”, “film#7000”, “film#8000” and 2 more show somebody else"
    )


def test_frames_of_a_sensor_have_no_names_to_list() -> None:
    frames = pictures(*[Toy(ALICE)] * 6, Toy(BOB), Toy(BOB))
    with pytest.raises(InputError) as caught:
        from_frames([replace(frame, source="/dev/video0") for frame in frames])
    assert caught.value.message.startswith("2 frames show somebody else")


def test_a_frozen_recording_is_one_picture_however_long_it_runs() -> None:
    still = [replace(scene(0.0, Toy(ALICE)), at=index / 10) for index in range(40)]
    done = from_frames(still)
    assert done.template.count == 1
    assert [item.reason for item in done.rejected] == ["duplicate"] * 39


def test_who_does_not_move_is_looked_at_until_the_time_is_over() -> None:
    """A sensor's frozen picture never becomes ten frames."""
    still = [replace(scene(0.0, Toy(ALICE)), at=index / 10) for index in range(90)]
    done = enrol(still, toy_perception(), replace(LIVE, timeout_s=6))
    assert (done.template.count, len(done.rejected)) == (1, 59)


def test_frames_of_one_recording_are_known_to_look_alike() -> None:
    assert from_frames(film(1, 10)).one_recording
    album = [replace(frame, source=f"{frame.at}.jpg") for frame in pictures(*[Toy(ALICE)] * 3)]
    assert not from_frames(album).one_recording


def test_where_all_faces_are_poor_they_must_be_more_alike() -> None:
    """Small, unsharp faces of strangers resemble each other; the limits rise with that."""
    album = pictures(*[Toy(ALICE)] * 6)
    poor = replace(ALL, handicap=lambda _: 0.2)
    assert list(from_frames(album, poor).handicaps) == [0.2] * 6
    with pytest.raises(InputError, match="one and the same person"):
        from_frames(album, replace(ALL, handicap=lambda _: 0.65))
    # 0.4 and 0.57 are more than any of them reaches against the mean of the others.
    with pytest.raises(InputError, match="one and the same person"):
        from_frames(album, replace(ALL, agreement=-1.0, handicap=lambda _: 0.57))


def test_nothing_usable_says_how_many_were_refused_for_what() -> None:
    blurred = Toy(ALICE, sharp=False)
    with pytest.raises(InputError) as caught:
        from_frames(pictures(None, blurred, blurred))
    assert caught.value.code == "no_usable_frames"
    assert caught.value.message == (
        "None of the 3 frames can be used to enrol: 2 blurred, 1 no face."
    )
    assert caught.value.hint == "Hold still for a moment."


def test_one_unusable_picture_is_called_by_its_name() -> None:
    with pytest.raises(InputError) as caught:
        from_frames(pictures(None))
    assert caught.value.message == "“film#0” cannot be used to enrol: 1 no face."


def test_no_frame_at_all_is_told_apart_from_bad_ones() -> None:
    with pytest.raises(InputError, match="not a single frame"):
        from_frames([])


def test_a_live_enrolment_stops_when_it_has_enough() -> None:
    looked: list[float] = []
    done = enrol(
        film(5, fps=10),
        toy_perception(),
        Policy(frames=10, interval_s=0.2, agreement=0.3, belonging=0.4, halves=0.5),
        seen=lambda look: looked.append(look.observation.frame.at),
    )
    assert done.template.count == 10
    assert looked[-1] == pytest.approx(1.8)
    assert np.diff(seconds(done)) == pytest.approx(0.2)


class Standing(Sequence[Frame]):
    """What a sensor at ten frames a second sees of these, without an end."""

    def __init__(self, *toys: Toy) -> None:
        self._toys = toys

    def __len__(self) -> int:
        raise AssertionError("a sensor has no length")

    def __getitem__(self, index: object) -> Frame:  # type: ignore[override]
        raise AssertionError("a sensor gives one frame after the other")

    def __iter__(self) -> Iterator[Frame]:
        at = 0
        while at < 10_000:
            yield scene(at / 10, *self._toys)
            at += 1
        raise AssertionError("nobody stopped the sensor")


LIVE = Policy(frames=10, interval_s=0.1, agreement=0.3, belonging=0.4, halves=0.5, timeout_s=60.0)
BRIEF = replace(LIVE, timeout_s=20.0)


@pytest.mark.parametrize(
    ("toys", "reason"),
    [
        ([], "no face"),
        ([Toy(ALICE, sharp=False)], "blurred"),
        ([Toy(ALICE, x=80, width=70), Toy(BOB, x=240, width=70)], "several faces"),
    ],
)
def test_a_sensor_before_which_nobody_fit_stands_is_not_watched_for_ever(
    toys: Sequence[Toy], reason: str
) -> None:
    clock = FakeClock(monotonic=500.0)
    camera = ToyCamera(Standing(*toys), clock)
    with pytest.raises(InputError) as caught:
        enrol(camera.frames(), toy_perception(clock), BRIEF)
    assert caught.value.code == "no_usable_frames"
    assert caught.value.message == f"None of the 200 frames can be used to enrol: 200 {reason}."
    assert clock.monotonic() == pytest.approx(520.0)


def test_the_time_of_an_enrolment_counts_from_its_first_frame() -> None:
    """The sensor's clock runs since the machine was started, not since it was asked."""
    seen: list[float] = []
    with pytest.raises(InputError):
        enrol(
            [replace(scene(at / 10), at=9_000 + at / 10) for at in range(700)],
            toy_perception(),
            LIVE,
            seen=lambda look: seen.append(look.observation.frame.at),
        )
    assert (seen[0], seen[-1]) == pytest.approx((9_000.0, 9_059.9))


def test_what_was_collected_until_the_time_was_over_is_used() -> None:
    short = replace(LIVE, timeout_s=0.45)
    done = enrol(Standing(Toy(ALICE)), toy_perception(), short)
    assert done.used == ["film#0", "film#100", "film#200", "film#300", "film#400"]


def test_a_recording_is_used_whole_however_long_it_is() -> None:
    late = replace(scene(3600.0, Toy(ALICE)), source="late")
    assert from_frames([scene(0.0), late]).used == ["late"]


@pytest.mark.parametrize("fps", [5.0, 10.0, 20.0])
def test_a_recording_gives_a_frame_at_every_interval_whatever_the_floats_say(fps: float) -> None:
    done = from_frames(film(4, fps))
    assert np.diff(seconds(done)) == pytest.approx(max(0.1, 1 / fps))
    assert done.template.count == 4 * min(fps, 10.0)


@pytest.mark.parametrize(
    ("count", "interval_s"), [(51, 0.1), (101, 0.1), (180, 0.1), (180, 0.0), (180, 2.0)]
)
def test_a_long_series_is_bounded_and_covered_evenly(count: int, interval_s: float) -> None:
    frames = [scene(float(at), Toy(ALICE)) for at in range(count)]
    done = from_frames(frames, replace(ALL, interval_s=interval_s))
    gaps = np.diff(seconds(done))
    assert MOST_FRAMES / 3 <= done.template.count <= MOST_FRAMES
    # Twice, where a frame looks exactly like an earlier one and is left out.
    assert gaps.max() <= gaps.min() * 2
    # From the beginning to the end.
    assert seconds(done)[0] == 0
    assert seconds(done)[-1] >= count - 1 - gaps.max()


class TurningMesh(ToyMesh):
    """A face in the left of the picture is turned right, and in the right of it left."""

    def locate(self, bgr: Pixels, region: Region) -> Landmarks:
        found = super().locate(bgr, region)
        points = found.points.copy()
        yaw = (found.box.centre[0] - 160) / 2
        width = points[RIGHT_EYE_OUTER, 0] - points[LEFT_EYE_OUTER, 0]
        points[RIGHT_EYE_OUTER, 2] = width * np.tan(np.radians(yaw))
        return Landmarks(points, found.presence)


def turning_perception() -> Perception:
    mesh, toy = TurningMesh(), toy_perception()
    acquisition = Acquisition(ToyDetector(), mesh, FaceSizes(0.6, 0.12))
    return Perception(replace(toy.stages, mesh=mesh, acquisition=acquisition), FakeClock())


GUIDED = replace(LIVE, frames=6, plan=plan(6))


def before_the_camera(*faces: Toy | None, fps: float = 10) -> tuple[Enrolled, list[Look]]:
    """Each face is seen for a second."""
    shown = [face for face in faces for _ in range(round(fps))]
    frames = [scene(at / fps, *([face] if face else [])) for at, face in enumerate(shown)]
    looks: list[Look] = []
    return enrol(frames, turning_perception(), GUIDED, seen=looks.append), looks


def said(looks: Sequence[Look]) -> list[Pose | Fault]:
    words: list[Pose | Fault] = []
    for look in looks:
        assert look.prompt is not None
        words += [look.prompt.say] if words[-1:] != [look.prompt.say] else []
    return words


AHEAD, TO_THE_LEFT, TO_THE_RIGHT = (Toy(ALICE, x=x) for x in (160.0, 200.0, 120.0))


def test_a_guided_enrolment_collects_several_poses() -> None:
    done, looks = before_the_camera(AHEAD, TO_THE_LEFT, TO_THE_RIGHT)
    assert said(looks)[:3] == [Pose.STRAIGHT, Pose.LEFT, Pose.RIGHT]
    assert (done.poses[Pose.STRAIGHT], done.poses[Pose.LEFT], done.poses[Pose.RIGHT]) == (2, 2, 2)
    assert done.missing == ()
    assert [look.taken for look in looks][-1] == 6
    # It ended with the sixth frame.
    assert len(looks) == 22


def test_who_never_turns_is_enrolled_and_the_missing_poses_are_told() -> None:
    done, looks = before_the_camera(*[AHEAD] * 20)
    assert said(looks) == [Pose.STRAIGHT, Pose.LEFT, Pose.RIGHT, Pose.STRAIGHT]
    assert (done.template.count, list(done.missing)) == (6, [Pose.LEFT, Pose.RIGHT])


def test_who_goes_away_early_is_enrolled_from_what_there_was() -> None:
    done, looks = before_the_camera(AHEAD, TO_THE_LEFT, *[None] * 70)
    assert said(looks)[-1] is Fault.NO_FACE
    assert (done.template.count, list(done.missing)) == (4, [Pose.RIGHT])


def test_pictures_are_not_asked_for_poses() -> None:
    done = enrol(pictures(*[AHEAD] * 5), turning_perception(), ALL)
    assert (done.poses[Pose.STRAIGHT], done.missing) == (5, ())
