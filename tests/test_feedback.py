from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations, product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import feedback, phrases
from appliance.claims.desk import Answer
from appliance.door_values import AlarmKind, DoorChange, DoorStatus, DoorWord, Happening
from appliance.feedback import Cue, Event, Feedback, Judged, Readiness, Shown, Situation, step
from appliance.signals import ON, Output, Pattern, Patterns
from appliance.types import Ask, Decision, Verdict

READY, GRANTED, DENIED, BUZZER = Output


def change(what: Happening, alarm: AlarmKind | None = None) -> DoorChange:
    return DoorChange(0.0, what, DoorWord.LOCKED, "", alarm)


RELEASED, SECURED = change(Happening.RELEASED), change(Happening.SECURED)
FORCED = change(Happening.ALARM, AlarmKind.FORCED)
HELD_OPEN = change(Happening.ALARM, AlarmKind.HELD_OPEN)


def judged(decision: Decision, name: str = "alice") -> Judged:
    return Judged(name, Verdict(decision, ""))


EVENTS: tuple[Event, ...] = (
    *(change(what, alarm) for what, alarm in product(Happening, (None, *AlarmKind))),
    *map(judged, Decision),
    *Readiness,
    *Cue,
    *Ask,
)


def after(*events: Event) -> tuple[Situation, Shown]:
    """A whole history; what the last event showed."""
    situation, shown = Situation(), Shown({})
    for event in events:
        situation, shown = step(situation, event)
    return situation, shown


def test_before_anything_is_known_all_is_dark() -> None:
    assert feedback.base(Situation()) == {}


def test_the_granted_lamp_follows_the_line_and_nothing_else() -> None:
    assert GRANTED not in after(judged(Decision.ACCEPT))[1].base
    assert after(RELEASED)[1].base[GRANTED] == ON
    assert GRANTED not in after(RELEASED, SECURED)[1].base


@settings(deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_granted_is_shown_only_while_the_line_lets_people_through(events: list[Event]) -> None:
    released = False
    situation = Situation()
    for event in events:
        if isinstance(event, DoorChange) and event.what in (Happening.RELEASED, Happening.SECURED):
            released = event.what is Happening.RELEASED
        situation, shown = step(situation, event)
        assert (GRANTED in shown.base) is released
        assert GRANTED not in shown.once


def test_one_beep_says_that_people_may_pass_and_a_second_grant_is_silent() -> None:
    assert after(RELEASED)[1].once == feedback.MAY_PASS
    assert after(RELEASED, RELEASED)[1].once == {}
    assert after(RELEASED, SECURED)[1].once == {}


def test_no_two_reasons_for_a_refusal_can_be_told_apart() -> None:
    """Trying does not teach who is enrolled, what was wrong, or when somebody may come."""
    reasons: tuple[Event, ...] = (
        *map(
            judged,
            (
                Decision.REJECT,
                Decision.SPOOF,
                Decision.NOT_PERMITTED,
                Decision.UNKNOWN_PERSON,
                Decision.LOCKED_OUT,
            ),
        ),
        Cue.REFUSED,
    )
    assert {repr(after(Readiness.READY, event)[1]) for event in reasons} == {
        repr(after(Readiness.READY, Cue.REFUSED)[1])
    }


def test_what_posture_mends_looks_different_from_a_refusal() -> None:
    mendable = (
        Decision.NO_FACE,
        Decision.SEVERAL_FACES,
        Decision.POOR_QUALITY,
        Decision.TIMEOUT,
    )
    for decision in mendable:
        assert after(judged(decision))[1].once == feedback.TRY_AGAIN
    assert feedback.TRY_AGAIN != feedback.REFUSED


def test_every_decision_and_every_word_has_its_patterns() -> None:
    assert set(feedback.VERDICTS) == set(Decision)
    assert set(feedback.ALARMS) == set(AlarmKind)
    assert set(feedback.READINESS) == set(Readiness)
    assert set(feedback.CUES) == set(Cue)


def test_what_a_reader_answers_is_a_cue() -> None:
    assert {answer.value for answer in Answer} <= {cue.value for cue in Cue}


def test_what_looks_alike_to_a_person_at_the_door_means_the_same() -> None:
    """Refused, try again, and each state of readiness: none is taken for another."""
    distinct: list[Patterns] = [
        feedback.REFUSED,
        feedback.TRY_AGAIN,
        feedback.MAY_PASS,
        feedback.SOMETHING_ASKED,
    ]
    assert len({repr(it) for it in distinct}) == len(distinct)
    shown = {readiness: repr(it) for readiness, it in feedback.READINESS.items()}
    lit = [shown[it] for it in (Readiness.READY, Readiness.LOOKING, Readiness.DEGRADED)]
    assert len(set(lit)) == 3


def test_only_who_is_let_in_is_greeted() -> None:
    for decision in Decision:
        greeted = after(judged(decision, "zoë"))[1].greeted
        assert greeted == ("zoë" if decision is Decision.ACCEPT else "")


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Welcome, Zoë {name}."),
        ("en-gb", "Welcome, Zoë {name}."),
        ("DE", "Willkommen, Zoë {name}."),
        ("de+f3", "Willkommen, Zoë {name}."),
        ("eo", "Zoë {name}"),
    ],
)
def test_people_are_welcomed_in_the_door_s_language(language: str, text: str) -> None:
    assert phrases.welcome("Zoë {name}", language) == text


