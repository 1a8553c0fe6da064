"""Who comes, and who only is still there: a visit begins once. Pure."""

from __future__ import annotations

from collections.abc import Iterable


class Visits:
    """Remembers who is there. away_s: seconds out of sight after which a visit is over."""

    def __init__(self, away_s: float) -> None:
        self._away_s = away_s
        self._seen_at: dict[str, float] = {}

    def arrivals(self, names: Iterable[str], at: float) -> list[str]:
        """Those of the names whose visit begins now, by name. at: seconds, never falling."""
        self._seen_at = {
            name: seen for name, seen in self._seen_at.items() if at - seen <= self._away_s
        }
        there = set(names)
        new = sorted(there - self._seen_at.keys())
        self._seen_at |= dict.fromkeys(there, at)
        return new
