"""The drawings of what people use: keypad, readers, lamps and buzzer."""

from __future__ import annotations

from docs.drawings.lines import (
    BASE_SERIES,
    BUZZER,
    COLUMNS,
    DENIED,
    GRANTED,
    LAMP_SERIES,
    READY,
    ROWS,
    SERIES,
)
from docs.drawings.locks import board
from docs.drawings.pen import Sheet

_KEYS = ("123A", "456B", "789C", "*0#D")


def keypad() -> Sheet:
    """A matrix keypad of four rows and three or four columns."""
    rows = ", ".join(str(it.number) for it in ROWS)
    columns = ", ".join(str(it.number) for it in COLUMNS)
    sheet = Sheet(
        "5. Matrix keypad: rows are pulled low in turn, columns are read",
        f"Four rows of keys go to a Raspberry Pi's lines {rows}, from the top, and four columns to "
        f"lines {columns}, from the left, each through a resistor of 1 kilo-ohm in the case. A key "
        "joins its row to its column. The chip pulls the columns up; rows are pulled low one "
        "after the other, or left open. No ground and no supply goes to the keypad.",
    )
    sheet.panel(20, 56, 400, 470, "In the appliance's case")
    sheet.panel(432, 56, 508, 470, "Keypad, beside the camera")
    pins: list[tuple[float, str, str]] = []
    for place, line in enumerate(ROWS):
        y = 150 + 48 * place
        pins.append((y, f"GPIO {line.number}", f"pin {line.pin}"))
        sheet.wire("signal", (180, y), (860, y))
        sheet.resistor(300, y)
        sheet.text(452, y - 8, f"row {place + 1}", "pin")
    for place, line in enumerate(COLUMNS):
        y = 342 + 48 * place
        x = 560 + 84 * place
        pins.append((y, f"GPIO {line.number}", f"pin {line.pin}"))
        sheet.wire("column", (180, y), (x + 26, y), (x + 26, 126))
        sheet.resistor(300, y)
        sheet.text(452, y - 8, f"column {place + 1}", "pin")
    board(sheet, 116, 398, pins)
    sheet.text(300, 128, f"{SERIES} in each", "pin", "middle")
    for place, word in enumerate(_KEYS):
        for number, key in enumerate(word):
            x, y = 560 + 84 * number, 150 + 48 * place
            sheet.shape(f'<rect class="part" x="{x:g}" y="{y - 17:g}" width="52" height="34"/>')
            sheet.text(x + 26, y + 6, key, "name", "middle")
    sheet.text(874, 148, ["4th col.", "only if", "it has", "one"])
    sheet.notes(
        538,
        f"claims.keypad_rows: [{rows}], claims.keypad_columns: [{columns}]; with three columns "
        "leave out the last. At rest all rows are low, so a key shows at once. Rows are never "
        "driven high: two keys short nothing.",
        "Where the chip cannot pull up: 10 kΩ from each column to 3.3 V, at the board.",
    )
    return sheet


def readers() -> Sheet:
    """A card reader, a USB keypad and a QR badge."""
    sheet = Sheet(
        "6. Card reader, USB keypad and QR badge",
        "A card reader that types its number like a keyboard, and a numeric keypad, are plugged "
        "into the board's USB ports and named by their path under /dev/input/by-id. A QR badge is "
        "held up to the door's camera and needs nothing more. Wiegand, OSDP and serial readers are "
        "not supported.",
    )
    sheet.panel(20, 56, 300, 330, "Protected side")
    sheet.panel(332, 56, 608, 330, "Outside")
    sheet.wire("cable", (180, 160), (480, 160))
    sheet.wire("cable", (180, 230), (480, 230))
    sheet.wire("cable", (180, 300), (480, 300))
    board(
        sheet,
        120,
        232,
        [(160, "USB", ""), (230, "USB", ""), (300, "CSI or USB", "")],
    )
    sheet.text(250, 148, "up to 5 m", "note", "middle")
    for y, name, lines in (
        (
            160,
            "Card reader",
            [
                "types the card's number and Enter, as a keyboard does",
                "claims.card_device: /dev/input/by-id/...-event-kbd",
            ],
        ),
        (
            230,
            "USB numeric keypad",
            ["claims.keypad: usb", "claims.keypad_device: /dev/input/by-id/...-event-kbd"],
        ),
        (
            300,
            "Camera and QR badge",
            [
                "the camera that sees the face sees the badge too",
                "a code at least a fifth of the picture wide",
            ],
        ),
    ):
        sheet.shape(f'<rect class="part" x="480" y="{y - 22}" width="36" height="44" rx="8"/>')
        sheet.terminal(480, y)
        sheet.text(530, y - 12, name, "pin")
        sheet.text(530, y + 7, lines)
    sheet.notes(
        398,
        "Wiegand (D0, D1), OSDP or RS-485, UART and I2C readers: nothing in the appliance reads "
        "them. A reader for several of these is fine where it can be set to type as a USB keyboard "
        "does (HID).",
        "A USB socket that can be reached from outside lets anybody plug in a keyboard of his own: "
        "bring the cable through the wall in one piece, behind a plate with a tamper switch "
        "(drawing 8).",
        heading="Not supported: do not wire",
    )
    return sheet


