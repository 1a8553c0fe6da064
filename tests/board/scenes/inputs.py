"""The door's inputs: the button inside releases, and what should not happen raises an alarm."""

from __future__ import annotations

import time
from pathlib import Path

from tests.board.asking import (
    AUDIT,
    STATUS,
    Record,
    ask,
    at_rest,
    last_records,
    seconds,
    told,
    wait_until,
)
from tests.board.board import Board
from tests.board.evidence import Evidence, read
from tests.board.installed import PULSE_S
from tests.board.lines import Pulse
from tests.board.machine import CONTACT, EXIT_BUTTON, RELAY, TAMPER, Machine
from tests.board.table import Row
from tests.board.warm import ready

NAME = "inputs"
# How long a finger stays; and how long the line may take, in the guest's seconds. A board's own
# figures are others.
PRESS_S = 2.0
ANSWER_S = 1.0
_SETTLE_S = 2.0
# The host's seconds, which are shorter.
PATIENCE_S = 400.0
# The scheduler may end a pulse late, never early.
EARLY_S, LATE_S = 0.1, 0.5


def run(board: Board) -> list[Row]:
    """Press, open, hold open, force, tamper; then judge the logs."""
    with ready(board, NAME) as machine:
        _leave(machine)
        _hold_open(machine)
        _alarm(machine, CONTACT, "forced")
        _alarm(machine, TAMPER, "tamper")
        ask(machine, AUDIT)
    return judge(board.folder / NAME)


def judge(folder: Path) -> list[Row]:
    """The rows, from the logs in a folder."""
    evidence = read(folder)
    log = last_records(evidence)
    return [
        _released(evidence),
        _recorded(evidence, log),
        _alarmed(evidence, log, "held_open", "held open for too long"),
        _alarmed(evidence, log, "forced", "opened without a release"),
        _alarmed(evidence, log, "tamper", "somebody at the case"),
        _nothing_else(evidence),
    ]


def _leave(machine: Machine) -> None:
    pressed = machine.line(EXIT_BUTTON, 0)
    _until_pulse(machine, pressed, over=False)
    time.sleep(PRESS_S)
    machine.line(EXIT_BUTTON, 1)
    _until_pulse(machine, pressed, over=True)
    at_rest(machine, PATIENCE_S)


def _hold_open(machine: Machine) -> None:
    """Somebody leaves, and a wedge is put under the door."""
    pressed = machine.line(EXIT_BUTTON, 0)
    # Opened before the pulse is over, or it would be by force.
    _until_pulse(machine, pressed, over=False)
    machine.line(CONTACT, 1)
    machine.line(EXIT_BUTTON, 1)
    _until_alarm(machine, "held_open")
    machine.line(CONTACT, 0)
    _until_quiet(machine, "held_open")


def _until_pulse(machine: Machine, pressed: float, *, over: bool) -> None:
    """Until the trace shows a pulse that began after the press, or has ended; or it never does."""
    deadline = time.monotonic() + PATIENCE_S / 4
    while time.monotonic() < deadline:
        pulses = read(machine.folder).trace.pulses(RELAY)
        if any(it.start >= pressed and (it.end is not None or not over) for it in pulses):
            return
        time.sleep(0.2)


def _alarm(machine: Machine, line: int, kind: str) -> None:
    # Of the guest: a leaf that springs back from its frame within half a second is not forced.
    machine.ssh(f"sleep {_SETTLE_S:g}", timeout_s=PATIENCE_S)
    machine.line(line, 1)
    _until_alarm(machine, kind)
    machine.line(line, 0)
    _until_quiet(machine, kind)


def _until_alarm(machine: Machine, kind: str) -> None:
    wait_until(machine, lambda it: kind in it["door"]["alarms"], f"{kind} begins", PATIENCE_S)


def _until_quiet(machine: Machine, kind: str) -> None:
    wait_until(machine, lambda it: not it["door"]["alarms"], f"{kind} ends", PATIENCE_S)


def _presses(evidence: Evidence) -> list[float]:
    return [change.at for change in evidence.trace.pressed(EXIT_BUTTON) if change.level == 0]


def _pulse_after(evidence: Evidence, at: float) -> Pulse | None:
    found = [pulse for pulse in evidence.trace.pulses(RELAY) if pulse.start >= at]
    return found[0] if found and _prompt(evidence, at, found[0]) else None


def _prompt(evidence: Evidence, pressed: float, pulse: Pulse) -> bool:
    return pulse.start >= pressed and seconds(evidence.trace, pressed, pulse.start) <= ANSWER_S


def _released(evidence: Evidence) -> Row:
    pressed = _presses(evidence)
    pulse = _pulse_after(evidence, pressed[0]) if pressed else None
    length = pulse.length_s if pulse else None
    said = "the relay's line stays low"
    if pulse is not None:
        took = seconds(evidence.trace, pressed[0], pulse.start)
        said = f"high {took * 1000:.0f} ms after the press"
        said += " and for ever" if length is None else f", for {length:.2f} s"
    well = length is not None and PULSE_S - EARLY_S <= length <= PULSE_S + LATE_S
    return Row(f"the button inside releases the door for {PULSE_S:g} s", said, ok=well)


def _recorded(evidence: Evidence, log: list[Record]) -> Row:
    found = [it for it in log if it.event == "request_to_exit" and it.detail.get("released")]
    pressed = len(_presses(evidence))
    return Row(
        "each press of the button is recorded",
        f"{pressed} presses, {len(found)} records",
        ok=pressed == len(found) > 0,
    )


def _alarmed(evidence: Evidence, log: list[Record], kind: str, what: str) -> Row:
    began = [it for it in log if (it.event, it.detail.get("kind")) == ("alarm", kind)]
    ended = [it for it in log if (it.event, it.detail.get("kind")) == ("alarm_over", kind)]
    states = [told(it)["door"]["alarms"] for it in evidence.asked(f"# {STATUS}") if it.code == 0]
    shown = any(kind in alarms for alarms in states)
    return Row(
        f"{what}: alarm {kind!r} in the status and the audit log, and its end",
        f"{len(began)} began, {len(ended)} ended, {'' if shown else 'not '}in the status",
        ok=len(began) == len(ended) == 1 and shown,
    )


def _nothing_else(evidence: Evidence) -> Row:
    pressed = _presses(evidence)
    pulses = evidence.trace.pulses(RELAY)
    caused = [pulse for pulse in pulses if any(0 <= pulse.start - at <= ANSWER_S for at in pressed)]
    return Row(
        "no contact, and no alarm, moves the relay",
        f"{len(pulses)} pulses, {len(caused)} of them by a press",
        ok=len(pulses) == len(caused) <= len(pressed),
    )
