"""Asking for movements, as a pure table: (state, event, now) -> state.

The rules, before the code:

1. Nothing is asked before the face was calm for a moment; what it looked like then is the person's
   own neutral, from which every movement is measured.
2. A *plan* says what is asked, in which order, and after how long a pause each: drawn at random for
   each attempt, and anew whenever the face was lost. In a pause the person looks into the camera.
3. Whoever makes a movement in a pause, or so soon after the ask that nobody could have understood
   it, did not follow the ask: `TOO_EARLY`. Whoever makes another movement than the one asked
   for: `WRONG_MOVEMENT`. Both are how a recording betrays itself, and end the attempt.
4. Blinks come by themselves and are never held against anybody. So do smiles: one in a pause is
   waited out; one in place of what was asked for leaves the challenge unanswered, for whoever could
   smile in between for nothing would have one more movement that fits.
5. What was asked for counts when it was begun after the ask and made within `limit_s`, and the face
   came back to its neutral within `return_s`. Otherwise the challenge is unanswered: it does not
   pass any more, and nobody is accused.
6. Whoever sees an ask and then hides, or lets it pass, could wait for one that a recording fits.
   So after `free` asks in a row that came to nothing the next one is put off, each time for twice
   as long; one challenge that was passed forgives them, and so does time.

`now` is seconds of the source, as are all times. How likely a recording passes, by `mode`, and what
a challenge does not see, stands in docs/liveness.md; `guess` computes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal, TypeAlias

from appliance.liveness.cue import View
from appliance.liveness.movements import OPEN, SMILE, Made, Movements, levels_of
from appliance.liveness.signs import Signs, median, read
from appliance.types import Ask, Suspicion

Mode: TypeAlias = Literal["blink", "turn", "random"]
Outcome: TypeAlias = Literal["running", "passed", "failed"]

TURNS: Final = (Ask.TURN_LEFT, Ask.TURN_RIGHT)
# What nobody does by chance.
DELIBERATE: Final = (*TURNS, Ask.NOD, Ask.OPEN_MOUTH)
_DRAWN: Final[Mapping[Mode, tuple[Ask, ...]]] = {
    "blink": (Ask.BLINK,),
    "turn": TURNS,
    "random": (*DELIBERATE, Ask.SMILE),
}
# Movements in one attempt. A blink asks for little, so there it may be one.
_FEWEST: Final[Mapping[Mode, int]] = {"blink": 1, "turn": 2, "random": 2}
_MOST: Final = 2
# In `random`, one attempt in so many is asked for a blink besides, at any place in the order.
BLINK_IN: Final = 6
# Pixels between the outer eye corners below which a blink cannot be told well enough to ask for it
# where something else may be asked.
BLINK_NEEDS: Final = 64.0


@dataclass(frozen=True)
class Policy:
    """Seconds, where nothing else is said.

    calm_s: how long a face is calm before its neutral is known. shortest_pause_s, longest_pause_s:
    between them nothing is asked. reaction_s: nobody hears or reads, understands and moves faster;
    a simple reaction to a light alone takes 0.2 to 0.25 s. limit_s: for the movement. return_s: for
    coming back. free: asks in a row that may come to nothing. put_off_s, longest_put_off_s: how
    long nothing is asked after one more, and at most. forgiven_s: after the last of them.
    """

    calm_s: float = 0.5
    shortest_pause_s: float = 0.4
    longest_pause_s: float = 1.6
    reaction_s: float = 0.3
    limit_s: float = 4.0
    return_s: float = 3.0
    free: int = 2
    put_off_s: float = 5.0
    longest_put_off_s: float = 15.0
    forgiven_s: float = 300.0

    def put_off(self, fruitless: int) -> float:
        """Seconds to wait after so many asks in a row that came to nothing."""
        beyond = min(fruitless - self.free, 30)
        return (
            0.0 if beyond <= 0 else min(self.put_off_s * 2 ** (beyond - 1), self.longest_put_off_s)
        )


SHIPPED: Final = Policy()


@dataclass(frozen=True)
class Item:
    """One movement of a plan, and the pause before it is asked for."""

    ask: Ask
    pause_s: float


Plan: TypeAlias = tuple[Item, ...]


# --- events -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Begin:
    """The face is calm, and a plan was drawn."""

    plan: Plan


@dataclass(frozen=True)
class Calm:
    """A frame of a face at its neutral."""


@dataclass(frozen=True)
class Restless:
    """A frame of a face that is not."""


Event: TypeAlias = Begin | Calm | Restless | Made


# --- states -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waiting:
    """For a calm face."""


@dataclass(frozen=True)
class Pausing:
    """Nothing is asked yet. until: when it may be."""

    left: Plan
    until: float


@dataclass(frozen=True)
class Asking:
    """The first movement of `left` is asked for, since `since`."""

    left: Plan
    since: float


@dataclass(frozen=True)
class Returning:
    """It was made at `since`; the face is to come back."""

    left: Plan
    since: float


@dataclass(frozen=True)
class Passed:
    """All movements were made as asked."""


@dataclass(frozen=True)
class Failed:
    """This is not somebody who follows what is asked."""

    reason: Suspicion


@dataclass(frozen=True)
class Unanswered:
    """It did not come to an answer."""


State: TypeAlias = Waiting | Pausing | Asking | Returning | Passed | Failed | Unanswered


# --- what the events do -------------------------------------------------------------------


def step(state: State, event: Event, now: float, policy: Policy) -> State:
    """The state after an event. What has no row changes nothing: every frame is an event."""
    handler = TABLE.get((type(state), type(event)))
    return state if handler is None else handler(state, event, now, policy)


def _begin(_state: Waiting, event: Begin, now: float, _policy: Policy) -> State:
    return _pause(event.plan, now)


def _pause(left: Plan, now: float) -> State:
    return Pausing(left, now + left[0].pause_s) if left else Passed()


def _ask(state: Pausing, _event: Calm, now: float, _policy: Policy) -> State:
    return Asking(state.left, now) if now >= state.until else state


def _unasked(state: Pausing, event: Made, now: float, _policy: Policy) -> State:
    if event.movement in DELIBERATE:
        return Failed(Suspicion.TOO_EARLY)
    if event.movement is Ask.SMILE:
        return replace(state, until=max(state.until, now + state.left[0].pause_s))
    return state


def _answered(state: Asking, event: Made, now: float, policy: Policy) -> State:
    if now - state.since > policy.limit_s:
        return Unanswered()
    early = event.began < state.since + policy.reaction_s
    if event.movement is state.left[0].ask and not early:
        return Returning(state.left[1:], now)
    if event.movement in DELIBERATE:
        return Failed(Suspicion.TOO_EARLY if early else Suspicion.WRONG_MOVEMENT)
    smiles = event.movement is Ask.SMILE and state.left[0].ask is not Ask.BLINK
    return Unanswered() if smiles else state


def _hurry(state: Asking, _event: Calm | Restless, now: float, policy: Policy) -> State:
    return Unanswered() if now - state.since > policy.limit_s else state


def _back(state: Returning, _event: Calm, now: float, policy: Policy) -> State:
    late = now - state.since > policy.return_s
    return Unanswered() if late else _pause(state.left, now)


def _away(state: Returning, _event: Restless, now: float, policy: Policy) -> State:
    return Unanswered() if now - state.since > policy.return_s else state


TABLE: Final[Mapping[tuple[type, type], Callable[..., State]]] = {
    (Waiting, Begin): _begin,
    (Pausing, Calm): _ask,
    (Pausing, Made): _unasked,
    (Asking, Made): _answered,
    (Asking, Calm): _hurry,
    (Asking, Restless): _hurry,
    (Returning, Calm): _back,
    (Returning, Restless): _away,
}


def draw(mode: Mode, random: Random, policy: Policy, *, blink: bool = True) -> Plan:
    """A plan. blink: whether one may be asked for besides other movements.

    Every movement is drawn by itself, so that all orders, the same one twice included, are as
    likely as each other: then no recording is better than another.
    """
    count = random.randint(_FEWEST[mode], _MOST)
    asks = [random.choice(_DRAWN[mode]) for _ in range(count)]
    if mode == "random" and blink and random.randrange(BLINK_IN) == 0:
        asks.insert(random.randrange(count + 1), Ask.BLINK)
    shortest, longest = policy.shortest_pause_s, policy.longest_pause_s
    return tuple(Item(ask, random.uniform(shortest, longest)) for ask in asks)


def guess(mode: Mode) -> float:
    """The chance that the best recording passes one attempt, however it is timed.

    Blinks are taken for granted: they are not held against anybody, so a recording may be full
    of them.
    """
    if mode == "blink":
        return 1.0
    return float(len(_DRAWN[mode])) ** -_FEWEST[mode]


def longest_s(policy: Policy = SHIPPED) -> float:
    """Seconds that a challenge takes of somebody who answers each ask at the last moment."""
    most = _MOST + 1  # and a blink
    return policy.calm_s + most * (policy.longest_pause_s + policy.limit_s + policy.return_s)


# --- the hand -----------------------------------------------------------------------------

# Degrees over which the head of a calm face sways, and levels (see `movements`) by which its mouth
# stirs; levels within which it has come back to its neutral.
_STILL: Final = 5.0
_STIRS: Final = 0.5
_NEAR: Final = 0.75
# Degrees from the line of sight within which somebody looks into the camera, or nearly.
_AHEAD: Final = 25.0
_FEWEST_FRAMES: Final = 4
# Seconds without a frame after which it may be somebody else.
_LONGEST_GAP_S: Final = 1.0


class Challenge:
    """Asks, and sees what is done. random: `secrets.SystemRandom()` at a door."""

    def __init__(self, mode: Mode, random: Random, policy: Policy = SHIPPED) -> None:
        self._mode: Mode = mode
        self._random = random
        self._policy = policy
        # A smile is nobody's business where none is ever asked for.
        self._heeded = frozenset({*DELIBERATE, Ask.BLINK, *_DRAWN[mode]})
        self._movements = Movements()
        self._window: deque[Signs] = deque()
        self._neutral: Signs | None = None
        self._state: State = Waiting()
        self._fruitless = 0
        self._asked_at = 0.0

    @property
    def ask(self) -> Ask | None:
        """What the person is to do now; None where there is nothing more to do."""
        if isinstance(self._state, Asking):
            return self._state.left[0].ask
        return Ask.LOOK if isinstance(self._state, Waiting | Pausing | Returning) else None

    @property
    def outcome(self) -> Outcome:
        """How it stands. Unanswered, it stays running for ever."""
        if isinstance(self._state, Passed):
            return "passed"
        return "failed" if isinstance(self._state, Failed) else "running"

    @property
    def unanswered(self) -> bool:
        """Whether it cannot be passed any more, though nothing speaks against the person."""
        return isinstance(self._state, Unanswered)

    @property
    def reason(self) -> Suspicion | None:
        """Why it failed."""
        return self._state.reason if isinstance(self._state, Failed) else None

    def see(self, view: View) -> None:
        """The next frame of the same face."""
        self.follow(read(view))

    def follow(self, signs: Signs) -> None:
        """The same of a frame whose signs are known."""
        if self._window and not 0 < signs.at - self._window[-1].at <= _LONGEST_GAP_S:
            self.forget()
        self._window.append(signs)
        while signs.at - self._window[0].at > self._policy.calm_s:
            self._window.popleft()
        calm = self._calm()
        if self._neutral is None:
            if calm is not None and self._may_ask(signs.at):
                self._begin(calm, signs.at)
            return
        for made in self._movements.see(signs, self._neutral):
            if made.movement in self._heeded:
                self._feed(made, signs.at)
        at_rest = calm is not None and self._is_at_rest(calm)
        self._feed(Calm() if at_rest else Restless(), signs.at)
        if calm is not None and at_rest and isinstance(self._state, Pausing):
            self._neutral = calm

    def forget(self) -> None:
        """Another face, or another attempt: begin anew, with another plan."""
        if isinstance(self._state, Asking | Returning):
            self._fruitless += 1
        self._movements.forget()
        self._window.clear()
        self._neutral = None
        self._state = Waiting()

    def _begin(self, calm: Signs, now: float) -> None:
        self._neutral = calm
        blink = calm.size >= BLINK_NEEDS
        self._feed(Begin(draw(self._mode, self._random, self._policy, blink=blink)), now)

    def _feed(self, event: Event, now: float) -> None:
        before = self._state
        self._state = step(before, event, now, self._policy)
        if isinstance(self._state, Asking):
            self._asked_at = now
        if isinstance(before, Returning) and isinstance(self._state, Pausing):
            self._movements.forget()
        if self._state != before and isinstance(self._state, Unanswered):
            self._fruitless += 1
        if isinstance(self._state, Passed):
            self._fruitless = 0

    def _may_ask(self, now: float) -> bool:
        """Rule 6. now: of a recording that begins anew, it may lie before the last ask."""
        passed = now - self._asked_at
        if not 0 <= passed < self._policy.forgiven_s:
            self._fruitless = 0
        return not 0 <= passed < self._policy.put_off(self._fruitless)

    def _is_at_rest(self, calm: Signs) -> bool:
        if self._neutral is None:
            return False
        if isinstance(self._state, Returning):  # people do not come back to quite the same place
            return all(abs(level) <= _NEAR for level in levels_of(calm, self._neutral).values())
        return self._movements.at_rest

    def _calm(self) -> Signs | None:
        """The neutral that the last frames show; None where they show none."""
        window = self._window
        spans = window[-1].at - window[0].at >= 0.8 * self._policy.calm_s
        if not spans or len(window) < _FEWEST_FRAMES:
            return None
        middle = median(tuple(window))
        still = (
            _spread([one.yaw for one in window]) <= _STILL
            and _spread([one.pitch for one in window]) <= _STILL
            and _spread([one.gap for one in window]) <= _STIRS * OPEN
            and _spread([one.width for one in window]) <= _STIRS * SMILE * middle.width
        )
        return middle if still and abs(middle.yaw) <= _AHEAD else None


def _spread(values: list[float]) -> float:
    return max(values) - min(values)
