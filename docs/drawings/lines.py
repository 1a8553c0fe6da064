"""Which line of a Raspberry Pi's header the drawings give to what.

The numbers are examples: the configuration has no default line. Each stands here once, and the
drawings, the pages and the test take it from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# The header's pins by BCM number; physical numbering, pin 1 at the corner of the board.
PINS: Final[dict[int, int]] = {
    0: 27, 1: 28, 2: 3, 3: 5, 4: 7, 5: 29, 6: 31, 7: 26, 8: 24, 9: 21, 10: 19, 11: 23, 12: 32,
    13: 33, 14: 8, 15: 10, 16: 36, 17: 11, 18: 12, 19: 35, 20: 38, 21: 40, 22: 15, 23: 16, 24: 18,
    25: 22, 26: 37, 27: 13,
}  # fmt: skip
SUPPLY_PINS: Final[dict[int, str]] = {
    1: "3.3 V", 2: "5 V", 4: "5 V", 6: "GND", 9: "GND", 14: "GND", 17: "3.3 V", 20: "GND",
    25: "GND", 30: "GND", 34: "GND", 39: "GND",
}  # fmt: skip
# At reset the chip pulls these up and all others down (BCM2835 and BCM2711 ARM Peripherals, tables
# of alternative functions, column "Pull").
PULLED_UP: Final = frozenset(range(9))
# What else the board or its system may use a line for.
OTHER_USES: Final[dict[int, str]] = {
    0: "HAT's memory", 1: "HAT's memory", 2: "I2C, 1.8 kΩ up", 3: "I2C, 1.8 kΩ up",
    4: "1-Wire", 7: "SPI", 8: "SPI", 9: "SPI", 10: "SPI", 11: "SPI", 14: "serial console",
    15: "serial console",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """key: of the configuration. number: BCM. short: what the header's drawing calls it."""

    key: str
    number: int
    short: str

    @property
    def pin(self) -> int:
        """The header's pin."""
        return PINS[self.number]

    @property
    def pulled_up(self) -> bool:
        """Whether the chip pulls the line up before anybody uses it."""
        return self.number in PULLED_UP


RELAY: Final = Line("door.pin", 17, "relay")
CONTACT: Final = Line("door.contact_pin", 23, "door contact")
EXIT: Final = Line("door.request_to_exit_pin", 24, "request to exit")
TAMPER: Final = Line("door.tamper_pin", 25, "tamper switch")
READY: Final = Line("feedback.ready_led_pin", 12, "ready lamp")
GRANTED: Final = Line("feedback.granted_led_pin", 16, "granted lamp")
DENIED: Final = Line("feedback.denied_led_pin", 13, "denied lamp")
BUZZER: Final = Line("feedback.buzzer_pin", 19, "buzzer")
ROWS: Final = tuple(
    Line("claims.keypad_rows", number, f"keypad row {place}")
    for place, number in enumerate((5, 6, 20, 21), start=1)
)
COLUMNS: Final = tuple(
    Line("claims.keypad_columns", number, f"keypad col. {place}")
    for place, number in enumerate((27, 22, 26, 18), start=1)
)
OUTPUTS: Final = (RELAY, READY, GRANTED, DENIED, BUZZER)
INPUTS: Final = (CONTACT, EXIT, TAMPER)
ALL: Final = (*OUTPUTS, *INPUTS, *ROWS, *COLUMNS)

# What the drawings say of resistors, and why, is in docs/hardware/lines.md.
PULL_DOWN: Final = "10 kΩ"
SERIES: Final = "1 kΩ"
LAMP_SERIES: Final = "330 Ω"
BASE_SERIES: Final = "1 kΩ"
