"""The seams of the house: what a room may ask of hardware, models, stores and clocks.

Every port has a real implementation, and where a part is hard to have at a desk also a
simulated twin that passes the same contract suite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from appliance.door_values import DoorReadings
from appliance.signals import Patterns
from appliance.types import (
    Ask,
    AuditRecord,
    Box,
    DoorEvent,
    Embedding,
    FaceCrop,
    FailureCount,
    Frame,
    Landmarks,
    Liveness,
    LockState,
    Person,
    PersonSummary,
    PinSalt,
    PinVerdict,
    Pixels,
    Region,
    Subject,
    Template,
    Trouble,
    TroubleKind,
)


class Clock(Protocol):
    """Time, passed in so that tests own it."""

    @property
    def boot(self) -> str:
        """Which start of the machine `monotonic` counts from: the same text until the next one."""
        ...

    def trusted(self) -> bool:
        """True when the wall clock is known to be right: a time server has set it."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Camera(Protocol):
    """A source of frames.

    `live` is False for anything that replays files: such a source never opens a real door.
    """

    @property
    def live(self) -> bool:
        """True when a sensor looks at the door now."""
        ...

    @property
    def length(self) -> int | None:
        """How many frames will come, where that is known (for a progress bar)."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Frames in order. Raises CameraError (sensor) or InputError (file)."""
        ...

    def pace(self, fps: float | None) -> None:
        """Hand over at most `fps` frames a second of `Frame.at` from now on; None: all.

        What is left out costs next to nothing: it is not decoded. May be called from any thread.
        """
        ...

    def close(self) -> None:
        """Give the device back; may be called twice, and from any thread.

        Whoever waits for a frame meanwhile is told that the camera has been closed.
        """
        ...


class Watch(Protocol):
    """A camera that is looked at for years: it is opened again after every fault."""

    def pace(self, fps: float | None) -> None:
        """As `Camera.pace`, kept over reconnections; never slower than one frame in 0.5 s."""
        ...

    def sights(self) -> Iterator[Frame | Trouble]:
        """Frames, and trouble in their place while there are none that can be used.

        Something comes at least every second, so that the caller stays alive; no frame comes
        that a trouble made unusable. Where the picture's size changes, a trouble comes between
        the two sizes, for what is known of the scene is worth nothing then. Never raises, and
        ends only after `close`. For one caller at a time.
        """
        ...

    def close(self) -> None:
        """Give the device back; may be called twice, and from any thread."""
        ...


class SecondSight(Protocol):
    """A second camera beside the one that looks for faces, asked for what it saw at a time."""

    @property
    def trouble(self) -> str:
        """Why no picture can come at the moment, in a sentence; empty while they come."""
        ...

    def near(self, at: float) -> Sequence[Frame]:
        """The pictures it has of about this time of the first camera's frames, nearest first.

        Grey: the three channels are equal. May be empty, or all too old; never raises. Asking may
        be what wakes the camera, so whoever will need pictures asks a little before.
        """
        ...

    def close(self) -> None:
        """Give the device back; may be called twice."""
        ...


class SceneCheck(Protocol):
    """Judges whether a camera's picture shows anything at all."""

    def see(self, frame: Frame) -> TroubleKind | None:
        """What is amiss with the scene, judged at every frame in order; None: nothing."""
        ...


class Detector(Protocol):
    """Finds faces without knowing where they were."""

    def detect(self, bgr: Pixels, smallest: float) -> list[Box]:
        """Boxes of upright faces at least `smallest` pixels wide, best first.

        bgr: (height, width, 3) uint8.
        """
        ...


class LandmarkModel(Protocol):
    """Puts the face mesh on the face inside a region."""

    def locate(self, bgr: Pixels, region: Region) -> Landmarks:
        """The mesh in frame pixels; `presence` says whether a face was there at all."""
        ...


class Aligner(Protocol):
    """Warps a face to where a network expects the eyes."""

    @property
    def name(self) -> str:
        """The convention, part of a template's fingerprint."""
        ...

    def crop(self, bgr: Pixels, landmarks: Landmarks) -> FaceCrop:
        """Align one face of a frame."""
        ...


class Embedder(Protocol):
    """Turns an aligned crop into a point on the unit sphere."""

    @property
    def name(self) -> str:
        """The model's name in models/manifest.toml."""
        ...

    @property
    def alignment(self) -> str:
        """Which alignment its crops need."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of model file and alignment."""
        ...

    def embed(self, crop: FaceCrop) -> Embedding:
        """Embed one crop; ModelError when its alignment is another."""
        ...


class LivenessCheck(Protocol):
    """Presentation attack detection over the frames of one attempt (ISO/IEC 30107-3)."""

    @property
    def ask(self) -> Ask | None:
        """What the person is to do now so that it can be told; None: nothing."""
        ...

    def see(self, frame: Frame, landmarks: Landmarks) -> None:
        """A frame in which one face is followed, in order; cheap, and called for each."""
        ...

    def check(self, frame: Frame, landmarks: Landmarks) -> Liveness:
        """Judge a frame that `see` was shown, by itself and by all that was seen before it."""
        ...

    def forget(self) -> None:
        """Another person may stand there from the next frame on."""
        ...


