"""The claims' table: what is presented, what follows, and what nobody may learn."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.claims import claiming, keeper
from appliance.claims.claiming import (
    CARD,
    KEYPAD,
    QR,
    Action,
    AskPin,
    Audit,
    AwaitingPin,
    CallForHelp,
    Cleared,
    CountFailure,
    Event,
    Failed,
    Found,
    Judged,
    JudgePin,
    Judging,
    Looking,
    LookUp,
    MakeClaim,
    PinTyped,
    Policy,
    Presented,
    Pressed,
    Ready,
    Reason,
    Refuse,
    State,
    Tick,
    step,
)
from appliance.errors import IllegalEventError
from appliance.types import Claim, PinVerdict, Subject

DOCS = Path(__file__).resolve().parents[2] / "docs" / "claims.md"
POLICY = Policy(require_pin=frozenset(), keypad=True, pin_timeout_s=10.0)
ALICE, BOB = Subject("alice", has_pin=True), Subject("bob", has_pin=False)
WAYS = (KEYPAD, CARD, QR)


def follow(*events: Event, policy: Policy = POLICY, now: float = 0.0) -> tuple[State, list[Action]]:
    """Where events lead, and all that was done."""
    state: State = Ready()
    done: list[Action] = []
    for event in events:
        state, actions = step(state, event, now, policy)
        done += actions
    return state, done


@pytest.mark.parametrize("via", WAYS)
def test_whoever_has_no_pin_has_said_it_all(via: str) -> None:
    state, done = follow(Presented(via, "s"), Found(BOB))
    assert state == Ready()
    assert done == [LookUp(via, "s"), MakeClaim(Claim("bob", via))]


@pytest.mark.parametrize("via", WAYS)
def test_whoever_has_a_pin_is_asked_for_it_whatever_the_way(via: str) -> None:
    state, done = follow(Presented(via, "s"), Found(ALICE))
    assert state == AwaitingPin(via, ALICE, until=10.0)
    assert done == [LookUp(via, "s"), AskPin(via)]


def test_a_way_that_needs_a_pin_asks_everybody() -> None:
    strict = Policy(frozenset({CARD}), keypad=True, pin_timeout_s=10.0)
    assert follow(Presented(CARD, "s"), Found(BOB), policy=strict)[0] == AwaitingPin(CARD, BOB, 10)
    assert follow(Presented(QR, "s"), Found(BOB), policy=strict)[0] == Ready()


@pytest.mark.parametrize("via", WAYS)
def test_the_right_pin_makes_a_claim_that_says_so(via: str) -> None:
    events = Presented(via, "s"), Found(ALICE), PinTyped("2580"), Judged(PinVerdict.RIGHT)
    state, done = follow(*events)
    assert state == Ready()
    assert done[2:] == [JudgePin("alice", "2580"), MakeClaim(Claim("alice", via, pin=True))]


@pytest.mark.parametrize("via", WAYS)
def test_a_wrong_pin_counts_against_name_and_way_before_it_is_told(via: str) -> None:
    events = Presented(via, "s"), Found(ALICE), PinTyped("1"), Judged(PinVerdict.WRONG)
    assert follow(*events)[1][3:] == [
        CountFailure("alice", via),
        Audit("alice", via, Reason.WRONG_PIN),
        Refuse(via, Reason.WRONG_PIN),
    ]


def test_the_duress_pin_calls_for_help_and_shows_nothing_else() -> None:
    def shown(verdict: PinVerdict) -> list[Action]:
        events = Presented(KEYPAD, "s"), Found(ALICE), PinTyped("1"), Judged(verdict)
        return follow(*events)[1][3:]

    help_, claim = shown(PinVerdict.DURESS)
    assert help_ == CallForHelp("alice", KEYPAD)
    assert claim == MakeClaim(Claim("alice", KEYPAD, pin=True, duress=True))
    assert len(shown(PinVerdict.RIGHT)) == 1


def test_nobody_learns_at_the_keypad_which_codes_exist() -> None:
    """A code of nobody, and a wrong PIN after a right code: the person sees the same."""

    def seen(found: Subject | None, verdict: PinVerdict) -> list[object]:
        _, done = follow(Presented(KEYPAD, "1"), Found(found), PinTyped("2"), Judged(verdict))
        told: list[object] = [it for it in done if isinstance(it, AskPin)]
        return told + [it.sentence for it in done if isinstance(it, Refuse)]

    assert seen(None, PinVerdict.WRONG) == seen(ALICE, PinVerdict.WRONG)
    # Whatever the comparison with nobody gives, nobody gets in by it.
    for verdict in PinVerdict:
        _, done = follow(Presented(KEYPAD, "1"), Found(None), PinTyped("2"), Judged(verdict))
        assert done[2:] == [
            JudgePin(None, "2"),
            CountFailure(None, KEYPAD),
            Audit(None, KEYPAD, Reason.UNKNOWN),
            Refuse(KEYPAD, Reason.UNKNOWN),
        ]


@pytest.mark.parametrize("via", [CARD, QR])
def test_a_card_or_badge_of_nobody_is_refused_at_once_and_counts_against_no_name(via: str) -> None:
    assert follow(Presented(via, "s"), Found(None))[1][1:] == [
        CountFailure(None, via),
        Audit(None, via, Reason.UNKNOWN),
        Refuse(via, Reason.UNKNOWN),
    ]


@pytest.mark.parametrize(
    ("via", "subject"), [(KEYPAD, BOB), (CARD, ALICE), (CARD, BOB), (QR, ALICE), (QR, BOB)]
)
@pytest.mark.parametrize("wait", [0.1, 60.0, float("nan")])
def test_whoever_is_locked_out_waits_before_any_pin_and_is_not_recorded(
    via: str, subject: Subject, wait: float
) -> None:
    state, done = follow(Presented(via, "s"), Found(subject, locked_for_s=wait))
    assert state == Ready()
    assert [type(it) for it in done] == [LookUp, Refuse]


@pytest.mark.parametrize("verdict", PinVerdict)
@pytest.mark.parametrize("wait", [0.1, 60.0, float("nan")])
@pytest.mark.parametrize(("subject", "required"), [(ALICE, set()), (BOB, {KEYPAD})])
def test_a_code_that_is_locked_out_is_served_as_a_code_of_nobody(
    subject: Subject, required: set[str], wait: float, verdict: PinVerdict
) -> None:
    """All but the record's text is the same, the steps that take time included."""
    policy = Policy(frozenset(required), keypad=True, pin_timeout_s=10.0)

    def served(found: Found) -> list[Action]:
        events = Presented(KEYPAD, "1"), found, PinTyped("2"), Judged(verdict)
        state, done = follow(*events, policy=policy)
        assert state == Ready()
        return done

    locked, nobody = served(Found(subject, locked_for_s=wait)), served(Found(None))
    assert locked[-2] == Audit(subject.name, KEYPAD, Reason.LOCKED_OUT)
    assert nobody[-2] == Audit(None, KEYPAD, Reason.UNKNOWN)
    assert locked[:-2] + locked[-1:] == nobody[:-2] + nobody[-1:]


