"""A held sheet or display as the camera's lens sees it, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from tests.attacks import media
from tests.attacks.media import Display, Layout, Medium
from tests.attacks.optics import (
    Array,
    Bend,
    Field,
    Pinhole,
    apply,
    on_plane,
    plane_homography,
)
from tests.attacks.room import Lighting
from tests.attacks.sensor import Light, Sensor, banding

# Shading and glare are smooth: they are worked out for one pixel in so many and interpolated.
_COARSE = 12
# Where a bent sheet is, is interpolated too; at its silhouette no finer than this.
_BENT = 4
_MOST_PARTS = 4
_PART_PX = 1.0


@dataclass(frozen=True)
class Window:
    """A part of the picture: rows top..bottom, columns left..right."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """To cut it out of an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self.right - self.left, self.bottom - self.top


@dataclass(frozen=True, eq=False)
class Seen:
    """What a layer sends from a part of the picture.

    light: (h, w, 3), already weakened where the layer covers a pixel only in part.
    covered: (h, w, 3), 0..1, alike in all channels: numpy is slow where it must repeat one.
    """

    window: Window
    light: Light
    covered: Light

    def over(self, behind: Light) -> None:
        """Lay it over (height, width, 3), in place."""
        part = behind[self.window.slices]
        part -= part * self.covered
        part += self.light


# The sheet's texture at a time: (h, w, 4) light and coverage, premultiplied.
Texture = Callable[[float], Light]
# Rotation and translation (sheet mm to camera mm) at a time.
Placement = Callable[[float], tuple[Array, Array]]


