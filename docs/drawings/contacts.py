"""The drawings of what the appliance reads: door contact, request to exit, tamper switch."""

from __future__ import annotations

from collections.abc import Sequence

from docs.drawings.lines import CONTACT, EXIT, SERIES, TAMPER, Line
from docs.drawings.locks import board
from docs.drawings.pen import Sheet


def _input(sheet: Sheet, line: Line, ground_pin: int, where: str) -> None:
    """From the board to the place of the contact: the line at y = 180, ground at y = 290.

    The cable ends at x = 640.
    """
    sheet.panel(20, 56, 500, 316, "In the appliance's case")
    sheet.panel(532, 56, 408, 316, where)
    sheet.wire("signal", (180, 180), (640, 180))
    sheet.wire("minus", (180, 290), (640, 290))
    sheet.wire("signal", (228, 180), (228, 231))
    sheet.wire("minus", (228, 239), (228, 290))
    sheet.wire("signal", (414, 180), (414, 240))
    sheet.wire("minus", (414, 230), (414, 290))
    board(
        sheet,
        120,
        232,
        [(180, f"GPIO {line.number}", f"pin {line.pin}"), (290, "GND", f"pin {ground_pin}")],
    )
    sheet.dot("signal", 228, 180)
    sheet.dot("minus", 228, 290)
    sheet.dot("signal", 414, 180)
    sheet.dot("minus", 414, 290)
    sheet.capacitor(228, 235)
    sheet.text(250, 232, ["100 nF, if the cable", "is over 3 m"])
    sheet.resistor(330, 180)
    sheet.text(330, 164, SERIES, "pin", "middle")
    sheet.suppressor(414, 235)
    sheet.text(438, 258, ["ESD", "diode"])
    sheet.text(488, 168, "cable", "note", "middle")
    sheet.terminal(470, 180)
    sheet.terminal(470, 290)


def _reads(sheet: Sheet, rows: Sequence[tuple[str, str, str]], *notes: str) -> None:
    """What each state of the wires reads as, and what else is to be known."""
    high = 54 + 18 * len(rows)
    sheet.panel(20, 384, 920, high)
    for x, word in ((40, "State"), (330, "Line"), (520, "The appliance reads")):
        sheet.text(x, 410, word, "heading")
    for number, row in enumerate(rows):
        for x, word in zip((40, 330, 520), row, strict=True):
            sheet.text(x, 432 + 18 * number, word)
    sheet.notes(384 + high + 12, *notes)


def contact() -> Sheet:
    """The door contact."""
    sheet = Sheet(
        "3. Door contact: is the leaf in its frame?",
        f"A Raspberry Pi's line {CONTACT.number} is joined to ground by a reed contact in the "
        "frame while the magnet on the leaf is near. A resistor of 1 kilo-ohm lies in the line "
        "inside the case, an ESD diode stands between the cable's wires, and 100 nanofarads "
        "between line and ground where the cable is longer than 3 metres. The chip pulls the line "
        "up.",
    )
    _input(sheet, CONTACT, 14, "At the top of the frame, lock side")
    sheet.wire("signal", (640, 180), (700, 180), (700, 205))
    sheet.wire("minus", (640, 290), (700, 290), (700, 265))
    sheet.contact(700, 205, held=True, upright=True, by="magnet")
    sheet.text(760, 192, "Reed contact", "pin")
    sheet.text(
        760, 212, ["in the frame, magnet", "on the leaf: joined", "while the door is", "closed"]
    )
    sheet.text(
        552,
        324,
        [
            "Drawn with the door closed. Opens when the leaf",
            "has moved by 1 to 2 cm. Not beside a magnet",
            "lock, whose field would hold it joined.",
        ],
    )
    _reads(
        sheet,
        [
            ("door closed", "low, 0.1 V", "closed"),
            ("door open", "high, 3.3 V", "open (contact_open: high)"),
            ("cable cut", "high, 3.3 V", "open: the alarm forced, or held_open in time"),
            ("cable's wires shorted", "low", "closed, always: hence the protected side"),
        ],
        f"door.contact_pin: {CONTACT.number}. A level counts after 60 ms. The chip pulls the line "
        "up itself; only a bare contact to ground may touch it, and never a wire of the 12 V "
        "circuit.",
    )
    return sheet


