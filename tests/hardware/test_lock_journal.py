"""The simulated lock's journal, where disks and files are not as they should be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.errors import LockError
from appliance.hardware.lock import GpioLock, SimulatedLock
from appliance.types import LockState
from tests.fakes import FakeClock


def test_an_entry_says_when_who_what_and_why(tmp_path: Path) -> None:
    journal = tmp_path / "new" / "journal"
    lock = SimulatedLock(FakeClock(monotonic=2.5), journal=journal)
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [{**line, "pid": 0} for line in lines] == [
        {
            "at": 2.5,
            "wall": "2026-01-05T08:00:00+00:00",
            "pid": 0,
            "state": "locked",
            "cause": "start",
        }
    ]
    lock.close()


def test_a_torn_line_does_not_swallow_the_next_entry(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.write_text('{"at": 1.0, "sta')
    SimulatedLock(FakeClock(), journal=journal).close()
    torn, *whole = journal.read_text().splitlines()
    assert torn == '{"at": 1.0, "sta'
    assert [json.loads(line)["cause"] for line in whole] == ["start", "close"]


def test_a_journal_that_cannot_be_opened_is_a_lock_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="cannot be written: is a directory") as caught:
        SimulatedLock(FakeClock(), journal=tmp_path)
    assert caught.value.exit_code == 4


def test_a_full_disk_keeps_it_locked() -> None:
    with pytest.raises(LockError, match="cannot be written: no space left"):
        SimulatedLock(FakeClock(), journal=Path("/dev/full"))


def test_a_disk_that_fills_up_keeps_it_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = SimulatedLock(FakeClock(), journal=tmp_path / "journal")

    def failing(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", failing)
    with pytest.raises(LockError, match="input/output error"):
        lock.unlock("alice")
    assert (lock.state, lock.energised) == (LockState.LOCKED, False)
    monkeypatch.undo()
    lock.close()


def test_a_pipe_may_be_a_journal() -> None:
    SimulatedLock(FakeClock(), journal=Path("/dev/null")).close()


def test_a_pin_factory_that_raises_anything_is_a_lock_error() -> None:
    class Broken:
        closed = False

        def reserve_pins(self, *_: object) -> None:
            raise RuntimeError("out of cheese")

        def close(self) -> None:
            self.closed = True
            raise RuntimeError("again")

    factory = Broken()
    with pytest.raises(LockError, match="could not be driven to locked: out of cheese"):
        GpioLock(5, factory, FakeClock())
    assert factory.closed
