"""The hands of the claims' table: keys, cards and badges in, claims out.

One person is served at a time. Whatever the store raises ends what was going on, is told to
the person as "cannot be checked", and goes on to whoever runs the reader.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from threading import Lock as Guard
from typing import Final

from appliance.claims import badge, card, claiming, pin, typed
from appliance.claims.backoff import Backoff
from appliance.errors import ApplianceError
from appliance.ports import AuditLog, Clock, Credentials
from appliance.types import Claim, PinVerdict

log = logging.getLogger(__name__)

# The words of the audit log.
REFUSED: Final = "claim_refused"
DURESS: Final = "duress"

# Seconds for which nothing is heard after a failure could not be counted: what costs nothing must
# not be tried often.
HOLD_S: Final = 30.0

# By which kind of credential a way is looked up.
_KINDS: Final[Mapping[str, str]] = {
    claiming.KEYPAD: "code",
    claiming.CARD: "card",
    claiming.QR: "qr",
}


class Answer(str, Enum):
    """What the person at the reader sees and hears; the values are those of feedback's cues."""

    KEY = "key"
    PIN_WANTED = "pin_wanted"
    CLAIMED = "claimed"
    REFUSED = "refused"


@dataclass(frozen=True)
class Tools:
    """What the desk works with.

    hand: gives the claim to whoever looks at faces; False when too much is going on to hear it.
    show: an answer and a sentence for the person at the door. call: a duress PIN was typed, by
    this name and way; never to be shown at the door. Both come back soon and never raise.
    """

    credentials: Credentials
    backoff: Backoff
    audit: AuditLog
    clock: Clock
    hand: Callable[[Claim], bool]
    show: Callable[[Answer, str], None]
    call: Callable[[str, str], None]


class Desk:
    """May be called from several threads; each call returns when all has been done.

    `keypad`, `card` and `badge` raise StoreError; the desk serves again then, or after HOLD_S.
    """

    def __init__(self, tools: Tools, policy: claiming.Policy) -> None:
        self._tools = tools
        self._policy = policy
        self._guard = Guard()
        self._state: claiming.State = claiming.Ready()
        self._keypad = typed.Entry()
        self._card = typed.Entry()
        self._badge = badge.Showing()
        self._digits = typed.Keys(typed.DIGITS, policy.pin_timeout_s)
        self._characters = typed.Keys(typed.CARD_CHARACTERS, policy.pin_timeout_s)
        # Nobody's PIN is hashed with a salt as well.
        self._nobody = pin.new_salt()
        self._held_until = float("-inf")

    @property
    def state(self) -> claiming.State:
        """Where the table stands."""
        return self._state

    def keypad(self, key: str) -> None:
        """A key of the keypad, see `claims.typed`."""
        with self._guard:
            self._tools.show(Answer.KEY, "")
            self._feed(claiming.Tick())
            now = self._tools.clock.monotonic()
            self._keypad, found = typed.press(self._keypad, key, now, self._digits)
            self._feed(claiming.Pressed())
            if isinstance(found, typed.Cleared):
                self._feed(claiming.Cleared())
            elif isinstance(found, typed.Line):
                if isinstance(self._state, claiming.AwaitingPin):
                    self._feed(claiming.PinTyped(found.text))
                else:
                    self._present(claiming.KEYPAD, found.text)

    def card(self, key: str) -> None:
        """A key that the card reader typed."""
        with self._guard:
            now = self._tools.clock.monotonic()
            self._card, found = typed.press(self._card, key, now, self._characters)
            if isinstance(found, typed.Line):
                number = card.number(found.text)
                if number is not None:
                    self._present(claiming.CARD, number)

    def badge(self, text: str) -> None:
        """A QR code was read in a frame; what is no badge of ours is passed over.

        So is a badge while somebody types: one that hangs about in the picture must not take
        the keypad away from who stands at it.
        """
        if not badge.is_badge(text):
            return
        with self._guard:
            now = self._tools.clock.monotonic()
            self._feed(claiming.Tick())
            typing = typed.current(self._keypad, now, self._digits)
            if typing or not isinstance(self._state, claiming.Ready):
                return
            self._badge, new = self._badge.read(text, now)
            if new:
                self._present(claiming.QR, text)

    def tick(self) -> None:
        """Time has passed: call it at least every second."""
        with self._guard:
            self._feed(claiming.Tick())

    def _present(self, via: str, secret: str) -> None:
        # What is half typed belongs to whoever was there before.
        self._keypad = typed.Entry()
        held = self._held_until - self._tools.clock.monotonic()
        slowed = 0.0 if held > 0 else self._tools.backoff.slowed_for(via)
        self._feed(claiming.Presented(via, secret, max(held, slowed)))

    def _feed(self, event: claiming.Event) -> None:
        """One event and all that follows from it."""
        pending: deque[claiming.Event] = deque([event])
        while pending:
            now = self._tools.clock.monotonic()
            self._state, actions = claiming.step(self._state, pending.popleft(), now, self._policy)
            try:
                for action in actions:
                    pending.extend(self._do(action))
            except BaseException:
                if any(isinstance(action, claiming.CountFailure) for action in actions):
                    self._held_until = self._tools.clock.monotonic() + HOLD_S
                if isinstance(self._state, (claiming.Looking, claiming.Judging)):
                    self._feed(claiming.Failed())
                else:
                    self._tools.show(Answer.REFUSED, "That cannot be done at the moment.")
                raise

    def _do(self, action: claiming.Action) -> list[claiming.Event]:
        tools = self._tools
        if isinstance(action, claiming.LookUp):
            return [self._looked_up(action)]
        if isinstance(action, claiming.JudgePin):
            return [claiming.Judged(self._judged(action))]
        if isinstance(action, claiming.AskPin):
            tools.show(Answer.PIN_WANTED, "Enter your PIN.")
        elif isinstance(action, claiming.MakeClaim):
            self._hand(action.claim)
        elif isinstance(action, claiming.CallForHelp):
            self._call_for_help(action)
        elif isinstance(action, claiming.CountFailure):
            tools.backoff.failed(action.name, action.via)
        elif isinstance(action, claiming.Audit):
            detail = {"via": action.via, "reason": action.reason.value}
            tools.audit.append(REFUSED, action.name or "", detail)
        else:
            tools.show(Answer.REFUSED, action.sentence)
        return []

    def _looked_up(self, action: claiming.LookUp) -> claiming.Found:
        subject = self._tools.credentials.find(_KINDS[action.via], action.secret)
        if subject is None:
            return claiming.Found(None)
        return claiming.Found(subject, self._tools.backoff.locked_for(subject.name, action.via))

    def _judged(self, action: claiming.JudgePin) -> PinVerdict:
        """The same steps for everybody: one salt, one hash, one comparison."""
        credentials = self._tools.credentials
        salt = credentials.pin_salt(action.name or "") or self._nobody
        return credentials.judge_pin(action.name, pin.digest(action.pin, salt))

    def _hand(self, claim: Claim) -> None:
        if self._tools.hand(claim):
            self._tools.show(Answer.CLAIMED, "Look into the camera.")
        else:
            self._tools.show(Answer.REFUSED, "One person at a time, please.")

    def _call_for_help(self, action: claiming.CallForHelp) -> None:
        # The call goes out first, and whatever becomes of its record the door behaves as ever.
        self._tools.call(action.name, action.via)
        try:
            self._tools.audit.append(DURESS, action.name, {"via": action.via})
        except ApplianceError as error:
            log.critical("a duress PIN was typed and could not be recorded: %s", error.message)