class Lock(Protocol):
    """The line that drives the strike. A new lock has commanded *locked* before it returns.

    At rest, without current, a fail-secure lock is locked and a fail-safe one is not.
    """

    @property
    def simulated(self) -> bool:
        """True for the twin that drives nothing."""
        ...

    @property
    def state(self) -> LockState:
        """What the line was last told."""
        ...

    @property
    def energised(self) -> bool:
        """True while current flows, read from the line. Raises LockError."""
        ...

    @property
    def history(self) -> Sequence[DoorEvent]:
        """Every command since this object exists, oldest first."""
        ...

    def lock(self, cause: str) -> None:
        """Let nobody through. Safe to call at any time. Raises LockError, with the line at rest."""
        ...

    def unlock(self, cause: str) -> None:
        """Let people through. Raises LockError, with the line at rest."""
        ...

    def close(self) -> None:
        """Bring the line to rest, then give it back; may be called twice."""
        ...


class DoorInputs(Protocol):
    """The door's contact, the button to leave, and the tamper contact."""

    def read(self) -> DoorReadings:
        """The levels now, translated, not bounced out. Raises LockError; meant to be quick."""
        ...

    def close(self) -> None:
        """Give the lines back; may be called twice."""
        ...


class Indicators(Protocol):
    """Lamps and a buzzer. They never raise and never wait: the door has more important things."""

    @property
    def faults(self) -> tuple[str, ...]:
        """One sentence about each output that does not obey; empty when all is well."""
        ...

    def show(self, base: Patterns) -> None:
        """Show this at rest from now on; outputs that are not named are off."""
        ...

    def play(self, once: Patterns) -> None:
        """Play these once, above what is shown at rest."""
        ...

    def close(self) -> None:
        """Turn all off and give the lines back; may be called twice."""
        ...


class Speaker(Protocol):
    """A loudspeaker. It never raises and never waits."""

    @property
    def faults(self) -> tuple[str, ...]:
        """One sentence about each thing that keeps it silent; empty when all is well."""
        ...

    def examine(self) -> tuple[str, ...]:
        """Look for what would keep it silent, without a sound, and tell it. This one waits."""
        ...

    def greet(self, text: str) -> None:
        """Welcome somebody; while it still speaks, nothing is said."""
        ...

    def say(self, text: str) -> None:
        """Tell somebody what to do at once, in place of what still sounds; never late."""
        ...

    def close(self) -> None:
        """Be silent at once; may be called twice."""
        ...


class Keys(Protocol):
    """A keypad, or a reader that types: one key at a time."""

    @property
    def trouble(self) -> str:
        """Why no key can come at the moment, in a sentence; empty while one can."""
        ...

    def next_key(self, timeout: float) -> str | None:
        """The next key as `claims.typed` names them, or None after `timeout` seconds.

        Never raises for a device that is away: it is looked for until it is back.
        """
        ...

    def close(self) -> None:
        """Give the device back; may be called twice."""
        ...


class PeopleStore(Protocol):
    """Who is enrolled."""

    def add(self, name: str, template: Template, *, replace: bool = False) -> Person:
        """Keep a template. InputError when the name exists and `replace` is False."""
        ...

    def get(self, name: str) -> Person | None:
        """The person, or None."""
        ...

    def summaries(self) -> list[PersonSummary]:
        """Everybody, by name, without opening templates."""
        ...

    def everybody(self) -> Iterator[Person]:
        """Everybody, templates opened."""
        ...

    def remove(self, name: str) -> bool:
        """Erase; False when there was nobody of that name."""
        ...


class AuditLog(Protocol):
    """What happened, in order, chained so that a change shows."""

    def append(self, event: str, subject: str, detail: Mapping[str, object]) -> AuditRecord:
        """Write durably before returning. StoreError when that is not possible."""
        ...

    def tail(self, count: int) -> list[AuditRecord]:
        """The last records, oldest first."""
        ...

    def first_bad(self) -> int | None:
        """The number of the first record that does not fit the chain, or None."""
        ...


class FailureLedger(Protocol):
    """Failed attempts per name and way of claiming it, kept across restarts."""

    def read(self, name: str, via: str) -> FailureCount | None:
        """The count of failures in a row, or None."""
        ...

    def update(
        self, name: str, via: str, change: Callable[[FailureCount | None], FailureCount]
    ) -> None:
        """Put what `change` makes of the count in its place: as one, durable before it returns."""
        ...

    def clear(self, name: str, via: str | None = None) -> None:
        """After a success; without `via`, those of every way."""
        ...


class Credentials(Protocol):
    """What people claim with: codes, cards, badges and PINs."""

    def find(self, kind: str, secret: str) -> Subject | None:
        """Whom a secret of this kind ("code", "card", "qr") belongs to."""
        ...

    def pin_salt(self, name: str) -> PinSalt | None:
        """What a PIN of this person is hashed with; None for a person without a PIN."""
        ...

    def judge_pin(self, name: str | None, digest: bytes) -> PinVerdict:
        """Compare a hashed PIN, in the same time for everybody and for nobody (None)."""
        ...
