"""What stands before the camera in one attempt: entrance, attacker, and the thing shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from appliance.types import Pixels
from tests.attacks import media
from tests.attacks.attempt import Attempt, Species, generator
from tests.attacks.heads import (
    FACE_OVAL,
    LOWER_LIDS,
    NECK_MM,
    UPPER_LIDS,
    Head,
    mean_skin,
    natural,
)
from tests.attacks.hold import Hold, posed
from tests.attacks.living import standing
from tests.attacks.media import Display, Layout, Paper
from tests.attacks.optics import Array, Bend, Pose
from tests.attacks.playing import Player, player
from tests.attacks.room import backdrop
from tests.attacks.sensor import Capture, Light
from tests.attacks.sheet import Placement, Seen, Sheet, tripled
from tests.attacks.sources import Content

# Texels per camera pixel: finer shows nothing, coarser blurs.
_TEXELS = 1.4
# How much further than the picture's edge a texture reaches, for what is moved into view.
_SPARE = 0.3

Layer = Callable[[float], Seen | None]


class Scene:
    """One attempt, ready to be looked at. attacker: for the species that have one."""

    def __init__(
        self, attempt: Attempt, content: Content, *, moving: bool, attacker: Head | None = None
    ) -> None:
        rng = generator("scene", attempt.seed, attempt.species, attempt.strength, attempt.person)
        camera = attempt.camera
        self.attempt = attempt
        hold = Hold(attempt.grip, rng)
        self.layers: Sequence[Layer]
        if attacker is None:
            self.sheet = _held(attempt, content, hold, rng, moving=moving)
            self.layers = [self.sheet.see]
            self._behind = backdrop(
                camera.width, camera.height, rng, blur_px=attempt.blur_px + camera.width / 640
            )
        else:
            self.sheet, self.layers = _worn(attempt, content, attacker, hold, rng)
            hall = backdrop(camera.width, camera.height, rng, blur_px=1.5)
            self._behind = attacker.behind(camera, attempt.rest, hall)
        self._capture = Capture(attempt.sensor, camera.width, camera.height, rng)

    def light(self, at: float) -> Light:
        """(height, width, 3) linear light at the lens."""
        light = self._behind.copy()
        for layer in self.layers:
            seen = layer(at)
            if seen is not None:
                seen.over(light)
        return light

    def picture(self, at: float) -> Pixels:
        """The camera's picture."""
        return self._capture.expose(self.light(at))


def _held(
    attempt: Attempt, content: Content, hold: Hold, rng: np.random.Generator, *, moving: bool
) -> Sheet:
    pivot = np.array([0.0, attempt.grip_below_mm, 0.0])
    if attempt.replay is not None:
        shown = player(attempt.replay, content, rng, moving=moving)
    else:
        shown = Player([content.frames[content.best]], 0.0, content.eyes)
    layout = _layout(attempt, shown.size, shown.eyes)
    return _sheet(
        attempt,
        layout,
        _texture(attempt, shown, layout, rng),
        lambda seconds: posed(attempt.rest, hold.at(seconds)).place(pivot),
        bend=None if attempt.bend is None else _flexing(attempt.bend, attempt),
    )


