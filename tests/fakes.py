"""Twins that only tests use."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

START = datetime(2026, 1, 5, 8, 0, tzinfo=timezone.utc)


class FakeClock:
    """A clock that moves only when told; sleeping is being told.

    monotonic: seconds to begin with. now: aware wall clock to begin with.
    boot: which start of the machine this is. trusted: whether the wall clock is known to be right.
    `slept` records every sleep, in order.
    """

    def __init__(
        self,
        monotonic: float = 0.0,
        now: datetime = START,
        *,
        boot: str = "first boot",
        trusted: bool = True,
    ) -> None:
        self._monotonic = monotonic
        self._now = now
        self._boot = boot
        self._trusted = trusted
        self.slept: list[float] = []

    @property
    def boot(self) -> str:
        return self._boot

    def trusted(self) -> bool:
        return self._trusted

    def monotonic(self) -> float:
        return self._monotonic

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)

    def set_wall(self, now: datetime) -> None:
        """Set the wall clock alone, as a time server or a hand does; it may go back."""
        self._now = now

    def set_trusted(self, trusted: bool) -> None:  # noqa: FBT001 - the one thing it says
        """Let a time server be reached, or no longer."""
        self._trusted = trusted

    def restart(self, boot: str, monotonic: float = 0.0) -> None:
        """Start the machine again: another boot, and seconds that begin anew."""
        self._boot = boot
        self._monotonic = monotonic
