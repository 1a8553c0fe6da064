"""What a QR badge says: `FAA1:` and 128 random bits in base32.

Upper-case letters, digits and a colon only, so that the code stays small (ISO/IEC 18004, the
alphanumeric mode). The number says nothing of the person. Whoever photographs a badge has a
copy: it is a claim like a name, and the face, or a PIN, has to prove it.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from appliance.ports import Clock
from appliance.types import Frame, Pixels

_PREFIX: Final = "FAA1:"
_ID_BYTES: Final = 16
_TEXT: Final = re.compile(r"FAA1:[A-Z2-7]{26}")
# A badge held up is read in many frames; away for this long, it is shown again.
AWAY_S: Final = 3.0
# After something has moved, codes are looked for so long: a badge is sharp once it is held still.
LINGER_S: Final = 3.0
# Reading that takes longer than this, as of a sheet full of patterns, is paused for ten times as
# long as it took: nobody keeps the door busy with a picture.
SLOW_S: Final = 0.3
_PAUSE: Final = 10


def new() -> str:
    """The text of a new badge."""
    return _PREFIX + base64.b32encode(secrets.token_bytes(_ID_BYTES)).decode().rstrip("=")


def is_badge(text: str) -> bool:
    """True for a text that could be a badge of ours; posters and tickets are none."""
    return _TEXT.fullmatch(text) is not None


@dataclass(frozen=True)
class Showing:
    """Which badge is held up. seen: monotonic seconds when it was last read."""

    text: str = ""
    seen: float = 0.0

    def read(self, text: str, now: float) -> tuple[Showing, bool]:
        """(what is held up now, whether that is new)."""
        new = text != self.text or now - self.seen > AWAY_S
        return Showing(text, now), new


class BadgeWatch:
    """Looks for codes, but only while something moves before the door, and shortly after.

    moved: whether a picture differs from the last; read: the text of a code in it.
    """

    def __init__(
        self,
        moved: Callable[[Pixels], bool],
        read: Callable[[Pixels], str | None],
        clock: Clock,
    ) -> None:
        self._moved = moved
        self._read = read
        self._clock = clock
        self._until = float("-inf")
        self._resume = float("-inf")

    def look(self, frame: Frame) -> str | None:
        """The text of a code of ours; None for none, and for other people's."""
        if self._moved(frame.bgr):
            self._until = frame.at + LINGER_S
        began = self._clock.monotonic()
        if frame.at > self._until or began < self._resume:
            return None
        text = self._read(frame.bgr)
        spent = self._clock.monotonic() - began
        if spent > SLOW_S:
            self._resume = began + (1 + _PAUSE) * spent
        return text if text is not None and is_badge(text) else None
