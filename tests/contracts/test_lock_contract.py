"""One suite for every lock: the simulated twin, gpiozero's mock pins and our own pin factory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory, MockPin

from appliance.errors import LockError
from appliance.hardware.lock import HISTORY, GpioLock, SimulatedLock
from appliance.hardware.pins import ChipFactory
from appliance.ports import Lock
from appliance.types import DoorEvent, LockState
from tests.fakes import FakeClock
from tests.hardware.fake_lgpio import FakeLgpio

LOCKED, UNLOCKED = LockState.LOCKED, LockState.UNLOCKED


class Rig:
    """A kind of lock on a bench: what it does electrically can be seen and broken.

    energised: every state the relay was commanded into, in order. fail_safe: of the locks.
    """

    def __init__(self, *, fail_safe: bool = False) -> None:
        self.fail_safe = fail_safe
        self.clock = FakeClock()
        self.energised: list[bool] = []

    def build(self) -> SimulatedLock | GpioLock:
        raise NotImplementedError

    def break_writes(self) -> None:
        raise NotImplementedError

    def mend_writes(self) -> None:
        raise NotImplementedError

    def hold(self, *, energised: bool) -> None:
        """From now on the relay reads like this, whatever it is told."""
        raise NotImplementedError

    def given_back(self) -> bool:
        raise NotImplementedError


class SimulatedRig(Rig):
    def __init__(self, folder: Path, *, fail_safe: bool = False) -> None:
        super().__init__(fail_safe=fail_safe)
        self.journal = folder / "journal"
        self.broken = False
        self.held: bool | None = None

    def build(self) -> SimulatedLock:
        rig = self

        class Observed(SimulatedLock):
            def _drive(self, event: DoorEvent) -> None:
                if rig.broken:
                    raise OSError("no current")
                super()._drive(event)
                rig.energised.append((event.state is UNLOCKED) is not rig.fail_safe)

            def _energised(self) -> bool:
                return super()._energised() if rig.held is None else rig.held

        self.lock = Observed(self.clock, journal=self.journal, fail_safe=self.fail_safe)
        return self.lock

    def break_writes(self) -> None:
        self.broken = True

    def mend_writes(self) -> None:
        self.broken = False

    def hold(self, *, energised: bool) -> None:
        self.held = energised

    def given_back(self) -> bool:
        assert self.lock._journal is not None
        return self.lock._journal._file is None


class MockRig(Rig):
    """gpiozero's mock pins, which first become an output and are then written."""

    def __init__(self, *, active_high: bool, fail_safe: bool = False) -> None:
        super().__init__(fail_safe=fail_safe)
        self.active_high = active_high
        self.broken = False
        self.held: bool | None = None
        self.factory_closed = False

    def build(self) -> GpioLock:
        rig = self

        class Observed(MockPin):  # type: ignore[misc]
            def _set_state(self, value: Any) -> None:
                if rig.broken:
                    raise OSError("no current")
                super()._set_state(value)
                rig.energised.append(bool(value) is rig.active_high)

            def _get_state(self) -> bool:
                if rig.held is not None:
                    return rig.held is rig.active_high
                return bool(super()._get_state())

        class ObservedFactory(MockFactory):  # type: ignore[misc]
            def close(self) -> None:
                rig.factory_closed = True
                super().close()

        factory = ObservedFactory(pin_class=Observed)
        return GpioLock(
            17, factory, self.clock, active_high=self.active_high, fail_safe=self.fail_safe
        )

    def break_writes(self) -> None:
        self.broken = True

    def mend_writes(self) -> None:
        self.broken = False

    def hold(self, *, energised: bool) -> None:
        self.held = energised

    def given_back(self) -> bool:
        return self.factory_closed


class ChipRig(Rig):
    """Our pins on a recording chip."""

    def __init__(self, *, active_high: bool, fail_safe: bool = False) -> None:
        super().__init__(fail_safe=fail_safe)
        self.active_high = active_high
        self.lgpio = FakeLgpio()

    @property
    def energised(self) -> list[bool]:
        return [bool(call[3]) is self.active_high for call in self.lgpio.commands()]

    @energised.setter
    def energised(self, value: list[bool]) -> None:
        assert value == []

    def build(self) -> GpioLock:
        factory = ChipFactory(0, self.lgpio)
        return GpioLock(
            5, factory, self.clock, active_high=self.active_high, fail_safe=self.fail_safe
        )

    def break_writes(self) -> None:
        self.lgpio.broken["gpio_write"] = "bad GPIO write"

    def mend_writes(self) -> None:
        del self.lgpio.broken["gpio_write"]

    def hold(self, *, energised: bool) -> None:
        self.lgpio.stuck = int(energised is self.active_high)

    def given_back(self) -> bool:
        return self.lgpio.calls[-1] == ("gpiochip_close", 0x10)


