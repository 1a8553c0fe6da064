"""People and programs at an appliance: what they ask, and what they were answered.

    python -m tests.board.workload --config FILE [--device DISK] [--count N] [--seed N]

Runs beside the service, in the guest: enrolments, openings, attempts and removals one after the
other. Each answer is printed as a line, and written to the end of the disk DISK, past its file
system, directly and without a flush: whoever reads the disk's log of writes then knows what had
been answered when (see `torn`). The templates are random vectors: what is tried here is whether
they stay.
"""

from __future__ import annotations

import argparse
import base64
import mmap
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from appliance import assemble
from appliance.config import Config, ModelConfig, load
from appliance.control.client import Client
from appliance.control.words import Result, TemplateSent
from appliance.errors import ApplianceError
from appliance.store.codec import encode_template
from appliance.types import Template
from tests.board.promise import BEGUN, ENROLLED, RECORDED, REMOVED, Promise, to_line, to_mark

# The end of the disk, where answers are written down; it belongs to no file system.
MARKS = 1024 * 1024
_SECTOR = 512
# A service that is only just starting is asked again.
_PATIENCE_S, _AGAIN_S = 300.0, 0.2

Note = Callable[[Promise], None]


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


def requests(config: Config, seed: int, note: Note) -> Iterator[str]:
    """Ask for one thing after the other, for ever. What each was; note: hears what was answered.

    Raises what the service answers, but for the refusal of an attempt.
    """
    client, chance = Client(Path(config.control.socket)), random.Random(seed)  # noqa: S311 - no secrets
    enrolled: list[str] = []
    number = 0
    while True:
        number += 1
        name = f"{seed}-{number}"
        kind = chance.choices(("enrol", "unlock", "attempt", "remove"), (4, 4, 2, 1))[0]
        if kind == "enrol":
            note(Promise(BEGUN, name))
            client.keep(name, template(config, seed * 1_000_003 + number))
            note(Promise(ENROLLED, name))
            note(Promise(RECORDED, name, "enrolled"))
            enrolled.append(name)
        elif kind == "unlock":
            client.unlock(f"workload {name}.")
            note(Promise(RECORDED, f"workload {name}.", "unlock"))
        elif kind == "attempt":
            if _attempt(client, f"stranger {name}."):
                note(Promise(RECORDED, f"stranger {name}.", "access_denied"))
        elif enrolled:
            gone = enrolled.pop(chance.randrange(len(enrolled)))
            note(Promise(BEGUN, gone))
            _remove(config, gone)
            note(Promise(REMOVED, gone))
            note(Promise(RECORDED, gone, "removed"))
        yield kind


def _attempt(client: Client, name: str) -> bool:
    """A claim of nobody at all; True when it was heard to its end, and so recorded."""
    try:
        events = list(client.verify(name, unlock=True))
    except ApplianceError as error:
        # The one before is still in its pulse, or nobody is heard for a while.
        if error.code == "device_busy":
            return False
        raise
    return any(isinstance(it, Result) and it.data["decision"] == "unknown_person" for it in events)


def _remove(config: Config, name: str) -> None:
    """As `appliance people remove` does, without its start."""
    with assemble.store(config) as store, store.together():
        store.people.remove(name)
        store.audit.append("removed", name, {"by": "workload"})


def template(config: Config, seed: int) -> TemplateSent:
    """Somebody's template, which no face is like."""
    model, fingerprint = _embedder(config.model.name)
    vectors = np.random.default_rng(seed).normal(size=(6, 192)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = Template(vectors=vectors[1:], mean=vectors[0], model=model, fingerprint=fingerprint)
    sent = base64.b64encode(encode_template(made)).decode("ascii")
    return TemplateSent(model=model, fingerprint=fingerprint, template=sent)


@cache
def _embedder(name: str) -> tuple[str, str]:
    config = Config(model=ModelConfig(name=name))
    models = assemble.manifest(config)
    entry = models.entry(name, "embedder")
    return entry.name, assemble.template_fingerprint(entry, models)


def patiently(config: Config) -> None:
    """Return when the service answers. ApplianceError when it never does."""
    client, latest = Client(Path(config.control.socket)), time.monotonic() + _PATIENCE_S
    while time.monotonic() < latest:
        with suppress(ApplianceError):
            client.status()
            return
        time.sleep(_AGAIN_S)
    client.status()


def main(words: list[str]) -> int:
    """0 when all was asked; 3 when the service refused something."""
    parser = argparse.ArgumentParser(prog="python -m tests.board.workload")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--device", type=Path)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(words)
    config, disk = load(asked.config), Disk(asked.device) if asked.device else None

    def note(promise: Promise) -> None:
        sys.stdout.write(f"{to_line(promise)}\n")
        sys.stdout.flush()
        if disk is not None:
            disk.note(promise)

    try:
        patiently(config)
        for number, _ in enumerate(requests(config, asked.seed, note), 1):
            if number >= asked.count:
                break
    except ApplianceError as error:
        sys.stderr.write(f"{error.message}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
