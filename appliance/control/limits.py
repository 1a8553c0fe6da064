"""What one caller, and all together, may take of the service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of the API.

    connections: at once, of all; per_user: of one user. head_bytes, body_bytes: of a request.
    request_s: for a whole request to arrive; drain_s: for a client to read what waits for it;
    idle_s: between two requests. calls, streams: that run at once, streams_per_user: of one
    user; patience_s: for a place to get free. call_s: for an answer; job_s, listen_s: for a stream
    that does something, and for one that listens.
    per_second, burst: requests of one user, beyond which they wait their turn.
    """

    connections: int = 64
    per_user: int = 16
    head_bytes: int = 16_384
    body_bytes: int = 1_048_576
    request_s: float = 10.0
    drain_s: float = 10.0
    idle_s: float = 5.0
    calls: int = 8
    streams: int = 12
    streams_per_user: int = 4
    patience_s: float = 1.0
    call_s: float = 30.0
    job_s: float = 900.0
    listen_s: float = 3600.0
    per_second: float = 50.0
    burst: int = 100


class Gate:
    """Counts connections. The last quarter of them is kept for users who hold none yet."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held: dict[int, int] = {}

    @property
    def held(self) -> int:
        """Connections of all users."""
        return sum(self._held.values())

    def enter(self, uid: int) -> bool:
        """One more connection of this user; False when that is too many."""
        own, all_ = self._held.get(uid, 0), self.held
        crowded = all_ >= self._limits.connections * 3 // 4
        if own >= self._limits.per_user or all_ >= self._limits.connections or (crowded and own):
            return False
        self._held[uid] = own + 1
        return True

    def leave(self, uid: int) -> None:
        """One fewer."""
        left = self._held[uid] - 1
        if left:
            self._held[uid] = left
        else:
            del self._held[uid]


class Pace:
    """A token bucket for each user: who asks too fast waits, and nobody else does."""

    _MOST_USERS = 256

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._limits, self._now = limits, now
        # When the bucket of each user will be full again.
        self._full_at: dict[int, float] = {}

    def wait_for(self, uid: int) -> float:
        """Seconds to wait before this request is served."""
        now, cost = self._now(), 1 / self._limits.per_second
        if len(self._full_at) >= self._MOST_USERS:
            self._full_at = {who: at for who, at in self._full_at.items() if at > now}
        full_at = max(self._full_at.get(uid, now), now) + cost
        self._full_at[uid] = full_at
        return max(full_at - now - self._limits.burst * cost, 0.0)


class Rarely:
    """Lets one thing of each kind through per minute."""

    _EVERY_S = 60.0
    _MOST_KINDS = 256

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last: dict[object, float] = {}

    def lets(self, kind: object) -> bool:
        """Whether it is long enough since the last of this kind; too many kinds at once wait."""
        now = self._now()
        self._last = {it: at for it, at in self._last.items() if now - at < self._EVERY_S}
        if kind in self._last or len(self._last) >= self._MOST_KINDS:
            return False
        self._last[kind] = now
        return True
