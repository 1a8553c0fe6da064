"""Faults of a running service: killed, hanging, without its camera, with a full disk."""

from __future__ import annotations

import time
from pathlib import Path

from tests.board.asking import (
    AUDIT,
    SOCKET,
    STATUS,
    UNLOCK,
    ask,
    at_rest,
    last_records,
    seconds,
    status,
    told,
    wait_until,
)
from tests.board.board import READY_S, Board
from tests.board.evidence import Evidence, json_of, properties, read
from tests.board.lines import Pulse
from tests.board.machine import EXIT_BUTTON, RELAY, Answer, Machine
from tests.board.table import Row
from tests.board.warm import ready

NAME = "faults"
# A line that nothing is wired to: it rises with the blow, and the trace has both on one clock.
MARK = 0
WATCHDOG_S, ABORT_S, REST_S = 20.0, 1.0, 1.0
# All these are the guest's seconds. A hang is noticed when the watchdog's time is over, and the
# kernel's timers add something.
_LATE_S = 1.0
_KILL, _STOP = "SIGKILL", "SIGSTOP"
# The host's seconds: those of the guest are longer.
_PATIENCE_S = 600.0
_TRIES = 12
# A finger's press, long enough for an emulated processor to see it.
_PRESS_S = 5.0
_SHOW = "systemctl show appliance -p ActiveState -p NRestarts -p MainPID -p StatusText"
_AWAY, _BACK = "camera away", "camera back"
_FULL, _FREE = "disk full", "disk free"

# Ask for a release, and strike while the pulse runs. Only what loads at once.
_BLOW = """
import http.client, json, os, signal, socket, sys
import lgpio
def ask(method, path, body):
    connection = http.client.HTTPConnection("localhost", timeout=120)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect("/run/appliance/control.sock")
    connection.request(method, path, body, {"content-type": "application/json"})
    return json.loads(connection.getresponse().read())
number, line = getattr(signal, sys.argv[1]), int(sys.argv[2])
chip = lgpio.gpiochip_open(0)
lgpio.gpio_claim_output(chip, line, 0)
pid = ask("GET", "/v1/status", None)["pid"]
answer = ask("POST", "/v1/unlock", json.dumps({"reason": "to be struck"}))
lgpio.gpio_write(chip, line, 1)
os.kill(pid, number)
print(json.dumps({"pid": pid, "answer": answer}))
"""


def run(board: Board) -> list[Row]:
    """Break, look, mend; then judge the logs."""
    with ready(board, NAME) as machine:
        for name in (_KILL, _STOP):
            _serving(machine)
            machine.ssh(_SHOW + f" # before {name}")
            command = f"cd /tmp && /opt/appliance/bin/python - {name} {MARK} # {name}"
            machine.ssh(command, feed=_BLOW, timeout_s=300)
            # Until it is gone, and then until it is back by itself.
            time.sleep(WATCHDOG_S + ABORT_S if name == _STOP else 2)
            _back(machine, name)
        _serving(machine)
        _camera(machine)
        _serving(machine)
        _disk(machine)
        ask(machine, AUDIT)
    return judge(board.folder / NAME)


def judge(folder: Path) -> list[Row]:
    """The rows, from the logs in a folder."""
    evidence = read(folder)
    blows = [it.at for it in evidence.trace.levels(MARK) if it.level == 1]
    return [
        _rest(evidence, blows, _KILL),
        _rest(evidence, blows, _STOP),
        _restarted(evidence),
        _camera_told(evidence),
        _recorded_or_shut(evidence),
        _lets_out(evidence),
    ]


# --- what is done ---------------------------------------------------------------------------------


def _serving(machine: Machine) -> None:
    """A service that did not come back is started by hand: the next fault wants one."""
    machine.ssh(
        "timeout 60 python3 -c 'import socket; s = socket.socket(socket.AF_UNIX);"
        f' s.connect("{SOCKET}"); s.send(b"GET /v1/status HTTP/1.0\\r\\n\\r\\n"); s.recv(1)\''
        " || systemctl kill --signal=KILL appliance; systemctl start appliance",
        timeout_s=READY_S,
    )
    at_rest(machine, _PATIENCE_S)


