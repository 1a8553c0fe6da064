"""Takes the current off a relay whose program is gone, with as little as that needs.

Kernels of some boards keep the level of a line when the process dies that held it: a service
that was killed inside a pulse leaves its relay energised. No gpiozero here, for it must be quick.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from appliance.errors import LockError
from appliance.hardware.lgpio_library import Lgpio
from appliance.hardware.lock_journal import LockJournal


def de_energise(chip: int, pin: int, lgpio: Lgpio, *, active_high: bool) -> None:
    """Claim the line at the level without current, read it back, and give it back.

    chip: N of /dev/gpiochipN. pin: the line's number on it. Raises LockError.
    """
    idle = 0 if active_high else 1
    name = f"line {pin} of /dev/gpiochip{chip}"
    handle = _told(f"/dev/gpiochip{chip} could not be opened", lgpio, lgpio.gpiochip_open, chip)
    try:
        _told(f"{name} could not be claimed", lgpio, lgpio.gpio_claim_output, handle, pin, idle, 0)
        level = _told(f"{name} could not be read", lgpio, lgpio.gpio_read, handle, pin)
    finally:
        # Given back with the chip, never turned into an input: the kernel keeps the level, or
        # lets go of the line where it was told to (strict_gpiod).
        with suppress(lgpio.error):
            lgpio.gpiochip_close(handle)
    if level != idle:
        raise LockError(
            f"{name} was set to {idle} and still reads {level}: the relay may hold.",
            hint="Look for a short on the line, or another program that drives it.",
        )


def rest(journal: Path, *, fail_safe: bool) -> None:
    """The same for a simulated lock: write down that it has no current. Raises LockError."""
    written = LockJournal(journal)
    try:
        written.append(
            at=time.monotonic(),
            wall=datetime.now(timezone.utc).isoformat(),
            state="unlocked" if fail_safe else "locked",
            cause="last resort",
        )
    finally:
        written.close()


def _told(failing: str, lgpio: Lgpio, call: Callable[..., int], *arguments: int) -> int:
    try:
        return call(*arguments)
    except lgpio.error as error:
        raise LockError(
            f"{failing[0].upper()}{failing[1:]}: {error}.",
            hint="`gpioinfo` tells who holds the line; a timer relay ends the pulse.",
        ) from error
