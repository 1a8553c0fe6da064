from __future__ import annotations

from collections.abc import Mapping

import pytest

from appliance.door_records import ALARMS_WITHIN_S, MOST_ALARMS, MOST_KEPT, DoorRecords
from appliance.door_values import AlarmKind, DoorWord
from appliance.errors import StoreError
from appliance.types import AuditRecord
from tests.fakes import FakeClock


class Audit:
    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.room = 10**6
        self.written: list[tuple[str, str, Mapping[str, object]]] = []

    def append(self, event: str, subject: str, detail: Mapping[str, object]) -> AuditRecord:
        if len(self.written) >= self.room:
            raise StoreError("The disk is full.")
        self.written.append((event, subject, detail))
        return AuditRecord(len(self.written), self._clock.now(), event, subject, detail, "")

    def tail(self, count: int) -> list[AuditRecord]:
        raise NotImplementedError

    def first_bad(self) -> int | None:
        raise NotImplementedError


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def audit(clock: FakeClock) -> Audit:
    return Audit(clock)


@pytest.fixture
def records(audit: Audit, clock: FakeClock) -> DoorRecords:
    return DoorRecords(audit, clock)


def test_a_record_keeps_the_time_when_it_happened(
    records: DoorRecords, audit: Audit, clock: FakeClock
) -> None:
    records.exit(DoorWord.UNLOCKED, failed=False)
    clock.advance(60)
    records.alarm(AlarmKind.FORCED, on=True, detail="Broken in.")
    assert audit.written == []
    records.write()
    records.write()
    assert audit.written == [
        (
            "request_to_exit",
            "door",
            {"at": "2026-01-05T08:00:00.000+00:00", "state": "unlocked", "released": True},
        ),
        (
            "alarm",
            "door",
            {"at": "2026-01-05T08:01:00.000+00:00", "kind": "forced", "detail": "Broken in."},
        ),
    ]


def test_what_could_not_be_written_is_written_later_and_nothing_twice(
    records: DoorRecords, audit: Audit, caplog: pytest.LogCaptureFixture
) -> None:
    audit.room = 2
    for _ in range(4):
        records.exit(DoorWord.UNLOCKED, failed=False)
    with pytest.raises(StoreError, match="disk is full"):
        records.write()
    records.write_if_possible()
    assert "The disk is full." in caplog.text
    audit.room = 100
    records.write_if_possible()
    assert len(audit.written) == 4


def test_a_log_that_fails_for_days_does_not_fill_the_memory(
    records: DoorRecords, audit: Audit
) -> None:
    for _ in range(MOST_KEPT + 7):
        records.exit(DoorWord.UNLOCKED, failed=False)
    records.write()
    assert len(audit.written) == MOST_KEPT + 1
    assert audit.written[-1] == ("records_lost", "door", {"count": 7})
    records.write()
    assert len(audit.written) == MOST_KEPT + 1


def test_a_contact_that_comes_and_goes_for_weeks_does_not_fill_the_disk(
    records: DoorRecords, audit: Audit, clock: FakeClock
) -> None:
    for _ in range(1000):
        clock.advance(1)
        records.alarm(AlarmKind.FORCED, on=True, detail="")
        records.alarm(AlarmKind.FORCED, on=False, detail="")
        records.alarm(AlarmKind.TAMPER, on=True, detail="")
        records.write()
    assert len(audit.written) == 3 * MOST_ALARMS
    clock.advance(ALARMS_WITHIN_S)
    records.alarm(AlarmKind.FORCED, on=True, detail="")
    records.write()
    assert audit.written[-1][2]["not_recorded_before"] == 1000 - MOST_ALARMS


def test_a_sentence_that_no_log_takes_is_made_plain(records: DoorRecords, audit: Audit) -> None:
    records.alarm(AlarmKind.LOCK_FAILED, on=True, detail="\udcff" + "x" * 1000)
    records.write()
    assert audit.written[0][2]["detail"] == "\\udcff" + "x" * 499
