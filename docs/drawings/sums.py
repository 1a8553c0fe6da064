"""What the installer's pages work out: sight, cables, release times, batteries.

Plain formulas over metres, degrees, pixels, volts, amperes, ohms, henries and hours. The pages
state where each constant comes from.
"""

from __future__ import annotations

import math
from typing import Final

# Between the pupils of an adult: the mean (N. A. Dodgson, "Variation and extrema of human
# interpupillary distance", Proc. SPIE 5291, 2004), in metres.
EYES: Final = 0.063
# Eye distance over the width of the box that the detector `hog` draws: the median of 396 of the
# press pictures that the README's rates were measured on (5 % below 0.35, 5 % above 0.48).
EYES_PER_BOX: Final = 0.41
# Above and below the eyes, what of a head belongs into the picture, in metres.
ABOVE: Final = 0.15
BELOW: Final = 0.20
# Copper at 20 °C in ohm mm²/m, and how it rises with each degree (IEC 60028).
COPPER: Final = 1 / 58
COPPER_RISE: Final = 0.00393


def focal_pixels(angle: float, pixels: int) -> float:
    """The focal length in pixels of a lens that shows `angle` degrees over so many pixels."""
    return pixels / 2 / math.tan(math.radians(angle) / 2)


def angle_seen(focal_mm: float, sensor_mm: float) -> float:
    """Degrees that a lens without distortion shows over so many millimetres of its sensor."""
    return math.degrees(2 * math.atan(sensor_mm / 2 / focal_mm))


def across_of_diagonal(diagonal: float, width: int, height: int) -> float:
    """The horizontal angle of a lens that is sold by its diagonal one; degrees."""
    share = width / math.hypot(width, height)
    return math.degrees(2 * math.atan(math.tan(math.radians(diagonal) / 2) * share))


def other_angle(angle: float, along: int, other: int) -> float:
    """The angle over `other` pixels, of a lens that shows `angle` degrees over `along` pixels."""
    return math.degrees(2 * math.atan(math.tan(math.radians(angle) / 2) * other / along))


def eye_pixels(distance: float, focal: float, eyes: float = EYES) -> float:
    """Pixels between the eyes of somebody so many metres away."""
    return eyes * focal / distance


def distance_of(pixels: float, focal: float, eyes: float = EYES) -> float:
    """Metres at which the eyes are so many pixels apart."""
    return eyes * focal / pixels


def closest(angle: float, lowest: float, highest: float, camera: float) -> float:
    """Metres from which on a camera shows the heads of all, whatever their height.

    angle: what the picture shows upright, degrees. lowest, highest: of the eyes served; camera:
    its own height; metres above the floor. The camera is taken to be tilted to the best.
    """
    top, bottom = highest + ABOVE - camera, lowest - BELOW - camera
    # Both fill the angle where (top - bottom) d / (d² + top bottom) is its tangent.
    half = (top - bottom) / math.tan(math.radians(angle)) / 2
    room = half * half - top * bottom
    return max(half + math.sqrt(room), 0.0) if room > 0 else 0.0


def tilt(distance: float, lowest: float, highest: float, camera: float) -> float:
    """Degrees upwards at which both heads are equally far from the picture's edges."""
    top, bottom = highest + ABOVE - camera, lowest - BELOW - camera
    return math.degrees(math.atan2(top, distance) + math.atan2(bottom, distance)) / 2


def steepest(distance: float, lowest: float, highest: float, camera: float) -> float:
    """Degrees by which the steepest line from an eye to the lens is off the horizontal."""
    return max(abs(math.degrees(math.atan2(eye - camera, distance))) for eye in (lowest, highest))


def blur(speed: float, exposure: float, focal: float, distance: float) -> float:
    """Pixels by which a face that moves across at so many m/s is smeared in one exposure (s)."""
    return speed * exposure * focal / distance


def voltage_drop(length: float, current: float, area: float, celsius: float = 20.0) -> float:
    """Volts lost in a cable there and back. length: one way, metres. area: mm² of one wire."""
    resistance = COPPER * (1 + COPPER_RISE * (celsius - 20)) * 2 * length / area
    return current * resistance


def low_level(series: float, pull: float, supply: float = 3.3) -> float:
    """Volts on a line that a contact joins to ground through `series` against a pull-up."""
    return supply * series / (series + pull)


def release_time(
    inductance: float, resistance: float, volts: float, *, clamp: float, holds: float
) -> float:
    """Seconds until the current of a winding has fallen to the share `holds` of what it was.

    clamp: volts that the part across the winding takes while the current runs on through it; 0.7
    for a diode. From L di/dt + R i + clamp = 0.
    """
    start = volts / resistance
    settles = clamp / resistance
    return inductance / resistance * math.log((start + settles) / (holds * start + settles))


def hold_up(capacity: float, volts: float, load: float, usable: float) -> float:
    """Hours that a battery feeds a load. capacity: Ah. load: watts at the battery."""
    return capacity * volts * usable / load
