"""The door camera as a pinhole, and where a flat or bent sheet lies in its picture.

Camera axes: x right, y down, z away from the lens, in mm, the lens at the origin. A sheet has axes
of its own: x right, y down, in its plane, z away from the camera, and its origin between the eyes
of the face it shows. A pose takes sheet mm to camera mm: rotation @ (p - pivot) + pivot + place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Field = NDArray[np.float32]


@dataclass(frozen=True)
class Pinhole:
    """A camera without distortion. focal: in pixels, the same across and down."""

    width: int
    height: int
    focal: float

    @classmethod
    def with_view(cls, width: int, height: int, degrees: float) -> Pinhole:
        """From the horizontal angle of view."""
        return cls(width, height, width / (2 * float(np.tan(np.radians(degrees) / 2))))

    @property
    def matrix(self) -> Array:
        """(3, 3) intrinsics, pixel centres at whole numbers."""
        across, down = (self.width - 1) / 2, (self.height - 1) / 2
        return np.array([[self.focal, 0, across], [0, self.focal, down], [0, 0, 1]])

    def project(self, points: Array) -> Array:
        """(n, 3) camera mm to (n, 2) pixels."""
        seen = points @ self.matrix.T
        return np.asarray(seen[:, :2] / seen[:, 2:])


@dataclass(frozen=True)
class Pose:
    """Six degrees of freedom: degrees about x (pitch), y (yaw), z (roll), and mm."""

    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0

    @property
    def rotation(self) -> Array:
        """(3, 3): roll, then pitch, then yaw."""
        pitch, yaw, roll = np.radians([self.pitch, self.yaw, self.roll])
        cos, sin = np.cos, np.sin
        about_x = np.array([[1, 0, 0], [0, cos(pitch), -sin(pitch)], [0, sin(pitch), cos(pitch)]])
        about_y = np.array([[cos(yaw), 0, sin(yaw)], [0, 1, 0], [-sin(yaw), 0, cos(yaw)]])
        about_z = np.array([[cos(roll), -sin(roll), 0], [sin(roll), cos(roll), 0], [0, 0, 1]])
        return np.asarray(about_y @ about_x @ about_z)

    def place(self, pivot: Array) -> tuple[Array, Array]:
        """Rotation and translation of the sheet turned about `pivot` (3,), in sheet mm."""
        rotation = self.rotation
        return rotation, pivot - rotation @ pivot + np.array([self.x, self.y, self.z])


def plane_homography(camera: Pinhole, rotation: Array, shift: Array) -> Array:
    """(3, 3) from sheet mm (x, y, 1) to pixels."""
    return np.asarray(camera.matrix @ np.column_stack([rotation[:, 0], rotation[:, 1], shift]))


def apply(homography: Array, points: Array) -> Array:
    """Map (n, 2) points."""
    seen = np.column_stack([points, np.ones(len(points))]) @ homography.T
    return np.asarray(seen[:, :2] / seen[:, 2:])


def on_plane(inverse: Array, across: Field, down: Field) -> tuple[Field, Field]:
    """Sheet mm seen by each pixel of a grid: (1, w) columns, (h, 1) rows; inverse: pixel to mm."""
    h = inverse.astype(np.float32)
    depth = h[2, 0] * across + (h[2, 1] * down + h[2, 2])
    x = (h[0, 0] * across + (h[0, 1] * down + h[0, 2])) / depth
    y = (h[1, 0] * across + (h[1, 1] * down + h[1, 2])) / depth
    return x, y


@dataclass(frozen=True)
class Bend:
    """A sheet rolled about an axis in its own plane, its middle towards the camera when convex.

    radius: mm, positive bulges towards the camera, negative away. lean: degrees between the axis
    and the sheet's vertical; 0 bends left and right back, as paper around a head.
    """

    radius: float
    lean: float = 0.0

    def lifted(self, points: Array) -> Array:
        """(n, 2) mm on the unrolled paper to (n, 3) sheet mm."""
        along, axis = self._axes()
        bow, height = points @ along, points @ axis
        angle = bow / self.radius
        out = self.radius * np.sin(angle)
        deep = self.radius * (1 - np.cos(angle))
        flat = np.outer(out, along) + np.outer(height, axis)
        return np.column_stack([flat, deep])

    def hit(
        self, camera: Pinhole, rotation: Array, shift: Array, across: Field, down: Field
    ) -> tuple[Array, Array, Array, Array]:
        """Where each pixel's ray meets the sheet.

        Unrolled x and y in mm, the angle of the normal, and how well it hits: the discriminant of
        the intersection of ray and cylinder, below 0 where the ray passes by the silhouette.
        """
        u, v = np.broadcast_arrays(across.astype(np.float64), down.astype(np.float64))
        centre = camera.matrix[:2, 2]
        rays = np.stack(
            [(u - centre[0]) / camera.focal, (v - centre[1]) / camera.focal, np.ones_like(u)], -1
        )
        towards, start = rays @ rotation, -shift @ rotation
        along, axis = self._axes()
        run, begin = towards[..., :2] @ along, start[:2] @ along
        deep, deep_begin = towards[..., 2], start[2] - self.radius
        square = run**2 + deep**2
        half = run * begin + deep * deep_begin
        rest = begin**2 + deep_begin**2 - self.radius**2
        within = half**2 - square * rest
        root = np.sqrt(np.maximum(within, 0.0))
        # The paper is the near half of the cylinder when it bulges out, the far half otherwise.
        reach = (-half - np.sign(self.radius) * root) / square
        angle = np.arcsin(np.clip((begin + reach * run) / self.radius, -1.0, 1.0))
        bow = self.radius * angle
        height = start[:2] @ axis + reach * (towards[..., :2] @ axis)
        x, y = bow * along[0] + height * axis[0], bow * along[1] + height * axis[1]
        return x, y, angle, within

    def _axes(self) -> tuple[Array, Array]:
        lean = np.radians(self.lean)
        return np.array([np.cos(lean), np.sin(lean)]), np.array([-np.sin(lean), np.cos(lean)])
