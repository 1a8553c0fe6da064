"""What people at the door see and hear: (situation, event) -> (situation, lamps, buzzer, words).

The rules, before the code:

1. The lamp "granted" and the beep at its beginning follow the lock's line and nothing else: they
   say that people may pass now, whoever let them.
2. Whoever is refused sees and hears the same, whatever the reason: a wrong face, a photograph,
   a name that nobody has, the wrong PIN, the wrong time, a lock-out. Trying does not teach who is
   enrolled, or what was wrong. Only what one's own posture mends looks different: stand still,
   come closer, one at a time.
3. A duress PIN looks and sounds like any other.
4. An alarm shows for as long as it lasts, and sounds for `LONGEST_S` at most.
5. The lamp "ready" burns while a claim can be served; it is dark while nothing works.
6. Only who was let in is greeted, and only where the config asks for it: a greeting tells everybody
   in earshot who comes.
7. What a person is to do for the camera is said aloud where the config asks for it. Lamp and buzzer
   can only tell that something is asked.

`Feedback` is the hand that plays what `step` returns; it never raises and never waits.
docs/feedback.md shows the patterns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from threading import Lock as Mutex
from typing import Final, TypeAlias

from appliance.door_values import AlarmKind, DoorChange, DoorStatus, Happening
from appliance.phrases import instruction, welcome
from appliance.ports import Indicators, Speaker
from appliance.signals import ON, Output, Pattern, Patterns
from appliance.types import Ask, Decision, Verdict

# Seconds. A contact that broke on a Friday must not sound until Monday.
LONGEST_S: Final = 180


class Readiness(str, Enum):
    """Whether the appliance can serve a claim."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    LOOKING = "looking"  # an attempt runs: look into the camera
    DEGRADED = "degraded"  # no camera, for instance


class Cue(str, Enum):
    """What keypad and card reader answer."""

    KEY = "key"
    PIN_WANTED = "pin_wanted"
    CLAIMED = "claimed"  # understood: look into the camera
    REFUSED = "refused"


@dataclass(frozen=True)
class Judged:
    """An attempt that may open the door has ended. name: the claim's."""

    name: str
    verdict: Verdict


Event: TypeAlias = DoorStatus | DoorChange | Judged | Readiness | Cue | Ask


@dataclass(frozen=True)
class Situation:
    """What is shown at rest follows from this. released: people may pass."""

    readiness: Readiness = Readiness.STOPPED
    released: bool = False
    alarms: frozenset[AlarmKind] = frozenset()


@dataclass(frozen=True)
class Shown:
    """base: what is shown from now on. once: what is played above it. greeted: a name, or none.

    asked: what is said that the person is to do.
    """

    base: Patterns
    once: Patterns = field(default_factory=dict)
    greeted: str = ""
    asked: Ask | None = None


