"""What becomes of the lock when the service is killed or hangs, and when the machine starts.

The steps that break something give it back: a process that was stopped in its tracks is let go on
when nothing has ended it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from appliance import assemble
from appliance.acceptance.judging import RELEASING
from appliance.acceptance.values import Mark
from appliance.config import Config
from appliance.control.client import STATUS_S, Client
from appliance.control.words import Status
from appliance.errors import DaemonUnreachableError, HardwareError
from appliance.inspection import log
from appliance.inspection.systemd import Systemd
from appliance.store.store import Store

_EVERY_S: Final = 0.1
# So far into the pulse it is killed, at most: the relay has clicked, and most is still to come.
_INTO_PULSE_S: Final = 1.0
_SHARE_OF_PULSE: Final = 0.3
# From a crash to an answer takes the start of the service; small boards take their time.
COMES_BACK_S: Final = 90.0
# struct ucred of unix(7): process, user, group.
_UCRED: Final = struct.Struct("3i")


def answers(client: Client) -> Status | None:
    """How the service does; None while it does not answer."""
    try:
        return client.status()
    except DaemonUnreachableError:
        return None


def awaited(client: Client, wait_s: float, *, running: bool) -> Status | None:
    """Wait until the service answers, or does not any more; how it does, or None."""
    clock = assemble.clock()
    latest = clock.monotonic() + wait_s
    while True:
        status = answers(client)
        if (status is not None) is running or clock.monotonic() > latest:
            return status
        clock.sleep(_EVERY_S)


def process(client: Client) -> int:
    """The service's process, as the kernel knows who listens on the socket.

    HardwareError where the service names another: what it says alone is no reason for root to
    signal a process.
    """
    named = client.status().pid
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.settimeout(STATUS_S)
        try:
            asked.connect(os.fspath(client.path))
            peer = asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        except OSError as error:
            raise DaemonUnreachableError(f"No service answers on {client.path}.") from error
    listens, _, _ = _UCRED.unpack(peer)
    if named != listens:
        raise HardwareError(
            f"The service says that it is process {named}, and process {listens} listens on "
            f"{client.path}.",
            hint="Neither is sent a signal. See with `ss -xlp` who that is.",
            code="strange_process",
        )
    return named


def kill(
    config: Config, client: Client, systemd: Systemd, release: Callable[[], None]
) -> dict[str, Any]:
    """Kill the service in a pulse. release: has it release the lock, recorded before.

    off_after_s: from the kill until the line was at rest, as far as something tells: the helper's
    line in the journal, or the simulated lock's own. Raises what the service raises.
    """
    clock, pid = assemble.clock(), process(client)
    release()
    clock.sleep(min(config.door.pulse_s * _SHARE_OF_PULSE, _INTO_PULSE_S))
    began = clock.monotonic()
    _signal(pid, signal.SIGKILL)
    back = _another(client, pid)
    said = systemd.helper_said(began)
    off = None if said is None else said[0]
    if config.door.driver == "simulated":
        rest = "unlocked" if config.door.fail == "safe" else "locked"
        off = _simulated_rest(assemble.location(config).simulated_lock_journal, began, rest) or off
    return {
        "off_after_s": None if off is None else round(off - began, 2),
        "helper": None if said is None and not systemd.there else said is not None,
        "back_after_s": _since(began) if back else None,
        "door": back.door.state if back else None,
    }


def watchdog(client: Client, systemd: Systemd) -> dict[str, Any]:
    """Stop the service in its tracks, and wait until it is ended and started again."""
    pid, allowed = process(client), systemd.watchdog_s()
    facts = {"watchdog_s": allowed, "back_after_s": None, "door": None}
    if not allowed:
        return facts
    began = assemble.clock().monotonic()
    with _halted(pid):
        back = _another(client, pid, COMES_BACK_S + allowed)
    if back is None:
        return facts
    return facts | {"back_after_s": _since(began), "door": back.door.state}


def boot(client: Client, systemd: Systemd, store: Store, mark: Mark) -> dict[str, Any]:
    """How the machine came up since `mark`: by itself, locked, and with a log that holds."""
    clock = assemble.clock()
    status = awaited(client, COMES_BACK_S, running=True)
    released = [it for it in log.since(store, mark.record) if it.event in RELEASING]
    return {
        "restarted": clock.boot != mark.boot,
        "uptime_s": round(clock.monotonic()),
        "service_up_s": None if status is None else round(status.uptime_s),
        "running": status is not None,
        "door": None if status is None else status.door.state,
        "released": [it.number for it in released],
        "chain_breaks_at": store.audit.first_bad(),
        "machine_watchdog": systemd.machine_watchdog(),
    }


def wall_clock(mark: Mark) -> dict[str, Any]:
    """What the clock says of itself after a start without a network."""
    clock = assemble.clock()
    return {
        "restarted": clock.boot != mark.boot,
        "uptime_s": round(clock.monotonic()),
        "says": clock.now().isoformat(timespec="seconds"),
        "trusted": clock.trusted(),
    }


def _another(client: Client, pid: int, wait_s: float = COMES_BACK_S) -> Status | None:
    """Wait for a service that is another process."""
    clock = assemble.clock()
    latest = clock.monotonic() + wait_s
    while clock.monotonic() < latest:
        # One that hangs answers after its time-out; one that has just died not at all.
        status = answers(client)
        if status is not None and status.pid != pid:
            return status
        clock.sleep(_EVERY_S)
    return None


def _since(began: float) -> float:
    return round(assemble.clock().monotonic() - began, 1)


@contextmanager
def _halted(pid: int) -> Iterator[None]:
    _signal(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    """Raises HardwareError where this user may not, or there is no such process any more."""
    if pid <= 1:  # kill(2): 0 and below are groups of processes, or all
        raise HardwareError(f"{pid} is no process of the service.", code="strange_process")
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError) as error:
        raise HardwareError(
            f"The service (process {pid}) cannot be sent {number.name}: {error.strerror}.",
            hint="Run the acceptance as root, or as the user of the service.",
            code="no_signal",
        ) from error


def _simulated_rest(journal: Path, began: float, rest: str) -> float | None:
    """When the simulated lock was first told to rest after that moment."""
    with suppress(OSError, ValueError, KeyError):
        for line in journal.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if entry["at"] >= began and entry["state"] == rest:
                return float(entry["at"])
    return None
