"""Following every face of a film or a camera, each as a numbered track.

The mesh re-locates each face from its own landmarks, which costs little. Twice a second, and soon
after somebody was lost, the whole picture is searched; a face there that nobody follows begins a
track, or takes up that of somebody who was out of sight, by the embedding where there is one and
else by the place. The pairs are those of the least total cost (`assignment`). Where a face does not
look like itself of a frame ago (`continuity`), its track ends there as if it had been lost.

Nobody inherits a name: with the place alone comes the number and not the name, and at every search
each face is embedded to see whether it still is the same one. Where it cannot be for long, its name
is withheld.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from appliance.decision import ROUNDING_S
from appliance.perception import Perception
from appliance.tracking.assignment import NEVER, assign
from appliance.tracking.continuity import breaks, view
from appliance.tracking.identity import INTERVAL_S, Evidence, Identity, Known
from appliance.types import Embedding, Fault, Floats, Frame, Landmarks
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

    identity: None as long as no frame of the track was good enough, or where it may be somebody
    else by now; then `fault` says why the latest one could not be compared. withheld: it may be
    somebody else, so who the track is seen to be later tells nothing of this frame.
    """

    track: int
    face: Landmarks
    identity: Identity | None = None
    fault: Fault | None = None
    withheld: bool = False

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

    began: tracks that begin here or are taken up again. ended: tracks of which it turned out here
    that they had slid onto somebody else, since the last search at the earliest. doubted: tracks of
    which one more look will tell that.
    """

    seen: tuple[Seen, ...]
    searched: bool
    began: frozenset[int]
    ended: frozenset[int] = frozenset()
    doubted: frozenset[int] = frozenset()


class _Track:
    """One face that is followed, or was until `seen_at`. looks: as `continuity.view` gives it."""

    def __init__(
        self, number: int, face: Landmarks, looks: Floats, at: float, evidence: Evidence
    ) -> None:
        self.number = number
        self.face = face
        self.looks = looks
        self.seen_at = at
        self.evidence = evidence
        self.assessed_at: float | None = None
        self.fault: Fault | None = None

    def seen(self) -> Seen:
        evidence = self.evidence
        return Seen(self.number, self.face, evidence.identity, self.fault, evidence.withheld)


@dataclass(frozen=True, eq=False)
class _Newcomer:
    face: Landmarks
    embedding: Embedding | None
    fault: Fault | None
    name: str | None = None


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
        faces = self._follow(frame)
        searched = search or self._due(frame.at)
        if searched:
            self._searched_at = frame.at
            # What the tracker would lose in the next frame is none to begin with.
            faces += [it for it in self._perception.search(frame) if it.presence >= PRESENCE]
        began = self._admit(frame, faces)
        ended = [
            self._identify(frame, track, check=searched)
            for track in self._active
            if track.number not in began
        ]
        found = sorted(self._active, key=lambda track: track.number)
        return Look(
            tuple(track.seen() for track in found),
            searched,
            began,
            frozenset(number for number in ended if number is not None),
            frozenset(track.number for track in found if track.evidence.doubted),
        )

    def _forget(self, scene: str) -> None:
        self._active, self._away = [], []
        self._searched_at = None
        self._scene = scene

    def _due(self, at: float) -> bool:
        if self._searched_at is None:
            return True
        lost = any(at - track.seen_at < SEARCH_S for track in self._away)
        return at - self._searched_at >= (HASTE_S if lost else SEARCH_S) - ROUNDING_S

    def _follow(self, frame: Frame) -> list[Landmarks]:
        """Find everybody again; the faces that stand where another one was."""
        stages, kept = self._perception.stages, []
        for track in self._active:
            with self._perception.timings.measure("track"):
                now = follow(stages.mesh, frame.bgr, track.face)
            if now is None:
                self._away.append(track)
            else:
                kept.append((track, now, now.box.overlap(track.face.box)))
        self._active = []
        taken: list[Landmarks] = []
        others: list[Landmarks] = []
        # Of two that came upon one face, it is whose face was there before.
        for track, now, _ in sorted(kept, key=lambda item: -item[2]):
            if any(now.box.overlap(it.box) > ONE_FACE for it in taken):
                self._away.append(track)
                continue
            taken.append(now)
            looks = view(frame.bgr, now)
            if breaks(track.looks, looks):
                self._away.append(track)
                # The mesh lies there as on the former face; a second look lays it onto this one.
                others.append(follow(stages.mesh, frame.bgr, now) or now)
                continue
            track.face, track.looks, track.seen_at = now, looks, frame.at
            self._active.append(track)
        return others

    def _admit(self, frame: Frame, faces: Sequence[Landmarks]) -> frozenset[int]:
        """Take in faces that nobody follows; the tracks that begin or are taken up again."""
        taken = [track.face.box for track in self._active]
        new: list[_Newcomer] = []
        for face in faces:
            if all(face.box.overlap(box) <= SAME_FACE for box in taken):
                taken.append(face.box)
                new.append(self._described(frame, face))
        seated = dict(assign(self._costs(new, frame.at)))
        back = [self._away[index] for index in seated.values()]
        began = [
            self._begin(frame, it, self._away[seated[index]] if index in seated else None)
            for index, it in enumerate(new)
        ]
        self._away = [track for track in self._away if track not in back]
        return frozenset(began)

    def _described(self, frame: Frame, face: Landmarks) -> _Newcomer:
        quality = self._perception.describe(frame, face, embed=False).quality
        if quality is None or not quality.good:
            return _Newcomer(face, None, quality.faults[0] if quality else None)
        embedding = replace(self._perception.embed(frame, face), quality=quality)
        return _Newcomer(face, embedding, None, self._known.identified([embedding]).name)

    def _costs(self, new: Sequence[_Newcomer], at: float) -> NDArray[np.float64]:
        """(newcomers, away): who may be whom, by face before place."""
        costs = np.full((len(new), len(self._away)), NEVER)
        for row, newcomer in enumerate(new):
            for column, track in enumerate(self._away):
                if newcomer.embedding is not None and not track.evidence.empty:
                    alike = track.evidence.likeness(newcomer.embedding, newcomer.name)
                    costs[row, column] = NEVER if alike is None else 1 - alike
                elif at - track.seen_at <= PLACE_S:
                    overlap = newcomer.face.box.overlap(track.face.box)
                    costs[row, column] = 2 - overlap if overlap >= SAME_FACE else NEVER
        return costs

    def _begin(self, frame: Frame, new: _Newcomer, former: _Track | None) -> int:
        at, looks = frame.at, view(frame.bgr, new.face)
        track = former or _Track(self._next(), new.face, looks, at, Evidence(self._known))
        track.face, track.looks, track.seen_at = new.face, looks, at
        track.assessed_at, track.fault = at, new.fault
        if new.embedding is not None:
            track.evidence.take(new.embedding, at)
        else:
            track.evidence.suspend()
        self._active.append(track)
        return track.number

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _identify(self, frame: Frame, track: _Track, *, check: bool) -> int | None:
        """Look closer at one face where that is worth it, or where `check` asks for it.

        The number that the track had if it has turned out to be somebody else's by now.
        """
        at, since = frame.at, track.assessed_at
        if not check and since is not None and at - since < INTERVAL_S - ROUNDING_S:
            return None
        track.assessed_at = at
        quality = self._perception.describe(frame, track.face, embed=False).quality
        if quality is None or not quality.good:
            track.fault = quality.faults[0] if quality else None
            track.evidence.not_seen(at)
            return None
        track.fault = None
        if not track.evidence.wants(quality, at, check=check):
            return None
        embedding = replace(self._perception.embed(frame, track.face), quality=quality)
        if track.evidence.take(embedding, at):
            return None
        # The mesh has slid from one person to another.
        former = track.number
        track.number, track.evidence = self._next(), Evidence(self._known)
        track.evidence.take(embedding, at)
        return former
