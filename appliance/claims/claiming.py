"""From what is presented to a claim, as a pure table: (state, event, now) -> (state, actions).

The rules, before the code:

1. Somebody presents a code (typed), a card or a badge. It is looked up, and names somebody or
   nobody. While its way is slowed (`appliance.lockout`) it is not even looked up.
2. Whoever has a PIN is asked for it, whatever the way; so is everybody after a way that
   `require_pin` names. A right PIN, or no need for one, makes a claim.
3. A code that belongs to nobody is asked for a PIN too, which then is not right: nobody learns at
   the keypad which codes exist, neither from the answer nor from the time it takes.
   (A person without a PIN shows that her code exists, by being asked for her face.)
4. A name that is locked out by this way is told to wait, before any PIN is looked at. Only a code
   that needs a PIN is served as one of nobody instead, whatever the PIN: else a few wrong PINs
   would show that it exists. The record names the person.
5. A wrong PIN counts against name and way; a code, card or badge of nobody, and the PIN after
   it, count against the way alone. Who is told to wait counts nowhere and is not recorded.
   So nobody keeps a lock-out alive by asking, or fills the log faster than the way allows.
6. The duress PIN makes the same claim as the PIN, and calls for help where nobody at the door
   sees it.
7. A card or code presented anew, Clear, or `pin_timeout_s` without a key ends the wait for a PIN.
   That counts nowhere: it has told nobody anything.

`now` is monotonic seconds. Secrets stay out of every `repr`. docs/claims.md shows the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, TypeAlias

from appliance import advice
from appliance.table import Row, Table, mermaid, row
from appliance.types import Claim, PinVerdict, Subject

KEYPAD: Final = "keypad"
CARD: Final = "card"
QR: Final = "qr"


@dataclass(frozen=True)
class Policy:
    """require_pin: ways after which a PIN is always asked for. keypad: whether there is one."""

    require_pin: frozenset[str]
    keypad: bool
    pin_timeout_s: float


class Reason(str, Enum):
    """Why a claim was not made; the value is the word in JSON and in the audit log."""

    UNKNOWN = "unknown"
    WRONG_PIN = "wrong_pin"
    LOCKED_OUT = "locked_out"
    SLOWED = "slowed"
    NO_KEYPAD = "no_keypad"
    TOO_SLOW = "too_slow"
    BROKEN = "broken"


# The same for all, see rules 3 and 4.
_NOT_RIGHT = "That is not right; after several failures, wait a while."
_SENTENCES: Mapping[Reason, str] = {
    Reason.UNKNOWN: _NOT_RIGHT,
    Reason.WRONG_PIN: _NOT_RIGHT,
    Reason.NO_KEYPAD: "A PIN is needed, and this door has no keypad.",
    Reason.TOO_SLOW: "That took too long; begin again.",
    Reason.BROKEN: "That cannot be checked at the moment.",
}


# --- events -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Presented:
    """A code was typed, a card swiped, a badge shown. slowed_for_s: see rule 1; 0 for not."""

    via: str
    secret: str = field(repr=False)
    slowed_for_s: float = 0.0


@dataclass(frozen=True)
class Found:
    """The answer to `LookUp`. subject: None for nobody's. locked_for_s: 0 for not locked."""

    subject: Subject | None
    locked_for_s: float = 0.0


@dataclass(frozen=True)
class Pressed:
    """A key of the keypad, whichever: somebody is there."""


@dataclass(frozen=True)
class PinTyped:
    """A line was typed while a PIN is awaited."""

    pin: str = field(repr=False)


@dataclass(frozen=True)
class Judged:
    """The answer to `JudgePin`."""

    verdict: PinVerdict


@dataclass(frozen=True)
class Cleared:
    """Clear was pressed."""


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class Failed:
    """The store raised."""


Event: TypeAlias = Presented | Found | Pressed | PinTyped | Judged | Cleared | Tick | Failed


# --- actions ------------------------------------------------------------------------------


@dataclass(frozen=True)
class LookUp:
    """Whom does this belong to? Answer with `Found`."""

    via: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class AskPin:
    """Ask for the PIN, at the keypad."""

    via: str


@dataclass(frozen=True)
class JudgePin:
    """Is it the PIN of this person? name: None for nobody. Answer with `Judged`."""

    name: str | None
    pin: str = field(repr=False)


@dataclass(frozen=True)
class MakeClaim:
    """Hand the claim to whoever looks at faces."""

    claim: Claim


@dataclass(frozen=True)
class CallForHelp:
    """Somebody is made to open the door. Nothing at the door may show that this is known."""

    name: str
    via: str


@dataclass(frozen=True)
class CountFailure:
    """One more failure by this way, and for this name where there is one."""

    name: str | None
    via: str


@dataclass(frozen=True)
class Audit:
    """Record the refusal. name: None where nobody was named."""

    name: str | None
    via: str
    reason: Reason


@dataclass(frozen=True)
class Refuse:
    """Tell the person at the door."""

    via: str
    reason: Reason
    wait_s: float = 0.0

    @property
    def sentence(self) -> str:
        """What to say; nothing in it helps a stranger."""
        if self.reason is Reason.LOCKED_OUT:
            return advice.locked_out(self.wait_s)
        return _SENTENCES.get(self.reason) or advice.wait(self.wait_s)


Action: TypeAlias = (
    LookUp | AskPin | JudgePin | MakeClaim | CallForHelp | CountFailure | Audit | Refuse
)


# --- states -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """Nothing is presented."""


@dataclass(frozen=True)
class Looking:
    """Something is being looked up."""

    via: str


@dataclass(frozen=True)
class AwaitingPin:
    """The PIN is awaited. subject: whose; None for nobody's. until: monotonic seconds.

    locked: the name is locked out, and no PIN will be right.
    """

    via: str
    subject: Subject | None
    until: float
    locked: bool = False


