"""A keypad or card reader, listened to for years."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event as Flag
from typing import Final

from appliance.errors import ApplianceError
from appliance.ports import Keys

log = logging.getLogger(__name__)

# Seconds that a reader is waited for at most, before the caller is told that all is well.
TURN_S: Final = 0.5


@dataclass(frozen=True)
class Reading:
    """One reader. name: of its task. hear: takes each key. idle: is called at every turn."""

    name: str
    keys: Keys
    hear: Callable[[str], None]
    idle: Callable[[], None]

    def run(self, stopping: Flag, beat: Callable[[str], None]) -> None:
        """Listen until `stopping`, then close the reader.

        beat: hears at least every second or so that this lives, and what is amiss with the
        reader. What the store raises is logged, for the next key may find it mended.
        """
        try:
            while not stopping.is_set():
                self.turn()
                beat(self.keys.trouble)
        finally:
            self.keys.close()

    def turn(self) -> None:
        """Wait for one key, for a while, and see it through."""
        key = self.keys.next_key(TURN_S)
        try:
            if key is not None:
                self.hear(key)
            self.idle()
        except ApplianceError as error:
            log.error("%s: %s %s", self.name, error.message, error.hint)  # noqa: TRY400 - foreseen: no traceback
