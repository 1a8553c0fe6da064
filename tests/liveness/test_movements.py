"""What a person did, told from the mesh: each movement once, for what it is, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from appliance import assemble
from appliance.liveness import signs
from appliance.liveness.cue import View
from appliance.liveness.movements import GESTURES, Made, Movements
from appliance.liveness.signs import Signs
from appliance.types import Ask, Box, Floats
from appliance.vision.mesh import region_of_box, region_of_landmarks
from tests.liveness.actors import TIMES, lasts, play
from tests.portraits import FOLDER, mesh

NEUTRAL = next(play([], 1.0))


def made_of(frames: Iterable[Signs]) -> list[Made]:
    movements = Movements()
    return [made for frame in frames for made in movements.see(frame, NEUTRAL)]


def seen(frames: Iterable[Signs]) -> list[Ask]:
    return [made.movement for made in made_of(frames)]


@pytest.mark.parametrize("fps", [12, 15, 30])
def test_each_movement_is_seen_once_and_taken_for_no_other(fps: float) -> None:
    for seed, movement in enumerate(TIMES):
        frames = play([(1.0, movement)], 4.0, fps=fps, jitter=1.0, seed=seed)
        (made,) = made_of(frames)
        assert made.movement is movement
        assert 1.0 - 2 / fps <= made.began <= 1.0 + TIMES[movement][0]
        assert made.began < made.at <= 1.0 + lasts(movement) + 2 / fps


def test_whoever_sways_blinks_and_speaks_a_little_has_made_nothing_but_blinks() -> None:
    for seed in range(5):
        found: list[Made] = []
        movements = Movements()
        for frame in play([(1.0, Ask.BLINK), (4.0, Ask.BLINK)], 6.0, jitter=1.0, seed=seed):
            beat = np.sin(2 * np.pi * 3 * frame.at)
            talking = replace(
                frame,
                yaw=frame.yaw + 5 * np.sin(frame.at),
                pitch=frame.pitch + 3 * np.sin(2 * frame.at),
                gap=frame.gap + 0.12 * (1 + beat),
                width=frame.width * (1 + 0.03 * beat),
            )
            found += movements.see(talking, NEUTRAL)
        assert [made.movement for made in found] == [Ask.BLINK, Ask.BLINK]


def closing(share: float, begin: float, end: float, *, eyes: str = "both") -> list[Signs]:
    """Lids that are down by that share from one second to another, at 30 frames a second."""

    def shut(frame: Signs) -> Signs:
        if not begin <= frame.at < end:
            return frame
        left = frame.left_eye * (1 - share)
        right = frame.right_eye * (1 - share if eyes == "both" else 1)
        return replace(frame, left_eye=left, right_eye=right)

    return [shut(frame) for frame in play([], 3.0, fps=30)]


def test_a_blink_is_both_eyes_closed_for_as_long_as_a_blink_takes() -> None:
    assert seen(closing(0.4, 1.0, 1.15)) == [Ask.BLINK]
    assert seen(closing(0.4, 1.0, 1.15, eyes="left")) == []
    assert seen(closing(0.15, 1.0, 1.15)) == []
    assert seen(closing(0.4, 1.0, 1.02)) == []  # one frame is a stumble of the mesh
    assert seen(closing(0.4, 1.0, 1.9)) == []  # and this is sleep


def test_narrowed_eyes_still_blink() -> None:
    """As in a smile: the lids go down slowly, and from there once more."""
    frames = [
        replace(frame, left_eye=frame.left_eye * narrow, right_eye=frame.right_eye * narrow)
        for frame in play([(2.0, Ask.BLINK)], 4.0, fps=30)
        for narrow in [1 - 0.25 * min(frame.at / 1.5, 1.0)]
    ]
    assert seen(frames) == [Ask.BLINK]


def test_what_goes_on_while_nobody_looks_does_not_count() -> None:
    for movement in (Ask.BLINK, Ask.NOD, Ask.TURN_LEFT):
        half = 1.0 + lasts(movement) / 2
        frames = play([(1.0, movement)], 4.0, fps=30)
        assert seen(it for it in frames if not half - 0.2 < it.at < half + 0.2) == []


def test_a_movement_that_is_held_is_told_once_and_again_only_after_rest() -> None:
    twice = play([(1.0, Ask.SMILE), (2.9, Ask.SMILE)], 6.0)
    assert seen(twice) == [Ask.SMILE, Ask.SMILE]
    assert seen(replace(it, yaw=40.0) for it in play([], 5.0)) == [Ask.TURN_LEFT]


def test_a_number_that_is_none_is_no_movement() -> None:
    nan = float("nan")
    frames = [replace(it, yaw=nan, pitch=nan, gap=nan, left_eye=nan) for it in play([], 2.0)]
    assert seen(frames) == []
    assert set(GESTURES) == set(TIMES)


def head(yaw: float, pitch: float, roll: float) -> Floats:
    """The mean head, turned, in a picture 640 pixels wide, 100 between the outer eye corners."""
    y, p, r = np.radians([-yaw, pitch, roll])
    turn = (
        np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
        @ np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
        @ np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    )
    space = signs._MODEL @ turn.T + [0, 0, 6.4]
    points = np.zeros((468, 3), np.float32)
    points[list(signs.BONE), :2] = 640 * space[:, :2] / space[:, 2:] + [500, 100]
    return points


def test_the_pose_is_that_of_the_head_wherever_it_is_in_the_picture() -> None:
    for pose in [(0, 0, 0), (25, 0, 0), (-25, 10, 0), (0, 20, 5), (10, -15, -10), (50, 0, 0)]:
        assert signs.head_pose(head(*pose), 640) == pytest.approx(pose, abs=1.5)
    # A face 30 pixels wide, each point a pixel off.
    noise = np.random.default_rng(7).normal(0, 1, (200, 468, 3))
    small = head(20, 5, 0) * 0.3
    found = np.array([signs.head_pose((small + it).astype(np.float32), 640) for it in noise])
    assert np.median(found[:, 0]) == pytest.approx(20, abs=4)
    assert np.abs(found).max() < 60  # never seen from behind


def test_the_blink_of_a_clip_is_seen_where_it_is() -> None:
    watched: list[Signs] = []
    place = region_of_box(Box(220, 120, 150, 150))
    for frame in islice(assemble.one_file(FOLDER / "single_face.mp4").frames(), 36):
        face = mesh().locate(frame.bgr, place)
        place = region_of_landmarks(face)
        watched.append(signs.read(View(frame, face)))
    neutral = signs.median(watched[:12])
    movements = Movements()
    found = [made for it in watched for made in movements.see(it, neutral)]
    # At 30 frames a second; the eyes are shut in the frames 26 to 28. She begins to smile before.
    assert [made.movement for made in found] == [Ask.SMILE, Ask.BLINK]
    assert found[1].began < 25 / 30
    assert 28 / 30 < found[1].at < 34 / 30
