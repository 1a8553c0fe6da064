"""The tables of docs/hardware/*.md that are worked out, and where they stand in the pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from docs.drawings import sums
from docs.drawings.lines import ALL, INPUTS, OUTPUTS
from docs.drawings.place import CAMERA, HEIGHT, HIGHEST, LEAST_EYES, LOWEST, WIDTH

# Lenses by what they show across a picture of 16 to 9, in degrees.
LENSES: Final[tuple[tuple[str, float], ...]] = (
    ("Raspberry Pi Camera Module 3", 66.0),
    ("Raspberry Pi Camera Module 3 Wide", 102.0),
    ("Raspberry Pi Camera Module 2", 62.2),
    (
        "Raspberry Pi HQ Camera with 6 mm",
        sums.angle_seen(6.0, 6.287),
    ),
    ("USB camera sold as 78° (diagonal)", sums.across_of_diagonal(78, WIDTH, HEIGHT)),
    ("a narrow lens, 40°", 40.0),
)
DISTANCES: Final = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
LENGTHS: Final = (5, 10, 20, 30, 50)
AREAS: Final = (0.22, 0.5, 0.75, 1.0, 1.5)
CURRENT: Final = 0.5
VOLTS: Final = 12.0
# The example of a magnet: what its plate says, and an inductance that is assumed.
WINDING: Final = (2.0, 24.0)
HOLDS: Final = 0.05
USABLE: Final = 0.64
# Watts at the battery: the board with its camera through a converter of 85 %, and the lock.
BOARDS: Final = (("Pi Zero 2 W", 0.35), ("Pi 4", 0.6), ("Pi 5", 0.8))
CAMERA_AMPERES: Final = 0.25
CONVERTER: Final = 0.85
BATTERIES: Final = (7.0, 12.0, 17.0)


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sight() -> str:
    """From where to where each lens serves the people of the example."""
    rows = []
    for name, angle in LENSES:
        focal = sums.focal_pixels(angle, WIDTH)
        upright = sums.other_angle(angle, WIDTH, HEIGHT)
        level = sums.closest(upright, LOWEST, HIGHEST, CAMERA)
        turned = sums.closest(angle, LOWEST, HIGHEST, CAMERA)
        far = sums.distance_of(LEAST_EYES, focal)
        rows.append(
            [
                name,
                f"{angle:.0f}°",
                f"{focal:.0f}",
                f"{far:.2f} m",
                f"{far * 1.5:.2f} m",
                f"{level:.2f} m" if level < far else f"{level:.2f} m: too far",
                f"{turned:.2f} m",
            ]
        )
    head = (
        "lens",
        "across",
        "focal length in pixels",
        f"farthest at {WIDTH} pixels",
        "farthest at 1920",
        "nearest, level",
        "nearest, on its side",
    )
    return _rows(head, rows)


def pixels() -> str:
    """Pixels between the eyes by distance."""
    rows = [
        [name] + [f"{sums.eye_pixels(it, sums.focal_pixels(angle, WIDTH)):.0f}" for it in DISTANCES]
        for name, angle in LENSES
    ]
    return _rows(["lens", *(f"{it:g} m" for it in DISTANCES)], rows)


def cables() -> str:
    """Volts lost in a strike's cable."""
    rows = []
    for area in AREAS:
        lost = [sums.voltage_drop(length, CURRENT, area) for length in LENGTHS]
        rows.append(
            [f"{area:g} mm²"]
            + [f"{it:.2f} V" if it <= VOLTS * 0.05 else f"*{it:.2f} V*" for it in lost]
        )
    return _rows(["one wire", *(f"{it} m" for it in LENGTHS)], rows)


def releases() -> str:
    """How long a magnet's current takes to die."""
    inductance, resistance = WINDING
    kinds = (
        ("diode (1N4007)", 0.7),
        ("suppressor, 18 V (P6KE18CA)", 18.0),
        ("varistor, 30 V", 30.0),
    )
    rows = []
    for name, clamp in kinds:
        seconds = sums.release_time(inductance, resistance, VOLTS, clamp=clamp, holds=HOLDS)
        rows.append([name, f"{clamp:g} V", f"{1000 * seconds:.0f} ms", f"{VOLTS + clamp:.0f} V"])
    return _rows(
        (
            "across the winding",
            "takes",
            "down to a twentieth of the current",
            "across the opening contact",
        ),
        rows,
    )


def batteries() -> str:
    """Hours without mains."""
    rows = []
    for name, amperes in BOARDS:
        load = (amperes + CAMERA_AMPERES) * 5.1 / CONVERTER
        for lock, watts in (("strike", 0.0), (f"magnet of {VOLTS * CURRENT:g} W", VOLTS * CURRENT)):
            rows.append(
                [f"{name}, {lock}", f"{load + watts:.1f} W"]
                + [f"{sums.hold_up(it, VOLTS, load + watts, USABLE):.1f} h" for it in BATTERIES]
            )
    return _rows(("load", "at the battery", *(f"12 V, {it:g} Ah" for it in BATTERIES)), rows)


def lines() -> str:
    """Every line that the drawings use."""
    rows = []
    for it in ALL:
        pull = "up" if it.pulled_up else "down"
        if it in OUTPUTS:
            before = "off" if not it.pulled_up else "on, faintly"
        elif it in INPUTS:
            before = "not read yet"
        else:
            before = "harmless: keys join it to another line only"
        rows.append([f"`{it.key}`", it.short, f"GPIO {it.number}", str(it.pin), pull, before])
    return _rows(
        ("key", "what", "line", "header pin", "pulled at reset", "until the appliance runs"), rows
    )


TABLES: Final[dict[str, Callable[[], str]]] = {
    "sight": sight,
    "pixels": pixels,
    "cables": cables,
    "releases": releases,
    "batteries": batteries,
    "lines": lines,
}


def refreshed(page: str) -> str:
    """A page with its tables worked out anew. Raises KeyError for one that is not known."""
    return re.sub(
        r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)",
        lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}",
        page,
        flags=re.DOTALL,
    )
