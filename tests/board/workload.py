"""People and programs at an appliance: what they ask, and what they were answered.

    python -m tests.board.workload --socket SOCKET --templates FILE [--device DISK]
        [--count N] [--seed N] [--config FILE]

Runs beside the service, in the guest: enrolments, openings and attempts one after the other, and
removals where the configuration is given. Each answer is printed as a line, and written to the end
of the disk DISK, past its file system, directly and without a flush: whoever reads the disk's log
of writes then knows what had been answered when (see `torn`).

FILE holds templates, one a line, as `templates` makes them. Only the standard library: an emulated
processor would load the appliance's for minutes.
"""

from __future__ import annotations

import argparse
import http.client
import json
import mmap
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.board.promise import BEGUN, ENROLLED, RECORDED, REMOVED, Promise, to_line, to_mark

# The end of the disk, where answers are written down; it belongs to no file system.
MARKS = 1024 * 1024
_SECTOR = 512
_ANSWER_S = 300.0
# A service that is only just starting is asked again.
_PATIENCE_S, _AGAIN_S = 300.0, 0.2

Note = Callable[[Promise], None]


class RefusedError(Exception):
    """The service refused what it should not have; its answer."""


class Disk:
    """The end of a disk. O_DIRECT: it is written to at once, and nothing else is flushed by it."""

    def __init__(self, device: Path) -> None:
        self._file = os.open(device, os.O_WRONLY | os.O_DIRECT | os.O_CLOEXEC)
        self._begin = os.lseek(self._file, 0, os.SEEK_END) - MARKS
        # Direct writes want aligned memory; a mapping is.
        self._sector = mmap.mmap(-1, _SECTOR)
        self._count = 0

    def note(self, promise: Promise) -> None:
        """Write a promise into the next sector, around again at the end: the log has them all."""
        self._sector[:] = to_mark(promise, _SECTOR)
        place = self._begin + self._count % (MARKS // _SECTOR) * _SECTOR
        os.pwritev(self._file, [self._sector], place)
        self._count += 1


class Service:
    """The service on a socket, asked in its own words."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def wait(self) -> None:
        """Return when it answers. OSError when it never does."""
        latest = time.monotonic() + _PATIENCE_S
        while time.monotonic() < latest:
            with suppress(OSError, http.client.HTTPException):
                self.ask("GET", "/v1/status")
                return
            time.sleep(_AGAIN_S)
        self.ask("GET", "/v1/status")

    def ask(self, method: str, where: str, body: str = "") -> tuple[int, list[Any]]:
        """The status of the answer, and each of its lines."""
        connection = http.client.HTTPConnection("localhost", timeout=_ANSWER_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.settimeout(_ANSWER_S)
            connection.sock.connect(os.fspath(self._path))
            headers = {"content-type": "application/json"}
            connection.request(method, where, body.encode() or None, headers)
            answer = connection.getresponse()
            lines = answer.read().decode().splitlines()
            return answer.status, [json.loads(line) for line in lines if line]
        finally:
            connection.close()

    def insist(self, method: str, where: str, body: str) -> None:
        """Ask for what must not be refused. RefusedError when it is."""
        status, lines = self.ask(method, where, body)
        if status != http.HTTPStatus.OK:
            raise RefusedError(f"{method} {where} was answered {status}: {lines}")

    def claims(self, name: str) -> bool:
        """An attempt for nobody at all; True when it was heard to its end, and so recorded."""
        status, lines = self.ask("POST", "/v1/attempts", json.dumps({"name": name}))
        told = lines[-1] if lines else {}
        # The one before may still be in its pulse, or nobody is heard for a while.
        return status == http.HTTPStatus.OK and "unknown_person" in json.dumps(told)


def requests(
    service: Service, templates: Sequence[str], seed: int, note: Note, config: Path | None = None
) -> Iterator[str]:
    """Ask for one thing after the other, for ever. What each was; note: hears what was answered.

    config: of the appliance whose people are removed too. RefusedError, or OSError when it goes.
    """
    chance = random.Random(seed)  # noqa: S311 - no secrets
    enrolled: list[str] = []
    weights = (4, 4, 2, 1 if config else 0)
    number = 0
    while True:
        number += 1
        name = f"{seed}-{number}"
        kind = chance.choices(("enrol", "unlock", "attempt", "remove"), weights)[0]
        if kind == "enrol":
            note(Promise(BEGUN, name))
            # Two who look alike are told, not refused.
            body = templates[number % len(templates)]
            service.insist("PUT", f"/v1/people/{name}/template", body)
            note(Promise(ENROLLED, name))
            note(Promise(RECORDED, name, "enrolled"))
            enrolled.append(name)
        elif kind == "unlock":
            service.insist("POST", "/v1/unlock", json.dumps({"reason": f"workload {name}."}))
            note(Promise(RECORDED, f"workload {name}.", "unlock"))
        elif kind == "attempt":
            if service.claims(f"stranger {name}."):
                note(Promise(RECORDED, f"stranger {name}.", "access_denied"))
        elif enrolled and config is not None:
            gone = enrolled.pop(chance.randrange(len(enrolled)))
            note(Promise(BEGUN, gone))
            _remove(config, gone)
            note(Promise(REMOVED, gone))
            note(Promise(RECORDED, gone, "removed"))
        yield kind


def _remove(config: Path, name: str) -> None:
    words = [sys.executable, "-m", "appliance", "--config", str(config), "people", "remove", name]
    subprocess.run(words, check=True, capture_output=True)


def main(words: Sequence[str]) -> int:
    """0 when all was asked; 3 when the service refused something or went."""
    parser = argparse.ArgumentParser(prog="python -m tests.board.workload")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--templates", type=Path, required=True)
    parser.add_argument("--device", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(words)
    service, disk = Service(asked.socket), Disk(asked.device) if asked.device else None
    templates = asked.templates.read_text(encoding="utf-8").splitlines()

    def note(promise: Promise) -> None:
        sys.stdout.write(f"{to_line(promise)}\n")
        sys.stdout.flush()
        if disk is not None:
            disk.note(promise)

    try:
        service.wait()
        work = requests(service, templates, asked.seed, note, asked.config)
        for number, _ in enumerate(work, 1):
            if number >= asked.count:
                break
    except (RefusedError, OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