@pytest.mark.parametrize("via", WAYS)
def test_a_slowed_way_does_not_even_look(via: str) -> None:
    state, done = follow(Presented(via, "s", slowed_for_s=12.3))
    assert (state, done) == (Ready(), [Refuse(via, Reason.SLOWED, 12.3)])
    (refused,) = done
    assert isinstance(refused, Refuse)
    assert refused.sentence == "Wait 13 seconds."


def test_without_a_keypad_no_pin_can_be_asked_for() -> None:
    without = Policy(frozenset(), keypad=False, pin_timeout_s=10.0)
    state, done = follow(Presented(CARD, "s"), Found(ALICE), policy=without)
    assert (state, done[1:]) == (Ready(), [Refuse(CARD, Reason.NO_KEYPAD)])


def test_a_pin_is_awaited_for_a_while_and_longer_while_somebody_types() -> None:
    state, _ = follow(Presented(CARD, "s"), Found(ALICE))
    state, _ = step(state, Pressed(), 9.0, POLICY)
    state, done = step(state, Tick(), 18.9, POLICY)
    assert (state, done) == (AwaitingPin(CARD, ALICE, until=19.0), ())
    for late in (Tick(), Pressed(), PinTyped("2580")):
        assert step(state, late, 19.0, POLICY) == (Ready(), (Refuse(CARD, Reason.TOO_SLOW),))


