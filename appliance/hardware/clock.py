"""The system's clocks as the port Clock."""

from __future__ import annotations

import time
from datetime import datetime, timezone


class SystemClock:
    """Real time. The twin that tests move by hand is `tests/fakes.py`."""

    def monotonic(self) -> float:
        """Seconds since boot; never goes back."""
        return time.monotonic()

    def now(self) -> datetime:
        """The wall clock, aware, UTC; may jump when it is set."""
        return datetime.now(timezone.utc)

    def sleep(self, seconds: float) -> None:
        """Wait; a time that has passed already is no wait."""
        if seconds > 0:
            time.sleep(seconds)