@dataclass(frozen=True)
class Judging:
    """A PIN is being compared. subject, locked: as before."""

    via: str
    subject: Subject | None
    locked: bool = False


State: TypeAlias = Ready | Looking | AwaitingPin | Judging
Step: TypeAlias = tuple[State, tuple[Action, ...]]


# --- what the events do -------------------------------------------------------------------


def _present(_state: State, event: Presented, _now: float, _policy: Policy) -> Step:
    if not event.slowed_for_s <= 0:  # written so that a NaN refuses
        return Ready(), (Refuse(event.via, Reason.SLOWED, event.slowed_for_s),)
    return Looking(event.via), (LookUp(event.via, event.secret),)


def _found(state: Looking, event: Found, now: float, policy: Policy) -> Step:
    via, subject = state.via, event.subject
    if subject is None:
        # Rule 3; a card or badge is no secret that could be guessed by typing.
        return _ask(state, None, now, policy) if via == KEYPAD else _unknown(via)
    asked, locked = subject.has_pin or via in policy.require_pin, not event.locked_for_s <= 0
    if locked and not (asked and via == KEYPAD):
        return Ready(), (Refuse(via, Reason.LOCKED_OUT, event.locked_for_s),)
    if asked:
        return _ask(state, subject, now, policy, locked=locked)
    return Ready(), (MakeClaim(Claim(subject.name, via)),)


def _ask(
    state: Looking, subject: Subject | None, now: float, policy: Policy, *, locked: bool = False
) -> Step:
    via = state.via
    if not policy.keypad:
        return Ready(), (Refuse(via, Reason.NO_KEYPAD),)
    return AwaitingPin(via, subject, now + policy.pin_timeout_s, locked), (AskPin(via),)


def _unknown(via: str, name: str | None = None, reason: Reason = Reason.UNKNOWN) -> Step:
    """name, reason: for the record alone."""
    return Ready(), (
        CountFailure(None, via),
        Audit(name, via, reason),
        Refuse(via, Reason.UNKNOWN),
    )


def _pressed(state: AwaitingPin, _event: Pressed, now: float, policy: Policy) -> Step:
    if now >= state.until:
        return _too_slow(state)
    return replace(state, until=now + policy.pin_timeout_s), ()


def _typed(state: AwaitingPin, event: PinTyped, now: float, _policy: Policy) -> Step:
    if now >= state.until:
        return _too_slow(state)
    name = None if state.subject is None or state.locked else state.subject.name
    return Judging(state.via, state.subject, state.locked), (JudgePin(name, event.pin),)


def _judged(state: Judging, event: Judged, _now: float, _policy: Policy) -> Step:
    via, subject = state.via, state.subject
    if subject is None:
        return _unknown(via)
    if state.locked:
        return _unknown(via, subject.name, Reason.LOCKED_OUT)
    if event.verdict is PinVerdict.WRONG:
        return Ready(), (
            CountFailure(subject.name, via),
            Audit(subject.name, via, Reason.WRONG_PIN),
            Refuse(via, Reason.WRONG_PIN),
        )
    duress = event.verdict is PinVerdict.DURESS
    claim = MakeClaim(Claim(subject.name, via, pin=True, duress=duress))
    return Ready(), ((CallForHelp(subject.name, via), claim) if duress else (claim,))


def _wait(state: AwaitingPin, _event: Tick, now: float, _policy: Policy) -> Step:
    return _too_slow(state) if now >= state.until else (state, ())


def _too_slow(state: AwaitingPin) -> Step:
    return Ready(), (Refuse(state.via, Reason.TOO_SLOW),)


def _stay(state: State, _event: Event, _now: float, _policy: Policy) -> Step:
    return state, ()


def _clear(_state: State, _event: Cleared, _now: float, _policy: Policy) -> Step:
    return Ready(), ()


def _fail(state: Looking | Judging, _event: Failed, _now: float, _policy: Policy) -> Step:
    return Ready(), (Refuse(state.via, Reason.BROKEN),)


# --- the table ----------------------------------------------------------------------------

_READY: Mapping[type, str] = {Ready: ""}
_PRESENTED: Mapping[type, str] = {Looking: "", Ready: "slowed"}

TABLE: Table[State, Action] = {
    (Ready, Presented): Row(_present, _PRESENTED),
    (Ready, Pressed): Row(_stay, _READY),
    (Ready, Cleared): Row(_stay, _READY),
    (Ready, Tick): Row(_stay, _READY),
    (Looking, Found): Row(
        _found,
        {
            AwaitingPin: "PIN needed, or nobody's code",
            Ready: "claim made, locked out, unknown, or no keypad",
        },
    ),
    (Looking, Failed): Row(_fail, _READY),
    (AwaitingPin, Presented): Row(_present, _PRESENTED),
    (AwaitingPin, Pressed): Row(_pressed, {AwaitingPin: "", Ready: "time is over"}),
    (AwaitingPin, PinTyped): Row(_typed, {Judging: "", Ready: "time is over"}),
    (AwaitingPin, Cleared): Row(_clear, _READY),
    (AwaitingPin, Tick): Row(_wait, {AwaitingPin: "", Ready: "time is over"}),
    (Judging, Judged): Row(_judged, {Ready: "claim made, or refused"}),
    (Judging, Failed): Row(_fail, _READY),
}


def step(state: State, event: Event, now: float, policy: Policy) -> Step:
    """What an event does. IllegalEventError where it cannot happen in this state."""
    return row(TABLE, state, event).handler(state, event, now, policy)


def diagram() -> str:
    """The table as a Mermaid diagram, for docs/claims.md."""
    return mermaid(TABLE, Ready)
