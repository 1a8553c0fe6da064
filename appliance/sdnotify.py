"""systemd's notification protocol: what a service tells the manager that started it.

Datagrams of `NAME=value` lines to the socket that NOTIFY_SOCKET names; sd_notify(3) lists the
names. Without that variable nothing is sent, so that the same daemon runs in a terminal.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping

from appliance.ports import Clock

# Seconds. A manager that reads nothing must not keep the door waiting.
_SEND_TIMEOUT = 1.0
# systemd advises to report at half the limit; one report may then be late or lost.
_REPORTS_PER_LIMIT = 3
# Seconds that the next step of a start may take, from the one before on.
STEP_S = 60.0
# Characters of a status; longer ones are cut by whoever shows them.
_LONGEST_STATUS = 200

_LOG = logging.getLogger(__name__)


class ServiceManager:
    """The manager that started this process, or nobody.

    address: of a Unix datagram socket, `@` first for an abstract one; None: nobody listens.
    watchdog_s: within how many seconds `alive` must be told again and again; None: never.
    Nothing here raises: a manager that cannot be reached is no reason to stop the door.
    """

    def __init__(self, address: str | None, clock: Clock, watchdog_s: float | None = None) -> None:
        self._address = address
        self._clock = clock
        self.watchdog_s = watchdog_s
        self._steps: set[str] = set()
        self._ready = False

    @classmethod
    def of(cls, environment: Mapping[str, str], clock: Clock, *, pid: int) -> ServiceManager:
        """The one that the environment names to the process `pid`."""
        address = environment.get("NOTIFY_SOCKET") or None
        if address is not None and not address.startswith(("/", "@")):
            _LOG.warning("NOTIFY_SOCKET names no Unix socket, so nobody is told of the start.")
            address = None
        return cls(address, clock, _watchdog_s(environment, pid))

    @property
    def listens(self) -> bool:
        """True when somebody is told."""
        return self._address is not None

    @property
    def alive_every_s(self) -> float | None:
        """How often to call `alive`, in seconds; None where nobody waits for it."""
        return None if self.watchdog_s is None else self.watchdog_s / _REPORTS_PER_LIMIT

    def ready(self, status: str) -> bool:
        """The start, or a reload, has ended: everything serves. False when it was not told."""
        self._ready = True
        return self._tell("READY=1", _status(status))

    def advanced(self, step: str) -> bool:
        """A step of the start is done, and the next may take STEP_S from now on.

        step: its name, which `systemctl status` shows. Each counts once: a start that goes round in
        circles is ended like one that hangs. After `ready` none counts, for it would put off the
        watchdog as well. False when it was not told.
        """
        if self._ready or step in self._steps:
            return False
        self._steps.add(step)
        more = int(STEP_S * 1_000_000)
        return self._tell(f"EXTEND_TIMEOUT_USEC={more}", _status(f"Starting: {step}."))

    def reloading(self, status: str) -> bool:
        """The configuration is being read anew; `ready` ends it, also when it was refused."""
        # By this time systemd (253 and later) tells the answer to its own request from others.
        at = int(self._clock.monotonic() * 1_000_000)
        return self._tell("RELOADING=1", f"MONOTONIC_USEC={at}", _status(status))

    def stopping(self, status: str) -> bool:
        """The end has begun."""
        return self._tell("STOPPING=1", _status(status))

    def status(self, text: str) -> bool:
        """One line for `systemctl status`."""
        return self._tell(_status(text))

    def alive(self) -> bool:
        """Feed the watchdog. Only for who has seen that every task makes progress."""
        return self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> bool:
        if self._address is None:
            return False
        # A leading `@` stands for the zero byte of an abstract socket's name.
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        try:
            # A socket each time: a manager that was executed anew listens on a new one.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as outgoing:
                outgoing.settimeout(_SEND_TIMEOUT)
                outgoing.sendto("\n".join(lines).encode(errors="replace"), address)
        except OSError as error:
            _LOG.warning("The service manager could not be told %s: %s.", lines[0], error)
            return False
        return True


def _status(text: str) -> str:
    # A line break would begin another message: a name or a path must not say READY=1.
    plain = "".join(char if char.isprintable() else " " for char in text)
    return f"STATUS={plain[:_LONGEST_STATUS]}"


def _watchdog_s(environment: Mapping[str, str], pid: int) -> float | None:
    """sd_watchdog_enabled(3): None unless a limit is set, and set for this process."""
    limit = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID", str(pid))
    if not (limit.isascii() and limit.isdigit()) or int(limit) == 0 or meant_for != str(pid):
        return None
    return int(limit) / 1_000_000
