"""The drawings of the two locks: a fail-secure strike, and a fail-safe magnet."""

from __future__ import annotations

from collections.abc import Sequence

from docs.drawings.lines import PULL_DOWN, RELAY
from docs.drawings.pen import Sheet

MINUS_SIGN = "\N{MINUS SIGN}"


def board(sheet: Sheet, top: float, height: float, pins: Sequence[tuple[float, str, str]]) -> None:
    """The computer at the left, with (y, label, note) of the pins that are used."""
    sheet.part(40, top, 140, height, "Raspberry Pi")
    for y, label, note in pins:
        sheet.pin(180, y, label, note)


def _board_and_relay(sheet: Sheet) -> None:
    """Board, pull-down and relay module; COM at (430, 160), NO at (430, 220)."""
    sheet.wire("five", (180, 150), (280, 150))
    sheet.wire("signal", (180, 220), (280, 220))
    sheet.wire("minus", (180, 310), (280, 310))
    sheet.wire("signal", (214, 220), (214, 310))
    board(
        sheet,
        120,
        232,
        [
            (150, "5 V", "pin 2"),
            (220, f"GPIO {RELAY.number}", f"pin {RELAY.pin}"),
            (310, "GND", "pin 6"),
        ],
    )
    sheet.resistor(214, 265, upright=True)
    sheet.dot("signal", 214, 220)
    sheet.dot("minus", 214, 310)
    sheet.text(229, 270, PULL_DOWN, "pin")
    sheet.part(280, 120, 150, 232, "Relay module")
    sheet.pin(280, 150, "VCC", side="start")
    sheet.pin(280, 220, "IN", side="start")
    sheet.pin(280, 310, "GND", side="start")
    sheet.changeover(430, 160, 220, 310)
    sheet.text(418, 344, "stays free", "note", "end")


def _supply(sheet: Sheet, fuse: str) -> None:
    """12 V at the right: plus goes out at (700, 130) through a fuse, minus at (920, 130)."""
    sheet.wire("plus", (700, 130), (826, 130))
    sheet.fuse(764, 130)
    sheet.text(764, 160, fuse, "pin", "middle")
    sheet.part(826, 102, 78, 56)
    sheet.text(865, 126, "12 V DC", "pin", "middle")
    sheet.text(865, 146, "supply", "note", "middle")
    sheet.terminal(826, 130)
    sheet.terminal(904, 130)
    sheet.text(812, 120, "+", "pin", "middle")
    sheet.text(918, 120, MINUS_SIGN, "pin", "middle")


def strike() -> Sheet:
    """Relay, timer relay and a fail-secure strike."""
    sheet = Sheet(
        "1. A fail-secure strike: without current the door stays shut",
        f"A Raspberry Pi's line {RELAY.number} drives a relay module, held down by a resistor of "
        "10 kilo-ohms from the line to ground. The relay's normally open contact starts a timer "
        "relay, whose contact feeds the strike from a fused 12 volt supply. The first pole of the "
        "button inside feeds the strike past relay and timer. A diode lies across the strike, its "
        "band towards plus. A mechanical handle opens the door without any of this.",
    )
    sheet.panel(20, 56, 430, 316, "Low voltage, in the appliance's case")
    sheet.panel(462, 56, 478, 486, "12 V circuit, on the protected side of the wall")
    _board_and_relay(sheet)
    _supply(sheet, "fuse 1 A")
    # The relay's contact to the timer, the timer's contact to the strike.
    sheet.wire("plus", (430, 160), (486, 160), (486, 130), (700, 130))
    sheet.wire("plus", (430, 220), (530, 220))
    sheet.wire("plus", (660, 220), (700, 220), (700, 130))
    sheet.wire("plus", (660, 300), (860, 300), (860, 346))
    sheet.wire("plus", (750, 300), (750, 360))
    sheet.wire("minus", (750, 400), (750, 480))
    sheet.wire("minus", (860, 442), (860, 480))
    sheet.wire("minus", (570, 330), (570, 480), (924, 480), (924, 130), (904, 130))
    sheet.dot("plus", 700, 130)
    sheet.dot("plus", 750, 300)
    sheet.dot("minus", 750, 480)
    sheet.dot("minus", 860, 480)
    sheet.part(530, 194, 130, 136)
    sheet.text(595, 182, "Timer relay", "name", "middle")
    sheet.pin(530, 220, "A1", side="start", shift=-7)
    sheet.text(582, 322, "A2", "pin")
    sheet.pin(660, 220, "15", shift=-7)
    sheet.pin(660, 300, "18", shift=17)
    sheet.coil(570, 264)
    sheet.path("M535 220 H570 V242 M570 286 V325")
    sheet.path("M588 264 H620", classes="symbol link")
    sheet.path("M655 220 H634 V240 M655 300 H634 V284 L618 246")
    sheet.terminal(570, 330)
    sheet.text(
        580,
        358,
        [
            "One pulse per start,",
            "set to pulse_s + 1 s:",
            "ends it even when",
            "the line stays high",
        ],
    )
    # The button's first pole.
    sheet.wire("plus", (700, 220), (718, 220))
    sheet.contact(718, 220, by="push")
    sheet.wire("plus", (778, 220), (800, 220), (800, 300))
    sheet.dot("plus", 700, 220)
    sheet.dot("plus", 800, 300)
    sheet.text(808, 222, ["Request to", "exit, pole 1:", "past all elec-", "tronics"])
    # Strike and diode.
    sheet.wire("plus", (750, 356), (750, 366))
    sheet.diode(750, 380)
    sheet.text(728, 448, "1N4007, band to +", "note", "end")
    sheet.part(824, 346, 72, 96)
    sheet.winding(860, 354)
    sheet.terminal(860, 346)
    sheet.terminal(860, 442)
    sheet.text(824, 336, "Strike", "name", "end")
    sheet.text(484, 520, "The relay's contact is all that the two circuits share.")
    _way_out(sheet, 384, 158)
    sheet.notes(
        556,
        f"{PULL_DOWN}: holds the relay off while the board starts, restarts or is unplugged.",
        "NC stays free: with it, a relay without power would feed the strike.",
        "The diode takes the kick of the strike's coil; the wrong way round it is a short circuit.",
    )
    return sheet


