"""The system's clocks as the port Clock, and whether the wall clock can be believed.

Most boards at a door have no battery for their clock: after a power cut they start in 1970, or
at the time of the last shutdown, and are right only once a time server has answered. The kernel
knows when a time daemon has brought its clock in step (adjtimex(2), STA_UNSYNC); systemd's own
daemon also leaves a file, which can be read where a service may not make that call.
"""

from __future__ import annotations

import ctypes
import os
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Final

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
# Touched by systemd-timesyncd whenever a time server has answered; gone after a restart.
SYNCHRONIZED: Final = Path("/run/systemd/timesync/synchronized")
# No appliance of this kind was at a door before: an earlier year is a clock that was never set.
EARLIEST_YEAR: Final = 2026

_STA_UNSYNC: Final = 0x0040
# More than struct timex takes on any platform (208 bytes on the 64-bit ones).
_TIMEX_BYTES: Final = 512


class SystemClock:
    """Real time. The twin that tests move by hand is `tests/fakes.py`.

    boot_id, synchronized: the system's files of that name. in_step: whether the kernel says that
    a time daemon keeps its clock.
    """

    def __init__(
        self,
        *,
        boot_id: Path = BOOT_ID,
        synchronized: Path = SYNCHRONIZED,
        in_step: Callable[[], bool] | None = None,
    ) -> None:
        self._boot, self._origin = _boot(boot_id)
        self._synchronized = synchronized
        self._in_step = in_step or kernel_is_in_step

    @property
    def boot(self) -> str:
        """The kernel's id of this boot; where that is hidden, another text for each process."""
        return self._boot

    def trusted(self) -> bool:
        """True when a time server has set the wall clock since the machine started."""
        if self.now().year < EARLIEST_YEAR:
            return False
        return os.path.exists(self._synchronized) or self._in_step()  # noqa: PTH110 - Path.exists() raises where it may not look

    def monotonic(self) -> float:
        """Seconds since `boot` began; never goes back."""
        return time.monotonic() - self._origin

    def now(self) -> datetime:
        """The wall clock, aware, UTC; may jump when it is set."""
        return datetime.now(timezone.utc)

    def sleep(self, seconds: float) -> None:
        """Wait; a time that has passed already is no wait."""
        if seconds > 0:
            time.sleep(seconds)


def _boot(path: Path) -> tuple[str, float]:
    """(which boot this is, the kernel's monotonic seconds when it began)."""
    try:
        known = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        known = ""
    return (known, 0.0) if known else _this_process()


@cache
def _this_process() -> tuple[str, float]:
    """Stands for the boot where boots cannot be told apart, as in a strange container.

    Two must never be taken for one; and what happened before this process may have happened
    since the kernel started, so that its seconds say nothing of how long ago it was.
    """
    return f"process {uuid.uuid4()}", time.monotonic()


def kernel_is_in_step() -> bool:
    """Whether the kernel's clock is disciplined by a time daemon; False where it cannot be asked.

    adjtimex(2) with no modes set reads only, and needs no privilege. Of struct timex no more is
    needed than that `status` follows one int (padded) and four longs, on every Linux.
    """
    library = ctypes.CDLL(None, use_errno=True)
    call = getattr(library, "adjtimex", None)
    if call is None:
        return False
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    if call(timex) < 0:  # a service that may not touch the clock
        return False
    status = ctypes.c_int.from_buffer(timex, 5 * ctypes.sizeof(ctypes.c_long))
    return not status.value & _STA_UNSYNC
