"""A matrix keypad on GPIO lines: rows that are pulled low in turn, columns that are read.

Rows are open drains: a row is pulled low or left alone, never driven high, so that two keys in
one column short nothing. Columns are pulled up by the chip. At rest all rows are low and only
the columns are read; which key it is, is asked when one of them is low.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from appliance.errors import ConfigError, LockError
from appliance.ports import Clock

# Row by row from the top, as keypads of three and of four columns are printed.
LAYOUT: Final = ("123A", "456B", "789C", "*0#D")
# Seconds that contacts must agree for; a finger is longer on a key than twice that.
HOLD_S: Final = 0.02
# Seconds between two scans while a key is down, and while none is.
SCAN_S: Final = 0.01
REST_S: Final = 0.03
# After a line has failed, seconds until it is tried again.
RETRY_S: Final = 1.0
# With three keys down a fourth seems to be; with two that cannot happen.
_MOST: Final = 2


@dataclass(frozen=True)
class Held:
    """keys: what counts as held down; candidate: what was seen last, and since when (seconds)."""

    keys: frozenset[str] = frozenset()
    candidate: frozenset[str] = frozenset()
    since: float = 0.0


def scanned(before: Held, down: frozenset[str], now: float) -> tuple[Held, str | None]:
    """One scan: what is held now, and the key that has just been pressed, if one has.

    Several that come down together, or a third, count as none.
    """
    if down != before.candidate:
        return Held(before.keys, down, now), None
    if down == before.keys or now - before.since < HOLD_S:
        return before, None
    new = down - before.keys
    pressed = next(iter(new)) if len(new) == 1 and len(down) <= _MOST else None
    return Held(down, down, before.since), pressed


class MatrixKeypad:
    """The keys on the lines of a gpiozero pin factory, which it owns and closes.

    rows, columns: lines, from the top and from the left. Raises LockError when a line cannot be
    claimed, ConfigError for a keypad of more keys than are known.
    """

    def __init__(
        self, rows: Sequence[int], columns: Sequence[int], factory: Any, clock: Clock
    ) -> None:
        self._factory = factory
        self._clock = clock
        self._held = Held()
        self._rows: list[Any] = []
        self._columns: list[Any] = []
        self.trouble = ""
        try:
            _check(rows, columns)
            self._claim(rows, columns)
        except BaseException:
            self.close()
            raise

    def next_key(self, timeout: float) -> str | None:
        """The next key, or None after `timeout` seconds; what fails is told by `trouble`."""
        end = self._clock.monotonic() + timeout
        while True:
            try:
                down = self._down()
            except LockError as error:
                self.trouble, self._held = f"The keypad: {error.message}", Held()
                self._clock.sleep(min(RETRY_S, timeout))
                return None
            self.trouble = ""
            now = self._clock.monotonic()
            self._held, key = scanned(self._held, down, now)
            if key is not None:
                return key
            if now >= end:
                return None
            pause = SCAN_S if down or self._held.keys else REST_S
            self._clock.sleep(min(pause, end - now))

    def close(self) -> None:
        """Give the lines and the chip back; may be called twice."""
        with ExitStack() as stack:
            stack.callback(self._factory.close)
            for pin in (*self._rows, *self._columns):
                stack.callback(pin.close)
        self._rows.clear()
        self._columns.clear()

    def _claim(self, rows: Sequence[int], columns: Sequence[int]) -> None:
        for line in columns:
            pin = self._factory.pin(line)
            pin.function = "input"
            self._columns.append(pin)
            pin.pull = "up"
        for line in rows:
            pin = self._factory.pin(line)
            # First left alone, which is also how a line is given back.
            pin.open_drain_with_state(1)
            self._rows.append(pin)
            pin.state = 0

    def _down(self) -> frozenset[str]:
        """Which keys connect their row with their column now. Raises LockError."""
        if not self._columns or all(pin.state for pin in self._columns):
            return frozenset()
        found = set()
        for pin in self._rows:
            pin.state = 1
        for row, pin in enumerate(self._rows):
            pin.state = 0
            found |= {
                LAYOUT[row][number]
                for number, column in enumerate(self._columns)
                if not column.state
            }
            pin.state = 1
        for pin in self._rows:
            pin.state = 0
        return frozenset(found)


def open_matrix_keypad(
    chip: int | str, rows: Sequence[int], columns: Sequence[int], clock: Clock
) -> MatrixKeypad:
    """The real keypad on lines of a chip, by number or label. Raises LockError, ConfigError."""
    try:
        from appliance.hardware import pins  # only who reads a line pays for it
    except ImportError as error:
        raise LockError(
            f"The library gpiozero is not installed: {error}.",
            hint="`pip install gpiozero`, or run install.sh again.",
        ) from error
    return MatrixKeypad(rows, columns, pins.ChipFactory(chip, pins.import_lgpio()), clock)


def _check(rows: Sequence[int], columns: Sequence[int]) -> None:
    if not (len(rows) == len(LAYOUT) and len(columns) in {3, 4}):
        raise ConfigError(
            f"A matrix keypad has 4 rows and 3 or 4 columns, not {len(rows)} and {len(columns)}.",
            hint="List the lines in claims.keypad_rows and claims.keypad_columns.",
            code="bad_keypad",
        )
    if len({*rows, *columns}) != len(rows) + len(columns):
        raise ConfigError(
            "A line stands twice in claims.keypad_rows and claims.keypad_columns.",
            hint="Each row and each column has a line of its own.",
            code="bad_keypad",
        )
