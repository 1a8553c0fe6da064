"""Presentations of the toy world, and a judge over its networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from appliance.attempt import Rules
from appliance.decision import Policy
from appliance.evaluation.pad import Judge, Outcome, Presented
from appliance.evaluation.pad_report import Judged
from appliance.perception import Perception
from appliance.types import Frame
from tests.fakes import FakeClock
from tests.toys import ALICE, CALIBRATION, Toy, ToyLiveness, scene, toy_perception

CLIPS = Policy(
    agreement=0.5,
    frames=3,
    minimum=3,
    frame_interval_s=0.1,
    gap_s=1.5,
    timeout_s=1.0,
    cool_down_s=0.0,
    liveness_required=True,
)
STILLS = Policy(
    agreement=0.5,
    frames=3,
    minimum=1,
    frame_interval_s=0.1,
    gap_s=1.5,
    timeout_s=1.0,
    cool_down_s=0.0,
    liveness_required=True,
)
# What faces are painted for an outcome; see `tests.toys.ToyLiveness`.
LIVE, UNSURE, SPOOF = 1.0, 0.5, 0.0


def toy_judge(clips: Policy = CLIPS, moving: int | None = None) -> Judge:
    def fresh(_random: Random) -> Perception:
        return toy_perception(liveness=ToyLiveness(moving))

    return Judge(
        fresh, Rules(clips, 1e-5, CALIBRATION), Rules(STILLS, 1e-5, CALIBRATION), FakeClock()
    )


def film(*lives: float | None, fps: float = 10.0, begin: float = 0.0) -> list[Frame]:
    """A frame for each: how live its face looks; None for a frame without a face."""
    return [
        scene(begin + number / fps, *([] if live is None else [Toy(ALICE, live=live)]))
        for number, live in enumerate(lives)
    ]


def presented(outcome: Outcome, score: float | None = None, **more: object) -> Presented:
    return Presented(outcome, score, **more)  # type: ignore[arg-type]


def shown(label: str, *outcomes: Outcome) -> list[Judged]:
    """A presentation for each outcome."""
    return [
        Judged(label, f"{label}/{number}.mp4", [presented(outcome)])
        for number, outcome in enumerate(outcomes)
    ]


class FilmCamera:
    """Shows frames as the file that it stands for would; remembers how it was paced."""

    live = False
    length = None

    def __init__(self, frames: Sequence[Frame], skipped: Sequence[tuple[str, str]] = ()) -> None:
        self._frames = frames
        self.skipped = list(skipped)
        self.paced: list[float | None] = []
        self.closed = False

    def frames(self) -> Iterator[Frame]:
        yield from self._frames

    def pace(self, fps: float | None) -> None:
        self.paced.append(fps)

    def close(self) -> None:
        self.closed = True


def files(root: Path, *names: str) -> Path:
    """Empty files below a folder, and the folders above them; a name that ends in / is one."""
    for name in names:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root
