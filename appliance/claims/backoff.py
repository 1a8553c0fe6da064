"""The rules of `appliance.lockout` on a ledger and a clock."""

from __future__ import annotations

from dataclasses import dataclass

from appliance import lockout
from appliance.ports import Clock, FailureLedger
from appliance.types import FailureCount

# Keys of the ledger that no name can be.
_EVERYBODY = "\x00everybody"
_NOBODY = "\x00nobody"
_LAST_ATTEMPT = "\x00last attempt"
_LAST_SPOOF = "\x00last spoof"
_ANY_WAY = ""


@dataclass(frozen=True)
class Backoff:
    """Who has to wait, and for how long. Every method raises StoreError."""

    ledger: FailureLedger
    clock: Clock
    policy: lockout.Policy

    def locked_for(self, name: str, via: str) -> float:
        """Seconds until this name is heard again by this way; 0 for now."""
        return lockout.remaining(
            self.ledger.read(name, via), lockout.moment(self.clock), self.policy
        )

    def slowed_for(self, via: str) -> float:
        """Seconds until anybody is heard again by this way; 0 for now."""
        return lockout.slowed(
            self.ledger.read(_EVERYBODY, via), lockout.moment(self.clock), self.policy
        )

    def failed(self, name: str | None, via: str) -> None:
        """Count a failed claim; name: None where it named nobody.

        Nobody's failures are written down as well, and never asked for: else the answer would
        come sooner, and tell that there is nobody.
        """
        now, policy = lockout.moment(self.clock), self.policy
        self.ledger.update(_EVERYBODY, via, lambda kept: lockout.filled(kept, now, policy))
        name = _NOBODY if name is None else name
        self.ledger.update(name, via, lambda kept: lockout.after_failure(kept, now, policy))

    def succeeded(self, name: str, via: str) -> None:
        """Forget the failures of this name by this way."""
        self.ledger.clear(name, via)

    def begin_cool_down(self, *, spoof: bool = False) -> None:
        """An attempt has ended. spoof: as an attack."""
        now = lockout.moment(self.clock)
        self.ledger.update(_LAST_ATTEMPT, _ANY_WAY, lambda _: FailureCount(1, now))
        if spoof:
            self.ledger.update(_LAST_SPOOF, _ANY_WAY, lambda _: FailureCount(1, now))

    def cooling_for(self, cool_down_s: float, after_spoof_s: float = 0.0) -> float:
        """What is left of the cool-down after the last attempt, also one of another process.

        after_spoof_s: how long it lasts after one that ended as an attack.
        """
        left = self._left(_LAST_ATTEMPT, cool_down_s)
        return max(left, self._left(_LAST_SPOOF, after_spoof_s)) if after_spoof_s > 0 else left

    def _left(self, key: str, of_s: float) -> float:
        last = self.ledger.read(key, _ANY_WAY)
        if last is None:
            return 0.0
        passed = lockout.elapsed(last.at, lockout.moment(self.clock))
        return max(of_s - passed, 0.0)
