"""Telling a change of a contact from its bouncing, as a pure function of readings and time.

A reading counts once it has stood unchanged for a while; until the first one has, nothing is
known. So what counts alternates: no edge is ever told twice.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Debounced:
    """One input. value: what counts; candidate: what was read last, and since when (seconds)."""

    value: bool | None = None
    candidate: bool | None = None
    since: float = 0.0


def debounce(before: Debounced, reading: bool, now: float, hold_s: float) -> Debounced:  # noqa: FBT001 - a level is what this is about
    """The input after one more reading, which counts once it has stood for `hold_s` seconds.

    now: monotonic seconds. The input is judged by its readings alone: what happens between two
    of them is not seen, so read at least twice as often as the shortest press lasts.
    """
    if reading is before.value:
        return Debounced(reading, reading, now)
    if reading is not before.candidate:
        return Debounced(before.value, reading, now)
    settled = now - before.since >= hold_s
    return Debounced(reading, reading, now) if settled else before
