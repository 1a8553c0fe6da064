"""The frozen values that pass between rooms. Only numpy and the standard library.

Pixel coordinates have their origin in the centre of the top-left pixel, x to the right and
y down, and are floats. Times called `at` are seconds on a monotonic clock (or, for files, the
time inside the recording); `datetime` values are aware and in UTC. Terms follow
ISO/IEC 2382-37 (biometric vocabulary) and ISO/IEC 30107-3 (presentation attack detection).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture from a camera or a file.

    bgr: (height, width, 3) uint8, blue-green-red as OpenCV captures it.
    at: seconds, monotonic within one source.
    source: what a person would call it ("obama.jpg", "clip.mp4#12", "/dev/video0").
    still: a picture by itself, before and after which nothing can be seen.
    """

    bgr: Pixels
    at: float
    source: str
    sequence: int = 0
    still: bool = False

    @property
    def scene(self) -> str:
        """The source without a video's frame number: nobody is followed into another scene."""
        head, mark, number = self.source.rpartition("#")
        return head if mark and number.isdecimal() else self.source

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.bgr.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.bgr.shape[1])

    def repeats(self, other: Frame) -> bool:
        """True for the very same picture, pixel for pixel; noise makes a sensor's differ."""
        # Some pixels first: they tell nearly always, and comparing all takes ten times as long.
        few = np.array_equal(self.bgr[::16, ::16], other.bgr[::16, ::16])
        return few and np.array_equal(self.bgr, other.bgr)


class TroubleKind(str, Enum):
    """Why a camera gives no picture that can be used; the value is the word in JSON.

    STARTING is no fault: the camera is being opened, its exposure settles, or a picture is late.
    """

    STARTING = "starting"
    LOST = "lost"
    FROZEN = "frozen"
    DARK = "dark"
    COVERED = "covered"
    OVEREXPOSED = "overexposed"
    WRONG_SIZE = "wrong_size"


@dataclass(frozen=True)
class Trouble:
    """What stands in the place of a frame while a camera gives none that can be used.

    sentence: what is amiss, for people; it holds no secret. hint: how to mend it. since: the
    clock's monotonic seconds when it began; two with the same kind and since are one trouble.
    """

    kind: TroubleKind
    sentence: str
    since: float
    hint: str = ""


@dataclass(frozen=True)
class Box:
    """An upright rectangle in frame pixels, as a detector reports it."""

    left: float
    top: float
    width: float
    height: float
    score: float = 0.0

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the middle."""
        return self.left + self.width / 2, self.top + self.height / 2

    @property
    def area(self) -> float:
        """Square pixels."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    def scaled(self, factor: float) -> Box:
        """The same box in a picture that is `factor` times as large."""
        return Box(
            self.left * factor,
            self.top * factor,
            self.width * factor,
            self.height * factor,
            self.score,
        )

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        shared = max(across, 0.0) * max(down, 0.0)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0


@dataclass(frozen=True)
class Region:
    """A square of the frame that a landmark model looks at, turned by `angle` radians."""

    x: float
    y: float
    side: float
    angle: float = 0.0


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The 468 points of the face mesh.

    points: (468, 3) float32; x and y in frame pixels, z on the same scale, negative towards
    the camera, relative to the head's centre.
    presence: probability in 0..1 that the region held a face at all.
    """

    points: Floats
    presence: float

    @property
    def box(self) -> Box:
        """The upright extent of the points."""
        low, high = self.points[:, :2].min(axis=0), self.points[:, :2].max(axis=0)
        return Box(
            float(low[0]),
            float(low[1]),
            float(high[0] - low[0]),
            float(high[1] - low[1]),
            self.presence,
        )


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """A face warped to where its model expects the eyes and the mouth.

    bgr: (size, size, 3) uint8. alignment: the name of the convention, part of the fingerprint.
    """

    bgr: Pixels
    alignment: str


class Fault(str, Enum):
    """Why a frame is not good enough to compare; the value is the reason in JSON."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TOO_DARK = "too_dark"
    OVEREXPOSED = "overexposed"
    TURNED_AWAY = "turned_away"
    CUT_OFF = "cut_off"


