"""The door as a pure table: (state, event, now) -> (state, actions).

The rules, before the code:

1. The door is fail-secure: *locked* is the line at rest, and only `Grant` leads away from it.
2. A pulse ends by itself. A grant during a pulse begins the pulse anew and never shortens it,
   but however many grants come, the line rests at the latest `longest_s` after it was first
   energised, and a grant that comes after the pulse should have ended locks first.
3. A line that does not obey is a fault: it is commanded *locked* again, now and at every
   tick, an alarm is raised once, and nothing is granted until `Recovered`.
4. `Secure` locks from anywhere. After `Shutdown` nothing is granted any more.

A first version without sensors. A door contact adds the states Open, Forced and HeldOpen, and
a button adds the event RequestToExit, each as rows in `TABLE` and kinds of `Alarm`; no row
that is here has to change for them. Request-to-exit will release from every state, also from
Fault, and ask for no audit record.

`now` is monotonic seconds. An event that has no row raises `IllegalEventError` and changes
nothing. docs/door.md shows the table as a picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from appliance.table import Row, Table, mermaid, row

PULSE_OVER = "pulse over"
GRANT_TOO_LATE = "pulse over before the next grant"
FAULT_RETRY = "lock again after a fault"
SHUTDOWN = "shutdown"


@dataclass(frozen=True)
class Policy:
    """longest_s: seconds after which the line rests, however many grants came."""

    longest_s: float

    def __post_init__(self) -> None:
        if not 0 < self.longest_s < math.inf:
            raise ValueError(f"not a policy for a door: {self}")


# --- events -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grant:
    """Release the door for `pulse_s` seconds; whoever sends this has written the audit."""

    cause: str
    pulse_s: float

    def __post_init__(self) -> None:
        if not 0 < self.pulse_s < math.inf:
            raise ValueError(f"a pulse lasts some finite time, not {self.pulse_s} s")


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class Secure:
    """Lock now, whatever was granted."""

    cause: str


@dataclass(frozen=True)
class LockFailed:
    """The line could not be driven. error: one sentence."""

    error: str


@dataclass(frozen=True)
class Recovered:
    """The line obeyed a command to lock."""


@dataclass(frozen=True)
class Shutdown:
    """The appliance stops."""


Event: TypeAlias = Grant | Tick | Secure | LockFailed | Recovered | Shutdown


# --- actions ------------------------------------------------------------------------------


@dataclass(frozen=True)
class DriveUnlock:
    """Energise the line."""

    cause: str


@dataclass(frozen=True)
class DriveLock:
    """De-energise the line."""

    cause: str


class AlarmKind(str, Enum):
    """What the keeper of the door must know."""

    LOCK_FAILED = "lock_failed"
    LOCK_RECOVERED = "lock_recovered"


@dataclass(frozen=True)
class Alarm:
    """Write it to the audit log and tell whoever listens. detail: one sentence or nothing."""

    kind: AlarmKind
    detail: str = ""


Action: TypeAlias = DriveUnlock | DriveLock | Alarm


# --- states -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Locked:
    """The line rests."""


@dataclass(frozen=True)
class Unlocked:
    """The line is energised since `since` and rests at `until`, both monotonic seconds."""

    since: float
    until: float


@dataclass(frozen=True)
class Fault:
    """The line does not obey; where it stands is not known."""

    error: str


@dataclass(frozen=True)
class OutOfService:
    """The appliance has stopped; the line rests for good."""


State: TypeAlias = Locked | Unlocked | Fault | OutOfService
Step: TypeAlias = tuple[State, tuple[Action, ...]]


# --- what the events do -------------------------------------------------------------------


def _grant(_state: State, event: Grant, now: float, policy: Policy) -> Step:
    until = now + min(event.pulse_s, policy.longest_s)
    return Unlocked(since=now, until=until), (DriveUnlock(event.cause),)


def _grant_again(state: Unlocked, event: Grant, now: float, policy: Policy) -> Step:
    if now >= state.until:
        fresh, drive = _grant(state, event, now, policy)
        return fresh, (DriveLock(GRANT_TOO_LATE), *drive)
    longest = state.since + policy.longest_s
    until = min(max(state.until, now + event.pulse_s), longest)
    return Unlocked(state.since, until), (DriveUnlock(event.cause),)


def _stay(state: State, _event: Tick, _now: float, _policy: Policy) -> Step:
    return state, ()


def _pulse_passes(state: Unlocked, _event: Tick, now: float, _policy: Policy) -> Step:
    return (state, ()) if now < state.until else (Locked(), (DriveLock(PULSE_OVER),))


def _secure(_state: State, event: Secure, _now: float, _policy: Policy) -> Step:
    return Locked(), (DriveLock(event.cause),)


def _secure_as_it_is(state: State, event: Secure, _now: float, _policy: Policy) -> Step:
    return state, (DriveLock(event.cause),)


def _fail(_state: State, event: LockFailed, _now: float, _policy: Policy) -> Step:
    # Lock before telling: an alarm that cannot be written must not keep a strike energised.
    return Fault(event.error), (
        DriveLock(FAULT_RETRY),
        Alarm(AlarmKind.LOCK_FAILED, event.error),
    )


def _fail_again(_state: Fault, event: LockFailed, _now: float, _policy: Policy) -> Step:
    return Fault(event.error), ()


def _retry(state: Fault, _event: Tick, _now: float, _policy: Policy) -> Step:
    return state, (DriveLock(FAULT_RETRY),)


def _recover(_state: Fault, _event: Recovered, _now: float, _policy: Policy) -> Step:
    return Locked(), (Alarm(AlarmKind.LOCK_RECOVERED),)


def _shut_down(_state: State, _event: Shutdown, _now: float, _policy: Policy) -> Step:
    return OutOfService(), (DriveLock(SHUTDOWN),)


def _fail_at_the_end(state: OutOfService, event: LockFailed, _now: float, _policy: Policy) -> Step:
    return state, (Alarm(AlarmKind.LOCK_FAILED, event.error),)


# --- the table ----------------------------------------------------------------------------

_SECURED: Mapping[type, str] = {Locked: ""}
_FAILED: Mapping[type, str] = {Fault: ""}
_SHUT: Mapping[type, str] = {OutOfService: ""}

TABLE: Table[State, Action] = {
    (Locked, Grant): Row(_grant, {Unlocked: ""}),
    (Locked, Tick): Row(_stay, {Locked: ""}),
    (Locked, Secure): Row(_secure, _SECURED),
    (Locked, LockFailed): Row(_fail, _FAILED),
    (Locked, Shutdown): Row(_shut_down, _SHUT),
    (Unlocked, Grant): Row(_grant_again, {Unlocked: "longer, within the bound"}),
    (Unlocked, Tick): Row(_pulse_passes, {Unlocked: "", Locked: "pulse over"}),
    (Unlocked, Secure): Row(_secure, _SECURED),
    (Unlocked, LockFailed): Row(_fail, _FAILED),
    (Unlocked, Shutdown): Row(_shut_down, _SHUT),
    (Fault, Tick): Row(_retry, {Fault: "lock again"}),
    (Fault, Secure): Row(_secure_as_it_is, {Fault: "lock again"}),
    (Fault, LockFailed): Row(_fail_again, _FAILED),
    (Fault, Recovered): Row(_recover, _SECURED),
    (Fault, Shutdown): Row(_shut_down, _SHUT),
    (OutOfService, Tick): Row(_stay, _SHUT),
    (OutOfService, Secure): Row(_secure_as_it_is, _SHUT),
    (OutOfService, LockFailed): Row(_fail_at_the_end, _SHUT),
    (OutOfService, Shutdown): Row(_shut_down, _SHUT),
}


def step(state: State, event: Event, now: float, policy: Policy) -> Step:
    """What an event does. IllegalEventError where it cannot happen in this state."""
    return row(TABLE, state, event).handler(state, event, now, policy)


def diagram() -> str:
    """The table as a Mermaid diagram, for docs/door.md."""
    return mermaid(TABLE, Locked)
