"""A toy world in which faces are painted rectangles, so that whole scenes fit into a line.

Blue says who it is, red how live it looks, and the green channel holds the texture that makes a
face sharp. `ToyDetector`, `ToyMesh`, `ToyLiveness` and `ToyEmbedder` stand for the networks and
read nothing but the pixels; everything between them is the real pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from appliance.perception import Perception, Stages
from appliance.ports import Clock
from appliance.types import (
    Box,
    Embedding,
    FaceCrop,
    Floats,
    Frame,
    Landmarks,
    Liveness,
    LivenessState,
    Pixels,
    Region,
    Suspicion,
)
from appliance.vision.acquisition import Acquisition, FaceSizes
from appliance.vision.alignment import FIVE_POINT_112
from appliance.vision.manifest import Calibration, Curve
from appliance.vision.mesh import LEFT_EYE, LEFT_EYE_OUTER, RIGHT_EYE, RIGHT_EYE_OUTER
from tests.fakes import FakeClock
from tests.portraits import LIMITS

MODEL, FINGERPRINT, DIMENSIONS = "toy", "t0y", 64
HEIGHT, WIDTH = 240, 320
TALL = 1.2  # a face's height over its width
ALICE, BOB, CAROL = 4, 8, 12
# The spread of one person's vectors: two frames of one person have a cosine of about 0.9.
SPREAD = 0.33


@dataclass(frozen=True)
class Toy:
    """One painted face. live: 0 to 1. sharp: False paints it without texture."""

    who: int
    x: float = 160.0
    y: float = 120.0
    width: float = 100.0
    live: float = 1.0
    sharp: bool = True


def paint(*faces: Toy, seed: int = 0) -> Pixels:
    """A picture of these faces; another seed gives another texture."""
    bgr = np.full((HEIGHT, WIDTH, 3), (0, 60, 0), np.uint8)
    random = np.random.default_rng(seed)
    for face in faces:
        left, right = round(face.x - face.width / 2), round(face.x + face.width / 2)
        half = face.width * TALL / 2
        area = bgr[max(round(face.y - half), 0) : round(face.y + half), max(left, 0) : right]
        texture = random.integers(60, 200, area.shape[:2], np.uint8)
        area[..., 0] = 10 * face.who
        area[..., 1] = texture if face.sharp else 130
        area[..., 2] = round(250 * face.live)
    return bgr


def scene(at: float, *faces: Toy, seed: int | None = None) -> Frame:
    """A frame of one film at `at` seconds; its texture differs from that of other moments."""
    seed = round(at * 1000) if seed is None else seed
    return Frame(paint(*faces, seed=seed), at, f"film#{round(at * 1000)}")


def _painted(bgr: Pixels) -> list[Box]:
    count, _, stats, _ = cv2.connectedComponentsWithStats((bgr[..., 0] > 0).astype(np.uint8))
    sides = stats[1:count, :4].astype(float)
    return [Box(left, top, width, height, score=1.0) for left, top, width, height in sides]


class ToyDetector:
    """Finds painted faces."""

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        return [box for box in _painted(bgr) if box.width >= smallest]


class ToyMesh:
    """Puts the mesh on the painted face under the middle of the region."""

    def locate(self, bgr: Pixels, region: Region) -> Landmarks:
        for box in _painted(bgr):
            inside = box.left <= region.x < box.left + box.width
            if inside and box.top <= region.y < box.top + box.height:
                return mesh_in(box)
        return mesh_in(Box(region.x - 1, region.y - 1, 2, 2), presence=0.0)


def mesh_in(box: Box, presence: float = 1.0) -> Landmarks:
    """A level face that looks into the camera and fills the box."""
    shares = np.random.default_rng(0).random((468, 2))
    # Where the five-point convention wants eyes, nose tip and mouth, in shares of the box.
    shares[list(LEFT_EYE)], shares[list(RIGHT_EYE)] = (0.3, 0.38), (0.7, 0.38)
    shares[LEFT_EYE_OUTER], shares[133] = (0.24, 0.38), (0.36, 0.38)
    shares[RIGHT_EYE_OUTER], shares[362] = (0.76, 0.38), (0.64, 0.38)
    shares[1], shares[61], shares[291] = (0.5, 0.57), (0.34, 0.77), (0.66, 0.77)
    shares[10], shares[152], shares[0], shares[3] = (0.5, 0), (0.5, 1), (0, 0.5), (1, 0.5)
    points = np.zeros((468, 3), np.float32)
    points[:, :2] = shares * (box.width - 1, box.height - 1) + (box.left, box.top)
    return Landmarks(points, presence)


class ToyLiveness:
    """Red is life: live from 0.6 on, a spoof below 0.4. Motion: enough of the same face.

    moving: how many frames in a row show a motion in depth; None: none does.
    """

    ask = None

    def __init__(self, moving: int | None = None) -> None:
        self.moving = moving
        self.seen = self.forgotten = 0

    def see(self, frame: Frame, landmarks: Landmarks) -> None:
        self.seen += 1

    def forget(self) -> None:
        self.seen = 0
        self.forgotten += 1

    def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        x, y = landmarks.box.centre
        score = float(frame.bgr[round(y), round(x), 2]) / 250
        if score < 0.4:
            return Liveness(LivenessState.SPOOF, score, reasons=(Suspicion.APPEARANCE,))
        moved = self.moving is not None and self.seen >= self.moving
        if score < 0.6:
            reasons = (Suspicion.APPEARANCE,)
            return Liveness(LivenessState.UNDETERMINED, score, reasons=reasons, motion=moved)
        return Liveness(LivenessState.LIVE, score, motion=moved)


class ToyEmbedder:
    """A person is an axis; the texture turns the vector a little away from it."""

    name = MODEL
    alignment = FIVE_POINT_112.name
    fingerprint = FINGERPRINT

    def embed(self, crop: FaceCrop) -> Embedding:
        middle = crop.bgr[36:100, 28:84]
        who = round(float(np.median(middle[..., 0])) / 10)
        return Embedding(vector_of(who, seed=int(middle[..., 1].astype(int).sum())), FINGERPRINT)


def vector_of(who: int, seed: int = 0, spread: float = SPREAD) -> Floats:
    """A unit vector near the person's axis."""
    noise = np.random.default_rng(seed).normal(size=DIMENSIONS)
    vector = spread * noise / np.linalg.norm(noise)
    vector[who] += 1
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def _curve(enrolled: int, probes: int, similarity: Sequence[float]) -> Curve:
    return Curve(
        enrolled=enrolled,
        probes=probes,
        similarity=tuple(similarity),
        log10_far=(-1.0, -2.0, -3.0, -4.0, -5.0),
        trials=1_000_000,
        people=1000,
    )