@dataclass(frozen=True)
class Quality:
    """What was measured of one face, and what is wrong with it.

    eye_distance: pixels between the eye centres in the captured frame, as far apart as they would
    be if the face looked into the camera.
    sharpness: see vision.quality (dimensionless; larger is sharper).
    brightness: mean luma of the face, 0..255. clipped: share of burnt-out pixels, 0..1.
    yaw, pitch, roll: degrees; 0 looks into the camera.
    """

    eye_distance: float
    sharpness: float
    brightness: float
    clipped: float
    yaw: float
    pitch: float
    roll: float
    faults: tuple[Fault, ...] = ()

    @property
    def good(self) -> bool:
        """True when the face may be compared."""
        return not self.faults


class Pose(str, Enum):
    """Where an enrolled face looks; left and right are the person's own. The value is for JSON."""

    STRAIGHT = "straight"
    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"


class LivenessState(str, Enum):
    """The outcome of presentation attack detection (ISO/IEC 30107-3)."""

    LIVE = "live"
    SPOOF = "spoof"
    UNDETERMINED = "undetermined"
    NOT_CHECKED = "not_checked"


class Suspicion(str, Enum):
    """Why something is not taken for a living person; the value is the word in JSON and audit."""

    APPEARANCE = "appearance"  # the network's opinion of one frame
    SCREEN_PATTERN = "screen_pattern"  # moiré, banding, a screen's colours
    FLAT_MOTION = "flat_motion"  # it moves as a plane does
    SURROUNDINGS = "surroundings"  # what is around the face moves with it, or ends at an edge
    INJECTED = "injected"  # frames repeat, or their times are impossible
    INFRARED = "infrared"  # no face in the infrared picture, where it must be
    WRONG_MOVEMENT = "wrong_movement"  # another movement than the one asked for
    TOO_EARLY = "too_early"  # the movement came before it could have been understood


class Ask(str, Enum):
    """What a person is asked to do so that life can be seen; left and right are the person's own.

    MOVE: any small turn of the head. LOOK: look straight and wait.
    """

    MOVE = "move"
    LOOK = "look"
    BLINK = "blink"
    TURN_LEFT = "turn_left"
    TURN_RIGHT = "turn_right"
    NOD = "nod"
    OPEN_MOUTH = "open_mouth"
    SMILE = "smile"


@dataclass(frozen=True)
class Liveness:
    """What presentation attack detection found, and by which cues.

    score: 0 (attack) to 1 (live), or None where nothing was judged.
    cues: what each cue measured, by the measure's name and in its own unit.
    reasons: what speaks against a living person, the gravest first; empty for LIVE.
    frames: how many frames it rests on.
    motion: whether a motion in depth was seen in them, as only a solid head shows it.
    answered: whether the movements that were asked for were made. unanswered: they were not, and
    it is too late for them. waits: nothing speaks against the frame and what was seen before it,
    but motion, an answer or time is missing still. looked: whether the frame's own appearance was
    judged.
    """

    state: LivenessState
    score: float | None = None
    cues: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[Suspicion, ...] = ()
    frames: int = 0
    motion: bool = False
    answered: bool = False
    unanswered: bool = False
    waits: bool = False
    looked: bool = True


@dataclass(frozen=True, eq=False)
class Embedding:
    """A face as a point on the unit sphere.

    vector: (dimensions,) float32 with Euclidean norm 1.
    fingerprint: of the model and the alignment that made it; vectors with different
    fingerprints are never compared.
    quality: of the face that it was made from, where that was measured.
    """

    vector: Floats
    fingerprint: str
    quality: Quality | None = None


