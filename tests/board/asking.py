"""What the appliance on a board is asked over its own socket, by root in the guest.

The commands' way would take the guest ten seconds of imports each time; its answers are the same.
Every question and answer is written down in the machine's `commands.log`.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.board.evidence import Evidence
from tests.board.host import BoardError
from tests.board.lines import Trace
from tests.board.machine import Answer, Machine

SOCKET = "/run/appliance/control.sock"
STATUS, AUDIT, UNLOCK = "GET /v1/status", "GET /v1/audit?count=500", "POST /v1/unlock"
_BETWEEN_S = 1.0
# For the guest's own Python; what the service refuses is printed too, with exit code 1.
_ASK = """
import http.client, socket, sys
connection = http.client.HTTPConnection("localhost", timeout=120)
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.settimeout(120)
connection.sock.connect(sys.argv[1])
headers = {"content-type": "application/json"}
connection.request(sys.argv[2], sys.argv[3], sys.argv[4] or None, headers)
answer = connection.getresponse()
print(answer.read().decode())
sys.exit(0 if answer.status == 200 else 1)
"""


@dataclass(frozen=True)
class Record:
    """A record of the audit log. at: the guest's time, seconds since 1970."""

    number: int
    at: float
    event: str
    subject: str
    detail: dict[str, Any]


def ask(
    machine: Machine, what: str, body: object = None, *, note: str = "", timeout_s: float = 300
) -> Answer:
    """METHOD PATH, and the service's answer as it came; `told` reads it.

    note: why, by which a judge finds it in the log; so it does by `what`.
    """
    method, _, path = what.partition(" ")
    sent = "" if body is None else json.dumps(body)
    words = " ".join(shlex.quote(word) for word in (SOCKET, method, path, sent))
    comment = f"# {what} # {note}" if note else f"# {what}"
    return machine.ssh(f"python3 - {words} {comment}", feed=_ASK, timeout_s=timeout_s)


def told(answer: Answer) -> Any:
    """The JSON of an answer. BoardError where there is none."""
    try:
        return json.loads(answer.out)
    except ValueError as error:
        said = (answer.err or answer.out).strip().splitlines()
        why = said[-1] if said else f"exit code {answer.code}"
        raise BoardError(f"The service did not answer: {why}") from error


def status(machine: Machine) -> dict[str, Any]:
    """The service's status now. BoardError when it does not answer."""
    found: dict[str, Any] = told(ask(machine, STATUS))
    return found


def wait_until(
    machine: Machine, holds: Callable[[dict[str, Any]], bool], what: str, within_s: float
) -> bool:
    """True once the status says so; False when it does not within the time.

    what: for the log of the run. A service that does not answer has not said so yet.
    """
    deadline = time.monotonic() + within_s
    while True:
        answer = ask(machine, STATUS)
        if answer.code == 0 and holds(told(answer)):
            return True
        if time.monotonic() > deadline:
            machine.ssh(f"echo never: {shlex.quote(what)}; journalctl -n 40 --no-pager")
            return False
        time.sleep(_BETWEEN_S)


def at_rest(machine: Machine, within_s: float) -> bool:
    """Return when the door is locked again; False when it is not within the host's seconds."""
    return wait_until(machine, lambda it: it["door"]["state"] == "locked", "at rest", within_s)


def seconds(trace: Trace, begin: float, end: float) -> float:
    """The guest's seconds between two of the host's times, the host's where nothing tells them."""
    counted = trace.between(begin, end)
    return end - begin if counted is None else counted


def records(answer: Answer) -> list[Record]:
    """The audit log of an answer to AUDIT. BoardError for anything else."""
    found = told(answer)
    if "records" not in found:
        raise BoardError(f"The service did not tell its audit log: {found}")
    return [
        Record(
            it["number"],
            datetime.fromisoformat(it["at"].replace("Z", "+00:00")).timestamp(),
            it["event"],
            it["subject"],
            it["detail"],
        )
        for it in found["records"]
    ]


def last_records(evidence: Evidence) -> list[Record]:
    """The audit log as it was asked for last."""
    return records(evidence.last(f"# {AUDIT}"))
