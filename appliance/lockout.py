"""How long claims are refused after failures: pure rules over moments on two clocks.

The rules, before the code:

1. Failures are counted per name *and* way of claiming it (keypad, card, badge, command): who
   keeps failing as Alice at the keypad does not lock her card.
2. The failure number `failures` locks that claim for `lockout_s`. The count is kept while the
   lock-out passes, so each further failure locks again at once, for twice as long.
3. A lock-out grows to 16 times `lockout_s` or to one hour, whichever is less, and never
   beyond (an installer who configures more than an hour gets that, without growth). A
   stranger who keeps failing as Alice can keep her waiting while he stands there, not for
   good; a keeper's unlock and the mechanical key do not pass through here.
4. Failures are forgotten one hour after the longest lock-out could have ended, counted from
   the last of them; a success by the same way clears them at once. With the defaults (5
   failures, 60 s) an intruder gets on average fewer than 150 tries a day at one name by one
   way, at the best pace.
5. Besides, all failures by one way together, unknown codes included, fill a bucket that holds
   `per_hour` and loses as many an hour. While it is full, that way is heard once in
   3600 / `per_hour` seconds. So nobody tries many codes or many names quickly, and nobody is
   shut out: a slowed way still serves, and the other ways are not slowed.
6. Time is that of the boot (`Moment.uptime`), which nobody can set: within one boot the wall
   clock plays no part, whatever it jumps to. After a restart at least the time since it has
   passed; more counts only if the wall clock was known to be right before as well as now. So
   a power cut, or a clock that begins in 1970, frees nobody early, and whoever is locked out
   waits for at most one whole lock-out more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from appliance.ports import Clock
from appliance.types import FailureCount, Moment

GROWTH = 16
HOUR_S = 3600.0
# More than any wait; keeps a nonsensical ledger from overflowing a date.
_LONGEST_S = 100 * 365 * 86_400.0


@dataclass(frozen=True)
class Policy:
    """How many failures lock a claim, for how many seconds first, and how many an hour slow all."""

    failures: int
    lockout_s: float
    per_hour: int = 60

    def __post_init__(self) -> None:
        if not (self.failures >= 1 and 0 < self.lockout_s < float("inf") and self.per_hour >= 1):
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

    @property
    def apart_s(self) -> float:
        """How far apart claims are heard while the bucket of a way is full."""
        return HOUR_S / self.per_hour


def moment(clock: Clock) -> Moment:
    """Now, on both clocks."""
    return Moment(clock.now(), clock.trusted(), clock.boot, clock.monotonic())


def elapsed(then: Moment, now: Moment) -> float:
    """Seconds that have certainly passed since `then`; never negative, perhaps too few."""
    if then.boot == now.boot and then.uptime <= now.uptime:
        return now.uptime - then.uptime
    # Before this boot, then: since it, at least, time has passed.
    passed = max(now.uptime, 0.0)
    if then.trusted and now.trusted:
        passed = max(passed, (now.wall - then.wall).total_seconds())
    return min(passed, _LONGEST_S)


def remaining(count: FailureCount | None, now: Moment, policy: Policy) -> float:
    """Seconds until the claim is heard again: 0 to `policy.longest_s`."""
    if count is None or count.failures < policy.failures:
        return 0.0
    return max(_duration(count.failures, policy) - elapsed(count.at, now), 0.0)


def after_failure(count: FailureCount | None, now: Moment, policy: Policy) -> FailureCount:
    """The count to keep after one more failure."""
    forgotten = count is None or elapsed(count.at, now) > policy.forget_s
    failures = 1 if forgotten or count is None else count.failures + 1
    return FailureCount(min(failures, policy.most), now)


def slowed(bucket: FailureCount | None, now: Moment, policy: Policy) -> float:
    """Seconds until a way is heard again: 0 to `policy.apart_s`."""
    if bucket is None:
        return 0.0
    level, since = _drained(bucket, now, policy)
    return policy.apart_s - since if level >= policy.per_hour else 0.0


def filled(bucket: FailureCount | None, now: Moment, policy: Policy) -> FailureCount:
    """The bucket to keep after one more failure by its way.

    Its stamp is when it last lost one, so that nothing is lost by looking often.
    """
    level, since = (0, 0.0) if bucket is None else _drained(bucket, now, policy)
    if level in (0, policy.per_hour):
        # Empty, it has lost nothing; full, whoever failed regardless has the whole wait to come.
        since = 0.0
    at = replace(now, wall=now.wall - timedelta(seconds=since), uptime=now.uptime - since)
    return FailureCount(min(level + 1, policy.per_hour), at)


def _drained(bucket: FailureCount, now: Moment, policy: Policy) -> tuple[int, float]:
    """What is left in the bucket, and how many seconds ago it last lost one."""
    passed = elapsed(bucket.at, now)
    lost = int(passed // policy.apart_s)
    level = min(max(bucket.failures, 0), policy.per_hour) - lost
    return max(level, 0), min(max(passed - lost * policy.apart_s, 0.0), policy.apart_s)


def _duration(failures: int, policy: Policy) -> float:
    # `most` also keeps the power of two small where the ledger holds nonsense.
    doublings = min(failures, policy.most) - policy.failures
    return min(policy.lockout_s * float(2**doublings), policy.longest_s)