def indicators() -> Sheet:
    """Three lamps and a buzzer."""
    sheet = Sheet(
        "7. Lamps and buzzer",
        f"Lines {READY.number}, {GRANTED.number} and {DENIED.number} each feed a light-emitting "
        "diode through a resistor of 330 ohms to ground. "
        f"Line {BUZZER.number} drives the base of an NPN transistor through 1 kilo-ohm; the "
        "transistor's emitter is at ground, and an active buzzer lies between 5 volts and its "
        "collector, with a diode across the buzzer, its band towards 5 volts.",
    )
    sheet.panel(20, 56, 920, 500)
    ground = 520
    sheet.wire("minus", (180, ground), (600, ground))
    lamps = (
        (READY, 130, "#fbbf24", "ready", "a claim can be served"),
        (GRANTED, 200, "#4ade80", "granted", "people may pass now"),
        (DENIED, 270, "#f87171", "denied", "refused, or an alarm"),
    )
    pins = [
        (400.0, f"GPIO {BUZZER.number}", f"pin {BUZZER.pin}"),
        (ground, "GND", "pin 39"),
        (340.0, "5 V", "pin 4"),
    ]
    sheet.wire("minus", (600, 130), (600, ground))
    for line, y, colour, name, what in lamps:
        pins.append((float(y), f"GPIO {line.number}", f"pin {line.pin}"))
        sheet.wire("signal", (180, y), (430, y))
        sheet.wire("minus", (445, y), (600, y))
        sheet.resistor(290, y)
        sheet.text(290, y - 16, LAMP_SERIES, "pin", "middle")
        sheet.lamp(430, y, colour)
        sheet.text(630, y - 3, f"feedback.{name}_led_pin: {line.number}", "pin")
        sheet.text(630, y + 16, what)
    for y in (200, 270):
        sheet.dot("minus", 600, y)
    board(sheet, 96, 450, pins)
    sheet.wire("signal", (180, 400), (406, 400), (406, 440))
    sheet.resistor(290, 400)
    sheet.text(290, 384, BASE_SERIES, "pin", "middle")
    sheet.wire("signal", (406, 440), (420, 440))
    sheet.transistor(420, 440)
    sheet.wire("minus", (454, 470), (454, ground))
    sheet.dot("minus", 454, ground)
    sheet.wire("five", (180, 340), (540, 340), (540, 352))
    sheet.wire("five", (454, 340), (454, 356))
    sheet.wire("five", (540, 350), (540, 356))
    sheet.wire("minus", (454, 386), (454, 410))
    sheet.wire("minus", (540, 400), (540, 404), (454, 404))
    sheet.diode(454, 370)
    sheet.dot("five", 454, 340)
    sheet.dot("minus", 454, 404)
    sheet.shape('<circle class="symbol paper" cx="540" cy="374" r="22"/>')
    sheet.text(540, 379, "buzz", "note", "middle")
    sheet.text(630, 352, f"feedback.buzzer_pin: {BUZZER.number}", "pin")
    sheet.text(
        630, 371, ["an active buzzer, 5 V, at most 100 mA;", "diode 1N4148, its band towards 5 V"]
    )
    sheet.text(630, 440, ["transistor: NPN such as BC547", "or BC337; emitter to ground"])
    sheet.notes(
        568,
        "Off is low. All four lines are among 9 to 27, which the chip pulls down at reset: lines 0 "
        "to 8 are pulled up, a lamp there would glow faintly and the buzzer sound until the "
        "appliance has started.",
    )
    return sheet
