"""A service for the API to talk to: it remembers what it was asked, and does what a test says."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from appliance.control.authority import Act, Caller
from appliance.control.words import (
    Alive,
    CameraTold,
    DoorTold,
    Event,
    Guide,
    Kept,
    Reloaded,
    Result,
    Status,
    Unlocked,
)
from appliance.types import AuditRecord, Template

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
STATUS = Status(
    version="1.2.3",
    pid=os.getpid(),
    started=NOON,
    uptime_s=61.0,
    state="ok",
    store="/var/lib/appliance/appliance.db",
    model="mobilefacenet",
    people=2,
    rss_mb=120.5,
    door=DoorTold(configured=True, simulated=True),
    camera=CameraTold(driver="v4l2", fps=14.9),
)
GUIDES = (
    Guide(code="too_small", say="Come closer.", taken=0, of=3),
    Guide(code="hold", say="Hold still for a moment.", taken=2, of=3),
)


class FakeService:
    """Answers well by default; `raises` and the `on_...` hooks change that.

    asked: every call as (method, arguments without the caller), in order; by: who called.
    """

    def __init__(self, store: Path | None = None) -> None:
        self.answer = STATUS if store is None else STATUS.model_copy(update={"store": str(store)})
        self.asked: list[tuple[object, ...]] = []
        self.by: list[Caller] = []
        self.turned_away: list[tuple[Act, int]] = []
        self.raises: Exception | None = None
        self.raises_later: Exception | None = None
        self.result: dict[str, object] = {"name": "alice", "decision": "accept"}
        self.kept: dict[str, object] = {}
        self.given_up = threading.Event()
        self.running = 0
        self.hook: Callable[[], None] = lambda: None
        self.listened: Callable[[], Iterator[Event]] = lambda: iter((Alive(),))

    def _called(self, *what: object, by: Caller | None = None) -> None:
        self.asked.append(what)
        if by is not None:
            self.by.append(by)
        self.hook()
        if self.raises is not None:
            raise self.raises

    def status(self) -> Status:
        self._called("status")
        return self.answer

    def unlock(self, reason: str, by: Caller) -> Unlocked:
        self._called("unlock", reason, by=by)
        return Unlocked(simulated=True, pulse_s=3.0, record=7)

    def verify(self, name: str, *, unlock: bool, by: Caller) -> Iterator[Event]:
        self._called("verify", name, unlock, by=by)
        return self._job()

    def enrol(self, name: str, *, replace: bool, by: Caller) -> Iterator[Event]:
        self._called("enrol", name, replace, by=by)
        return self._job()

    def _job(self) -> Iterator[Event]:
        self.running += 1
        try:
            yield from GUIDES
            yield Alive()
            if self.raises_later is not None:
                raise self.raises_later
            yield Result(data=self.result)
        finally:
            self.running -= 1
            self.given_up.set()

    def keep_template(
        self, name: str, template: Template, *, handicap: float, replace: bool, by: Caller
    ) -> Kept:
        self._called("keep", name, template.count, handicap, replace, by=by)
        return Kept.model_validate({"name": name, **self.kept})

    def audit_tail(self, count: int) -> Sequence[AuditRecord]:
        self._called("audit", count)
        return [AuditRecord(1, NOON, "enrolled", "alice", {"frames": 5}, "ab" * 32)]

    def events(self) -> Iterator[Event]:
        self._called("events")
        return self.listened()

    def reload(self, by: Caller) -> Reloaded:
        self._called("reload", by=by)
        return Reloaded(changed=("log.level",))

    def refused(self, act: Act, by: Caller) -> None:
        self.turned_away.append((act, by.uid))


class Switch:
    """Every call goes to the service of the test that runs now."""

    def __init__(self) -> None:
        self.current = FakeService()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.current, name)
