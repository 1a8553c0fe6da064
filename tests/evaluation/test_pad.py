"""What becomes of one presentation: the rules of a door, and the standard's terms."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from appliance.attempt import Rules
from appliance.errors import InputError
from appliance.evaluation.pad import Judge, Lack, Outcome, Presented
from appliance.perception import Perception
from appliance.types import Ask, Fault, Frame, Landmarks, Liveness, LivenessState, Suspicion
from tests.evaluation.pads import CLIPS, LIVE, SPOOF, STILLS, UNSURE, film, toy_judge
from tests.fakes import FakeClock
from tests.toys import ALICE, BOB, CALIBRATION, Toy, ToyLiveness, scene, toy_perception


def of(frames: list[Frame], judge: Judge | None = None) -> Presented:
    (found,) = (judge or toy_judge()).judge(frames)
    return found


# --- clips --------------------------------------------------------------------------------


def test_three_live_frames_make_a_live_presentation_and_no_more_are_looked_at() -> None:
    found = of(film(*[LIVE] * 10))
    assert (found.outcome, found.looked, found.judged) == (Outcome.LIVE, 3, 3)
    assert (found.still, found.reasons, found.lack) == (False, (), None)
    assert found.after_s == pytest.approx(0.2)
    assert found.score == 1.0


def test_two_live_frames_are_not_enough() -> None:
    found = of(film(LIVE, LIVE))
    assert (found.outcome, found.lack) == (Outcome.UNDETERMINED, Lack.LIVE_FRAMES)
    assert found.cut_off


def test_frames_that_follow_each_other_too_fast_count_once() -> None:
    assert of(film(*[LIVE] * 5, fps=50)).outcome is Outcome.UNDETERMINED
    assert of(film(*[LIVE] * 11, fps=50)).outcome is Outcome.LIVE


def test_a_frame_that_cannot_be_judged_begins_the_count_anew() -> None:
    assert of(film(LIVE, LIVE, UNSURE, LIVE, LIVE)).outcome is Outcome.UNDETERMINED
    assert of(film(LIVE, LIVE, UNSURE, LIVE, LIVE, LIVE)).outcome is Outcome.LIVE


def test_one_frame_of_an_attack_ends_it() -> None:
    found = of(film(LIVE, LIVE, SPOOF, LIVE, LIVE, LIVE))
    assert (found.outcome, found.score, found.looked) == (Outcome.SPOOF, 0.0, 3)
    assert found.reasons == (Suspicion.APPEARANCE,)
    assert found.lack is None


def test_what_is_not_decided_in_the_attempts_time_is_undetermined_with_its_reason() -> None:
    found = of(film(*[UNSURE] * 12, LIVE, LIVE, LIVE))
    assert (found.outcome, found.reasons) == (Outcome.UNDETERMINED, (Suspicion.APPEARANCE,))
    assert found.after_s == pytest.approx(1.0)
    assert not found.cut_off


def test_a_repeated_picture_is_no_second_frame() -> None:
    one = film(LIVE)[0]
    frozen = [replace(one, at=number / 10) for number in range(8)]
    assert of(frozen).outcome is Outcome.UNDETERMINED


def test_somebody_else_who_steps_in_begins_the_count_anew() -> None:
    people = [ALICE, ALICE, BOB, BOB]
    frames = [scene(number / 10, Toy(who)) for number, who in enumerate(people)]
    assert of(frames).outcome is Outcome.UNDETERMINED


def test_who_it_is_has_no_say() -> None:
    assert of([scene(number / 10, Toy(BOB)) for number in range(3)]).outcome is Outcome.LIVE


def test_the_time_may_begin_anywhere() -> None:
    found = of(film(*[LIVE] * 3, begin=5000.0))
    assert found.outcome is Outcome.LIVE
    assert found.after_s == pytest.approx(0.2)


def test_without_motion_nothing_is_live_where_motion_is_asked_for() -> None:
    policy = replace(CLIPS, motion_required=True)
    still = of(film(*[LIVE] * 10), toy_judge(policy))
    assert (still.outcome, still.lack) == (Outcome.UNDETERMINED, Lack.MOTION)
    moving = of(film(*[LIVE] * 10), toy_judge(policy, moving=4))
    assert (moving.outcome, moving.looked) == (Outcome.LIVE, 6)


def test_a_challenge_without_an_answer_is_what_is_lacking() -> None:
    class Asking(ToyLiveness):
        ask: Ask | None = Ask.NOD  # type: ignore[assignment]

        def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
            return replace(super().check(frame, landmarks), state=LivenessState.UNDETERMINED)

    def fresh(_random: Random) -> Perception:
        return toy_perception(liveness=Asking())

    rules = Rules(CLIPS, 1e-5, CALIBRATION)
    found = of(film(*[LIVE] * 5), Judge(fresh, rules, rules, FakeClock()))
    assert (found.outcome, found.lack) == (Outcome.UNDETERMINED, Lack.ANSWER)


def test_a_score_between_the_thresholds_lacks_certainty() -> None:
    class Unsure(ToyLiveness):
        def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
            return Liveness(LivenessState.UNDETERMINED, 0.5)

    rules = Rules(CLIPS, 1e-5, CALIBRATION)
    judge = Judge(lambda _: toy_perception(liveness=Unsure()), rules, rules, FakeClock())
    assert of(film(*[LIVE] * 5), judge).lack is Lack.CERTAINTY


# --- no response --------------------------------------------------------------------------


def test_nobody_is_a_non_response() -> None:
    found = of(film(*[None] * 5))
    assert (found.outcome, found.outcome.is_response) == (Outcome.NO_FACE, False)
    assert (found.score, found.judged, found.faults) == (None, 0, {Fault.NO_FACE: 5})


def test_several_faces_are_a_non_response() -> None:
    frames = [scene(t / 10, Toy(ALICE, x=80), Toy(BOB, x=240)) for t in range(4)]
    assert of(frames).outcome is Outcome.SEVERAL_FACES


def test_a_face_that_the_quality_gate_refuses_is_a_non_response_of_its_own_kind() -> None:
    found = of([scene(t / 10, Toy(ALICE, sharp=False)) for t in range(4)])
    assert found.outcome is Outcome.POOR_QUALITY
    assert found.faults == {Fault.BLURRED: 4}


def test_one_frame_that_was_judged_makes_a_response() -> None:
    found = of([*film(None, UNSURE), scene(0.2), scene(0.3)])
    assert found.outcome is Outcome.UNDETERMINED
    assert found.judged == 1


def test_whoever_is_mostly_refused_for_quality_is_not_judged_by_the_few_other_frames() -> None:
    unclear = [scene(t / 10, Toy(ALICE, sharp=False)) for t in range(4)]
    mostly = of([*unclear, *film(UNSURE, UNSURE, begin=0.5)])
    assert (mostly.outcome, mostly.judged) == (Outcome.POOR_QUALITY, 2)
    hardly = of([*unclear, *film(*[UNSURE] * 5, begin=0.5)])
    assert hardly.outcome is Outcome.UNDETERMINED


# --- single pictures ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "outcome"),
    [
        (LIVE, Outcome.LIVE),
        (UNSURE, Outcome.UNDETERMINED),
        (SPOOF, Outcome.SPOOF),
        (None, Outcome.NO_FACE),
    ],
)
def test_a_single_picture_is_judged_by_itself(live: float | None, outcome: Outcome) -> None:
    found = of(film(live), toy_judge(replace(CLIPS, motion_required=True)))
    assert (found.outcome, found.still, found.looked) == (outcome, True, 1)
    assert not found.cut_off


def test_a_single_picture_is_told_to_the_liveness_check_as_one() -> None:
    told: list[bool] = []

    class Listening(ToyLiveness):
        def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
            told.append(frame.still)
            return super().check(frame, landmarks)

    judge = Judge(
        lambda _: toy_perception(liveness=Listening()),
        Rules(CLIPS, 1e-5, CALIBRATION),
        Rules(STILLS, 1e-5, CALIBRATION),
        FakeClock(),
    )
    of(film(LIVE), judge)
    of(film(LIVE, LIVE, LIVE), judge)
    assert told == [True, False, False, False]


def test_without_a_frame_there_is_no_presentation() -> None:
    assert toy_judge().judge([]) == []


# --- several attempts on one clip ---------------------------------------------------------


def outcomes(frames: list[Frame], attempts: int | None) -> list[Outcome]:
    return [it.outcome for it in toy_judge().judge(frames, attempts)]


def test_a_long_clip_is_cut_into_attempts_where_each_was_decided() -> None:
    clip = film(LIVE, LIVE, LIVE, SPOOF, LIVE, LIVE, LIVE, LIVE)
    assert outcomes(clip, 1) == [Outcome.LIVE]
    assert outcomes(clip, 2) == [Outcome.LIVE, Outcome.SPOOF]
    # The last frame alone is cut off by the end and is no attempt.
    assert outcomes(clip, None) == [Outcome.LIVE, Outcome.SPOOF, Outcome.LIVE]


def test_an_attempt_that_the_end_cuts_off_counts_only_as_the_first() -> None:
    assert outcomes(film(LIVE, LIVE), None) == [Outcome.UNDETERMINED]
    assert outcomes(film(*[LIVE] * 5), None) == [Outcome.LIVE]


def test_every_attempt_has_its_full_time() -> None:
    found = toy_judge().judge(film(*[UNSURE] * 26), None)
    assert [it.outcome for it in found] == [Outcome.UNDETERMINED] * 2
    assert [it.after_s for it in found] == pytest.approx([1.0] * 2, abs=0.11)


def test_every_attempt_begins_with_a_pipeline_of_its_own_and_the_same_chance() -> None:
    made: list[Perception] = []
    drawn: list[float] = []

    def fresh(random: Random) -> Perception:
        drawn.append(random.random())
        made.append(toy_perception())
        return made[-1]

    rules = Rules(CLIPS, 1e-5, CALIBRATION)
    judge = Judge(fresh, rules, rules, FakeClock())
    clip = film(*[LIVE] * 6)
    judge.judge(clip, None, seed="one")
    first = list(drawn)
    assert len(set(map(id, made))) == len(made) >= 2
    assert len(set(first)) == len(first)
    drawn.clear()
    judge.judge(clip, None, seed="one")
    assert drawn == first
    drawn.clear()
    judge.judge(clip, None, seed="other")
    assert drawn != first


def test_frames_are_drawn_one_by_one() -> None:
    taken: list[int] = []

    def endless() -> object:
        number = 0
        while True:
            taken.append(number)
            yield scene(number / 10, Toy(ALICE))
            number += 1

    assert of(endless()).outcome is Outcome.LIVE  # type: ignore[arg-type]
    assert len(taken) == 3


def test_a_broken_source_is_told() -> None:
    def broken() -> object:
        yield from film(LIVE, LIVE)
        raise InputError("It breaks off.")

    with pytest.raises(InputError, match="breaks off"):
        of(broken())  # type: ignore[arg-type]
