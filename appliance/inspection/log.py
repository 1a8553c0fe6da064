"""What the audit log gains while somebody does something at the door.

The log is the evidence, and the report pins it; so it is read here and not what a stream tells. Of
its records no subject is kept: that would name people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from appliance import assemble
from appliance.acceptance.values import Expected
from appliance.store.store import Store
from appliance.types import AuditRecord

_EVERY_S: Final = 0.2
# More cannot come between two looks.
_MOST: Final = 500


def newest(store: Store) -> int:
    """The number of the newest record; 0 while there is none."""
    return next((record.number for record in store.audit.tail(1)), 0)


def since(store: Store, number: int) -> Iterator[AuditRecord]:
    """The records after this one, oldest first, the newest _MOST of them."""
    return (record for record in store.audit.tail(_MOST) if record.number > number)


def awaited(
    store: Store,
    expected: Sequence[Expected],
    wait_s: float,
    *,
    began: int | None = None,
    told: Callable[[Expected], None] = lambda _: None,
) -> dict[str, Any]:
    """Wait until the log has gained a record for each that is expected, in their order.

    began: the number after which it counts; None: from now on. told: hears of each that has come.
    """
    clock = assemble.clock()
    number = newest(store) if began is None else began
    left, found = list(expected), list[AuditRecord]()
    latest = clock.monotonic() + wait_s
    while left:
        for record in since(store, number):
            number = record.number
            if left and left[0].fits(record.event, record.detail):
                found.append(record)
                told(left.pop(0))
        if not left or clock.monotonic() > latest:
            break
        clock.sleep(_EVERY_S)
    return {"records": [_told(it) for it in found], "missing": [str(it) for it in left]}


def _told(record: AuditRecord) -> dict[str, Any]:
    at: datetime = record.at
    return {"number": record.number, "at": at.isoformat(timespec="seconds"), "event": record.event}
