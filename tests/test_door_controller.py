from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import door
from appliance.door import Fault, Locked, OutOfService, Pulse, Unlocked
from appliance.door_controller import POLL_S, DoorController
from appliance.door_values import (
    AlarmKind,
    DoorChange,
    DoorReadings,
    DoorStatus,
    DoorWord,
    Happening,
)
from appliance.errors import LockError, StoreError
from appliance.hardware.lock import SimulatedLock
from appliance.types import AuditRecord, DoorEvent, LockState
from tests.fakes import FakeClock
from tests.patience import patient

LOCKED, UNLOCKED = LockState.LOCKED, LockState.UNLOCKED


class Audit:
    """Keeps records in memory, with the lock's state at the time; `broken` refuses them."""

    def __init__(self, clock: FakeClock, lock: SimulatedLock) -> None:
        self._clock = clock
        self._lock = lock
        self.broken = False
        self.written: list[tuple[str, str, Mapping[str, object], LockState]] = []

    def append(self, event: str, subject: str, detail: Mapping[str, object]) -> AuditRecord:
        if self.broken:
            raise StoreError("The disk is full.")
        self.written.append((event, subject, detail, self._lock.state))
        return AuditRecord(len(self.written), self._clock.now(), event, subject, detail, "")

    def tail(self, count: int) -> list[AuditRecord]:
        raise NotImplementedError

    def first_bad(self) -> int | None:
        raise NotImplementedError


class StubbornLock(SimulatedLock):
    """A simulated lock whose next commands fail, as often as `stuck` says, by direction."""

    def __init__(self, clock: FakeClock, *, fail_safe: bool = False) -> None:
        self.stuck = {LOCKED: 0, UNLOCKED: 0}
        super().__init__(clock, fail_safe=fail_safe)

    def _drive(self, event: DoorEvent) -> None:
        if self.stuck[event.state]:
            self.stuck[event.state] -= 1
            raise LockError(f"stuck on the way to {event.state.value}")
        super()._drive(event)


class InterruptedClock(FakeClock):
    """Somebody stops the program while it sleeps."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def sleep(self, seconds: float) -> None:
        self.advance(seconds / 2)
        raise self._error


class Inputs:
    """A closed door; `broken` says what reading it raises."""

    def __init__(self) -> None:
        self.open = False
        self.pressed = False
        self.tampered = False
        self.broken: Exception | None = None

    def read(self) -> DoorReadings:
        if self.broken is not None:
            raise self.broken
        return DoorReadings(self.open, self.pressed, self.tampered)

    def close(self) -> None:
        raise NotImplementedError


class House:
    """A controller and what it drives. connected: it has contact, button and tamper contact."""

    def __init__(
        self, clock: FakeClock | None = None, *, connected: bool = False, fail_safe: bool = False
    ) -> None:
        self.clock = clock or FakeClock()
        self.lock = StubbornLock(self.clock, fail_safe=fail_safe)
        self.audit = Audit(self.clock, self.lock)
        self.inputs = Inputs()
        self.door = DoorController(
            self.lock,
            self.audit,
            self.clock,
            policy=door.Policy(longest_s=10, fail_safe=fail_safe),
            pulse_s=3,
            inputs=self.inputs if connected else None,
        )
        self.heard: list[tuple[float, str, str, str]] = []
        self.door.listen(self._hear)

    def _hear(self, change: DoorChange) -> None:
        what = (
            change.what.value
            if change.alarm is None
            else f"{change.what.value} {change.alarm.value}"
        )
        self.heard.append((round(change.at, 2), what, change.state.value, change.detail))

    def stands(self) -> door.State:
        return self.door.state

    def flows(self) -> bool:
        """Whether current flows through the strike."""
        return self.lock.energised

    def told(self) -> list[tuple[str, object]]:
        """What was written: the event, and which alarm."""
        return [(event, detail.get("kind")) for event, _, detail, _ in self.audit.written]

    def pass_time(self, seconds: float) -> None:
        """Tick as the door's thread does."""
        for _ in range(round(seconds / POLL_S)):
            self.clock.advance(POLL_S)
            self.door.tick()

    def record(self) -> AuditRecord:
        return self.audit.append("access_granted", "alice", {})

    def history(self) -> list[tuple[float, LockState, str]]:
        return [(it.at, it.state, it.cause) for it in self.lock.history]


