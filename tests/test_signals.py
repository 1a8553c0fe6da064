from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.signals import ON, Output, Pattern, Score

READY, BUZZER = Output.READY, Output.BUZZER
seconds = st.integers(1, 20).map(lambda tenths: tenths / 8)  # exact in binary
patterns = st.builds(Pattern, seconds, seconds | st.just(0.0), st.none() | st.integers(1, 5))


def drawn(pattern: Pattern, until: float, step: float = 0.25) -> str:
    """The level over time, one character a step."""
    count = round(until / step)
    return "".join("#" if pattern.level(place * step) else "." for place in range(count))


@pytest.mark.parametrize(
    ("pattern", "picture"),
    [
        (ON, "########"),
        (Pattern(0.5, 0.5), "##..##.."),
        (Pattern(0.25, 0.5, 2), "#..#...."),
        (Pattern(0.5, 0, 1), "##......"),
        (Pattern(0.25, 0.25, 3), "#.#.#..."),
        (Pattern(0.5, 0), "########"),
    ],
)
def test_a_pattern_is_on_and_off_in_turn(pattern: Pattern, picture: str) -> None:
    assert drawn(pattern, 2) == picture


def test_before_its_beginning_a_pattern_is_off() -> None:
    assert not Pattern(1, 1).level(-0.1)


@pytest.mark.parametrize(
    "wrong",
    [(0, 1), (-1, 1), (1, -1), (1, math.inf), (math.inf, 1), (math.nan, 1), (1, 1, 0), (1, 1, -1)],
)
def test_what_no_lamp_can_show_is_no_pattern(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="not a pattern"):
        Pattern(*wrong)  # type: ignore[arg-type]


@settings(deadline=None)
@given(patterns, st.integers(0, 400).map(lambda step: step / 16))
def test_nothing_changes_before_the_pattern_says_so(pattern: Pattern, at: float) -> None:
    wait = pattern.wait(at)
    assert wait > 0
    level, end = pattern.level(at), at + min(wait, 5.0)
    steps = (at + (end - at) * part / 16 for part in range(16))
    assert all(pattern.level(step) is level for step in steps)


@settings(deadline=None)
@given(patterns)
def test_whoever_follows_the_waits_sees_every_change(pattern: Pattern) -> None:
    at, followed = 0.0, []
    while at < 10 and math.isfinite(wait := pattern.wait(at)):
        followed.append((at, pattern.level(at)))
        at += wait
    followed.append((at, pattern.level(at)))
    for place in range(80):
        moment = place / 8
        if moment < at:
            level = [level for start, level in followed if start <= moment][-1]
            assert pattern.level(moment) is level


def test_what_is_played_once_stands_above_what_is_shown_and_gives_way_again() -> None:
    score = Score().shown({READY: ON}, 10.0).played({READY: Pattern(0.5, 0.5, 2)}, 20.0)
    levels = [score.levels(20 + step / 4)[READY] for step in range(8)]
    assert levels == [True, True, False, False, True, True, True, True]
    assert score.wait(20.0) == 0.5
    assert score.wait(22.0) == math.inf


def test_other_outputs_are_off_and_stay_out_of_it() -> None:
    score = Score().shown({READY: ON}, 0).played({BUZZER: Pattern(1, 0, 1)}, 0)
    assert [output for output, on in score.levels(0.5).items() if on] == [READY, BUZZER]
    assert [output for output, on in score.levels(1.5).items() if on] == [READY]


def test_a_pattern_that_is_shown_again_goes_on_instead_of_beginning_anew() -> None:
    blink = Pattern(0.5, 0.5)
    score = Score().shown({READY: blink}, 0.0).shown({READY: blink, BUZZER: ON}, 0.7)
    assert score.levels(0.7) == {**dict.fromkeys(Output, False), BUZZER: True}
    assert score.shown({READY: Pattern(0.5, 0.4)}, 0.7).levels(0.7)[READY]


def test_an_alarm_that_sounds_for_a_while_does_not_begin_anew_with_each_event() -> None:
    alarm = Pattern(0.5, 0.5, 3)
    score = Score()
    for event in range(10):
        score = score.shown({BUZZER: alarm}, float(event))
    assert not score.levels(9.1)[BUZZER]


def test_what_is_played_takes_the_place_of_what_was_played_on_the_same_output() -> None:
    score = Score().played({READY: Pattern(9, 0, 1), BUZZER: Pattern(9, 0, 1)}, 0)
    score = score.played({BUZZER: Pattern(1, 0, 1)}, 1)
    assert (score.levels(3)[READY], score.levels(3)[BUZZER]) == (True, False)


def test_what_is_over_is_not_kept() -> None:
    score = Score()
    for second in range(100):
        score = score.played({Output(list(Output)[second % 4]): Pattern(0.5, 0, 1)}, second)
    assert len(score.once) == 1
