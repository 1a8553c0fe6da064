"""The door as a pure table: (state, event, now) -> (state, actions).

The rules, before the code:

1. *Locked* is the line at rest in time, and only `Grant` and `RequestToExit` lead away from it.
2. A pulse ends by itself. A grant during a pulse begins the pulse anew and never shortens it,
   but however many grants come, the line rests at the latest `longest_s` after it was first
   energised, and a grant that comes after the pulse should have ended locks first.
3. Request-to-exit releases from every state, also in a fault and at the end, always for a whole
   `exit_s`, and locks nothing first. It asks for no record; it is noted afterwards.
4. The leaf's opening does not end a pulse (the contact opens before the latch is clear, and who
   lets go too early would stand before a locked door); its closing does, when the release was
   given before the leaf opened. A release given while it stood open is for the next person.
5. An opening without a release is forced; one within `grace_s` after a release is not. An open
   door is held open after `held_open_s`; whoever is let through begins that time anew.
6. A line that does not obey is a fault: it is brought to rest at once, commanded *locked* again
   every `retry_s`, and nothing is granted until it obeys. The leaf is watched meanwhile.
7. `Secure` ends every grant at once; what is left of an exit ends by itself, because what failed
   for somebody outside is no reason to lock somebody in. After `Shutdown` the line rests and
   nothing is granted.
8. Every alarm begins once and ends once. Those about line and leaf follow from the state, and
   `step` derives them by comparing the alarms of the states before and after.

Fail-secure: at rest the line is locked. Fail-safe (`Policy.fail_safe`): at rest it is *released*,
because people leave by cutting its current; so a fault and a shutdown release the door, and in
place of "bring to rest" read "unlock" in the rules above. All else is the same.

Without a contact `DoorOpened` never comes, and the door has the states Locked and Unlocked.
`now` is monotonic seconds. An event that has no row raises `IllegalEventError` and changes
nothing. docs/door.md shows the table as a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

from appliance.door_values import AlarmKind, DoorWord
from appliance.table import Row, Table, mermaid, row

PULSE_OVER = "pulse over"
GRANT_TOO_LATE = "pulse over before the next grant"
DOOR_CLOSED = "door closed"
EXIT = "request_to_exit"
FAULT_REST = "rest after a fault"
FAULT_RETRY = "lock again after a fault"
FAULT_RELEASE = "release again after a fault"
SHUTDOWN = "shutdown"

FORCED = "The door was opened without having been released."
HELD_OPEN = "The door has stood open for too long."
TAMPERED = "Somebody is at the appliance's case."


@dataclass(frozen=True)
class Policy:
    """What differs from door to door; all times in seconds.

    longest_s: after which the line rests, however many grants came. exit_s: what one press of the
    button releases for. held_open_s: how long the door may stand open without an alarm.
    grace_s: how long after a release an opening is still believed to be its. retry_s: between two
    tries to lock a line that does not obey.
    """

    longest_s: float
    exit_s: float = 3.0
    held_open_s: float = 30.0
    grace_s: float = 0.5
    retry_s: float = 1.0
    relock_on_close: bool = True
    fail_safe: bool = False

    def __post_init__(self) -> None:
        times = (self.longest_s, self.exit_s, self.held_open_s, self.retry_s)
        if not all(0 < it < math.inf for it in times) or not 0 <= self.grace_s < math.inf:
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
class RequestToExit:
    """Somebody inside pressed the button."""


@dataclass(frozen=True)
class FoundOpen:
    """The first reading of the contact: the door stood open before anybody watched it."""


@dataclass(frozen=True)
class DoorOpened:
    """The leaf left the frame."""


@dataclass(frozen=True)
class DoorClosed:
    """The leaf is back in the frame."""


@dataclass(frozen=True)
class Tamper:
    """The tamper contact changed. on: somebody is at the case."""

    on: bool


@dataclass(frozen=True)
class InputsFailed:
    """Contact and button can no longer be read. error: one sentence."""

    error: str


@dataclass(frozen=True)
class InputsBack:
    """They can be read again."""


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class Secure:
    """Lock now, whatever was granted: something failed. Who leaves is not locked in."""

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

    cause: str = SHUTDOWN


Leaf: TypeAlias = FoundOpen | DoorOpened | DoorClosed
Event: TypeAlias = (
    Grant
    | RequestToExit
    | FoundOpen
    | DoorOpened
    | DoorClosed
    | Tamper
    | InputsFailed
    | InputsBack
    | Tick
    | Secure
    | LockFailed
    | Recovered
    | Shutdown
)


# --- actions ------------------------------------------------------------------------------


@dataclass(frozen=True)
class DriveUnlock:
    """Let people through: energise a fail-secure line, de-energise a fail-safe one."""

    cause: str


@dataclass(frozen=True)
class DriveLock:
    """Let nobody through: de-energise a fail-secure line, energise a fail-safe one."""

    cause: str


@dataclass(frozen=True)
class Note:
    """Tell and record that somebody asked to leave; the door has been released already."""


@dataclass(frozen=True)
class Alarm:
    """Tell and record that an alarm begins (on) or ends. detail: one sentence, for a beginning."""

    kind: AlarmKind
    on: bool
    detail: str = ""


Action: TypeAlias = DriveUnlock | DriveLock | Note | Alarm


# --- states -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pulse:
    """A release: since when, until when, monotonic seconds.

    used: the leaf has opened since it was given. exit_until: what of it is owed to somebody who
    asked to leave; None: nothing.
    """

    since: float
    until: float
    used: bool = False
    exit_until: float | None = None


@dataclass(frozen=True)
class Locked:
    """Closed, or without a contact. released: until when it was released last, or None."""

    released: float | None = None


@dataclass(frozen=True)
class Unlocked:
    """Closed, or without a contact, and released."""

    pulse: Pulse


@dataclass(frozen=True)
class Open:
    """Open after a release. since: when it opened, or when somebody was last let through."""

    since: float
    pulse: Pulse | None = None


@dataclass(frozen=True)
class HeldOpen:
    """Open for too long. since: as of `Open`."""

    since: float
    pulse: Pulse | None = None


@dataclass(frozen=True)
class Forced:
    """Opened without a release. since: when it opened."""

    since: float
    pulse: Pulse | None = None


Serving: TypeAlias = Locked | Unlocked | Open | HeldOpen | Forced


@dataclass(frozen=True)
class Fault:
    """The line does not obey; where it stands is not known.

    beneath: what is known of leaf and releases, and where `Recovered` leads.
    retry_at: when the line is driven again, monotonic seconds.
    """

    error: str
    beneath: Serving = Locked()
    retry_at: float = 0.0


@dataclass(frozen=True)
class OutOfService:
    """The appliance has stopped; the line rests but for people who leave."""

    pulse: Pulse | None = None


State: TypeAlias = Serving | Fault | OutOfService
Step: TypeAlias = tuple[State, tuple[Action, ...]]
Beneath: TypeAlias = Callable[..., tuple[Serving, tuple[Action, ...]]]

WORDS: Mapping[type, DoorWord] = {
    Locked: DoorWord.LOCKED,
    Unlocked: DoorWord.UNLOCKED,
    Open: DoorWord.OPEN,
    HeldOpen: DoorWord.HELD_OPEN,
    Forced: DoorWord.FORCED,
    Fault: DoorWord.FAULT,
    OutOfService: DoorWord.OUT_OF_SERVICE,
}


def word(state: State) -> DoorWord:
    """The state's name for everybody else."""
    return WORDS[type(state)]


