"""What a person before the camera is asked for, told as whole histories."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from appliance import assemble
from appliance.config import Config
from appliance.enrolment.poses import Guide, Prompt, begin, plan, pose_of, spread, step
from appliance.types import Fault, Pose

S, L, R = Pose.STRAIGHT, Pose.LEFT, Pose.RIGHT
NOBODY, TURNED = Fault.NO_FACE, Fault.TURNED_AWAY
Seen = Pose | Fault | None


def history(
    seen: Iterable[Seen], frames: int = 6, every: float = 0.5
) -> tuple[Guide, list[Prompt]]:
    """What is said to somebody of whom these are seen, two frames a second."""
    guide, said = begin(plan(frames)), []
    for number, one in enumerate(seen):
        guide, prompt = step(guide, one, number * every)
        said.append(prompt)
    return guide, said


def changes(prompts: Iterable[Prompt]) -> list[Pose | Fault]:
    """What is said, once until it changes."""
    said: list[Pose | Fault] = []
    for prompt in prompts:
        said += [prompt.say] if said[-1:] != [prompt.say] else []
    return said


def test_frames_are_shared_out_and_straight_gets_what_is_left_over() -> None:
    assert plan(10).shares == {S: 4, L: 3, R: 3}
    assert plan(5).shares == {S: 3, L: 1, R: 1}
    assert plan(50).frames == 50


def test_who_does_as_asked_is_done_at_once() -> None:
    guide, said = history([S, S, L, L, R, R])
    assert said == [
        Prompt(S, take=True),
        Prompt(L, take=True),
        Prompt(L, take=True),
        Prompt(R, take=True),
        Prompt(R, take=True),
        Prompt(S, take=True),
    ]
    assert (guide.done, guide.missing) == (True, ())


def test_a_pose_that_comes_unasked_counts_when_it_is_still_wanted() -> None:
    guide, said = history([R, R, R, S, S, L, L])
    assert [prompt.take for prompt in said] == [True, True, False, True, True, True, True]
    assert changes(said) == [S, L, S]
    assert guide.done


def test_more_of_a_pose_than_its_share_waits_until_the_others_had_their_turn() -> None:
    guide, said = history([S] * 10)
    assert guide.taken == (S, S)
    assert changes(said) == [S, L]


def test_who_never_turns_is_enrolled_all_the_same() -> None:
    guide, said = history([S] * 40)
    assert changes(said) == [S, L, R, S]
    assert guide.taken == (S,) * 6
    assert guide.done
    assert guide.missing == (L, R)


def test_a_pose_that_comes_too_late_is_still_welcome() -> None:
    # Eight seconds of waiting for left pass; then the head turns left while right is asked for.
    guide, _ = history([S, S, *[None] * 18, L, L, R, R])
    assert guide.taken == (S, S, L, L, R, R)


def test_an_empty_room_does_not_use_up_the_patience() -> None:
    guide, said = history([NOBODY] * 100 + [S])
    assert changes(said) == [S, NOBODY, S]
    assert (guide.asked, guide.passed_over) == (S, frozenset())


def test_slow_progress_is_progress() -> None:
    """Six seconds from one frame to the next are no reason to give a pose up."""
    slowly: list[Seen] = [S, *[None] * 11, S, *[None] * 11, S, *[None] * 11, S]
    guide, said = history(slowly, frames=10)
    assert changes(said) == [S, L]
    assert (guide.taken, guide.passed_over) == ((S, S, S, S), frozenset())


def test_each_pose_has_the_same_patience() -> None:
    _, said = history([S] * 40)
    asked = [prompt.say for prompt in said]
    assert (asked.index(L), asked.index(R)) == (1, 1 + 16)
    assert asked.index(S, 1) == 1 + 2 * 16


def test_turning_too_far_uses_up_the_patience() -> None:
    """Who cannot do it otherwise must not stand there for ever."""
    guide, said = history([S, S, *[TURNED] * 40])
    assert changes(said) == [S, L, TURNED]
    assert guide.passed_over == {L, R}
    assert guide.asked is None


def test_a_short_fault_is_not_told() -> None:
    _, said = history([S, Fault.BLURRED, S], every=0.2)
    assert changes(said) == [S, L]
    _, said = history([Fault.BLURRED, Fault.TOO_DARK, Fault.BLURRED], every=0.9)
    assert changes(said) == [S]


def test_a_lasting_fault_is_told_until_it_is_mended() -> None:
    _, said = history([Fault.TOO_SMALL] * 4 + [S])
    assert changes(said) == [S, Fault.TOO_SMALL, S]


def test_nothing_is_taken_after_the_end() -> None:
    guide, said = history([S, S, L, L, R, R, S, L])
    assert len(guide.taken) == 6
    assert [prompt.take for prompt in said[6:]] == [False, False]


@pytest.mark.parametrize(
    ("yaw", "pitch", "pose"),
    [
        (0, 0, S),
        (-9.9, 11.9, S),
        (10, 0, L),
        (-10, 0, R),
        (30, -30, L),
        (0, 12, Pose.DOWN),
        (3, -12, Pose.UP),
    ],
)
def test_left_and_right_are_the_persons_own(yaw: float, pitch: float, pose: Pose) -> None:
    assert pose_of(yaw, pitch) is pose


def test_a_camera_that_hangs_low_sees_nobody_look_down() -> None:
    """All faces of a camera share its own tilt; what differs from them is a pose."""
    assert spread([(0, -20), (1, -21), (15, -19), (2, -36)]) == {
        S: 2, L: 1, R: 0, Pose.UP: 1, Pose.DOWN: 0,
    }  # fmt: skip
    assert sum(spread([]).values()) == 0


def test_a_person_who_turns_the_head_shows_several_poses(data: Path) -> None:
    """One recording of a turning head, each of its good frames in turn."""
    perception = assemble.evaluation_perception(Config())
    camera = assemble.file_camera([data / "clips" / "head-pose-face-detection-female.gif"])
    guide, taken = begin(plan(5)), []
    for frame in camera.frames():
        quality = perception.look(frame, embed=False).quality
        if quality is not None and quality.good:
            pose = pose_of(quality.yaw)
            guide, prompt = step(guide, pose, frame.at)
            taken += [pose] if prompt.take else []
    assert {L, R} <= set(taken)
    assert guide.missing == ()
