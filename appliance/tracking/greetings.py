"""Welcoming people aloud, one after the other, and never waiting for it.

A loudspeaker of this house says nothing while it still sounds (hardware.speaker), so that nobody
waits at a door. Here nobody passes through one: who comes together with others is greeted after
them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final, Protocol

from appliance.phrases import welcome
from appliance.ports import Clock, Speaker

# More than this are not greeted late: they have passed by.
MOST_WAITING: Final = 4
# Seconds between two looks whether there is silence.
_NAP_S: Final = 0.05


class Voice(Speaker, Protocol):
    """A loudspeaker that says whether it sounds."""

    @property
    def sounding(self) -> bool:
        """Whether something is said or played right now."""
        ...


class Greetings:
    """What is said to whom. Its voices stay their owner's."""

    def __init__(self, speech: Voice | None, sounds: Mapping[str, Voice], language: str) -> None:
        """speech: says the welcome; None: nobody does. sounds: by name, played in its place."""
        self._speech = speech
        self._sounds = sounds
        self._language = language
        self._waiting: deque[tuple[Voice, str]] = deque(maxlen=MOST_WAITING)

    def welcome(self, name: str) -> str:
        """Greet somebody as soon as there is silence; the words."""
        text = welcome(name, self._language)
        voice = self._sounds.get(name, self._speech)
        if voice is not None:
            self._waiting.append((voice, text))
        self.go_on()
        return text

    def go_on(self) -> None:
        """Say what waits if nothing sounds; to be called now and then."""
        if self._waiting and not self._sounds_now():
            voice, text = self._waiting.popleft()
            voice.greet(text)

    def finish(self, clock: Clock, longest_s: float) -> None:
        """Wait until all has been said, at most so many seconds."""
        end = clock.monotonic() + longest_s
        while (self._waiting or self._sounds_now()) and clock.monotonic() < end:
            self.go_on()
            clock.sleep(_NAP_S)

    def _sounds_now(self) -> bool:
        voices = [*self._sounds.values(), *([self._speech] if self._speech else [])]
        return any(voice.sounding for voice in voices)