BEGINNING = [(0.0, LOCKED, "start"), (0.0, LOCKED, "door start")]


def test_a_pulse_writes_releases_waits_and_locks() -> None:
    house = House()
    record = house.door.pulse("door_test", "root", {"why": "installation"})
    assert record.number == 1
    assert house.audit.written == [("door_test", "root", {"why": "installation"}, LOCKED)]
    assert house.clock.slept == [3]
    assert house.history() == [
        *BEGINNING,
        (0.0, UNLOCKED, "door_test #1"),
        (3.0, LOCKED, "pulse over"),
    ]


def test_without_an_audit_record_the_door_does_not_move() -> None:
    house = House()
    house.audit.broken = True
    with pytest.raises(StoreError, match="disk is full"):
        house.door.pulse("door_test", "root", {})
    assert house.history() == BEGINNING


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143), RuntimeError("clock")])
def test_whatever_interrupts_a_pulse_ends_locked_and_goes_on(error: BaseException) -> None:
    house = House(InterruptedClock(error))
    with pytest.raises(type(error)):
        house.door.pulse("door_test", "root", {})
    assert house.history() == [
        *BEGINNING,
        (0.0, UNLOCKED, "door_test #1"),
        (1.5, LOCKED, f"{type(error).__name__} in a pulse"),
    ]
    assert house.stands() == Locked(1.5)


def test_a_grant_returns_at_once_and_ticks_end_it() -> None:
    house = House()
    house.door.grant(house.record(), 4)
    assert (house.stands(), house.door.pulsing) == (Unlocked(Pulse(0, 4)), True)
    for _ in range(5):
        house.clock.advance(1)
        house.door.tick()
    assert house.history()[2:] == [
        (0.0, UNLOCKED, "access_granted #1"),
        (4.0, LOCKED, "pulse over"),
    ]


def test_secure_ends_a_pulse() -> None:
    house = House()
    house.door.grant(house.record(), 4)
    house.door.secure("attempt failed")
    assert house.history()[2:] == [
        (0.0, UNLOCKED, "access_granted #1"),
        (0.0, LOCKED, "attempt failed"),
    ]


def test_a_lock_that_cannot_be_released_is_locked_and_told_and_may_try_again() -> None:
    house = House()
    house.lock.stuck[UNLOCKED] = 1
    with pytest.raises(LockError, match="on the way to unlocked"):
        house.door.grant(house.record(), 3)
    assert house.stands() == Locked(0)
    assert house.lock.state is LOCKED
    assert house.told() == [
        ("access_granted", None),
        ("alarm", "lock_failed"),
        ("alarm_over", "lock_failed"),
    ]
    house.door.grant(house.record(), 3)
    assert house.lock.state is UNLOCKED


def test_a_lock_that_stays_energised_is_a_fault_until_it_obeys() -> None:
    house = House()
    house.door.grant(house.record(), 3)
    house.lock.stuck[LOCKED] = 3
    house.clock.advance(3)
    with pytest.raises(LockError):
        house.door.tick()  # fails, and so does the second try
    assert house.stands() == Fault("stuck on the way to locked", Locked(3), 4)
    house.door.tick()  # too early for another try
    house.clock.advance(1)
    with pytest.raises(LockError):
        house.door.tick()
    house.door.write_records()
    assert house.told() == [("access_granted", None), ("alarm", "lock_failed")]
    house.clock.advance(1)
    house.door.tick()
    house.door.write_records()
    assert house.told()[2:] == [("alarm_over", "lock_failed")]
    assert (house.stands(), house.lock.state) == (Locked(3), LOCKED)


def test_in_a_fault_nothing_is_written_that_would_claim_an_opening() -> None:
    house = House()
    house.lock.stuck[LOCKED] = 2
    with pytest.raises(LockError):
        house.door.secure("try")
    written = list(house.audit.written)
    with pytest.raises(LockError, match="does not obey: stuck on the way to locked"):
        house.door.pulse("door_test", "root", {})
    assert house.audit.written == written


