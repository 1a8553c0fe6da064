"""What the door itself adds to the audit log: alarms, and people who left.

Nobody waits for these records. They are kept here until somebody who may wait writes them, so a
disk that is slow or full delays neither a press of the button nor the end of a pulse.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

from appliance.door_values import AlarmKind, DoorWord
from appliance.ports import AuditLog, Clock

SUBJECT = "door"
# Kept while the log cannot be written; what comes on top is only counted.
MOST_KEPT = 1000
# A contact that comes and goes for weeks must not fill the disk: so many records of the
# beginning of one alarm, and as many of its end, are written in so many seconds; others are
# counted.
MOST_ALARMS = 30
ALARMS_WITHIN_S = 3600.0
# A sentence about a fault is cut off here.
LONGEST_DETAIL = 500

_log = logging.getLogger(__name__)


class _Entry(NamedTuple):
    event: str
    detail: Mapping[str, object]


class DoorRecords:
    """A queue before the audit log. Threads may share it; adding to it never waits for the disk."""

    def __init__(self, audit: AuditLog, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._kept: deque[_Entry] = deque()
        self._lost = 0
        self._told: dict[tuple[AlarmKind, bool], deque[float]] = {}
        self._unsaid: dict[tuple[AlarmKind, bool], int] = {}
        self._adding = Lock()
        self._writing = Lock()

    def alarm(self, kind: AlarmKind, *, on: bool, detail: str) -> None:
        """An alarm began (on) or ended."""
        unsaid = self._unsaid_before(kind, on=on)
        if unsaid is None:
            return
        more = {"not_recorded_before": unsaid} if unsaid else {}
        said = {"detail": _plain(detail)} if detail else {}
        self._add("alarm" if on else "alarm_over", {"kind": kind.value, **said, **more})

    def exit(self, state: DoorWord, *, failed: bool) -> None:
        """Somebody asked to leave. failed: the line did not obey."""
        self._add("request_to_exit", {"state": state.value, "released": not failed})

    def write(self) -> None:
        """Write everything. Raises StoreError and keeps what is not written yet."""
        if not self._kept and not self._lost:
            return
        with self._writing:
            while self._kept:
                entry = self._kept[0]
                self._audit.append(entry.event, SUBJECT, entry.detail)
                self._kept.popleft()
            if lost := self._lost:
                self._audit.append("records_lost", SUBJECT, {"count": lost})
                with self._adding:
                    self._lost -= lost

    def write_if_possible(self) -> None:
        """Write everything, or keep it: nobody is hindered by a log that fails."""
        try:
            self.write()
        except Exception as error:  # noqa: BLE001 - the records are kept, and whoever calls `write` hears of it
            _log.warning("Records of the door wait to be written: %s", error)

    def _add(self, event: str, detail: Mapping[str, object]) -> None:
        with self._adding:
            if len(self._kept) >= MOST_KEPT:
                self._lost += 1
            else:
                at = self._clock.now().isoformat(timespec="milliseconds")
                self._kept.append(_Entry(event, {"at": at, **detail}))

    def _unsaid_before(self, kind: AlarmKind, *, on: bool) -> int | None:
        """How many like it were not recorded before it; None: neither is this one."""
        now, key = self._clock.monotonic(), (kind, on)
        times = self._told.setdefault(key, deque(maxlen=MOST_ALARMS))
        if len(times) == MOST_ALARMS and now - times[0] < ALARMS_WITHIN_S:
            self._unsaid[key] = self._unsaid.get(key, 0) + 1
            return None
        times.append(now)
        return self._unsaid.pop(key, 0)


def _plain(text: str) -> str:
    """What any log takes: one entry that cannot be written would hold up all that follow."""
    return text[:LONGEST_DETAIL].encode(errors="backslashreplace").decode()
