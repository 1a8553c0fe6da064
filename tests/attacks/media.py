"""What an attacker holds up: paper that reflects, or a display that shines.

A sheet's texture is made once, in mm, with the picture, its margin and everything around it, in
light relative to a white sheet in the entrance. It is premultiplied with its own coverage, so that
edges mix properly with what is behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from appliance.types import Pixels
from tests.attacks.optics import Array, Field
from tests.attacks.sensor import Light, linear


@dataclass(frozen=True)
class Paper:
    """A print. Reflectances 0..1.

    white, black: of bare paper and of full ink. gamut: share of the colours' chroma that the inks
    keep. cast: (3,) BGR error of the print's neutral. grain: noise of ink and fibre, share of the
    reflectance. screen_mm: distance of the halftone's dots (0: none to speak of). gloss: share of
    light mirrored at the surface; lobe_degrees: how far a lamp's reflection spreads.
    """

    width_mm: float
    height_mm: float
    margin_mm: float
    white: float
    black: float
    gamut: float
    cast: tuple[float, float, float]
    grain: float
    screen_mm: float
    gloss: float
    lobe_degrees: float


@dataclass(frozen=True)
class Display:
    """A telephone, tablet or other screen. Lights are relative to a white sheet in the entrance.

    pitch_mm: of a pixel. pentile: red and blue only on every second pixel, as on most OLEDs.
    peak: the light of full white. black: of black, a share of peak. gamma: of the panel. gamut:
    chroma as a multiple (a wide-gamut panel oversaturates). cast: (3,) BGR of its white. pwm_hz,
    duty: of its dimming (0: none). gloss, lobe_degrees: of its glass.
    """

    width_mm: float
    height_mm: float
    bezel_mm: float
    pitch_mm: float
    pentile: bool
    peak: float
    black: float
    gamma: float
    gamut: float
    cast: tuple[float, float, float]
    pwm_hz: float
    duty: float
    gloss: float
    lobe_degrees: float


Medium = Paper | Display

# A pattern weaker than this share of the light is below every sensor's noise.
_NO_TRACE = 0.002


@dataclass(frozen=True)
class Layout:
    """Where things lie on a sheet, in mm from the point between the shown eyes.

    sheet: left, top, right, bottom of the whole thing. margin: of paper or bezel inside of it.
    window: the part of it that can come into the camera's view and has a texture.
    scale: mm per pixel of the content. texel_mm: of the texture. corner_mm: radius of corners.
    """

    sheet: tuple[float, float, float, float]
    window: tuple[float, float, float, float]
    margin: float
    scale: float
    texel_mm: float
    corner_mm: float = 0.0

    @property
    def texels(self) -> tuple[int, int]:
        """Columns and rows of the texture."""
        left, top, right, bottom = self.window
        across, down = (right - left) / self.texel_mm, (bottom - top) / self.texel_mm
        return max(int(across), 2), max(int(down), 2)

    @property
    def matrix(self) -> Array:
        """(3, 3) from texture pixels to mm."""
        t, (left, top, _, _) = self.texel_mm, self.window
        return np.array([[t, 0, left + t / 2], [0, t, top + t / 2], [0, 0, 1]])

    def coverage(self, inset: float) -> Field:
        """(h, w) share of each texel within the sheet less `inset` mm on every side."""
        width, height = self.texels
        left, top, right, bottom = self.sheet
        x = self.matrix[0, 2] + self.texel_mm * np.arange(width) - (left + right) / 2
        y = self.matrix[1, 2] + self.texel_mm * np.arange(height) - (top + bottom) / 2
        round_off = max(self.corner_mm - inset, 0.0)
        across = np.abs(x)[np.newaxis, :] - ((right - left) / 2 - inset - round_off)
        down = np.abs(y)[:, np.newaxis] - ((bottom - top) / 2 - inset - round_off)
        outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
        distance = outside + np.minimum(np.maximum(across, down), 0) - round_off
        share = np.clip(0.5 - distance / self.texel_mm, 0, 1)
        return np.asarray(share, np.float32)


def printed(pixels: Pixels, paper: Paper, rng: np.random.Generator) -> Light:
    """(h, w, 3) sRGB pixels to the reflectance of their print."""
    inked = cv2.transform(linear(pixels), _matrix(paper.gamut, paper.cast))
    inked = paper.black + (paper.white - paper.black) * np.clip(inked, 0, 1)
    if paper.grain:
        noise = rng.standard_normal(pixels.shape[:2], np.float32)[..., np.newaxis]
        inked = inked * (1 + np.float32(paper.grain) * noise)
    return np.asarray(inked, np.float32)


def displayed(pixels: Pixels, display: Display) -> Light:
    """(h, w, 3) sRGB pixels to what the panel sends, mean over its own pixels."""
    # A panel bends each primary by itself; then the primaries' own colours mix.
    table = linear(np.arange(256, dtype=np.uint8)[np.newaxis]) ** (display.gamma / 2.2)
    table = display.peak * (display.black + (1 - display.black) * table)
    light = cv2.LUT(pixels, table.astype(np.float32))
    return np.asarray(cv2.transform(light, _matrix(display.gamut, display.cast)), np.float32)


def laid_out(
    picture: Pixels, layout: Layout, eyes: tuple[float, float], *, extend: bool
) -> tuple[Pixels, Light]:
    """The picture on the sheet: (h, w, 3) sRGB pixels, and (h, w) where the picture reaches.

    extend: the attacker has continued the picture's background over the whole sheet.
    """
    width, height = layout.texels
    to_texture = np.array(
        [
            [layout.scale, 0, -layout.scale * eyes[0]],
            [0, layout.scale, -layout.scale * eyes[1]],
            [0, 0, 1],
        ]
    )
    matrix = (np.linalg.inv(layout.matrix) @ to_texture)[:2]
    source, matrix = _shrunk(picture, matrix)
    border = cv2.BORDER_REFLECT_101 if extend else cv2.BORDER_CONSTANT
    size = (width, height)
    # Pictures are enlarged with care, the frames of a recording as players do it.
    flags = cv2.INTER_CUBIC if abs(np.linalg.det(matrix[:, :2])) > 2 else cv2.INTER_LINEAR
    shown = cv2.warpAffine(source, matrix, size, flags=flags, borderMode=border)
    inside = np.full(source.shape[:2], 255, np.uint8)
    covered = cv2.warpAffine(inside, matrix, size, flags=cv2.INTER_LINEAR)
    share = covered.astype(np.float32) / 255
    if extend:
        far = cv2.resize(shown, None, fx=1 / 16, fy=1 / 16, interpolation=cv2.INTER_AREA)
        far = cv2.resize(cv2.GaussianBlur(far, (0, 0), 2.0), size)
        soft = cv2.erode(covered, np.ones((9, 9), np.uint8))
        blend = cv2.GaussianBlur(soft, (0, 0), 6.0).astype(np.float32)[..., np.newaxis] / 255
        shown, share = shown * blend + far * (1 - blend), np.ones_like(share)
    return np.asarray(shown, np.uint8), np.asarray(share, np.float32)


@dataclass(frozen=True)
class Sampling:
    """How a camera samples a sheet.

    per_pixel: (2, 2), mm on the sheet per camera pixel, columns for a step right and a step down.
    aperture: as Sensor.aperture. blur_px: Gaussian sigma of lens and defocus.
    """

    per_pixel: Array
    aperture: float
    blur_px: float

    def keeps(self, frequency: Array) -> float:
        """What lens and pixel keep of a wave; frequency: (2,) periods per mm."""
        step = frequency @ self.per_pixel
        lens = np.exp(-2 * (np.pi * self.blur_px) ** 2 * float(step @ step))
        pixel = np.sinc(self.aperture * step[0]) * np.sinc(self.aperture * step[1])
        return float(lens * pixel)


def fine_pattern(medium: Medium, place: tuple[Field, Field], sampling: Sampling) -> Light | None:
    """(h, w, 3) of zero mean: a panel's pixels or a print's dots as the camera samples them.

    place: mm on the sheet that each camera pixel's centre sees. None: the camera sees no trace.
    The pattern is a Fourier series; each harmonic is weakened by lens and pixel aperture at its
    true frequency, which is exact for square apertures, and then taken at the camera's pixel
    centres, which is where beats (moiré) come from.
    """
    x, y = place
    pattern: Light | None = None
    for strength, frequency, phases in _waves(medium):
        kept = strength * sampling.keeps(frequency)
        if abs(kept) < _NO_TRACE:
            continue
        turns = x * np.float32(frequency[0]) + y * np.float32(frequency[1])
        # Small angles: float32 has few digits to spare for thousands of turns.
        turns = ((turns - np.floor(turns)) * np.float32(2 * np.pi)).astype(np.float32)
        cos, sin = np.cos(turns), np.sin(turns)
        if pattern is None:
            pattern = np.zeros((*turns.shape, 3), np.float32)
        for channel, phase in enumerate(phases):
            if phase is not None:
                angle = 2 * np.pi * phase
                pattern[..., channel] += np.float32(kept * np.cos(angle)) * cos
                pattern[..., channel] += np.float32(kept * np.sin(angle)) * sin
    return pattern


Wave = tuple[float, Array, tuple[float | None, float | None, float | None]]


def _waves(medium: Medium) -> list[Wave]:
    if isinstance(medium, Paper):
        return _screen_waves(medium)
    return _pentile_waves(medium) if medium.pentile else _stripe_waves(medium)


def _screen_waves(paper: Paper) -> list[Wave]:
    """Dots of cyan, magenta, yellow and black at the angles that printers use.

    Strengths are relative to 4 r (1 - r) for a reflectance r, and largest at half cover.
    """
    waves: list[Wave] = []
    for degrees, phases in (
        (15, (None, None, 0.0)),
        (75, (None, 0.0, None)),
        (0, (0.0, None, None)),
        (45, (0.0, 0.0, 0.0)),
    ):
        for turn in (degrees, degrees + 90):
            angle = np.radians(turn)
            way = np.array([np.cos(angle), np.sin(angle)]) / paper.screen_mm
            waves.append((0.3, way, phases))
    return waves


def _stripe_waves(display: Display) -> list[Wave]:
    """Three stripes to a pixel, blue, green and red from right to left, dark between the rows."""
    pitch, width, height = display.pitch_mm, 0.27, 0.85
    return [
        (2 * float(np.sinc(width)), np.array([1 / pitch, 0]), (1 / 3, 0.0, -1 / 3)),
        (2 * float(np.sinc(height)), np.array([0, 1 / pitch]), (0.0, 0.0, 0.0)),
        (2 * float(np.sinc(2 * width)), np.array([2 / pitch, 0]), (2 / 3, 0.0, -2 / 3)),
    ]


def _pentile_waves(display: Display) -> list[Wave]:
    """Green on every pixel, red and blue on the black and the white squares of a chessboard."""
    pitch, size = display.pitch_mm, 0.5
    strength = 2 * float(np.sinc(size)) ** 2
    half = 0.5 / pitch
    green = (None, 0.0, None)
    others = (0.5, None, 0.0)
    return [
        (strength, np.array([1 / pitch, 0]), green),
        (strength, np.array([0, 1 / pitch]), green),
        (strength, np.array([half, half]), others),
        (strength, np.array([half, -half]), others),
    ]


def _matrix(share: float, cast: tuple[float, float, float]) -> Light:
    """(3, 3) for BGR: colours drawn towards grey (below 1) or away from it, then the cast."""
    luma = np.array([0.0722, 0.7152, 0.2126])
    matrix = share * np.eye(3) + (1 - share) * np.ones((3, 1)) * luma
    return np.asarray(np.array(cast)[:, np.newaxis] * matrix, np.float32)


def _shrunk(picture: Pixels, matrix: Array) -> tuple[Pixels, Array]:
    """Average down first what would be shown much smaller, so that it does not alias."""
    factor = int(1 / float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    if factor < 2:
        return picture, matrix
    height, width = picture.shape[0] // factor, picture.shape[1] // factor
    small = cv2.resize(
        picture[: height * factor, : width * factor], (width, height), interpolation=cv2.INTER_AREA
    )
    back = np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1]])
    return np.asarray(small, np.uint8), matrix @ back