def test_a_fault_locks_even_when_the_alarm_cannot_be_written() -> None:
    house = House()
    record = house.record()
    house.lock.stuck[UNLOCKED] = 1
    house.audit.broken = True
    with pytest.raises(LockError, match="on the way to unlocked"):
        house.door.grant(record, 3)
    assert (house.stands(), house.lock.state) == (Locked(0), LOCKED)
    house.audit.broken = False
    house.door.write_records()
    assert house.told()[1:] == [("alarm", "lock_failed"), ("alarm_over", "lock_failed")]


def test_a_line_that_has_just_failed_is_not_energised() -> None:
    house = House()
    house.door.grant(house.record(), 3)
    house.clock.advance(5)  # nobody ticked
    house.lock.stuck[LOCKED] = 1
    with pytest.raises(LockError):
        house.door.grant(house.record(), 3)
    assert [state for _, state, _ in house.history()[2:]] == [UNLOCKED, LOCKED]


def test_after_a_shutdown_nothing_is_released() -> None:
    house = House()
    record = house.record()
    house.door.grant(record, 3)
    house.door.shutdown()
    house.door.shutdown()
    with pytest.raises(LockError, match="stopping"):
        house.door.grant(record, 3)
    with pytest.raises(LockError, match="stopping"):
        house.door.pulse("door_test", "root", {})
    assert house.stands() == OutOfService()
    assert [(state, cause) for _, state, cause in house.history()[3:]] == [
        (LOCKED, "shutdown"),
        (LOCKED, "shutdown"),
    ]


# --- a door with contact, button and tamper contact ---------------------------------------


def connected(*, fail_safe: bool = False) -> House:
    """A closed door whose inputs have been read."""
    house = House(connected=True, fail_safe=fail_safe)
    house.pass_time(0.2)
    return house


def test_somebody_comes_in_and_all_of_it_is_told_in_order() -> None:
    house = connected()
    house.door.grant(house.record(), 5)
    house.pass_time(1)
    house.inputs.open = True
    house.pass_time(1)
    house.inputs.open = False
    house.pass_time(10)
    house.door.write_records()
    assert house.heard == [
        (0.2, "state", "unlocked", ""),
        (0.2, "released", "unlocked", "access_granted #1"),
        (1.28, "state", "open", ""),
        (2.28, "state", "locked", ""),
        (2.28, "secured", "locked", "door closed"),
    ]
    assert [(state, cause) for _, state, cause in house.history()] == [
        (LOCKED, "start"),
        (LOCKED, "door start"),
        (UNLOCKED, "access_granted #1"),
        (LOCKED, "door closed"),
    ]
    assert house.told() == [("access_granted", None)]


def test_the_button_releases_at_once_and_is_written_down_when_somebody_has_time() -> None:
    house = connected()
    house.inputs.pressed = True
    house.pass_time(0.06)
    assert (house.lock.state, house.audit.written) == (UNLOCKED, [])
    house.inputs.pressed = False
    house.pass_time(4)
    house.door.write_records()
    assert [(event, subject) for event, subject, _, _ in house.audit.written] == [
        ("request_to_exit", "door")
    ]
    assert house.audit.written[0][2] == {
        "at": "2026-01-05T08:00:00.260+00:00",
        "state": "unlocked",
        "released": True,
    }
    assert house.heard == [
        (0.26, "state", "unlocked", ""),
        (0.26, "released", "unlocked", "request_to_exit"),
        (0.26, "request_to_exit", "unlocked", ""),
        (3.26, "state", "locked", ""),
        (3.26, "secured", "locked", "pulse over"),
    ]