MAY_PASS: Final[Patterns] = {Output.BUZZER: Pattern(0.25, 0, 1)}
REFUSED: Final[Patterns] = {
    Output.DENIED: Pattern(2.0, 0, 1),
    Output.BUZZER: Pattern(0.1, 0.1, 3),
}
TRY_AGAIN: Final[Patterns] = {
    Output.DENIED: Pattern(0.3, 0.3, 3),
    Output.BUZZER: Pattern(0.1, 0.1, 2),
}
SOMETHING_ASKED: Final[Patterns] = {
    Output.READY: Pattern(0.05, 0.05, 20),
    Output.BUZZER: Pattern(0.03, 0.07, 4),
}
CUES: Final[Mapping[Cue, Patterns]] = {
    Cue.KEY: {Output.BUZZER: Pattern(0.03, 0, 1)},
    Cue.PIN_WANTED: {Output.BUZZER: Pattern(0.05, 0.1, 2)},
    Cue.CLAIMED: {Output.BUZZER: Pattern(0.05, 0, 1)},
    Cue.REFUSED: REFUSED,
}
READINESS: Final[Mapping[Readiness, Pattern | None]] = {
    Readiness.STOPPED: None,
    Readiness.STARTING: None,
    Readiness.READY: ON,
    Readiness.LOOKING: Pattern(0.2, 0.2),
    Readiness.DEGRADED: Pattern(0.1, 1.9),
}
# The gravest first: an output shows one of them.
ALARMS: Final[Mapping[AlarmKind, Patterns]] = {
    AlarmKind.FORCED: {
        Output.DENIED: Pattern(0.1, 0.1),
        Output.BUZZER: Pattern(0.5, 0.5, LONGEST_S),
    },
    AlarmKind.TAMPER: {
        Output.DENIED: Pattern(0.1, 0.1),
        Output.BUZZER: Pattern(0.5, 0.5, LONGEST_S),
    },
    AlarmKind.LOCK_FAILED: {Output.DENIED: ON},
    AlarmKind.HELD_OPEN: {
        Output.DENIED: Pattern(0.5, 0.5),
        Output.BUZZER: Pattern(0.1, 1.9, LONGEST_S // 2),
    },
    AlarmKind.INPUTS_FAILED: {},
}
# While one of them lasts, a claim cannot be served as it should be.
DEGRADING: Final = frozenset({AlarmKind.LOCK_FAILED, AlarmKind.INPUTS_FAILED})

VERDICTS: Final[Mapping[Decision, Patterns]] = {
    # The line speaks for itself, see rule 1.
    Decision.ACCEPT: {},
    Decision.REJECT: REFUSED,
    Decision.SPOOF: REFUSED,
    Decision.NOT_PERMITTED: REFUSED,
    Decision.UNKNOWN_PERSON: REFUSED,
    Decision.LOCKED_OUT: REFUSED,
    Decision.NO_FACE: TRY_AGAIN,
    Decision.SEVERAL_FACES: TRY_AGAIN,
    Decision.POOR_QUALITY: TRY_AGAIN,
    Decision.TIMEOUT: TRY_AGAIN,
}


def step(situation: Situation, event: Event) -> tuple[Situation, Shown]:
    """The situation after an event, and what to play. Any event fits any situation."""
    if isinstance(event, DoorChange):
        return _door_changed(situation, event)
    if isinstance(event, DoorStatus):  # what was the case before anybody listened
        situation = replace(situation, released=event.released, alarms=frozenset(event.alarms))
        return situation, Shown(base(situation))
    if isinstance(event, Judged):
        greeted = event.name if event.verdict.decision is Decision.ACCEPT else ""
        return situation, Shown(base(situation), VERDICTS[event.verdict.decision], greeted)
    if isinstance(event, Readiness):
        situation = replace(situation, readiness=event)
        return situation, Shown(base(situation))
    if not isinstance(event, Ask):
        return situation, Shown(base(situation), CUES[event])
    # Between two movements there is nothing to do.
    asked = Shown(base(situation), SOMETHING_ASKED, asked=event)
    return situation, Shown(base(situation)) if event is Ask.LOOK else asked


def base(situation: Situation) -> dict[Output, Pattern]:
    """What is shown at rest."""
    found = {
        output: pattern
        for kind in reversed(tuple(ALARMS))
        if kind in situation.alarms
        for output, pattern in ALARMS[kind].items()
    }
    if situation.released:
        found[Output.GRANTED] = ON
    if (ready := _readiness(situation)) is not None:
        found[Output.READY] = ready
    return found


def table() -> str:
    """All patterns as a table in Markdown, for docs/feedback.md."""
    rows: list[tuple[str, Patterns]] = [
        *((f"readiness: {it.value}", _lamp(pattern)) for it, pattern in READINESS.items()),
        ("people may pass", {Output.GRANTED: ON, **MAY_PASS}),
        ("refused, whatever the reason", REFUSED),
        ("stand differently and try again", TRY_AGAIN),
        ("a movement is asked for", SOMETHING_ASKED),
        *((f"answer: {it.value}", patterns) for it, patterns in CUES.items()),
        *((f"alarm: {it.value}", patterns) for it, patterns in ALARMS.items()),
    ]
    head = ["", *(output.value for output in Output)]
    cells = [[what, *(_in_words(it.get(output)) for output in Output)] for what, it in rows]
    lines = [head, ["---"] * len(head), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _lamp(pattern: Pattern | None) -> Patterns:
    return {} if pattern is None else {Output.READY: pattern}


def _in_words(pattern: Pattern | None) -> str:
    if pattern is None:
        return ""
    if pattern == ON:
        return "on"
    if pattern.times == 1:
        return f"{pattern.on_s:g} s"
    often = "for as long as it lasts" if pattern.times is None else f"{pattern.times} times"
    return f"{pattern.on_s:g} s on, {pattern.off_s:g} s off, {often}"


def _readiness(situation: Situation) -> Pattern | None:
    worse = situation.alarms & DEGRADING and situation.readiness is Readiness.READY
    return READINESS[Readiness.DEGRADED if worse else situation.readiness]


def _door_changed(situation: Situation, change: DoorChange) -> tuple[Situation, Shown]:
    once: Patterns = {}
    if change.what is Happening.RELEASED:
        once = {} if situation.released else MAY_PASS
        situation = replace(situation, released=True)
    elif change.what is Happening.SECURED:
        situation = replace(situation, released=False)
    elif change.alarm is not None and change.what is Happening.ALARM:
        situation = replace(situation, alarms=situation.alarms | {change.alarm})
    elif change.alarm is not None and change.what is Happening.ALARM_OVER:
        situation = replace(situation, alarms=situation.alarms - {change.alarm})
    return situation, Shown(base(situation), once)


class Feedback:
    """Plays what `step` returns. May be called from any thread; never raises, never waits.

    speaker: None where nobody is greeted. instructor: what says what a person is to do; None where
    nothing does. language: of both.
    """

    def __init__(
        self,
        indicators: Indicators,
        speaker: Speaker | None = None,
        instructor: Speaker | None = None,
        *,
        language: str = "en",
    ) -> None:
        self._indicators = indicators
        self._speaker = speaker
        self._instructor = instructor
        self._language = language
        self._situation = Situation()
        # Two events at once must not be shown in another order than they were counted.
        self._guard = Mutex()

    @property
    def situation(self) -> Situation:
        """What the lamps show at rest follows from it."""
        return self._situation

    def tell(self, event: Event) -> None:
        """Something happened."""
        with self._guard:
            self._situation, shown = step(self._situation, event)
            self._indicators.show(shown.base)
            if shown.once:
                self._indicators.play(shown.once)
        if shown.greeted and self._speaker is not None:
            self._speaker.greet(welcome(shown.greeted, self._language))
        if shown.asked is not None and self._instructor is not None:
            self._instructor.say(instruction(shown.asked, self._language))
