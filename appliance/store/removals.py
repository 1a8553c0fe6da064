"""Who was removed, as an exported audit log tells it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from appliance.errors import StoreError
from appliance.store.exports import read_whole, unreadable
from appliance.store.moments import from_text

_EVENTS = frozenset({"removed", "expired"})
# Some hundred thousand records.
_MOST_BYTES = 256 * 1024 * 1024


class Removal(NamedTuple):
    """Somebody of this name was removed then."""

    name: str
    at: datetime


def read_removals(path: Path) -> list[Removal]:
    """The removals in what `appliance audit export` has written. InputError when it is not that."""
    try:
        text = read_whole(path, _MOST_BYTES).decode()
        return list(_removals(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, StoreError):
        raise unreadable(
            path, "it is no audit log as `audit export --format jsonl` writes it"
        ) from None


def _removals(text: str) -> Iterator[Removal]:
    for line in text.splitlines():
        record = json.loads(line)
        moment = from_text(record["at"])
        if record["event"] in _EVENTS:
            yield Removal(str(record["subject"]), moment)
