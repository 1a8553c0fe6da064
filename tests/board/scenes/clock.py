"""A clock that stands at 1970 and a network that is not there: what works, and what is told."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.board.asking import AUDIT, UNLOCK, ask, at_rest, last_records
from tests.board.board import Board
from tests.board.evidence import Evidence, json_of, read
from tests.board.machine import EXIT_BUTTON, RELAY
from tests.board.strangers import templates
from tests.board.table import Row

NAME = "clock"
_ALWAYS, _HOURS = "always", "office-hours"
_ATTEMPT = "POST /v1/attempts"
_DOCTOR, _VERIFY, _DATE = "appliance --json doctor", "appliance audit verify", "date -u +%Y-%m-%d"
# systemd sets a clock that is far behind to the time of its own making; so this is done after.
_IN_1970 = "date -s '1970-01-01 01:00:00'; systemctl restart appliance"
# After an attempt that came to nothing, nobody is heard for a while.
_SILENCE_S = 20
# A finger's press, long enough for an emulated processor to see it; and the host's patience.
_PRESS_S, _PATIENCE_S = 5.0, 600.0


def run(board: Board) -> list[Row]:
    """Boot in 1970, enrol somebody with a schedule and somebody without, and try the door."""
    options = board.options(NAME, rtc="1970-01-01T00:00:00")
    with board.machine(options) as machine:
        board.wait_until_ready(machine)
        machine.ssh(_IN_1970, timeout_s=1800, check=True)
        board.wait_until_ready(machine)
        machine.ssh(f"{_DATE}; timedatectl show -p NTPSynchronized --value")
        for name, sent in zip((_ALWAYS, _HOURS), templates(2), strict=True):
            ask(machine, f"PUT /v1/people/{name}/template", json.loads(sent))
        machine.ssh(
            f"appliance people access {_HOURS} --allow 'mon-sun 00:00-24:00'",
            timeout_s=1800,
            check=True,
        )
        for name in (_HOURS, _ALWAYS):
            ask(machine, _ATTEMPT, {"name": name}, note=name, timeout_s=1800)
            # The guest's seconds.
            machine.ssh(f"sleep {_SILENCE_S}", timeout_s=1800)
            at_rest(machine, _PATIENCE_S)
        ask(machine, UNLOCK, {"reason": "in 1970"})
        at_rest(machine, _PATIENCE_S)
        machine.line(EXIT_BUTTON, 0)
        time.sleep(_PRESS_S)
        machine.line(EXIT_BUTTON, 1)
        at_rest(machine, _PATIENCE_S)
        machine.ssh(_DOCTOR, timeout_s=1800)
        machine.ssh(_VERIFY, timeout_s=1800)
        ask(machine, AUDIT)
    return judge(options.folder)


def judge(folder: Path) -> list[Row]:
    """The rows, from the logs in a folder."""
    evidence = read(folder)
    return [_told(evidence), _schedules(evidence), _opens(evidence), _chain(evidence)]


def _told(evidence: Evidence) -> Row:
    today, _, synchronised = evidence.last(_DATE).out.partition("\n")
    checks = {it["name"]: it for it in json_of(evidence.last(_DOCTOR))["checks"]}
    found = checks["clock"]
    return Row(
        "doctor tells of a clock that nobody vouches for",
        f"the guest takes today for {today} (synchronised: {synchronised.strip()}); "
        f"{found['status']}: {found['detail']}",
        ok=today.startswith("1970-01-01") and found["status"] in {"warn", "fail"},
    )


def _schedules(evidence: Evidence) -> Row:
    bound, free = _decision(evidence, _HOURS), _decision(evidence, _ALWAYS)
    return Row(
        "who may enter at times only is refused while the time is unknown; who always may is not",
        f"{_HOURS}: {bound}; {_ALWAYS}: {free} (nobody stands at the camera)",
        ok=bound == "not_permitted" and free in {"no_face", "timeout"},
    )


def _decision(evidence: Evidence, name: str) -> str:
    """What an attempt came to: the decision in the last line of its stream."""
    lines = evidence.last(f"# {_ATTEMPT} # {name}").out.strip().splitlines()
    told = json.loads(lines[-1]) if lines else {}
    if "data" in told:
        return str(told["data"]["decision"])
    return str(told.get("error", {}).get("code", "no answer"))


def _opens(evidence: Evidence) -> Row:
    asked = evidence.last(f"# {UNLOCK}")
    pressed = [it.at for it in evidence.trace.pressed(EXIT_BUTTON) if it.level == 0]
    pulses = evidence.trace.pulses(RELAY)
    last = pressed[-1] if pressed else float("inf")
    unlocked = [it for it in pulses if asked.at <= it.start < last]
    left = [it for it in pulses if it.start >= last]
    return Row(
        "an opening by command and the button inside work, and nothing else moves the relay",
        f"{len(pulses)} pulses: {len(unlocked)} by command, {len(left)} by the button",
        ok=len(unlocked) == len(left) == 1 and len(pulses) == 2,
    )


def _chain(evidence: Evidence) -> Row:
    verified = evidence.last(_VERIFY)
    recorded = {it.event for it in last_records(evidence)}
    wanted = {"enrolled", "access_denied", "unlock", "request_to_exit"}
    missing = ", ".join(sorted(wanted - recorded))
    return Row(
        "everything is recorded, and the chain verifies",
        f"{verified.out.strip() or verified.err.strip()}; missing: {missing or 'nothing'}",
        ok=verified.code == 0 and not missing,
    )