def pulse_of(state: State) -> Pulse | None:
    """The release that runs, if any."""
    if isinstance(state, Locked):
        return None
    return pulse_of(state.beneath) if isinstance(state, Fault) else state.pulse


def alarms(state: State) -> dict[AlarmKind, str]:
    """The alarms that a state means, each with its sentence."""
    if isinstance(state, Fault):
        return {AlarmKind.LOCK_FAILED: state.error, **alarms(state.beneath)}
    if isinstance(state, Forced):
        return {AlarmKind.FORCED: FORCED}
    return {AlarmKind.HELD_OPEN: HELD_OPEN} if isinstance(state, HeldOpen) else {}


# --- what the events do to the release ------------------------------------------------------


def _released(state: Serving, pulse: Pulse, now: float) -> Serving:
    if isinstance(state, (Locked, Unlocked)):
        return Unlocked(pulse)
    return Open(now, pulse) if isinstance(state, Open) else replace(state, pulse=pulse)


def _at_rest(state: Serving, now: float) -> Serving:
    if isinstance(state, Locked):
        return state
    return Locked(now) if isinstance(state, Unlocked) else replace(state, pulse=None)


def _rest(policy: Policy, cause: str) -> DriveUnlock | DriveLock:
    return DriveUnlock(cause) if policy.fail_safe else DriveLock(cause)


