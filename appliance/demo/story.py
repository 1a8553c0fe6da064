"""What the demo does, step by step, with the appliance's own parts and a simulated lock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from appliance import assemble
from appliance.attempt import Attempt, DoorRoom
from appliance.config import Config, DoorConfig, EnrolmentConfig, StoreConfig, VerificationConfig
from appliance.enrolment.enrol import enrol
from appliance.errors import InputError
from appliance.matching import Claimed
from appliance.perception import Observation, Perception
from appliance.store.store import Store
from appliance.types import Claim, DoorEvent, Frame, Pixels, Template, Verdict

PICTURES = Path(__file__).parent / "pictures"
NAME = "alice"

# One picture stands in for a person who stands still: (right, down, larger) per frame.
_SWAY = ((0, 0, 1.0), (6, 3, 1.01), (-5, 4, 1.02))
_FRAME_INTERVAL_S = 0.2


@dataclass(frozen=True)
class Cast:
    """The pictures that play the parts."""

    enrolled: Sequence[Path] = (PICTURES / "obama.jpg", PICTURES / "obama2.jpg")
    genuine: Path = PICTURES / "obama3.jpg"
    impostor: Path = PICTURES / "biden.jpg"


@dataclass(frozen=True, eq=False)
class Step:
    """One attempt at the door. seen: its last frame; error: why a file was refused."""

    title: str
    source: str
    seen: Observation | None
    verdict: Verdict | None
    error: str
    lock: Sequence[DoorEvent]
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

    Two pictures are enrolled instead of five, the pulse is short, and nobody waits between
    attempts. Thresholds, quality and liveness stay as they are.
    """
    verification = base.verification.model_dump() | {"cool_down_s": 0.0}
    enrolled = base.enrolment.model_dump() | {"min_frames_for_door": 1}
    return base.model_copy(
        update={
            "door": DoorConfig(driver="simulated", pulse_s=0.5),
            "store": StoreConfig(path=folder),
            "verification": VerificationConfig(**verification),
            "enrolment": EnrolmentConfig(**enrolled),
        }
    )


def play(config: Config, cast: Cast, folder: Path, told: Callable[[Step], None]) -> Account:
    """Run the whole story. folder: for two made-up files. told: hears each step when it is over.

    Raises InputError before anything is done when a picture of the cast is none.
    """
    for path in (cast.genuine, cast.impostor):
        StillCamera(path).close()
    with ExitStack() as stack:
        store = stack.enter_context(assemble.store(config))
        stack.enter_context(assemble.devices(config))
        lock = stack.enter_context(closing(assemble.lock(config)))
        enrolled, template = _enrol(config, cast.enrolled, store)
        room = assemble.door_room(config, lock, store)
        stage = _Stage(config, store, assemble.perception(config), room, lambda: lock.history)
        steps = []
        for title, path in (
            ("the same person", cast.genuine),
            ("another person", cast.impostor),
            ("an empty hall", _empty_hall(folder)),
            ("a damaged file", _damaged(folder, Cast().genuine)),
        ):
            steps.append(stage.attempt(title, path))
            told(steps[-1])
    return Account(enrolled, template, steps, list(lock.history))


class StillCamera:
    """Plays one picture as if its person stood before a camera for a moment; never live."""

    live = False

    def __init__(self, path: Path) -> None:
        self._files = assemble.file_camera([path])
        self.length = len(_SWAY)

    def frames(self) -> Iterator[Frame]:
        """The picture, a little moved each time. Raises InputError."""
        for frame in self._files.frames():
            for number, sway in enumerate(_SWAY):
                at = number * _FRAME_INTERVAL_S
                yield Frame(_moved(frame.bgr, *sway), at, frame.source, number)

    def pace(self, fps: float | None) -> None:
        """The few frames there are all count."""

    def close(self) -> None:
        """Give the file back."""
        self._files.close()


@dataclass(frozen=True, eq=False)
class _Stage:
    config: Config
    store: Store
    perception: Perception
    room: DoorRoom
    history: Callable[[], Sequence[DoorEvent]]

    def attempt(self, title: str, path: Path) -> Step:
        """One attempt to open the door as NAME with a picture."""
        perception = Perception(self.perception.stages, assemble.clock())
        frames: list[Observation] = []
        rules = assemble.rules(self.config, unlock=True, live=False)
        attempt = Attempt(perception, rules, assemble.clock(), self.room)
        person = self.store.people.get(NAME)
        before, started = len(self.history()), time.monotonic()
        verdict, error, decided = None, "", [started]
        try:
            with closing(StillCamera(path)) as camera:
                verdict = attempt.run(
                    Claim(NAME, "demo"),
                    Claimed(person) if person else None,
                    camera,
                    seen=frames.append,
                    told=lambda _: decided.append(time.monotonic()),
                )
        except InputError as refused:
            error = refused.message
        spent = {"total": round((decided[-1] - started) * 1000, 1)}
        return Step(
            title,
            path.name,
            frames[-1] if frames else None,
            verdict,
            error,
            list(self.history())[before:],
            perception.timings.rounded() | spent,
        )


def _enrol(
    config: Config, paths: Sequence[Path], store: Store
) -> tuple[list[Observation], Template]:
    seen: list[Observation] = []
    with closing(assemble.file_camera(paths)) as camera:
        enrolled = enrol(
            camera.frames(),
            assemble.perception(config, liveness=False),
            assemble.enrolment_policy(config, guided=False),
            seen=lambda look: seen.append(look.observation),
        )
    person = store.people.add(NAME, enrolled.template)
    return seen, person.template


def _moved(bgr: Pixels, right: int, down: int, larger: float) -> Pixels:
    height, width = bgr.shape[:2]
    middle = np.array(
        [[larger, 0, (1 - larger) * width / 2], [0, larger, (1 - larger) * height / 2]]
    )
    matrix = middle + np.array([[0, 0, right], [0, 0, down]])
    moved = cv2.warpAffine(bgr, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.uint8)


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


def _write(path: Path, bgr: Pixels) -> None:
    _, encoded = cv2.imencode(path.suffix, bgr)
    path.write_bytes(encoded.tobytes())
