"""What the demo does, step by step, with the appliance's own parts and a simulated lock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from appliance import assemble
from appliance.attempt import Attempt, DoorRoom
from appliance.config import (
    Config,
    DoorConfig,
    EnrolmentConfig,
    LivenessConfig,
    StoreConfig,
    VerificationConfig,
)
from appliance.demo.cameras import ClipCamera, DemoCamera, PrintCamera, Shot, camera_of
from appliance.enrolment.enrol import enrol
from appliance.errors import InputError
from appliance.matching import Claimed
from appliance.perception import Observation, Perception
from appliance.store.store import Store
from appliance.types import Claim, DoorEvent, Pixels, Template, Verdict

PICTURES = Path(__file__).parent / "pictures"
# Single pictures of good faces, for whatever needs nothing but faces.
PORTRAITS = tuple(PICTURES / f"{it}.jpg" for it in ("obama", "obama2", "obama3", "biden"))
NAME = "alice"

_CLIP = PICTURES / "single_face.mp4"
# Enrolled from one part, recognised in the other.
_GENUINE, _ENROLLED = Shot(_CLIP, end=1.9), Shot(_CLIP, begin=1.9)
_IMPOSTOR = Shot(PICTURES / "biden.jpg")


@dataclass(frozen=True)
class Cast:
    """What plays the parts."""

    enrolled: Sequence[Shot] = (_ENROLLED,)
    genuine: Shot = _GENUINE
    impostor: Shot = _IMPOSTOR


@dataclass(frozen=True, eq=False)
class Step:
    """One attempt at the door. seen: its last frame; error: why a file was refused.

    profile: of the liveness check; a picture is judged as one, for it cannot move.
    """

    title: str
    source: str
    seen: Observation | None
    verdict: Verdict | None
    error: str
    lock: Sequence[DoorEvent]
    profile: str
    timings_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Account:
    """All that happened. enrolled: one observation per picture enrolled from."""

    enrolled: Sequence[Observation]
    template: Template
    steps: Sequence[Step]
    lock: Sequence[DoorEvent]


def settings(folder: Path, base: Config) -> Config:
    """The given config with a simulated lock, in a folder of its own.

    One good frame is enough to enrol, the pulse is short, and nobody waits between attempts.
    Thresholds, quality and liveness stay as they are.
    """
    verification = base.verification.model_dump() | {"cool_down_s": 0.0}
    enrolled = base.enrolment.model_dump() | {"min_frames_for_door": 1}
    liveness = base.liveness.model_dump() | {"spoof_cool_down_s": 0.0}
    return base.model_copy(
        update={
            "door": DoorConfig(driver="simulated", pulse_s=0.5),
            "store": StoreConfig(path=folder),
            "verification": VerificationConfig(**verification),
            "enrolment": EnrolmentConfig(**enrolled),
            "liveness": LivenessConfig(**liveness),
        }
    )


def play(config: Config, cast: Cast, folder: Path, told: Callable[[Step], None]) -> Account:
    """Run the whole story. folder: for made-up files. told: hears each step when it is over.

    Raises InputError before anything is done when a picture of the cast is none.
    """
    for shot in (cast.genuine, cast.impostor):
        camera_of(shot).close()
    with ExitStack() as stack:
        store = stack.enter_context(assemble.store(config))
        stack.enter_context(assemble.devices(config))
        lock = stack.enter_context(closing(assemble.lock(config)))
        enrolled, template = _enrol(config, cast.enrolled, store)
        room = assemble.door_room(config, lock, store)
        stage = _Stage(
            config, store, assemble.perception(config, recorded=True), room, lambda: lock.history
        )
        hall, damaged = _empty_hall(folder), _damaged(folder, PICTURES / "obama.jpg")
        steps = []
        for title, source, opened in (
            ("the same person", str(cast.genuine), lambda: camera_of(cast.genuine)),
            ("another person", str(cast.impostor), lambda: camera_of(cast.impostor)),
            (
                "a printed photograph of the same person",
                f"made from {cast.genuine.path.name}",
                lambda: stage.print_of(cast.genuine, hall),
            ),
            ("an empty hall", hall.name, lambda: camera_of(Shot(hall))),
            ("a damaged file", damaged.name, lambda: camera_of(Shot(damaged))),
        ):
            steps.append(stage.attempt(title, source, opened))
            told(steps[-1])
    return Account(enrolled, template, steps, list(lock.history))


@dataclass(frozen=True, eq=False)
class _Stage:
    config: Config
    store: Store
    perception: Perception
    room: DoorRoom
    history: Callable[[], Sequence[DoorEvent]]

    def attempt(self, title: str, source: str, opened: Callable[[], DemoCamera]) -> Step:
        """One attempt to open the door as NAME with what a camera plays."""
        frames: list[Observation] = []
        person = self.store.people.get(NAME)
        before, started = len(self.history()), time.monotonic()
        verdict, error, decided, profile = None, "", [started], self.config.liveness.profile
        timings: dict[str, float] = {}
        try:
            with closing(opened()) as camera:
                config = self.config if camera.moves else _judged_as_a_picture(self.config)
                profile = config.liveness.profile
                stages = self.perception.stages
                if config is not self.config:
                    stages = replace(stages, liveness=assemble.liveness(config))
                perception = Perception(stages, assemble.clock())
                rules = assemble.rules(config, unlock=True, live=False)
                verdict = Attempt(perception, rules, assemble.clock(), self.room).run(
                    Claim(NAME, "demo"),
                    Claimed(person) if person else None,
                    camera,
                    seen=frames.append,
                    told=lambda _: decided.append(time.monotonic()),
                )
                timings = perception.timings.rounded()
        except InputError as refused:
            error = refused.message
        spent = {"total": round((decided[-1] - started) * 1000, 1)}
        return Step(
            title,
            source,
            frames[-1] if frames else None,
            verdict,
            error,
            list(self.history())[before:],
            profile,
            timings | spent,
        )

    def print_of(self, shot: Shot, hall: Path) -> PrintCamera:
        """Whoever a shot shows first, on paper before the hall. InputError without a face."""
        with closing(assemble.file_camera([shot.path])) as camera:
            for frame in camera.frames():
                faces = self.perception.search(frame)
                if faces:
                    return PrintCamera(frame.bgr, faces[0].box, _read(hall), "print")
        raise InputError(f"{shot} shows no face, so there is nothing to print.")


def _judged_as_a_picture(config: Config) -> Config:
    """The profile for what cannot move; off stays off."""
    wanted = config.liveness
    if wanted.profile == "off":
        return config
    passive = LivenessConfig(**wanted.model_dump() | {"profile": "passive", "challenge": "off"})
    return config.model_copy(update={"liveness": passive})


def _enrol(
    config: Config, shots: Sequence[Shot], store: Store
) -> tuple[list[Observation], Template]:
    seen: list[Observation] = []
    with ExitStack() as stack:
        cameras = [stack.enter_context(closing(ClipCamera(shot))) for shot in shots]
        enrolled = enrol(
            (frame for camera in cameras for frame in camera.frames()),
            assemble.perception(config, liveness=False),
            assemble.enrolment_policy(config, guided=False),
            seen=lambda look: seen.append(look.observation),
        )
    person = store.people.add(NAME, enrolled.template)
    return seen, person.template


def _empty_hall(folder: Path) -> Path:
    """A drawn corridor: walls, floor, a door, some noise; nobody in it."""
    canvas = np.full((720, 960, 3), (172, 178, 180), np.uint8)
    floor = np.array([[0, 720], [330, 430], [630, 430], [960, 720]])
    cv2.fillPoly(canvas, [floor], (110, 118, 124))
    cv2.rectangle(canvas, (330, 150), (630, 430), (190, 196, 198), -1)
    cv2.rectangle(canvas, (430, 210), (530, 430), (96, 110, 132), -1)
    cv2.circle(canvas, (516, 325), 6, (60, 190, 220), -1)
    noise = np.random.default_rng(0).normal(0, 3, canvas.shape)
    path = folder / "empty-hall.png"
    _write(path, np.clip(canvas + noise, 0, 255).astype(np.uint8))
    return path


def _damaged(folder: Path, whole: Path) -> Path:
    """The first half of a picture's bytes, as a broken download leaves it."""
    path = folder / f"damaged{whole.suffix}"
    content = whole.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def _read(path: Path) -> Pixels:
    with closing(assemble.file_camera([path])) as camera:
        return next(camera.frames()).bgr


def _write(path: Path, bgr: Pixels) -> None:
    _, encoded = cv2.imencode(path.suffix, bgr)
    path.write_bytes(encoded.tobytes())
