"""gpiozero's pins over lgpio, for any board whose kernel offers /dev/gpiochipN.

gpiozero's own LGPIOFactory asks for a Raspberry Pi revision even when a chip is named, and it
claims an output at level 0 before it writes the wanted one: a pulse on an active-low relay.
Here the chip is named by its number, the pins are the lines that the kernel counts, and a line
is claimed together with its first level in one request. Levels are electric: gpiozero's device
inverts for an active-low relay, the kernel's own inversion stays out of it, so that the level
claimed, written and read back is what a meter shows.

An input is claimed as soon as it is one, and again with its pull resistor: the kernel takes a
line's resistor only with a claim. Inputs are read when somebody asks; there are no edges to wait
for, so that nothing here runs on a thread of its own.

Import this module only to drive a real line: it needs gpiozero.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from gpiozero.exc import PinFixedPull, PinInvalidFunction, PinInvalidPull, PinSetInput
from gpiozero.pins import Factory, Pin, PinInfo

from appliance.errors import LockError
from appliance.hardware.chips import DEVICES, chip_number, label_of
from appliance.hardware.lgpio_library import Lgpio, import_lgpio

# Who drives a line needs the library as well as its pins.
__all__ = ["ChipBoard", "ChipFactory", "ChipPin", "Lgpio", "import_lgpio"]

# lgpio's flags for the resistor inside the chip.
_PULLS = {"up": 32, "down": 64, "floating": 128}
# And for an output that is never driven high.
_OPEN_DRAIN = 8


class ChipFactory(Factory):  # type: ignore[misc]  # gpiozero ships no types
    """The lines of one GPIO chip as gpiozero pins.

    chip: N of /dev/gpiochipN, or the chip's label. lgpio: the module, or a twin of it. devices:
    where chips live. ask: tells the label of a chip's device.
    Raises LockError when the chip cannot be opened.
    """

    def __init__(
        self,
        chip: int | str,
        lgpio: Lgpio,
        *,
        devices: Path = DEVICES,
        ask: Callable[[Path], str] = label_of,
    ) -> None:
        super().__init__()
        self._lgpio = lgpio
        number = chip_number(chip, devices, ask)
        self._path = devices / f"gpiochip{number}"
        self._pins: dict[int, ChipPin] = {}
        self._handle: int | None = None
        try:
            self._handle = lgpio.gpiochip_open(number)
            _, lines, _, label = lgpio.gpio_get_chip_info(self._handle)
        except lgpio.error as error:
            self.close()
            raise _chip_error(self._path, error) from error
        self._board = ChipBoard(str(label), int(lines))
        if isinstance(chip, str) and self._board.description != chip:
            self.close()
            raise LockError(
                f"{self._path} was {chip!r} and is {self._board.description!r} now: chips come "
                "and go.",
                hint="Try again.",
            )

    def pin(self, name: object) -> ChipPin:
        """The pin of a line, by number or name. LockError when the chip has no such line."""
        info = self._board.info(name)
        if info is None:
            raise LockError(
                f"{self._path} ({self._board.description}) has {self._board.lines} lines, "
                f"so there is no line {name}.",
                hint=f"Choose a line from 0 to {self._board.lines - 1}, or set door.chip to the "
                "chip that has the line; `gpioinfo` lists them.",
            )
        number = int(info.number)
        if number not in self._pins:
            self._pins[number] = ChipPin(self, info, self._lgpio, self._open_handle(), self._path)
        return self._pins[number]

    def close(self) -> None:
        """Give all lines and the chip back; may be called twice."""
        for pin in self._pins.values():
            pin.close()
        self._pins.clear()
        if self._handle is not None:
            handle, self._handle = self._handle, None
            self._lgpio.gpiochip_close(handle)

    def ticks(self) -> float:
        """Seconds, monotonic."""
        return time.monotonic()

    def ticks_diff(self, later: float, earlier: float) -> float:
        """Seconds between two `ticks`."""
        return later - earlier

    def _open_handle(self) -> int:
        if self._handle is None:
            raise LockError(f"{self._path} has been closed.", hint="Open it anew.")
        return self._handle

    def _get_board_info(self) -> ChipBoard:
        return self._board


class ChipBoard:
    """What gpiozero asks of a board, for a chip of which only the lines are known."""

    def __init__(self, description: str, lines: int) -> None:
        self.description = description
        self.lines = lines

    def find_pin(self, name: object) -> Iterator[tuple[ChipBoard, PinInfo]]:
        """(header, pin) of each pin of that name: one or none."""
        info = self.info(name)
        if info is not None:
            yield self, info

    def info(self, name: object) -> PinInfo | None:
        """The description of line 17 for 17, "17" or "GPIO17"; None where there is none."""
        digits = str(name).removeprefix("GPIO")
        if not (digits.isascii() and digits.isdigit()) or int(digits) >= self.lines:
            return None
        number = int(digits)
        return PinInfo(
            number=number,
            name=f"GPIO{number}",
            names=frozenset({number, str(number), f"GPIO{number}"}),
            pull="",
            row=number + 1,
            col=1,
            interfaces=frozenset({"gpio"}),
        )


class ChipPin(Pin):  # type: ignore[misc]  # gpiozero ships no types
    """One line; claims nothing until it is told its first level, or to be an input."""

    def __init__(
        self, factory: ChipFactory, info: PinInfo, lgpio: Lgpio, handle: int, path: Path
    ) -> None:
        super().__init__()
        self._factory = factory
        self._info = info
        self._lgpio = lgpio
        self._handle = handle
        self._number = int(info.number)
        self._path = path
        self._first: int | None = None
        self._pull: str | None = None

    def __repr__(self) -> str:
        return str(self._info.name)

    @property
    def factory(self) -> ChipFactory:
        """The chip that the line belongs to."""
        return self._factory

    def output_with_state(self, state: object) -> None:
        """Claim the line as an output at this level, in one request. Raises LockError."""
        self._claim_output(int(bool(state)), flags=0)

    def open_drain_with_state(self, state: object) -> None:
        """The same for a line that is pulled low (0) or left alone (1), and never driven high."""
        self._claim_output(int(bool(state)), flags=_OPEN_DRAIN)

    def close(self) -> None:
        """Return an output to its first level and give the line back without making it an input.

        Kernels that keep the level of a freed line then keep the lock at rest, also when a lock
        is dropped without being closed. May be called twice.
        """
        claimed = self._first is not None or self._pull is not None
        level, self._first, self._pull = self._first, None, None
        if level is not None:
            with contextlib.suppress(self._lgpio.error):
                self._lgpio.gpio_write(self._handle, self._number, level)
        if claimed:
            with contextlib.suppress(self._lgpio.error):
                self._lgpio.gpio_free(self._handle, self._number)

    def _get_info(self) -> PinInfo:
        return self._info

    def _get_function(self) -> str:
        return "input" if self._first is None else "output"

    def _set_function(self, value: str) -> None:
        if value != "input":
            raise PinInvalidFunction(
                f"{self!r} cannot become {value!r} without a level: use output_with_state"
            )
        if self._first is not None:
            raise PinInvalidFunction(f"{self!r} is claimed as an output")
        self._claim_input("floating")

    def _get_pull(self) -> str:
        return self._pull or "floating"

    def _set_pull(self, value: str) -> None:
        if value not in _PULLS:
            raise PinInvalidPull(f"{self!r} has no pull {value!r}: one of {', '.join(_PULLS)}")
        if self._pull is None:
            raise PinFixedPull(f"{self!r} is not claimed as an input")
        self._claim_input(value)

    def _claim_output(self, level: int, *, flags: int) -> None:
        if self._pull is not None:
            raise PinInvalidFunction(f"{self!r} is claimed as an input")
        try:
            self._lgpio.gpio_claim_output(self._handle, self._number, level, flags)
        except self._lgpio.error as error:
            raise self._claim_error(error) from error
        self._first = level

    def _claim_input(self, pull: str) -> None:
        # A line that is claimed keeps the resistor that it was claimed with.
        if self._pull is not None:
            self.close()
        try:
            self._lgpio.gpio_claim_input(self._handle, self._number, _PULLS[pull])
        except self._lgpio.error as error:
            raise self._claim_error(error) from error
        self._pull = pull

    def _get_state(self) -> int:
        try:
            return self._lgpio.gpio_read(self._handle, self._number)
        except self._lgpio.error as error:
            raise self._failed("read", error) from error

    def _set_state(self, value: object) -> None:
        if self._first is None:
            raise PinSetInput(f"{self!r} is not claimed as an output")
        try:
            self._lgpio.gpio_write(self._handle, self._number, int(bool(value)))
        except self._lgpio.error as error:
            raise self._failed("written", error) from error

    def _failed(self, what: str, error: Exception) -> LockError:
        return LockError(
            f"Line {self._number} of {self._path} could not be {what}: {error}.",
            hint="Check that the chip is still there (`gpiodetect`) and see the kernel's log.",
        )

    def _claim_error(self, error: Exception) -> LockError:
        if "busy" not in str(error).lower():
            return self._failed("claimed", error)
        user = self._user()
        return LockError(
            f"Line {self._number} of {self._path} is in use{f' by {user!r}' if user else ''}.",
            hint="Stop what holds it (`gpioinfo` tells), or choose another line; two settings "
            "cannot share one.",
        )

    def _user(self) -> str:
        """Who claimed the line, as the kernel tells; empty when it does not."""
        with contextlib.suppress(self._lgpio.error):
            user = self._lgpio.gpio_get_line_info(self._handle, self._number)[4]
            return user.decode(errors="replace") if isinstance(user, bytes) else str(user)
        return ""


def _chip_error(path: Path, error: Exception) -> LockError:
    """Why the chip did not open: lgpio keeps the errno to itself, so ask the kernel again."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as reason:
        if reason.errno in {errno.ENOENT, errno.ENXIO, errno.ENODEV}:
            return LockError(
                f"The GPIO chip {path} does not exist.",
                hint=f"Set door.chip to one that does: {_chips(path.parent)}.",
            )
        if reason.errno in {errno.EACCES, errno.EPERM}:
            return LockError(
                f"This user may not use the GPIO chip {path}.",
                hint="Add the user to the group gpio: `sudo usermod -aG gpio USER`, then log in "
                "again.",
            )
        error = reason
    return LockError(
        f"The GPIO chip {path} cannot be opened: {error}.",
        hint="`gpiodetect` lists the chips; set door.chip to the one that the relay hangs on.",
    )


def _chips(devices: Path) -> str:
    return ", ".join(sorted(path.name for path in devices.glob("gpiochip*"))) or "there is none"