RIGS: dict[str, Callable[[Path], Rig]] = {
    "simulated": SimulatedRig,
    "mock-active-high": lambda _: MockRig(active_high=True),
    "mock-active-low": lambda _: MockRig(active_high=False),
    "chip-active-high": lambda _: ChipRig(active_high=True),
    "chip-active-low": lambda _: ChipRig(active_high=False),
}


SAFE_RIGS: dict[str, Callable[[Path], Rig]] = {
    "simulated": lambda folder: SimulatedRig(folder, fail_safe=True),
    "mock-active-high": lambda _: MockRig(active_high=True, fail_safe=True),
    "mock-active-low": lambda _: MockRig(active_high=False, fail_safe=True),
    "chip-active-high": lambda _: ChipRig(active_high=True, fail_safe=True),
    "chip-active-low": lambda _: ChipRig(active_high=False, fail_safe=True),
}


@pytest.fixture(params=list(RIGS))
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    return RIGS[request.param](tmp_path)


def test_it_is_a_lock_and_says_whether_it_drives_anything(rig: Rig) -> None:
    lock: Lock = rig.build()
    assert lock.simulated is isinstance(rig, SimulatedRig)
    lock.close()


def test_the_first_command_is_locked(rig: Rig) -> None:
    lock = rig.build()
    assert lock.history == (DoorEvent(0.0, LOCKED, "start"),)
    assert lock.state == LOCKED
    assert rig.energised == [False]
    lock.close()


def test_a_whole_pulse(rig: Rig) -> None:
    lock = rig.build()
    rig.clock.advance(1.5)
    lock.unlock("alice")
    assert (lock.state, lock.energised) == (UNLOCKED, True)
    rig.clock.advance(3.0)
    lock.lock("end of pulse")
    assert (lock.state, lock.energised) == (LOCKED, False)
    rig.clock.advance(1.0)
    lock.close()
    assert lock.history == (
        DoorEvent(0.0, LOCKED, "start"),
        DoorEvent(1.5, UNLOCKED, "alice"),
        DoorEvent(4.5, LOCKED, "end of pulse"),
        DoorEvent(5.5, LOCKED, "close"),
    )
    assert rig.energised[:4] == [False, True, False, False]
    assert not any(rig.energised[4:])


def test_closing_in_the_middle_of_a_pulse_locks_first(rig: Rig) -> None:
    lock = rig.build()
    lock.unlock("alice")
    assert not rig.given_back()
    lock.close()
    assert [event.state for event in lock.history] == [LOCKED, UNLOCKED, LOCKED]
    assert rig.energised[-1] is False
    assert rig.given_back()


def test_closing_twice_commands_once(rig: Rig) -> None:
    lock = rig.build()
    lock.close()
    before = list(rig.energised)
    lock.close()
    assert [event.cause for event in lock.history] == ["start", "close"]
    assert rig.energised == before


def test_a_closed_lock_takes_no_command(rig: Rig) -> None:
    lock = rig.build()
    lock.close()
    for command in (lock.lock, lock.unlock):
        with pytest.raises(LockError, match="closed"):
            command("late")
    with pytest.raises(LockError, match="closed"):
        _ = lock.energised
    assert lock.state is LOCKED


def test_locking_twice_is_two_commands(rig: Rig) -> None:
    lock = rig.build()
    lock.lock("once")
    lock.lock("twice")
    assert [event.cause for event in lock.history] == ["start", "once", "twice"]
    assert rig.energised == [False, False, False]
    lock.close()


def test_an_unlock_that_cannot_be_written_leaves_it_locked(rig: Rig) -> None:
    lock = rig.build()
    rig.break_writes()
    with pytest.raises(LockError, match="Locking it again failed too") as caught:
        lock.unlock("alice")
    assert caught.value.exit_code == 4
    assert lock.state is LOCKED
    rig.mend_writes()
    assert lock.energised is False
    lock.unlock("alice again")
    lock.lock("end of pulse")
    assert [event.cause for event in lock.history] == [
        "start",
        "alice again",
        "end of pulse",
    ]
    lock.close()


def test_a_relay_that_stays_off_is_told_to_lock_and_reported(rig: Rig) -> None:
    lock = rig.build()
    rig.hold(energised=False)
    with pytest.raises(LockError, match="told to be unlocked, but its line still reads not"):
        lock.unlock("alice")
    assert [(event.state, event.cause) for event in lock.history] == [
        (LOCKED, "start"),
        (UNLOCKED, "alice"),
        (LOCKED, "unlock failed"),
    ]
    assert rig.energised == [False, True, False]
    lock.close()


