"""The entrance: its light, and what the mounted camera sees when nobody is there.

The camera does not move, so neither does this background. It is drawn: a wall, a floor, a door,
a window or a lamp, some furniture, texture, and the blur of what lies behind the focus.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tests.attacks.optics import Array
from tests.attacks.sensor import Light


@dataclass(frozen=True)
class Lighting:
    """Where light comes from. Directions are unit vectors in camera axes, towards the light.

    diffuse: share of light that comes from everywhere; the rest comes from the lamp. lamp_light:
    the lamp's own brightness as a multiple of a white sheet's; lamp_degrees: its radius as seen
    from the sheet. haze: mean brightness of what else a glossy surface mirrors.
    """

    lamp: tuple[float, float, float]
    diffuse: float
    lamp_light: float
    lamp_degrees: float
    haze: float

    def on(self, normals: Array) -> Array:
        """(..., 3) unit normals to irradiance; about 1 for a sheet that faces the camera."""
        facing = np.maximum(normals @ np.array(self.lamp), 0.0)
        straight = max(-self.lamp[2], 0.2)
        return np.asarray(self.diffuse + (1 - self.diffuse) * facing / straight)

    def mirrored(self, rays: Array, normals: Array, gloss: float, lobe_degrees: float) -> Array:
        """Light mirrored towards the camera at each of (..., 3) unit rays."""
        leaving = rays - 2 * (rays * normals).sum(-1, keepdims=True) * normals
        angle = np.degrees(np.arccos(np.clip(leaving @ np.array(self.lamp), -1, 1)))
        wide = self.lamp_degrees**2 + lobe_degrees**2
        peak = self.lamp_light * self.lamp_degrees**2 / wide
        return np.asarray(gloss * (self.haze + peak * np.exp(-(angle**2) / (2 * wide))))


def backdrop(width: int, height: int, rng: np.random.Generator, blur_px: float) -> Light:
    """(height, width, 3) linear light of an empty entrance."""
    scene = _wall(width, height, rng)
    horizon = int(height * rng.uniform(0.72, 1.1))
    if horizon < height:
        scene[horizon:] = _paint(rng, 0.1, 0.45)
        skirting = max(height // 60, 2)
        scene[horizon - skirting : horizon] *= np.float32(rng.uniform(0.4, 1.3))
    for _ in range(int(rng.integers(1, 4))):
        _panel(scene, horizon, rng)
    if rng.random() < 0.5:
        _window(scene, rng)
    scene *= 1 + 0.03 * _clouds(width, height, rng)[..., np.newaxis]
    soft = cv2.GaussianBlur(scene, (0, 0), max(blur_px, 0.4))
    return np.asarray(np.clip(soft, 0.005, 6.0), np.float32)


def _wall(width: int, height: int, rng: np.random.Generator) -> Light:
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    angle = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0.05, 0.35) * (np.cos(angle) * x + np.sin(angle) * y)
    return np.asarray(_paint(rng, 0.25, 0.8) * (1 + slope)[..., np.newaxis], np.float32)


def _paint(rng: np.random.Generator, dark: float, bright: float) -> Light:
    grey = rng.uniform(dark, bright)
    return np.asarray(grey * np.exp(rng.normal(0, 0.06, 3)), np.float32)


def _panel(scene: Light, horizon: int, rng: np.random.Generator) -> None:
    """A door, a cupboard or a picture: an upright quadrilateral with a frame."""
    height, width = scene.shape[:2]
    left = rng.uniform(-0.1, 0.9) * width
    right = left + rng.uniform(0.08, 0.4) * width
    top = rng.uniform(-0.1, 0.6) * height
    bottom = min(horizon, height) if rng.random() < 0.7 else top + 0.3 * height
    tilt = rng.normal(0, 0.02) * height
    corners = np.array(
        [[left, top], [right, top + tilt], [right, bottom - tilt], [left, bottom]], np.int32
    )
    rim = (_paint(rng, 0.05, 0.9)).tolist()
    cv2.fillConvexPoly(scene, corners, _paint(rng, 0.05, 0.8).tolist(), cv2.LINE_AA)
    thick = max(int(rng.uniform(0.004, 0.02) * width), 1)
    cv2.polylines(scene, [corners], isClosed=True, color=rim, thickness=thick, lineType=cv2.LINE_AA)


def _window(scene: Light, rng: np.random.Generator) -> None:
    height, width = scene.shape[:2]
    left, top = rng.uniform(0, 0.85) * width, rng.uniform(-0.2, 0.25) * height
    right, bottom = left + rng.uniform(0.08, 0.3) * width, top + rng.uniform(0.1, 0.35) * height
    colour = _paint(rng, 1.2, 4.0).tolist()
    cv2.rectangle(scene, (int(left), int(top)), (int(right), int(bottom)), colour, cv2.FILLED)


def _clouds(width: int, height: int, rng: np.random.Generator) -> Light:
    """Uneven light and dirt at several sizes, unit variance."""
    field = np.zeros((height, width), np.float32)
    for cells in (3, 8, 24, 96):
        small = rng.standard_normal((max(cells * height // width, 2), cells), np.float32)
        field += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field / field.std(), np.float32)
