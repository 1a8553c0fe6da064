"""The frames between two searches, looked at again once it is known who came into them.

A face that a search finds was there before: it is followed backwards through the frames since the
last search, so that in a recording nobody is missing from the frames in which they arrived. It
holds back the frames for that, and so is not for a camera. A track that turns out to have slid onto
somebody else loses its name in the frames that were held back: it is not known when it did.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from appliance.ports import LandmarkModel
from appliance.tracking.continuity import breaks, view
from appliance.tracking.tracks import Look, Seen, Tracker
from appliance.types import Frame
from appliance.vision.tracker import SAME_FACE, follow

# Bytes of pictures that may be held back; of large ones that is less than half a second.
MOST_BYTES = 200_000_000

Shown = tuple[Frame, tuple[Seen, ...]]


class Lookback:
    """Hands out each frame with everybody in it, in order, some frames late."""

    def __init__(self, tracker: Tracker, mesh: LandmarkModel, most_bytes: int = MOST_BYTES) -> None:
        self._tracker = tracker
        self._mesh = mesh
        self._most_bytes = most_bytes
        self._held: list[tuple[Frame, list[Seen]]] = []
        # Whether the whole picture was looked over since the frames were let go.
        self._searched = False

    def see(self, frame: Frame) -> Iterator[Shown]:
        """Take a frame; give back those that are finished, oldest first."""
        if self._held and frame.scene != self._held[-1][0].scene:
            yield from self.finish()
        look = self._tracker.look(frame)
        yield from self._take(frame, look)

    def finish(self) -> Iterator[Shown]:
        """Give back what is still held; its last frame is searched, whoever came since."""
        if self._held:
            frame, _ = self._held.pop()
            look = self._tracker.look(frame, search=True)
            # Nobody will come who could take the doubt away.
            doubted = look.ended | look.doubted
            yield from self._take(frame, replace(look, ended=doubted, doubted=frozenset()))

    def _take(self, frame: Frame, look: Look) -> Iterator[Shown]:
        for seen in look.seen:
            if seen.track in look.began:
                self._trace(frame, seen)
        for _, found in self._held:
            found[:] = [_unnamed(seen) if seen.track in look.ended else seen for seen in found]
        self._held.append((frame, list(look.seen)))
        self._searched = self._searched or look.searched
        if self._searched and not look.doubted:
            yield from self._released(len(self._held), look)
        elif len(self._held) * frame.bgr.nbytes > self._most_bytes:
            yield from self._released(1, look)

    def _trace(self, frame: Frame, seen: Seen) -> None:
        """Follow somebody who has come into sight back to where it was."""
        face, looks = seen.face, view(frame.bgr, seen.face)
        for earlier, others in reversed(self._held):
            before = follow(self._mesh, earlier.bgr, face)
            if before is None or any(
                other.track == seen.track or before.box.overlap(other.face.box) > SAME_FACE
                for other in others
            ):
                return
            looked = view(earlier.bgr, before)
            if breaks(looked, looks):
                return
            others.append(replace(seen, face=before))
            face, looks = before, looked

    def _released(self, count: int, look: Look) -> Iterator[Shown]:
        # Who was not seen well enough at first may be known by now.
        now = {seen.track: seen for seen in look.seen}
        released, self._held = self._held[:count], self._held[count:]
        self._searched = self._searched and bool(self._held)
        for frame, found in released:
            yield frame, tuple(_known_by_now(seen, now.get(seen.track)) for seen in found)


def _known_by_now(seen: Seen, now: Seen | None) -> Seen:
    if seen.withheld or seen.identity is not None or now is None or now.identity is None:
        return seen
    return replace(seen, identity=now.identity, fault=None)


def _unnamed(seen: Seen) -> Seen:
    return replace(seen, identity=None, withheld=True)
