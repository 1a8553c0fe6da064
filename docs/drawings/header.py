"""The drawings of the board's lines: the Raspberry Pi's header, and the Jetson's level shifters."""

from __future__ import annotations

from docs.drawings.lines import ALL, OTHER_USES, PINS, PULLED_UP, SUPPLY_PINS
from docs.drawings.pen import Sheet, text_width

_UP = "#fde68a"
_DOWN = "#bfdbfe"
_GROUND = "#cbd5e1"
_FIVE = "#fecaca"
_THREE = "#f5d0fe"


def header() -> Sheet:
    """The 40 pins, what the drawings use them for, and what the chip pulls them to at reset."""
    used = {it.pin: it for it in ALL}
    lines = {pin: line for line, pin in PINS.items()}
    sheet = Sheet(
        "The Raspberry Pi's header, and what its lines are pulled to at reset",
        "The 40 pins of the header in two columns, odd pins at the left. "
        + " ".join(f"Pin {it.pin} is GPIO {it.number}: {it.short}." for it in ALL)
        + " At reset the chip pulls lines 0 to 8 up and lines 9 to 27 down.",
    )
    sheet.height = 704
    sheet.panel(20, 56, 920, 572)
    for pin in range(1, 41):
        left = pin % 2 == 1
        y = 88 + 27 * ((pin - 1) // 2)
        x = 462 if left else 498
        line = lines.get(pin)
        colour = {"GND": _GROUND, "5 V": _FIVE, "3.3 V": _THREE}.get(SUPPLY_PINS.get(pin, ""), "")
        if line is not None:
            colour = _UP if line in PULLED_UP else _DOWN
        sheet.shape(
            f'<rect class="symbol" style="fill:{colour}" x="{x - 15:g}" y="{y - 11:g}" width="30"'
            f' height="22" rx="4"/>'
        )
        sheet.text(x, y + 5, str(pin), "pin", "middle")
        side = -1 if left else 1
        anchor = "end" if left else "start"
        name = SUPPLY_PINS[pin] if line is None else f"GPIO {line}"
        mine = used.get(pin)
        sheet.text(
            x + 26 * side, y + 5, name, "pin" if mine else "note", "end" if left else "start"
        )
        told = mine.short if mine else OTHER_USES.get(line, "") if line is not None else ""
        if told:
            sheet.text(
                x + 122 * side,
                y + 5,
                told,
                "pin" if mine else "note",
                anchor,  # type: ignore[arg-type]
            )
        if mine:
            sheet.shape(
                f'<path class="symbol" style="stroke:#15803d;stroke-width:3"'
                f' d="M{x + 100 * side:g} {y:g} h{12 * side:g}"/>'
            )
    left_edge = 40.0
    for colour, word in (
        (_UP, "pulled up: no active-high relay"),
        (_DOWN, "pulled down"),
        (_GROUND, "ground"),
        (_FIVE, "5 V, never to a line"),
        (_THREE, "3.3 V"),
    ):
        sheet.shape(
            f'<rect class="symbol" style="fill:{colour}" x="{left_edge:g}" y="649" width="24"'
            ' height="18" rx="4"/>'
        )
        sheet.text(left_edge + 34, 663, word)
        left_edge = round(left_edge + 56 + text_width(word, "note"))
    sheet.text(
        40,
        688,
        "Bold: what the drawings use. Pale: what the system may use when its interface is "
        "switched on.",
    )
    return sheet


def jetson() -> Sheet:
    """What a line of a Jetson's header needs that a Raspberry Pi's does not."""
    sheet = Sheet(
        "9. Jetson developer kits: a line can neither feed nor be pulled by much",
        "On NVIDIA's developer kits a level translator of 4 kilo-ohms stands between chip and "
        "header. An output therefore drives the gate of a MOSFET, with 100 kilo-ohms to ground, "
        "which pulls a relay module's active-low input to ground. An input gets a strong pull-up "
        "of 1 kilo-ohm to 3.3 volts, and the contact joins it to ground.",
    )
    sheet.panel(20, 56, 454, 380, "An output: the relay")
    sheet.panel(486, 56, 454, 380, "An input: contact, button, tamper switch")
    # Output: gate with 100 kΩ to ground; the drain pulls an active-low input.
    sheet.part(40, 120, 120, 292, "Jetson")
    sheet.wire("five", (160, 150), (380, 150))
    sheet.wire("signal", (160, 250), (276, 250))
    sheet.wire("signal", (206, 250), (206, 290))
    sheet.wire("minus", (206, 330), (206, 380))
    sheet.wire("minus", (160, 380), (380, 380))
    sheet.pin(160, 150, "5 V", "pin 2")
    sheet.pin(160, 250, "pin 15", "line 85")
    sheet.pin(160, 380, "GND", "pin 6")
    sheet.resistor(206, 312, upright=True)
    sheet.text(220, 317, "100 kΩ", "pin")
    sheet.dot("signal", 206, 250)
    sheet.dot("minus", 206, 380)
    sheet.transistor(276, 250, insulated=True)
    sheet.wire("five", (310, 220), (380, 220))
    sheet.wire("minus", (310, 280), (310, 380))
    sheet.dot("minus", 310, 380)
    sheet.text(180, 206, "2N7002, BSS138")
    sheet.part(380, 120, 76, 292, "Relay")
    sheet.pin(380, 150, "VCC", side="start")
    sheet.pin(380, 220, "IN", "low on", side="start")
    sheet.pin(380, 380, "GND", side="start")
    # Input.
    sheet.part(506, 120, 120, 292, "Jetson")
    sheet.wire("three", (626, 150), (690, 150), (690, 170))
    sheet.wire("signal", (690, 210), (690, 250))
    sheet.wire("signal", (626, 250), (840, 250), (840, 270))
    sheet.wire("minus", (626, 380), (840, 380), (840, 330))
    sheet.pin(626, 150, "3.3 V", "pin 1")
    sheet.pin(626, 250, "pin 16", "line 126")
    sheet.pin(626, 380, "GND", "pin 14")
    sheet.resistor(690, 192, upright=True)
    sheet.text(706, 197, "1 kΩ", "pin")
    sheet.dot("signal", 690, 250)
    sheet.contact(840, 270, held=True, upright=True)
    sheet.text(716, 304, ["contact to", "ground,", "no series", "resistor"])
    sheet.notes(
        448,
        "The translator (like TI's TXB0108) holds the last level through 4 kΩ. A pull-up of 10 kΩ "
        "cannot turn it: an input that was low once stays low. 1 kΩ can: "
        "3.3 V \N{MULTIPLICATION SIGN} 4 / (4 + 1) = 2.6 V, above the 2.1 V that high needs.",
        "An output at 4 kΩ lights no lamp and feeds no base: a MOSFET's gate needs no current. It "
        "turns the level round, so a module that is on at low is switched on by a high line: "
        "door.active_high: true.",
        "Nothing of this was tried on a Jetson. Measure every line while the board starts, before "
        "a relay hangs on it.",
    )
    return sheet