def _worn(
    attempt: Attempt, content: Content, attacker: Head, hold: Hold, rng: np.random.Generator
) -> tuple[Sheet, list[Layer]]:
    """The attacker's head, and before it a print that is held or worn."""
    worn = attempt.worn
    assert worn is not None
    show = natural(rng, 60.0, lively=1.0 if attempt.species is Species.PASTE_OVER_MASK else 0.35)
    own, facing = Hold(show.grip, rng), attacker.facing
    pasted = attempt.species is Species.PASTE_OVER_MASK
    rest = standing(attacker, attempt.camera, attempt.rest)

    def moved(seconds: float) -> Array:
        return own.at(seconds) + (0 if pasted else worn.follows * hold.at(seconds))

    def head(seconds: float) -> Seen:
        closed = max((blink.closed(seconds) for blink in show.blinks), default=0.0)
        behind = rest if pasted else Pose(x=rest.x, y=rest.y, z=rest.z + worn.gap_mm)
        return attacker.see(attempt.camera, behind, moved(seconds), closed)

    def on_face(seconds: float) -> tuple[Array, Array]:
        now = moved(seconds)
        turn = Pose(*now[:3].tolist()).rotation
        # The paper rests on the nose; bent paper comes to rest on the cheeks too.
        offset = -attacker.nose_mm * (0.6 if worn.radius_mm else 1.0) * facing[:, 2]
        shift = turn @ (offset - NECK_MM) + NECK_MM + now[3:]
        return turn @ facing, shift + np.array([rest.x, rest.y, rest.z])

    def in_hand(seconds: float) -> tuple[Array, Array]:
        pivot = np.array([0.0, attempt.grip_below_mm, 0.0])
        return posed(replace(attempt.rest, y=rest.y), hold.at(seconds)).place(pivot)

    attempt = _fitted(attempt, content, attacker)
    shown = Player([content.frames[content.best]], 0.0, content.eyes)
    layout = _layout(attempt, shown.size, shown.eyes)
    texture = _texture(attempt, shown, layout, rng, cut=_cut(attempt, content, layout))
    bend = Bend(worn.radius_mm) if worn.radius_mm else None
    sheet = _sheet(
        attempt,
        layout,
        texture,
        on_face if pasted else in_hand,
        bend=None if bend is None else lambda _: bend,
    )
    return sheet, [head, sheet.see]


def _fitted(attempt: Attempt, content: Content, attacker: Head) -> Attempt:
    """The print made as bright and as coloured as the skin beside it, as far as planned."""
    paper, worn = attempt.medium, attempt.worn
    assert isinstance(paper, Paper)
    assert worn is not None
    shown = mean_skin(content.frames[content.best], content.face.points.astype(np.float64))
    gain = np.clip(attacker.skin / np.maximum(shown, 0.01), 0.3, 2.5) ** worn.match
    cast = (np.array(paper.cast) * gain).tolist()
    return replace(attempt, medium=replace(paper, cast=(cast[0], cast[1], cast[2])))


def _sheet(
    attempt: Attempt,
    layout: Layout,
    texture: Callable[[float], Light],
    place: Placement,
    *,
    bend: Callable[[float], Bend] | None,
) -> Sheet:
    return Sheet(
        texture,
        layout,
        attempt.medium,
        place,
        camera=attempt.camera,
        sensor=attempt.sensor,
        lighting=attempt.lighting,
        blur_px=attempt.blur_px,
        bend=bend,
    )


def _flexing(bend: Bend, attempt: Attempt) -> Callable[[float], Bend]:
    """The hand that holds bent paper gives way: its curvature swings."""

    def now(seconds: float) -> Bend:
        swing = 0.5 + 0.5 * np.sin(2 * np.pi * attempt.flex_hz * seconds)
        return Bend(bend.radius / (1 - attempt.flex * float(swing)), bend.lean)

    return now


def _layout(attempt: Attempt, size: tuple[int, int], eyes: tuple[float, float, float]) -> Layout:
    """size: columns and rows of what is shown; eyes: as Content.eyes."""
    x, y, between = eyes
    medium, scale = attempt.medium, attempt.shown_eyes_mm / between
    screen = isinstance(medium, Display)
    margin = medium.bezel_mm if isinstance(medium, Display) else medium.margin_mm
    bezel = margin if screen else 0.0
    across, down = medium.width_mm + 2 * bezel, medium.height_mm + 2 * bezel
    # The middle of the picture is in the middle of the sheet, unless that would cut the face.
    left = _placed(across, scale * (size[0] / 2 - x), 1.6 * attempt.shown_eyes_mm, 0.5)
    top = _placed(down, scale * (size[1] / 2 - y), 2.0 * attempt.shown_eyes_mm, 0.45)
    if attempt.extend:
        left, top = -across / 2, -0.45 * down
    sheet = (left, top, left + across, top + down)
    per_px = attempt.rest.z / attempt.camera.focal
    half_w = (0.5 + _SPARE) * attempt.camera.width * per_px + abs(attempt.rest.x)
    half_h = (0.5 + _SPARE) * attempt.camera.height * per_px + abs(attempt.rest.y)
    if attempt.bend is not None:
        # Bent paper is narrower than it is long: all of it may be in view.
        half_w, half_h = across, down
    window = (
        max(sheet[0], -half_w),
        max(sheet[1], -half_h),
        min(sheet[2], half_w),
        min(sheet[3], half_h),
    )
    return Layout(sheet, window, margin, scale, per_px / _TEXELS, 8.0 if screen else 0.0)


