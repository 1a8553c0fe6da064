"""One verdict per frame of all that looks for life: the rules, with scripted parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest

from appliance.liveness.cue import View
from appliance.liveness.fusion import Fusion, Weights
from appliance.liveness.watch import LOOKS, PATIENCE_S, SETTLE_S, LivenessWatch, Thresholds
from appliance.types import (
    Ask,
    Box,
    Frame,
    Landmarks,
    Liveness,
    LivenessState,
    Suspicion,
)
from tests.toys import mesh_in

L, U, S = LivenessState.LIVE, LivenessState.UNDETERMINED, LivenessState.SPOOF
FACE = mesh_in(Box(100, 100, 80, 90))
WEIGHTS = Weights.model_validate(
    {
        "about": "for these tests",
        "intercept": 2.0,
        "relief": 4.0,
        "measures": {
            "appearance": {
                "suspicion": "appearance", "neutral": 0.5, "scale": 0.25, "weight": 1.0
            },
            "moire": {"suspicion": "screen_pattern", "neutral": 1.0, "scale": 1.0, "weight": -2.0},
            "flatness": {"suspicion": "flat_motion", "neutral": 0.0, "scale": 1.0, "weight": -3.0},
        },
        "bpcer": [0.001, 0.01, 0.1],
        "score": [0.2, 0.5, 0.9],
    }
)  # fmt: skip


@dataclass
class Says:
    """An appearance check that says what it is told to."""

    score: float = 1.0
    looks: int = 0

    def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        self.looks += 1
        state = S if self.score < 0.4 else L if self.score >= 0.6 else U
        return Liveness(state, self.score, {"appearance": self.score})


@dataclass
class Measuring:
    """A cue that measures what it is told to, once it has seen something."""

    found: dict[str, float] = field(default_factory=dict)
    seen: int = 0

    def see(self, view: View) -> None:
        self.seen += 1

    def measures(self) -> Mapping[str, float]:
        return self.found if self.seen else {}

    def forget(self) -> None:
        self.seen = 0


@dataclass
class Asking:
    """A challenge whose outcome is set by hand."""

    ask: Ask | None = Ask.NOD
    outcome: str = "running"
    reason: Suspicion | None = None
    unanswered: bool = False
    seen: int = 0

    def see(self, view: View) -> None:
        self.seen += 1

    def forget(self) -> None:
        self.seen, self.outcome = 0, "running"


class World:
    def __init__(self, *, motion: bool = True, challenge: Asking | None = None) -> None:
        self.appearance, self.cue, self.challenge = Says(), Measuring(), challenge
        self.watch = LivenessWatch(
            self.appearance,
            [self.cue],
            Fusion(WEIGHTS),
            Thresholds(attack=0.2, live=0.5),
            motion=motion,
            challenge=challenge,  # type: ignore[arg-type]
        )
        self.at = 0.0
        while self.at < SETTLE_S:
            self.watch.see(Frame(np.zeros((300, 300, 3), np.uint8), self.at, "toy#1"), FACE)
            self.at += 0.1

    def look(self, *, still: bool = False, **measured: float) -> Liveness:
        self.cue.found = dict(measured)
        frame = Frame(np.zeros((300, 300, 3), np.uint8), self.at, "toy#1", still=still)
        self.at += 0.1
        self.watch.see(frame, FACE)
        return self.watch.check(frame, FACE)


def test_without_motion_in_depth_nothing_is_live_and_nobody_accused() -> None:
    world = World()
    found = world.look(relief=3.9)
    assert (found.state, found.reasons, found.motion) == (U, (), False)
    found = world.look(relief=4.1)
    assert (found.state, found.reasons, found.motion) == (L, (), True)
    assert found.frames == world.cue.seen
    assert found.cues == {"appearance": 1.0, "relief": 4.1}


def test_a_picture_by_itself_is_judged_by_its_appearance_and_never_claims_motion() -> None:
    challenge = Asking()
    world = World(challenge=challenge)
    before = challenge.seen
    found = world.look(still=True, relief=9.0)
    assert (found.state, found.motion, found.answered) == (L, False, False)
    assert (found.frames, challenge.seen) == (1, before)


@pytest.mark.parametrize(
    ("score", "measured", "state", "reasons"),
    [
        (0.1, {"relief": 9.0}, S, (Suspicion.APPEARANCE,)),
        (0.5, {"relief": 9.0}, U, (Suspicion.APPEARANCE,)),
        (1.0, {"relief": 9.0, "moire": 4.0}, S, (Suspicion.SCREEN_PATTERN,)),
        (1.0, {"relief": 9.0, "moire": 3.2}, U, (Suspicion.SCREEN_PATTERN,)),
        (1.0, {"relief": 9.0, "flatness": 2.0}, S, (Suspicion.FLAT_MOTION,)),
        (
            1.0,
            {"relief": 9.0, "flatness": 2.0, "moire": 1.5},
            S,
            (Suspicion.FLAT_MOTION, Suspicion.SCREEN_PATTERN),
        ),
        (1.0, {"relief": 9.0, "moire": float("nan")}, S, (Suspicion.SCREEN_PATTERN,)),
        (1.0, {"relief": float("nan")}, U, ()),
        (0.1, {"moire": 4.0}, S, (Suspicion.APPEARANCE, Suspicion.SCREEN_PATTERN)),
    ],
)
def test_each_cue_can_end_it_and_the_reasons_are_told(
    score: float,
    measured: dict[str, float],
    state: LivenessState,
    reasons: tuple[Suspicion, ...],
) -> None:
    world = World()
    world.appearance.score = score
    found = world.look(**measured)  # type: ignore[arg-type]  # none is called still
    assert (found.state, found.reasons) == (state, reasons)


def test_appearance_counts_as_the_mean_of_the_frames_and_each_frame_for_itself() -> None:
    world = World()
    assert world.look(relief=9.0).state is L
    world.appearance.score = 0.5
    assert world.look(relief=9.0).state is U
    world.appearance.score = 1.0
    found = world.look(relief=9.0)
    assert found.state is L
    assert found.cues["appearance"] == pytest.approx(2.5 / 3)


def test_the_network_rests_while_nothing_can_come_of_it_and_looks_at_all_that_counts() -> None:
    world = World()
    for _ in range(10):
        assert world.look().state is U
    assert world.appearance.looks == LOOKS
    for _ in range(4):
        assert world.look(relief=9.0).state is L
    assert world.appearance.looks == LOOKS + 4


def test_a_challenge_must_be_answered_and_a_wrong_answer_is_an_attack() -> None:
    challenge = Asking()
    world = World(challenge=challenge)
    assert (world.look(relief=9.0).state, world.watch.ask) == (U, Ask.NOD)
    challenge.outcome = "passed"
    found = world.look(relief=9.0)
    assert (found.state, found.answered, world.watch.ask) == (L, True, None)
    challenge.outcome, challenge.unanswered = "running", True
    found = world.look(relief=9.0)
    assert (found.state, found.unanswered) == (U, True)
    challenge.outcome, challenge.reason = "failed", Suspicion.TOO_EARLY
    found = world.look(relief=9.0)
    assert (found.state, found.reasons) == (S, (Suspicion.TOO_EARLY,))


def test_who_does_not_move_is_asked_to_after_a_while() -> None:
    world = World()
    asked = []
    while world.at < 2 * PATIENCE_S:
        world.look()
        asked.append(world.watch.ask)
    assert asked[0] is None
    assert asked[-1] is Ask.MOVE
    world.look(relief=9.0)
    assert world.watch.ask is None


def test_nothing_that_moves_is_live_before_it_was_watched_for_a_while() -> None:
    world = World(motion=False)
    world.watch.forget()
    begun, states = world.at, []
    while world.at - begun < SETTLE_S + 0.3:
        states.append(world.look().state)
    assert states.index(L) == round(SETTLE_S / 0.1)
    assert set(states[: states.index(L)]) == {U}


def test_without_the_rule_of_motion_nobody_is_asked_to_move() -> None:
    world = World(motion=False)
    for _ in range(30):
        assert world.look().state is L
        assert world.watch.ask is None


def test_what_was_forgotten_does_not_count() -> None:
    world = World(challenge=Asking(outcome="passed"))
    world.look(relief=9.0)
    world.watch.forget()
    assert world.watch.ask is Ask.NOD
    world.appearance.score = 0.9
    found = world.look()
    assert (found.state, found.motion, found.answered, found.frames) == (U, False, False, 1)
    assert found.cues == {"appearance": 0.9}
