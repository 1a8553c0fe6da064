"""One attempt from the first frame to the locked door: the real pipeline, table, lock and store.

Only the networks are toys (tests.toys): a face is a painted rectangle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from appliance import decision, door, lockout
from appliance.attempt import Attempt, DoorRoom, Rules
from appliance.door_controller import DoorController
from appliance.errors import CameraError, LockError, ModelError, StoreError
from appliance.hardware.lock import SimulatedLock
from appliance.matching import Claimed, agreement, make_template
from appliance.perception import Observation, Perception
from appliance.ports import AuditLog
from appliance.store.location import StoreLocation
from appliance.store.store import Store
from appliance.types import (
    AuditRecord,
    Box,
    Claim,
    Decision,
    Embedding,
    FaceCrop,
    Fault,
    Frame,
    Landmarks,
    Liveness,
    LivenessState,
    LockState,
    Match,
    Person,
    Pixels,
    Verdict,
)
from appliance.vision.manifest import Calibration
from tests.fakes import START, FakeClock
from tests.toys import (
    ALICE,
    BOB,
    CALIBRATION,
    FINGERPRINT,
    MODEL,
    Toy,
    ToyCamera,
    ToyDetector,
    ToyEmbedder,
    ToyLiveness,
    scene,
    toy_perception,
    vector_of,
)

CLAIM = Claim("alice", "pin")
POLICY = decision.Policy(
    agreement=agreement(CALIBRATION),
    frames=3,
    minimum=3,
    frame_interval_s=0.1,
    gap_s=1.5,
    timeout_s=10.0,
    cool_down_s=2.0,
    liveness_required=True,
    pulse_s=3.0,
)
TELLING = replace(POLICY, minimum=1, timeout_s=float("inf"), pulse_s=None)
LOCKOUT = lockout.Policy(failures=3, lockout_s=60)
FAR = 1e-4

SHUT = [(0.0, LockState.LOCKED, "start"), (0.0, LockState.LOCKED, "door start")]
BROKEN_OFF = [*SHUT, (0.0, LockState.LOCKED, "failed attempt")]


def person(
    name: str = "alice", who: int = ALICE, count: int = 5, fingerprint: str = FINGERPRINT
) -> Person:
    vectors = [Embedding(vector_of(who, seed), fingerprint) for seed in range(count)]
    return Person(name, make_template(vectors, MODEL), START, START)


def times(count: int, start: float = 0.0, step: float = 0.1) -> list[float]:
    return [round(start + step * number, 3) for number in range(count)]


def film(toy: Toy, count: int = 5, start: float = 0.0) -> list[Frame]:
    return [scene(at, toy) for at in times(count, start)]


class Entrance:
    """A door with everything that belongs to it; `again` is the same after a restart."""

    def __init__(self, folder: Path, clock: FakeClock, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.clock = clock
        place = StoreLocation(folder / "appliance.db", folder / "template.key")
        self.store = stack.enter_context(Store.open(place, clock))
        self.lock = SimulatedLock(clock)
        stack.callback(self.lock.close)
        self.audit: AuditLog = self.store.audit

    def again(self) -> Entrance:
        self.store.close()
        return Entrance(self._folder, self.clock, self._stack)

    def attempt(
        self, perception: Perception | None = None, policy: decision.Policy = POLICY
    ) -> Attempt:
        room = None
        if policy.pulse_s is not None:
            control = DoorController(
                self.lock,
                self.audit,
                self.clock,
                policy=door.Policy(longest_s=3 * policy.pulse_s),
                pulse_s=policy.pulse_s,
            )
            room = DoorRoom(
                control, self.audit, self.store.failures, LOCKOUT, min_frames=5, simulated=True
            )
        rules = Rules(policy, FAR, CALIBRATION)
        return Attempt(perception or toy_perception(self.clock), rules, self.clock, room)

    def somebody(self, toy: Toy, of: Person | None = None) -> Verdict:
        """Somebody stands at the camera and claims to be alice."""
        camera = ToyCamera(film(toy), self.clock)
        return self.attempt().run(CLAIM, Claimed(of or person()), camera)

    @property
    def commands(self) -> list[tuple[float, LockState, str]]:
        return [(round(it.at, 3), it.state, it.cause) for it in self.lock.history]

    @property
    def pulses(self) -> int:
        return sum(state is LockState.UNLOCKED for _, state, _ in self.commands)

    @property
    def records(self) -> list[tuple[str, str, object]]:
        return [(it.event, it.subject, it.detail.get("decision")) for it in self.audit.tail(100)]

    @property
    def failures(self) -> int:
        count = self.store.failures.read("alice", CLAIM.via)
        return count.failures if count else 0


@pytest.fixture
def entrance(tmp_path: Path) -> Iterator[Entrance]:
    with ExitStack() as stack:
        yield Entrance(tmp_path, FakeClock(), stack)


# --- granted ------------------------------------------------------------------------------


def test_the_right_face_opens_for_one_pulse_and_the_whole_history_is_told(
    entrance: Entrance,
) -> None:
    heard: list[object] = []

    def seen(observation: Observation) -> None:
        heard.append(observation.frame.at)

    def told(verdict: Verdict) -> None:
        heard.append((verdict.decision, verdict.reason, entrance.lock.state))

    camera = ToyCamera(film(Toy(ALICE)), entrance.clock)
    verdict = entrance.attempt().run(CLAIM, Claimed(person()), camera, seen=seen, told=told)

    assert (verdict.decision, verdict.frames_used) == (Decision.ACCEPT, 3)
    assert verdict.liveness == Liveness(LivenessState.LIVE, 1.0)
    assert verdict.match is not None
    assert verdict.match.threshold == pytest.approx(0.5)  # the strictest of three curves
    # Two more frames were there, and nobody looked at them; the greeting does not wait.
    assert heard == [0.0, 0.1, 0.2, (Decision.ACCEPT, "Welcome.", LockState.UNLOCKED)]
    assert camera.given == 3
    assert entrance.commands == [
        *SHUT,
        (0.2, LockState.UNLOCKED, "access_granted #1"),
        (3.2, LockState.LOCKED, "pulse over"),
    ]
    assert entrance.clock.slept == [pytest.approx(3.0)]
    assert entrance.records == [("access_granted", "alice", "accept")]
    assert entrance.audit.first_bad() is None


def test_the_audit_is_written_while_the_door_is_still_locked(entrance: Entrance) -> None:
    class Watched:
        """The real log, and where the lock stood when it was written."""

        def __init__(self, log: AuditLog, lock: SimulatedLock) -> None:
            self._log, self._lock = log, lock
            self.stood: list[tuple[str, LockState]] = []

        def append(self, event: str, subject: str, detail: Mapping[str, object]) -> AuditRecord:
            self.stood.append((event, self._lock.state))
            return self._log.append(event, subject, detail)

        def tail(self, count: int) -> list[AuditRecord]:
            return self._log.tail(count)

        def first_bad(self) -> int | None:
            return self._log.first_bad()

    entrance.audit = watched = Watched(entrance.audit, entrance.lock)
    assert entrance.somebody(Toy(ALICE)).decision is Decision.ACCEPT
    assert watched.stood == [("access_granted", LockState.LOCKED)]
    assert entrance.pulses == 1


def test_the_audit_keeps_numbers_and_no_face(entrance: Entrance) -> None:
    verdict = entrance.somebody(Toy(ALICE))
    (record,) = entrance.audit.tail(1)
    assert verdict.match is not None
    assert record.detail == {
        "decision": "accept",
        "via": "pin",
        "frames_used": 3,
        "restarts": 0,
        "liveness": "live",
        "liveness_score": 1.0,
        "faults": {},
        "similarity": verdict.match.similarity,
        "threshold": verdict.match.threshold,
        "target_far": FAR,
        "far": verdict.match.far,
    }


def test_a_success_forgets_earlier_failures(entrance: Entrance) -> None:
    entrance.somebody(Toy(BOB))
    entrance.clock.advance(10)
    assert entrance.failures == 1
    assert entrance.somebody(Toy(ALICE)).decision is Decision.ACCEPT
    assert entrance.failures == 0


def test_frames_that_cannot_be_used_are_counted_and_do_not_stop_the_attempt(
    entrance: Entrance,
) -> None:
    frames = [
        scene(0.0),
        scene(0.1, Toy(ALICE, sharp=False)),
        scene(0.2, Toy(ALICE, live=0.5)),
        *film(Toy(ALICE), start=0.3),
    ]
    verdict = entrance.attempt().run(CLAIM, Claimed(person()), ToyCamera([*frames], entrance.clock))
    assert verdict.decision is Decision.ACCEPT
    assert verdict.faults == {Fault.NO_FACE: 1, Fault.BLURRED: 1}
    assert verdict.liveness.score == 1.0  # of the frames that were used


def test_frames_that_come_too_soon_to_be_used_are_not_embedded(entrance: Entrance) -> None:
    class Counting(ToyEmbedder):
        embedded = 0

        def embed(self, crop: FaceCrop) -> Embedding:
            self.embedded += 1
            return super().embed(crop)

    embedder = Counting()
    fast = [scene(at, Toy(ALICE)) for at in times(30, step=0.025)]
    camera = ToyCamera(fast, entrance.clock)
    attempt = entrance.attempt(toy_perception(entrance.clock, embedder=embedder))
    verdict = attempt.run(CLAIM, Claimed(person()), camera)
    assert (verdict.decision, camera.given, embedder.embedded) == (Decision.ACCEPT, 9, 3)


# --- refused ------------------------------------------------------------------------------


def test_a_stranger_stays_outside_and_is_counted(entrance: Entrance) -> None:
    verdict = entrance.somebody(Toy(BOB))
    assert verdict.decision is Decision.REJECT
    assert verdict.match is not None
    assert verdict.match.similarity < 0.2
    assert entrance.commands == SHUT
    assert entrance.records == [("access_denied", "alice", "reject")]
    assert entrance.failures == 1


def test_a_spoof_ends_the_attempt_at_once_and_is_counted(entrance: Entrance) -> None:
    camera = ToyCamera([*film(Toy(ALICE), 2), *film(Toy(ALICE, live=0.1), start=0.2)])
    verdict = entrance.attempt().run(CLAIM, Claimed(person()), camera)
    assert (verdict.decision, verdict.match) == (Decision.SPOOF, None)
    assert camera.given == 3
    assert entrance.commands == SHUT
    assert entrance.records == [("access_denied", "alice", "spoof")]
    assert entrance.failures == 1


@pytest.mark.parametrize(
    ("frames", "decided"),
    [
        ([scene(at) for at in times(5)], Decision.NO_FACE),
        ([scene(at, Toy(ALICE, sharp=False)) for at in times(5)], Decision.POOR_QUALITY),
        ([scene(at, Toy(ALICE, live=0.5)) for at in times(5)], Decision.POOR_QUALITY),
        (film(Toy(ALICE), 2), Decision.TIMEOUT),
        (
            [
                scene(at, Toy(ALICE, x=80, width=70), Toy(BOB, x=240, width=70))
                for at in times(4, step=0.6)
            ],
            Decision.SEVERAL_FACES,
        ),
    ],
)
def test_who_was_not_seen_well_enough_stays_outside_without_being_counted(
    entrance: Entrance, frames: list[Frame], decided: Decision
) -> None:
    verdict = entrance.attempt().run(CLAIM, Claimed(person()), ToyCamera(frames, entrance.clock))
    assert verdict.decision is decided
    assert entrance.commands == SHUT
    assert entrance.records == [("access_denied", "alice", decided.value)]
    assert entrance.failures == 0


def test_two_people_taking_turns_are_never_averaged_into_one(entrance: Entrance) -> None:
    turns = [scene(at, Toy(ALICE if i % 2 else BOB)) for i, at in enumerate(times(9))]
    verdict = entrance.attempt().run(CLAIM, Claimed(person()), ToyCamera(turns, entrance.clock))
    assert (verdict.decision, verdict.frames_used) == (Decision.TIMEOUT, 1)
    assert entrance.commands == SHUT
    (record,) = entrance.audit.tail(1)
    assert record.detail["restarts"] == 8


def test_a_slow_camera_runs_into_the_time_limit_on_the_wall(entrance: Entrance) -> None:
    frames = [scene(0.0, Toy(ALICE)), scene(9.9, Toy(ALICE)), *film(Toy(ALICE), start=10.0)]
    camera = ToyCamera(frames, entrance.clock)
    verdict = entrance.attempt().run(CLAIM, Claimed(person()), camera)
    assert (verdict.decision, camera.given) == (Decision.TIMEOUT, 3)
    assert entrance.commands == SHUT


def test_a_recording_runs_on_its_own_time_however_slow_the_computer(entrance: Entrance) -> None:
    def slow(_: Frame) -> None:
        entrance.clock.advance(60)

    recording = ToyCamera(film(Toy(ALICE)), also=slow)
    attempt = entrance.attempt(policy=replace(TELLING, timeout_s=10.0))
    verdict = attempt.run(CLAIM, Claimed(person()), recording)
    assert (verdict.decision, verdict.frames_used) == (Decision.ACCEPT, 3)


@pytest.mark.parametrize(
    ("of", "decided"),
    [
        (None, Decision.UNKNOWN_PERSON),
        (person(count=4), Decision.NOT_PERMITTED),
    ],
)
def test_who_may_not_enter_is_told_before_the_camera_looks(
    entrance: Entrance, of: Person | None, decided: Decision
) -> None:
    camera = ToyCamera(film(Toy(ALICE)), entrance.clock)
    verdict = entrance.attempt().run(CLAIM, Claimed(of) if of else None, camera)
    assert (verdict.decision, camera.given) == (decided, 0)
    assert entrance.commands == SHUT
    assert entrance.records == [("access_denied", "alice", decided.value)]
    assert entrance.failures == 0


def test_a_template_of_another_model_is_an_error_and_never_compared(entrance: Entrance) -> None:
    camera = ToyCamera(film(Toy(ALICE)), entrance.clock)
    with pytest.raises(StoreError) as caught:
        entrance.attempt().run(CLAIM, Claimed(person(fingerprint="another")), camera)
    assert caught.value.code == "other_model"
    assert camera.given == 0
    assert entrance.commands == BROKEN_OFF
    assert entrance.records == [("attempt_failed", "alice", None)]


# --- lock-out and cool-down ---------------------------------------------------------------


def test_lock_out_after_failures_in_a_row_outlives_a_restart_and_ends(entrance: Entrance) -> None:
    decisions = []
    for _ in range(3):
        decisions.append(entrance.somebody(Toy(BOB)).decision)
        entrance.clock.advance(5)
    entrance = entrance.again()
    refused = entrance.somebody(Toy(ALICE))
    decisions.append(refused.decision)
    entrance.clock.advance(60)
    decisions.append(entrance.somebody(Toy(ALICE)).decision)

    reject, out, accept = Decision.REJECT, Decision.LOCKED_OUT, Decision.ACCEPT
    assert decisions == [reject, reject, reject, out, accept]
    assert refused.reason == "Too many failed attempts. Wait 55 seconds."
    assert entrance.pulses == 1
    assert entrance.records == [
        ("access_denied", "alice", "reject"),
        ("access_denied", "alice", "reject"),
        ("access_denied", "alice", "reject"),
        ("access_denied", "alice", "locked_out"),
        ("access_granted", "alice", "accept"),
    ]


def test_a_lock_out_holds_one_name_only(entrance: Entrance) -> None:
    for _ in range(3):
        entrance.somebody(Toy(BOB))
        entrance.clock.advance(5)
    camera = ToyCamera(film(Toy(BOB)), entrance.clock)
    verdict = entrance.attempt().run(Claim("bob", "pin"), Claimed(person("bob", BOB)), camera)
    assert verdict.decision is Decision.ACCEPT


def test_the_cool_down_holds_across_attempts_and_restarts_and_is_not_recorded(
    entrance: Entrance,
) -> None:
    entrance.somebody(Toy(BOB))
    entrance.clock.advance(1.5)
    early = entrance.again().somebody(Toy(ALICE))
    assert (early.decision, early.reason) == (Decision.LOCKED_OUT, "Wait 1 second.")
    entrance = entrance.again()
    entrance.clock.advance(0.5)
    assert entrance.somebody(Toy(ALICE)).decision is Decision.ACCEPT
    assert entrance.records == [
        ("access_denied", "alice", "reject"),
        ("access_granted", "alice", "accept"),
    ]


def test_a_clock_that_was_set_back_asks_for_one_whole_cool_down(entrance: Entrance) -> None:
    entrance.somebody(Toy(BOB))
    entrance.clock.set_wall(START.replace(year=START.year - 1))
    verdict = entrance.somebody(Toy(ALICE))
    assert (verdict.decision, verdict.reason) == (Decision.LOCKED_OUT, "Wait 2 seconds.")


# --- only told ----------------------------------------------------------------------------


def test_telling_leaves_no_trace_and_obeys_no_lock_out(entrance: Entrance) -> None:
    for _ in range(3):
        entrance.somebody(Toy(BOB))
        entrance.clock.advance(5)
    before = entrance.records
    verdicts = [
        entrance.attempt(policy=TELLING).run(CLAIM, Claimed(person()), ToyCamera(film(Toy(who))))
        for who in (ALICE, BOB)
    ]
    assert [it.decision for it in verdicts] == [Decision.ACCEPT, Decision.REJECT]
    assert entrance.pulses == 0
    assert (entrance.records, entrance.failures) == (before, 3)


def test_one_picture_is_enough_to_tell_and_never_enough_for_a_door(entrance: Entrance) -> None:
    picture = [scene(0.0, Toy(ALICE))]
    told = entrance.attempt(policy=TELLING).run(CLAIM, Claimed(person()), ToyCamera(picture))
    assert (told.decision, told.frames_used) == (Decision.ACCEPT, 1)
    at_the_door = entrance.attempt().run(CLAIM, Claimed(person()), ToyCamera(picture))
    assert at_the_door.decision is Decision.TIMEOUT
    assert entrance.commands == SHUT


# --- broken -------------------------------------------------------------------------------


class _BrokenDetector(ToyDetector):
    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        raise ModelError("detector")


class _BrokenEmbedder(ToyEmbedder):
    def embed(self, crop: FaceCrop) -> Embedding:
        raise ModelError("embedder")


class _BrokenLiveness(ToyLiveness):
    def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        raise ZeroDivisionError("liveness")


class _BrokenReference(Claimed):
    def match(
        self, probes: Sequence[Embedding], calibration: Calibration, target_far: float
    ) -> Match:
        raise ModelError("matching")


def _unplugged(_: Frame) -> None:
    raise CameraError("camera")


def _breaks(seen: object) -> None:
    raise KeyboardInterrupt("screen")


_Run = Callable[[Entrance], object]


def _with(perception: Perception) -> _Run:
    return lambda at: at.attempt(perception).run(
        CLAIM, Claimed(person()), ToyCamera(film(Toy(ALICE)), at.clock)
    )


BREAKS: Sequence[tuple[str, type[BaseException], _Run]] = [
    ("detector", ModelError, _with(toy_perception(detector=_BrokenDetector()))),
    ("embedder", ModelError, _with(toy_perception(embedder=_BrokenEmbedder()))),
    ("liveness", ZeroDivisionError, _with(toy_perception(liveness=_BrokenLiveness()))),
    (
        "matching",
        ModelError,
        lambda at: at.attempt().run(
            CLAIM, _BrokenReference(person()), ToyCamera(film(Toy(ALICE)), at.clock)
        ),
    ),
    (
        "camera",
        CameraError,
        lambda at: at.attempt().run(
            CLAIM, Claimed(person()), ToyCamera(film(Toy(ALICE)), also=_unplugged)
        ),
    ),
    (
        "screen",
        KeyboardInterrupt,
        lambda at: at.attempt().run(
            CLAIM, Claimed(person()), ToyCamera(film(Toy(ALICE)), at.clock), seen=_breaks
        ),
    ),
]


@pytest.mark.parametrize(("text", "kind", "run"), BREAKS, ids=[text for text, _, _ in BREAKS])
def test_whatever_breaks_the_door_is_commanded_locked_and_the_error_goes_on(
    entrance: Entrance, text: str, kind: type[BaseException], run: _Run
) -> None:
    with pytest.raises(kind, match=f"^{text}$"):
        run(entrance)
    states = [(state, cause) for _, state, cause in entrance.commands]
    assert states == [
        (LockState.LOCKED, "start"),
        (LockState.LOCKED, "door start"),
        (LockState.LOCKED, "failed attempt"),
    ]
    assert entrance.records == [("attempt_failed", "alice", None)]
    assert entrance.failures == 0


def test_without_its_audit_record_the_door_never_moves(entrance: Entrance) -> None:
    class Full:
        """A log on a full disk."""

        def append(self, event: str, subject: str, detail: Mapping[str, object]) -> AuditRecord:
            raise StoreError("The disk is full.")

        def tail(self, count: int) -> list[AuditRecord]:
            return []

        def first_bad(self) -> int | None:
            return None

    entrance.audit = Full()
    with pytest.raises(StoreError, match="disk is full"):
        entrance.somebody(Toy(ALICE))
    assert entrance.commands == [*SHUT, (0.2, LockState.LOCKED, "failed attempt")]


def test_an_error_while_the_door_is_open_locks_it_at_once(entrance: Entrance) -> None:
    def told(_: Verdict) -> None:
        entrance.clock.advance(0.5)
        raise BrokenPipeError("nobody listens")

    camera = ToyCamera(film(Toy(ALICE)), entrance.clock)
    with pytest.raises(BrokenPipeError):
        entrance.attempt().run(CLAIM, Claimed(person()), camera, told=told)
    assert entrance.commands == [
        *SHUT,
        (0.2, LockState.UNLOCKED, "access_granted #1"),
        (0.7, LockState.LOCKED, "failed attempt"),
    ]


def test_an_interrupt_while_the_pulse_runs_locks_at_once(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(entrance.clock, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        entrance.somebody(Toy(ALICE))
    assert entrance.commands == [
        *SHUT,
        (0.2, LockState.UNLOCKED, "access_granted #1"),
        (0.2, LockState.LOCKED, "failed attempt"),
    ]


def test_a_lock_that_does_not_release_is_an_error_and_stays_locked(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(cause: str) -> None:
        raise LockError("The relay is stuck.")

    monkeypatch.setattr(entrance.lock, "unlock", stuck)
    with pytest.raises(LockError, match="stuck"):
        entrance.somebody(Toy(ALICE))
    assert entrance.lock.state is LockState.LOCKED
    assert entrance.pulses == 0


def test_a_door_does_not_open_long_after_the_decision(entrance: Entrance) -> None:
    class Slow:
        """A disk that stands still while the record is written."""

        def append(self, event: str, subject: str, detail: Mapping[str, object]) -> AuditRecord:
            if event == "access_granted":
                entrance.clock.advance(6)
            return entrance.store.audit.append(event, subject, detail)

        def __getattr__(self, name: str) -> object:
            return getattr(entrance.store.audit, name)

    entrance.audit = Slow()  # type: ignore[assignment]  # only what an attempt uses of it
    with pytest.raises(LockError, match="its record took 6 s"):
        entrance.somebody(Toy(ALICE))
    assert entrance.pulses == 0
    assert [event for event, _, _ in entrance.records] == ["access_granted", "attempt_failed"]