def leave() -> Sheet:
    """Request to exit: a button of two poles, and a motion sensor."""
    sheet = Sheet(
        "4. Request to exit: a button of two poles, and a motion sensor",
        f"A Raspberry Pi's line {EXIT.number} is joined to ground by the second pole of the push "
        "button, or by the normally open relay contact of a motion sensor beside it, through a "
        "resistor of 1 kilo-ohm in the case. The button's first pole is not in this drawing: it "
        "lies in the lock's own circuit. The chip pulls the line up.",
    )
    _input(sheet, EXIT, 20, "Inside, beside the door")
    sheet.wire("signal", (640, 180), (790, 180), (790, 205))
    sheet.wire("signal", (640, 180), (640, 205))
    sheet.wire("minus", (640, 290), (790, 290), (790, 265))
    sheet.wire("minus", (640, 290), (640, 265))
    sheet.dot("signal", 640, 180)
    sheet.dot("minus", 640, 290)
    sheet.contact(640, 205, upright=True, by="push")
    sheet.contact(790, 205, upright=True)
    sheet.text(600, 110, "Button, pole 2", "pin", "start")
    sheet.text(600, 130, ["normally open; pole 1", "feeds or cuts the lock"])
    sheet.text(772, 110, "Motion sensor", "pin")
    sheet.text(772, 130, ["its relay, closed", "while it sees"])
    sheet.text(826, 232, ["its supply", "comes on", "other wires"])
    sheet.text(
        552,
        330,
        [
            "For a magnet the code may also want the sensor's",
            "second relay contact in the magnet's own wire.",
        ],
    )
    _reads(
        sheet,
        [
            ("nobody leaves", "high, 3.3 V", "not pressed"),
            ("pressed, or seen", "low, 0.1 V", "pressed (request_to_exit_pressed: low): a pulse"),
            ("held, or still seen", "low", "one press: the next counts once it was let go"),
            ("cable cut", "high, 3.3 V", "not pressed: pole 1 still works"),
        ],
        f"door.request_to_exit_pin: {EXIT.number}. A level counts after 30 ms. What joins these "
        "two wires opens the door: cable, button and sensor belong inside, and the sensor must not "
        "see under the door.",
    )
    return sheet


def tamper() -> Sheet:
    """The tamper switch."""
    sheet = Sheet(
        "8. Tamper switch: is the lid on?",
        f"A Raspberry Pi's line {TAMPER.number} is joined to ground by a micro switch that the lid "
        "of the case presses. A resistor of 1 kilo-ohm lies in the line. The chip pulls the line "
        "up, so that an open lid and a cut wire read as tampering.",
    )
    _input(sheet, TAMPER, 25, "Under the lid, and behind the camera's plate")
    sheet.wire("signal", (640, 180), (700, 180), (700, 205))
    sheet.wire("minus", (640, 290), (700, 290), (700, 265))
    sheet.contact(700, 205, held=True, upright=True, by="push")
    sheet.text(760, 192, "Micro switch", "pin")
    sheet.text(
        760,
        212,
        [
            "joined while the lid",
            "presses it; a second",
            "one, in series, where",
            "the wall could be left",
        ],
    )
    sheet.text(552, 342, "Drawn with the lid on.")
    _reads(
        sheet,
        [
            ("lid on", "low, 0.1 V", "quiet"),
            ("lid off", "high, 3.3 V", "tampered with (tamper_alarm: high): the alarm tamper"),
            ("cable cut", "high, 3.3 V", "tampered with"),
        ],
        f"door.tamper_pin: {TAMPER.number}. A level counts after 100 ms. It raises an alarm and "
        "locks nothing. A switch held down with a blade reads as quiet: put it where the lid must "
        "be off first.",
    )
    return sheet