def test_the_ready_lamp_says_how_the_appliance_does() -> None:
    assert READY not in after(Readiness.STARTING)[1].base
    assert after(Readiness.READY)[1].base[READY] == ON
    assert after(Readiness.LOOKING)[1].base[READY] == Pattern(0.2, 0.2)
    assert after(Readiness.DEGRADED)[1].base[READY] == Pattern(0.1, 1.9)
    assert after(Readiness.READY, Readiness.STOPPED)[1].base == {}


def test_a_door_that_cannot_be_opened_is_not_called_ready() -> None:
    broken = change(Happening.ALARM, AlarmKind.LOCK_FAILED)
    mended = change(Happening.ALARM_OVER, AlarmKind.LOCK_FAILED)
    assert after(Readiness.READY, broken)[1].base == {READY: Pattern(0.1, 1.9), DENIED: ON}
    assert after(Readiness.READY, broken, mended)[1].base == {READY: ON}


def test_an_alarm_lasts_until_it_is_over() -> None:
    over = change(Happening.ALARM_OVER, AlarmKind.FORCED)
    shown = after(Readiness.READY, FORCED, judged(Decision.REJECT), RELEASED, SECURED)[1]
    assert shown.base == {READY: ON, **feedback.ALARMS[AlarmKind.FORCED]}
    assert after(Readiness.READY, FORCED, over)[1].base == {READY: ON}


@settings(deadline=None)
@given(st.booleans(), st.frozensets(st.sampled_from(AlarmKind)), st.lists(st.sampled_from(EVENTS)))
def test_what_was_so_before_anybody_listened_is_shown_as_if_it_had_been_heard(
    released: bool,  # noqa: FBT001 - drawn
    alarms: frozenset[AlarmKind],
    events: list[Event],
) -> None:
    status = DoorStatus(*(0.0, DoorWord.LOCKED, 0.0, released, None, None, None, tuple(alarms), ""))
    heard = [RELEASED if released else SECURED, *(change(Happening.ALARM, it) for it in alarms)]
    situation, shown = after(Readiness.READY, status)
    assert situation == after(Readiness.READY, *heard)[0]
    assert (shown.once, shown.greeted) == ({}, "")
    assert after(*events, status)[0].alarms == alarms


def test_the_gravest_alarm_is_shown_in_whatever_order_they_come() -> None:
    kinds = (AlarmKind.FORCED, AlarmKind.HELD_OPEN, AlarmKind.LOCK_FAILED)
    for order in permutations(kinds):
        events = [change(Happening.ALARM, kind) for kind in order]
        shown = after(*events)[1].base
        assert {it: shown[it] for it in (DENIED, BUZZER)} == feedback.ALARMS[AlarmKind.FORCED]
    rest = after(FORCED, HELD_OPEN, change(Happening.ALARM_OVER, AlarmKind.FORCED))[1].base
    assert rest == feedback.ALARMS[AlarmKind.HELD_OPEN]