def _placed(length: float, middle: float, face: float, share: float) -> float:
    """Where a sheet of `length` mm begins whose middle should be at `middle`; the eyes are at 0."""
    begin = middle - length * share
    return float(np.clip(begin, face - length, -face)) if length > 2 * face else -length * share


def _texture(
    attempt: Attempt,
    shown: Player,
    layout: Layout,
    rng: np.random.Generator,
    cut: tuple[Light, Light] | None = None,
) -> Callable[[float], Light]:
    """(h, w, 4) of what is on the sheet at a time: light and coverage, premultiplied.

    Made once for each picture of a recording. cut: as `_cut` gives it.
    """
    surface = _Surface(attempt, layout, rng, cut)
    made: dict[int, Light] = {}

    def at(seconds: float) -> Light:
        number = shown.number(seconds)
        if number not in made:
            made.clear()
            made[number] = surface.showing(shown.picture(number), shown.eyes)
        return made[number]

    return at


class _Surface:
    """A sheet that pictures are put on."""

    def __init__(
        self,
        attempt: Attempt,
        layout: Layout,
        rng: np.random.Generator,
        cut: tuple[Light, Light] | None,
    ) -> None:
        self._attempt = attempt
        self._layout = layout
        self._rng = rng
        whole = layout.coverage(0.0)
        self._inner = layout.coverage(layout.margin)
        dark = np.zeros_like(whole)
        if cut is not None:
            # Where there is a hole, the paper only takes away some of the light behind it.
            dark = cut[1]
            whole = whole * cut[0]
        self._whole = tripled(whole)
        self._covered = self._soft(np.maximum(whole, dark))

    def showing(self, picture: Pixels, eyes: tuple[float, float, float]) -> Light:
        """The sheet with that picture, blurred by the lens."""
        medium, extend = self._attempt.medium, self._attempt.extend
        pixels, reached = media.laid_out(picture, self._layout, eyes[:2], extend=extend)
        if isinstance(medium, Display):
            light = media.displayed(pixels, medium)
            # Bezel and switched-off parts are black glass: they only mirror.
            bare = 0.01
        else:
            light = media.printed(pixels, medium, self._rng)
            bare = medium.white
        share = tripled(reached * self._inner)
        light -= bare
        light *= share
        light += bare
        light *= self._whole
        return np.asarray(cv2.merge([*cv2.split(self._soft(light)), self._covered]), np.float32)

    def _soft(self, light: Light) -> Light:
        sigma = self._attempt.blur_px * _TEXELS
        return np.asarray(
            cv2.GaussianBlur(light, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32
        )


def _cut(attempt: Attempt, content: Content, layout: Layout) -> tuple[Light, Light]:
    """(h, w) what the scissors left, and (h, w) how far the holes are in the paper's shade."""
    worn = attempt.worn
    assert worn is not None
    x, y, _ = content.eyes
    points = (content.face.points[:, :2] - np.array([x, y])) * layout.scale
    left, top = layout.matrix[:2, 2]
    texels = (points - np.array([left, top])) / layout.texel_mm
    width, height = layout.texels
    paper = np.full((height, width), 1.0, np.float32)
    dark = np.zeros_like(paper)
    if attempt.species is Species.PASTE_OVER_MASK:
        oval = texels[list(FACE_OVAL)]
        middle = oval.mean(axis=0)
        oval = middle + worn.outline * (oval - middle)
        paper[:] = 0
        _fill(paper, oval, 1.0)
    if worn.holes:
        for upper, lower in zip(UPPER_LIDS, LOWER_LIDS, strict=True):
            eye = texels[[*upper, *lower[::-1]]]
            middle = eye.mean(axis=0)
            # Scissors cut higher than an eye is.
            grown = middle + worn.holes * np.array([1.05, 1.5]) * (eye - middle)
            outline = np.asarray(cv2.convexHull(grown.astype(np.float32))[:, 0], np.float64)
            _fill(paper, outline, 0.0)
            _fill(dark, outline, 1 - worn.shade)
    return paper, dark


def _fill(paper: Light, outline: Array, value: float) -> None:
    cv2.fillPoly(paper, [np.round(outline * 16).astype(np.int32)], value, cv2.LINE_AA, 4)
