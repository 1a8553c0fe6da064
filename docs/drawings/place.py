"""The drawings of where things are: both sides of the wall, and what the camera sees."""

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


def overview() -> Sheet:
    """What hangs on which side of the wall."""
    sheet = Sheet(
        "What goes where: cables, not single wires",
        "Outside are camera, keypad or card reader, lamps and buzzer. In the wall are the door, "
        "its contact and its strike. On the protected side are the case with board and relay "
        "module, the timer relay, the lock's own supply with its fuse, and the button with two "
        "poles: one feeds the strike, the other tells the appliance. The lever inside needs none "
        "of it.",
    )
    sheet.panel(20, 56, 250, 410, "Outside")
    sheet.panel(282, 56, 206, 410, "Wall and door")
    sheet.panel(500, 56, 440, 410, "Protected side")
    for y, name in ((130, "Camera"), (180, "Keypad, reader"), (230, "Lamps, buzzer")):
        sheet.wire("cable" if y < 200 else "signal", (220, y), (520, y))
        sheet.part(40, y - 20, 180, 40)
        sheet.text(130, y + 6, name, "name", "middle")
        sheet.terminal(220, y)
    sheet.text(
        40, 300, ["and nothing else:", "whoever opens these", "gets no wire that", "opens the door"]
    )
    # The door, seen from inside: lever, contact above, strike beside the latch.
    sheet.shape(
        '<rect class="part" x="302" y="262" width="96" height="190"/>'
        '<rect class="symbol paper" x="310" y="270" width="80" height="182"/>'
        '<circle class="solid" cx="378" cy="372" r="5"/>'
        '<path class="symbol" style="stroke-width:6" d="M378 372 h-28"/>'
        '<rect class="solid" x="366" y="256" width="24" height="10"/>'
        '<rect class="symbol paper" x="399" y="352" width="14" height="40"/>'
    )
    sheet.wire("signal", (390, 261), (440, 261), (440, 290), (520, 290))
    sheet.wire("plus", (413, 372), (470, 372), (470, 390), (850, 390), (850, 350))
    sheet.text(404, 252, "contact", "note")
    sheet.text(418, 360, "strike", "note")
    sheet.text(318, 404, "lever", "note")
    sheet.part(520, 104, 150, 206)
    sheet.text(595, 130, "Case", "name", "middle")
    sheet.text(595, 156, ["board", "relay module", "tamper switch"], "note", "middle")
    for y in (130, 180, 230, 290):
        sheet.terminal(520, y)
    sheet.wire("plus", (760, 130), (670, 130))
    sheet.wire("plus", (670, 260), (715, 260), (715, 330), (760, 330))
    sheet.text(658, 265, "relay", "note", "end")
    sheet.part(760, 104, 160, 76)
    sheet.text(840, 136, "12 V supply", "name", "middle")
    sheet.text(840, 158, "fuse, battery", "note", "middle")
    sheet.part(760, 300, 160, 50)
    sheet.text(840, 331, "Timer relay", "name", "middle")
    sheet.part(760, 408, 160, 48)
    sheet.text(840, 438, "Button", "name", "middle")
    sheet.wire("plus", (800, 408), (800, 390))
    sheet.dot("plus", 800, 390)
    sheet.wire("signal", (760, 434), (595, 434), (595, 310))
    sheet.text(610, 426, "pole 2", "note")
    sheet.text(744, 384, "pole 1", "note", "end")
    sheet.part(760, 204, 160, 76)
    sheet.text(840, 236, "5 V supply", "name", "middle")
    sheet.text(840, 258, "of the board", "note", "middle")
    sheet.wire("five", (760, 226), (670, 226))
    for x, y in ((760, 130), (670, 130), (670, 260), (760, 330), (850, 350), (800, 408)):
        sheet.terminal(x, y)
    for x, y in ((760, 434), (595, 310), (760, 226), (670, 226), (413, 372)):
        sheet.terminal(x, y)
    sheet.notes(
        478,
        "Drawings 1 to 8 show each wire. A magnet has no timer relay: its plus wire passes the "
        "fire alarm, a green release and the button instead (drawing 2).",
        "The lever opens the door from inside without any of this.",
    )
    return sheet


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