def _back(machine: Machine, name: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        asked = machine.ssh(f"{_SHOW} # after {name}")
        found = properties(asked)
        before = properties(_last(machine, f"# before {name}"))
        if found.get("ActiveState") == "active" and found["MainPID"] != before["MainPID"]:
            return
        time.sleep(2)


def _last(machine: Machine, text: str) -> Answer:
    return read(machine.folder).last(text)


def _camera(machine: Machine) -> None:
    """Unplug it, take its driver out, put both back."""
    before = status(machine)["pid"]
    machine.ssh(
        "systemctl stop board-camera 2> /dev/null;"
        " echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind"
    )
    wait_until(machine, lambda it: it["camera"]["trouble"] is not None, _AWAY, _PATIENCE_S)
    machine.ssh("for i in $(seq 60); do rmmod vivid && break; sleep 1; done; ls /dev/video*")
    # systemd is told at the service's next look, at most seconds later.
    for _ in range(_TRIES):
        trouble = told(ask(machine, STATUS, note=_AWAY))["camera"]["trouble"]
        shown = properties(machine.ssh(f"{_SHOW} # {_AWAY}"))["StatusText"]
        if trouble and trouble in shown:
            break
    machine.ssh("modprobe vivid; systemctl start board-camera 2> /dev/null || true")
    wait_until(machine, lambda it: it["camera"]["trouble"] is None, _BACK, _PATIENCE_S)
    ask(machine, STATUS, note=_BACK)
    machine.ssh(f"echo {before} # {_BACK}")


def _disk(machine: Machine) -> None:
    machine.ssh(
        "d=/var/lib/appliance; sqlite3 $d/appliance.db 'PRAGMA wal_checkpoint(TRUNCATE)';"
        # What the system keeps for root is taken as well.
        " fallocate -l $(df --output=avail -B1 $d | tail -1) $d/full;"
        f" dd if=/dev/zero of=$d/fuller bs=4k; df $d; true # {_FULL}",
        timeout_s=600,
    )
    for number in range(_TRIES):
        answer = ask(machine, UNLOCK, {"reason": f"full {number}"})
        if answer.code:
            break
    _press(machine)
    machine.ssh(
        f"rm -f /var/lib/appliance/full /var/lib/appliance/fuller; sync # {_FREE}", timeout_s=600
    )
    at_rest(machine, _PATIENCE_S)
    ask(machine, UNLOCK, {"reason": "there is room again"})
    at_rest(machine, _PATIENCE_S)


def _press(machine: Machine) -> None:
    at_rest(machine, _PATIENCE_S)
    machine.line(EXIT_BUTTON, 0)
    time.sleep(_PRESS_S)
    machine.line(EXIT_BUTTON, 1)
    at_rest(machine, _PATIENCE_S)


# --- what came of it ------------------------------------------------------------------------------


def _rest(evidence: Evidence, blows: list[float], name: str) -> Row:
    number = (_KILL, _STOP).index(name)
    at = blows[number] if number < len(blows) else None
    due = 0.0 if name == _KILL else WATCHDOG_S + ABORT_S + _LATE_S
    if name == _KILL:
        promise = f"kill -9 inside a pulse: the line is at rest within {REST_S:g} s"
    else:
        promise = (
            f"a hang inside a pulse: the watchdog aborts the service after {WATCHDOG_S:g} s, and "
            f"the line is at rest within {REST_S:g} s of its end"
        )
    pulse = None if at is None else _pulse_at(evidence, at)
    if at is None or pulse is None or pulse.end is None:
        return Row(promise, "the pulse did not end, or there was none", ok=False)
    took, next_start = seconds(evidence.trace, at, pulse.end), _next_start(evidence, at)
    before = next_start is None or pulse.end < next_start
    said = f"{took:.2f} s after the blow"
    said += "" if before else "; and only the next start of the service did it"
    return Row(promise, said, ok=before and took - due <= REST_S)


def _pulse_at(evidence: Evidence, at: float) -> Pulse | None:
    """The pulse that was running then."""
    for pulse in evidence.trace.pulses(RELAY):
        if pulse.start <= at and (pulse.end is None or pulse.end >= at):
            return pulse
    return None


def _next_start(evidence: Evidence, at: float) -> float | None:
    found = [it.at for it in evidence.heard("Starting appliance.service") if it.at > at]
    return found[0] if found else None


def _restarted(evidence: Evidence) -> Row:
    told_of = []
    for name in (_KILL, _STOP):
        before = properties(evidence.last(f"# before {name}"))
        after = properties(evidence.last(f"# after {name}"))
        started = int(after["NRestarts"]) - int(before["NRestarts"])
        told_of.append((name, started, after["ActiveState"]))
    said = ", ".join(f"{name}: {count} restart, {state}" for name, count, state in told_of)
    well = all(count == 1 and state == "active" for _, count, state in told_of)
    return Row("after either the service is started again by itself, and serves", said, ok=well)


def _camera_told(evidence: Evidence) -> Row:
    away = told(evidence.last(f"# {STATUS} # {_AWAY}"))
    back = told(evidence.last(f"# {STATUS} # {_BACK}"))
    sentence = properties(evidence.last(f"{_SHOW} # {_AWAY}"))["StatusText"]
    before = int(evidence.last(f"# {_BACK}").out)
    trouble, degraded = away["camera"]["trouble"], away["state"] == "degraded"
    lived = away["pid"] == back["pid"] == before
    recovered = back["camera"]["trouble"] is None
    return Row(
        "a camera whose driver goes is told, restarts nothing, and is seen again when it is back",
        f"{away['state']}: {trouble}; systemctl: {sentence!r}; "
        f"{'the same' if lived else 'another'} process; {'' if recovered else 'not '}seen again",
        ok=degraded and bool(trouble) and trouble in sentence and lived and recovered,
    )


def _full(evidence: Evidence) -> tuple[float, float]:
    """From when on it was being filled (nothing else is asked meanwhile) until it had room."""
    return evidence.last(f"# {_FULL}").at, evidence.last(f"# {_FREE}").at


def _recorded_or_shut(evidence: Evidence) -> Row:
    begin, end = _full(evidence)
    asked = [it for it in evidence.asked(f"# {UNLOCK}") if begin <= it.at]
    refused = [it for it in asked if it.code and it.at < end]
    wrongly = [it for it in refused if _pulses_in(evidence, it.at, it.at + it.took_s + 1)]
    released = [json_of(it)["record"] for it in asked if not it.code]
    kept = {it.number for it in last_records(evidence) if it.event == "unlock"}
    again = bool(asked) and not asked[-1].code and asked[-1].at > end
    code = json_of(refused[0])["error"]["code"] if refused else "nothing was refused"
    return Row(
        "with a full disk nothing is released unrecorded; with room again, it serves as before",
        f"{len(refused)} refused ({code}), {len(wrongly)} of them released; "
        f"{len(set(released) & kept)} of {len(released)} releases recorded; "
        f"{'serves' if again else 'does not serve'} again",
        ok=bool(refused) and not wrongly and set(released) <= kept and again,
    )


def _lets_out(evidence: Evidence) -> Row:
    begin, end = _full(evidence)
    pressed = [
        it.at for it in evidence.trace.pressed(EXIT_BUTTON) if it.level == 0 and begin < it.at < end
    ]
    released = [at for at in pressed if _pulses_in(evidence, at, end)]
    recorded = [it for it in last_records(evidence) if it.event == "request_to_exit"]
    return Row(
        "with a full disk the button inside releases, and is recorded once there is room",
        f"{len(pressed)} pressed, {len(released)} released, {len(recorded)} recorded",
        ok=len(pressed) == len(released) == len(recorded) == 1,
    )


def _pulses_in(evidence: Evidence, begin: float, end: float) -> list[Pulse]:
    return [it for it in evidence.trace.pulses(RELAY) if begin <= it.start <= end]