@pytest.mark.parametrize("fail_safe", [False, True])
def test_the_button_releases_in_a_fault_with_a_full_disk_and_after_the_end(
    fail_safe: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    house = connected(fail_safe=fail_safe)
    house.audit.broken = True
    # The line that failed to take current is at rest; a fail-safe one is not told to rest again.
    house.lock.stuck[LOCKED] = 2 if not fail_safe else 1
    with pytest.raises(LockError):
        house.door.secure("try")
    assert isinstance(house.stands(), Fault)
    house.door.request_to_exit()
    assert house.lock.state is UNLOCKED
    house.pass_time(2.9)
    assert house.lock.state is UNLOCKED
    house.pass_time(0.2)
    assert house.lock.state is LOCKED
    house.door.shutdown()
    house.door.request_to_exit()
    assert house.lock.state is UNLOCKED
    house.pass_time(4)
    assert house.lock.state is (UNLOCKED if fail_safe else LOCKED)


def test_a_press_at_the_very_end_of_a_pulse_is_not_locked_in_between() -> None:
    house = connected()
    house.door.grant(house.record(), 2)
    house.pass_time(1.94)
    house.inputs.pressed = True
    house.clock.advance(0.02)
    house.door.tick()
    house.clock.advance(0.05)  # the pulse is over, and the press counts, at the same reading
    house.door.tick()
    assert [cause for _, _, cause in house.history()[2:]] == ["access_granted #1", door.EXIT]


def test_a_door_that_closes_when_its_lock_is_to_be_tried_again_recovers_once() -> None:
    house = connected()
    house.lock.stuck[LOCKED] = 2
    with pytest.raises(LockError):
        house.door.secure("try")
    house.door.request_to_exit()
    house.inputs.open = True
    house.pass_time(0.5)
    house.inputs.open = False
    house.clock.advance(0.46)
    house.door.tick()
    house.clock.advance(0.1)  # the closing counts and the second is over, at the same reading
    house.door.tick()
    house.door.write_records()
    assert isinstance(house.stands(), Locked)
    assert [cause for _, _, cause in house.history()[2:]] == [door.EXIT, "door closed"]
    assert house.told() == [
        ("alarm", "lock_failed"),
        ("request_to_exit", None),
        ("alarm_over", "lock_failed"),
    ]


def test_a_press_that_fails_is_told_and_recorded_as_such() -> None:
    house = connected()
    house.lock.stuck[UNLOCKED] = 1
    with pytest.raises(LockError, match="on the way to unlocked"):
        house.door.request_to_exit()
    house.door.write_records()
    assert [(event, detail.get("released")) for event, _, detail, _ in house.audit.written] == [
        ("request_to_exit", False),
        ("alarm", None),
        ("alarm_over", None),
    ]


def test_a_forced_door_and_a_tampered_case_are_alarms_until_they_end() -> None:
    house = connected()
    house.inputs.tampered = house.inputs.open = True
    house.pass_time(0.2)
    assert house.door.status().alarms == (AlarmKind.FORCED, AlarmKind.TAMPER)
    house.inputs.tampered = house.inputs.open = False
    house.pass_time(0.2)
    house.door.write_records()
    assert house.told() == [
        ("alarm", "forced"),
        ("alarm", "tamper"),
        ("alarm_over", "forced"),
        ("alarm_over", "tamper"),
    ]
    assert house.heard == [
        (0.28, "state", "forced", ""),
        (0.28, "alarm forced", "forced", door.FORCED),
        (0.32, "alarm tamper", "forced", door.TAMPERED),
        (0.48, "state", "locked", ""),
        (0.48, "alarm_over forced", "locked", ""),
        (0.52, "alarm_over tamper", "locked", ""),
    ]


def test_inputs_that_cannot_be_read_are_an_alarm_and_the_door_goes_on() -> None:
    house = connected()
    house.door.grant(house.record(), 2)
    house.inputs.broken = RuntimeError("the chip is gone")
    house.pass_time(3)
    assert house.stands() == Locked(pytest.approx(2.2))  # type: ignore[arg-type]
    status = house.door.status()
    assert (status.alarms, status.error) == ((AlarmKind.INPUTS_FAILED,), "the chip is gone")
    house.inputs.broken = None
    house.pass_time(0.1)
    house.door.write_records()
    assert house.told()[1:] == [("alarm", "inputs_failed"), ("alarm_over", "inputs_failed")]
    assert house.door.status().error == ""


def test_a_hiccup_of_the_inputs_is_none() -> None:
    house = connected()
    house.inputs.broken = RuntimeError("busy")
    house.pass_time(0.4)
    house.inputs.broken = None
    house.pass_time(0.4)
    assert house.heard == []


def test_the_status_says_how_the_door_stands() -> None:
    house = House(connected=True)
    assert house.door.status() == DoorStatus(
        at=0.0,
        state=DoorWord.LOCKED,
        since=0.0,
        released=False,
        open=None,
        exit_pressed=None,
        tampered=None,
        alarms=(),
        error="",
    )
    house.pass_time(0.2)
    assert house.door.status().contact == "closed"
    house.door.request_to_exit()
    house.inputs.open = house.inputs.pressed = True
    house.pass_time(0.1)
    status = house.door.status()
    assert (status.state, status.released, status.contact) == (DoorWord.OPEN, True, "open")
    assert (status.exit_pressed, status.tampered) == (True, False)
    assert status.since == pytest.approx(0.28)
    assert status.at == pytest.approx(0.3)


def test_a_door_without_inputs_knows_nothing_of_its_leaf() -> None:
    status = House().door.status()
    assert (status.contact, status.exit_pressed, status.tampered) == (None, None, None)


def test_waiting_reads_the_inputs_meanwhile() -> None:
    house = connected()
    house.inputs.open = True
    house.door.grant(house.record(), 2)
    house.door.wait()
    assert house.clock.slept == pytest.approx([POLL_S] * 100)
    assert house.door.status().state is DoorWord.OPEN


# --- listeners ----------------------------------------------------------------------------


def test_a_listener_that_fails_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    house = House()

    def failing(_: DoorChange) -> None:
        raise RuntimeError("out of cheese")

    end = house.door.listen(failing)
    house.door.grant(house.record(), 3)
    end()
    house.door.secure("enough")
    assert [what for _, what, _, _ in house.heard] == ["state", "released", "state", "secured"]
    assert house.lock.state is LOCKED
    assert len([it for it in caplog.records if "listener" in it.message]) == 2


def test_a_listener_may_call_the_door_and_all_hear_the_same_order() -> None:
    house = House()
    house.door.listen(
        lambda change: house.door.secure("no") if change.what is Happening.RELEASED else None
    )
    second: list[str] = []
    house.door.listen(lambda change: second.append(change.what.value))
    house.door.grant(house.record(), 3)
    assert second == ["state", "released", "state", "secured"]
    assert [what for _, what, _, _ in house.heard] == second


def test_a_listener_that_hangs_does_not_keep_others_from_locking() -> None:
    house = House()
    hangs, go_on = threading.Event(), threading.Event()

    def hanging(_: DoorChange) -> None:
        hangs.set()
        assert go_on.wait(patient(10))

    end = house.door.listen(hanging)
    record = house.record()
    thread = threading.Thread(target=house.door.grant, args=(record, 3))
    thread.start()
    assert hangs.wait(patient(10))
    house.door.secure("enough")
    assert house.lock.state is LOCKED
    end()
    go_on.set()
    thread.join(patient(10))
    assert [what for _, what, _, _ in house.heard] == ["state", "released", "state", "secured"]


class SlowAudit(Audit):
    """A disk that answers when it is told to."""

    def __init__(self, clock: FakeClock, lock: SimulatedLock) -> None:
        super().__init__(clock, lock)
        self.busy, self.go_on = threading.Event(), threading.Event()

    def append(self, event: str, subject: str, detail: Mapping[str, object]) -> AuditRecord:
        self.busy.set()
        assert self.go_on.wait(patient(10))
        return super().append(event, subject, detail)


def test_a_disk_that_hangs_delays_neither_the_button_nor_the_end_of_a_pulse() -> None:
    clock = FakeClock()
    lock = SimulatedLock(clock)
    audit = SlowAudit(clock, lock)
    controller = DoorController(lock, audit, clock, policy=door.Policy(longest_s=10), pulse_s=3)
    controller.request_to_exit()
    thread = threading.Thread(target=controller.write_records)
    thread.start()
    assert audit.busy.wait(patient(10))
    clock.advance(3)
    controller.tick()
    assert lock.state is LOCKED
    controller.request_to_exit()
    assert lock.state is UNLOCKED
    audit.go_on.set()
    thread.join(patient(10))
    controller.write_records()
    assert [event for event, *_ in audit.written] == ["request_to_exit"] * 2


# --- fail-safe ----------------------------------------------------------------------------


def test_a_fail_safe_door_is_released_by_cutting_its_current_and_by_every_end() -> None:
    house = House(fail_safe=True)
    assert house.flows()
    house.door.pulse("door_test", "root", {})
    assert house.flows()
    house.door.shutdown()
    assert not house.flows()
    house.lock.close()
    assert [(state, cause) for _, state, cause in house.history()] == [
        (LOCKED, "start"),
        (LOCKED, "door start"),
        (UNLOCKED, "door_test #1"),
        (LOCKED, "pulse over"),
        (UNLOCKED, "shutdown"),
        (UNLOCKED, "close"),
    ]


def test_a_fail_safe_door_that_does_not_lock_stands_released_and_is_tried_again() -> None:
    house = House(fail_safe=True)
    house.lock.stuck[LOCKED] = 2
    with pytest.raises(LockError, match="on the way to locked"):
        house.door.secure("try")
    assert not house.flows()
    with pytest.raises(LockError, match="does not obey"):
        house.door.grant(house.record(), 3)
    for _ in range(2):
        house.clock.advance(1)
        try:
            house.door.tick()
        except LockError:
            assert not house.flows()
    assert house.flows()
    house.door.write_records()
    assert house.told() == [
        ("alarm", "lock_failed"),
        ("access_granted", None),
        ("alarm_over", "lock_failed"),
    ]


def test_a_fail_safe_line_that_cannot_lock_before_the_next_grant_lets_go_all_the_same() -> None:
    house = House(fail_safe=True)
    house.door.grant(house.record(), 3)
    house.clock.advance(5)  # nobody ticked
    house.lock.stuck[LOCKED] = 1
    with pytest.raises(LockError):
        house.door.grant(house.record(), 3)
    assert [cause for _, state, cause in house.history()[2:] if state is UNLOCKED] == [
        "access_granted #1",
        "lock failed",
        "access_granted #2",
        "rest after a fault",
    ]


# --- whatever happens ---------------------------------------------------------------------

steps = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(0, 4)),
        st.tuples(st.just("grant"), st.floats(0.1, 20)),
        st.tuples(st.sampled_from(["exit", "secure", "broken disk", "mended disk"]), st.just(0.0)),
        st.tuples(st.sampled_from(["open", "press", "tamper"]), st.sampled_from([0.0, 1.0])),
        st.tuples(st.sampled_from(["stuck locked", "stuck unlocked"]), st.sampled_from([1.0, 3.0])),
        st.tuples(st.sampled_from(["blind", "seeing"]), st.just(0.0)),
    ),
    max_size=25,
)


