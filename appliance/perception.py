"""A frame goes through the stages; out comes what is known of the face in it.

detector → mesh → alignment → quality → liveness → embedding. The loops that drive this
(attempt, enrolment, evaluation) see only `Observation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from appliance.ports import Aligner, Clock, Embedder, LandmarkModel, LivenessCheck
from appliance.types import (
    Ask,
    Embedding,
    FaceCrop,
    Fault,
    Frame,
    Landmarks,
    Liveness,
    LivenessState,
    Quality,
)
from appliance.vision.acquisition import Acquisition, rivals
from appliance.vision.alignment import FIVE_POINT_112
from appliance.vision.motion import MotionGate
from appliance.vision.quality import QualityLimits, assess
from appliance.vision.tracker import SAME_FACE, follow

# While a face is tracked, the whole picture is searched again this often: somebody may have
# stepped beside the one who is tracked. Seconds of the source's own time.
SEARCH_AGAIN_S = 0.5

# For so long what a face does counts although it is not clear enough to be recognised, seconds.
UNCLEAR_S = 0.4

NOT_CHECKED = Liveness(LivenessState.NOT_CHECKED)

Located = tuple[tuple[Landmarks, ...], bool]


@dataclass(frozen=True, eq=False)
class Observation:
    """What one frame showed.

    faces: every face that counts, largest first. faults: why the frame cannot be compared, the
    most important first; empty when it can, and then embedding, quality and crop are there.
    ask: what the person is to do so that it can be told whether they live.
    """

    frame: Frame
    faces: tuple[Landmarks, ...]
    faults: tuple[Fault, ...]
    quality: Quality | None = None
    crop: FaceCrop | None = None
    liveness: Liveness = NOT_CHECKED
    embedding: Embedding | None = None
    tracked: bool = False
    ask: Ask | None = None


class Timings:
    """Milliseconds per stage, summed over the frames of one run, and how often each ran."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.total_ms: dict[str, float] = {}
        self.calls: dict[str, int] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time a block."""
        start = self._clock.monotonic()
        yield
        spent = (self._clock.monotonic() - start) * 1000
        self.total_ms[stage] = self.total_ms.get(stage, 0.0) + spent
        self.calls[stage] = self.calls.get(stage, 0) + 1

    def rounded(self) -> dict[str, float]:
        """Totals for JSON."""
        return {stage: round(spent, 2) for stage, spent in self.total_ms.items()}


@dataclass(frozen=True, eq=False)
class Stages:
    """The parts of the pipeline, built once by assemble. liveness None: not checked."""

    acquisition: Acquisition
    mesh: LandmarkModel
    alignment: Aligner
    embedder: Embedder
    limits: QualityLimits
    liveness: LivenessCheck | None = None


class Perception:
    """Runs frames through the stages and follows the face from one frame to the next."""

    def __init__(self, stages: Stages, clock: Clock) -> None:
        self.stages = stages
        self.timings = Timings(clock)
        self._motion = MotionGate()
        self._last: Landmarks | None = None
        self._searched_at: float | None = None
        self._scene: str | None = None
        self._clear_at: float | None = None

    def look(self, frame: Frame, *, embed: bool = True) -> Observation:
        """Observe a frame. A good face is judged and embedded only where `embed` asks for it."""
        if frame.scene != self._scene:
            self.forget()
            self._scene = frame.scene
        faces, tracked = self._locate(frame)
        fault = _faces_fault(faces)
        if fault is not None:
            self._last = None
            self.doubt()
            return Observation(frame, faces, (fault,), tracked=tracked)
        plain, quality = self._assess(frame, faces[0])
        self._watch(frame, faces[0], clear=quality.good)
        self._last = faces[0]
        return self._described(frame, faces[0], plain, quality, tracked=tracked, embed=embed)

    def search(self, frame: Frame) -> tuple[Landmarks, ...]:
        """All faces of a still picture, without following anybody."""
        with self.timings.measure("detect"):
            return tuple(self.stages.acquisition.faces(frame.bgr))

    def glance(self, frame: Frame) -> tuple[Landmarks, ...]:
        """The faces that are seen at little cost; none does not mean that nobody is there."""
        return tuple(self.stages.acquisition.glance(frame.bgr))

    def describe(
        self,
        frame: Frame,
        face: Landmarks,
        *,
        tracked: bool = False,
        embed: bool = True,
    ) -> Observation:
        """Quality, liveness and embedding of one face whose landmarks are known."""
        plain, quality = self._assess(frame, face)
        return self._described(frame, face, plain, quality, tracked=tracked, embed=embed)

    def _assess(self, frame: Frame, face: Landmarks) -> tuple[FaceCrop, Quality]:
        with self.timings.measure("align"):
            plain = FIVE_POINT_112.crop(frame.bgr, face)
        return plain, assess(frame.bgr, face, plain, self.stages.limits)

    def _described(  # noqa: PLR0913 - what is known of one face
        self,
        frame: Frame,
        face: Landmarks,
        plain: FaceCrop,
        quality: Quality,
        *,
        tracked: bool,
        embed: bool,
    ) -> Observation:
        ask = None if self.stages.liveness is None else self.stages.liveness.ask
        seen = Observation(frame, (face,), quality.faults, quality, plain, tracked=tracked, ask=ask)
        if not (quality.good and embed):
            return seen
        return Observation(
            frame,
            (face,),
            (),
            quality,
            plain,
            self._liveness(frame, face),
            replace(self._embedding(frame, face, plain), quality=quality),
            tracked,
            ask,
        )

    def embed(self, frame: Frame, face: Landmarks) -> Embedding:
        """The embedding of a face, whatever its quality: for measuring, never for a door."""
        return self._embedding(frame, face, FIVE_POINT_112.crop(frame.bgr, face))

    def forget(self) -> None:
        """The next frame is of another scene: search it whole."""
        self._last = None
        self._searched_at = None
        self._motion.forget()
        self.doubt()

    def doubt(self) -> None:
        """Somebody else may stand there: what was seen of life so far no longer counts."""
        self._clear_at = None
        if self.stages.liveness is not None:
            self.stages.liveness.forget()

    def _watch(self, frame: Frame, face: Landmarks, *, clear: bool) -> None:
        """Show the frame to what looks for life, which must see one face without a break.

        A face that is not clear enough to be recognised may be anybody's. What it does counts only
        for a moment after it was clear, such as in a quick turn; else a stranger too far away to be
        recognised could move, and then hold up somebody's photograph.
        """
        liveness = self.stages.liveness
        if liveness is None:
            return
        if self._last is None or face.box.overlap(self._last.box) < SAME_FACE:
            self.doubt()
        if clear:
            self._clear_at = frame.at
        elif self._clear_at is None or not 0 <= frame.at - self._clear_at <= UNCLEAR_S:
            self.doubt()
            return
        with self.timings.measure("cues"):
            liveness.see(frame, face)

    def _locate(self, frame: Frame) -> Located:
        if self._last is not None and not self._due(frame):
            with self.timings.measure("track"):
                face = follow(self.stages.mesh, frame.bgr, self._last)
            if face is not None:
                return (face,), True
        elif self._last is None and not self._motion.moved(frame.bgr) and not self._due(frame):
            return (), False
        self._searched_at = frame.at
        return self.search(frame), False

    def _due(self, frame: Frame) -> bool:
        searched = self._searched_at
        return searched is None or not 0 <= frame.at - searched < SEARCH_AGAIN_S

    def _liveness(self, frame: Frame, face: Landmarks) -> Liveness:
        if self.stages.liveness is None:
            return NOT_CHECKED
        with self.timings.measure("liveness"):
            return self.stages.liveness.check(frame, face)

    def _embedding(self, frame: Frame, face: Landmarks, plain: FaceCrop) -> Embedding:
        alignment = self.stages.alignment
        with self.timings.measure("align"):
            same = alignment.name == plain.alignment
            crop = plain if same else alignment.crop(frame.bgr, face)
        with self.timings.measure("embed"):
            return self.stages.embedder.embed(crop)


def _faces_fault(faces: tuple[Landmarks, ...]) -> Fault | None:
    if not faces:
        return Fault.NO_FACE
    return Fault.SEVERAL_FACES if rivals(list(faces)) > 1 else None