def _grant(state: Serving, event: Grant, now: float, policy: Policy) -> Step:
    running, drive = pulse_of(state), DriveUnlock(event.cause)
    if running is None or now >= running.until:
        pulse = Pulse(now, now + min(event.pulse_s, policy.longest_s))
        first = () if running is None else (DriveLock(GRANT_TOO_LATE),)
        return _released(state, pulse, now), (*first, drive)
    until = min(now + event.pulse_s, running.since + policy.longest_s)
    pulse = replace(running, until=max(running.until, until), used=False)
    return _released(state, pulse, now), (drive,)


def _exit_pulse(running: Pulse | None, now: float, policy: Policy) -> Pulse:
    until = now + policy.exit_s
    if running is None:
        return Pulse(now, until, exit_until=until)
    # Also one that should have ended: it did not, and nothing is locked first.
    return Pulse(running.since, max(running.until, until), exit_until=until)


def _owed(running: Pulse | None, now: float) -> float | None:
    """Until when somebody who asked to leave is still let through; None: nobody is."""
    until = None if running is None else running.exit_until
    return until if until is not None and now < until else None


def _noted(running: Pulse | None, now: float) -> tuple[Note, ...]:
    """A button that is pressed again and again is noted once for each release."""
    return () if _owed(running, now) is not None else (Note(),)


def _exit(state: Serving, _event: RequestToExit, now: float, policy: Policy) -> Step:
    running = pulse_of(state)
    released = _released(state, _exit_pulse(running, now, policy), now)
    return released, (DriveUnlock(EXIT), *_noted(running, now))


def _exit_in_a_fault(state: Fault, _event: RequestToExit, now: float, policy: Policy) -> Step:
    running = pulse_of(state)
    beneath = _released(state.beneath, _exit_pulse(running, now, policy), now)
    return replace(state, beneath=beneath), (DriveUnlock(EXIT), *_noted(running, now))


def _exit_at_the_end(
    state: OutOfService, _event: RequestToExit, now: float, policy: Policy
) -> Step:
    # A fail-safe line rests released for good: no pulse whose end would lock it.
    pulse = None if policy.fail_safe else _exit_pulse(state.pulse, now, policy)
    return OutOfService(pulse), (DriveUnlock(EXIT), *_noted(state.pulse, now))


# --- what the leaf does ---------------------------------------------------------------------


def _found_open(state: Locked | Unlocked, _event: FoundOpen, now: float, _policy: Policy) -> Step:
    return Open(now, pulse_of(state)), ()


def _opened_locked(state: Locked, _event: DoorOpened, now: float, policy: Policy) -> Step:
    believed = state.released is not None and now - state.released <= policy.grace_s
    return (Open(now) if believed else Forced(now)), ()


def _opened_unlocked(state: Unlocked, _event: DoorOpened, now: float, _policy: Policy) -> Step:
    return Open(now, replace(state.pulse, used=True)), ()


def _closed(
    state: Open | HeldOpen | Forced, _event: DoorClosed, now: float, policy: Policy
) -> Step:
    pulse = state.pulse
    if pulse is None:
        # A leaf that springs back from its frame is not forced.
        return Locked(None if isinstance(state, Forced) else now), ()
    if policy.relock_on_close and pulse.used:
        return Locked(now), (DriveLock(DOOR_CLOSED),)
    return Unlocked(pulse), ()


def _stay(state: State, _event: Event, _now: float, _policy: Policy) -> Step:
    return state, ()


def _leaf_in_a_fault(state: Fault, event: Leaf, now: float, policy: Policy) -> Step:
    beneath, actions = _serving(state.beneath, event, now, policy)
    return replace(state, beneath=beneath), actions


# --- what time does -------------------------------------------------------------------------


def _tick(state: Serving, _event: Tick, now: float, policy: Policy) -> Step:
    pulse = pulse_of(state)
    over = pulse is not None and now >= pulse.until
    after = _at_rest(state, now) if over else state
    if isinstance(after, Open) and now - after.since >= policy.held_open_s:
        after = HeldOpen(after.since, after.pulse)
    return after, (DriveLock(PULSE_OVER),) if over else ()


