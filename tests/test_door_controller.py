from __future__ import annotations

from collections.abc import Mapping

import pytest

from appliance import door
from appliance.door import Fault, Locked, OutOfService, Unlocked
from appliance.door_controller import DoorController
from appliance.errors import LockError, StoreError
from appliance.hardware.lock import SimulatedLock
from appliance.types import AuditRecord, DoorEvent, LockState
from tests.fakes import FakeClock

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

    def __init__(self, clock: FakeClock) -> None:
        self.stuck = {LOCKED: 0, UNLOCKED: 0}
        super().__init__(clock)

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


class House:
    """A controller and what it drives."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.lock = StubbornLock(self.clock)
        self.audit = Audit(self.clock, self.lock)
        self.door = DoorController(
            self.lock, self.audit, self.clock, policy=door.Policy(longest_s=10), pulse_s=3
        )

    def stands(self) -> door.State:
        return self.door.state

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
    assert house.stands() == Locked()


def test_a_grant_returns_at_once_and_ticks_end_it() -> None:
    house = House()
    house.door.grant(house.record(), 4)
    assert house.stands() == Unlocked(0, 4)
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
    assert house.stands() == Locked()
    assert house.lock.state is LOCKED
    assert [(event, detail.get("kind")) for event, _, detail, _ in house.audit.written] == [
        ("access_granted", None),
        ("alarm", "lock_failed"),
        ("alarm", "lock_recovered"),
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
    assert house.stands() == Fault("stuck on the way to locked")
    with pytest.raises(LockError):
        house.door.tick()
    assert len([it for it in house.audit.written if it[0] == "alarm"]) == 1
    house.door.tick()
    assert house.stands() == Locked()
    assert house.lock.state is LOCKED


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
    assert (house.stands(), house.lock.state) == (Locked(), LOCKED)


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
