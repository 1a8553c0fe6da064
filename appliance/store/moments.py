"""Moments as text in the database: ISO 8601, UTC, microseconds; sorts as time does."""

from __future__ import annotations

from datetime import datetime, timezone

from appliance.store.faults import damaged


def to_text(moment: datetime) -> str:
    """An aware moment as text."""
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds")


def from_text(text: str) -> datetime:
    """The moment that was written. StoreError when it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise damaged(f"The database holds {text!r} where a date is expected") from None
    if moment.tzinfo is None:
        raise damaged(f"The database holds the date {text!r} without a time zone")
    return moment