def _tick_in_a_fault(state: Fault, event: Tick, now: float, policy: Policy) -> Step:
    beneath, actions = _serving(state.beneath, event, now, policy)
    after = replace(state, beneath=beneath)
    if actions or now < state.retry_at:
        return after, actions
    if pulse_of(beneath) is None:
        actions = (DriveLock(FAULT_RETRY),)
    elif policy.fail_safe:  # it is not known to have released
        actions = (DriveUnlock(FAULT_RELEASE),)
    return replace(after, retry_at=now + policy.retry_s), actions


def _tick_at_the_end(state: OutOfService, _event: Tick, now: float, _policy: Policy) -> Step:
    if state.pulse is None or now < state.pulse.until:
        return state, ()
    return OutOfService(), (DriveLock(PULSE_OVER),)


# --- faults and the end ---------------------------------------------------------------------


def _secure(
    state: Serving, event: Secure, now: float, _policy: Policy
) -> tuple[Serving, tuple[Action, ...]]:
    pulse = pulse_of(state)
    owed = _owed(pulse, now)
    if pulse is None or owed is None or isinstance(state, Locked):
        return _at_rest(state, now), (DriveLock(event.cause),)
    return replace(state, pulse=replace(pulse, until=owed)), ()


def _secure_in_a_fault(state: Fault, event: Secure, now: float, policy: Policy) -> Step:
    beneath, actions = _secure(state.beneath, event, now, policy)
    return replace(state, beneath=beneath), actions


def _secure_at_the_end(state: OutOfService, event: Secure, now: float, policy: Policy) -> Step:
    if _owed(state.pulse, now) is not None:
        return state, ()
    return OutOfService(), (_rest(policy, event.cause),)


def _fail(state: Serving, event: LockFailed, now: float, policy: Policy) -> Step:
    # A fail-safe line that did not let go is told again; a fail-secure one is given up.
    beneath = state if policy.fail_safe else _at_rest(state, now)
    return Fault(event.error, beneath, now + policy.retry_s), (_rest(policy, FAULT_REST),)


def _fail_again(state: Fault, event: LockFailed, now: float, policy: Policy) -> Step:
    beneath = state.beneath if policy.fail_safe else _at_rest(state.beneath, now)
    return Fault(event.error, beneath, now + policy.retry_s), ()


def _fail_at_the_end(state: OutOfService, event: LockFailed, _now: float, _policy: Policy) -> Step:
    return state, (Alarm(AlarmKind.LOCK_FAILED, on=True, detail=event.error),)


def _recover(state: Fault, _event: Recovered, _now: float, _policy: Policy) -> Step:
    return state.beneath, ()


def _shut_down(_state: State, event: Shutdown, _now: float, policy: Policy) -> Step:
    return OutOfService(), (_rest(policy, event.cause),)


def _tamper(state: State, event: Tamper, _now: float, _policy: Policy) -> Step:
    return state, (Alarm(AlarmKind.TAMPER, event.on, TAMPERED if event.on else ""),)


def _inputs_failed(state: State, event: InputsFailed, _now: float, _policy: Policy) -> Step:
    return state, (Alarm(AlarmKind.INPUTS_FAILED, on=True, detail=event.error),)


def _inputs_back(state: State, _event: InputsBack, _now: float, _policy: Policy) -> Step:
    return state, (Alarm(AlarmKind.INPUTS_FAILED, on=False),)


# --- the table ------------------------------------------------------------------------------

_SHUT: Mapping[type, str] = {OutOfService: ""}
_FAILED: Mapping[type, str] = {Fault: ""}


def _leaving(state: type) -> dict[tuple[type, type], Row[State, Action]]:
    """The rows that every state of a door in service has."""
    released: type = Unlocked if state in {Locked, Unlocked} else state
    rested: type = Locked if state is Unlocked else state
    return {
        (state, Grant): Row(_grant, {released: ""}),
        (state, RequestToExit): Row(_exit, {released: ""}),
        (state, Secure): Row(_secure, {rested: "", state: "while somebody leaves"}),
        (state, LockFailed): Row(_fail, _FAILED),
        (state, Shutdown): Row(_shut_down, _SHUT),
    }


def _watched(state: type) -> dict[tuple[type, type], Row[State, Action]]:
    """The rows of the inputs that change no state."""
    return {
        (state, Tamper): Row(_tamper, {state: ""}),
        (state, InputsFailed): Row(_inputs_failed, {state: ""}),
        (state, InputsBack): Row(_inputs_back, {state: ""}),
    }