CALIBRATION = Calibration(
    data="toys",
    curves={
        "single": _curve(1, 1, (0.1, 0.2, 0.3, 0.4, 0.5)),
        "template_5_1": _curve(5, 1, (0.15, 0.25, 0.35, 0.45, 0.55)),
        "template_5_3": _curve(5, 3, (0.2, 0.3, 0.4, 0.5, 0.6)),
    },
)


def toy_perception(
    clock: Clock | None = None,
    *,
    embedder: ToyEmbedder | None = None,
    detector: ToyDetector | None = None,
    liveness: ToyLiveness | None = None,
) -> Perception:
    """The real pipeline over toy networks."""
    meshes = ToyMesh()
    stages = Stages(
        acquisition=Acquisition(detector or ToyDetector(), meshes, FaceSizes(0.6, 0.12)),
        mesh=meshes,
        alignment=FIVE_POINT_112,
        embedder=embedder or ToyEmbedder(),
        limits=LIMITS,
        liveness=liveness or ToyLiveness(),
    )
    return Perception(stages, clock or FakeClock())


class ToyCamera:
    """Gives these frames; a live one lets the clock reach each frame's time first."""

    def __init__(
        self,
        frames: Sequence[Frame],
        clock: FakeClock | None = None,
        *,
        also: Callable[[Frame], None] = lambda _: None,
    ) -> None:
        """clock: of a live camera; None makes it a recording. also: told of each frame before."""
        self._frames = frames
        self._clock = clock
        self._also = also
        self._start = clock.monotonic() if clock else 0.0
        self.given = 0

    @property
    def live(self) -> bool:
        return self._clock is not None

    @property
    def length(self) -> int | None:
        return len(self._frames)

    def frames(self) -> Iterator[Frame]:
        for frame in self._frames:
            if self._clock is not None:
                due = self._start + frame.at - self._clock.monotonic()
                self._clock.advance(max(due, 0.0))
            self._also(frame)
            self.given += 1
            yield frame

    def pace(self, fps: float | None) -> None:
        """All frames are given: the film is short."""

    def close(self) -> None:
        """Nothing to give back."""