class Sheet:
    """One thing that is held up."""

    def __init__(
        self,
        texture: Texture,
        layout: Layout,
        medium: Medium,
        place: Placement,
        *,
        camera: Pinhole,
        sensor: Sensor,
        lighting: Lighting,
        blur_px: float,
        bend: Callable[[float], Bend] | None = None,
    ) -> None:
        self._texture = texture
        self._layout = layout
        self._medium = medium
        self._place = place
        self._camera = camera
        self._sensor = sensor
        self._lighting = lighting
        self._blur_px = blur_px
        self._bend = bend

    def homography(self, seconds: float) -> Array:
        """(3, 3) from sheet mm to pixels at that instant, while it is flat."""
        return plane_homography(self._camera, *self._place(seconds))

    def see(self, seconds: float) -> Seen | None:
        """What the lens sees of it during the exposure that starts then; None: nothing."""
        corners = self._outline(seconds)
        window = _window(corners, self._camera)
        if window is None:
            return None
        there = self._outline(seconds + self._sensor.exposure_s)
        way = float(np.abs(there - corners).max())
        parts = int(np.clip(np.ceil(way / _PART_PX), 1, _MOST_PARTS))
        texture = self._texture(seconds)
        times = seconds + (np.arange(parts) + 0.5) / parts * self._sensor.exposure_s
        shown = self._shown(texture, times[0], window)
        for time in times[1:]:
            shown += self._shown(texture, time, window)
        if parts > 1:
            shown *= np.float32(1 / parts)
        light = np.asarray(cv2.cvtColor(shown, cv2.COLOR_BGRA2BGR), np.float32)
        covered = tripled(np.asarray(cv2.extractChannel(shown, 3), np.float32))
        return Seen(window, self._lit(light, covered, float(times[parts // 2]), window), covered)

    def _outline(self, seconds: float) -> Array:
        """(n, 2) pixels of the sheet's rim."""
        left, top, right, bottom = self._layout.window
        x, y = np.linspace(left, right, 9), np.linspace(top, bottom, 9)
        rim = np.concatenate(
            [
                np.column_stack([x, np.full(9, top)]),
                np.column_stack([x, np.full(9, bottom)]),
                np.column_stack([np.full(9, left), y]),
                np.column_stack([np.full(9, right), y]),
            ]
        )
        if self._bend is None:
            return apply(self.homography(seconds), rim)
        rotation, shift = self._place(seconds)
        lifted = self._bend(seconds).lifted(rim)
        return self._camera.project(lifted @ rotation.T + shift)

    def _shown(self, texture: Light, seconds: float, window: Window) -> Light:
        if self._bend is None:
            to_pixels = self.homography(seconds) @ self._layout.matrix
            shift = np.array([[1, 0, -window.left], [0, 1, -window.top], [0, 0, 1]])
            return np.asarray(
                cv2.warpPerspective(
                    texture, shift @ to_pixels, window.size, flags=cv2.INTER_LINEAR
                ),
                np.float32,
            )
        x, y, _, within = self._bent(seconds, window, _BENT)
        back = np.linalg.inv(self._layout.matrix)
        map_x = (x * back[0, 0] + back[0, 2]).astype(np.float32)
        map_y = (y * back[1, 1] + back[1, 2]).astype(np.float32)
        shown = cv2.remap(
            texture,
            _fine(map_x, window, _BENT),
            _fine(map_y, window, _BENT),
            cv2.INTER_LINEAR,
        )
        if within.min() < 0:
            shown = cv2.multiply(shown, _before_silhouette(within, window))
        return np.asarray(shown, np.float32)

    def _bent(self, seconds: float, window: Window, step: int) -> tuple[Array, Array, Array, Array]:
        assert self._bend is not None
        rotation, shift = self._place(seconds)
        across, down = _nodes(window, step)
        return self._bend(seconds).hit(self._camera, rotation, shift, across, down)

    def _lit(self, light: Light, covered: Light, seconds: float, window: Window) -> Light:
        """Add what the entrance's light does to the surface, and the display's own patterns."""
        rotation, shift = self._place(seconds)
        across, down = _nodes(window, _COARSE)
        normals = self._normals(rotation, seconds, window)
        rays = _rays(self._camera, across, down)
        medium = self._medium
        mirrored = self._lighting.mirrored(rays, normals, medium.gloss, medium.lobe_degrees)
        glare = tripled(_fine(mirrored.astype(np.float32), window, _COARSE))
        pattern = self._pattern((rotation, shift), window) if self._bend is None else None
        if isinstance(medium, Display):
            if pattern is not None:
                light += light * pattern
            if medium.pwm_hz:
                pulses = (medium.pwm_hz, medium.duty)
                rows = banding(self._sensor, pulses, seconds, self._camera.height)
                light *= rows[window.top : window.bottom]
        else:
            if pattern is not None:
                # Dots show most where half of the paper is covered.
                light += 4 * light * (1 - light) * pattern
            falling = np.broadcast_to(self._lighting.on(normals), mirrored.shape)
            light *= tripled(_fine(falling.astype(np.float32), window, _COARSE))
        glare *= covered
        glare += light
        return glare

    def _pattern(self, place: tuple[Array, Array], window: Window) -> Light | None:
        """The display's pixels or the print's dots."""
        back = np.asarray(np.linalg.inv(plane_homography(self._camera, *place)), np.float64)
        across = np.arange(window.left, window.right, dtype=np.float32)[np.newaxis, :]
        down = np.arange(window.top, window.bottom, dtype=np.float32)[:, np.newaxis]
        # Where the face is, and with it the size of a camera pixel there.
        centre = apply(plane_homography(self._camera, *place), np.zeros((1, 2)))[0]
        around = apply(back, centre + np.array([[0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]]))
        per_pixel = np.column_stack([around[0] - around[1], around[2] - around[3]])
        sampling = media.Sampling(per_pixel, self._sensor.aperture, self._blur_px)
        return media.fine_pattern(self._medium, on_plane(back, across, down), sampling)

    def _normals(self, rotation: Array, seconds: float, window: Window) -> Array:
        """Unit normals towards the camera: one for a flat sheet, one per coarse node else."""
        if self._bend is None:
            return -rotation[:, 2]
        bend = self._bend(seconds)
        _, _, angle, _ = self._bent(seconds, window, _COARSE)
        lean = np.radians(bend.lean)
        out = np.sin(angle)
        local = np.stack([out * np.cos(lean), out * np.sin(lean), -np.cos(angle)], -1)
        return np.asarray(local @ rotation.T)


def tripled(one: Field) -> Light:
    """(h, w) to (h, w, 3)."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(one), cv2.COLOR_GRAY2BGR), np.float32)


def _window(corners: Array, camera: Pinhole) -> Window | None:
    low = np.floor(corners.min(axis=0)).astype(int) - 3
    high = np.ceil(corners.max(axis=0)).astype(int) + 4
    left, top = max(int(low[0]), 0), max(int(low[1]), 0)
    right, bottom = min(int(high[0]), camera.width), min(int(high[1]), camera.height)
    return Window(left, top, right, bottom) if right - left > 1 and bottom - top > 1 else None


def _nodes(window: Window, step: int) -> tuple[Field, Field]:
    """Columns (1, n) and rows (m, 1) of the middles of step by step cells, one cell beyond."""
    middle = (step - 1) / 2
    across = np.arange(-1, window.size[0] // step + 2, dtype=np.float32)
    down = np.arange(-1, window.size[1] // step + 2, dtype=np.float32)
    return (
        (window.left + middle + step * across)[np.newaxis, :],
        (window.top + middle + step * down)[:, np.newaxis],
    )


def _fine(nodes: Field, window: Window, step: int) -> Field:
    """Interpolate a coarse grid's values at every pixel of the window."""
    width, height = window.size
    size = nodes.shape[1] * step, nodes.shape[0] * step
    every = cv2.resize(nodes, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(every[step : step + height, step : step + width], np.float32)


def _before_silhouette(within: Array, window: Window) -> Light:
    """(h, w, 4) share of each pixel that lies before the edge where bent paper turns away."""
    down, across = np.gradient(within)
    slope = np.maximum(np.hypot(down, across), 1e-9) / _BENT
    share = np.clip(_fine((within / slope).astype(np.float32), window, _BENT) + 0.5, 0, 1)
    return np.asarray(cv2.merge([share] * 4), np.float32)


def _rays(camera: Pinhole, across: Field, down: Field) -> Array:
    """(m, n, 3) unit vectors from the lens."""
    x = np.broadcast_to((across - camera.matrix[0, 2]) / camera.focal, (down.size, across.size))
    y = np.broadcast_to((down - camera.matrix[1, 2]) / camera.focal, (down.size, across.size))
    rays = np.stack([x, y, np.ones_like(x)], -1).astype(np.float64)
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True))
