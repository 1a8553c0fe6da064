"""From signs to movements: a person blinked, turned, nodded, opened the mouth, smiled.

The rules, before the code:

1. A movement is measured from the person's own neutral, never in absolute terms. Its *level* is 0
   at neutral and 1 where it is unmistakably made; it has *begun* when its level leaves the rest,
   which it does earlier than it is made (hysteresis), and the moment kept is that of the last
   frame at rest, so that nothing that was under way passes for begun later; but no movement takes
   more than a moment from there, see `_LONGEST_ONSET_S`.
2. Turning, opening the mouth and smiling are made once their level was held for a moment; a blink
   and a nod once they are over, in the time that people take for them. One frame makes nothing.
3. The mesh of a turned or bowed head says little of eyes and mouth, and a gaping mouth draws the
   head's pose: what cannot be told is not looked at, and what it had begun does not count.
4. Eyes are compared with how open they were a moment ago: a smile narrows them, and so does
   looking down, but more slowly than a blink.

What is a neutral face is decided elsewhere, see `challenge`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from appliance.liveness.signs import Signs
from appliance.types import Ask

# Degrees, and shares of the face's own measures, by which a movement is unmistakable.
TURN: Final = 20.0
# The mesh shows about four fifths of a bow.
NOD: Final = 9.0
# The corners of a smiling mouth move by 7 to 22 mm each, as surgeons of the facial nerve measured;
# this asks for 3 mm each of a mouth 50 mm wide.
SMILE: Final = 0.12
# Speaking parts the lips by up to a quarter of the mouth's width, a smile that shows the teeth too.
OPEN: Final = 0.30
_TEETH: Final = 0.2
# Both eyes close by this share. The mesh shows 0.4 to 0.5 of a full blink on a large face, and half
# of that where the eyes are 30 pixels apart; it trembles by 0.03 there.
BLINK: Final = 0.20
# Above this the head is not at rest, and eyes and lips are not looked at.
_HEAD_MOVES: Final = 0.5
# A falling jaw draws the mesh down by some degrees, and a bow changes the mouth's shape: each is
# seen until the other is beyond doubt.
_BOWED: Final = 1.2
_GAPES: Final = 0.7
# Seconds before the lids go down that tell how open the eyes are, and after which they are not
# waited for any more.
_EYES_OVER_S: Final = 0.4
_EYES_SHUT_S: Final = 1.0
# Seconds that it takes at most from rest to a movement made; who leaned a little for longer made it
# later than that.
_LONGEST_ONSET_S: Final = 0.8
# Seconds without a frame, or without a view of eyes and mouth, after which nothing is known.
LONGEST_GAP_S: Final = 0.35


@dataclass(frozen=True)
class Gesture:
    """How one movement is recognised by its level; times in seconds.

    rest: below this level it has not begun, or is over. over: made when it is over, where the whole
    took `shortest` to `longest`; otherwise made when it was held for `shortest`.
    """

    rest: float
    shortest: float
    longest: float
    over: bool = False


GESTURES: Final[Mapping[Ask, Gesture]] = {
    # The lids are down for 0.1 to 0.4 s; closing and opening again is in it.
    Ask.BLINK: Gesture(rest=0.5, shortest=0.08, longest=0.6, over=True),
    Ask.TURN_LEFT: Gesture(rest=0.4, shortest=0.08, longest=np.inf),
    Ask.TURN_RIGHT: Gesture(rest=0.4, shortest=0.08, longest=np.inf),
    Ask.NOD: Gesture(rest=0.5, shortest=0.2, longest=2.0, over=True),
    Ask.OPEN_MOUTH: Gesture(rest=0.4, shortest=0.25, longest=np.inf),
    Ask.SMILE: Gesture(rest=0.4, shortest=0.25, longest=np.inf),
}


@dataclass(frozen=True)
class Made:
    """A movement was made. began: the time of the last frame before it; at: when it was made."""

    movement: Ask
    began: float
    at: float


@dataclass(frozen=True)
class Rest:
    """The level is low. at: of the last such frame."""

    at: float


@dataclass(frozen=True)
class Begun:
    """The level is not low. full: since when it has been 1 or more without a break, or None.

    reached: whether it was 1 or more at all. told: whether it has been called made.
    """

    began: float
    full: float | None = None
    reached: bool = False
    told: bool = False


Phase = Rest | Begun


def step(movement: Ask, phase: Phase, level: float | None, at: float) -> tuple[Phase, Made | None]:
    """The phase after a frame, and what was made with it. level: None where it is not seen."""
    gesture = GESTURES[movement]
    if level is None:
        # Rule 3: whatever was going on is void; what is seen next at rest begins anew.
        return (phase if isinstance(phase, Rest) else Begun(phase.began, told=True)), None
    if isinstance(phase, Rest):
        if level < gesture.rest:
            return Rest(at), None
        phase = Begun(phase.at)
    if level < gesture.rest:
        whole = gesture.shortest <= at - phase.began <= gesture.longest
        made = gesture.over and phase.reached and not phase.told and whole
        return Rest(at), (Made(movement, phase.began, at) if made else None)
    if not level >= 1:  # so written that a NaN is no movement
        return Begun(phase.began, None, phase.reached, phase.told), None
    began = phase.began if phase.reached else max(phase.began, at - _LONGEST_ONSET_S)
    full = at if phase.full is None else phase.full
    held = not gesture.over and not phase.told and at - full >= gesture.shortest
    return (
        Begun(began, full, reached=True, told=phase.told or held),
        Made(movement, began, at) if held else None,
    )


class Movements:
    """Follows all six movements over the frames of one face."""

    def __init__(self) -> None:
        self._phases: dict[Ask, Phase] = {}
        self._eyes: deque[tuple[float, float, float]] = deque()
        self._at: float | None = None

    def see(self, signs: Signs, neutral: Signs) -> tuple[Made, ...]:
        """What was made with this frame. neutral: the person's own, for all but the eyes."""
        if self._at is None or not 0 < signs.at - self._at <= LONGEST_GAP_S:
            self._resume(signs.at)
        self._at = signs.at
        found = []
        for movement, level in self._levels(signs, neutral).items():
            before = self._phases.get(movement, Rest(signs.at))
            self._phases[movement], made = step(movement, before, level, signs.at)
            if made is not None:
                found.append(made)
        return tuple(found)

    @property
    def at_rest(self) -> bool:
        """Whether head and mouth are; the eyes may blink."""
        return all(
            isinstance(phase, Rest)
            for movement, phase in self._phases.items()
            if movement is not Ask.BLINK
        )

    def forget(self) -> None:
        """The next frame is of another face, or has another neutral."""
        self._phases.clear()
        self._eyes.clear()
        self._at = None

    def _resume(self, at: float) -> None:
        """After a gap: a movement begun before it is void, for nobody saw how it went on."""
        self._eyes.clear()
        for movement, phase in self._phases.items():
            if isinstance(phase, Begun):
                self._phases[movement] = Begun(phase.began, told=True)
        if self._at is not None and at <= self._at:
            self.forget()

    def _levels(self, signs: Signs, neutral: Signs) -> dict[Ask, float | None]:
        levels: dict[Ask, float | None] = dict(levels_of(signs, neutral))
        turned = abs(signs.yaw - neutral.yaw) > _HEAD_MOVES * TURN
        bowed = abs(signs.pitch - neutral.pitch) / NOD
        opened = levels[Ask.OPEN_MOUTH] or 0.0
        levels[Ask.BLINK] = self._closed(signs)
        if turned or bowed > _HEAD_MOVES:
            levels[Ask.BLINK] = levels[Ask.SMILE] = None
        if turned or bowed > _BOWED:
            levels[Ask.OPEN_MOUTH] = None
        if turned or opened > _GAPES:
            levels[Ask.NOD] = None
        return levels

    def _closed(self, signs: Signs) -> float | None:
        """How far both eyes are closed compared with a moment ago; None where that is unknown."""
        if self._eyes and signs.at - self._eyes[-1][0] > _EYES_SHUT_S:
            self._eyes.clear()  # nobody blinks so long: they are as open as they are
        before = np.array([(left, right) for _, left, right in self._eyes])
        if len(before) < 3:  # a median of fewer tells nothing
            level = None
        else:
            left, right = np.median(before, axis=0)
            level = float(1 - max(signs.left_eye / left, signs.right_eye / right)) / BLINK
        if level is None or level < 1:
            self._eyes.append((signs.at, signs.left_eye, signs.right_eye))
            while signs.at - self._eyes[0][0] > _EYES_OVER_S:
                self._eyes.popleft()
        return level


def levels_of(signs: Signs, neutral: Signs) -> dict[Ask, float]:
    """How far each movement but the blink is made: 0 at neutral, 1 when it is unmistakable."""
    yaw, pitch = signs.yaw - neutral.yaw, signs.pitch - neutral.pitch
    wider = signs.width / neutral.width - 1
    parted = signs.gap - neutral.gap
    # A smile widens the mouth and shows the teeth, no more; an open mouth does not widen. What
    # does both, a laugh, is neither.
    opened = parted - max(wider, 0.0) / 2
    smiling = wider - max(parted - _TEETH, 0.0)
    return {
        Ask.TURN_LEFT: yaw / TURN,
        Ask.TURN_RIGHT: -yaw / TURN,
        Ask.NOD: pitch / NOD,
        Ask.OPEN_MOUTH: opened / OPEN,
        Ask.SMILE: smiling / SMILE,
    }
