"""From a source and a seed to the frames that a door camera would send: `present`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np

from appliance.types import Frame
from tests.attacks import media
from tests.attacks.attempt import Attempt, Species, Strength, drawn, generator
from tests.attacks.hold import Hold
from tests.attacks.media import Display, Layout
from tests.attacks.optics import Bend
from tests.attacks.room import backdrop
from tests.attacks.sensor import Capture, Light
from tests.attacks.sheet import Sheet
from tests.attacks.sources import Content, Source, read

# Texels per camera pixel: finer shows nothing, coarser blurs.
_TEXELS = 1.4
# How much further than the picture's edge a texture reaches, for what is moved into view.
_SPARE = 0.3


def plan(
    source: Source,
    species: Species | str,
    strength: Strength | str,
    seed: int,
    *,
    size: tuple[int, int] = (640, 360),
) -> Attempt:
    """What `present` will show, without rendering it."""
    content = read(source.path)
    _, _, eyes = content.eyes
    height, width = content.frames[0].shape[:2]
    return drawn(
        Species(species),
        Strength(strength),
        seed,
        person=source.person,
        source=source.name,
        shape=(width / eyes, height / eyes),
        size=size,
    )


def present(
    source: Source,
    species: Species | str,
    strength: Strength | str,
    seed: int,
    *,
    seconds: float = 2.0,
    fps: float = 15.0,
    size: tuple[int, int] = (640, 360),
) -> Iterator[Frame]:
    """Frames of one synthetic presentation attack, as the door camera would send them.

    Same arguments, same pixels. `Frame.source` begins with "synthetic". Raises InputError where
    the source cannot be read or has no face.
    """
    attempt = plan(source, species, strength, seed, size=size)
    label = f"synthetic {attempt.species.value} {attempt.strength.value} {source.name} {seed}"
    scene = Scene(attempt, source)
    for number in range(round(seconds * fps)):
        at = number / fps
        yield Frame(scene.picture(at), at, f"{label}#{number}", number)


class Scene:
    """One attempt, ready to be looked at."""

    def __init__(self, attempt: Attempt, source: Source) -> None:
        rng = generator("scene", attempt.seed, attempt.species, attempt.strength, source.person)
        width, height = attempt.camera.width, attempt.camera.height
        content = read(source.path)
        self.sheet = _held(attempt, content, rng)
        self._behind = backdrop(width, height, rng, blur_px=attempt.blur_px + width / 640)
        self._capture = Capture(attempt.sensor, width, height, rng)

    def light(self, at: float) -> Light:
        """(height, width, 3) linear light at the lens."""
        light = self._behind.copy()
        seen = self.sheet.see(at)
        if seen is not None:
            seen.over(light)
        return light

    def picture(self, at: float) -> np.ndarray:  # type: ignore[type-arg]
        """The camera's picture."""
        return self._capture.expose(self.light(at))


def _held(attempt: Attempt, content: Content, rng: np.random.Generator) -> Sheet:
    layout = _layout(attempt, content)
    texture = _still(attempt, content, layout, rng)
    return Sheet(
        lambda _: texture,
        layout,
        attempt.medium,
        attempt.camera,
        attempt.sensor,
        attempt.lighting,
        attempt.rest,
        Hold(attempt.grip, rng),
        pivot=np.array([0.0, attempt.grip_below_mm, 0.0]),
        blur_px=attempt.blur_px,
        bend=None if attempt.bend is None else partial(_flexed, attempt.bend, attempt),
    )


def _flexed(bend: Bend, attempt: Attempt, seconds: float) -> Bend:
    """The hand that holds bent paper gives way: its curvature swings."""
    swing = 1 - attempt.flex * (0.5 + 0.5 * np.sin(2 * np.pi * attempt.flex_hz * seconds))
    return Bend(bend.radius / float(swing), bend.lean)


def _layout(attempt: Attempt, content: Content) -> Layout:
    x, y, eyes = content.eyes
    medium, scale = attempt.medium, attempt.shown_eyes_mm / eyes
    margin = medium.bezel_mm if isinstance(medium, Display) else medium.margin_mm
    height, width = content.frames[0].shape[:2]
    bezel = margin if isinstance(medium, Display) else 0.0
    across, down = medium.width_mm + 2 * bezel, medium.height_mm + 2 * bezel
    # The middle of the picture is in the middle of the sheet, unless that would cut the face.
    left = _placed(across, scale * (width / 2 - x), 1.6 * attempt.shown_eyes_mm, 0.5)
    top = _placed(down, scale * (height / 2 - y), 2.0 * attempt.shown_eyes_mm, 0.45)
    if attempt.extend:
        left, top = -across / 2, -0.45 * down
    sheet = (left, top, left + across, top + down)
    per_px = attempt.rest.z / attempt.camera.focal
    half_w = (0.5 + _SPARE) * attempt.camera.width * per_px + abs(attempt.rest.x)
    half_h = (0.5 + _SPARE) * attempt.camera.height * per_px + abs(attempt.rest.y)
    window = (
        max(sheet[0], -half_w),
        max(sheet[1], -half_h),
        min(sheet[2], half_w),
        min(sheet[3], half_h),
    )
    corner = 8.0 if isinstance(medium, Display) else 0.0
    return Layout(sheet, window, margin, scale, per_px / _TEXELS, corner)


def _placed(length: float, middle: float, face: float, share: float) -> float:
    """Where a sheet of `length` mm begins whose middle should be at `middle`; the eyes are at 0."""
    begin = middle - length * share
    return float(np.clip(begin, face - length, -face)) if length > 2 * face else -length * share


def _still(attempt: Attempt, content: Content, layout: Layout, rng: np.random.Generator) -> Light:
    """(h, w, 4) of one picture on the sheet."""
    return textured(attempt, content.frames[content.best], content, layout, rng)


def textured(
    attempt: Attempt,
    picture: np.ndarray,  # type: ignore[type-arg]
    content: Content,
    layout: Layout,
    rng: np.random.Generator,
) -> Light:
    """(h, w, 4) light and coverage, premultiplied and blurred by the lens."""
    x, y, _ = content.eyes
    light, reached = media.laid_out(picture, layout, (x, y), extend=attempt.extend)
    whole, inner = layout.coverage(0.0), layout.coverage(layout.margin)
    reached = reached * inner
    if isinstance(attempt.medium, Display):
        # Bezel and switched-off parts are black glass: they only mirror.
        light = media.displayed(light, attempt.medium) * reached + 0.01 * (1 - reached)
    else:
        light = media.printed(light, attempt.medium, rng)
        light = light * reached + attempt.medium.white * (1 - reached)
    texture = np.concatenate([light * whole, whole], axis=2).astype(np.float32)
    sigma = attempt.blur_px * _TEXELS
    return np.asarray(cv2.GaussianBlur(texture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))
