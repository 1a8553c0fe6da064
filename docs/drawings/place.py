"""The drawing of the camera's place: from which distance whom it sees."""

from __future__ import annotations

from typing import Final

from docs.drawings import sums
from docs.drawings.pen import Sheet

# The example of the drawing and of its table: metres above the floor.
LOWEST: Final = 1.10
HIGHEST: Final = 1.85
CAMERA: Final = 1.45
# The lens of the drawing, turned on its side: degrees across, pixels.
ANGLE: Final = 66.0
WIDTH: Final = 1280
HEIGHT: Final = 720
LEAST_EYES: Final = 32

_SCALE: Final = 185
_FLOOR: Final = 500
_WALL: Final = 130


def camera() -> Sheet:
    """Side view of wall, camera and two people."""
    focal = sums.focal_pixels(ANGLE, WIDTH)
    near = sums.closest(ANGLE, LOWEST, HIGHEST, CAMERA)
    far = sums.distance_of(LEAST_EYES, focal)
    sheet = Sheet(
        "10. The camera's place: at the middle of the eyes, turned on its side",
        f"Side view. The camera hangs {CAMERA:.2f} m above the floor, between the lowest eyes "
        f"served at {LOWEST:.2f} m and the highest at {HIGHEST:.2f} m. With {ANGLE:g} degrees "
        f"upright it shows the heads of both from {near:.2f} m on, and up to {far:.2f} m their "
        f"eyes are at least {LEAST_EYES} pixels apart.",
    )
    sheet.panel(20, 56, 920, 500)
    lens = (_WALL + 24, _FLOOR - CAMERA * _SCALE)

    def at(distance: float, height: float) -> tuple[float, float]:
        return lens[0] + distance * _SCALE, _FLOOR - height * _SCALE

    top, bottom = at(near, HIGHEST + sums.ABOVE), at(near, LOWEST - sums.BELOW)
    reach = far / near
    ends = [
        (lens[0] + (x - lens[0]) * reach, lens[1] + (y - lens[1]) * reach) for x, y in (top, bottom)
    ]
    sheet.shape('<clipPath id="room"><rect x="130" y="90" width="790" height="410"/></clipPath>')
    for colour, corners in (("#dbeafe", [lens, *ends]), ("#bbf7d0", [top, *ends, bottom])):
        outline = " L".join(f"{x:.1f} {y:.1f}" for x, y in corners)
        sheet.shape(f'<path clip-path="url(#room)" style="fill:{colour}" d="M{outline} Z"/>')
    sheet.shape(
        f'<rect class="part" x="{_WALL - 40}" y="90" width="40" height="{_FLOOR - 90}" rx="2"/>'
        f'<rect class="solid" x="{_WALL}" y="{lens[1] - 13:g}" width="24" height="26" rx="3"/>'
        f'<path class="symbol" d="M{_WALL - 40} {_FLOOR} H920"/>'
    )
    for place, (eyes, name) in enumerate(((HIGHEST, "highest eyes"), (LOWEST, "lowest eyes"))):
        x, y = at(near + 0.12 + 0.5 * place, eyes)
        sheet.shape(
            '<path style="fill:none;stroke:#475569;stroke-width:30;stroke-linecap:round;'
            f'opacity:.35" d="M{x + 12:.1f} {y + 78:.1f} V{_FLOOR - 18}"/>'
            f'<ellipse cx="{x + 10:.1f}" cy="{y:.1f}" rx="16" ry="22"'
            ' style="fill:#475569;opacity:.55"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#ffffff"/>'
        )
        sheet.text(690, y + 5, f"{name} {eyes:.2f} m", "pin")
        sheet.path(f"M{x + 30:.1f} {y:.1f} H682", classes="symbol link")
    for distance, level, words in (
        (near, _FLOOR + 42, f"from {near:.2f} m: all heads in the picture"),
        (far, _FLOOR + 22, f"up to {far:.2f} m: {LEAST_EYES} pixels between the eyes"),
    ):
        x = lens[0] + distance * _SCALE
        sheet.path(f"M{x:.1f} {_FLOOR - 6} V{level - 8:g}")
        sheet.path(f"M{lens[0]:g} {level - 8:g} H{x:.1f}")
        sheet.text(x + 10, level - 3, words)
    sheet.text(_WALL - 50, lens[1] + 5, f"{CAMERA:.2f} m", "pin", "end")
    sheet.text(560, 412, ["Blue: some heads are cut off.", "Green: everybody is served."], "note")
    steep = sums.steepest(near, LOWEST, HIGHEST, CAMERA)
    sheet.notes(
        568,
        f"A lens of {ANGLE:g}° at {WIDTH} pixels has a focal length of {focal:.0f} pixels; on its "
        f"side (camera.rotate: 90 or 270) the {ANGLE:g}° stand upright. Eyes "
        f"{sums.EYES * 1000:g} mm apart are {focal:.0f} \N{MULTIPLICATION SIGN} 0.063 / distance "
        "pixels apart.",
        f"The steepest look, at {near:.2f} m, is {steep:.0f}° off the horizontal, well inside "
        "quality.max_pitch.",
        "Mount it stiffly: liveness watches whether the surroundings stand still.",
    )
    return sheet