def _do(house: House, word: str, value: float) -> None:
    if word == "pass":
        for _ in range(round(value / 0.1)):
            house.clock.advance(0.1)
            try:
                house.door.tick()
            except LockError:
                assert isinstance(house.stands(), Fault) or house.lock.state is LOCKED
    elif word == "grant":
        house.door.grant(house.record(), value)
    elif word == "exit":
        house.door.request_to_exit()
    elif word == "secure":
        house.door.secure("failed")
    elif word.endswith("disk"):
        house.audit.broken = word.startswith("broken")
    elif word.startswith("stuck"):
        house.lock.stuck[LockState(word.split()[1])] = int(value)
    elif word in {"blind", "seeing"}:
        house.inputs.broken = RuntimeError("blind") if word == "blind" else None
    else:
        setattr(house.inputs, {"press": "pressed", "tamper": "tampered"}.get(word, word), value > 0)


@settings(max_examples=100, deadline=None)
@given(steps)
def test_the_line_is_never_energised_without_its_record_or_a_press(
    moves: list[tuple[str, float]],
) -> None:
    house = House(connected=True)
    for word, value in moves:
        with contextlib.suppress(LockError, StoreError):
            _do(house, word, value)
    granted = {f"access_granted #{number + 1}" for number in range(len(house.audit.written))}
    causes = {cause for _, state, cause in house.history() if state is UNLOCKED}
    assert causes <= granted | {door.EXIT}
    # Left alone with a line that obeys, it rests, all is written, and each alarm has its end.
    house.lock.stuck = {LOCKED: 0, UNLOCKED: 0}
    house.inputs.broken, house.audit.broken = None, False
    house.inputs.open = house.inputs.pressed = house.inputs.tampered = False
    for _ in range(300):
        house.clock.advance(0.1)
        house.door.tick()
    house.door.write_records()
    assert (house.lock.energised, house.door.status().alarms) == (False, ())
    told = house.told()
    for kind in AlarmKind:
        begun, ended = told.count(("alarm", kind.value)), told.count(("alarm_over", kind.value))
        assert begun == ended