@settings(deadline=None)
@given(st.sampled_from(EVENTS), st.sampled_from(EVENTS))
def test_no_pattern_makes_noise_without_end(first: Event, second: Event) -> None:
    shown = after(first, second)[1]
    for patterns in (shown.base, shown.once):
        if BUZZER in patterns:
            assert patterns[BUZZER].length <= feedback.LONGEST_S


@settings(deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=15))
def test_what_is_shown_at_rest_follows_from_the_situation_alone(events: list[Event]) -> None:
    situation, shown = after(*events)
    if events:
        assert shown.base == feedback.base(situation)


def test_state_changes_of_the_leaf_show_nothing_by_themselves() -> None:
    for what in (Happening.STATE, Happening.REQUEST_TO_EXIT):
        assert step(Situation(), change(what)) == (Situation(), Shown({}))


# --- the hand -------------------------------------------------------------------------------


class Lamps:
    """Writes down what it is told."""

    faults = ()

    def __init__(self) -> None:
        self.told: list[tuple[str, Patterns]] = []

    def show(self, base: Patterns) -> None:
        self.told.append(("show", base))

    def play(self, once: Patterns) -> None:
        self.told.append(("play", once))

    def close(self) -> None:
        self.told.append(("close", {}))


class Voice:
    faults = ()

    def __init__(self) -> None:
        self.said: list[str] = []

    def greet(self, text: str) -> None:
        self.said.append(text)

    def say(self, text: str) -> None:
        self.said.append(f"! {text}")

    def examine(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        self.said.append("closed")


def test_the_hand_plays_what_the_table_says() -> None:
    lamps, voice = Lamps(), Voice()
    hand = Feedback(lamps, voice, language="de")
    for event in (Readiness.READY, RELEASED, judged(Decision.ACCEPT), SECURED):
        hand.tell(event)
    ready: Patterns = {READY: ON}
    passing: Patterns = {GRANTED: ON, READY: ON}
    assert lamps.told == [
        ("show", ready),
        ("show", passing),
        ("play", feedback.MAY_PASS),
        ("show", passing),
        ("show", ready),
    ]
    assert voice.said == ["Willkommen, alice."]
    assert hand.situation == Situation(Readiness.READY)


def test_what_is_asked_is_said_by_whoever_gives_instructions() -> None:
    lamps, greeter, voice = Lamps(), Voice(), Voice()
    hand = Feedback(lamps, greeter, voice, language="de-x")
    for event in (Ask.LOOK, Ask.NOD, Ask.LOOK):
        hand.tell(event)
    assert lamps.told == [
        ("show", {}),
        ("show", {}),
        ("play", feedback.SOMETHING_ASKED),
        ("show", {}),
    ]
    assert (greeter.said, voice.said) == ([], ["! Nicken Sie einmal."])
    mute = Feedback(Lamps(), greeter)
    mute.tell(Ask.NOD)
    assert greeter.said == []


def test_without_a_voice_nobody_is_greeted() -> None:
    lamps = Lamps()
    Feedback(lamps).tell(judged(Decision.ACCEPT))
    assert lamps.told == [("show", {})]


def test_events_of_many_threads_are_shown_in_the_order_in_which_they_count() -> None:
    from concurrent.futures import ThreadPoolExecutor

    lamps = Lamps()
    hand = Feedback(lamps)
    with ThreadPoolExecutor(8) as pool:
        for event in [RELEASED, SECURED] * 200:
            pool.submit(hand.tell, event)
    shown = [base for what, base in lamps.told if what == "show"]
    assert len(shown) == 400
    assert shown[-1] == feedback.base(hand.situation)
    # A release beeps exactly where the lamp comes on.
    on = [GRANTED in base for base in shown]
    beeps = sum(what == "play" for what, _ in lamps.told)
    assert beeps == sum(now and not before for before, now in pairwise([False, *on]))


def test_the_patterns_of_the_documentation_are_those_of_the_code() -> None:
    text = (Path(__file__).parents[1] / "docs" / "feedback.md").read_text(encoding="utf-8")
    assert feedback.table() in text


def test_a_situation_is_a_value() -> None:
    assert replace(Situation(), released=True) == after(RELEASED)[0]