@dataclass(frozen=True, eq=False)
class Template:
    """What is kept of an enrolled face.

    vectors: (count, dimensions) float32, one unit vector per good frame.
    mean: (dimensions,) float32, their normalised mean.
    model: the model's name, for people; `fingerprint` is what counts.
    """

    vectors: Floats
    mean: Floats
    model: str
    fingerprint: str

    @property
    def count(self) -> int:
        """How many frames the template was made of."""
        return int(self.vectors.shape[0])


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody enrolled."""

    name: str
    template: Template
    created: datetime
    updated: datetime


@dataclass(frozen=True)
class PersonSummary:
    """What may be listed of somebody without opening the template."""

    name: str
    model: str
    fingerprint: str
    count: int
    created: datetime
    updated: datetime


@dataclass(frozen=True)
class Match:
    """One comparison of a probe with a template.

    similarity: cosine, -1..1. threshold: the similarity that `target_far` asks for.
    far: the false-accept rate at which this very similarity would be the threshold.
    far_is_bound: the true rate may be lower, for nothing beyond it was measured.
    handicap: how much of the threshold is owed to the probe's poor quality.
    """

    similarity: float
    threshold: float
    target_far: float
    far: float
    handicap: float = 0.0
    far_is_bound: bool = False

    @property
    def accepted(self) -> bool:
        """True when the similarity reaches the threshold."""
        return self.similarity >= self.threshold


@dataclass(frozen=True)
class Claim:
    """Somebody says who they are.

    via: the way, such as "command", "sole_user", "keypad", "card" or "qr".
    pin: whether a PIN proved it before any face was seen.
    duress: whether it was the PIN that calls for help; nothing at the door may show it.
    by: the local user who made it for somebody, where that was over the service's socket.
    """

    name: str
    via: str
    pin: bool = False
    duress: bool = False
    by: str = ""


@dataclass(frozen=True)
class Subject:
    """Whom a code, card or badge belongs to. has_pin: whether that person is asked for one."""

    name: str
    has_pin: bool


@dataclass(frozen=True)
class PinCost:
    """What one PIN check costs: the parameters of argon2id (RFC 9106)."""

    memory_kib: int
    passes: int
    lanes: int


@dataclass(frozen=True)
class PinSalt:
    """All that is needed to hash a PIN before it can be judged. salt: 16 random bytes."""

    salt: bytes
    cost: PinCost


class PinVerdict(str, Enum):
    """What a PIN turned out to be."""

    RIGHT = "right"
    DURESS = "duress"
    WRONG = "wrong"


class Decision(str, Enum):
    """How an attempt ends; the value is the word in JSON."""

    ACCEPT = "accept"
    REJECT = "reject"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    POOR_QUALITY = "poor_quality"
    SPOOF = "spoof"
    TIMEOUT = "timeout"
    NOT_PERMITTED = "not_permitted"
    UNKNOWN_PERSON = "unknown_person"
    LOCKED_OUT = "locked_out"


@dataclass(frozen=True)
class Verdict:
    """The end of an attempt, with what led to it.

    match is None where nothing was compared. reason: one sentence for the person at the door.
    faults: how many frames were refused, by reason.
    """

    decision: Decision
    reason: str
    frames_used: int = 0
    match: Match | None = None
    liveness: Liveness = Liveness(LivenessState.NOT_CHECKED)
    faults: Mapping[Fault, int] = field(default_factory=dict)


class LockState(str, Enum):
    """What the lock was last told."""

    LOCKED = "locked"
    UNLOCKED = "unlocked"


@dataclass(frozen=True)
class DoorEvent:
    """One command that reached the lock. at: seconds, monotonic; cause: why, for the audit."""

    at: float
    state: LockState
    cause: str


@dataclass(frozen=True)
class AuditRecord:
    """One line of the audit log. number: 1, 2, 3, ... without gaps."""

    number: int
    at: datetime
    event: str
    subject: str
    detail: Mapping[str, object]
    digest: str


@dataclass(frozen=True)
class Moment:
    """One instant on both clocks, so that it can be dated whatever becomes of one of them.

    wall: aware, UTC. trusted: whether the wall clock was known to be right.
    boot: which start of the machine this is. uptime: monotonic seconds since then.
    """

    wall: datetime
    trusted: bool
    boot: str
    uptime: float


@dataclass(frozen=True)
class FailureCount:
    """How often something failed in a row, kept across restarts. at: of the last failure."""

    failures: int
    at: Moment
