"""How a hand holds a thing still, and how it moves it on purpose: six degrees of freedom.

Physiological tremor lies between 4 and 12 Hz, mostly at 6 to 9, and is small: an acceleration of
0.0015 to 0.035 g, 0.01 g as a rule, at 7 Hz (Wade, Gresty and Findley, Arch. Neurol. 39, 1982) is a
displacement of 0.01 to 0.18 mm. Below 2 Hz arms and body drift by much more. Both are sums of
sines with random frequencies and phases, so that a pose is known at any instant and an exposure
can be cut into parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.attacks.optics import Pose

Array = NDArray[np.float64]

# pitch, yaw, roll, x, y, z: a wrist rolls less than it nods, a body sways more in depth.
_ROTATION_SHARES = np.array([1.0, 1.0, 0.6])
_SHIFT_SHARES = np.array([1.0, 0.8, 1.3])
_DRIFT_HZ = (0.3, 2.0)
_TREMOR_HZ = (4.0, 12.0)
_SINES = 7


@dataclass(frozen=True)
class Sweep:
    """One movement made on purpose: `axis` of the pose swings by ± `amount` (degrees or mm)."""

    axis: int
    amount: float
    hz: float
    phase: float


@dataclass(frozen=True)
class Grip:
    """Root mean square of the involuntary movement of each axis, and what is done on purpose."""

    drift_mm: float
    drift_degrees: float
    tremor_mm: float
    tremor_degrees: float
    sweeps: tuple[Sweep, ...] = ()


class Hold:
    """The pose of a held thing relative to where it is meant to be, at any time in seconds."""

    def __init__(self, grip: Grip, rng: np.random.Generator) -> None:
        drift = np.concatenate(
            [grip.drift_degrees * _ROTATION_SHARES, grip.drift_mm * _SHIFT_SHARES]
        )
        tremor = np.concatenate(
            [grip.tremor_degrees * _ROTATION_SHARES, grip.tremor_mm * _SHIFT_SHARES]
        )
        # Drift falls with frequency as the displacement of a swaying body does.
        slow = _band(rng, _DRIFT_HZ, 1.0)
        fast = (rng.normal(7.5, 1.5, (6, _SINES)).clip(*_TREMOR_HZ), np.ones((6, _SINES)))
        self._hz = np.concatenate([slow[0], fast[0]], axis=1)
        self._size = np.concatenate([_rms(slow[1], drift), _rms(fast[1], tremor)], axis=1)
        self._phase = rng.uniform(0, 2 * np.pi, self._hz.shape)
        self._sweeps = grip.sweeps

    def at(self, seconds: float) -> Array:
        """(6,): pitch, yaw, roll in degrees, x, y, z in mm."""
        moved: Array = (self._size * np.sin(2 * np.pi * self._hz * seconds + self._phase)).sum(
            axis=1
        )
        for sweep in self._sweeps:
            swing = np.sin(2 * np.pi * sweep.hz * seconds + sweep.phase)
            moved[sweep.axis] += sweep.amount * swing
        return moved


def posed(rest: Pose, moved: Array) -> Pose:
    """A resting pose and a movement together."""
    still = np.array([rest.pitch, rest.yaw, rest.roll, rest.x, rest.y, rest.z])
    return Pose(*(still + moved).tolist())


def _band(rng: np.random.Generator, band: tuple[float, float], fall: float) -> tuple[Array, Array]:
    hz = np.exp(rng.uniform(np.log(band[0]), np.log(band[1]), (6, _SINES)))
    return hz, hz**-fall


def _rms(shape: Array, wanted: Array) -> Array:
    now = np.sqrt((shape**2 / 2).sum(axis=1))
    return np.asarray(shape * (wanted / now)[:, np.newaxis])
