"""Following every face of a film or a camera, each as a numbered track.

The mesh re-locates each face from its own landmarks, which costs little. Twice a second, and soon
after somebody was lost, the whole picture is searched; a face there that nobody follows begins a
track, or takes up that of somebody who was out of sight, by the embedding where there is one and
else by the place. The pairs are those of the least total cost (`assignment`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from appliance.decision import ROUNDING_S
from appliance.perception import Perception
from appliance.tracking.assignment import NEVER, assign
from appliance.tracking.identity import INTERVAL_S, Evidence, Identity, Known
from appliance.types import Embedding, Fault, Frame, Landmarks
from appliance.vision.tracker import PRESENCE, SAME_FACE, follow

# Seconds between two searches of the whole picture; sooner when somebody was lost.
SEARCH_S, HASTE_S = 0.5, 0.1
# Two tracks that overlap more than this follow one face.
ONE_FACE = 0.5
# Seconds for which somebody out of sight may come back as the same track, and for which the place
# alone tells that.
RETURN_S, PLACE_S = 3.0, 0.7


@dataclass(frozen=True, eq=False)
class Seen:
    """One face in one frame. track: 1, 2, 3, ... in the order in which they came.

    identity: None as long as no frame of the track was good enough; then `fault` says why the
    latest one was not.
    """

    track: int
    face: Landmarks
    identity: Identity | None = None
    fault: Fault | None = None

    @property
    def name(self) -> str | None:
        """Who it is; None: unknown, or not seen well enough yet."""
        return self.identity.name if self.identity else None

    @property
    def state(self) -> str:
        """`named`, `unknown`, or the fault for which nothing could be compared yet."""
        if self.identity is not None:
            return "named" if self.identity.name is not None else "unknown"
        return "not_compared" if self.fault is None else self.fault.value


@dataclass(frozen=True, eq=False)
class Look:
    """What one frame showed, by track. searched: the whole picture was looked over.

    began: tracks that begin here or are taken up again.
    """

    seen: tuple[Seen, ...]
    searched: bool
    began: frozenset[int]


class _Track:
    """One face that is followed, or was until `seen_at`."""

    def __init__(self, number: int, face: Landmarks, at: float, evidence: Evidence) -> None:
        self.number = number
        self.face = face
        self.seen_at = at
        self.evidence = evidence
        self.assessed_at: float | None = None
        self.fault: Fault | None = None

    def seen(self) -> Seen:
        return Seen(self.number, self.face, self.evidence.identity, self.fault)


@dataclass(frozen=True, eq=False)
class _Newcomer:
    face: Landmarks
    embedding: Embedding | None
    fault: Fault | None


class Tracker:
    """Everybody in sight. For one source at a time; frames in order."""

    def __init__(self, perception: Perception, known: Known) -> None:
        """perception: without a liveness check, and with an acquisition that finds everybody.

        StoreError where templates are of another model.
        """
        embedder = perception.stages.embedder
        known.require(embedder.fingerprint, embedder.name)
        self._perception = perception
        self._known = known
        self._active: list[_Track] = []
        self._away: list[_Track] = []
        self._count = 0
        self._searched_at: float | None = None
        self._scene: str | None = None
        self._at = 0.0

    def look(self, frame: Frame, *, search: bool = False) -> Look:
        """Observe a frame. search: look the whole picture over, whenever that was done last."""
        if frame.scene != self._scene or frame.at < self._at:
            self._forget(frame.scene)
        self._at = frame.at
        self._away = [it for it in self._away if frame.at - it.seen_at <= RETURN_S]
        lost = self._follow(frame)
        searched = search or self._due(frame.at, lost=lost)
        began = self._search(frame) if searched else frozenset()
        for track in list(self._active):
            if track.number not in began:
                self._identify(frame, track)
        found = sorted(self._active, key=lambda track: track.number)
        return Look(tuple(track.seen() for track in found), searched, began)

    def _forget(self, scene: str) -> None:
        self._active, self._away = [], []
        self._searched_at = None
        self._scene = scene

    def _due(self, at: float, *, lost: bool) -> bool:
        if self._searched_at is None:
            return True
        return at - self._searched_at >= (HASTE_S if lost else SEARCH_S) - ROUNDING_S

    def _follow(self, frame: Frame) -> bool:
        """Find everybody again; whether somebody was lost not long ago."""
        stages, kept = self._perception.stages, []
        for track in self._active:
            with self._perception.timings.measure("track"):
                now = follow(stages.mesh, frame.bgr, track.face)
            if now is None:
                self._away.append(track)
            else:
                kept.append((track, now, now.box.overlap(track.face.box)))
        # Of two that came upon one face, it is whose face was there before.
        self._active = []
        for track, now, _ in sorted(kept, key=lambda item: -item[2]):
            if any(now.box.overlap(other.face.box) > ONE_FACE for other in self._active):
                self._away.append(track)
                continue
            track.face, track.seen_at = now, frame.at
            self._active.append(track)
        return any(frame.at - track.seen_at < SEARCH_S for track in self._away)

    def _search(self, frame: Frame) -> frozenset[int]:
        """Look the picture over; the tracks that begin or are taken up again."""
        self._searched_at = frame.at
        taken = [track.face.box for track in self._active]
        new: list[_Newcomer] = []
        for face in self._perception.search(frame):
            # What the tracker would lose in the next frame is none to begin with.
            if face.presence >= PRESENCE and all(
                face.box.overlap(box) <= SAME_FACE for box in taken
            ):
                taken.append(face.box)
                new.append(self._described(frame, face))
        seated = dict(assign(self._costs(new, frame.at)))
        back = [self._away[index] for index in seated.values()]
        began = [
            self._begin(it, frame.at, self._away[seated[index]] if index in seated else None)
            for index, it in enumerate(new)
        ]
        self._away = [track for track in self._away if track not in back]
        return frozenset(began)

    def _described(self, frame: Frame, face: Landmarks) -> _Newcomer:
        quality = self._perception.describe(frame, face, embed=False).quality
        if quality is None or not quality.good:
            return _Newcomer(face, None, quality.faults[0] if quality else None)
        embedding = replace(self._perception.embed(frame, face), quality=quality)
        return _Newcomer(face, embedding, None)

    def _costs(self, new: Sequence[_Newcomer], at: float) -> NDArray[np.float64]:
        """(newcomers, away): who may be whom, by face before place."""
        costs = np.full((len(new), len(self._away)), NEVER)
        for row, newcomer in enumerate(new):
            for column, track in enumerate(self._away):
                if newcomer.embedding is not None and not track.evidence.empty:
                    alike = track.evidence.likeness(newcomer.embedding)
                    costs[row, column] = NEVER if alike is None else 1 - alike
                elif at - track.seen_at <= PLACE_S:
                    overlap = newcomer.face.box.overlap(track.face.box)
                    costs[row, column] = 2 - overlap if overlap >= SAME_FACE else NEVER
        return costs

    def _begin(self, new: _Newcomer, at: float, former: _Track | None) -> int:
        track = former or _Track(self._next(), new.face, at, Evidence(self._known))
        track.face, track.seen_at = new.face, at
        track.assessed_at, track.fault = at, new.fault
        if new.embedding is not None:
            track.evidence.take(new.embedding, at)
        self._active.append(track)
        return track.number

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _identify(self, frame: Frame, track: _Track) -> None:
        """Look closer at one face where that is worth it."""
        at = frame.at
        if track.assessed_at is not None and at - track.assessed_at < INTERVAL_S - ROUNDING_S:
            return
        track.assessed_at = at
        quality = self._perception.describe(frame, track.face, embed=False).quality
        if quality is None or not quality.good:
            track.fault = quality.faults[0] if quality else None
            return
        track.fault = None
        if not track.evidence.wants(quality, at):
            return
        embedding = replace(self._perception.embed(frame, track.face), quality=quality)
        if not track.evidence.take(embedding, at):
            # The mesh has slid from one person to another.
            track.number, track.evidence = self._next(), Evidence(self._known)
            track.evidence.take(embedding, at)
