"""Keys into lines: what somebody types at a keypad, or a card reader types by itself. Pure.

A key is one character: a digit or a letter; ENTER or `#` ends a line; BACK takes the last
character away; CLEAR or `*` takes all of them. What is half typed is forgotten after
`timeout_s` without a key, so that nobody finishes what another has begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

ENTER: Final = "\n"
BACK: Final = "\b"
CLEAR: Final = "\x1b"
# What is printed on a keypad's two keys beside the 0.
_SAME: Final[Mapping[str, str]] = {"#": ENTER, "*": CLEAR}

DIGITS: Final = frozenset("0123456789")
# What readers type besides: letters of hexadecimal numbers, and what stands between them.
CARD_CHARACTERS: Final = frozenset(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz :;-=?%+./"
)
# Longer than any code, PIN or card number; what is typed beyond it matches nothing.
LONGEST: Final = 80


@dataclass(frozen=True)
class Keys:
    """alphabet: the characters that count; others are passed over. timeout_s: see above."""

    alphabet: frozenset[str]
    timeout_s: float


@dataclass(frozen=True)
class Entry:
    """What is half typed. last: monotonic seconds of the last key."""

    text: str = ""
    last: float = 0.0


@dataclass(frozen=True)
class Line:
    """Somebody pressed Enter."""

    text: str


@dataclass(frozen=True)
class Cleared:
    """Somebody took everything away, also what was not typed yet."""


def press(entry: Entry, key: str, now: float, keys: Keys) -> tuple[Entry, Line | Cleared | None]:
    """One key. now: monotonic seconds. Returns what is half typed now, and what it completes."""
    text = current(entry, now, keys)
    key = _SAME.get(key, key)
    if key == ENTER:
        return Entry(), Line(text) if text else None
    if key == CLEAR:
        return Entry(), Cleared()
    if key == BACK:
        return Entry(text[:-1], now), None
    if key not in keys.alphabet or len(key) != 1:
        return replace(entry, text=text), None
    return Entry((text + key)[:LONGEST], now), None


def current(entry: Entry, now: float, keys: Keys) -> str:
    """What is half typed and not yet forgotten."""
    return entry.text if now - entry.last <= keys.timeout_s else ""