def test_a_relay_that_stays_on_is_reported_and_still_given_back(rig: Rig) -> None:
    lock = rig.build()
    lock.unlock("alice")
    rig.hold(energised=True)
    with pytest.raises(LockError, match="told to be locked, but its line still reads energised"):
        lock.lock("end of pulse")
    with pytest.raises(LockError, match="told to be locked"):
        lock.close()
    assert rig.given_back()
    assert rig.energised[:4] == [False, True, False, False]
    lock.close()


def test_a_lock_whose_last_command_fails_is_still_given_back(rig: Rig) -> None:
    lock = rig.build()
    rig.break_writes()
    with pytest.raises(LockError):
        lock.close()
    assert rig.given_back()
    lock.close()


def test_a_relay_that_is_stuck_on_from_the_start_is_refused(rig: Rig) -> None:
    rig.hold(energised=True)
    with pytest.raises(LockError, match="told to be locked"):
        rig.build()
    assert not any(rig.energised)


def test_the_history_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    lock = rig.build()
    for number in range(HISTORY + 3):
        lock.lock(str(number))
    assert len(lock.history) == HISTORY
    assert lock.history[-1].cause == str(HISTORY + 2)
    lock.close()


def test_the_simulated_lock_journals_what_the_history_holds(tmp_path: Path) -> None:
    rig = SimulatedRig(tmp_path)
    lock = rig.build()
    lock.unlock("alice")
    lock.close()
    lines = [json.loads(line) for line in rig.journal.read_text().splitlines()]
    assert [(line["at"], line["state"], line["cause"]) for line in lines] == [
        (event.at, event.state.value, event.cause) for event in lock.history
    ]


# --- fail-safe: energised means locked ------------------------------------------------------


@pytest.fixture(params=list(SAFE_RIGS))
def safe(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    return SAFE_RIGS[request.param](tmp_path)


def levels(rig: Rig) -> list[bool]:
    """What the relay was commanded into; a claim at rest before the first command left out."""
    return rig.energised if isinstance(rig, SimulatedRig) else rig.energised[1:]


def test_a_fail_safe_lock_is_claimed_at_rest_and_then_locked(safe: Rig) -> None:
    lock = safe.build()
    assert lock.history == (DoorEvent(0.0, LOCKED, "start"),)
    assert (lock.state, lock.energised) == (LOCKED, True)
    if not isinstance(safe, SimulatedRig):
        assert safe.energised[0] is False
    assert levels(safe) == [True]
    lock.close()


def test_a_whole_pulse_of_a_fail_safe_lock_and_its_end_released(safe: Rig) -> None:
    lock = safe.build()
    lock.unlock("alice")
    assert (lock.state, lock.energised) == (UNLOCKED, False)
    lock.lock("end of pulse")
    lock.close()
    assert [(it.state, it.cause) for it in lock.history] == [
        (LOCKED, "start"),
        (UNLOCKED, "alice"),
        (LOCKED, "end of pulse"),
        (UNLOCKED, "close"),
    ]
    assert levels(safe)[:4] == [True, False, True, False]
    assert not any(levels(safe)[4:])
    assert safe.given_back()


def test_a_fail_safe_lock_that_cannot_be_energised_is_brought_to_rest(safe: Rig) -> None:
    lock = safe.build()
    lock.unlock("alice")
    safe.hold(energised=False)
    with pytest.raises(LockError, match="told to be locked, but its line still reads not"):
        lock.lock("end of pulse")
    assert [(it.state, it.cause) for it in lock.history][2:] == [
        (LOCKED, "end of pulse"),
        (UNLOCKED, "lock failed"),
    ]
    assert levels(safe) == [True, False, True, False]
    lock.close()


def test_a_fail_safe_lock_that_does_not_let_go_is_reported(safe: Rig) -> None:
    lock = safe.build()
    safe.hold(energised=True)
    with pytest.raises(LockError, match="told to be unlocked, but its line still reads energised"):
        lock.unlock("alice")
    with pytest.raises(LockError, match="told to be unlocked"):
        lock.close()
    assert safe.given_back()


def test_a_fail_safe_lock_that_cannot_start_leaves_no_current(safe: Rig) -> None:
    safe.hold(energised=False)
    with pytest.raises(LockError, match="told to be locked"):
        safe.build()
    assert safe.energised[-1] is False


def test_when_nothing_can_be_written_both_failures_are_told(safe: Rig) -> None:
    lock = safe.build()
    lock.unlock("alice")
    safe.break_writes()
    with pytest.raises(LockError, match="Releasing it again failed too"):
        lock.lock("end of pulse")
    safe.mend_writes()
    assert lock.energised is False
    lock.close()


def test_a_fail_safe_device_that_is_dropped_leaves_its_line_without_current() -> None:
    rig = ChipRig(active_high=False, fail_safe=True)
    lock = rig.build()
    assert isinstance(lock, GpioLock)
    assert rig.lgpio.levels == {5: 0}
    lock._factory.close()
    assert rig.lgpio.levels == {5: 1}