def _way_out(sheet: Sheet, top: float, height: float) -> None:
    sheet.panel(20, top, 430, height)
    sheet.shape(
        f'<rect class="part" x="40" y="{top + 16:g}" width="74" height="{height - 32:g}"/>'
        f'<rect class="symbol paper" x="48" y="{top + 24:g}" width="58" height="{height - 40:g}"/>'
        f'<circle class="solid" cx="97" cy="{top + height / 2 + 4:g}" r="5"/>'
        f'<path class="symbol" style="stroke-width:6" d="M97 {top + height / 2 + 4:g} h-26"/>'
    )
    sheet.text(134, top + 32, "Getting out never needs any of this", "pin")
    sheet.text(
        134,
        top + 54,
        [
            "The lever inside draws the latch back,",
            "also in a power cut, a crash or a fire.",
            "No such lever? Then no fail-secure",
            "strike: that door needs a fail-safe",
            "lock, see drawing 2.",
        ],
    )


def magnet() -> Sheet:
    """A relay and a fail-safe magnet, whose power the fire alarm cuts."""
    sheet = Sheet(
        "2. A fail-safe magnet: whatever cuts its current opens the door",
        f"A Raspberry Pi's line {RELAY.number} drives a relay module, held down by a resistor of "
        "10 kilo-ohms. The plus wire of the 12 volt supply passes, after its battery, a fuse, the "
        "first pole of the button inside, a green emergency release and the fire alarm's contact, "
        "each of which opens it, before it reaches the relay's common contact. The normally open "
        "contact feeds the magnet; a bidirectional suppressor lies across the magnet. There is no "
        "timer relay, and no diode.",
    )
    sheet.panel(20, 56, 430, 316, "Low voltage, in the appliance's case")
    sheet.panel(462, 56, 478, 486, "12 V circuit, on the protected side of the wall")
    _board_and_relay(sheet)
    # From the supply through everything that opens the door, to COM.
    sheet.wire("plus", (788, 448), (720, 448), (720, 130), (486, 130), (486, 160), (430, 160))
    sheet.wire("plus", (430, 220), (624, 220), (624, 360))
    sheet.wire("plus", (552, 220), (552, 266))
    sheet.wire("minus", (624, 340), (624, 500))
    sheet.wire("minus", (552, 362), (552, 500), (932, 500), (932, 448), (920, 448))
    sheet.dot("plus", 552, 220)
    sheet.dot("minus", 624, 500)
    _opens(
        sheet, 156, "fire", ["Fire alarm's contact:", "opens on alarm, and", "without its power"]
    )
    _opens(sheet, 246, "push", ["Emergency release,", "green, at the door:", "opens by hand"])
    _opens(sheet, 336, "push", ["Request to exit,", "pole 1: opens while", "it is pressed"])
    sheet.fuse(756, 448)
    sheet.text(750, 480, "fuse 1 A", "pin", "middle")
    sheet.part(788, 420, 132, 56)
    sheet.text(854, 444, "12 V DC supply", "pin", "middle")
    sheet.text(854, 464, "and battery", "note", "middle")
    sheet.terminal(788, 448)
    sheet.terminal(920, 448)
    sheet.text(776, 432, "+", "pin", "middle")
    sheet.text(930, 438, MINUS_SIGN, "pin", "middle")
    sheet.part(516, 266, 72, 96)
    sheet.winding(552, 274)
    sheet.terminal(552, 266)
    sheet.terminal(552, 362)
    sheet.text(542, 252, "Magnet", "name", "end")
    sheet.suppressor(624, 330)
    sheet.text(484, 524, "Everything that opens lies in this one wire, after the battery.")
    sheet.text(636, 286, "suppressor")
    sheet.panel(20, 384, 430, 158)
    sheet.text(40, 412, "What opens this door, software or not", "pin")
    sheet.text(
        40,
        436,
        [
            "the fire alarm, by its own contact;",
            "the green release and the button, by hand;",
            "a power cut, once the battery is empty;",
            "a pulse, a crash, a restart: the relay rests.",
            "Try each by itself while the door is locked.",
        ],
    )
    sheet.notes(
        556,
        f"{PULL_DOWN}: without it a line that nobody drives could hold the door shut.",
        "door.fail: safe means that the relay is energised day and night, so that NO feeds the "
        "magnet.",
        "A suppressor and no diode: a diode keeps the magnet holding for up to seconds.",
    )
    return sheet


def _opens(sheet: Sheet, top: float, by: str, lines: list[str]) -> None:
    """One contact of the chain at x = 720, and what it is."""
    sheet.contact(720, top, closed=True, upright=True, by="push" if by == "push" else "")
    sheet.text(764, top + 18, lines)
