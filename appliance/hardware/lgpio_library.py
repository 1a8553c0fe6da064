"""The library lgpio: what is used of it, and how it is imported without its side effects.

Apart from the pins, which need gpiozero: what locks after a crash must start quickly.
"""

from __future__ import annotations

import os
import tempfile
from types import ModuleType
from typing import Any, Protocol, cast

from appliance.errors import LockError


class Lgpio(Protocol):
    """What is used of the module `lgpio`; functions raise `error` on failure."""

    @property
    def error(self) -> type[Exception]:
        """What lgpio raises: a text, no number."""
        ...

    def gpiochip_open(self, gpiochip: int) -> int:
        """Open /dev/gpiochipN and return a handle."""
        ...

    def gpiochip_close(self, handle: int) -> int:
        """Give the chip and all its claimed lines back."""
        ...

    def gpio_get_chip_info(self, handle: int) -> list[Any]:
        """[status, lines, name, label]."""
        ...

    def gpio_get_line_info(self, handle: int, gpio: int) -> list[Any]:
        """[status, line, flags, name, user]."""
        ...

    def gpio_claim_output(self, handle: int, gpio: int, level: int, lFlags: int) -> int:  # noqa: N803 - lgpio's own name
        """Claim a line as output at this level."""
        ...

    def gpio_claim_input(self, handle: int, gpio: int, lFlags: int) -> int:  # noqa: N803 - likewise
        """Claim a line as input with this resistor."""
        ...

    def gpio_write(self, handle: int, gpio: int, level: int) -> int:
        """Set the level."""
        ...

    def gpio_read(self, handle: int, gpio: int) -> int:
        """The level on the line."""
        ...

    def gpio_free(self, handle: int, gpio: int) -> int:
        """Give one line back."""
        ...


def import_lgpio() -> Lgpio:
    """The module lgpio. Raises LockError when it is not installed.

    Importing it puts a FIFO named .lgd-nfy0 into the working folder, fails where that folder is
    read-only (a service's usually is) and obeys LG_WD by changing the folder for good. So it is
    imported inside a folder that is removed again; both ends of the FIFO are open by then.
    """
    before = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        with tempfile.TemporaryDirectory(prefix="appliance-lgpio-") as folder:
            os.chdir(folder)
            try:
                return cast("Lgpio", _lgpio_module())
            finally:
                os.fchdir(before)
    except ImportError as error:
        raise LockError(
            f"The lock's driver lgpio is not installed: {error}.",
            hint="`pip install lgpio` up to Python 3.12; on 3.13 `apt install python3-lgpio` and "
            "a virtual environment made with --system-site-packages.",
        ) from error
    finally:
        os.close(before)


def _lgpio_module() -> ModuleType:
    import lgpio  # has effects, see import_lgpio

    return cast("ModuleType", lgpio)