def test_clear_and_something_new_end_the_wait_and_count_nowhere() -> None:
    state, _ = follow(Presented(CARD, "s"), Found(ALICE))
    assert step(state, Cleared(), 1.0, POLICY) == (Ready(), ())
    assert step(state, Presented(QR, "t"), 1.0, POLICY) == (Looking(QR), (LookUp(QR, "t"),))
    slowed = step(state, Presented(QR, "t", slowed_for_s=5), 1.0, POLICY)
    assert slowed == (Ready(), (Refuse(QR, Reason.SLOWED, 5),))


@pytest.mark.parametrize("state", [Looking(CARD), Judging(CARD, ALICE), Judging(CARD, None)])
def test_a_store_that_fails_refuses(state: State) -> None:
    assert step(state, Failed(), 0.0, POLICY) == (Ready(), (Refuse(CARD, Reason.BROKEN),))


def test_what_cannot_happen_raises() -> None:
    for event in (Found(ALICE), Judged(PinVerdict.RIGHT), PinTyped("1")):
        with pytest.raises(IllegalEventError):
            step(Ready(), event, 0.0, POLICY)
    with pytest.raises(IllegalEventError):
        step(Looking(CARD), Judged(PinVerdict.RIGHT), 0.0, POLICY)


def test_secrets_stay_out_of_what_is_printed() -> None:
    values = [Presented(CARD, "5ecret"), LookUp(CARD, "5ecret"), PinTyped("5ecret")]
    assert "5ecret" not in repr([*values, JudgePin("alice", "5ecret")])


def test_every_reason_has_a_sentence_that_helps_no_stranger() -> None:
    sentences = {reason: Refuse(CARD, reason, 3.0).sentence for reason in Reason}
    assert all(it.endswith(".") for it in sentences.values())
    assert sentences[Reason.UNKNOWN] == sentences[Reason.WRONG_PIN]


events = st.one_of(
    st.builds(
        Presented, st.sampled_from(WAYS), st.text(max_size=2), st.sampled_from([0.0, 0.0, 9.0])
    ),
    st.builds(Found, st.sampled_from([None, ALICE, BOB]), st.sampled_from([0.0, 0.0, 9.0])),
    st.builds(Judged, st.sampled_from(PinVerdict)),
    st.builds(PinTyped, st.text(max_size=2)),
    st.sampled_from([Pressed(), Cleared(), Tick(), Failed()]),
)
steps = st.lists(st.tuples(events, st.floats(0, 5)), max_size=60)


@settings(deadline=None)
@given(steps, st.sets(st.sampled_from(WAYS)), st.booleans())
def test_nobody_with_a_pin_gets_past_without_it(
    script: list[tuple[Event, float]],
    required: set[str],
    keypad: bool,  # noqa: FBT001 - hypothesis hands it over
) -> None:
    """In whatever order things happen, a claim follows from what was found and judged last."""
    policy = Policy(frozenset(required), keypad=keypad, pin_timeout_s=4.0)
    state: State = Ready()
    now, found, judged = 0.0, Found(None), None
    for event, passed in script:
        now += passed
        try:
            state, actions = step(state, event, now, policy)
        except IllegalEventError:
            continue
        if isinstance(event, Presented):
            found, judged = Found(None), None
        elif isinstance(event, Found):
            found = event
        elif isinstance(event, Judged):
            judged = event.verdict
        for action in actions:
            if isinstance(action, MakeClaim):
                claim, subject = action.claim, found.subject
                assert subject is not None
                assert found.locked_for_s == 0
                assert claim.name == subject.name
                needed = subject.has_pin or claim.via in required
                assert claim.pin is needed
                assert not needed or judged in {PinVerdict.RIGHT, PinVerdict.DURESS}
                assert claim.duress is (judged is PinVerdict.DURESS)


@pytest.mark.parametrize("pin", [True, False])
@pytest.mark.parametrize("is_keeper", [True, False])
@pytest.mark.parametrize("degraded", [True, False])
def test_a_keepers_pin_opens_only_while_the_camera_sees_nothing(
    *, pin: bool, is_keeper: bool, degraded: bool
) -> None:
    claim = Claim("alice", KEYPAD, pin=pin)
    why = keeper.obstacle(claim, keeper=is_keeper, camera_degraded=degraded)
    assert (why is None) is (pin and is_keeper and degraded)


def test_the_docs_show_the_table() -> None:
    assert f"```mermaid\n{claiming.diagram()}```\n<!-- /diagram -->" in DOCS.read_text("utf-8")
