"""What a review tried on the door: frozen cameras, late answers, clocks set back, changed people.

The decision table, the simulated lock and the store are real; only the networks are toys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from appliance import assemble
from appliance.attempt import Attempt, DoorRoom, Rules
from appliance.config import Config
from appliance.errors import LockError, ModelError, StoreError, UsageError
from appliance.matching import Claimed, make_template
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import (
    Claim,
    Decision,
    Embedding,
    Frame,
    LockState,
    Match,
    Person,
    Verdict,
)
from appliance.vision.manifest import Calibration
from tests.test_attempt import (
    BROKEN_OFF,
    CLAIM,
    FAR,
    LOCKOUT,
    POLICY,
    SHUT,
    Entrance,
    entrance,
    film,
    person,
    times,
)
from tests.toys import (
    ALICE,
    BOB,
    CALIBRATION,
    FINGERPRINT,
    MODEL,
    Toy,
    ToyCamera,
    paint,
    scene,
    toy_perception,
    vector_of,
)

__all__ = ["entrance"]  # the fixture of the attempts' own tests

GRANTED = [
    *SHUT,
    (0.2, LockState.UNLOCKED, "access_granted #1"),
    (3.2, LockState.LOCKED, "pulse over"),
]


def shown(*seeds: int, step: float = 0.1) -> list[Frame]:
    """Pictures of alice; equal seeds are one and the same picture."""
    return [
        Frame(paint(Toy(ALICE), seed=seed), round(step * number, 3), "/dev/video0", number)
        for number, seed in enumerate(seeds)
    ]


def at_the_door(
    entrance: Entrance, frames: Sequence[Frame], *, live: bool = True, of: Claimed | None = None
) -> Verdict:
    camera = ToyCamera(frames, entrance.clock if live else None)
    return entrance.attempt().run(CLAIM, of or Claimed(person()), camera)


# --- one picture, however often -----------------------------------------------------------


def test_a_camera_that_delivers_one_and_the_same_picture_runs_into_the_time_limit(
    entrance: Entrance,
) -> None:
    camera = ToyCamera(shown(*[7] * 120), entrance.clock)
    verdict = entrance.attempt().run(CLAIM, Claimed(person()), camera)
    assert (verdict.decision, verdict.frames_used) == (Decision.TIMEOUT, 1)
    assert camera.given == 101  # the one that comes at the limit is the last
    assert entrance.commands == SHUT
    assert entrance.records == [("access_denied", "alice", "timeout")]
    assert entrance.failures == 0


def test_one_file_given_three_times_opens_not_even_the_simulated_door(entrance: Entrance) -> None:
    one = paint(Toy(ALICE), seed=7)
    files = [Frame(one.copy(), float(number), f"{number}.jpg", number) for number in range(3)]
    verdict = at_the_door(entrance, files, live=False)
    assert (verdict.decision, verdict.frames_used) == (Decision.TIMEOUT, 1)
    assert entrance.commands == SHUT


def test_two_pictures_by_turns_are_two_and_not_three(entrance: Entrance) -> None:
    verdict = at_the_door(entrance, shown(*[7, 8] * 60))
    assert (verdict.decision, verdict.frames_used) == (Decision.TIMEOUT, 2)
    assert entrance.commands == SHUT


def test_a_camera_that_hangs_for_a_while_is_believed_once_its_pictures_differ(
    entrance: Entrance,
) -> None:
    verdict = at_the_door(entrance, shown(7, 7, 7, 7, 8, 8, 9))
    assert (verdict.decision, verdict.frames_used) == (Decision.ACCEPT, 3)
    assert [(at, state) for at, state, _ in entrance.commands[2:3]] == [(0.6, LockState.UNLOCKED)]


@pytest.mark.parametrize("live", [True, False])
def test_a_picture_that_differs_by_one_grey_level_in_one_place_is_another(
    entrance: Entrance, *, live: bool
) -> None:
    frames = shown(7, 7, 7)
    for number, frame in enumerate(frames):
        frame.bgr[0, 0, 1] += number
    verdict = at_the_door(entrance, frames, live=live)
    assert (verdict.decision, verdict.frames_used) == (Decision.ACCEPT, 3)
    assert entrance.pulses == 1


# --- frames far apart ---------------------------------------------------------------------


@pytest.mark.parametrize("interval_s", [0.0, 0.1, 1.0])
def test_whoever_stands_still_is_let_in_at_every_interval_that_may_be_configured(
    entrance: Entrance, interval_s: float
) -> None:
    config = Config.model_validate(
        {
            "door": {"driver": "simulated"},
            "verification": {"frame_interval_s": interval_s},
            "liveness": {"profile": "passive"},  # the toys do not move as heads do
        }
    )
    policy = assemble.rules(config, unlock=True, live=True).policy
    attempt = entrance.attempt(policy=replace(policy, agreement=POLICY.agreement))
    camera = ToyCamera(film(Toy(ALICE), 100), entrance.clock)
    assert attempt.run(CLAIM, Claimed(person()), camera).decision is Decision.ACCEPT
    (opened,) = [at for at, state, _ in entrance.commands if state is LockState.UNLOCKED]
    assert opened == pytest.approx(2 * max(interval_s, 0.1))


def test_no_interval_may_be_configured_at_which_nobody_would_get_in() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        Config.model_validate({"verification": {"frame_interval_s": 1.6}})


# --- late answers -------------------------------------------------------------------------


class _Slow(Claimed):
    """Takes its time to compare."""

    def __init__(self, of: Person, wait: Callable[[], None]) -> None:
        super().__init__(of)
        self._wait = wait

    def match(
        self, probes: Sequence[Embedding], calibration: Calibration, target_far: float
    ) -> Match:
        self._wait()
        return super().match(probes, calibration, target_far)


@pytest.mark.parametrize(
    ("spent", "decided", "pulses"),
    [(9.7, Decision.ACCEPT, 1), (9.8, Decision.TIMEOUT, 0), (3600.0, Decision.TIMEOUT, 0)],
)
def test_a_comparison_that_ends_after_the_time_limit_does_not_count(
    entrance: Entrance, spent: float, decided: Decision, pulses: int
) -> None:
    slow = _Slow(person(), lambda: entrance.clock.advance(spent))
    verdict = at_the_door(entrance, film(Toy(ALICE)), of=slow)
    assert (verdict.decision, entrance.pulses) == (decided, pulses)
    if not pulses:
        assert entrance.commands == SHUT
        assert entrance.records == [("access_denied", "alice", "timeout")]
        assert verdict.match is None  # nobody is told how near it came
    assert entrance.failures == 0


def test_a_stranger_whose_comparison_is_late_is_not_counted_either(entrance: Entrance) -> None:
    slow = _Slow(person(), lambda: entrance.clock.advance(60))
    verdict = at_the_door(entrance, film(Toy(BOB)), of=slow)
    assert verdict.decision is Decision.TIMEOUT
    assert (entrance.commands, entrance.failures) == (SHUT, 0)


# --- clocks and the cool-down -------------------------------------------------------------


def test_a_clock_set_back_by_days_costs_one_cool_down_and_not_days(entrance: Entrance) -> None:
    first = entrance.somebody(Toy(BOB))
    entrance.clock.set_wall(entrance.clock.now() - timedelta(days=3))
    told = entrance.somebody(Toy(ALICE))
    entrance.clock.advance(1.5)
    still = entrance.somebody(Toy(ALICE))
    entrance.clock.advance(0.5)
    heard = entrance.somebody(Toy(ALICE))

    assert [(it.decision, it.reason) for it in (told, still)] == [
        (Decision.LOCKED_OUT, "Wait 2 seconds."),
        (Decision.LOCKED_OUT, "Wait 1 second."),
    ]
    assert (first.decision, heard.decision) == (Decision.REJECT, Decision.ACCEPT)
    assert entrance.pulses == 1
    assert entrance.records == [
        ("access_denied", "alice", "reject"),
        ("access_granted", "alice", "accept"),
    ]
    assert entrance.audit.first_bad() is None


def test_a_clock_set_back_during_a_lock_out_changes_nothing(
    entrance: Entrance,
) -> None:
    for _ in range(LOCKOUT.failures):
        entrance.somebody(Toy(BOB))
        entrance.clock.advance(5)
    entrance.clock.set_wall(entrance.clock.now() - timedelta(days=3))
    told = []
    for wait in (0.0, 2.0, 52.0, 3.0):
        entrance.clock.advance(wait)
        told.append(entrance.somebody(Toy(ALICE)).reason)
    assert told == [
        "Too many failed attempts. Wait 55 seconds.",
        "Too many failed attempts. Wait 53 seconds.",
        "Too many failed attempts. Wait 2 seconds.",
        "Welcome.",
    ]


def test_the_cool_down_counts_from_the_end_of_the_pulse(entrance: Entrance) -> None:
    assert entrance.somebody(Toy(ALICE)).decision is Decision.ACCEPT
    assert entrance.clock.monotonic() == pytest.approx(3.2)
    told = []
    for wait in (0.0, 1.0, 0.9, 0.1):
        entrance.clock.advance(wait)
        told.append(entrance.somebody(Toy(BOB)).reason)
    assert told[:3] == ["Wait 2 seconds.", "Wait 1 second.", "Wait 1 second."]
    assert entrance.records == [
        ("access_granted", "alice", "accept"),
        ("access_denied", "alice", "reject"),
    ]


def test_asking_again_and_again_neither_lengthens_the_cool_down_nor_fills_the_log(
    entrance: Entrance,
) -> None:
    entrance.somebody(Toy(BOB))  # ends at 0.2
    asked = []
    for _ in range(20):
        asked.append(entrance.somebody(Toy(ALICE)).decision)
        entrance.clock.advance(0.1)
    assert asked == [Decision.LOCKED_OUT] * 20
    assert entrance.somebody(Toy(ALICE)).decision is Decision.ACCEPT
    assert entrance.records == [
        ("access_denied", "alice", "reject"),
        ("access_granted", "alice", "accept"),
    ]


def test_in_the_cool_down_every_name_is_only_told_to_wait(entrance: Entrance) -> None:
    """Also one that is locked out, unknown or not permitted: none is recorded or starts anew."""
    for _ in range(LOCKOUT.failures):
        entrance.somebody(Toy(BOB))
        entrance.clock.advance(5)
    entrance.clock.advance(60)
    entrance.somebody(Toy(BOB))
    before, camera = entrance.records, ToyCamera(film(Toy(BOB)), entrance.clock)
    entrance.clock.advance(1.0)
    claims = [
        (CLAIM, Claimed(person())),
        (Claim("nobody", "pin"), None),
        (Claim("carol", "pin"), Claimed(person("carol", count=1))),
    ]
    told = [entrance.attempt().run(claim, of, camera) for claim, of in claims]
    assert {(it.decision, it.reason) for it in told} == {(Decision.LOCKED_OUT, "Wait 1 second.")}
    assert (entrance.records, camera.given) == (before, 0)
    entrance.clock.advance(1.0)
    bob = entrance.attempt().run(Claim("bob", "pin"), Claimed(person("bob", BOB)), camera)
    assert bob.decision is Decision.ACCEPT


# --- people who change while somebody stands at the door ----------------------------------


@pytest.fixture
def enrolled(entrance: Entrance) -> Entrance:
    """The entrance, with alice in its store."""
    entrance.store.people.add("alice", person().template)
    return entrance


def _removed(store: Store) -> None:
    assert store.people.remove("alice")


def _enrolled_anew(store: Store) -> None:
    vectors = [Embedding(vector_of(ALICE, seed), FINGERPRINT) for seed in range(10, 15)]
    store.people.add("alice", make_template(vectors, MODEL), replace=True)


def _replaced_by_another(store: Store) -> None:
    _removed(store)
    store.people.add("alice", person(who=BOB).template)


@pytest.mark.parametrize("change", [_removed, _enrolled_anew, _replaced_by_another])
def test_whoever_changes_between_claim_and_comparison_is_not_let_in(
    enrolled: Entrance, change: Callable[[Store], None], tmp_path: Path
) -> None:
    alice = enrolled.store.people.get("alice")
    assert alice is not None
    place = StoreLocation(tmp_path / "appliance.db", tmp_path / "template.key")

    def meanwhile(frame: Frame) -> None:
        if frame.at == 0.1:
            with ExitStack() as stack:  # another process: `appliance people remove`
                change(stack.enter_context(Store.open(place, enrolled.clock)))

    camera = ToyCamera(film(Toy(ALICE)), enrolled.clock, also=meanwhile)
    claimed = Claimed(alice, lambda: enrolled.store.people.get("alice"))
    with pytest.raises(StoreError, match="during this attempt") as caught:
        enrolled.attempt().run(CLAIM, claimed, camera)
    assert caught.value.code == "changed_meanwhile"
    assert camera.given == 3
    assert enrolled.commands == [*SHUT, (0.2, LockState.LOCKED, "failed attempt")]
    assert enrolled.records == [("attempt_failed", "alice", None)]
    assert enrolled.failures == 0


def test_whoever_did_not_change_is_let_in(enrolled: Entrance) -> None:
    alice = enrolled.store.people.get("alice")
    assert alice is not None
    enrolled.store.people.add("bob", person("bob", BOB).template)
    claimed = Claimed(alice, lambda: enrolled.store.people.get("alice"))
    assert at_the_door(enrolled, film(Toy(ALICE)), of=claimed).decision is Decision.ACCEPT
    assert enrolled.commands == GRANTED


# --- files at a real door -----------------------------------------------------------------


def _at_a_real_door(entrance: Entrance, camera: ToyCamera) -> Verdict:
    room = entrance.attempt()._door
    assert isinstance(room, DoorRoom)
    rules = Rules(POLICY, FAR, CALIBRATION)
    real = replace(room, simulated=False)
    attempt = Attempt(toy_perception(entrance.clock), rules, entrance.clock, real)
    return attempt.run(CLAIM, Claimed(person()), camera)


def test_a_recording_at_a_real_door_is_refused_before_it_is_looked_at(entrance: Entrance) -> None:
    camera = ToyCamera(film(Toy(ALICE)))
    with pytest.raises(UsageError) as caught:
        _at_a_real_door(entrance, camera)
    assert caught.value.code == "file_at_a_real_door"
    assert camera.given == 0
    assert entrance.commands == BROKEN_OFF
    assert entrance.records == [("attempt_failed", "alice", None)]


def test_a_sensor_at_a_real_door_opens_it(entrance: Entrance) -> None:
    verdict = _at_a_real_door(entrance, ToyCamera(film(Toy(ALICE)), entrance.clock))
    assert (verdict.decision, entrance.commands) == (Decision.ACCEPT, GRANTED)


# --- liveness in a row --------------------------------------------------------------------


LIVE, UNSURE = Toy(ALICE), Toy(ALICE, live=0.5)


@pytest.mark.parametrize(
    ("faces", "decided", "used"),
    [
        ([LIVE, LIVE, UNSURE, LIVE, LIVE], Decision.TIMEOUT, 2),
        ([LIVE, LIVE, UNSURE, LIVE, LIVE, LIVE], Decision.ACCEPT, 3),
        ([LIVE, UNSURE] * 10, Decision.TIMEOUT, 0),
        ([LIVE, LIVE, UNSURE] * 10, Decision.TIMEOUT, 0),
        ([UNSURE] * 10, Decision.POOR_QUALITY, 0),
    ],
)
def test_live_frames_count_only_in_a_row(
    entrance: Entrance, faces: Sequence[Toy], decided: Decision, used: int
) -> None:
    frames = [scene(at, face) for at, face in zip(times(len(faces)), faces, strict=True)]
    verdict = at_the_door(entrance, frames)
    assert (verdict.decision, verdict.frames_used) == (decided, used)
    assert entrance.pulses == (decided is Decision.ACCEPT)
    assert entrance.failures == 0


# --- broken attempts ----------------------------------------------------------------------


def _details(entrance: Entrance) -> list[tuple[str, str, dict[str, object]]]:
    return [(it.event, it.subject, dict(it.detail)) for it in entrance.audit.tail(100)]


def test_a_broken_attempt_leaves_its_reason_in_the_log(entrance: Entrance) -> None:
    def wait() -> None:
        raise ModelError("The network is gone.")

    with pytest.raises(ModelError, match="network is gone"):
        at_the_door(entrance, film(Toy(ALICE)), of=_Slow(person(), wait))
    assert _details(entrance) == [
        ("attempt_failed", "alice", {"error": "The network is gone.", "via": "pin"})
    ]
    assert entrance.audit.first_bad() is None


def test_a_broken_attempt_costs_the_cool_down_as_every_other(entrance: Entrance) -> None:
    def wait() -> None:
        raise ModelError("The network is gone.")

    with pytest.raises(ModelError):
        at_the_door(entrance, film(Toy(ALICE)), of=_Slow(person(), wait))
    entrance.clock.advance(1.0)
    told = entrance.somebody(Toy(ALICE))
    assert (told.decision, told.reason) == (Decision.LOCKED_OUT, "Wait 1 second.")
    entrance.clock.advance(1.0)
    assert entrance.somebody(Toy(ALICE)).decision is Decision.ACCEPT
    assert [event for event, _, _ in entrance.records] == ["attempt_failed", "access_granted"]


def test_a_claim_that_cannot_be_compared_does_not_fill_the_log_either(entrance: Entrance) -> None:
    ended = []
    for _ in range(30):  # ten times a second
        try:
            told = entrance.somebody(Toy(ALICE), of=person(fingerprint="another"))
            ended.append(told.decision.value)
        except StoreError as error:
            ended.append(error.code)
        entrance.clock.advance(0.1)
    wait = ["locked_out"] * 19
    assert ended == ["other_model", *wait, "other_model", *wait[:9]]
    assert entrance.records == [("attempt_failed", "alice", None)] * 2
    assert entrance.pulses == 0


def test_the_first_error_reaches_the_caller_even_when_the_lock_fails_too(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(cause: str) -> None:
        raise LockError("The relay is stuck.")

    def wait() -> None:
        monkeypatch.setattr(entrance.lock, "lock", stuck)
        raise ModelError("The network is gone.")

    with pytest.raises(ModelError, match="network is gone"):
        at_the_door(entrance, film(Toy(ALICE)), of=_Slow(person(), wait))
    assert entrance.commands == SHUT
    assert _details(entrance) == [
        (
            "alarm",
            "door",
            {
                "at": "2026-01-05T08:00:00.200+00:00",
                "kind": "lock_failed",
                "detail": "The relay is stuck.",
            },
        ),
        (
            "attempt_failed",
            "alice",
            {"error": "The network is gone.; and then: The relay is stuck.", "via": "pin"},
        ),
    ]


def test_the_first_error_reaches_the_caller_even_when_the_log_fails_too(
    entrance: Entrance,
) -> None:
    def wait() -> None:
        entrance.store.close()
        raise ModelError("The network is gone.")

    with pytest.raises(ModelError, match="network is gone"):
        at_the_door(entrance, film(Toy(ALICE)), of=_Slow(person(), wait))
    assert entrance.commands == [*SHUT, (0.2, LockState.LOCKED, "failed attempt")]


def test_an_attempt_that_only_tells_breaks_without_a_trace(entrance: Entrance) -> None:
    def wait() -> None:
        raise ModelError("The network is gone.")

    telling = entrance.attempt(policy=replace(POLICY, pulse_s=None))
    with pytest.raises(ModelError, match="network is gone"):
        telling.run(CLAIM, _Slow(person(), wait), ToyCamera(film(Toy(ALICE)), entrance.clock))
    assert _details(entrance) == []
