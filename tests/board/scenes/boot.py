"""Boot: nobody drives the relay's line, the service is ready, both watchdogs are armed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from tests.board.board import Board
from tests.board.evidence import Evidence, Said, json_of, properties, read
from tests.board.host import BoardError
from tests.board.machine import RELAY, Machine
from tests.board.table import Row

NAME = "boot"
WATCHDOG_S = 20
WAIT_S = 1800.0
# So many periods of the watchdog the service must live through.
PERIODS = 3
# What a doctor that looked must have said something of.
LOOKED_AT = frozenset({"store", "door", "camera", "models", "service"})
# What doctor has to say of this very board, and of no other: check, and why.
EXPECTED = {
    "store": "nobody is enrolled yet",
    "clock": "no time service can be reached without a network",
    "watchdog": "softdog, which hangs with the kernel, is the only one here",
    "updates": "an emulated board without a network installs none",
}

_SHOW = "systemctl show appliance -p ActiveState -p SubState -p NRestarts -p WatchdogUSec"
_SYSTEM = (
    "systemctl show -p RuntimeWatchdogUSec; cat /sys/class/watchdog/watchdog0/{identity,state}"
)
_DOCTOR = "appliance --json doctor"


def run(board: Board) -> list[Row]:
    """Boot, look, and boot again in order; then judge the logs."""
    options = board.options(NAME)
    with board.machine(options) as machine:
        board.wait_until_ready(machine)
        machine.ssh(_SHOW)
        machine.ssh(f"bash -c '{_SYSTEM}'")
        machine.ssh(_DOCTOR, timeout_s=600)
        # In the guest's time, which is slower.
        machine.ssh(f"sleep {PERIODS * WATCHDOG_S}", timeout_s=WAIT_S)
        machine.ssh(_SHOW)
        _boot_again(machine, board)
        machine.ssh(_SHOW)
    return judge(options.folder)


def judge(folder: Path) -> list[Row]:
    """The rows, from the logs in a folder."""
    evidence = read(folder)
    return [
        _relay(evidence),
        _ready(evidence),
        _watchdog(evidence),
        _system_watchdog(evidence),
        _doctor(evidence),
    ]


def _boot_again(machine: Machine, board: Board) -> None:
    earlier = len(_resets(machine))
    machine.ssh("systemctl reboot")
    deadline = time.monotonic() + 300
    while len(_resets(machine)) == earlier:
        if time.monotonic() > deadline:
            raise BoardError("The board did not start anew.")
        time.sleep(1)
    machine.forget_ssh()
    board.wait_until_ready(machine)


def _resets(machine: Machine) -> tuple[float, ...]:
    return read(machine.folder).trace.resets


def _relay(evidence: Evidence) -> Row:
    resets = evidence.trace.resets
    end = evidence.commands[-1].at
    driven = [it for it in evidence.trace.drives(RELAY) if it.level is not None]
    high = evidence.trace.pulses(RELAY)
    first = f"first driven, at level {driven[0].level}, " if driven else "not driven"
    first += _after(evidence, driven[0].at) if driven else ""
    return Row(
        "from reset on, the relay's line is never high, and the first that drives it drives it low",
        f"{len(high)} times high in {end - resets[0]:.0f} s of the host with {len(resets)} resets; "
        f"{first}",
        ok=not high and bool(driven) and driven[0].level == 0 and len(resets) == 2,
    )


def _ready(evidence: Evidence) -> Row:
    started = [_first(evidence.heard("Started appliance.service"), *it) for it in _boots(evidence)]
    states = [properties(answer) for answer in evidence.asked(_SHOW)]
    running = all((it["ActiveState"], it["SubState"]) == ("active", "running") for it in states)
    times = " and ".join("never" if it is None else _after(evidence, it.at) for it in started)
    return Row(
        "the service says READY at each boot, by itself",
        f"ready {times}, {_restarts(states)} restarts",
        ok=running and None not in started and _restarts(states) == 0,
    )


def _boots(evidence: Evidence) -> list[tuple[float, float]]:
    """From each reset to the next one, the host's times."""
    resets = evidence.trace.resets
    return list(zip(resets, [*resets[1:], float("inf")], strict=True))


def _first(said: Sequence[Said], begin: float, end: float) -> Said | None:
    return next((it for it in said if begin <= it.at < end), None)


def _watchdog(evidence: Evidence) -> Row:
    asked = evidence.asked(_SHOW)
    states = [properties(answer) for answer in asked]
    lived = evidence.trace.lasted(asked[0].at, asked[1].at)
    told = {it["WatchdogUSec"] for it in states}
    restarts = int(states[1]["NRestarts"]) - int(states[0]["NRestarts"])
    return Row(
        f"systemd's watchdog is armed with {WATCHDOG_S} s, and the service feeds it",
        f"WatchdogUSec={', '.join(sorted(told))}; fed for {lived:.0f} s, "
        f"{restarts} restarts meanwhile",
        ok=told == {f"{WATCHDOG_S}s"} and lived >= PERIODS * WATCHDOG_S and restarts == 0,
    )


def _system_watchdog(evidence: Evidence) -> Row:
    out = evidence.last("RuntimeWatchdogUSec").out.split()
    return Row(
        "a system watchdog that the image sets (docs/operations.md) runs beside the service's",
        " ".join(out),
        ok="active" in out and "RuntimeWatchdogUSec=1min" in out,
    )


def _doctor(evidence: Evidence) -> Row:
    answer = evidence.last(_DOCTOR)
    checks = json_of(answer)["checks"]
    unseen = sorted(LOOKED_AT - {it["name"] for it in checks})
    fails = [it["name"] for it in checks if it["status"] == "fail"]
    warns = [it["name"] for it in checks if it["status"] == "warn"]
    told = f"{len(checks)} checks, {len(fails)} fail"
    told += f" ({', '.join(fails)})" if fails else ""
    told += f", {len(warns)} warn ({', '.join(warns)})" if warns else ", no warning"
    told += f"; not looked at: {', '.join(unseen)}" if unseen else ""
    told += f"; exit code {answer.code}"
    return Row(
        f"doctor: all ok but what this board gives cause for ({', '.join(EXPECTED)})",
        told,
        ok=answer.code == 0 and not unseen and not fails and set(warns) <= set(EXPECTED),
    )


def _after(evidence: Evidence, at: float) -> str:
    """How long after the last reset, in the guest's seconds where the trace tells them."""
    reset = max(reset for reset in evidence.trace.resets if reset <= at)
    first = next((host for host, _ in evidence.trace.counted if host >= reset), at)
    return f"after {evidence.trace.lasted(min(first, at), at):.0f} s"


def _restarts(states: list[dict[str, str]]) -> int:
    return max(int(it["NRestarts"]) for it in states)
