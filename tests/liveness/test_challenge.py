"""What is asked, when it counts, and what a recording gets for showing something else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.liveness import challenge
from appliance.liveness.challenge import (
    DELIBERATE,
    SHIPPED,
    Asking,
    Begin,
    Calm,
    Challenge,
    Event,
    Failed,
    Item,
    Mode,
    Passed,
    Pausing,
    Plan,
    Policy,
    Restless,
    Returning,
    State,
    Unanswered,
    Waiting,
    draw,
    guess,
    step,
)
from appliance.liveness.movements import Made
from appliance.liveness.signs import Signs
from appliance.types import Ask, Suspicion
from tests.liveness.actors import TIMES, play

POLICY = Policy(
    calm_s=0.5, shortest_pause_s=1, longest_pause_s=1, reaction_s=0.3, limit_s=4, return_s=3
)
NOD, SMILE, BLINK, MOUTH = Ask.NOD, Ask.SMILE, Ask.BLINK, Ask.OPEN_MOUTH
LEFT, RIGHT = Ask.TURN_LEFT, Ask.TURN_RIGHT


def plan(*asks: Ask) -> Plan:
    return tuple(Item(ask, 1.0) for ask in asks)


def history(*events: tuple[float, Event]) -> list[State]:
    states: list[State] = [Waiting()]
    for now, event in events:
        states.append(step(states[-1], event, now, POLICY))
    return states


def made(movement: Ask, began: float, at: float) -> tuple[float, Event]:
    return at, Made(movement, began, at)


# --- the table ----------------------------------------------------------------------------


def test_what_was_asked_for_in_its_order_passes() -> None:
    nod, smile = plan(NOD, SMILE)
    assert history(
        (0.5, Calm()),
        (0.5, Begin((nod, smile))),
        (1.4, Calm()),
        (1.5, Restless()),
        (1.6, Calm()),
        made(NOD, 2.0, 2.6),
        (2.7, Restless()),
        (3.5, Calm()),
        (4.5, Calm()),
        made(BLINK, 4.6, 4.8),
        made(SMILE, 5.5, 6.0),
        (6.1, Restless()),
        (7.0, Calm()),
    ) == [
        Waiting(),
        Waiting(),
        Pausing((nod, smile), 1.5),
        Pausing((nod, smile), 1.5),
        Pausing((nod, smile), 1.5),
        Asking((nod, smile), 1.6),
        Returning((smile,), 2.6),
        Returning((smile,), 2.6),
        Pausing((smile,), 4.5),
        Asking((smile,), 4.5),
        Asking((smile,), 4.5),
        Returning((), 6.0),
        Returning((), 6.0),
        Passed(),
    ]


EARLY, WRONG = Failed(Suspicion.TOO_EARLY), Failed(Suspicion.WRONG_MOVEMENT)
ASKED: list[tuple[float, Event]] = [(0.0, Begin(plan(NOD))), (1.0, Calm())]


@pytest.mark.parametrize(
    ("events", "end"),
    [
        ([made(NOD, 1.29, 1.8)], EARLY),
        ([made(NOD, 0.9, 1.2)], EARLY),
        ([made(NOD, 1.31, 1.8), (2.5, Calm())], Passed()),
        ([made(LEFT, 1.1, 1.5)], EARLY),
        ([made(LEFT, 1.4, 1.9)], WRONG),
        ([made(MOUTH, 1.4, 1.9)], WRONG),
        ([made(BLINK, 1.1, 1.3), made(NOD, 1.5, 2.0), (2.5, Calm())], Passed()),
        ([made(SMILE, 1.4, 1.9)], Unanswered()),
        ([made(NOD, 4.5, 5.1)], Unanswered()),
        ([(5.1, Restless())], Unanswered()),
        ([made(NOD, 1.5, 2.0), (5.1, Restless())], Unanswered()),
        ([made(NOD, 1.5, 2.0), (5.1, Calm())], Unanswered()),
        ([made(NOD, 1.5, 2.0), made(LEFT, 2.0, 2.4), (4.9, Calm())], Passed()),
    ],
)
def test_how_an_ask_ends(events: Sequence[tuple[float, Event]], end: State) -> None:
    assert history(*ASKED, *events)[-1] == end


def test_in_a_pause_a_movement_is_too_early_and_a_smile_is_waited_out() -> None:
    begin = (0.0, Begin(plan(NOD)))
    for movement in DELIBERATE:
        assert history(begin, made(movement, 0.1, 0.6))[-1] == EARLY
    assert history(begin, made(SMILE, 0.1, 0.6))[-1] == Pausing(plan(NOD), 1.6)
    assert history(begin, made(BLINK, 0.1, 0.6))[-1] == Pausing(plan(NOD), 1.0)


def test_an_early_blink_is_nobody_s_fault_and_no_answer() -> None:
    begin: list[tuple[float, Event]] = [(0.0, Begin(plan(BLINK))), (1.0, Calm())]
    assert history(*begin, made(BLINK, 1.2, 1.4))[-1] == Asking(plan(BLINK), 1.0)
    assert history(*begin, made(BLINK, 1.2, 1.4), made(BLINK, 2.0, 2.2))[-1] == Returning((), 2.2)


EVENTS = st.one_of(
    st.just(Calm()),
    st.just(Restless()),
    st.tuples(st.sampled_from(list(TIMES)), st.floats(0.0, 2.0)),
)
STEPS = st.lists(st.tuples(st.floats(0.0, 1.5), EVENTS), max_size=40)


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(TIMES)), min_size=1, max_size=3), STEPS)
def test_nothing_passes_without_each_movement_in_its_own_time(
    asks: list[Ask], steps: list[tuple[float, object]]
) -> None:
    now = 0.0
    answers: list[Ask] = []
    state: State = step(Waiting(), Begin(plan(*asks)), now, POLICY)
    for apart, drawn in steps:
        now += apart
        event = Made(drawn[0], now - drawn[1], now) if isinstance(drawn, tuple) else drawn
        before, state = state, step(state, event, now, POLICY)  # type: ignore[arg-type]
        if isinstance(before, Asking) and isinstance(state, Returning):
            assert isinstance(event, Made)
            assert before.since + POLICY.reaction_s <= event.began
            assert event.at <= before.since + POLICY.limit_s
            answers.append(event.movement)
        if isinstance(before, Passed | Failed | Unanswered):
            assert state == before
    if isinstance(state, Passed):
        assert answers == asks


# --- what is drawn ------------------------------------------------------------------------


def test_every_order_of_two_is_as_likely_as_any_other() -> None:
    random = Random(5)  # noqa: S311 - the same in every run
    plans = [draw("random", random, SHIPPED) for _ in range(5000)]
    without = Counter(tuple(it.ask for it in plan if it.ask is not BLINK) for plan in plans)
    assert len(without) == 25
    assert max(without.values()) < 1.5 * min(without.values())
    blinks = [sum(it.ask is BLINK for it in plan) for plan in plans]
    assert set(blinks) == {0, 1}
    assert sum(blinks) / len(plans) == pytest.approx(1 / challenge.BLINK_IN, abs=0.03)
    pauses = [it.pause_s for plan in plans for it in plan]
    assert SHIPPED.shortest_pause_s <= min(pauses) < max(pauses) <= SHIPPED.longest_pause_s


def test_each_mode_asks_for_its_own() -> None:
    random = Random(6)  # noqa: S311 - the same in every run
    turns = {it.ask for _ in range(50) for it in draw("turn", random, SHIPPED)}
    assert turns == {LEFT, RIGHT}
    blinks = [draw("blink", random, SHIPPED) for _ in range(50)]
    assert {it.ask for plan in blinks for it in plan} == {BLINK}
    assert {len(plan) for plan in blinks} == {1, 2}
    small = [draw("random", random, SHIPPED, blink=False) for _ in range(200)]
    assert BLINK not in {it.ask for plan in small for it in plan}


def test_the_chance_of_a_recording_is_what_the_documentation_says() -> None:
    modes: tuple[Mode, ...] = ("blink", "turn", "random")
    assert [guess(mode) for mode in modes] == [1.0, 0.25, pytest.approx(0.04)]


# --- the whole, on somebody who acts --------------------------------------------------------


class Loaded(Random):
    """Draws what it was loaded with, and the shortest of what is left to it."""

    def __init__(self, asks: tuple[Ask, ...]) -> None:  # one argument: Python 3.10 takes no more
        super().__init__(1)
        self._asks = list(asks)

    def randint(self, a: int, b: int) -> int:
        return len(self._asks)

    def choice(self, seq: Sequence[Ask]) -> Ask:  # type: ignore[override]
        return self._asks[-1] if len(self._asks) == 1 else self._asks.pop(0)

    def randrange(self, start: int, *args: object) -> int:
        return 1

    def uniform(self, a: float, b: float) -> float:
        return a


def answers(
    mode: Mode, asks: Sequence[Ask], frames: Iterable[Signs]
) -> tuple[list[Ask | None], Challenge]:
    """What was asked for, one after another, and how it ended."""
    asked: list[Ask | None] = []
    it = Challenge(mode, Loaded(tuple(asks)), POLICY)
    for frame in frames:
        it.follow(frame)
        if not asked or asked[-1] is not it.ask:
            asked.append(it.ask)
    return asked, it


@pytest.mark.parametrize("fps", [12, 30])
@pytest.mark.parametrize("ask", list(TIMES))
def test_whoever_does_what_is_asked_passes(ask: Ask, fps: float) -> None:
    # Asked for at 1.5 s and, after the return, once more.
    blinks = [(0.9, BLINK), (6.5, BLINK)]
    script = [*blinks, (2.2, ask), (5.7, ask)]
    mode: Mode = "blink" if ask is BLINK else "random"
    asked, it = answers(mode, [ask, ask], play(script, 8.5, fps=fps, jitter=0.5))
    back = [] if ask is BLINK else [Ask.LOOK]  # head and mouth did not leave their place
    assert asked == [Ask.LOOK, ask, Ask.LOOK, ask, *back, None]
    assert (it.outcome, it.reason, it.unanswered) == ("passed", None, False)


def test_a_recording_that_shows_something_else_fails() -> None:
    _, it = answers("random", [NOD], play([(2.2, LEFT)], 6.0))
    assert (it.outcome, it.reason) == ("failed", Suspicion.WRONG_MOVEMENT)
    _, it = answers("random", [NOD], play([(1.2, NOD)], 6.0))
    assert (it.outcome, it.reason) == ("failed", Suspicion.TOO_EARLY)
    assert it.ask is None
    _, it = answers("blink", [BLINK], play([(2.2, MOUTH)], 6.0))
    assert (it.outcome, it.reason) == ("failed", Suspicion.WRONG_MOVEMENT)


def test_whoever_does_nothing_is_not_let_in_and_not_accused() -> None:
    asked, it = answers("random", [NOD], play([(2.0, BLINK)], 9.0))
    assert asked == [Ask.LOOK, NOD, None]
    assert (it.outcome, it.reason, it.unanswered) == ("running", None, True)


def test_nothing_is_asked_of_a_face_that_is_not_calm() -> None:
    moving = [replace(it, yaw=15 * (it.at % 1)) for it in play([], 6.0)]
    assert answers("random", [NOD], moving)[0] == [Ask.LOOK]
    aside = [replace(it, yaw=35.0) for it in play([], 6.0)]
    assert answers("random", [NOD], aside)[0] == [Ask.LOOK]


def test_whoever_stays_turned_has_not_come_back() -> None:
    held = [replace(it, yaw=min(max(it.at - 2, 0) * 60, 30)) for it in play([], 8.0)]
    asked, it = answers("turn", [LEFT, LEFT], held)
    assert asked == [Ask.LOOK, LEFT, Ask.LOOK, None]
    assert it.unanswered


def test_a_smile_where_none_is_ever_asked_for_is_nobody_s_business() -> None:
    _, it = answers("turn", [LEFT], play([(1.8, SMILE), (3.5, LEFT)], 7.0))
    assert it.outcome == "passed"
    _, it = answers("random", [LEFT], play([(1.8, SMILE), (3.5, LEFT)], 7.0))
    assert (it.outcome, it.unanswered) == ("running", True)


def test_another_face_begins_anew_and_a_gap_is_another_face() -> None:
    frames = [it for it in play([(2.2, NOD)], 8.0) if not 3.0 < it.at < 4.2]
    asked, it = answers("random", [NOD], frames)
    assert asked == [Ask.LOOK, NOD, Ask.LOOK, NOD]
    it.forget()
    assert (it.ask, it.outcome) == (Ask.LOOK, "running")


def test_whoever_lets_asks_pass_waits_longer_and_longer_for_the_next() -> None:
    patient = replace(POLICY, free=1, put_off_s=4, longest_put_off_s=6)
    it = Challenge("random", Loaded((NOD,)), patient)
    asked_at: list[float] = []
    for frame in play([], 60.0, fps=20):
        before = it.ask
        it.follow(frame)
        if it.ask is NOD and before is not NOD:
            asked_at.append(frame.at)
        if it.ask is NOD and frame.at - asked_at[-1] > 1.0:
            it.forget()  # hides behind a hand
    apart = [round(later - one, 1) for one, later in pairwise(asked_at)]
    # A second until it hides, and the pause; between them half a second of calm, 4 s, 6 s.
    assert apart[:4] == pytest.approx([2.5, 6.0, 8.0, 8.0], abs=0.2)


def test_time_forgives_asks_that_came_to_nothing() -> None:
    strict = replace(POLICY, free=0, put_off_s=15, forgiven_s=20)
    for away, asked in [(10.0, False), (25.0, True)]:
        it = Challenge("random", Loaded((NOD,)), strict)
        for frame in play([], 2.0):
            it.follow(frame)
        assert it.ask is NOD
        it.forget()
        for frame in play([], 2.0, start=2.0 + away):
            it.follow(frame)
        assert (it.ask is NOD) is asked
