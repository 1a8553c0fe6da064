"""From a source and a seed to the frames that a door camera would send: `present`.

Beside the attacks there are two controls, labelled as what they are: `live_3d`, a picture of a
person turned on its own depth before a background that stands still, and `live_recaptured`, a
clip of a living person seen through another sensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from appliance.types import Frame, Pixels
from tests.attacks.attempt import (
    LIFE_SIZE,
    REPLAYS,
    Attempt,
    Species,
    Strength,
    drawn,
    generator,
)
from tests.attacks.heads import Head, head_in
from tests.attacks.living import LiveHead, Recaptured
from tests.attacks.scenes import Scene
from tests.attacks.sources import Source, read

SIZE = (640, 360)


class Shown(Protocol):
    """Anything that a camera looks at."""

    def picture(self, at: float) -> Pixels:
        """What the camera sends at that time; asked for in order."""
        ...


def plan(
    source: Source,
    species: Species | str,
    strength: Strength | str,
    seed: int,
    *,
    size: tuple[int, int] = SIZE,
) -> Attempt:
    """What `present` will show, without rendering it. Raises InputError as `present` does."""
    kind = Species(species)
    content = read(source.path)
    _, _, eyes = content.eyes
    height, width = content.frames[0].shape[:2]
    recorded = kind in REPLAYS and not source.moving
    other = attacker(source, seed) if kind in LIFE_SIZE else None
    return drawn(
        kind,
        Strength(strength),
        seed,
        person=source.person,
        source=source.name,
        shape=(0.0, 0.0) if recorded else (width / eyes, height / eyes),
        size=size,
        attacker="" if other is None else other.stem,
    )


def present(
    source: Source,
    species: Species | str,
    strength: Strength | str,
    seed: int,
    *,
    seconds: float = 2.0,
    fps: float = 15.0,
    size: tuple[int, int] = SIZE,
) -> Iterator[Frame]:
    """Frames of one synthetic presentation attack, as the door camera would send them.

    Same arguments, same pixels. `Frame.source` begins with "synthetic". Raises InputError where
    the source cannot be read or has no face.
    """
    attempt = plan(source, species, strength, seed, size=size)
    head = head_of(attacker(source, seed)) if attempt.worn is not None else None
    scene = Scene(attempt, read(source.path), moving=source.moving, attacker=head)
    label = f"synthetic {attempt.species.value} {attempt.strength.value} {source.name} {seed}"
    return _frames(scene, label, seconds, fps)


def live_3d(
    source: Source,
    seed: int,
    *,
    seconds: float = 2.0,
    fps: float = 15.0,
    size: tuple[int, int] = SIZE,
) -> Iterator[Frame]:
    """A synthetic living head: solid, moving by 2 to 10 degrees, before a still background.

    A control for what measures solidity; it is no recording of anybody and proves no rate.
    """
    rng = generator("live_3d", seed, source.person)
    shown = LiveHead(head_of(source.path), size, seconds, rng)
    return _frames(shown, f"synthetic live_3d {source.name} {seed}", seconds, fps)


def live_recaptured(
    source: Source,
    seed: int,
    *,
    seconds: float = 2.0,
    fps: float = 15.0,
    size: tuple[int, int] = SIZE,
) -> Iterator[Frame]:
    """A living person's clip through a synthetic sensor; ends with the clip."""
    content = read(source.path)
    rng = generator("live_recaptured", seed, source.person)
    lasting = min(seconds, len(content.frames) / max(content.fps, 1.0))
    label = f"synthetic live_recaptured {source.name} {seed}"
    return _frames(Recaptured(content, size, rng), label, lasting, fps)


def attacker(source: Source, seed: int) -> Path:
    """Who wears or holds the print: one of the source's peers; without any, the person's self."""
    return source.peers[seed % len(source.peers)] if source.peers else source.path


def head_of(path: Path) -> Head:
    """The head in a source's best frame."""
    return head_in(read(path))


def _frames(shown: Shown, label: str, seconds: float, fps: float) -> Iterator[Frame]:
    for number in range(round(seconds * fps)):
        at = number / fps
        yield Frame(shown.picture(at), at, f"{label}#{number}", number)
