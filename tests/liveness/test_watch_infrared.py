"""What the infrared changes in a verdict, with scripted parts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from appliance.liveness import fusion
from appliance.liveness.infrared import MISSES, Sighting
from appliance.liveness.watch import LivenessWatch, Thresholds
from appliance.types import Box, Frame, Landmarks, Liveness, LivenessState, Suspicion
from tests.toys import mesh_in

L, U, S = LivenessState.LIVE, LivenessState.UNDETERMINED, LivenessState.SPOOF
FACE = mesh_in(Box(10, 10, 30, 40))


class Says:
    def __init__(self, score: float) -> None:
        self.score = score

    def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        state = S if self.score < 0.4 else L if self.score >= 0.6 else U
        return Liveness(state, self.score)


class Second:
    """An infrared check that finds what it is told to."""

    def __init__(self, found: Sighting) -> None:
        self.found = found
        self.accuses = self.enough = False
        self.expected: list[float] = []
        self.looks = self.forgotten = 0

    def expect(self, at: float) -> None:
        self.expected.append(at)

    def look(self, frame: Frame, face: Landmarks) -> Sighting:
        self.looks += 1
        self.accuses = self.found is Sighting.ABSENT and self.looks >= MISSES
        return self.found

    def measures(self) -> Mapping[str, float]:
        return {"infrared": float(self.found is Sighting.PRESENT)}

    def forget(self) -> None:
        self.forgotten += 1


def watch(second: Second, score: float = 1.0, *, motion: bool = False) -> LivenessWatch:
    worth = fusion.Fusion(fusion.load())
    thresholds = Thresholds(0.0, 0.0)
    return LivenessWatch(Says(score), [], worth, thresholds, motion=motion, infrared=second)


def look(it: LivenessWatch, at: float = 0.0) -> Liveness:
    frame = Frame(np.zeros((90, 90, 3), np.uint8), at, "toy#1")
    it.see(frame, FACE)
    return it.check(frame, FACE)


@pytest.mark.parametrize(
    ("found", "state", "reasons"),
    [
        (Sighting.PRESENT, L, ()),
        (Sighting.ABSENT, U, (Suspicion.INFRARED,)),
        (Sighting.UNKNOWN, U, (Suspicion.INFRARED,)),
    ],
)
def test_a_frame_is_live_only_where_its_face_is_in_both(
    found: Sighting, state: LivenessState, reasons: tuple[Suspicion, ...]
) -> None:
    it = watch(Second(found))
    for number in range(4):  # somebody new is watched for a moment before anything counts
        seen = look(it, float(number))
    assert (seen.state, seen.reasons) == (state, reasons)
    assert "infrared" in seen.cues


def test_a_face_that_is_missing_again_and_again_is_an_attack() -> None:
    it = watch(Second(Sighting.ABSENT))
    states = [look(it, number / 10).state for number in range(MISSES)]
    assert states == [*[U] * (MISSES - 1), S]


def test_one_that_could_not_be_looked_for_never_is() -> None:
    it = watch(Second(Sighting.UNKNOWN))
    assert {look(it, number / 10).state for number in range(3 * MISSES)} == {U}


def test_a_face_in_the_infrared_saves_no_attack() -> None:
    seen = look(watch(Second(Sighting.PRESENT), score=0.1))
    assert (seen.state, seen.reasons) == (S, (Suspicion.APPEARANCE,))


def test_frames_that_cannot_count_are_looked_for_until_it_is_enough() -> None:
    second = Second(Sighting.PRESENT)
    it = watch(second, motion=True)
    look(it, 0.0)
    second.enough = True
    look(it, 0.1)
    assert second.looks == 1
    assert second.expected == [0.0, 0.1]
    second.accuses = True
    assert look(it, 0.2).state is S


def test_another_person_begins_anew() -> None:
    second = Second(Sighting.PRESENT)
    watch(second).forget()
    assert second.forgotten == 1
