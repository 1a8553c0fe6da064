"""How long a claim is refused after failures in a row: pure rules over wall-clock stamps.

The rules, before the code:

1. The failure number `failures` locks the claim for `lockout_s`. The count is kept while the
   lock-out passes, so each further failure locks again at once, for twice as long.
2. A lock-out grows to 16 times `lockout_s` or to one hour, whichever is less, and never
   beyond (an installer who configures more than an hour gets that, without growth). A
   stranger who keeps failing as Alice can keep her waiting while he stands there, not for
   good; a keeper's unlock and the mechanical key do not pass through here.
3. Failures are forgotten one hour after the longest lock-out could have ended, counted from
   the last of them; a success clears them at once. With the defaults (5 failures, 60 s) an
   intruder gets on average fewer than 150 tries a day at one name, at the best pace.
4. The count survives a restart, therefore it is stamped with the wall clock, which may be
   wrong: most boards at a door have no battery-backed clock. A stamp from the future means
   that the clock was set back. It then counts as made *now*: nobody is freed early, and
   nobody waits longer than one whole lock-out. `reviewed` makes that stamp; the caller keeps
   it in the ledger, or else a stamp from 2038 would lock until 2038.
5. A clock set *forward* frees early; that cannot be told from time passing. Who may set the
   clock is a matter of the system (docs on installing: authenticated time only).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from appliance.types import FailureCount

GROWTH = 16
HOUR_S = 3600.0


@dataclass(frozen=True)
class Policy:
    """How many failures lock a claim, and for how many seconds the first time."""

    failures: int
    lockout_s: float

    def __post_init__(self) -> None:
        if not (self.failures >= 1 and 0 < self.lockout_s < float("inf")):
            raise ValueError(f"not a lock-out policy: {self}")

    @property
    def longest_s(self) -> float:
        """No lock-out is longer than this."""
        return max(self.lockout_s, min(self.lockout_s * GROWTH, HOUR_S))

    @property
    def forget_s(self) -> float:
        """Failures older than this are forgotten; always after the longest lock-out."""
        return self.longest_s + HOUR_S

    @property
    def most(self) -> int:
        """Counting stops here, where the lock-out has long stopped growing."""
        return self.failures + GROWTH


def reviewed(count: FailureCount | None, now: datetime, policy: Policy) -> FailureCount | None:
    """What the ledger should hold: None when forgotten, re-stamped after a clock set back.

    now: the wall clock, aware. Where the answer differs from `count` the caller keeps it.
    """
    if count is None or _elapsed(count, now) > policy.forget_s:
        return None
    return FailureCount(count.failures, now) if count.at > now else count


def remaining(count: FailureCount | None, now: datetime, policy: Policy) -> float:
    """Seconds until the claim is heard again: 0 to `policy.longest_s`."""
    if count is None or count.failures < policy.failures:
        return 0.0
    return max(_duration(count.failures, policy) - _elapsed(count, now), 0.0)


def after_failure(count: FailureCount | None, now: datetime, policy: Policy) -> FailureCount:
    """The count to keep after one more failure."""
    known = reviewed(count, now, policy)
    failures = 1 if known is None else known.failures + 1
    return FailureCount(min(failures, policy.most), now)


def _duration(failures: int, policy: Policy) -> float:
    # `most` also keeps the power of two small where the ledger holds nonsense.
    doublings = min(failures, policy.most) - policy.failures
    return min(policy.lockout_s * float(2**doublings), policy.longest_s)


def _elapsed(count: FailureCount, now: datetime) -> float:
    return max((now - count.at).total_seconds(), 0.0)