def _standing_open(state: type) -> dict[tuple[type, type], Row[State, Action]]:
    """The rows of the leaf while it is open."""
    return {
        (state, FoundOpen): Row(_stay, {state: ""}),
        (state, DoorOpened): Row(_stay, {state: ""}),
        (state, DoorClosed): Row(_closed, {Locked: "", Unlocked: "released while open"}),
    }


TABLE: Table[State, Action] = {
    **_leaving(Locked),
    (Locked, FoundOpen): Row(_found_open, {Open: ""}),
    (Locked, DoorOpened): Row(_opened_locked, {Forced: "", Open: "just released"}),
    (Locked, DoorClosed): Row(_stay, {Locked: ""}),
    (Locked, Tick): Row(_tick, {Locked: ""}),
    **_leaving(Unlocked),
    (Unlocked, FoundOpen): Row(_found_open, {Open: ""}),
    (Unlocked, DoorOpened): Row(_opened_unlocked, {Open: ""}),
    (Unlocked, DoorClosed): Row(_stay, {Unlocked: ""}),
    (Unlocked, Tick): Row(_tick, {Unlocked: "", Locked: "pulse over"}),
    **_leaving(Open),
    **_standing_open(Open),
    (Open, Tick): Row(_tick, {Open: "", HeldOpen: "open for too long"}),
    **_leaving(HeldOpen),
    **_standing_open(HeldOpen),
    (HeldOpen, Tick): Row(_tick, {HeldOpen: ""}),
    **_leaving(Forced),
    **_standing_open(Forced),
    (Forced, Tick): Row(_tick, {Forced: ""}),
    (Fault, RequestToExit): Row(_exit_in_a_fault, {Fault: "released"}),
    (Fault, FoundOpen): Row(_leaf_in_a_fault, _FAILED),
    (Fault, DoorOpened): Row(_leaf_in_a_fault, _FAILED),
    (Fault, DoorClosed): Row(_leaf_in_a_fault, _FAILED),
    (Fault, Tick): Row(_tick_in_a_fault, {Fault: "lock again"}),
    (Fault, Secure): Row(_secure_in_a_fault, {Fault: "lock again"}),
    (Fault, LockFailed): Row(_fail_again, _FAILED),
    (Fault, Recovered): Row(
        _recover, {Locked: "closed", Open: "open", HeldOpen: "held open", Forced: "forced"}
    ),
    (Fault, Shutdown): Row(_shut_down, _SHUT),
    (OutOfService, RequestToExit): Row(_exit_at_the_end, {OutOfService: "released"}),
    (OutOfService, FoundOpen): Row(_stay, _SHUT),
    (OutOfService, DoorOpened): Row(_stay, _SHUT),
    (OutOfService, DoorClosed): Row(_stay, _SHUT),
    (OutOfService, Tick): Row(_tick_at_the_end, _SHUT),
    (OutOfService, Secure): Row(_secure_at_the_end, _SHUT),
    (OutOfService, LockFailed): Row(_fail_at_the_end, _SHUT),
    (OutOfService, Shutdown): Row(_shut_down, _SHUT),
    **{key: entry for state in WORDS for key, entry in _watched(state).items()},
}


def _serving(
    state: Serving, event: Leaf | Tick, now: float, policy: Policy
) -> tuple[Serving, tuple[Action, ...]]:
    """What an event does to the state beneath a fault."""
    # Leaf and time lead from a state of service to another.
    return cast("Beneath", row(TABLE, state, event).handler)(state, event, now, policy)


def step(state: State, event: Event, now: float, policy: Policy) -> Step:
    """What an event does. IllegalEventError where it cannot happen in this state."""
    after, actions = row(TABLE, state, event).handler(state, event, now, policy)
    return after, (*actions, *_alarms_changed(state, after))


def _alarms_changed(before: State, after: State) -> tuple[Alarm, ...]:
    """The door is driven before anybody is told. Stopping ends no alarm: nobody looks any more."""
    old, new = alarms(before), alarms(after)
    begun = tuple(Alarm(kind, on=True, detail=new[kind]) for kind in new if kind not in old)
    if isinstance(after, OutOfService):
        return begun
    return (*(Alarm(kind, on=False) for kind in old if kind not in new), *begun)


def diagram() -> str:
    """The table as a Mermaid diagram, for docs/door.md."""
    return mermaid(TABLE, Locked)
