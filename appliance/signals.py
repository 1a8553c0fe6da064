"""Lamps and a buzzer as values: which outputs there are, how they blink, what they show when.

A `Score` holds what every output shows at rest and what it plays once above that. It is pure:
`levels` tells what each output is at a moment, `wait` when that changes next, and whoever plays
it only has to follow. Times are monotonic seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Output(str, Enum):
    """What may be connected; the value is the word of config and journal."""

    READY = "ready_led"
    GRANTED = "granted_led"
    DENIED = "denied_led"
    BUZZER = "buzzer"


@dataclass(frozen=True)
class Pattern:
    """On and off in turn, seconds each, beginning with on. times: how often; None: for good.

    `on_s` may be infinite: that is on, without end.
    """

    on_s: float
    off_s: float = 0.0
    times: int | None = None

    def __post_init__(self) -> None:
        lasting = self.on_s == math.inf and self.off_s == 0
        blinking = 0 < self.on_s < math.inf and 0 <= self.off_s < math.inf
        if not (lasting or blinking) or (self.times is not None and self.times < 1):
            raise ValueError(f"not a pattern of a lamp: {self}")

    @property
    def length(self) -> float:
        """Seconds until it is over; the last pause is no part of it."""
        if self.times is None:
            return math.inf
        return self.times * (self.on_s + self.off_s) - self.off_s

    def level(self, elapsed: float) -> bool:
        """Whether the output is on so long after the beginning."""
        if not 0 <= elapsed < self.length:
            return False
        return self.on_s == math.inf or elapsed % (self.on_s + self.off_s) < self.on_s

    def wait(self, elapsed: float) -> float:
        """Seconds until the level may change; infinite where it never does."""
        if elapsed >= self.length or self.on_s == math.inf:
            return math.inf
        place = elapsed % (self.on_s + self.off_s)
        turn = self.on_s if place < self.on_s else self.on_s + self.off_s
        return min(turn - place, self.length - elapsed)


ON: Final = Pattern(math.inf)
Patterns = Mapping[Output, Pattern]


@dataclass(frozen=True)
class _Playing:
    """A pattern, and when it began."""

    pattern: Pattern
    since: float

    def level(self, now: float) -> bool:
        return self.pattern.level(max(now - self.since, 0.0))

    def wait(self, now: float) -> float:
        return self.pattern.wait(max(now - self.since, 0.0))

    def is_over(self, now: float) -> bool:
        return now - self.since >= self.pattern.length


@dataclass(frozen=True)
class Score:
    """What all outputs play. base: at rest; once: above it until it is over."""

    base: Mapping[Output, _Playing] = field(default_factory=dict)
    once: Mapping[Output, _Playing] = field(default_factory=dict)

    def shown(self, patterns: Patterns, now: float) -> Score:
        """From now on this is shown at rest; a pattern that is shown already goes on."""
        base = {
            output: self.base[output]
            if output in self.base and self.base[output].pattern == pattern
            else _Playing(pattern, now)
            for output, pattern in patterns.items()
        }
        return Score(base, self.once)

    def played(self, patterns: Patterns, now: float) -> Score:
        """These are played once, in place of what these outputs were playing once."""
        left = {output: it for output, it in self.once.items() if not it.is_over(now)}
        return Score(self.base, left | {it: _Playing(patterns[it], now) for it in patterns})

    def levels(self, now: float) -> dict[Output, bool]:
        """Whether each output is on."""
        found = {output: self._at(output, now) for output in Output}
        return {output: it is not None and it.level(now) for output, it in found.items()}

    def wait(self, now: float) -> float:
        """Seconds until a level may change; infinite where none does."""
        found = (self._at(output, now) for output in Output)
        return min((it.wait(now) for it in found if it is not None), default=math.inf)

    def _at(self, output: Output, now: float) -> _Playing | None:
        once = self.once.get(output)
        return self.base.get(output) if once is None or once.is_over(now) else once
