"""Which frames are worth decoding, when fewer are wanted than a camera gives."""

from __future__ import annotations

# By what share of the interval a frame may come early: cameras jitter.
EARLY = 0.3


class Pacer:
    """Lets at most so many frames a second pass, evenly."""

    def __init__(self) -> None:
        self._interval = 0.0
        self._due = float("-inf")

    def set(self, fps: float | None) -> None:
        """At most `fps` frames a second from now on; None: all. ValueError unless above 0."""
        if fps is not None and not fps > 0:
            raise ValueError(f"a pace above 0 frames a second is expected, not {fps}")
        self._interval = 0.0 if fps is None else 1.0 / fps
        self.restart()  # whoever is in more of a hurry need not wait out the former interval

    def restart(self) -> None:
        """The next frame passes, whatever its time."""
        self._due = float("-inf")

    def due(self, at: float) -> bool:
        """Whether the frame of this moment (seconds, growing) passes."""
        if at < self._due:
            return False
        soon = at + self._interval * (1 - EARLY)
        # From when it was due, not from when it came: else a camera's jitter would lose every
        # second frame. But nobody catches up on frames of long ago.
        self._due = max(self._due + self._interval, soon)
        return True
