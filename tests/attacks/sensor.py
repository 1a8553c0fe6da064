"""What the door camera makes of the light that reaches it: the last step of every presentation.

Light is linear; 1 is what a white sheet in the light of the entrance sends. The steps are those of
a small colour camera: vignetting, white balance and exposure, shot and read noise that the
camera's own denoising has made a little coarse, clipping, tone curve, sharpening, JPEG.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.types import Pixels

Light = NDArray[np.float32]

_STEPS = 4096
_BANK = 3
_SPARE = 48


@dataclass(frozen=True)
class Sensor:
    """One camera's character.

    exposure_s, readout_s: how long a row is exposed, and from the first to the last row.
    aperture: width of a pixel's light-sensitive part as a share of the distance between two pixels
    of the picture: 1 where the camera bins, less where it leaves pixels out.
    lens_px: Gaussian sigma of the lens in focus. full_well: electrons at white, which sets the shot
    noise. read_noise: share of white. vignetting: loss in the corners. balance: (3,) BGR gains
    left over by the white balance. toe: how strongly the tone curve bends (0: plain sRGB).
    sharpening: share of unsharp masking. jpeg: quality, or 0 for a camera that sends raw pictures.
    """

    exposure_s: float
    readout_s: float
    aperture: float
    lens_px: float
    full_well: float
    read_noise: float
    vignetting: float
    balance: tuple[float, float, float]
    toe: float
    sharpening: float
    jpeg: int
    level: float


def drawn_sensor(rng: np.random.Generator, width: int) -> Sensor:
    """A camera as one finds them at doors, whatever is held before it."""
    skips = rng.random() < 0.25
    wide = width / 640
    return Sensor(
        exposure_s=float(rng.choice([1 / 100, 1 / 50, 1 / 120, 1 / 60, 1 / 33])),
        readout_s=float(rng.uniform(0.012, 0.033)),
        aperture=float(rng.uniform(0.3, 0.5) if skips else rng.uniform(0.85, 1.0)),
        lens_px=float(rng.uniform(0.15, 0.3) if skips else rng.uniform(0.3, 0.55)) * wide**0.5,
        full_well=float(rng.uniform(2000, 9000)),
        read_noise=float(rng.uniform(0.001, 0.004)),
        vignetting=float(rng.uniform(0.05, 0.25)),
        balance=tuple(np.exp(rng.normal(0, 0.04, 3)).tolist()),
        toe=float(rng.uniform(0.0, 0.5)),
        sharpening=float(rng.uniform(0.0, 0.6)),
        jpeg=int(rng.choice([0, 80, 88, 92, 95])),
        level=float(rng.uniform(0.8, 1.15)),
    )


class Capture:
    """A camera that is switched on: it keeps its exposure and its noise."""

    def __init__(self, sensor: Sensor, width: int, height: int, rng: np.random.Generator) -> None:
        self._sensor = sensor
        self._rng = rng
        self._size = (width, height)
        self._gain: float | None = None
        self._falloff = _falloff(width, height, sensor.vignetting)
        self._curve = _tone_curve(sensor.toe)
        # Drawn once and shifted at random from frame to frame: fresh noise would be dear.
        bank = rng.standard_normal((_BANK, height + _SPARE, width + _SPARE, 3), np.float32)
        self._bank = [_coarse(noise) for noise in bank]

    def expose(self, light: Light) -> Pixels:
        """(height, width, 3) linear BGR light to the picture that the camera sends."""
        gain = self._metered(light)
        scale = np.asarray(self._sensor.balance, np.float32) * np.float32(gain)
        seen = cv2.multiply(light, self._falloff)
        seen = cv2.transform(seen, np.diag(scale))
        # Variance of the electrons' number, as a share of white squared.
        spread = np.maximum(seen, 0)
        spread *= np.float32(1 / self._sensor.full_well)
        spread += np.float32(self._sensor.read_noise**2)
        cv2.sqrt(spread, spread)
        spread *= self._noise()
        seen += spread
        seen *= _STEPS - 1
        np.clip(seen, 0, _STEPS - 1, out=seen)
        picture = np.take(self._curve, seen.astype(np.uint16))
        return self._compressed(self._sharpened(picture))

    def _metered(self, light: Light) -> float:
        """Centre-weighted automatic exposure that follows slowly."""
        height, width = light.shape[:2]
        centre = light[height // 5 : -height // 8 : 8, width // 6 : -width // 6 : 8, 1]
        mean = float(np.minimum(centre, 2.0).mean())
        wanted = 0.24 * self._sensor.level / max(mean, 1e-3)
        self._gain = wanted if self._gain is None else self._gain * 0.9 + 0.1 * wanted
        return self._gain

    def _noise(self) -> Light:
        width, height = self._size
        down, across = (int(self._rng.integers(_SPARE)) for _ in range(2))
        which = self._bank[int(self._rng.integers(_BANK))]
        return which[down : down + height, across : across + width]

    def _sharpened(self, picture: Pixels) -> Pixels:
        share = self._sensor.sharpening
        if share < 0.05:
            return picture
        soft = cv2.GaussianBlur(picture, (3, 3), 0.8)
        return np.asarray(cv2.addWeighted(picture, 1 + share, soft, -share, 0), np.uint8)

    def _compressed(self, picture: Pixels) -> Pixels:
        if not self._sensor.jpeg:
            return picture
        quality = [cv2.IMWRITE_JPEG_QUALITY, self._sensor.jpeg]
        done, packed = cv2.imencode(".jpg", picture, quality)
        if not done:
            raise RuntimeError("OpenCV could not encode a picture as JPEG")
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


def linear(picture: Pixels) -> Light:
    """sRGB pixels to linear light, 0..1 (IEC 61966-2-1)."""
    return np.asarray(cv2.LUT(picture, _DECODE), np.float32)


def encode(light: Light) -> Pixels:
    """Linear light, 0..1, to sRGB pixels: what a recording keeps."""
    steps = np.clip(light * np.float32(_STEPS - 1), 0, _STEPS - 1).astype(np.uint16)
    return np.asarray(np.take(_ENCODE, steps), np.uint8)


def banding(sensor: Sensor, pulses: tuple[float, float], begun: float, rows: int) -> Light:
    """(rows, 1, 1) factors by which a pulsed light shows in a rolling shutter.

    pulses: their frequency in Hz, and the share of the time that the light is on. A row that
    starts at t integrates them over the exposure: each harmonic of the pulse train is kept by the
    sinc of its periods per exposure.
    """
    hz, duty = pulses
    starts = begun + np.arange(rows) * (sensor.readout_s / rows)
    shown = np.ones(rows)
    for harmonic in (1, 2, 3):
        strength = 2 * np.sinc(harmonic * duty) * np.sinc(harmonic * hz * sensor.exposure_s)
        middle = starts + sensor.exposure_s / 2
        shown += strength * np.cos(harmonic * (2 * np.pi * hz * middle))
    return np.maximum(shown, 0.0).astype(np.float32)[:, np.newaxis, np.newaxis]


def _falloff(width: int, height: int, loss: float) -> Light:
    x = np.linspace(-1, 1, width)[np.newaxis, :] * width
    y = np.linspace(-1, 1, height)[:, np.newaxis] * height
    square = (x**2 + y**2) / (width**2 + height**2)
    return np.repeat((1 - loss * square)[..., np.newaxis], 3, axis=2).astype(np.float32)


def _tone_curve(toe: float) -> Pixels:
    x = np.linspace(0, 1, _STEPS)
    plain = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)
    bent = plain + toe * 0.5 * (plain * plain * (3 - 2 * plain) - plain)
    return np.asarray(np.round(255 * bent), np.uint8)


def _coarse(noise: Light) -> Light:
    soft = cv2.GaussianBlur(noise, (3, 3), 0.55)
    return np.asarray(soft / soft.std(), np.float32)


def _decode_table() -> Light:
    x = np.arange(256) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


_DECODE = _decode_table()
_ENCODE = _tone_curve(0.0)
